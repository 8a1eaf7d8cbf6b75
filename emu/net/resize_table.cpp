// SPDX-License-Identifier: Apache-2.0
#include "emu/net/resize_table.hpp"

#include <algorithm>
#include <cmath>

namespace qaicnet {

namespace {

double original_coordinate(const ResizeSettings& s, const ResizeAxis& a, std::size_t index) {
    const auto x = static_cast<double>(index);
    const auto in = static_cast<double>(a.in);
    // With scales it need not be whole.
    const double out = a.scale * in;
    if (s.coordinates == "align_corners") {
        return a.out == 1 ? 0 : x * (in - 1) / (out - 1);
    }
    if (s.coordinates == "asymmetric") {
        return x / a.scale;
    }
    if (s.coordinates == "tf_half_pixel_for_nn") {
        return (x + 0.5) / a.scale;
    }
    if (s.coordinates == "pytorch_half_pixel") {
        return a.out == 1 ? -0.5 : (x + 0.5) / a.scale - 0.5;
    }
    if (s.coordinates == "half_pixel_symmetric") {
        const double adjust = static_cast<double>(a.out) / out;
        return in / 2 * (1 - adjust) + (x + 0.5) / a.scale - 0.5;
    }
    if (s.coordinates == "tf_crop_and_resize") {
        return a.out == 1 ? 0.5 * (a.roi_start + a.roi_end) * (in - 1)
                          : a.roi_start * (in - 1) + x * (a.roi_end - a.roi_start) * (in - 1) /
                                                         (static_cast<double>(a.out) - 1);
    }
    return (x + 0.5) / a.scale - 0.5;
}

double kernel_weight(const ResizeSettings& s, double distance) {
    const double d = std::fabs(distance);
    if (s.mode == "linear") {
        return d < 1 ? 1 - d : 0;
    }
    const double a = s.cubic_a;
    if (d <= 1) {
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

double nearest_coordinate(const ResizeSettings& s, const ResizeAxis& a, double x) {
    if (s.nearest == "by_scale") {
        return a.scale < 1 ? std::ceil(x) : std::floor(x);
    }
    if (s.nearest == "floor") {
        return std::floor(x);
    }
    if (s.nearest == "ceil") {
        return std::ceil(x);
    }
    return s.nearest == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
}

void add_interpolated(const ResizeSettings& s, const ResizeAxis& a, double x, ResizeTable& table) {
    const double stretch = s.antialias ? std::min(a.scale, 1.0) : 1.0;
    const double reach = s.mode == "linear" ? 1 : 2;
    const double start = std::floor(-reach / stretch) + 1;
    const std::int64_t taps = resize_taps(s, a);
    const double above = std::ceil(x);
    const double ratio = x == above ? 1 : x - std::floor(x);
    const auto first = static_cast<std::int64_t>(above) - taps / 2;
    const auto last = static_cast<std::int64_t>(a.in) - 1;
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t k = 0; k < taps; ++k) {
        double w = kernel_weight(s, (start + static_cast<double>(k) - ratio) * stretch);
        if (s.exclude_outside && (first + k < 0 || first + k > last)) {
            w = 0;
        }
        weights.push_back(w);
        sum += w;
    }
    const bool normalise = s.antialias || s.exclude_outside;
    for (std::int64_t k = 0; k < taps; ++k) {
        table.index.push_back(
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(first + k, 0, last)));
        const double w = weights[static_cast<std::size_t>(k)];
        table.weight.push_back(normalise && sum != 0 ? w / sum : w);
    }
}

}  // namespace

std::int64_t resize_taps(const ResizeSettings& s, const ResizeAxis& a) {
    const double stretch = s.antialias ? std::min(a.scale, 1.0) : 1.0;
    const double reach = s.mode == "linear" ? 1 : 2;
    return s.mode == "nearest"
               ? 1
               : static_cast<std::int64_t>(2 - 2 * (std::floor(-reach / stretch) + 1));
}

ResizeTable make_resize_table(const ResizeSettings& s, const ResizeAxis& a) {
    ResizeTable table;
    table.in = a.in;
    table.out = a.out;
    table.identity = a.in == a.out && a.scale == 1 && s.coordinates != "tf_crop_and_resize" &&
                     s.coordinates != "tf_half_pixel_for_nn";
    if (table.identity) {
        return table;
    }
    for (std::size_t i = 0; i < a.out; ++i) {
        const double x = original_coordinate(s, a, i);
        ResizeTaps taps;
        taps.begin = static_cast<std::uint32_t>(table.index.size());
        const bool outside = !(x >= 0 && x <= static_cast<double>(a.in) - 1);
        if (!(s.coordinates == "tf_crop_and_resize" && outside)) {
            if (s.mode == "nearest") {
                const double at =
                    std::clamp(nearest_coordinate(s, a, x), 0.0, static_cast<double>(a.in) - 1);
                table.index.push_back(static_cast<std::uint32_t>(at));
                table.weight.push_back(1);
            } else {
                add_interpolated(s, a, x, table);
            }
        }
        taps.count = static_cast<std::uint32_t>(table.index.size()) - taps.begin;
        table.taps.push_back(taps);
    }
    return table;
}

}  // namespace qaicnet
