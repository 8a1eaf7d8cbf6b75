// SPDX-License-Identifier: Apache-2.0
// NNC messages as bytes: CRC, framing, and what the card answers to broken ones.
#include "emu/nnc_wire.hpp"
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace qaicemu::test {
namespace {

Bytes from_hex(std::string_view text) {
    Bytes out;
    unsigned nibble = 0, value = 0;
    for (const char c : text) {
        if (c == ' ') {
            continue;
        }
        value = value << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        if (++nibble == 2) {
            out.push_back(static_cast<std::byte>(value));
            nibble = value = 0;
        }
    }
    return out;
}

constexpr std::string_view kStatusRequest =
    "bda539f7 51414943 00000000 28000000 01000000 00000000 ffffffff 00000000 0f000000 08000000";
constexpr std::string_view kStatusReply =
    "e3aabcc7 51414943 00000000 38000000 01000000 00000000 ffffffff 00000000 0e000000 18000000"
    "05000000 00000000 01000000 00000000";
constexpr std::string_view kTerminate =
    "f77c2193 51414943 07000000 30000000 01000000 03000000 00000000 00000000 11000000 10000000"
    "03000000 00000000";

TEST(Nnc, CrcCoversTheWholeMessageWithItsOwnFieldAsZero) {
    for (const auto text : {kStatusRequest, kStatusReply, kTerminate}) {
        const Bytes message = from_hex(text);
        EXPECT_EQ(nnc_crc(message), *load<std::uint32_t>(message)) << text;
    }
}

TEST(Nnc, ACardThatWantsCrcsAnswersTheReferenceMessageByteForByte) {
    CardConfig config = small_card();
    config.crc_required = true;
    Bench bench(config);
    EXPECT_EQ(bench.card->control(from_hex(kStatusRequest)), from_hex(kStatusReply));
}

TEST(Nnc, ACardThatWantsCrcsDropsMessagesWithBrokenOnes) {
    CardConfig config = small_card();
    config.crc_required = true;
    Bench bench(config);
    Bytes message = from_hex(kTerminate);
    EXPECT_FALSE(bench.card->control(message).empty());
    message.back() ^= std::byte{1};
    EXPECT_TRUE(bench.card->control(message).empty());
}

TEST(Nnc, WithoutCrcsTheFieldIsZeroAndNotLookedAt) {
    Bench bench;
    Bytes message = from_hex(kStatusRequest);
    message[0] ^= std::byte{0xFF};
    const Bytes reply = bench.card->control(message);
    ASSERT_EQ(reply.size(), 56u);
    EXPECT_EQ(*load<std::uint32_t>(reply), 0u);
    EXPECT_EQ(load<aic100_trans_status_from_dev>(reply, 32)->status_flags, 0u);
}

TEST(Nnc, MessagesWithoutHeaderOrMagicGetNoAnswer) {
    Bench bench;
    EXPECT_TRUE(bench.card->control({}).empty());
    Bytes message = from_hex(kStatusRequest);
    EXPECT_TRUE(bench.card->control(std::span(message).first(31)).empty());
    message[4] ^= std::byte{1};
    EXPECT_TRUE(bench.card->control(message).empty());
}

TEST(Nnc, AContradictionBehindAGoodHeaderIsAnsweredByABareHeader) {
    Bench bench;
    const Bytes good = MessageBuilder()
                           .add(AIC100_TRANS_TERMINATE_TO_DEV, aic100_trans_terminate_to_dev{})
                           .build(9, 1);
    const auto expect_bare = [&](Bytes message, const char* what) {
        const Bytes reply = bench.card->control(message);
        ASSERT_EQ(reply.size(), sizeof(aic100_nnc_msg_hdr)) << what;
        const auto header = *load<aic100_nnc_msg_hdr>(reply);
        EXPECT_EQ(header.sequence, 9u) << what;
        EXPECT_EQ(header.count, 0u) << what;
    };
    const auto with = [&](std::size_t offset, std::uint32_t value) {
        Bytes out = good;
        store(std::span(out), offset, value);
        return out;
    };
    expect_bare(with(12, 47), "len shorter than the message");
    expect_bare(with(12, 0xFFFFFFFF), "len longer than the message");
    expect_bare(with(16, 2), "more transactions than there are");
    expect_bare(with(16, 0), "fewer transactions than there are");
    expect_bare(with(16, 0xFFFFFFFF), "absurd count");
    expect_bare(with(36, 7), "transaction shorter than its header");
    expect_bare(with(36, 17), "transaction longer than the message");
}

TEST(Nnc, ABareHeaderIsAnswered) {
    Bench bench;
    EXPECT_TRUE(bench.user.send(MessageBuilder()).empty());
}

TEST(Nnc, AReplyNeverOutgrowsItsBufferAndOnlyExecutedCommandsAreAnswered) {
    Bench bench;
    MessageBuilder message;
    for (int i = 0; i < 40; ++i) {
        message.command(aic100_cmd_status{AIC100_CMD_STATUS, 0, {}});
    }
    const Bytes reply = bench.card->control(message.build(1, 1));
    EXPECT_LE(reply.size(), AIC100_NNC_MAX_FROM_DEV);
    const auto transactions = split_reply(reply);
    ASSERT_TRUE(transactions);
    EXPECT_EQ(transactions->size(), 7u);  // 7 * 512 + 32 fits, an eighth does not
}

TEST(Nnc, UnknownTransactionsAreSkipped) {
    Bench bench;
    const Bytes unknown = to_bytes(aic100_trans_hdr{99, 8});
    const auto reply = bench.user.send(MessageBuilder().add_raw(unknown).add_raw(
        to_bytes(aic100_trans_hdr{AIC100_TRANS_STATUS_TO_DEV, 8})));
    ASSERT_EQ(reply.size(), 1u);
    EXPECT_EQ(reply[0].type, AIC100_TRANS_STATUS_FROM_DEV);
}

TEST(Nnc, PassthroughRepliesComeFirst) {
    NncReply reply;
    reply.add(AIC100_TRANS_STATUS_FROM_DEV, aic100_trans_status_from_dev{});
    reply.add_passthrough(to_bytes(std::uint64_t{5}));
    const auto transactions = split_reply(reply.finish({}, false));
    ASSERT_TRUE(transactions);
    ASSERT_EQ(transactions->size(), 2u);
    EXPECT_EQ((*transactions)[0].type, AIC100_TRANS_PASSTHROUGH_FROM_DEV);
}

}  // namespace
}  // namespace qaicemu::test
