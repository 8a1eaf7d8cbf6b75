// SPDX-License-Identifier: Apache-2.0
/// Inside of Program.
#pragma once

#include "libqaicrt/api/stencil.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <qaicrt/program.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace qaicrt {

/// Where a tensor's bytes lie: an offset in one of the stencil's buffers.
struct TensorPlace {
    std::size_t buffer = 0;
    std::uint64_t offset = 0;
};

struct Program::Impl {
    std::vector<std::byte> bytes;
    qpc::ProgramImage image;  ///< points into bytes
    std::string name;
    std::vector<TensorInfo> inputs, outputs;

    /// Not empty: why this runtime cannot run the program, although it is well-formed.
    std::string cannot_run;
    // Only when it can:
    Stencil stencil;
    std::vector<TensorPlace> input_places, output_places;
};

}  // namespace qaicrt
