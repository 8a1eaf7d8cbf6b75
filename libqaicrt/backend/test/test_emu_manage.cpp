// SPDX-License-Identifier: Apache-2.0
/// manage() of the in-process backend: checks, long transfers, checksums.
#include "libqaicrt/backend/test/raw_user.hpp"
#include "libqaicrt/test/models.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace qaicrt::backend::emu {
namespace {

std::shared_ptr<EmuCard> make_card(const EmuOptions& options = {}) {
    auto card = EmuCard::create(options);
    EXPECT_TRUE(card) << card.error().message;
    return *card;
}

int manage_errno(RawUser& user, std::vector<UserTransaction> message) {
    return errno_of(user.backend->manage(message));
}

TEST(EmuManage, malformed_messages) {
    const auto card = make_card();
    RawUser user(card);
    EXPECT_EQ(manage_errno(user, {}), EINVAL);
    EXPECT_EQ(manage_errno(user, std::vector<UserTransaction>(513, StatusRequest{})), EINVAL);
    EXPECT_EQ(manage_errno(user, {Passthrough{std::vector<std::byte>(9)}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {Passthrough{std::vector<std::byte>(4096)}}), EINVAL)
        << "with its header it is longer than 4096";
    const std::vector<std::byte> data(8);
    EXPECT_EQ(manage_errno(user, {DmaTransfer{100, data}, DmaTransfer{100, data}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {ActivateRequest{16}, ActivateRequest{16}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {DmaTransfer{100, {}}}), EINVAL);
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

TEST(EmuManage, queue_sizes_at_the_limits) {
    const auto card = make_card();
    RawUser user(card);
    EXPECT_EQ(manage_errno(user, {ActivateRequest{0}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {ActivateRequest{63161220}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {ActivateRequest{0xFFFFFFFF}}), EINVAL);
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

TEST(EmuManage, queue_memory_is_laid_out_as_the_card_expects_it) {
    const auto card = make_card();
    struct Row {
        std::uint32_t elements, bytes, response_offset;
    };
    for (const Row& row : {Row{1, 0x1000, 0xFFC}, Row{16, 0x1000, 0xFC0}, Row{128, 0x3000, 0x2E00},
                           Row{256, 0x5000, 0x4C00}, Row{1024, 0x12000, 0x11000}}) {
        const auto queue = DbcQueue::create(*card, row.elements);
        ASSERT_TRUE(queue);
        EXPECT_EQ((*queue)->bytes(), row.bytes);
        EXPECT_EQ((*queue)->response_fifo() - (*queue)->request_fifo(), row.response_offset);
        EXPECT_EQ((*queue)->request_fifo() % 4096, 0U);
    }
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

TEST(EmuManage, deactivation_of_a_channel_that_is_not_ours) {
    const auto card = make_card();
    RawUser user(card);
    EXPECT_EQ(manage_errno(user, {DeactivateRequest{16}}), EINVAL);
    EXPECT_EQ(manage_errno(user, {DeactivateRequest{3}}), EPERM);
}

TEST(EmuManage, the_version_transaction_answers_5_0) {
    const auto card = make_card();
    RawUser user(card);
    const UserTransaction message[] = {StatusRequest{}};
    const auto replies = user.backend->manage(message);
    ASSERT_TRUE(replies);
    ASSERT_EQ(replies->size(), 1U);
    const auto& status = std::get<StatusReply>(replies->front());
    EXPECT_EQ(status.major, 5);
    EXPECT_EQ(status.minor, 0);
    EXPECT_EQ(status.status, 0U);
}

TEST(EmuManage, a_deactivation_without_command_detaches_the_channel) {
    const auto card = make_card();
    RawUser user(card);
    user.activate(test::scale_qpc(16, 1, 0), 16);
    const UserTransaction message[] = {DeactivateRequest{user.dbc}};
    const auto replies = user.backend->manage(message);  // goes out as a bare header
    ASSERT_TRUE(replies) << replies.error().message;
    EXPECT_TRUE(replies->empty());
    EXPECT_EQ(errno_of(user.submit({{1}})), EPERM);
    EXPECT_EQ(errno_of(user.deactivate()), EPERM);
}

TEST(EmuManage, a_refused_activation_leaves_nothing_mapped_and_says_why) {
    const auto card = make_card();
    RawUser user(card);
    const UserTransaction message[] = {Passthrough{nnc::activate(1, 0, 4242)}, ActivateRequest{16}};
    const auto replies = user.backend->manage(message);
    ASSERT_TRUE(replies) << "the refusal is in the command's answer";
    const auto activated = nnc::parse_activate(std::get<Passthrough>(replies->front()).command);
    ASSERT_FALSE(activated);
    EXPECT_EQ(activated.error().device_status, AIC100_ST_RESOURCE_NOT_FOUND);
    EXPECT_NE(user.backend->refusal_words(), "");
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

/// A transfer of `bytes` in pieces of 4 KiB, as constants; the card counts what arrives.
void transfer(std::uint64_t bytes, std::size_t misalign) {
    EmuOptions options;
    options.transfer_segment_bytes = 4096;
    const auto card = make_card(options);
    RawUser user(card);
    aic100_constants_descriptor descriptor{};
    descriptor.static_size = bytes;
    const UserTransaction prepare[] = {
        Passthrough{nnc::load_constants_ex(1, std::as_bytes(std::span(&descriptor, 1)))}};
    auto replies = user.backend->manage(prepare);
    ASSERT_TRUE(replies);
    const auto id = nnc::parse_load_constants_ex(std::get<Passthrough>(replies->front()).command);
    ASSERT_TRUE(id) << id.error().message;
    std::vector<std::byte> data(bytes + misalign);
    const UserTransaction load[] = {Passthrough{nnc::load_constants_payload(1, *id, bytes, 0)},
                                    DmaTransfer{300, std::span(data).subspan(misalign)}};
    replies = user.backend->manage(load);
    ASSERT_TRUE(replies) << replies.error().message;
    const auto loaded =
        nnc::parse_load_constants_payload(std::get<Passthrough>(replies->front()).command);
    EXPECT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

TEST(EmuManage, a_transfer_of_one_message) {
    transfer(1, 0);
}
TEST(EmuManage, a_transfer_that_needs_several_messages) {
    transfer(40 << 20, 0);
}
TEST(EmuManage, a_long_transfer_from_mid_page) {
    transfer(40 << 20, 123);
}
TEST(EmuManage, transfers_around_the_limit_of_one_message) {
    // 4023 or 4024 pairs fit behind the 48-byte passthrough.
    constexpr std::int64_t kMiddle = std::int64_t{4024} * 4096;
    for (const std::int64_t delta : {-4097, -4096, -1, 0, 1, 4096, 4097}) {
        transfer(static_cast<std::uint64_t>(kMiddle + delta), 0);
        transfer(static_cast<std::uint64_t>(kMiddle + delta), 4095);
    }
}

TEST(EmuManage, a_card_that_wants_checksums_gets_them) {
    EmuOptions options;
    options.card.crc_required = true;
    const auto card = make_card(options);
    EXPECT_TRUE(card->verify_replies());
    RawUser user(card);
    user.activate(test::scale_qpc(16, 1, 0), 16);
    EXPECT_TRUE(user.deactivate());
}

TEST(EmuManage, handles_are_the_smallest_free_numbers) {
    const auto card = make_card();
    EXPECT_EQ(card->take_handle(), 0U);
    EXPECT_EQ(card->take_handle(), 1U);
    EXPECT_EQ(card->take_handle(), 2U);
    card->give_handle(1);
    EXPECT_EQ(card->take_handle(), 1U);
    EXPECT_EQ(card->take_handle(), 3U);
}

}  // namespace
}  // namespace qaicrt::backend::emu
