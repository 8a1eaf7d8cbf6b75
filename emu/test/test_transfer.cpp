// SPDX-License-Identifier: Apache-2.0
// DMA_XFER over several messages.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

namespace qaicemu::test {
namespace {

using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

struct Continuation : testing::Test {
    Continuation() { bench.host.put(at, elf); }
    Bench bench;
    Client& user = bench.user;
    Bytes elf = elf_of(plain_metadata());
    std::uint64_t at = bench.host.allocate(elf.size());

    aic100_cmd_load_elf command() const {
        aic100_cmd_load_elf in{};
        in.type = AIC100_CMD_LOAD_ELF;
        in.tag = AIC100_DMA_TAG_ELF;
        in.data_length = elf.size();
        return in;
    }
    std::vector<ReplyTransaction> first(const Pairs& pairs, std::uint32_t chunk) {
        return user.send(MessageBuilder().command(command()).dma(AIC100_DMA_TAG_ELF, chunk, pairs));
    }
    std::vector<ReplyTransaction> more(const Pairs& pairs, std::uint32_t chunk,
                                       std::uint32_t tag = AIC100_DMA_TAG_ELF) {
        return user.send(MessageBuilder().dma(tag, chunk, pairs));
    }
    static void expect_continued(const std::vector<ReplyTransaction>& reply, std::uint32_t chunk,
                                 std::uint64_t bytes) {
        ASSERT_EQ(reply.size(), 1u);
        ASSERT_EQ(reply[0].type, AIC100_TRANS_DMA_XFER_CONT);
        const auto cont = reply[0].whole<aic100_trans_dma_cont>();
        EXPECT_EQ(cont.chunk_id, chunk);
        EXPECT_EQ(cont.xferred_size, bytes);
    }
    static std::int32_t status_of(const std::vector<ReplyTransaction>& reply) {
        EXPECT_EQ(reply.size(), 1u);
        EXPECT_EQ(reply.at(0).type, AIC100_TRANS_PASSTHROUGH_FROM_DEV);
        const auto out = reply.at(0).command<aic100_cmd_load_elf_resp>();
        EXPECT_EQ(out.type, AIC100_CMD_LOAD_ELF_RESP);
        return static_cast<std::int32_t>(out.status);
    }
};

TEST_F(Continuation, BytesAddUpOverMessagesAndTheLastOneIsAnsweredNormally) {
    expect_continued(first({{at, 100}, {at + 100, 50}}, 7), 7, 150);
    expect_continued(more({{at + 150, 1}}, 7), 7, 151);
    const auto last = more({{at + 151, elf.size() - 151}}, 7);
    EXPECT_EQ(status_of(last), 0) << bench.card->last_refusal(1);
    EXPECT_EQ(user.activate(last[0].command<aic100_cmd_load_elf_resp>().elf_id).status, 0);
}

TEST_F(Continuation, AChunkIdWithAllTheDataNeedsNoSecondMessage) {
    EXPECT_EQ(status_of(first({{at, elf.size()}}, 3)), 0);
}

TEST_F(Continuation, OtherUsersAndTransfersMayComeBetween) {
    Client other(*bench.card, bench.host, 2);
    expect_continued(first({{at, 100}}, 1), 1, 100);
    expect_continued(first({{at, 200}}, 2), 2, 200);
    EXPECT_EQ(other.load_elf(elf).first, 0);
    EXPECT_EQ(user.ask<aic100_cmd_status_resp>(aic100_cmd_status{13, 0, {}}).status, 0u);
    EXPECT_EQ(status_of(more({{at + 200, elf.size() - 200}}, 2)), 0);
    EXPECT_EQ(status_of(more({{at + 100, elf.size() - 100}}, 1)), 0);
}

TEST_F(Continuation, AnotherUsersChunkIdIsHisOwn) {
    Client other(*bench.card, bench.host, 2);
    expect_continued(first({{at, 100}}, 5), 5, 100);
    const std::vector<std::pair<std::uint64_t, std::uint64_t>> rest{{at + 100, elf.size() - 100}};
    EXPECT_TRUE(other.send(MessageBuilder().dma(AIC100_DMA_TAG_ELF, 5, rest)).empty());
    EXPECT_EQ(status_of(more(rest, 5)), 0);
}

TEST_F(Continuation, AnAbortDropsThePartialObject) {
    const auto before = user.resources().dram_free_mb;
    expect_continued(first({{at, 100}}, 9), 9, 100);
    EXPECT_EQ(status_of(more({}, 9, 0)), AIC100_ST_DMA_ERROR);
    EXPECT_EQ(user.resources().dram_free_mb, before);
    EXPECT_TRUE(more({{at + 100, elf.size() - 100}}, 9).empty()) << "nothing of it is left";
}

TEST_F(Continuation, TooMuchOrUnreadableDataEndsTheTransferWithAnError) {
    expect_continued(first({{at, 100}}, 1), 1, 100);
    EXPECT_EQ(status_of(more({{at, elf.size()}}, 1)), AIC100_ST_DMA_ERROR);
    expect_continued(first({{at, 100}}, 1), 1, 100);
    EXPECT_EQ(status_of(more({{0, 1}}, 1)), AIC100_ST_DMA_ERROR);
    expect_continued(first({{at, 100}}, 1), 1, 100);
    EXPECT_EQ(status_of(more({{at + 100, 1}}, 1, 300)), AIC100_ST_DMA_ERROR) << "tag changed";
}

TEST_F(Continuation, TerminateDropsPartialState) {
    const auto before = user.resources().dram_free_mb;
    expect_continued(first({{at, 100}}, 4), 4, 100);
    user.terminate();
    EXPECT_EQ(user.resources().dram_free_mb, before);
    EXPECT_TRUE(more({{at + 100, elf.size() - 100}}, 4).empty());
}

TEST_F(Continuation, UnfinishedTransfersOfOneUserAreLimited) {
    for (std::uint32_t chunk = 1; chunk <= 4; ++chunk) {
        expect_continued(first({{at, 10}}, chunk), chunk, 10);
    }
    EXPECT_EQ(status_of(first({{at, 10}}, 5)), AIC100_ST_MEM_ALLOC_ERROR);
}

TEST_F(Continuation, ConstantsCannotGoWhileTheyAreBeingFilled) {
    const auto id = user.load_constants(Bytes(1000)).second;
    aic100_cmd_load_constants_payload in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    in.tag = 300;
    in.constants_id = id;
    in.data_length = 1000;
    const std::uint64_t data = bench.host.allocate(1000);
    expect_continued(user.send(MessageBuilder().command(in).dma(300, 8, Pairs{{data, 400}})), 8,
                     400);
    EXPECT_EQ(user.unload_constants(id), AIC100_ST_OPERATION_NOT_PERMITTED);
    const auto elf_id = user.load_elf(elf).second;
    EXPECT_EQ(user.activate(elf_id, id).status, AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(user.send(MessageBuilder().dma(300, 8, Pairs{{data + 400, 600}}))
                  .at(0)
                  .command<aic100_cmd_load_constants_resp>()
                  .status,
              0u);
    EXPECT_EQ(user.unload_constants(id), 0);
}

TEST_F(Continuation, ATerminateInsideTheLoadingMessageIsSurvived) {
    const auto id = user.load_constants(Bytes(64)).second;
    aic100_cmd_load_constants_payload in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    in.tag = 300;
    in.constants_id = id;
    in.data_length = 64;
    aic100_trans_terminate_to_dev terminate{};
    terminate.handle = 1;
    const auto reply = user.send(MessageBuilder()
                                     .add(AIC100_TRANS_TERMINATE_TO_DEV, terminate)
                                     .command(in)
                                     .dma(300, 0, Pairs{{at, 64}}));
    ASSERT_EQ(reply.size(), 2u);
    EXPECT_NE(reply[0].command<aic100_cmd_load_constants_resp>().status, 0u);
    EXPECT_EQ(user.unload_constants(id), AIC100_ST_RESOURCE_NOT_FOUND);
}

}  // namespace
}  // namespace qaicemu::test
