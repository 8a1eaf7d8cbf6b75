// SPDX-License-Identifier: Apache-2.0
// Semaphores and fences: what holds a request back, and what it does when it runs.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

namespace qaicemu::test {
namespace {

constexpr std::uint16_t kOk = AIC100_RSP_OK;

struct Sync : testing::Test {
    Bench bench;
    Active active = bench.start_plain();
    Ring ring{bench.user, active};

    static aic100_request with(aic100_request request, std::initializer_list<std::uint32_t> words) {
        std::size_t i = 0;
        for (const std::uint32_t word : words) {
            request.sem_cmd[i++] = word;
        }
        return request;
    }
    /// A request that only operates semaphores.
    static aic100_request op(std::uint16_t id, std::initializer_list<std::uint32_t> words) {
        return with(no_transfer(id), words);
    }
    std::vector<std::uint16_t> ids() {
        std::vector<std::uint16_t> out;
        for (const auto& response : ring.drain()) {
            EXPECT_EQ(response.code, kOk);
            out.push_back(response.id);
        }
        return out;
    }
};
using Ids = std::vector<std::uint16_t>;

struct Presync : Sync {};
struct Postsync : Sync {};
struct Fences : Sync {};
struct OutOfOrder : Sync {};

TEST_F(Presync, WaitEqualHoldsUntilTheValueIsReached) {
    ring.submit(op(1, {presync(AIC100_SEM_WAIT_EQUAL, 3, 2)}));
    EXPECT_EQ(ids(), Ids{});
    ring.submit(op(2, {sem(AIC100_SEM_INC, 3)}));
    EXPECT_EQ(ids(), Ids{2});
    ring.submit(op(3, {sem(AIC100_SEM_INC, 3)}));
    EXPECT_EQ(ids(), (Ids{3, 1}));
}

TEST_F(Presync, WaitGreaterOrEqualPassesAboveTheValue) {
    ring.submit(op(1, {presync(AIC100_SEM_WAIT_GT_EQ, 0, 5)}));
    ring.submit(op(2, {sem(AIC100_SEM_INIT, 0, 4)}));
    EXPECT_EQ(ids(), Ids{2});
    ring.submit(op(3, {sem(AIC100_SEM_INIT, 0, 9)}));
    EXPECT_EQ(ids(), (Ids{3, 1}));
}

TEST_F(Presync, PConsumesOneForEachRequest) {
    ring.submit({op(1, {presync(AIC100_SEM_WAIT_GT_0, 1)}),
                 op(2, {presync(AIC100_SEM_WAIT_GT_0, 1)}),
                 op(3, {presync(AIC100_SEM_WAIT_GT_0, 1)})});
    EXPECT_EQ(ids(), Ids{});
    ring.submit(op(4, {sem(AIC100_SEM_INIT, 1, 2)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 2}));
    ring.submit(op(5, {sem(AIC100_SEM_INC, 1)}));
    EXPECT_EQ(ids(), (Ids{5, 3}));
}

TEST_F(Presync, CountingOperationsRunBeforeTheTransfer) {
    ring.submit(op(1, {presync(AIC100_SEM_INIT, 2, 7)}));
    ring.submit(op(2, {presync(AIC100_SEM_DEC, 2)}));
    ring.submit(op(3, {presync(AIC100_SEM_WAIT_EQUAL, 2, 6)}));
    EXPECT_EQ(ids(), (Ids{1, 2, 3}));
}

TEST_F(Presync, BlockedRequestHoldsBackOnlyItsOwnSemaphore) {
    // The output waits first in the FIFO; the input behind it uses another semaphore and must pass,
    // or neither would ever move.
    ring.submit({op(1, {presync(AIC100_SEM_WAIT_EQUAL, 1, 1)}),
                 op(2, {presync(AIC100_SEM_WAIT_EQUAL, 0, 0)}),
                 op(3, {presync(AIC100_SEM_WAIT_GT_EQ, 1, 0)}), op(4, {})});
    EXPECT_EQ(ids(), (Ids{2, 4}));  // 3 would be satisfied, but shares semaphore 1 with request 1
    ring.submit(op(5, {sem(AIC100_SEM_INC, 1)}));
    EXPECT_EQ(ids(), (Ids{5, 1, 3}));
}

TEST_F(Presync, TheScatteredPartsOfOneSliceConsumeOnce) {
    // Three elements of one slice: same id, same presync, response only at the last.
    auto first = op(1, {presync(AIC100_SEM_WAIT_GT_0, 1)});
    first.cmd &= static_cast<std::uint8_t>(~AIC100_REQ_CMD_COMPLETION);
    const auto last = op(1, {presync(AIC100_SEM_WAIT_GT_0, 1), sem(AIC100_SEM_INC, 2)});
    const auto other = op(2, {presync(AIC100_SEM_WAIT_GT_0, 1)});
    ring.submit({first, first, last, other});
    EXPECT_EQ(ids(), Ids{});
    ring.submit(op(9, {sem(AIC100_SEM_INIT, 1, 1)}));
    EXPECT_EQ(ids(), (Ids{9, 1}));  // the whole slice for one count; the next slice needs its own
    ring.submit(op(9, {sem(AIC100_SEM_INC, 1)}));
    EXPECT_EQ(ids(), (Ids{9, 2}));
}

TEST_F(Presync, MoreThanOneIsABadRequest) {
    ring.submit(op(1, {presync(AIC100_SEM_WAIT_EQUAL, 0), presync(AIC100_SEM_WAIT_EQUAL, 1)}));
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{1, AIC100_RSP_BAD_REQUEST}}));
}

