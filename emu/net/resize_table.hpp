// SPDX-License-Identifier: Apache-2.0
/// One axis of a Resize: every output coordinate is a short weighted list of input coordinates, and
/// the lists of the axes multiply.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qaicnet {

/// One output coordinate of an axis: weights of input coordinates from `first` on in the table.
struct ResizeTaps {
    std::uint32_t begin = 0, count = 0;  ///< count 0: outside, the extrapolation value
};
struct ResizeTable {
    std::size_t in = 0, out = 0;
    std::vector<ResizeTaps> taps;
    std::vector<std::uint32_t> index;
    std::vector<double> weight;
    bool identity = false;
};

struct ResizeSettings {
    std::string mode, coordinates;
    std::string nearest;  ///< also "by_scale", before opset 11: floor, but ceil where it shrinks
    double cubic_a = -0.75;
    bool exclude_outside = false, antialias = false;
    float extrapolation = 0;
};

/// Places on an axis are counted in 32 bits.
constexpr double kMaxResizedAxis = 4e9;

struct ResizeAxis {
    std::size_t in = 1, out = 1;
    double scale = 1, roi_start = 0, roi_end = 1;
};

/// How many input coordinates the weights of one output coordinate cover.
std::int64_t resize_taps(const ResizeSettings& s, const ResizeAxis& a);

/// The caller has checked that the axis' sizes, scale and region are finite and the table fits.
ResizeTable make_resize_table(const ResizeSettings& s, const ResizeAxis& a);

}  // namespace qaicnet
