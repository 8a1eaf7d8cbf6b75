// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/worked_examples.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <algorithm>

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;

// Fields of the prologue and of table entry `i` in a file whose table follows the prologue.
constexpr std::size_t kSizeAt = 8, kBaseAt = 16, kCountAt = 24, kTableAt = 32;
constexpr std::size_t entry(std::size_t i) {
    return 40 + 32 * i;
}
constexpr std::size_t kSplit = 8, kName = 16, kStart = 24;

Bytes streaming() {
    return from_hex(kStreamingWriter);
}

void set64(Bytes& image, std::size_t at, std::uint64_t value) {
    store_le<std::uint64_t>(image, at, value);
}

/// The parser must name this rule and no other.
void expect_rule(const Bytes& image, int rule) {
    const auto container = Container::parse(image);
    ASSERT_FALSE(container) << "accepted although R" << rule << " is broken";
    EXPECT_EQ(container.error().code, Errc::kFormat);
    const std::string start = "QPC rule R" + std::to_string(rule) + " broken at offset ";
    EXPECT_EQ(container.error().message.substr(0, start.size()), start)
        << container.error().message;
}

void expect_worked_example(const Bytes& image, std::size_t constants_at) {
    const auto container = Container::parse(image);
    ASSERT_TRUE(container) << container.error().message;
    ASSERT_EQ(container->segments().size(), 4u);
    EXPECT_FALSE(container->minor_version_differs());
    const Segment* constants = container->find(kConstants);
    ASSERT_NE(constants, nullptr);
    EXPECT_EQ(constants->data.data(), image.data() + constants_at);
    EXPECT_TRUE(std::ranges::equal(constants->data, from_hex("AA BB CC DD EE")));
    EXPECT_EQ(constants->split, 3u);
    EXPECT_TRUE(std::ranges::equal(container->find(kNetworkElf)->data, from_hex("7F 45 4C 46")));
    EXPECT_TRUE(std::ranges::equal(container->find(kNetworkDesc)->data, from_hex("08 09")));
    EXPECT_EQ(container->find(kConstantsDesc)->data.size(), 24u);
    EXPECT_EQ(container->find("Network.elf"), nullptr);
}

TEST(QpcContainer, ReadsTheInMemoryWritersLayoutWithAbsolutePointers) {
    const auto image = from_hex(kInMemoryWriter);
    ASSERT_EQ(image.size(), 288u);
    expect_worked_example(image, 0xF0);
}

TEST(QpcContainer, ReadsTheStreamingWritersLayoutWithUnalignedData) {
    const auto image = streaming();
    ASSERT_EQ(image.size(), 263u);
    expect_worked_example(image, 0xE4);
}

TEST(QpcContainer, WriterMakesTheInMemoryLayoutWithBaseZero) {
    const auto image = from_hex(kInMemoryWriter);
    const auto container = Container::parse(image);
    ASSERT_TRUE(container);
    const auto written = write_container(container->segments());
    ASSERT_TRUE(written);
    // Equal to the example once every pointer of that is taken relative to its base.
    auto expected = image;
    const auto base = load_le<std::uint64_t>(image, kBaseAt);
    set64(expected, kBaseAt, 0);
    set64(expected, kTableAt, load_le<std::uint64_t>(image, kTableAt) - base);
    for (std::size_t i = 0; i < 4; ++i) {
        for (const auto field : {kName, kStart}) {
            set64(expected, entry(i) + field,
                  load_le<std::uint64_t>(image, entry(i) + field) - base);
        }
    }
    EXPECT_EQ(*written, expected);
}

TEST(QpcContainer, R1RefusesAShortFileAndAWrongMagicNumber) {
    auto image = streaming();
    expect_rule(Bytes(image.begin(), image.begin() + 39), 1);
    expect_rule({}, 1);
    image[0] = std::byte{0x7D};
    expect_rule(image, 1);
}

TEST(QpcContainer, R2RefusesAnotherMajorVersionAndReportsAnotherMinorOne) {
    auto image = streaming();
    image[5] = std::byte{7};
    const auto container = Container::parse(image);
    ASSERT_TRUE(container);
    EXPECT_TRUE(container->minor_version_differs());
    image[4] = std::byte{1};
    expect_rule(image, 2);
}

TEST(QpcContainer, R3RefusesAnImageThatIsNotSelfContained) {
    auto image = streaming();
    image[6] = std::byte{0};
    expect_rule(image, 3);
}

TEST(QpcContainer, R4RefusesAFileLongerOrShorterThanItsHeaderSays) {
    auto longer = streaming();
    longer.resize(longer.size() + 2);
    expect_rule(longer, 4);
    auto shorter = streaming();
    shorter.pop_back();
    expect_rule(shorter, 4);
}

