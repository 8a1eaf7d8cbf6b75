// SPDX-License-Identifier: Apache-2.0
// FIFOs, registers and interrupts of one channel.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

namespace qaicemu::test {
namespace {

struct Fifo : testing::Test {
    Bench bench;
    void start(std::uint32_t elements) {
        active = bench.start_plain(elements);
        ring.emplace(bench.user, active);
    }
    std::vector<aic100_request> plain(std::uint16_t first, std::uint16_t count) {
        std::vector<aic100_request> out;
        for (std::uint16_t i = 0; i < count; ++i) {
            out.push_back(no_transfer(static_cast<std::uint16_t>(first + i)));
        }
        return out;
    }
    Active active;
    std::optional<Ring> ring;
};
struct FifoWrap : Fifo {};
struct FullResponseFifo : Fifo {};
struct MsiEdges : Fifo {};
struct HostileRegisters : Fifo {};

TEST_F(FifoWrap, HeadAndTailWrapAtTheElementCount) {
    start(5);  // no power of two: indices, not masks
    std::uint16_t next = 0;
    for (int round = 0; round < 50; ++round) {
        const std::uint16_t count = static_cast<std::uint16_t>(round % 4 + 1);
        ring->submit(plain(next, count));
        EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), ring->reg(AIC100_DBC_REQTP));
        const auto responses = ring->drain();
        ASSERT_EQ(responses.size(), count);
        for (const auto& response : responses) {
            EXPECT_EQ(response, (Response{next++, AIC100_RSP_OK}));
        }
    }
    EXPECT_EQ(ring->reg(AIC100_DBC_RSPTP), next % 5u);
}

TEST_F(FifoWrap, RegistersStartAtZeroOnEveryActivation) {
    start(8);
    ring->submit(plain(0, 3));
    ring->drain();
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), 3u);
    ASSERT_EQ(bench.user.deactivate(active), 0);
    EXPECT_EQ(ring->reg(AIC100_DBC_REQTP), 0u);
    start(8);
    for (const auto reg :
         {AIC100_DBC_REQHP, AIC100_DBC_REQTP, AIC100_DBC_RSPHP, AIC100_DBC_RSPTP}) {
        EXPECT_EQ(ring->reg(reg), 0u);
    }
}

TEST_F(FifoWrap, AnElementIsReadOnceEvenIfItWaits) {
    start(8);
    auto waiting = no_transfer(1);
    waiting.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
    ring->submit(waiting);
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), 1u);
    // The host may overwrite the slot now.
    const Bytes garbage(sizeof(aic100_request), std::byte{0xFF});
    bench.host.put(active.requests, garbage);
    auto release = no_transfer(2);
    release.sem_cmd[0] = sem(AIC100_SEM_INC, 0);
    ring->submit(release);
    EXPECT_EQ(ring->drain(), (std::vector<Response>{{2, 0}, {1, 0}}));
}

TEST_F(FifoWrap, OneElementIsAFifoThatIsAlwaysFull) {
    start(1);
    ring->set_reg(AIC100_DBC_REQTP, 0);
    EXPECT_TRUE(ring->drain().empty());
}

TEST_F(FullResponseFifo, StallsWithoutOverwritingAndGoesOnAfterTheDrain) {
    start(4);  // three responses fit
    ring->submit(plain(0, 3));
    ring->submit(plain(3, 3));
    EXPECT_EQ(ring->reg(AIC100_DBC_RSPTP), 3u);
    for (std::uint16_t expected = 0; expected < 6; ++expected) {
        EXPECT_EQ(ring->take(), (Response{expected, AIC100_RSP_OK}));
    }
    EXPECT_EQ(ring->take(), std::nullopt);
}

TEST_F(FullResponseFifo, HoldsBackTheTransfersBehindIt) {
    start(2);  // one response fits
    const std::uint64_t source = bench.host.allocate(16);
    const std::uint64_t back = bench.host.allocate(16);
    bench.host.at(source, 16)[0] = std::byte{1};
    ring->submit(no_transfer(1));
    ring->submit(no_transfer(2));  // runs, but its response finds no room
    ring->submit(from_device(3, active.ddr_base, back, 16));
    bench.host.at(back, 16)[0] = std::byte{0xEE};
    EXPECT_EQ(ring->take(), (Response{1, 0}));
    EXPECT_EQ(ring->take(), (Response{2, 0}));
    EXPECT_EQ(ring->take(), (Response{3, 0}));
    EXPECT_EQ(bench.host.at(back, 16)[0], std::byte{0}) << "request 3 moved before there was room";
}

