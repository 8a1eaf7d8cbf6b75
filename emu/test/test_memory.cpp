// SPDX-License-Identifier: Apache-2.0
// What requests can reach: DDR bounds, multicast windows, doorbells.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

namespace qaicemu::test {
namespace {

using qaicrt::qpc::TcmSpace;
constexpr std::uint64_t kShared = 64 * 1024;

struct DdrBounds : testing::Test {
    Bench bench;
    Active active = bench.start_plain();
    Ring ring{bench.user, active};
    std::uint64_t buffer = bench.host.allocate(128 * 1024);

    std::uint16_t code_of(const aic100_request& request) {
        ring.submit(request);
        const auto response = ring.take();
        return response ? response->code : std::uint16_t{0xFFFF};
    }
};

TEST_F(DdrBounds, TheWholeSharedDdrIsReachableToTheLastByte) {
    for (std::size_t i = 0; i < kShared; ++i) {
        bench.host.at(buffer, kShared)[i] = static_cast<std::byte>(i * 7 + i / 256);
    }
    EXPECT_EQ(code_of(to_device(1, buffer, active.ddr_base, kShared)), AIC100_RSP_OK);
    const std::uint64_t back = bench.host.allocate(kShared);
    EXPECT_EQ(code_of(from_device(2, active.ddr_base, back, kShared)), AIC100_RSP_OK);
    EXPECT_TRUE(std::ranges::equal(bench.host.at(back, kShared), bench.host.at(buffer, kShared)));
}

TEST_F(DdrBounds, OneByteOutsideIsABadCardAddress) {
    EXPECT_EQ(code_of(to_device(1, buffer, active.ddr_base, kShared + 1)),
              AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(2, buffer, active.ddr_base - 1, 1)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(from_device(3, active.ddr_base + kShared, buffer, 1)),
              AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(from_device(4, active.ddr_base + kShared - 1, buffer, 2)),
              AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(from_device(5, active.ddr_base + kShared - 1, buffer, 1)), AIC100_RSP_OK);
}

TEST_F(DdrBounds, AddressesThatOverflowAreRefused) {
    for (const std::uint64_t addr : {std::uint64_t{0}, std::uint64_t{0xFFFFFFFFFFFFFFFF},
                                     ~std::uint64_t{0} - 7, std::uint64_t{1} << 63}) {
        EXPECT_EQ(code_of(to_device(1, buffer, addr, 16)), AIC100_RSP_BAD_CARD_ADDR) << addr;
        EXPECT_EQ(code_of(to_device(1, buffer, addr, 0xFFFFFFFF)), AIC100_RSP_BAD_CARD_ADDR)
            << addr;
    }
}

TEST_F(DdrBounds, HostAddressesThatDoNotResolveHaveTheirOwnCode) {
    EXPECT_EQ(code_of(to_device(1, 0, active.ddr_base, 16)), AIC100_RSP_BAD_HOST_ADDR);
    EXPECT_EQ(code_of(from_device(2, active.ddr_base, ~std::uint64_t{0} - 3, 16)),
              AIC100_RSP_BAD_HOST_ADDR);
}

TEST_F(DdrBounds, AnErrorOfAPartWithoutResponseComesWithTheSlicesLastPart) {
    auto part = to_device(1, 0, active.ddr_base, 16);
    part.cmd &= static_cast<std::uint8_t>(~AIC100_REQ_CMD_COMPLETION);
    ring.submit({part, to_device(1, buffer, active.ddr_base, 16),
                 to_device(2, buffer, active.ddr_base, 16)});
    EXPECT_EQ(ring.drain(),
              (std::vector<Response>{{1, AIC100_RSP_BAD_HOST_ADDR}, {2, AIC100_RSP_OK}}));
}

TEST_F(DdrBounds, AFailedTransferStillRunsItsPostsync) {
    auto bad = to_device(1, 0, active.ddr_base, 16);
    bad.sem_cmd[0] = sem(AIC100_SEM_INC, 0);
    auto waiting = no_transfer(2);
    waiting.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
    ring.submit({bad, waiting});
    EXPECT_EQ(ring.drain(),
              (std::vector<Response>{{1, AIC100_RSP_BAD_HOST_ADDR}, {2, AIC100_RSP_OK}}));
}

TEST_F(DdrBounds, LengthAndAddressesOfARequestWithoutTransferAreIgnored) {
    auto request = no_transfer(1);
    request.len = 0xFFFFFFFF;
    request.src_addr = request.dst_addr = 0x1234;
    EXPECT_EQ(code_of(request), AIC100_RSP_OK);
}

TEST_F(DdrBounds, TransferTypeThreeAndLinkedListsAreBadRequests) {
    auto illegal = no_transfer(1);
    illegal.cmd |= 3;
    EXPECT_EQ(code_of(illegal), AIC100_RSP_BAD_REQUEST);
    auto list = to_device(2, buffer, active.ddr_base, 16);
    list.cmd &= static_cast<std::uint8_t>(~AIC100_REQ_CMD_BULK);
    EXPECT_EQ(code_of(list), AIC100_RSP_BAD_REQUEST);
}

TEST_F(DdrBounds, AnotherActivationsMemoryIsOutOfReach) {
    const Active other = bench.start_plain();
    EXPECT_EQ(code_of(to_device(1, buffer, other.ddr_base, 16)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(from_device(2, other.ddr_base, buffer, 16)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(3, buffer, other.mcid_base, 4)), AIC100_RSP_BAD_CARD_ADDR);
}

TEST_F(DdrBounds, ALaterOwnerReadsZeros) {
    bench.host.at(buffer, 1)[0] = std::byte{0x42};
    ASSERT_EQ(code_of(to_device(1, buffer, active.ddr_base, 64)), AIC100_RSP_OK);
    ASSERT_EQ(bench.user.deactivate(active), 0);
    // The same program again gets the same memory: its image takes no other.
    const Active next = bench.user.activate(1);
    ASSERT_EQ(next.status, 0);
    ASSERT_EQ(next.ddr_base, active.ddr_base);
    Ring after(bench.user, next);
    after.submit(from_device(1, next.ddr_base, buffer, 64));
    ASSERT_EQ(after.drain(), (std::vector<Response>{{1, 0}}));
    EXPECT_EQ(bench.host.at(buffer, 1)[0], std::byte{0});
}

TEST_F(DdrBounds, SharedDdrIsAlignedAsProgramsExpect) {
    EXPECT_EQ(active.ddr_base % 2048, 0u);
}

/// Two NSPs; window 1 lands in both at different places, window 2 in the VTCM of NSP 1 alone.
struct Windows : testing::Test {
    Windows() {
        auto metadata = plain_metadata(2);
        metadata.host_multicast = {
            {.mask = 3, .size = 1124}, {.mask = 3, .size = 64}, {.mask = 2, .size = 64}};
        metadata.nsp_multicast[0] = {{.size = 1124}, {.base_offset = 2048, .size = 64}, {}};
        metadata.nsp_multicast[1] = {{.size = 1124},
                                     {.base_offset = 3072, .size = 64},
                                     {.base_offset = 256, .size = 64, .space = TcmSpace::kVtcm}};
        active = bench.start(elf_of(metadata));
        ring.emplace(bench.user, active);
    }
    std::uint64_t window(std::uint64_t mcid, std::uint64_t offset) const {
        return active.mcid_base + mcid * AIC100_MCID_WINDOW + offset;
    }
    std::uint16_t code_of(const aic100_request& request) {
        ring->submit(request);
        const auto response = ring->take();
        return response ? response->code : std::uint16_t{0xFFFF};
    }
    Bench bench;
    Active active;
    std::optional<Ring> ring;
    std::uint64_t buffer = bench.host.allocate(65536);
};

TEST_F(Windows, AWindowWithOneNspBehindItCanBeReadBack) {
    bench.host.at(buffer, 64)[5] = std::byte{0x99};
    ASSERT_EQ(code_of(to_device(1, buffer, window(2, 8), 32)), AIC100_RSP_OK);
    const std::uint64_t back = bench.host.allocate(64);
    ASSERT_EQ(code_of(from_device(2, window(2, 8), back, 32)), AIC100_RSP_OK);
    EXPECT_EQ(bench.host.at(back, 64)[5], std::byte{0x99});
}

TEST_F(Windows, AWindowWithSeveralNspsCanOnlyBeWritten) {
    EXPECT_EQ(code_of(to_device(1, buffer, window(1, 0), 32)), AIC100_RSP_OK);
    EXPECT_EQ(code_of(from_device(2, window(1, 0), buffer, 32)), AIC100_RSP_BAD_CARD_ADDR);
}

TEST_F(Windows, TheNspsMemoriesBoundAWindow) {
    // NSP 1 has the window at 3072 of 4096 bytes of L2TCM, so it ends first.
    EXPECT_EQ(code_of(to_device(1, buffer, window(1, 0), 1024)), AIC100_RSP_OK);
    EXPECT_EQ(code_of(to_device(2, buffer, window(1, 0), 1025)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(3, buffer, window(1, 1024), 1)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(4, buffer, window(2, 4096 - 256), 1)), AIC100_RSP_BAD_CARD_ADDR);
}

TEST_F(Windows, WindowsThatTheProgramDoesNotHaveAreOutOfReach) {
    EXPECT_EQ(code_of(to_device(1, buffer, window(3, 0), 4)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(2, buffer, window(1000, 0), 4)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(3, buffer, active.mcid_base - 4, 4)), AIC100_RSP_BAD_CARD_ADDR);
    EXPECT_EQ(code_of(to_device(4, buffer, window(2, 0) - 4, 8)), AIC100_RSP_BAD_CARD_ADDR);
}

TEST_F(Windows, DoorbellsWriteTheirWidthOnly) {
    bench.host.put(buffer, to_bytes(std::uint64_t{0x1111111111111111}));
    ASSERT_EQ(code_of(to_device(1, buffer, window(2, 0), 8)), AIC100_RSP_OK);
    const auto ring_bell = [&](std::uint8_t width, std::uint64_t offset) {
        auto request = no_transfer(2);
        request.db_attr = AIC100_DB_ENABLE | width;
        request.db_addr = window(2, offset);
        request.db_data = 0xAABBCCDD;
        return code_of(request);
    };
    const auto word = [&] {
        EXPECT_EQ(code_of(from_device(3, window(2, 0), buffer, 8)), AIC100_RSP_OK);
        return *load<std::uint64_t>(bench.host.at(buffer, 8));
    };
    EXPECT_EQ(ring_bell(AIC100_DB_LEN_8, 3), AIC100_RSP_OK);
    EXPECT_EQ(word(), 0x11111111DD111111u);
    EXPECT_EQ(ring_bell(AIC100_DB_LEN_16, 0), AIC100_RSP_OK);
    EXPECT_EQ(word(), 0x11111111DD11CCDDu);
    EXPECT_EQ(ring_bell(AIC100_DB_LEN_32, 4), AIC100_RSP_OK);
    EXPECT_EQ(word(), 0xAABBCCDDDD11CCDDu);
    EXPECT_EQ(ring_bell(3, 4), AIC100_RSP_BAD_REQUEST) << "reserved width";
    EXPECT_EQ(ring_bell(AIC100_DB_LEN_32, 2), AIC100_RSP_BAD_REQUEST) << "misaligned";
    EXPECT_EQ(ring_bell(AIC100_DB_LEN_32, 4096), AIC100_RSP_BAD_CARD_ADDR) << "outside";
}

}  // namespace
}  // namespace qaicemu::test