TEST_F(Postsync, RunsAfterTheTransferInWordOrder) {
    // Init, then increment twice, in words 0, 2 and 3; word 1 stays empty.
    ring.submit(
        op(1, {sem(AIC100_SEM_INIT, 4, 10), 0, sem(AIC100_SEM_INC, 4), sem(AIC100_SEM_INC, 4)}));
    ring.submit(op(2, {presync(AIC100_SEM_WAIT_EQUAL, 4, 12)}));
    EXPECT_EQ(ids(), (Ids{1, 2}));
}

TEST_F(Postsync, AWaitHoldsTheResponseButNotTheTransfer) {
    const std::uint64_t buffer = bench.host.allocate(64);
    bench.host.at(buffer, 1)[0] = std::byte{0x5A};
    const std::uint64_t back = bench.host.allocate(64);
    ring.submit(
        with(to_device(1, buffer, active.ddr_base, 64), {sem(AIC100_SEM_WAIT_EQUAL, 5, 1)}));
    ring.submit(from_device(2, active.ddr_base, back, 64));
    EXPECT_EQ(ids(), Ids{2});
    EXPECT_EQ(bench.host.at(back, 1)[0], std::byte{0x5A});
    ring.submit(op(3, {sem(AIC100_SEM_INC, 5)}));
    EXPECT_EQ(ids(), (Ids{3, 1}));
}

TEST_F(Postsync, AWaitHoldsBackLaterRequestsOfThePresyncSemaphoreOnly) {
    ring.submit({op(1, {presync(AIC100_SEM_WAIT_EQUAL, 0, 0), sem(AIC100_SEM_WAIT_EQUAL, 1, 1)}),
                 op(2, {presync(AIC100_SEM_WAIT_EQUAL, 0, 0)}),
                 op(3, {presync(AIC100_SEM_WAIT_EQUAL, 2, 0)})});
    EXPECT_EQ(ids(), Ids{3});
    ring.submit(op(4, {sem(AIC100_SEM_INC, 1)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 2}));
}

TEST_F(Postsync, WordsBehindAWaitRunOnlyAfterIt) {
    ring.submit(
        op(1, {sem(AIC100_SEM_INC, 1), sem(AIC100_SEM_WAIT_GT_0, 2), sem(AIC100_SEM_INC, 3)}));
    ring.submit(op(2, {presync(AIC100_SEM_WAIT_EQUAL, 1, 1)}));
    ring.submit(op(3, {presync(AIC100_SEM_WAIT_EQUAL, 3, 1)}));
    EXPECT_EQ(ids(), Ids{2});
    ring.submit(op(4, {sem(AIC100_SEM_INC, 2)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 3}));
}

TEST_F(Postsync, CountersAreTwelveBitsAndWrap) {
    ring.submit(op(1, {sem(AIC100_SEM_INIT, 0, 4095), sem(AIC100_SEM_INC, 0)}));
    ring.submit(op(2, {presync(AIC100_SEM_WAIT_EQUAL, 0, 0)}));
    ring.submit(op(3, {sem(AIC100_SEM_DEC, 0)}));
    ring.submit(op(4, {presync(AIC100_SEM_WAIT_EQUAL, 0, 4095)}));
    EXPECT_EQ(ids(), (Ids{1, 2, 3, 4}));
}

TEST_F(Postsync, ReservedOperationAndForeignSemaphoresAreBadRequests) {
    ring.submit(
        {op(1, {sem(7, 0)}), op(2, {sem(AIC100_SEM_INC, 8)}), op(3, {sem(AIC100_SEM_INC, 7)})});
    EXPECT_EQ(ring.drain(),
              (std::vector<Response>{
                  {1, AIC100_RSP_BAD_REQUEST}, {2, AIC100_RSP_BAD_REQUEST}, {3, kOk}}));
}

TEST_F(Fences, ToDeviceFenceWaitsForEarlierToDeviceTransfersOnly) {
    const std::uint64_t buffer = bench.host.allocate(64);
    const auto blocked_in =
        with(to_device(1, buffer, active.ddr_base, 8), {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)});
    ring.submit(
        {blocked_in, op(2, {AIC100_SEM_CMD_FENCE_TO_DEV}), op(3, {AIC100_SEM_CMD_FENCE_FROM_DEV})});
    EXPECT_EQ(ids(), Ids{3});  // nothing from the device is under way
    ring.submit(op(4, {sem(AIC100_SEM_INC, 0)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 2}));
}

