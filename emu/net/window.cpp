// SPDX-License-Identifier: Apache-2.0
#include "emu/net/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;
/// Positions of a window on all axes together, padding included.
constexpr std::int64_t kMaxKernel = std::int64_t{1} << 40;

enum class AutoPad : std::uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

Result<AutoPad> read_auto_pad(NodeContext& c) {
    const auto words = c.attr_string("auto_pad", "NOTSET");
    if (!words) {
        return words.error();
    }
    const char* names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    for (std::uint8_t i = 0; i < 4; ++i) {
        if (*words == names[i]) {
            return static_cast<AutoPad>(i);
        }
    }
    return c.malformed("the attribute 'auto_pad' is " + quoted(*words) +
                       ", it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

/// A list with one number for each axis, in [low, 2^31); `fallback` when it is missing.
Result<std::vector<std::int64_t>> read_list(NodeContext& c, const char* name, std::size_t count,
                                            std::int64_t fallback, std::int64_t low) {
    QAICRT_TRY(auto list, c.attr_ints(name));
    if (list.empty()) {
        list.assign(count, fallback);
    }
    const bool bad = std::any_of(list.begin(), list.end(),
                                 [&](std::int64_t x) { return x < low || x >= kMaxSize; });
    if (bad || list.size() != count) {
        return c.malformed(
            fmt::format("the attribute '{}' is {}, it must be {} numbers of at "
                        "least {}",
                        name, dims_text(list), count, low));
    }
    return list;
}

/// Sizes that do not depend on the padding.
Result<Window> read_sizes(NodeContext& c, const Shape& kernel, bool channels_last) {
    const Shape& dims = c.input(0).dims;
    if (dims.size() < 3 || dims.size() > 2 + kMaxSpatial) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("its input {} must have 1 to 3 spatial axes", dims_text(dims)));
    }
    Window w;
    w.rank = dims.size() - 2;
    Shape shape = kernel;
    if (shape.empty()) {
        if (c.find_attr("kernel_shape") == nullptr) {
            return c.malformed("the attribute 'kernel_shape' is missing");
        }
        QAICRT_TRY(shape, c.attr_ints("kernel_shape"));
    }
    QAICRT_TRY(const auto given, c.attr_ints("kernel_shape"));
    QAICRT_TRY(const auto strides, read_list(c, "strides", w.rank, 1, 1));
    QAICRT_TRY(const auto dilations, read_list(c, "dilations", w.rank, 1, 1));
    if (shape.size() != w.rank || (!given.empty() && given != shape)) {
        return c.malformed(fmt::format("its kernel {} does not fit {} spatial axes",
                                       dims_text(given.empty() ? shape : given), w.rank));
    }
    std::int64_t positions = 1;
    for (std::size_t i = 0; i < w.rank; ++i) {
        WindowAxis& a = w.axes[kMaxSpatial - w.rank + i];
        a.in = dims[(channels_last ? 1 : 2) + i];
        a.kernel = shape[i];
        a.stride = strides[i];
        a.dilation = dilations[i];
        if (a.in >= kMaxSize || a.kernel < 1 || a.kernel >= kMaxSize ||
            (a.kernel - 1) * a.dilation >= kMaxSize ||
            __builtin_mul_overflow(positions, a.kernel, &positions) || positions > kMaxKernel) {
            return c.malformed(
                fmt::format("a kernel of {} on an axis of {} makes no sense", a.kernel, a.in));
        }
    }
    return w;
}

std::int64_t reach(const WindowAxis& a) {
    return (a.kernel - 1) * a.dilation + 1;
}

