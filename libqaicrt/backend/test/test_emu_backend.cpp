// SPDX-License-Identifier: Apache-2.0
/// The in-process backend against the kernel's tables: data path, checks and errnos.
#include "libqaicrt/backend/test/raw_user.hpp"
#include "libqaicrt/test/models.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#include <thread>

namespace qaicrt::backend::emu {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kElements = 4096;
constexpr std::uint64_t kBytes =
    kElements * 4;  // of the test program's input, at the start of shared DDR

class EmuBackendTest : public ::testing::Test {
  protected:
    void start(std::uint32_t elements, std::uint64_t segment_bytes = std::uint64_t{4} << 20) {
        EmuOptions options;
        options.bo_segment_bytes = segment_bytes;
        auto made = EmuCard::create(options);
        ASSERT_TRUE(made) << made.error().message;
        card = *made;
        user = std::make_unique<RawUser>(card);
        user->activate(test::scale_qpc(kElements, 2.0F, 0.0F), elements);
    }
    void TearDown() override {
        user.reset();
        if (card != nullptr) {
            EXPECT_EQ(card->memory().mapped_segments(), 0U) << "host memory is still mapped";
        }
    }
    bool readable() {
        const auto fd = user->source->fd();
        EXPECT_TRUE(fd);
        pollfd descriptor{*fd, POLLIN, 0};
        return ::poll(&descriptor, 1, 0) == 1;
    }
    std::span<std::byte> memory(BoHandle bo) { return *user->backend->bo_map(bo); }

    std::shared_ptr<EmuCard> card;
    std::unique_ptr<RawUser> user;
};

TEST_F(EmuBackendTest, data_goes_to_the_card_and_back) {
    start(64);
    const BoHandle up = user->bo(kBytes);
    const BoHandle down = user->bo(kBytes);
    ASSERT_TRUE(user->attach(up, {user->slice(0, kBytes)}));
    ASSERT_TRUE(user->attach(down, {user->slice(0, kBytes)}, Direction::kFromDevice));
    for (std::size_t i = 0; i < kBytes; ++i) {
        memory(up)[i] = static_cast<std::byte>(i * 31);
    }
    ASSERT_TRUE(user->submit({up}));
    ASSERT_EQ(user->reap().size(), 1U);
    ASSERT_TRUE(user->submit({down}));
    const auto done = user->reap();
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].bo, down);
    EXPECT_EQ(done[0].status, 0);
    EXPECT_EQ(done[0].sys_errno, 0);
    EXPECT_EQ(std::memcmp(memory(up).data(), memory(down).data(), kBytes), 0);
}

TEST_F(EmuBackendTest, a_bo_in_pieces_arrives_whole_and_needs_an_element_per_piece) {
    start(64, 4096);
    const BoHandle up = user->bo(kBytes);
    const BoHandle down = user->bo(kBytes);
    ASSERT_TRUE(user->attach(up, {user->slice(0, kBytes)}));
    ASSERT_TRUE(user->attach(down, {user->slice(0, kBytes)}, Direction::kFromDevice));
    std::memset(memory(up).data(), 0x5A, kBytes);
    ASSERT_TRUE(user->submit({up}));
    ASSERT_EQ(user->reap().size(), 1U) << "one completion for four requests";
    EXPECT_EQ(user->backend->stats(user->dbc, up)->elements, 4U);
    ASSERT_TRUE(user->submit({down}));
    ASSERT_EQ(user->reap().size(), 1U);
    EXPECT_EQ(std::memcmp(memory(up).data(), memory(down).data(), kBytes), 0);
}

TEST_F(EmuBackendTest, the_queue_wraps_and_request_ids_too) {
    start(5);
    const BoHandle up = user->bo(4096);
    const BoHandle down = user->bo(4096);
    ASSERT_TRUE(user->attach(up, {user->slice(0, 1000), user->slice(1000, 3096, 1000)}));
    ASSERT_TRUE(user->attach(down, {user->slice(0, 4096)}, Direction::kFromDevice));
    for (int i = 0; i < 35000; ++i) {  // more than 65536 submissions: the 16-bit id comes round
        std::memset(memory(up).data(), i & 0xFF, 4096);
        ASSERT_TRUE(user->submit({up})) << i;
        ASSERT_EQ(user->reap().size(), 1U) << i;
        ASSERT_TRUE(user->submit({down})) << i;
        ASSERT_EQ(user->reap().size(), 1U) << i;
        ASSERT_EQ(memory(down)[4095], static_cast<std::byte>(i & 0xFF)) << i;
    }
}

