// SPDX-License-Identifier: Apache-2.0
/// Sections of network.elf (ELF32 or ELF64, little endian) and a minimal Hexagon ELF32 writer.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace qaicrt::qpc {

inline constexpr std::string_view kMetadataSection = "metadata";
inline constexpr std::string_view kMetadataFbSection = "metadata_fb";
inline constexpr std::string_view kEmuSection = ".qaic.emu";

struct ElfSection {
    std::string_view name;
    std::span<const std::byte> data;
};

/// All sections with file content. Errors: kFormat with the offset; nothing outside `image` is
/// read.
Result<std::vector<ElfSection>> parse_elf_sections(std::span<const std::byte> image);
/// First section of that name, or an empty span with null data.
const ElfSection* find_section(std::span<const ElfSection> sections,
                               std::string_view name) noexcept;

/// The metadata of a program: section `metadata_fb` alone when it exists, however damaged, else
/// `metadata`, as the vendor's runtime chooses. Errors: kFormat (neither).
Result<std::span<const std::byte>> find_metadata(std::span<const ElfSection> sections);

/// An ELF32 little-endian EM_HEXAGON file: one 4 KiB read-execute segment at 0x02000000 whose entry
/// returns at once, and the given non-loadable sections. Deterministic.
std::vector<std::byte> write_elf(std::span<const ElfSection> sections);

}  // namespace qaicrt::qpc