TEST(QpcContainer, R5RefusesSegmentCountsThatDoNotFit) {
    for (const std::uint64_t count :
         {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{65}, ~std::uint64_t{0},
          (std::uint64_t{1} << 59) + 1 /* times 32 wraps to 32 */}) {
        auto image = streaming();
        set64(image, kCountAt, count);
        expect_rule(image, 5);
    }
}

TEST(QpcContainer, R6RefusesATableInTheHeaderUnalignedOrOutsideTheFile) {
    for (const std::uint64_t table : {std::uint64_t{32}, std::uint64_t{44}, std::uint64_t{264},
                                      std::uint64_t{136}, ~std::uint64_t{7}}) {
        auto image = streaming();
        set64(image, kTableAt, table);
        expect_rule(image, 6);
    }
}

TEST(QpcContainer, R7RefusesNamesAndDataOutsideTheFile) {
    const std::pair<std::size_t, std::uint64_t> cases[] = {
        {entry(0) + kName, 263},
        {entry(1) + kStart, 262},
        {entry(1) + kStart, 264},
        {entry(0), 36},
        {entry(3), 3},
        {entry(2), ~std::uint64_t{0}},
    };
    for (const auto& [at, value] : cases) {
        auto image = streaming();
        set64(image, at, value);
        expect_rule(image, 7);
    }
}

TEST(QpcContainer, R7AllowsAnEmptySegmentAtTheEndOfTheFile) {
    const auto image = streaming();
    const auto container = Container::parse(image);
    std::vector<Segment> segments(container->segments().begin(), container->segments().end());
    segments.push_back({"notes", {}});
    auto written = *write_container(segments);
    set64(written, entry(4) + kStart, written.size());
    EXPECT_TRUE(Container::parse(written));
}

TEST(QpcContainer, R8RefusesNamesThatAreEmptyEndlessOrNotPrintable) {
    auto empty = streaming();
    empty[0xA8] = std::byte{0};
    expect_rule(empty, 8);
    auto control = streaming();
    control[0xA9] = std::byte{0x1b};
    expect_rule(control, 8);
    auto endless = streaming();
    set64(endless, entry(3) + kName, 262);
    expect_rule(endless, 8);
}

TEST(QpcContainer, R9RefusesTwoSegmentsOfOneName) {
    const auto original = streaming();
    const auto container = Container::parse(original);
    std::vector<Segment> segments(container->segments().begin(), container->segments().end());
    segments.push_back({"notes.b", container->find(kNetworkDesc)->data});
    segments.push_back({"notes.c", container->find(kNetworkDesc)->data});
    auto image = *write_container(segments);
    const auto name = load_le<std::uint64_t>(image, entry(5) + kName);
    image[name + 6] = std::byte{'b'};
    expect_rule(image, 9);
}

TEST(QpcContainer, R10RefusesOverlappingRanges) {
    auto two_segments = streaming();  // network.elf over the end of constantsdesc.bin
    set64(two_segments, entry(2) + kStart, 0xFE);
    expect_rule(two_segments, 10);
    auto over_header = streaming();
    set64(over_header, entry(2) + kStart, 0);
    expect_rule(over_header, 10);
    auto over_table = streaming();
    set64(over_table, entry(2) + kStart, 60);
    expect_rule(over_table, 10);
    auto over_name = streaming();
    set64(over_name, entry(2) + kStart, 0xA8);
    expect_rule(over_name, 10);
}

TEST(QpcContainer, R11RefusesASplitBeyondTheSegmentOrOnAnotherSegment) {
    auto beyond = streaming();
    set64(beyond, entry(0) + kSplit, 6);
    expect_rule(beyond, 11);
    auto other = streaming();
    set64(other, entry(2) + kSplit, 1);
    expect_rule(other, 11);
}

TEST(QpcContainer, R12RefusesMissingEmptyAndShortRequiredSegments) {
    const auto original = streaming();
    const auto container = Container::parse(original);
    for (const auto name : {kNetworkElf, kNetworkDesc, kConstantsDesc}) {
        auto renamed = original;
        for (std::size_t i = 0; i < 4; ++i) {
            if (container->segments()[i].name == name) {
                renamed[load_le<std::uint64_t>(renamed, entry(i) + kName)] = std::byte{'X'};
            }
        }
        expect_rule(renamed, 12);
    }
    auto empty = original;
    set64(empty, entry(2), 0);
    expect_rule(empty, 12);
    auto short_descriptor = original;
    set64(short_descriptor, entry(1), 23);
    expect_rule(short_descriptor, 12);
}