TEST_F(FullResponseFifo, AStalledChannelCanBeDeactivated) {
    start(2);
    ring->submit(no_transfer(1));
    ring->submit(no_transfer(2));
    EXPECT_EQ(bench.user.deactivate(active), 0);
}

TEST_F(MsiEdges, OneInterruptForEachTransitionFromEmpty) {
    start(16);
    ring->submit(plain(0, 3));
    EXPECT_EQ(ring->interrupts(), 1u);
    ring->submit(plain(3, 3));
    EXPECT_EQ(ring->interrupts(), 1u) << "the FIFO was not empty";
    ring->take();
    ring->submit(plain(6, 1));
    EXPECT_EQ(ring->interrupts(), 1u) << "still not empty";
    EXPECT_EQ(ring->drain().size(), 6u);
    ring->submit(plain(7, 1));
    EXPECT_EQ(ring->interrupts(), 2u);
}

TEST_F(MsiEdges, VectorIsChannelPlusOne) {
    start(16);
    const Active second = bench.start_plain();
    ASSERT_NE(second.dbc, active.dbc);
    Ring other(bench.user, second);
    other.submit(no_transfer(1));
    EXPECT_EQ(bench.host.interrupts(second.dbc + 1), 1u);
    EXPECT_EQ(bench.host.interrupts(active.dbc + 1), 0u);
}

TEST_F(MsiEdges, RequestsWithoutCompletionBitRaiseNothing) {
    start(16);
    auto silent = no_transfer(1);
    silent.cmd = AIC100_REQ_CMD_BULK;
    ring->submit(silent);
    EXPECT_EQ(ring->reg(AIC100_DBC_RSPTP), 0u);
    EXPECT_EQ(ring->interrupts(), 0u);
}

TEST_F(MsiEdges, ForceBitIsHonouredOnlyWhereTheCardIsConfiguredSo) {
    for (const bool enabled : {false, true}) {
        CardConfig config = small_card();
        config.force_msi = enabled;
        Bench own(config);
        const Active where = own.start_plain();
        Ring there(own.user, where);
        auto forced = no_transfer(1);
        forced.cmd |= AIC100_REQ_CMD_FORCE_MSI;
        there.submit({no_transfer(0), forced});
        EXPECT_EQ(there.interrupts(), enabled ? 2u : 1u);
    }
}

TEST_F(MsiEdges, TheStallResumesWithoutALostInterrupt) {
    start(2);
    ring->submit(no_transfer(1));
    ring->submit(no_transfer(2));
    EXPECT_EQ(ring->interrupts(), 1u);
    EXPECT_EQ(ring->take(), (Response{1, 0}));  // empties the FIFO, which lets response 2 in
    EXPECT_EQ(ring->interrupts(), 2u);
    EXPECT_EQ(ring->take(), (Response{2, 0}));
}

TEST_F(HostileRegisters, IndicesOutsideTheFifoAreIgnored) {
    start(8);
    ring->submit(plain(0, 2));
    for (const std::uint32_t value : {8u, 9u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
        ring->set_reg(AIC100_DBC_REQTP, value);
        ring->set_reg(AIC100_DBC_RSPHP, value);
        EXPECT_EQ(ring->reg(AIC100_DBC_REQTP), 2u);
        EXPECT_EQ(ring->reg(AIC100_DBC_RSPHP), 0u);
    }
    EXPECT_EQ(ring->drain().size(), 2u);
}

TEST_F(HostileRegisters, TheCardsOwnRegistersCannotBeWritten) {
    start(8);
    ring->set_reg(AIC100_DBC_REQHP, 3);
    ring->set_reg(AIC100_DBC_RSPTP, 3);
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), 0u);
    EXPECT_EQ(ring->reg(AIC100_DBC_RSPTP), 0u);
}

TEST_F(HostileRegisters, UnknownRegistersAndChannelsReadZero) {
    start(8);
    for (const std::uint32_t reg : {1u, 2u, 0x10u, 0xFFCu, 0xFFFFFFFFu}) {
        bench.card->dbc_write(active.dbc, reg, 1);
        EXPECT_EQ(bench.card->dbc_read(active.dbc, reg), 0u);
    }
    for (const unsigned dbc : {active.dbc + 1, 15u, 16u, 0xFFFFFFFFu}) {
        bench.card->dbc_write(dbc, AIC100_DBC_REQTP, 1);
        EXPECT_EQ(bench.card->dbc_read(dbc, AIC100_DBC_REQTP), 0u);
    }
    EXPECT_EQ(bench.card->workload_error(99), "");
}

