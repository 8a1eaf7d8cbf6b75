// SPDX-License-Identifier: Apache-2.0
// The smallest network.elf: the card's firmware loads segments and reads sections; there is no
// compiler for the NSPs here, so the code of every thread is one packet that returns.
#include "libqaicrt/qpc/elf.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <algorithm>
#include <string>

namespace qaicrt::qpc {
namespace {

constexpr std::size_t kHeaderBytes = 52;
constexpr std::size_t kProgramHeaderBytes = 32;
constexpr std::size_t kSectionHeaderBytes = 40;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kLoadAddress = 0x02000000;
constexpr std::uint16_t kMachineHexagon = 164;
constexpr std::uint32_t kFlagsV68 = 0x68;
constexpr std::uint32_t kReturnPacket = 0x529FC000;  // { jumpr r31 }

enum : std::uint32_t { kProgbits = 1, kStrtab = 3 };
enum : std::uint32_t { kAlloc = 2, kExec = 4 };

struct Section {
    std::uint32_t name = 0, type = kProgbits, flags = 0, address = 0, align = 8;
    std::uint64_t offset = 0, size = 0;
};

void write_header(std::vector<std::byte>& out, std::uint64_t table, std::size_t count) {
    constexpr std::uint8_t kIdent[] = {0x7f, 'E', 'L', 'F',
                                       1,    1,   1};  // 32 bits, little endian, version 1
    for (std::size_t i = 0; i < std::size(kIdent); ++i) {
        store_le<std::uint8_t>(out, i, kIdent[i]);
    }
    store_le<std::uint16_t>(out, 16, 2);  // executable
    store_le<std::uint16_t>(out, 18, kMachineHexagon);
    store_le<std::uint32_t>(out, 20, 1);
    store_le<std::uint32_t>(out, 24, kLoadAddress);
    store_le<std::uint32_t>(out, 28, kHeaderBytes);
    store_le<std::uint32_t>(out, 32, static_cast<std::uint32_t>(table));
    store_le<std::uint32_t>(out, 36, kFlagsV68);
    store_le<std::uint16_t>(out, 40, kHeaderBytes);
    store_le<std::uint16_t>(out, 42, kProgramHeaderBytes);
    store_le<std::uint16_t>(out, 44, 1);
    store_le<std::uint16_t>(out, 46, kSectionHeaderBytes);
    store_le<std::uint16_t>(out, 48, static_cast<std::uint16_t>(count));
    store_le<std::uint16_t>(out, 50, static_cast<std::uint16_t>(count - 1));
}

void write_code(std::vector<std::byte>& out) {
    const std::uint32_t fields[] = {1,     kPage, kLoadAddress, kLoadAddress,
                                    kPage, kPage, 5 /* R+X */,  kPage};
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        store_le<std::uint32_t>(out, kHeaderBytes + 4 * i, fields[i]);
    }
    // Filled to the end of the page: whatever address a thread starts at, it returns.
    for (std::uint64_t at = kPage; at < 2 * kPage; at += 4) {
        store_le<std::uint32_t>(out, at, kReturnPacket);
    }
}

void write_section(std::vector<std::byte>& out, std::uint64_t at, const Section& section) {
    const std::uint32_t fields[] = {section.name,
                                    section.type,
                                    section.flags,
                                    section.address,
                                    static_cast<std::uint32_t>(section.offset),
                                    static_cast<std::uint32_t>(section.size),
                                    0,
                                    0,
                                    section.align,
                                    0};
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        store_le<std::uint32_t>(out, at + 4 * i, fields[i]);
    }
}

}  // namespace

std::vector<std::byte> write_elf(std::span<const ElfSection> sections) {
    std::string names(1, '\0');
    const auto add_name = [&names](std::string_view name) {
        const auto at = static_cast<std::uint32_t>(names.size());
        names.append(name).push_back('\0');
        return at;
    };
    std::vector<Section> table(1, Section{.type = 0, .align = 0});
    table.push_back({.name = add_name(".text"),
                     .flags = kAlloc | kExec,
                     .address = kLoadAddress,
                     .align = kPage,
                     .offset = kPage,
                     .size = kPage});
    std::uint64_t end = 2 * kPage;
    const auto place = [&](Section section, std::uint64_t size) {
        section.offset = end;
        section.size = size;
        end = align_up(end + size, 8);
        table.push_back(section);
    };
    for (const auto& section : sections) {
        place({.name = add_name(section.name)}, section.data.size());
    }
    const std::uint32_t own_name = add_name(".shstrtab");
    place({.name = own_name, .type = kStrtab, .align = 1}, names.size());

    std::vector<std::byte> out(end + table.size() * kSectionHeaderBytes);
    write_header(out, end, table.size());
    write_code(out);
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const auto& data = sections[i].data;
        std::copy(data.begin(), data.end(),
                  out.begin() + static_cast<std::ptrdiff_t>(table[i + 2].offset));
    }
    std::transform(names.begin(), names.end(),
                   out.begin() + static_cast<std::ptrdiff_t>(table.back().offset),
                   [](char c) { return static_cast<std::byte>(c); });
    for (std::size_t i = 0; i < table.size(); ++i) {
        write_section(out, end + i * kSectionHeaderBytes, table[i]);
    }
    return out;
}

}  // namespace qaicrt::qpc