TEST(QpcContainer, R13RefusesConstantsThatContradictTheirDescriptor) {
    auto too_small = streaming();
    set64(too_small, 0xE9, 2);
    expect_rule(too_small, 13);
    auto wraps = streaming();
    set64(wraps, 0xE9, ~std::uint64_t{0});
    set64(wraps, 0xE9 + 8, 6);
    expect_rule(wraps, 13);
    auto missing = streaming();
    missing[0xA8] = std::byte{'X'};  // not constants.bin any more, so it may have no split either
    set64(missing, entry(0) + kSplit, 0);
    expect_rule(missing, 13);
}

TEST(QpcContainer, R14RefusesPointersBelowTheBase) {
    const std::uint64_t base = std::uint64_t{1} << 40;
    for (const auto at : {kTableAt, entry(1) + kName, entry(2) + kStart}) {
        auto image = streaming();
        set64(image, kBaseAt, base);
        for (const auto pointer :
             {kTableAt, entry(0) + kName, entry(1) + kName, entry(2) + kName, entry(3) + kName,
              entry(0) + kStart, entry(1) + kStart, entry(2) + kStart, entry(3) + kStart}) {
            const auto offset = load_le<std::uint64_t>(image, pointer);
            set64(image, pointer, base + offset);
        }
        ASSERT_TRUE(Container::parse(image));
        set64(image, at, base - 1);
        expect_rule(image, 14);
    }
}

TEST(QpcContainer, R15NeverFollowsThePointersOfTheImage) {
    // Pointers at the very top of the address space: following one would fault; taking them
    // relative to the base gives the example. The image itself sits at an odd address and is not
    // changed.
    auto image = from_hex(kInMemoryWriter);
    const auto old_base = load_le<std::uint64_t>(image, kBaseAt);
    const std::uint64_t base = ~std::uint64_t{0} - 4096;
    set64(image, kTableAt, load_le<std::uint64_t>(image, kTableAt) - old_base + base);
    for (std::size_t i = 0; i < 4; ++i) {
        for (const auto field : {kName, kStart}) {
            set64(image, entry(i) + field,
                  load_le<std::uint64_t>(image, entry(i) + field) - old_base + base);
        }
    }
    set64(image, kBaseAt, base);
    Bytes shifted(1);
    shifted.insert(shifted.end(), image.begin(), image.end());
    const auto before = shifted;
    const auto container = Container::parse(std::span(shifted).subspan(1));
    ASSERT_TRUE(container) << container.error().message;
    EXPECT_EQ(container->find(kConstants)->data.data(), shifted.data() + 1 + 0xF0);
    EXPECT_EQ(shifted, before);
}

TEST(QpcContainer, UnknownSegmentsAreKeptAndFoundByExactName) {
    const auto original = streaming();
    const auto container = Container::parse(original);
    std::vector<Segment> segments(container->segments().begin(), container->segments().end());
    const auto note = bytes_of("hello");
    segments.push_back({"mdp_meta_info", note});
    const auto image = *write_container(segments);
    const auto again = Container::parse(image);
    ASSERT_TRUE(again);
    EXPECT_TRUE(std::ranges::equal(again->find("mdp_meta_info")->data, note));
}

TEST(QpcContainer, WriterAlignsEverythingAndRepeatsItself) {
    const auto qpc = built(small_spec());
    EXPECT_EQ(qpc, built(small_spec()));
    EXPECT_EQ(qpc.size() % 8, 0u);
    EXPECT_EQ(load_le<std::uint64_t>(qpc, kBaseAt), 0u);
    EXPECT_EQ(load_le<std::uint64_t>(qpc, kSizeAt), qpc.size());
    const auto container = Container::parse(qpc);
    ASSERT_TRUE(container);
    for (const auto& segment : container->segments()) {
        EXPECT_EQ((segment.data.data() - qpc.data()) % 8, 0) << segment.name;
    }
}

TEST(QpcContainer, WriterRefusesWhatTheReaderWouldRefuse) {
    const auto data = bytes_of("x");
    const Segment elf{kNetworkElf, data};
    const auto refused = [](std::vector<Segment> segments) {
        const auto result = write_container(segments);
        return !result && result.error().code == Errc::kInvalidArgument;
    };
    EXPECT_FALSE(refused({elf}));
    EXPECT_TRUE(refused({}));
    EXPECT_TRUE(refused({{kNetworkDesc, data}}));
    EXPECT_TRUE(refused({elf, elf}));
    EXPECT_TRUE(refused({elf, {"", data}}));
    EXPECT_TRUE(refused({elf, {"a\nb", data}}));
    EXPECT_TRUE(refused({elf, {kConstants, data, 2}}));
    EXPECT_TRUE(refused({elf, {kNetworkDesc, data, 1}}));
    const std::string too_long(256, 'n');
    EXPECT_TRUE(refused({elf, {too_long, data}}));
}

}  // namespace
}  // namespace qaicrt::qpc::test