TEST_F(Fences, FromDeviceFenceWaitsForEarlierFromDeviceTransfersOnly) {
    const std::uint64_t buffer = bench.host.allocate(64);
    const auto blocked_out =
        with(from_device(1, active.ddr_base, buffer, 8), {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)});
    ring.submit({blocked_out, op(2, {0, 0, AIC100_SEM_CMD_FENCE_FROM_DEV}),
                 op(3, {AIC100_SEM_CMD_FENCE_TO_DEV})});
    EXPECT_EQ(ids(), Ids{3});
    ring.submit(op(4, {sem(AIC100_SEM_INC, 0)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 2}));
}

TEST_F(Fences, CountInWordsThatAreNotEnabledAndDoNotTouchTheSemaphore) {
    // Exactly what a driver puts into an unused word: fence bit, enable bit clear, op and index
    // zero.
    const std::uint64_t buffer = bench.host.allocate(64);
    const std::uint32_t disabled_init =
        AIC100_SEM_CMD_FENCE_TO_DEV | AIC100_SEM_INIT << AIC100_SEM_CMD_OP_SHIFT | 9;
    ring.submit(
        {with(to_device(1, buffer, active.ddr_base, 8), {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)}),
         op(2, {disabled_init})});
    EXPECT_EQ(ids(), Ids{});
    ring.submit(op(3, {sem(AIC100_SEM_INC, 0)}));
    EXPECT_EQ(ids(), (Ids{3, 1, 2}));
    ring.submit(op(4, {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)}));
    EXPECT_EQ(ids(), Ids{4});
}

TEST_F(Fences, ATransferHeldAtItsPostsyncIsFinishedForAFence) {
    const std::uint64_t buffer = bench.host.allocate(64);
    ring.submit(with(to_device(1, buffer, active.ddr_base, 8), {sem(AIC100_SEM_WAIT_GT_0, 1)}));
    ring.submit(op(2, {AIC100_SEM_CMD_FENCE_TO_DEV}));
    EXPECT_EQ(ids(), Ids{2});
}

TEST_F(Fences, AFencedRequestKeepsItsPlaceAmongItsPresyncSharers) {
    const std::uint64_t buffer = bench.host.allocate(64);
    ring.submit(
        {with(to_device(1, buffer, active.ddr_base, 8), {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)}),
         op(2, {presync(AIC100_SEM_WAIT_EQUAL, 1, 0) | AIC100_SEM_CMD_FENCE_TO_DEV}),
         op(3, {presync(AIC100_SEM_WAIT_EQUAL, 1, 0)})});
    EXPECT_EQ(ids(), Ids{});
    ring.submit(op(4, {sem(AIC100_SEM_INC, 0)}));
    EXPECT_EQ(ids(), (Ids{4, 1, 2, 3}));
}

TEST_F(OutOfOrder, LaterRequestsOvertakeABlockedOne) {
    std::vector<aic100_request> requests{op(1, {presync(AIC100_SEM_WAIT_EQUAL, 0, 1)})};
    for (std::uint16_t id = 2; id <= 20; ++id) {
        requests.push_back(op(id, {}));
    }
    ring.submit(requests);
    Ids expected;
    for (std::uint16_t id = 2; id <= 20; ++id) {
        expected.push_back(id);
    }
    EXPECT_EQ(ids(), expected);
    ring.submit(op(21, {sem(AIC100_SEM_INC, 0)}));
    EXPECT_EQ(ids(), (Ids{21, 1}));
}

TEST_F(OutOfOrder, AChainUnwindsWhateverItsOrderInTheFifo) {
    // Request n waits for what n + 1 signals; only the last one is free to go.
    std::vector<aic100_request> requests;
    for (std::uint16_t n = 0; n < 7; ++n) {
        requests.push_back(
            op(n, {presync(AIC100_SEM_WAIT_GT_0, n), n == 0 ? 0 : sem(AIC100_SEM_INC, n - 1u)}));
    }
    requests.push_back(op(7, {sem(AIC100_SEM_INC, 6)}));
    ring.submit(requests);
    EXPECT_EQ(ids(), (Ids{7, 6, 5, 4, 3, 2, 1, 0}));
}

TEST_F(OutOfOrder, AnOutputQueuedBeforeItsInputGetsTheNewData) {
    const std::uint64_t in = bench.host.allocate(64);
    const std::uint64_t out = bench.host.allocate(64);
    bench.host.at(in, 64)[63] = std::byte{0x77};
    ring.submit({with(from_device(1, active.ddr_base + 4096, out, 64),
                      {presync(AIC100_SEM_WAIT_EQUAL, 1, 1)}),
                 with(to_device(2, in, active.ddr_base + 4096, 64), {sem(AIC100_SEM_INC, 1)})});
    EXPECT_EQ(ids(), (Ids{2, 1}));
    EXPECT_EQ(bench.host.at(out, 64)[63], std::byte{0x77});
}

}  // namespace
}  // namespace qaicemu::test