TEST_F(EmuBackendTest, wrong_addresses_come_back_as_completion_codes) {
    start(64);
    const BoHandle bo = user->bo(4096);
    Slice far = user->slice(0, 4096);
    far.device_address = 0xFFFFFFFFFFFF0000ULL;
    ASSERT_TRUE(user->attach(bo, {user->slice(0, 64), far}));
    ASSERT_TRUE(user->submit({bo}));
    const auto done = user->reap();
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].status, AIC100_RSP_BAD_CARD_ADDR);
}

TEST_F(EmuBackendTest, attach_errnos) {
    start(8);
    const BoHandle bo = user->bo(8192);
    const auto attach = [&](BoHandle which, std::uint32_t dbc, Direction direction,
                            const std::vector<Slice>& slices) {
        return errno_of(user->backend->slices_attach(which, dbc, direction, slices));
    };
    const Slice good = user->slice(0, 64);
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {}), EINVAL);
    EXPECT_EQ(attach(bo, user->dbc, static_cast<Direction>(3), {good}), EINVAL);
    EXPECT_EQ(attach(bo, 16, Direction::kToDevice, {good}), EINVAL);
    EXPECT_EQ(attach({777}, user->dbc, Direction::kToDevice, {good}), ENOENT);
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {user->slice(0, 8193)}), EINVAL);
    EXPECT_EQ(attach(bo, user->dbc + 1, Direction::kToDevice, {good}), EINVAL) << "foreign channel";
    Slice slice = good;
    slice.doorbell_bits = 32;
    slice.doorbell_address = 1;
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {slice}), EINVAL);
    slice = good;
    slice.semaphores[0].presync = slice.semaphores[1].presync = true;
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {slice}), EINVAL);
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, std::vector<Slice>(9, good)), ENOSPC);
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {good}), 0);
    EXPECT_EQ(attach(bo, user->dbc, Direction::kToDevice, {good}), EINVAL) << "sliced already";
    EXPECT_EQ(attach({777}, user->dbc, Direction::kToDevice, {user->slice(0, 1 << 20)}), ENOENT)
        << "the handle is looked up before the slices";
}

TEST_F(EmuBackendTest, as_many_requests_as_the_queue_attach_but_never_run) {
    start(4);
    const BoHandle bo = user->bo(4096);
    ASSERT_TRUE(user->attach(bo, std::vector<Slice>(4, user->slice(0, 64))));
    EXPECT_EQ(errno_of(user->submit({bo})), EAGAIN) << "one slot of the ring stays empty";
}

TEST_F(EmuBackendTest, submit_errnos) {
    start(16);
    const BoHandle bo = user->bo(4096);
    const BoHandle unsliced = user->bo(4096);
    ASSERT_TRUE(user->attach(bo, {user->blocked(64)}));
    EXPECT_EQ(errno_of(user->submit({})), EINVAL);
    const ExecuteEntry entry{bo, Direction::kToDevice};
    EXPECT_EQ(errno_of(user->backend->submit(16, {&entry, 1})), EINVAL);
    EXPECT_EQ(errno_of(user->backend->submit(user->dbc + 1, {&entry, 1})), EPERM);
    EXPECT_EQ(errno_of(user->submit({{777}})), ENOENT);
    EXPECT_EQ(errno_of(user->submit({unsliced})), EINVAL);
    EXPECT_EQ(errno_of(user->submit({bo, bo})), EINVAL) << "twice in one call";
    EXPECT_EQ(errno_of(user->submit({bo, unsliced})), EINVAL);
    ASSERT_TRUE(user->submit({bo})) << "the failed calls took back what they had queued";
    EXPECT_EQ(errno_of(user->submit({bo})), EINVAL) << "in flight";
    EXPECT_EQ(errno_of(user->backend->slices_detach(bo)), EBUSY);
}

TEST_F(EmuBackendTest, a_full_queue_is_EAGAIN_and_all_or_nothing) {
    start(8);
    std::vector<BoHandle> queued;
    int result = 0;
    for (int i = 0; i < 100000 && result == 0; ++i) {
        const BoHandle bo = user->bo(4096);
        ASSERT_TRUE(user->attach(bo, std::vector<Slice>(3, user->blocked(64))));
        result = errno_of(user->submit({bo}));
        if (result == 0) {
            queued.push_back(bo);
        }
    }
    ASSERT_EQ(result, EAGAIN);
    EXPECT_GE(queued.size(), 2U);
    // One element still fits when three did not; in one call with three more it must not be queued.
    const BoHandle one = user->bo(4096);
    const BoHandle three = user->bo(4096);
    ASSERT_TRUE(user->attach(one, {user->blocked(64)}));
    ASSERT_TRUE(user->attach(three, std::vector<Slice>(3, user->blocked(64))));
    EXPECT_EQ(errno_of(user->submit({one, three})), EAGAIN);
    EXPECT_EQ(errno_of(user->backend->slices_detach(one)), 0) << "not in flight";
    ASSERT_TRUE(user->deactivate());
    EXPECT_EQ(user->reap(queued.size() + 1).size(), queued.size());
}

