// SPDX-License-Identifier: Apache-2.0
/// Which kernel a FusedConv gets.
#include "emu/net/conv_channels_last.hpp"

#include <cstdint>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;

namespace {

/// A large enough stride of a transposed convolution would make a small file plan for hours.
constexpr std::int64_t kMostPhases = 1 << 16;

/// Axes of size 1 behind the others say nothing; tiles want neighbours on the last axis.
void drop_trivial_axes(Window& window) {
    const auto trivial = [](const WindowAxis& a) {
        return a.in == 1 && a.out == 1 && a.kernel == 1 && a.before == 0;
    };
    for (std::size_t i = 0; i + 1 < kMaxSpatial && trivial(window.axes[2]); ++i) {
        std::rotate(window.axes.begin(), window.axes.begin() + 2, window.axes.end());
    }
}

/// A stride beyond the output makes phases of one position each.
bool too_many_phases(const ConvProblem& p) {
    std::int64_t phases = 1;
    for (const WindowAxis& a : p.window.axes) {
        phases *= p.transposed ? std::clamp<std::int64_t>(a.out, 1, a.stride) : 1;
        if (phases > kMostPhases || a.kernel > kMostPhases) {
            return true;
        }
    }
    return false;
}

}  // namespace

Result<KernelPtr> make_fused_conv_kernel(NodeContext& c, const ConvProblem& given) {
    ConvProblem problem = given;
    drop_trivial_axes(problem.window);
    if (too_many_phases(problem)) {
        return c.fail(Errc::kUnsupported, "its kernel or its stride is larger than makes sense");
    }
    const bool depthwise =
        problem.in_channels == 1 && problem.out_channels == 1 && problem.groups > 1;
    return depthwise ? make_depthwise_conv(c, problem) : make_dense_conv(c, problem);
}

}  // namespace qaicnet