Status place(NodeContext& c, WindowAxis& a, AutoPad mode, bool ceil) {
    if (mode == AutoPad::kSameUpper || mode == AutoPad::kSameLower) {
        a.out = (a.in + a.stride - 1) / a.stride;
        const std::int64_t total =
            std::max<std::int64_t>((a.out - 1) * a.stride + reach(a) - a.in, 0);
        a.before = mode == AutoPad::kSameUpper ? total / 2 : total - total / 2;
        a.after = total - a.before;
        return {};
    }
    const std::int64_t room = a.in + a.before + a.after - reach(a);
    if (room < 0) {
        return c.malformed(
            fmt::format("a kernel that reaches over {} does not fit an axis of {} "
                        "with padding {} and {}",
                        reach(a), a.in, a.before, a.after));
    }
    a.out = (ceil ? (room + a.stride - 1) / a.stride : room / a.stride) + 1;
    // No window starts in the padding behind the input.
    if (ceil && (a.out - 1) * a.stride >= a.in + a.before) {
        --a.out;
    }
    return {};
}

}  // namespace

Result<Window> read_window(NodeContext& c, const Shape& kernel, bool channels_last) {
    QAICRT_TRY(Window w, read_sizes(c, kernel, channels_last));
    QAICRT_TRY(const AutoPad mode, read_auto_pad(c));
    QAICRT_TRY(const std::int64_t ceil, c.attr_int("ceil_mode", 0));
    QAICRT_TRY(const auto pads, read_list(c, "pads", 2 * w.rank, 0, 0));
    for (std::size_t i = 0; i < w.rank; ++i) {
        WindowAxis& a = w.axes[kMaxSpatial - w.rank + i];
        a.before = mode == AutoPad::kNotSet ? pads[i] : 0;
        a.after = mode == AutoPad::kNotSet ? pads[w.rank + i] : 0;
        QAICRT_CHECK(place(c, a, mode, ceil != 0));
    }
    return w;
}

Result<Window> read_transposed_window(NodeContext& c, const Shape& kernel, bool channels_last) {
    QAICRT_TRY(Window w, read_sizes(c, kernel, channels_last));
    QAICRT_TRY(const AutoPad mode, read_auto_pad(c));
    QAICRT_TRY(const auto pads, read_list(c, "pads", 2 * w.rank, 0, 0));
    QAICRT_TRY(const auto extra, read_list(c, "output_padding", w.rank, 0, 0));
    QAICRT_TRY(auto wanted, c.attr_ints("output_shape"));
    const bool same = mode == AutoPad::kSameUpper || mode == AutoPad::kSameLower;
    if (wanted.size() == w.rank + 2) {
        wanted.erase(wanted.begin(), wanted.begin() + 2);  // old exporters name all axes
    }
    const bool bad = std::any_of(wanted.begin(), wanted.end(),
                                 [](std::int64_t x) { return x < 0 || x >= kMaxSize; });
    if (bad || (!wanted.empty() && wanted.size() != w.rank)) {
        return c.malformed(fmt::format("the attribute 'output_shape' is {}, it must be {} sizes",
                                       dims_text(wanted), w.rank));
    }
    for (std::size_t i = 0; i < w.rank; ++i) {
        WindowAxis& a = w.axes[kMaxSpatial - w.rank + i];
        const std::int64_t full = a.in == 0 ? 0 : a.stride * (a.in - 1) + extra[i] + reach(a);
        if (!wanted.empty() || same) {
            a.out = wanted.empty() ? a.in * a.stride : wanted[i];
            const std::int64_t total = std::max<std::int64_t>(full - a.out, 0);
            a.before = mode == AutoPad::kSameUpper ? total / 2 : total - total / 2;
            a.after = total - a.before;
        } else {
            a.before = mode == AutoPad::kNotSet ? pads[i] : 0;
            a.after = mode == AutoPad::kNotSet ? pads[w.rank + i] : 0;
            a.out = full - a.before - a.after;
        }
        if (a.out < 0 || a.out >= kMaxSize) {
            return c.malformed(fmt::format("an axis of {} would become {}", a.in, a.out));
        }
    }
    return w;
}

}  // namespace qaicnet
