// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/bus_memory.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <numeric>
#include <thread>

namespace qaicrt::backend::emu {
namespace {

using Access = BusMemory::Access;

class BusMemoryTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto pages = HostPages::create(16384);
        ASSERT_TRUE(pages);
        pages_ = std::move(pages).value();
        for (std::size_t i = 0; i < pages_.data().size(); ++i) {
            pages_.data()[i] = static_cast<std::byte>(i * 7);
        }
    }
    HostPages pages_;
    BusMemory memory_;
};

TEST_F(BusMemoryTest, pieces_end_on_segment_boundaries_and_keep_the_page_offset) {
    const auto data = pages_.data().subspan(100, 12288);
    const auto segments = memory_.map(data, 4096, Access::kReadOnly);
    ASSERT_EQ(segments.size(), 4U);
    EXPECT_EQ(segments[0].bytes, 4096U - 100);
    EXPECT_EQ(segments[0].address % 4096, 100U);
    EXPECT_EQ(segments[1].bytes, 4096U);
    EXPECT_EQ(segments[1].address % 4096, 0U);
    EXPECT_EQ(segments[3].bytes, 100U);
    EXPECT_EQ(memory_.mapped_segments(), 4U);
    memory_.unmap(segments);
    EXPECT_EQ(memory_.mapped_segments(), 0U);
}

TEST_F(BusMemoryTest, reads_and_writes_reach_the_host_and_nothing_beyond_a_piece) {
    const auto segments = memory_.map(pages_.data(), 8192, Access::kReadWrite);
    std::array<std::byte, 16> buffer{};
    ASSERT_TRUE(memory_.read(segments[1].address + 8, buffer));
    EXPECT_EQ(std::memcmp(buffer.data(), pages_.data().data() + 8192 + 8, 16), 0);
    buffer.fill(std::byte{0xAB});
    ASSERT_TRUE(memory_.write(segments[0].address + 8192 - 16, buffer));
    EXPECT_EQ(pages_.data()[8191], std::byte{0xAB});
    EXPECT_FALSE(memory_.write(segments[0].address + 8192 - 15, buffer)) << "one byte too far";
    EXPECT_FALSE(memory_.read(segments[0].address - 1, buffer));
    EXPECT_FALSE(memory_.read(0, buffer));
    EXPECT_FALSE(memory_.read(~0ULL - 4, buffer));
}

TEST_F(BusMemoryTest, read_only_memory_is_never_written) {
    const auto segments = memory_.map(pages_.data(), 8192, Access::kReadOnly);
    std::array<std::byte, 4> buffer{};
    EXPECT_TRUE(memory_.read(segments[0].address, buffer));
    EXPECT_FALSE(memory_.write(segments[0].address, buffer));
    EXPECT_FALSE(memory_.write_u32_release(segments[0].address, 1));
}

TEST_F(BusMemoryTest, addresses_are_dead_after_unmap_and_never_given_again) {
    const auto first = memory_.map(pages_.data(), 65536, Access::kReadWrite);
    memory_.unmap(first);
    const auto second = memory_.map(pages_.data(), 65536, Access::kReadWrite);
    EXPECT_NE(first[0].address, second[0].address);
    std::array<std::byte, 4> buffer{};
    EXPECT_FALSE(memory_.read(first[0].address, buffer));
}

TEST_F(BusMemoryTest, aligned_words_only) {
    const auto segments = memory_.map(pages_.data(), 65536, Access::kReadWrite);
    EXPECT_TRUE(memory_.write_u32_release(segments[0].address + 4, 0x01020304));
    EXPECT_EQ(pages_.data()[4], std::byte{4});
    EXPECT_FALSE(memory_.write_u32_release(segments[0].address + 2, 1));
}

TEST_F(BusMemoryTest, no_access_happens_after_unmap_returned) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> address{0};
    std::thread reader([&] {
        std::array<std::byte, 64> buffer{};
        while (!stop) {
            (void)memory_.write(address, buffer);
        }
    });
    for (int i = 0; i < 2000; ++i) {
        auto page = HostPages::create(4096);
        ASSERT_TRUE(page);
        const auto segments = memory_.map(page->data(), 4096, Access::kReadWrite);
        address = segments[0].address;
        memory_.unmap(segments);
        page->data()[0] = std::byte{1};  // a race that the thread sanitizer would see
    }                                    // the page is gone: a late write would crash
    stop = true;
    reader.join();
    EXPECT_EQ(memory_.mapped_segments(), 0U);
}

}  // namespace
}  // namespace qaicrt::backend::emu
