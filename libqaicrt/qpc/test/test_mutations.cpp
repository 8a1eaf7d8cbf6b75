// SPDX-License-Identifier: Apache-2.0
/// Deterministic damage at every byte: whatever happens is a value or an Error, never a crash or a
/// read outside. The copies are of exact size, so that a sanitizer build sees one byte too many.
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/tiny_elf.hpp"
#include "libqaicrt/qpc/test/worked_examples.hpp"

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;

struct Count {
    std::size_t accepted = 0, refused = 0;
    void add(bool ok) { ++(ok ? accepted : refused); }
};

/// A program whose ELF has no code page: every byte of it means something.
Bytes compact_program() {
    const auto parts = Parts::of(small_spec());
    const auto metadata = write_metadata(parts.metadata);
    return parts.pack_with(TinyElf{false}.make(
        std::vector<ElfSection>{{kMetadataSection, metadata}, {kEmuSection, parts.emu_section}}));
}

void check_one(const Bytes& bytes, Count& count) {
    const auto image = parse_program(bytes);
    count.add(image.has_value());
    if (!image) {
        ASSERT_FALSE(image.error().message.empty());
        ASSERT_FALSE(check_open_runtime_rules(bytes).empty());
    } else {
        for (const auto& request : image->metadata.requests) {
            ASSERT_LT(request.num, image->description.dma_buffers.size());
        }
    }
}

TEST(QpcMutations, EveryTruncationIsRefused) {
    const auto good = compact_program();
    for (std::size_t size = 0; size < good.size(); ++size) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        const auto image = parse_program(cut);
        ASSERT_FALSE(image) << size;
        ASSERT_EQ(image.error().code, Errc::kFormat);
    }
}

TEST(QpcMutations, EveryBitFlipIsAcceptedOrRefusedCleanly) {
    const auto good = compact_program();
    ASSERT_TRUE(parse_program(good));
    Count count;
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            auto damaged = good;
            damaged[at] ^= static_cast<std::byte>(1 << bit);
            check_one(damaged, count);
        }
    }
    EXPECT_EQ(count.accepted + count.refused, 8 * good.size());
    EXPECT_GT(count.refused, good.size());
}

TEST(QpcMutations, EveryByteSetToExtremesIsAcceptedOrRefusedCleanly) {
    const auto good = compact_program();
    Count count;
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
            auto damaged = good;
            damaged[at] = static_cast<std::byte>(value);
            check_one(damaged, count);
        }
    }
    EXPECT_GT(count.refused, 0u);
}

TEST(QpcMutations, EveryWordOfHeaderAndTableSetToExtremesIsHandled) {
    const auto good = compact_program();
    Count count;
    for (std::size_t at = 0; at + 8 <= 40 + 4 * 32; at += 4) {
        for (const std::uint64_t value :
             {std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0} >> 1,
              std::uint64_t{good.size()}, std::uint64_t{good.size()} - 1}) {
            auto damaged = good;
            store_le<std::uint64_t>(damaged, at, value);
            check_one(damaged, count);
        }
    }
    EXPECT_GT(count.refused, 100u);
}

TEST(QpcMutations, MetadataSectionsAloneSurviveFlipsAndTruncations) {
    const auto good = write_metadata(Parts::of(small_spec()).metadata);
    for (std::size_t at = 0; at < good.size(); ++at) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
        if (const auto parsed = parse_metadata(cut)) {
            ASSERT_FALSE(parsed->network_name.empty());
        }
        for (int bit = 0; bit < 8; ++bit) {
            auto damaged = good;
            damaged[at] ^= static_cast<std::byte>(1 << bit);
            const auto parsed = parse_metadata(damaged);
            if (parsed) {
                ASSERT_LE(parsed->num_semaphores, 32);
            } else {
                ASSERT_FALSE(parsed.error().message.empty());
            }
        }
    }
}

TEST(QpcMutations, NetworkDescriptionsAloneSurviveFlipsAndTruncations) {
    const auto good = from_hex(kNetworkDescription);
    Count count;
    for (std::size_t at = 0; at < good.size(); ++at) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
        count.add(parse_network_desc(cut).has_value());
        for (int value = 0; value < 256; ++value) {
            auto damaged = good;
            damaged[at] = static_cast<std::byte>(value);
            const auto parsed = parse_network_desc(damaged);
            count.add(parsed.has_value());
            if (parsed) {
                for (const auto& binding : parsed->inputs) {
                    ASSERT_TRUE(to_tensor_info(binding, Direction::kToDevice));
                }
            }
        }
    }
    EXPECT_GT(count.accepted, 0u);
    EXPECT_GT(count.refused, 0u);
}

}  // namespace
}  // namespace qaicrt::qpc::test
