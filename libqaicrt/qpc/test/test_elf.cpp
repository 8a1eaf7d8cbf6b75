// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/tiny_elf.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;

class QpcElf : public testing::TestWithParam<bool> {
  protected:
    TinyElf elf_{GetParam()};
    Bytes first_ = bytes_of("first"), second_ = bytes_of("second section");
    Bytes image_ = elf_.make(std::vector<ElfSection>{{"one", first_}, {"two", second_}});

    void expect_refused(const char* why) const {
        const auto sections = parse_elf_sections(image_);
        ASSERT_FALSE(sections);
        EXPECT_EQ(sections.error().code, Errc::kFormat);
        EXPECT_NE(sections.error().message.find(why), std::string::npos)
            << sections.error().message;
    }
};

TEST_P(QpcElf, FindsSectionsByName) {
    const auto sections = parse_elf_sections(image_);
    ASSERT_TRUE(sections) << sections.error().message;
    ASSERT_EQ(sections->size(), 3u);
    EXPECT_TRUE(std::ranges::equal(find_section(*sections, "one")->data, first_));
    EXPECT_TRUE(std::ranges::equal(find_section(*sections, "two")->data, second_));
    EXPECT_EQ(find_section(*sections, "tw"), nullptr);
}

TEST_P(QpcElf, SkipsSectionsWithoutFileContent) {
    store_le<std::uint32_t>(image_, elf_.entry_at(2) + 4, 8);  // no bits
    elf_.word(image_, elf_.size_at(2), ~std::uint64_t{0});
    const auto sections = parse_elf_sections(image_);
    ASSERT_TRUE(sections) << sections.error().message;
    EXPECT_EQ(find_section(*sections, "two"), nullptr);
    EXPECT_NE(find_section(*sections, "one"), nullptr);
}

TEST_P(QpcElf, FirstOfTwoSectionsOfOneNameWins) {
    image_ = elf_.make(std::vector<ElfSection>{{"one", first_}, {"one", second_}});
    const auto sections = parse_elf_sections(image_);
    EXPECT_TRUE(std::ranges::equal(find_section(*sections, "one")->data, first_));
}

TEST_P(QpcElf, ReadsLargeCountsFromTheFirstSectionHeader) {
    const auto count = load_le<std::uint16_t>(image_, elf_.count_at());
    store_le<std::uint16_t>(image_, elf_.count_at(), 0);
    elf_.word(image_, elf_.size_at(0), count);
    store_le<std::uint16_t>(image_, elf_.names_index_at(), 0xffff);
    store_le<std::uint32_t>(image_, elf_.link_at(0), count - 1u);
    const auto sections = parse_elf_sections(image_);
    ASSERT_TRUE(sections) << sections.error().message;
    EXPECT_EQ(sections->size(), 3u);
}

TEST_P(QpcElf, RefusesASectionTableOutsideTheFile) {
    elf_.word(image_, elf_.table_offset_at(), image_.size() - 8);
    expect_refused("section table leaves the file");
    elf_.word(image_, elf_.table_offset_at(), ~std::uint64_t{0});
    expect_refused("section table leaves the file");
    elf_.word(image_, elf_.table_offset_at(), 0);
    expect_refused("no section table");
}

TEST_P(QpcElf, RefusesTooManySections) {
    store_le<std::uint16_t>(image_, elf_.count_at(), 0xfff0);
    expect_refused("leaves the file");
}

TEST_P(QpcElf, RefusesSectionHeadersThatAreTooSmall) {
    store_le<std::uint16_t>(image_, elf_.count_at() - 2, 8);
    expect_refused("section table leaves the file");
}

TEST_P(QpcElf, RefusesSectionsOutsideTheFile) {
    elf_.word(image_, elf_.offset_at(1), image_.size() - 2);
    expect_refused("leaves the file");
}

TEST_P(QpcElf, RefusesSizesThatWrap) {
    elf_.word(image_, elf_.size_at(2), ~std::uint64_t{0});
    expect_refused("leaves the file");
}

TEST_P(QpcElf, RefusesNamesOutsideTheNameTableAndWithoutEnd) {
    const auto original = image_;
    store_le<std::uint32_t>(image_, elf_.entry_at(1), 0xffffffff);
    expect_refused("leaves the name table");
    image_ = original;
    elf_.word(image_, elf_.size_at(3), 3);
    expect_refused("has no end");
}

