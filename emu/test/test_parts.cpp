// SPDX-License-Identifier: Apache-2.0
// The pieces below the card on their own: allocators, DDR, pools, the list of pending requests.
#include "emu/ddr.hpp"
#include "emu/pending_list.hpp"
#include "emu/resources.hpp"
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace qaicemu::test {
namespace {

TEST(Parts, RangesAreReusedAndGapsMerge) {
    RangeAllocator ranges(100);
    const auto a = ranges.take(40), b = ranges.take(40), c = ranges.take(20);
    ASSERT_TRUE(a && b && c);
    EXPECT_FALSE(ranges.take(1));
    ranges.give(*a, 40);
    ranges.give(*c, 20);
    EXPECT_EQ(ranges.largest_gap(), 40u);
    EXPECT_FALSE(ranges.take(41));
    ranges.give(*b, 40);
    EXPECT_EQ(ranges.largest_gap(), 100u);
    EXPECT_EQ(ranges.take(100), 0u);
}

TEST(Parts, RangesCanBeAligned) {
    RangeAllocator ranges(64);
    EXPECT_EQ(ranges.take(1), 0u);
    EXPECT_EQ(ranges.take(8, 16), 16u);
    EXPECT_EQ(ranges.take(15), 1u) << "the space skipped for alignment stays usable";
    EXPECT_FALSE(ranges.take(64, 64));
}

TEST(Parts, DdrSizesAreChecked) {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{5000}, Ddr::kMaxBytes + 4096, ~std::uint64_t{0}}) {
        EXPECT_FALSE(Ddr::create(bytes)) << bytes;
    }
    auto ddr = Ddr::create(1 << 20);
    ASSERT_TRUE(ddr);
    EXPECT_FALSE((*ddr)->allocate(~std::uint64_t{0}));
    EXPECT_FALSE((*ddr)->allocate((1 << 20) + 1));
    EXPECT_TRUE((*ddr)->allocate(0)->bytes().empty());
}

TEST(Parts, DdrIsSparse) {
    auto ddr = Ddr::create(std::uint64_t{32} << 30);
    ASSERT_TRUE(ddr) << ddr.error().message;
    auto region = (*ddr)->allocate(std::uint64_t{31} << 30);
    ASSERT_TRUE(region);
    EXPECT_EQ(region->bytes()[std::size_t{30} << 30], std::byte{0});
}

TEST(Parts, ACardWithImpossibleConfigurationIsRefusedInWords) {
    FakeHost host(4096);
    const auto refused = [&](CardConfig config) {
        const auto card = Card::create(config, host.ports());
        return !card && card.error().code == qaicrt::Errc::kInvalidArgument &&
               !card.error().message.empty();
    };
    EXPECT_TRUE(refused({.nsps = 0}));
    EXPECT_TRUE(refused({.nsps = 17}));
    EXPECT_TRUE(refused({.threads_per_nsp = 0}));
    EXPECT_FALSE(Card::create({}, Ports{}));
}

TEST(Parts, PoolsGiveAllOrNothing) {
    ResourcePool pool({.nsp_mask = 0b1011,
                       .channels = 2,
                       .semaphores = 32,
                       .first_mcid = 5,
                       .mcids = 10,
                       .ddr_bytes = 100});
    ResourceGrant grant;
    EXPECT_EQ(pool.take({.nsps = 2, .channels = 1, .mcids = 11}, grant),
              AIC100_ST_MCID_ALLOC_ERROR);
    EXPECT_TRUE(pool.idle());
    ASSERT_EQ(pool.take({.nsps = 2, .channels = 1, .mcids = 4, .ddr_bytes = 60}, grant), 0);
    EXPECT_EQ(grant.nsp_mask, 0b0011u);
    EXPECT_EQ(grant.first_mcid, 5u);
    EXPECT_FALSE(pool.idle());
    ResourceGrant more;
    EXPECT_EQ(pool.take({.nsps = 2}, more), AIC100_ST_NSP_ALLOC_ERROR);
    EXPECT_EQ(pool.take({.ddr_bytes = 41}, more), AIC100_ST_MEM_ALLOC_ERROR);
    pool.give(grant);
    EXPECT_TRUE(pool.idle());
}

TEST(Parts, PendingListKeepsOrderThroughRemovals) {
    PendingList list;
    list.reset(4);
    for (std::uint64_t n = 0; n < 4; ++n) {
        PendingRequest request;
        request.request.id = static_cast<std::uint16_t>(n);
        list.append(request);
    }
    EXPECT_TRUE(list.full());
    auto second = list.next(list.first());
    list.erase(second, list.first());  // 0 2 3
    const auto third = list.next(list.next(list.first()));
    list.erase(third, list.next(list.first()));  // 0 2
    PendingRequest request;
    request.request.id = 9;
    list.append(request);                         // 0 2 9
    list.erase(list.first(), PendingList::kEnd);  // 2 9
    std::vector<std::uint64_t> numbers;
    for (auto slot = list.first(); slot != PendingList::kEnd; slot = list.next(slot)) {
        numbers.push_back(list.at(slot).request.id);
    }
    EXPECT_EQ(numbers, (std::vector<std::uint64_t>{2, 9}));
    EXPECT_EQ(list.room(), 2u);
}

}  // namespace
}  // namespace qaicemu::test