TEST_F(EmuBackendTest, detach_errnos) {
    start(16);
    const BoHandle bo = user->bo(4096);
    EXPECT_EQ(errno_of(user->backend->slices_detach({777})), ENOENT);
    EXPECT_EQ(errno_of(user->backend->slices_detach(bo)), EINVAL) << "not sliced";
    ASSERT_TRUE(user->attach(bo, {user->slice(0, 64)}));
    EXPECT_EQ(errno_of(user->backend->slices_detach(bo)), 0);
    ASSERT_TRUE(user->attach(bo, {user->slice(0, 64)})) << "may be sliced again";
    ASSERT_TRUE(user->deactivate());
    EXPECT_EQ(errno_of(user->backend->slices_detach(bo)), EINVAL) << "the release has detached it";
}

TEST_F(EmuBackendTest, stats_errnos_and_values) {
    start(16);
    const BoHandle bo = user->bo(4096);
    EXPECT_EQ(errno_of(user->backend->stats(16, bo)), EINVAL);
    EXPECT_EQ(errno_of(user->backend->stats(user->dbc, {777})), ENOENT);
    EXPECT_EQ(errno_of(user->backend->stats(user->dbc, bo)), EINVAL) << "not sliced";
    ASSERT_TRUE(user->attach(bo, {user->blocked(64), user->slice(0, 64)}));
    EXPECT_EQ(errno_of(user->backend->stats(user->dbc + 1, bo)), EINVAL) << "another channel";
    ASSERT_TRUE(user->submit({bo}));
    const auto stats = user->backend->stats(user->dbc, bo);
    ASSERT_TRUE(stats);
    EXPECT_EQ(stats->elements, 2U);
    EXPECT_EQ(stats->device_us, 0U) << "not finished";
    EXPECT_EQ(stats->queue_level_before, 0U);
}

TEST_F(EmuBackendTest, buffer_errnos) {
    start(16);
    Backend& backend = *user->backend;
    EXPECT_EQ(errno_of(backend.bo_create(0)), EINVAL);
    EXPECT_EQ(errno_of(backend.bo_create(~0ULL)), EINVAL) << "wraps to 0 pages";
    EXPECT_EQ(errno_of(backend.bo_create(1ULL << 60)), ENOMEM);
    EXPECT_EQ(errno_of(backend.bo_map({777})), ENOENT);
    EXPECT_EQ(errno_of(backend.bo_close({777})), ENOENT);
    EXPECT_EQ(errno_of(backend.bo_import(0)), EOPNOTSUPP);
    EXPECT_EQ(errno_of(backend.bo_export({1})), EOPNOTSUPP);
    const BoHandle bo = user->bo(5000);
    const auto memory = backend.bo_map(bo);
    ASSERT_TRUE(memory);
    EXPECT_EQ(memory->size(), 8192U) << "whole pages";
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % 4096, 0U);
    EXPECT_EQ(std::count(memory->begin(), memory->end(), std::byte{0}), 8192);
    EXPECT_EQ(errno_of(backend.bo_close(bo)), 0);
    EXPECT_EQ(errno_of(backend.bo_close(bo)), ENOENT);
    EXPECT_NE(bo.value, 0U);
}

TEST_F(EmuBackendTest, the_descriptor_is_readable_while_something_is_to_be_reaped) {
    start(64);
    EXPECT_FALSE(readable());
    std::vector<BoHandle> bos;
    for (int i = 0; i < 3; ++i) {
        bos.push_back(user->bo(4096));
        ASSERT_TRUE(user->attach(bos.back(), {user->slice(0, 64)}));
    }
    ASSERT_TRUE(user->submit(bos));
    const auto fd = user->source->fd();
    pollfd descriptor{*fd, POLLIN, 0};
    ASSERT_EQ(::poll(&descriptor, 1, 5000), 1);
    std::size_t reaped = 0;
    while (reaped < 3) {
        const auto some = user->reap(1);
        ASSERT_EQ(some.size(), 1U);
        EXPECT_EQ(some[0].bo, bos[reaped]) << "in the order they finished";
        ++reaped;
    }
    EXPECT_EQ(user->reap(1, milliseconds(0)).size(), 0U);
    EXPECT_FALSE(readable());
}

