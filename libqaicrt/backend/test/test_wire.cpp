// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/wire.hpp"
#include "libqaicrt/support/crc32.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace qaicrt::backend::emu {
namespace {

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        constexpr const char* kDigits = "0123456789abcdef";
        text += kDigits[static_cast<unsigned>(byte) >> 4];
        text += kDigits[static_cast<unsigned>(byte) & 15];
    }
    return text;
}

std::vector<std::byte> unhex(const std::string& text) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

// Three complete messages from the public protocol, checksums included.
constexpr const char* kStatusRequest =
    "bda539f7"
    "51414943"
    "00000000"
    "28000000"
    "01000000"
    "00000000"
    "ffffffff"
    "00000000"
    "0f000000"
    "08000000";
constexpr const char* kStatusReply =
    "e3aabcc7"
    "51414943"
    "00000000"
    "38000000"
    "01000000"
    "00000000"
    "ffffffff"
    "00000000"
    "0e000000"
    "18000000"
    "05000000"
    "00000000"
    "01000000"
    "00000000";
constexpr const char* kTerminate =
    "f77c2193"
    "51414943"
    "07000000"
    "30000000"
    "01000000"
    "03000000"
    "00000000"
    "00000000"
    "11000000"
    "10000000"
    "03000000"
    "00000000";

TEST(Crc32, check_value_of_the_algorithm) {
    EXPECT_EQ(crc32(std::as_bytes(std::span("123456789", 9))), 0xCBF43926U);
    EXPECT_EQ(crc32({}), 0U);
}

TEST(WireMessage, known_messages_byte_for_byte) {
    WireMessage status(0, kWholeDevice);
    ASSERT_TRUE(status.add_status());
    EXPECT_EQ(hex(status.seal(0, true)), kStatusRequest);
    WireMessage terminate(3, 0);
    ASSERT_TRUE(terminate.add_terminate(3));
    EXPECT_EQ(hex(terminate.seal(7, true)), kTerminate);
    EXPECT_EQ(hex(terminate.seal(7, false)), "00000000" + std::string(kTerminate).substr(8));
}

TEST(WireMessage, a_bare_header_is_a_message) {
    WireMessage bare(1, kWholeDevice);
    const auto bytes = bare.seal(2, false);
    EXPECT_EQ(bytes.size(), 32U);
}

TEST(WireMessage, a_dma_transfer_alone_carries_4028_pairs) {
    WireMessage message(0, kWholeDevice);
    ASSERT_TRUE(message.dma_room());
    EXPECT_EQ(*message.dma_room(), 4028U);
    const std::vector<BusSegment> pairs(4028, BusSegment{0x1000, 64});
    ASSERT_TRUE(message.add_dma(300, 1, pairs));
    EXPECT_EQ(message.seal(0, false).size(), 32U + 24 + 4028 * 16);
    const auto full = message.dma_room();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().sys_errno, ENOMEM);
}

TEST(WireMessage, more_than_64_KiB_is_refused_with_ENOSPC) {
    WireMessage message(0, kWholeDevice);
    EXPECT_TRUE(message.add_passthrough(std::vector<std::byte>(65536 - 32 - 8)));
    const auto status = message.add_status();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().sys_errno, ENOSPC);
    const auto odd = message.add_passthrough(std::vector<std::byte>(9));
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().sys_errno, EINVAL);
}

TEST(WireMessage, activate_layout) {
    WireMessage message(0, kWholeDevice);
    ASSERT_TRUE(message.add_activate(0x1122334455667788ULL, 0x99, 512, 0x9000, 0x10000));
    EXPECT_EQ(hex(message.seal(0, false).subspan(32)),
              "09000000"
              "28000000"
              "8877665544332211"
              "9900000000000000"
              "00020000"
              "00020000"
              "00900000"
              "00000100");
}

TEST(WireReply, the_known_reply_reads_back) {
    const auto bytes = unhex(kStatusReply);
    auto reply = WireReply::open(bytes);
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->crc_matches());
    WireTransaction transaction;
    ASSERT_TRUE(*reply->next(transaction));
    EXPECT_EQ(transaction.type, 14U);
    EXPECT_EQ(transaction.bytes.size(), 24U);
    EXPECT_FALSE(*reply->next(transaction));
}

TEST(WireReply, a_flipped_bit_breaks_the_checksum) {
    auto bytes = unhex(kStatusReply);
    for (std::size_t bit = 256; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        auto reply = WireReply::open(bytes);
        ASSERT_TRUE(reply);
        EXPECT_FALSE(reply->crc_matches()) << bit;
        bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
}

/// errno of walking through a whole reply, 0 when it is sound.
int walk(std::span<const std::byte> bytes) {
    auto reply = WireReply::open(bytes);
    if (!reply) {
        return reply.error().sys_errno;
    }
    WireTransaction transaction;
    while (true) {
        const auto more = reply->next(transaction);
        if (!more) {
            return more.error().sys_errno;
        }
        if (!*more) {
            return 0;
        }
        EXPECT_GE(transaction.bytes.size(), 8U);
    }
}

TEST(WireReply, damaged_lengths_and_counts_are_EINVAL) {
    const auto good = unhex(kStatusReply);
    EXPECT_EQ(walk(good), 0);
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(walk(std::span(good).first(size)), EINVAL) << size;
    }
    const auto with = [&](std::size_t offset, std::uint32_t value) {
        auto bytes = good;
        std::memcpy(bytes.data() + offset, &value, 4);
        return walk(bytes);
    };
    EXPECT_EQ(with(4, 0x12345678), EINVAL) << "magic";
    EXPECT_EQ(with(12, 31), EINVAL) << "message shorter than its header";
    EXPECT_EQ(with(12, 57), EINVAL) << "message longer than what came";
    EXPECT_EQ(with(12, 0xFFFFFFFF), EINVAL);
    EXPECT_EQ(with(16, 0), EINVAL) << "bytes left over";
    EXPECT_EQ(with(16, 2), EINVAL) << "more transactions than bytes";
    EXPECT_EQ(with(36, 7), EINVAL) << "transaction shorter than its header";
    EXPECT_EQ(with(36, 25), EINVAL) << "transaction longer than the message";
    EXPECT_EQ(with(36, 0xFFFFFFFF), EINVAL);
}

TEST(WireReply, only_a_lone_transaction_18_is_a_continuation) {
    std::vector<std::byte> bytes;
    append_struct(bytes, aic100_nnc_msg_hdr{0, AIC100_NNC_MAGIC, 1, 56, 1, 0, 0, 0});
    append_struct(bytes, aic100_trans_dma_cont{{18, 24}, 5, 0, 4096});
    aic100_trans_dma_cont more;
    EXPECT_TRUE(WireReply::open(bytes)->is_continuation(more));
    EXPECT_EQ(more.chunk_id, 5U);
    EXPECT_EQ(more.xferred_size, 4096U);
    bytes[16] = std::byte{2};
    EXPECT_FALSE(WireReply::open(bytes)->is_continuation(more));
    EXPECT_FALSE(WireReply::open(unhex(kStatusReply))->is_continuation(more));
}

}  // namespace
}  // namespace qaicrt::backend::emu
