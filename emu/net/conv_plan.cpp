// SPDX-License-Identifier: Apache-2.0
#include "emu/net/conv_plan.hpp"

#include <algorithm>
#include <utility>

namespace qaicnet {

namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

void find_safe_range(PhaseAxis& axis) {
    axis.safe_end = axis.count;
    for (const std::int64_t offset : axis.offsets) {
        axis.safe_begin = std::max(axis.safe_begin, ceil_div(-offset, axis.in_step));
        // The last j with j * in_step + offset <= in - 1.
        axis.safe_end = std::min(axis.safe_end, ceil_div(axis.in - offset, axis.in_step));
    }
    axis.safe_begin = std::min(axis.safe_begin, axis.count);
    axis.safe_end = std::max(axis.safe_end, axis.safe_begin);
}

PhaseAxis plain_axis(const WindowAxis& a) {
    PhaseAxis axis;
    axis.count = a.out;
    axis.in_step = a.stride;
    axis.in = a.in;
    axis.out = a.out;
    for (std::int64_t k = 0; k < a.kernel; ++k) {
        axis.kernel.push_back(k);
        axis.offsets.push_back(k * a.dilation - a.before);
    }
    find_safe_range(axis);
    return axis;
}

/// Outputs first, first + stride, …: input j + offset for the taps whose distance the stride
/// divides.
PhaseAxis transposed_axis(const WindowAxis& a, std::int64_t first) {
    PhaseAxis axis;
    axis.out_first = first;
    axis.out_step = a.stride;
    axis.count = first < a.out ? (a.out - 1 - first) / a.stride + 1 : 0;
    axis.in = a.in;
    axis.out = a.out;
    for (std::int64_t k = 0; k < a.kernel; ++k) {
        const std::int64_t distance = first + a.before - k * a.dilation;
        if (distance % a.stride == 0) {
            axis.kernel.push_back(k);
            axis.offsets.push_back(distance / a.stride);
        }
    }
    find_safe_range(axis);
    return axis;
}

std::vector<PhaseAxis> axes_of(const WindowAxis& a, bool transposed) {
    std::vector<PhaseAxis> out;
    for (std::int64_t first = 0; first < (transposed ? std::min(a.stride, a.out) : 1); ++first) {
        out.push_back(transposed ? transposed_axis(a, first) : plain_axis(a));
    }
    return out;
}

bool is_pointwise(const ConvProblem& p) {
    return !p.transposed &&
           std::all_of(p.window.axes.begin(), p.window.axes.end(), [](const WindowAxis& a) {
               return a.kernel == 1 && a.stride == 1 && a.before == 0 && a.after == 0;
           });
}

}  // namespace

std::vector<Phase> plan_phases(const ConvProblem& problem, std::size_t* images) {
    Window window = problem.window;
    *images = problem.images;
    if (is_pointwise(problem)) {
        auto& axes = window.axes;
        axes[2].in = static_cast<std::int64_t>(problem.images) * window.in_count();
        axes[2].out = axes[2].in;
        axes[0] = axes[1] = WindowAxis();
        *images = problem.images == 0 ? 0 : 1;
    }
    std::vector<Phase> phases;
    std::size_t tap = 0;
    for (const PhaseAxis& d : axes_of(window.axes[0], problem.transposed)) {
        for (const PhaseAxis& h : axes_of(window.axes[1], problem.transposed)) {
            for (const PhaseAxis& w : axes_of(window.axes[2], problem.transposed)) {
                Phase phase{{d, h, w}, tap};
                tap += phase.taps();
                if (phase.width() * phase.lines() != 0) {
                    phases.push_back(std::move(phase));
                }
            }
        }
    }
    return phases;
}

}  // namespace qaicnet
