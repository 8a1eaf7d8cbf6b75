// SPDX-License-Identifier: Apache-2.0
/// ELF files of a few hundred bytes, 32 or 64 bits wide, for the reader's tests and the fuzz seeds.
#pragma once

#include "libqaicrt/qpc/elf.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <string>
#include <vector>

namespace qaicrt::qpc::test {

struct TinyElf {
    bool wide = false;
    std::size_t header() const { return wide ? 64 : 52; }
    std::size_t entry() const { return wide ? 64 : 40; }
    std::size_t table() const { return header(); }  // the section table follows the header
    std::size_t entry_at(std::size_t index) const { return table() + index * entry(); }
    std::size_t count_at() const { return wide ? 60 : 48; }
    std::size_t names_index_at() const { return count_at() + 2; }
    std::size_t table_offset_at() const { return wide ? 40 : 32; }
    std::size_t offset_at(std::size_t index) const { return entry_at(index) + (wide ? 24 : 16); }
    std::size_t size_at(std::size_t index) const { return entry_at(index) + (wide ? 32 : 20); }
    std::size_t link_at(std::size_t index) const { return entry_at(index) + (wide ? 40 : 24); }

    void word(std::vector<std::byte>& out, std::size_t at, std::uint64_t value) const {
        if (wide) {
            store_le<std::uint64_t>(out, at, value);
        } else {
            store_le<std::uint32_t>(out, at, static_cast<std::uint32_t>(value));
        }
    }

    /// Section 0 is empty, then the given ones, then the name table.
    std::vector<std::byte> make(std::span<const ElfSection> sections) const {
        const std::size_t count = sections.size() + 2;
        std::vector<std::byte> out(table() + count * entry());
        std::string names(1, '\0');
        const auto add = [&](std::size_t index, std::string_view name, std::uint32_t type,
                             std::span<const std::byte> data) {
            store_le<std::uint32_t>(out, entry_at(index), static_cast<std::uint32_t>(names.size()));
            store_le<std::uint32_t>(out, entry_at(index) + 4, type);
            names.append(name).push_back('\0');
            word(out, offset_at(index), out.size());
            word(out, size_at(index), data.size());
            out.insert(out.end(), data.begin(), data.end());
        };
        for (std::size_t i = 0; i < sections.size(); ++i) {
            add(i + 1, sections[i].name, 1, sections[i].data);
        }
        add(count - 1, ".shstrtab", 3, {});
        word(out, size_at(count - 1), names.size());
        for (const char c : names) {
            out.push_back(static_cast<std::byte>(c));
        }
        constexpr std::uint8_t kIdent[] = {0x7f, 'E', 'L', 'F', 0, 1, 1};
        for (std::size_t i = 0; i < std::size(kIdent); ++i) {
            store_le<std::uint8_t>(out, i, kIdent[i]);
        }
        store_le<std::uint8_t>(out, 4, wide ? 2 : 1);
        word(out, table_offset_at(), table());
        store_le<std::uint16_t>(out, count_at() - 2, static_cast<std::uint16_t>(entry()));
        store_le<std::uint16_t>(out, count_at(), static_cast<std::uint16_t>(count));
        store_le<std::uint16_t>(out, names_index_at(), static_cast<std::uint16_t>(count - 1));
        return out;
    }
};

}  // namespace qaicrt::qpc::test