TEST_F(EmuBackendTest, deactivation_cancels_what_is_in_flight) {
    start(64);
    const BoHandle stuck = user->bo(4096);
    ASSERT_TRUE(user->attach(stuck, {user->blocked(64)}));
    ASSERT_TRUE(user->submit({stuck}));
    EXPECT_EQ(user->reap(4, milliseconds(20)).size(), 0U);
    std::vector<Completion> woken;
    std::thread waiter([&] { woken = user->reap(4, std::chrono::seconds(30)); });
    std::this_thread::sleep_for(milliseconds(20));
    ASSERT_TRUE(user->deactivate());
    waiter.join();  // returns at once, long before its 30 s
    ASSERT_EQ(woken.size(), 1U);
    EXPECT_EQ(woken[0].bo, stuck);
    EXPECT_EQ(woken[0].sys_errno, ECANCELED);
    Completion out;
    EXPECT_EQ(errno_of(user->source->reap({&out, 1}, milliseconds(0))), EPERM);
    EXPECT_EQ(errno_of(user->submit({stuck})), EPERM);
    EXPECT_EQ(errno_of(user->attach(stuck, {user->slice(0, 64)})), EINVAL);
}

TEST_F(EmuBackendTest, every_waiter_learns_of_the_deactivation) {
    start(64);
    std::vector<std::thread> waiters;
    waiters.reserve(4);
    std::atomic<int> refused{0};
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            Completion out;
            const auto result = user->source->reap({&out, 1}, std::chrono::seconds(30));
            refused += errno_of(result) == EPERM ? 1 : 0;
        });
    }
    std::this_thread::sleep_for(milliseconds(20));
    ASSERT_TRUE(user->deactivate());
    for (auto& waiter : waiters) {
        waiter.join();
    }
    EXPECT_EQ(refused, 4);
}

TEST_F(EmuBackendTest, the_next_activation_of_a_channel_keeps_its_completions) {
    const auto qpc = test::scale_qpc(kElements, 2.0F, 0.0F);
    start(64);
    const auto ended = user->source;
    const std::uint32_t number = user->dbc;
    ASSERT_TRUE(user->deactivate());
    user->activate(qpc, 64);
    ASSERT_EQ(user->dbc, number) << "the card gives the free channel out again";
    const BoHandle bo = user->bo(4096);
    ASSERT_TRUE(user->attach(bo, {user->slice(0, 64)}));
    ASSERT_TRUE(user->submit({bo}));
    pollfd descriptor{*user->source->fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&descriptor, 1, 5000), 1);
    // Whoever still looks after the first activation must not take what belongs to the second.
    Completion out;
    EXPECT_EQ(errno_of(ended->reap({&out, 1}, milliseconds(0))), EPERM);
    EXPECT_EQ(user->reap().size(), 1U);
}

TEST_F(EmuBackendTest, a_closed_bo_in_flight_stays_alive_until_its_channel_goes) {
    start(64);
    const BoHandle bo = user->bo(4096);
    ASSERT_TRUE(user->attach(bo, {user->blocked(64)}));
    ASSERT_TRUE(user->submit({bo}));
    ASSERT_TRUE(user->backend->bo_close(bo));
    EXPECT_GT(card->memory().mapped_segments(), 1U);
    ASSERT_TRUE(user->deactivate());
    const auto done = user->reap();
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].bo, bo);
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

TEST_F(EmuBackendTest, another_user_cannot_touch_the_channel) {
    start(64);
    RawUser other(card);
    other.dbc = user->dbc;
    other.where = user->where;
    const BoHandle bo = other.bo(4096);
    const ExecuteEntry entry{bo, Direction::kToDevice};
    EXPECT_EQ(errno_of(other.backend->submit(user->dbc, {&entry, 1})), EPERM);
    EXPECT_EQ(errno_of(other.attach(bo, {other.slice(0, 64)})), EINVAL);
    EXPECT_EQ(errno_of(other.backend->completions(user->dbc)), EPERM);
    EXPECT_EQ(errno_of(other.deactivate()), EPERM);
    EXPECT_EQ(other.backend->workload_error(user->dbc), "");
    const BoHandle mine = user->bo(4096);
    ASSERT_TRUE(user->attach(mine, {user->slice(0, 64)}));
    EXPECT_TRUE(user->submit({mine}));
    EXPECT_EQ(user->reap().size(), 1U);
}

TEST_F(EmuBackendTest, closing_a_user_frees_all_that_it_held) {
    start(64);
    RawUser other(card);
    const auto nsp_free = [&] {
        const UserTransaction message[] = {Passthrough{nnc::status_query()}};
        const auto replies = other.backend->manage(message);
        return nnc::parse_status(std::get<Passthrough>(replies->front()).command)
            ->resources.nsp_free;
    };
    EXPECT_EQ(nsp_free(), 15U);
    const BoHandle bo = user->bo(4096);
    ASSERT_TRUE(user->attach(bo, {user->blocked(64)}));
    ASSERT_TRUE(user->submit({bo}));
    user.reset();  // with a BO in flight and the activation running
    EXPECT_EQ(nsp_free(), 16U);
    EXPECT_EQ(card->memory().mapped_segments(), 0U);
}

}  // namespace
}  // namespace qaicrt::backend::emu