TEST_F(HostileRegisters, ATailMovedBackwardsRunsThroughStaleElementsUnharmed) {
    start(8);
    ring->submit(plain(0, 5));
    ring->drain();
    ring->set_reg(AIC100_DBC_REQTP, 3);  // five to three: wraps over zeroed and old elements
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), 3u);
    for (const auto& response : ring->drain()) {
        EXPECT_LT(response.id, 5u);
    }
}

TEST_F(HostileRegisters, GarbageElementsAreAnsweredAndHarmless) {
    start(64);
    for (int fill = 0; fill < 256; ++fill) {
        const Bytes garbage(sizeof(aic100_request), static_cast<std::byte>(fill));
        bench.host.put(active.requests + ring->reg(AIC100_DBC_REQTP) * sizeof(aic100_request),
                       garbage);
        ring->set_reg(AIC100_DBC_REQTP, (ring->reg(AIC100_DBC_REQTP) + 1) % 64);
        ring->drain();
    }
    EXPECT_EQ(bench.user.deactivate(active), 0);
}

TEST_F(HostileRegisters, AFifoThatDoesNotResolveStopsTheChannelOnly) {
    start(8);
    bench.host.reachable = false;
    ring->submit(no_transfer(1));
    EXPECT_NE(bench.card->workload_error(active.dbc), "");
    bench.host.reachable = true;
    EXPECT_EQ(ring->reg(AIC100_DBC_RSPTP), 0u);
    EXPECT_EQ(bench.user.deactivate(active), 0);
    const Active again = bench.start_plain();
    EXPECT_EQ(bench.card->workload_error(again.dbc), "")
        << "an activation starts without old errors";
    Ring fresh(bench.user, again);
    fresh.submit(no_transfer(2));
    EXPECT_EQ(fresh.drain(), (std::vector<Response>{{2, 0}}));
}

TEST_F(HostileRegisters, AResponseFifoOutsideHostMemoryStopsTheChannel) {
    const auto [status, elf] = bench.user.load_elf(elf_of(plain_metadata()));
    ASSERT_EQ(status, 0);
    aic100_cmd_activate in{};
    in.type = AIC100_CMD_ACTIVATE;
    in.elf_id = elf;
    in.resource_res_id = 0xFFFFFFFFu;
    aic100_trans_activate_to_dev queues{};
    // Requests at the end of host memory, responses in the nothing behind it.
    const std::uint64_t end = kHostBase + (std::uint64_t{8} << 20);
    queues.req_q_addr = end - 4096;
    queues.req_q_size = queues.rsp_q_size = 64;
    queues.buf_len = 8192;
    queues.rsp_q_addr = end + 4096 - 64 * 4;
    const auto reply =
        bench.user.send(MessageBuilder().command(in).add(AIC100_TRANS_ACTIVATE_TO_DEV, queues));
    ASSERT_EQ(reply.size(), 2u);
    const auto request = no_transfer(1);
    bench.host.put(queues.req_q_addr, std::as_bytes(std::span(&request, 1)));
    bench.card->dbc_write(0, AIC100_DBC_REQTP, 1);
    EXPECT_EQ(bench.card->dbc_read(0, AIC100_DBC_RSPTP), 0u);
    EXPECT_NE(bench.card->workload_error(0), "");
    bench.user.terminate();
}

TEST_F(HostileRegisters, AWindowFullOfBlockedRequestsShowsAsAFullQueue) {
    start(64);
    auto blocked = no_transfer(1);
    blocked.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
    for (int i = 0; i < 64; ++i) {
        ring->submit(blocked);
    }
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), ring->reg(AIC100_DBC_REQTP));
    ring->submit(std::vector(63, blocked));
    EXPECT_EQ(ring->reg(AIC100_DBC_REQHP), 0u) << "nothing more is taken while 64 requests wait";
    EXPECT_EQ(ring->reg(AIC100_DBC_REQTP), 63u);
    EXPECT_EQ(bench.user.deactivate(active), 0);
}

}  // namespace
}  // namespace qaicemu::test
