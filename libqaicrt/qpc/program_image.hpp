// SPDX-License-Identifier: Apache-2.0
/// A whole program: container, network description, metadata, constants, checked against each
/// other.
#pragma once

#include "libqaicrt/qpc/container.hpp"
#include "libqaicrt/qpc/elf.hpp"
#include "libqaicrt/qpc/metadata.hpp"
#include "libqaicrt/qpc/network_desc.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qaicrt::qpc {

/// Everything a runtime needs. Spans point into the bytes given to parse_program, which must stay
/// alive.
struct ProgramImage {
    NetworkDescription description;
    Metadata metadata;
    std::span<const std::byte> elf;
    std::span<const std::byte> static_constants, dynamic_constants;
    std::span<const std::byte> constants_descriptor;  ///< 24 bytes
    std::uint64_t static_constants_size = 0, dynamic_constants_size = 0;
    std::span<const std::byte>
        emu_section;  ///< `.qaic.emu`; empty for a program compiled for the card's NSPs
    bool made_for_emulator() const noexcept { return emu_section.data() != nullptr; }
};

/// Errors: kFormat or kUnsupported; the sentence names the segment and what is wrong.
Result<ProgramImage> parse_program(std::span<const std::byte> qpc);

/// What the compiler wants in a QPC that the emulated card runs and the vendor's open runtime
/// accepts.
struct ProgramSpec {
    std::string name;
    std::vector<Binding> inputs,
        outputs;  ///< only name and `initial` (type, dims) are read; one transform is made
    std::uint16_t num_nsps = 1;
    std::int32_t batch_size = 1;
    std::vector<std::byte> constants;    ///< constants.bin, all static; may be empty
    std::vector<std::byte> emu_section;  ///< `.qaic.emu`
};

/// Lays out one DMA buffer and one request per binding (num: inputs, then outputs) in static shared
/// DDR, with the semaphores and doorbells of docs/qpc.md, and writes the container. Errors:
/// kUnsupported (a tensor of size 0, more than 280 tensors, a tensor of 4 GiB or more, no output).
Result<std::vector<std::byte>> build_program(const ProgramSpec& spec);

/// Every rule that the vendor's open runtime and the mainline kernel put on a QPC (docs/qpc.md), as
/// sentences; empty when all hold. Run by tests on every QPC that we write.
std::vector<std::string> check_open_runtime_rules(std::span<const std::byte> qpc);

}  // namespace qaicrt::qpc
