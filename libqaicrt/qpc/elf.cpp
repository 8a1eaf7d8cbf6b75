// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/elf.hpp"

#include "libqaicrt/support/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace qaicrt::qpc {
namespace {

constexpr std::uint32_t kShtNull = 0;
constexpr std::uint32_t kShtNobits = 8;
constexpr std::uint16_t kShnXindex = 0xffff;
constexpr std::uint64_t kMaxSections = 65536;

Error broken(std::uint64_t offset, std::string_view what) {
    return {Errc::kFormat, fmt::format("{} at offset {}: {}; compile the program again",
                                       "network.elf", offset, what)};
}

/// Where a field of the ELF header or a section header lies, for the two classes.
struct Layout {
    bool wide = false;
    std::size_t header_bytes() const { return wide ? 64 : 52; }
    std::size_t section_bytes() const { return wide ? 64 : 40; }
    std::size_t shoff_at() const { return wide ? 40 : 32; }
    std::size_t shentsize_at() const { return wide ? 58 : 46; }
    std::uint64_t word(std::span<const std::byte> image, std::size_t at) const {
        return wide ? load_le<std::uint64_t>(image, at) : load_le<std::uint32_t>(image, at);
    }
};

struct SectionHeader {
    std::uint32_t name = 0, type = 0, link = 0;
    std::uint64_t offset = 0, size = 0;
};

struct Table {
    Layout layout;
    std::uint64_t offset = 0, entry = 0, count = 0, names = 0;
};

/// `at` is checked to leave room for one header.
SectionHeader read_header(std::span<const std::byte> image, const Layout& layout,
                          std::uint64_t at) {
    SectionHeader out;
    out.name = load_le<std::uint32_t>(image, at);
    out.type = load_le<std::uint32_t>(image, at + 4);
    out.offset = layout.word(image, at + (layout.wide ? 24 : 16));
    out.size = layout.word(image, at + (layout.wide ? 32 : 20));
    out.link = load_le<std::uint32_t>(image, at + (layout.wide ? 40 : 24));
    return out;
}

Result<Layout> read_ident(std::span<const std::byte> image) {
    constexpr std::byte kMagic[] = {std::byte{0x7f}, std::byte{'E'}, std::byte{'L'},
                                    std::byte{'F'}};
    if (image.size() < 52 || !std::equal(std::begin(kMagic), std::end(kMagic), image.begin())) {
        return broken(0, "not an ELF file");
    }
    const auto file_class = load_le<std::uint8_t>(image, 4);
    const auto encoding = load_le<std::uint8_t>(image, 5);
    if ((file_class != 1 && file_class != 2) || encoding != 1) {
        return broken(4, "neither a 32-bit nor a 64-bit little-endian file");
    }
    const Layout layout{file_class == 2};
    if (image.size() < layout.header_bytes()) {
        return broken(0, "the file ends inside the ELF header");
    }
    return layout;
}

Result<Table> read_table(std::span<const std::byte> image) {
    QAICRT_TRY(const auto layout, read_ident(image));
    Table table{.layout = layout};
    table.offset = layout.word(image, layout.shoff_at());
    table.entry = load_le<std::uint16_t>(image, layout.shentsize_at());
    table.count = load_le<std::uint16_t>(image, layout.shentsize_at() + 2);
    table.names = load_le<std::uint16_t>(image, layout.shentsize_at() + 4);
    if (table.offset == 0) {
        return broken(layout.shoff_at(), "there is no section table");
    }
    if (table.entry < layout.section_bytes() ||
        !range_fits(table.offset, table.entry, image.size())) {
        return broken(layout.shoff_at(), "the section table leaves the file");
    }
    // Numbers that do not fit 16 bits are kept in the first section header.
    const auto zero = read_header(image, layout, table.offset);
    if (table.count == 0) {
        table.count = zero.size;
    }
    if (table.names == kShnXindex) {
        table.names = zero.link;
    }
    if (table.count == 0 || table.count > kMaxSections ||
        !range_fits(table.offset, table.count * table.entry, image.size())) {
        return broken(layout.shoff_at(),
                      fmt::format("the table of {} sections leaves the file", table.count));
    }
    if (table.names == 0 || table.names >= table.count) {
        return broken(layout.shentsize_at() + 4, "there is no section name table");
    }
    return table;
}

Result<std::string_view> read_name(std::span<const std::byte> names, std::uint32_t offset,
                                   std::uint64_t at) {
    if (offset >= names.size()) {
        return broken(at, "a section's name leaves the name table");
    }
    const auto tail = names.subspan(offset);
    const auto nul = std::find(tail.begin(), tail.end(), std::byte{0});
    if (nul == tail.end()) {
        return broken(at, "a section's name has no end");
    }
    return std::string_view(reinterpret_cast<const char*>(tail.data()),
                            static_cast<std::size_t>(nul - tail.begin()));
}

}  // namespace

Result<std::vector<ElfSection>> parse_elf_sections(std::span<const std::byte> image) {
    QAICRT_TRY(const auto table, read_table(image));
    const auto strings = read_header(image, table.layout, table.offset + table.names * table.entry);
    if (strings.type == kShtNobits || !range_fits(strings.offset, strings.size, image.size())) {
        return broken(table.offset + table.names * table.entry,
                      "the section name table leaves the file");
    }
    const auto names = image.subspan(strings.offset, strings.size);
    std::vector<ElfSection> out;
    for (std::uint64_t i = 0; i < table.count; ++i) {
        const std::uint64_t at = table.offset + i * table.entry;
        const auto header = read_header(image, table.layout, at);
        if (header.type == kShtNull || header.type == kShtNobits) {
            continue;
        }
        if (!range_fits(header.offset, header.size, image.size())) {
            return broken(at, fmt::format("section {} ({} bytes at {:#x}) leaves the file", i,
                                          header.size, header.offset));
        }
        QAICRT_TRY(const auto name, read_name(names, header.name, at));
        out.push_back({name, image.subspan(header.offset, header.size)});
    }
    return out;
}

const ElfSection* find_section(std::span<const ElfSection> sections,
                               std::string_view name) noexcept {
    const auto it = std::find_if(sections.begin(), sections.end(),
                                 [name](const ElfSection& s) { return s.name == name; });
    return it == sections.end() ? nullptr : &*it;
}

Result<std::span<const std::byte>> find_metadata(std::span<const ElfSection> sections) {
    for (const auto name : {kMetadataFbSection, kMetadataSection}) {
        if (const auto* section = find_section(sections, name)) {
            return section->data;
        }
    }
    return Error{Errc::kFormat,
                 "network.elf: there is no section 'metadata'; compile the program again"};
}

}  // namespace qaicrt::qpc
