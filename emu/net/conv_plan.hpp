// SPDX-License-Identifier: Apache-2.0
/// Where a convolution on channels last reads and writes, decided at load.
///
/// Output positions fall into phases that use the same taps: one phase for Conv, stride x stride x
/// stride of them for its transpose, which becomes that many plain convolutions of step 1.
#pragma once

#include "emu/net/conv_kernel.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace qaicnet {

/// One axis of a phase: output out_first + j * out_step reads input j * in_step + offset of each
/// tap.
struct PhaseAxis {
    std::int64_t out_first = 0, out_step = 1, count = 1, in_step = 1, in = 1, out = 1;
    std::vector<std::int64_t> kernel;           ///< positions in the kernel, ascending
    std::vector<std::int64_t> offsets;          ///< of the same taps
    std::int64_t safe_begin = 0, safe_end = 0;  ///< the j whose taps all lie in the input
};

struct Phase {
    std::array<PhaseAxis, 3> axes;
    std::size_t first_tap = 0;  ///< of all taps, in the packed weights
    std::size_t taps() const {
        return axes[0].kernel.size() * axes[1].kernel.size() * axes[2].kernel.size();
    }
    /// Output positions along the last axis, and how many lines of them there are.
    std::size_t width() const { return static_cast<std::size_t>(axes[2].count); }
    std::size_t lines() const { return static_cast<std::size_t>(axes[0].count * axes[1].count); }
};

/// Phases without output positions are left out. A pointwise convolution becomes one long line over
/// all images (*images is then 1).
std::vector<Phase> plan_phases(const ConvProblem& problem, std::size_t* images);

}  // namespace qaicnet
