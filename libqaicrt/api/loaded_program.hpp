// SPDX-License-Identifier: Apache-2.0
/// A program's constants and ELF on one card, as one user loaded them.
#pragma once

#include "libqaicrt/api/device_impl.hpp"
#include "libqaicrt/api/program_impl.hpp"

#include <cstdint>
#include <memory>

namespace qaicrt {

class LoadedProgram {
  public:
    /// The copy that this Device already has, or a new one. Shared by the program's activations on
    /// that Device; the last one unloads it.
    static Result<std::shared_ptr<LoadedProgram>> get(const Device& device, const Program& program);
    ~LoadedProgram();
    LoadedProgram(const LoadedProgram&) = delete;
    LoadedProgram& operator=(const LoadedProgram&) = delete;

    std::uint32_t constants_id() const noexcept { return constants_id_; }
    std::uint32_t elf_id() const noexcept { return elf_id_; }

  private:
    LoadedProgram(const Device& device, const Program& program)
        : device_(device), program_(program) {}
    Status load();
    Status load_constants();
    Status load_payload(std::span<const std::byte> data, std::uint64_t offset);

    Device device_;    // keeps the user alive until everything is unloaded
    Program program_;  // keeps the address that the Device's table is keyed by
    std::uint32_t constants_id_ = 0;
    std::uint32_t elf_id_ = 0;
    bool elf_loaded_ = false;
};

}  // namespace qaicrt