TEST_P(QpcElf, RefusesANameTableIndexThatIsNoSection) {
    store_le<std::uint16_t>(image_, elf_.names_index_at(), 4);
    expect_refused("no section name table");
    store_le<std::uint16_t>(image_, elf_.names_index_at(), 0);
    expect_refused("no section name table");
}

TEST_P(QpcElf, RefusesEveryTruncation) {
    for (std::size_t size = 0; size < image_.size(); ++size) {
        EXPECT_FALSE(parse_elf_sections(std::span(image_).first(size))) << size;
    }
}

TEST_P(QpcElf, RefusesOtherClassesAndBigEndian) {
    const auto original = image_;
    image_[4] = std::byte{3};
    expect_refused("little-endian");
    image_ = original;
    image_[5] = std::byte{2};
    expect_refused("little-endian");
    image_ = original;
    image_[0] = std::byte{0};
    expect_refused("not an ELF file");
}

INSTANTIATE_TEST_SUITE_P(Classes, QpcElf, testing::Bool(),
                         [](const auto& param) { return param.param ? "Elf64" : "Elf32"; });

TEST(QpcElfWriter, MakesAHexagonFileWithOneReturningPage) {
    const auto data = bytes_of("content");
    const auto elf =
        write_elf(std::vector<ElfSection>{{kMetadataSection, data}, {kEmuSection, data}});
    EXPECT_EQ(load_le<std::uint16_t>(elf, 18), 164);
    EXPECT_EQ(load_le<std::uint32_t>(elf, 24), 0x02000000u);
    EXPECT_EQ(load_le<std::uint16_t>(elf, 44), 1);
    const auto header = load_le<std::uint32_t>(elf, 28);
    EXPECT_EQ(load_le<std::uint32_t>(elf, header), 1u);
    const auto offset = load_le<std::uint32_t>(elf, header + 4);
    EXPECT_EQ(offset % 4096, 0u);
    EXPECT_EQ(load_le<std::uint32_t>(elf, header + 8), 0x02000000u);
    EXPECT_EQ(load_le<std::uint32_t>(elf, header + 24), 5u);
    EXPECT_EQ(load_le<std::uint32_t>(elf, offset), 0x529FC000u);  // { jumpr r31 }
    const auto sections = parse_elf_sections(elf);
    ASSERT_TRUE(sections) << sections.error().message;
    EXPECT_TRUE(std::ranges::equal(find_section(*sections, kMetadataSection)->data, data));
    EXPECT_TRUE(std::ranges::equal(find_section(*sections, kEmuSection)->data, data));
    EXPECT_EQ(elf,
              write_elf(std::vector<ElfSection>{{kMetadataSection, data}, {kEmuSection, data}}));
}

TEST(QpcElfWriter, AnEmptySectionIsPresent) {
    const auto elf = write_elf(std::vector<ElfSection>{{kEmuSection, {}}});
    const auto sections = parse_elf_sections(elf);
    ASSERT_TRUE(sections);
    const auto* section = find_section(*sections, kEmuSection);
    ASSERT_NE(section, nullptr);
    EXPECT_NE(section->data.data(), nullptr);
    EXPECT_TRUE(section->data.empty());
}

std::string output_of(const std::string& command) {
    std::string text;
    std::array<char, 4096> chunk{};
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) {
        return text;
    }
    while (const auto got = fread(chunk.data(), 1, chunk.size(), pipe)) {
        text.append(chunk.data(), got);
    }
    EXPECT_EQ(pclose(pipe), 0) << text;
    return text;
}

TEST(QpcElfWriter, ReadelfHasNothingToComplainAbout) {
    if (std::system("readelf --version > /dev/null 2>&1") != 0) {
        GTEST_SKIP() << "readelf is not installed";
    }
    const auto elf = Parts::of(small_spec()).elf();
    const auto path = std::filesystem::temp_directory_path() /
                      ("qaic-test-network-" + std::to_string(getpid()) + ".elf");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(elf.data()), static_cast<std::streamsize>(elf.size()));
    const auto text = output_of("readelf -a -W " + path.string() + " 2>&1");
    std::filesystem::remove(path);
    for (const auto* word : {"Warning", "warning", "Error", "error"}) {
        EXPECT_EQ(text.find(word), std::string::npos) << text;
    }
    for (const auto* word :
         {"QUALCOMM DSP6", "metadata", ".qaic.emu", ".shstrtab", "0x02000000", "R E 0x1000"}) {
        EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
    }
}

}  // namespace
}  // namespace qaicrt::qpc::test
