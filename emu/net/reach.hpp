// SPDX-License-Identifier: Apache-2.0
/// Which positions of the input a pool's window reaches.
#pragma once

#include "emu/net/window.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace qaicnet {

/// The part of a window that lies in the input: positions start + k * dilation for k in [low,
/// high).
struct Reach {
    std::int64_t start, low, high;

    static Reach of(const WindowAxis& a, std::int64_t out) {
        const std::int64_t start = out * a.stride - a.before;
        const std::int64_t low = start >= 0 ? 0 : (-start + a.dilation - 1) / a.dilation;
        const std::int64_t high = start >= a.in ? 0 : (a.in - 1 - start) / a.dilation + 1;
        return {start, low, std::min(high, a.kernel)};
    }
    std::int64_t at(const WindowAxis& a, std::int64_t k) const { return start + k * a.dilation; }
    /// How many positions lie in the input or its padding.
    std::int64_t padded(const WindowAxis& a) const {
        const std::int64_t room = a.in + a.after - start;
        return std::min(a.kernel, (room - 1) / a.dilation + 1);
    }
};

using Reaches = std::array<Reach, 3>;

/// What an average divides by: the positions in the input, or in the input and its padding.
inline std::int64_t window_size(const Window& w, const Reaches& r, bool count_padding) {
    std::int64_t count = 1;
    for (std::size_t i = 0; i < 3; ++i) {
        count *= count_padding ? r[i].padded(w.axes[i])
                               : std::max<std::int64_t>(r[i].high - r[i].low, 0);
    }
    return count;
}

/// Calls body(offset in the image) for the positions of a window, in order.
template <class Body>
void for_each_position(const Window& w, const Reaches& r, Body&& body) {
    const auto& a = w.axes;
    for (std::int64_t d = r[0].low; d < r[0].high; ++d) {
        for (std::int64_t h = r[1].low; h < r[1].high; ++h) {
            const std::int64_t line = (r[0].at(a[0], d) * a[1].in + r[1].at(a[1], h)) * a[2].in;
            for (std::int64_t x = r[2].low; x < r[2].high; ++x) {
                body(line + r[2].at(a[2], x));
            }
        }
    }
}

}  // namespace qaicnet
