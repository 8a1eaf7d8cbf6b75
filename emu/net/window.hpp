// SPDX-License-Identifier: Apache-2.0
/// Windows that move over the spatial axes of [N, C, D1, …, Dn]: convolutions and pools.
#pragma once

#include "emu/net/op.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace qaicnet {

inline constexpr std::size_t kMaxSpatial = 3;

/// One spatial axis. All sizes fit 31 bits, so that products of two fit 63.
struct WindowAxis {
    std::int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;
};

/// Missing axes in front have size 1.
struct Window {
    std::array<WindowAxis, kMaxSpatial> axes;
    std::size_t rank = 0;

    std::int64_t in_count() const { return axes[0].in * axes[1].in * axes[2].in; }
    std::int64_t out_count() const { return axes[0].out * axes[1].out * axes[2].out; }
    std::int64_t kernel_count() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
};

/// Attributes kernel_shape (or `kernel` when it is not empty), strides, dilations, pads, auto_pad
/// and ceil_mode; sizes of the result. Input 0 has the axes, its last ones when `channels_last`:
/// [N, D1, …, Dn, C].
qaicrt::Result<Window> read_window(NodeContext& c, const Shape& kernel, bool channels_last = false);
/// The same for ConvTranspose, with output_padding and output_shape.
qaicrt::Result<Window> read_transposed_window(NodeContext& c, const Shape& kernel,
                                              bool channels_last = false);

}  // namespace qaicnet
