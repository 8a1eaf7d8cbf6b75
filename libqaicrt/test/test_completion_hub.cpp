// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/completion_hub.hpp"
#include "libqaicrt/test/fake_backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <random>
#include <thread>

namespace qaicrt::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// One run of one BO (or several) with the entries that submit it.
struct TestRun {
    explicit TestRun(const std::vector<std::uint32_t>& bos) {
        for (const std::uint32_t bo : bos) {
            run.bos.push_back({bo});
            entries.push_back({{bo}, Direction::kToDevice});
        }
    }
    Run run;
    std::vector<backend::ExecuteEntry> entries;
};

class HubTest : public ::testing::Test {
  protected:
    TestRun& add(const std::vector<std::uint32_t>& bos) {
        runs.push_back(std::make_unique<TestRun>(bos));
        hub.add(runs.back()->run);
        return *runs.back();
    }
    Status submit(TestRun& run, RunCallback done = {}) {
        return hub.submit(run.run, run.entries, std::move(done));
    }
    void TearDown() override {
        for (auto& run : runs) {
            hub.remove(run->run);
        }
    }
    FakeBackend card;
    CompletionHub hub{card, 0, *card.completions(0), 64};
    std::vector<std::unique_ptr<TestRun>> runs;
};

Errc code_of(const Status& status) {
    return status ? Errc::kOk : status.error().code;
}

TEST_F(HubTest, a_run_is_done_when_its_last_bo_is) {
    TestRun& run = add({1, 2, 3});
    ASSERT_TRUE(submit(run));
    card.complete(2);
    card.complete(1);
    EXPECT_EQ(code_of(hub.wait(run.run, milliseconds(10))), Errc::kTimeout);
    EXPECT_TRUE(hub.in_flight(run.run));
    card.complete(3);
    EXPECT_EQ(code_of(hub.wait(run.run, seconds(5))), Errc::kOk);
    EXPECT_EQ(code_of(hub.wait(run.run, milliseconds(0))), Errc::kOk) << "the result stays";
}

TEST_F(HubTest, waiting_for_what_was_never_submitted_is_a_mistake) {
    EXPECT_EQ(code_of(hub.wait(add({1}).run, seconds(5))), Errc::kInvalidArgument);
}

TEST_F(HubTest, the_first_failure_is_the_runs_result) {
    TestRun& run = add({1, 2});
    ASSERT_TRUE(submit(run));
    card.complete(1, 5);
    card.complete(2, 3);
    const auto result = hub.wait(run.run, seconds(5));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kDevice);
    EXPECT_EQ(result.error().device_status, 5);
    EXPECT_NE(result.error().message.find("node Gather failed"), std::string::npos);
    ASSERT_TRUE(submit(run));
    card.complete(1);
    card.complete(2);
    EXPECT_TRUE(hub.wait(run.run, seconds(5))) << "the next run starts afresh";
}

TEST_F(HubTest, busy_while_in_flight_and_beyond_the_depth) {
    CompletionHub shallow(card, 0, *card.completions(0), 2);
    TestRun a({10}), b({11}), c({12});
    for (TestRun* run : {&a, &b, &c}) {
        shallow.add(run->run);
    }
    ASSERT_TRUE(shallow.submit(a.run, a.entries, {}));
    EXPECT_EQ(code_of(shallow.submit(a.run, a.entries, {})), Errc::kBusy);
    ASSERT_TRUE(shallow.submit(b.run, b.entries, {}));
    EXPECT_EQ(code_of(shallow.submit(c.run, c.entries, {})), Errc::kBusy);
    card.complete(11);
    ASSERT_TRUE(shallow.wait(b.run, seconds(5)));
    EXPECT_TRUE(shallow.submit(c.run, c.entries, {}));
    for (TestRun* run : {&a, &b, &c}) {
        shallow.remove(run->run);
    }
}

TEST_F(HubTest, a_failed_submit_leaves_nothing_in_flight_and_calls_nobody) {
    TestRun& run = add({1});
    bool called = false;
    card.fail_submit(Error{Errc::kBusy, "queue full", EAGAIN});
    const auto busy = submit(run, [&](const Status&) { called = true; });
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, Errc::kBusy);
    EXPECT_EQ(busy.error().sys_errno, EAGAIN);
    EXPECT_FALSE(hub.in_flight(run.run));
    card.fail_submit(std::nullopt);
    ASSERT_TRUE(submit(run));
    card.complete(1);
    EXPECT_TRUE(hub.wait(run.run, seconds(5)));
    EXPECT_FALSE(called);
}

TEST_F(HubTest, callbacks_run_in_poll_on_its_thread_and_once) {
    TestRun& run = add({1});
    int calls = 0;
    std::thread::id thread;
    ASSERT_TRUE(submit(run, [&](const Status& status) {
        EXPECT_TRUE(status);
        ++calls;
        thread = std::this_thread::get_id();
    }));
    EXPECT_EQ(*hub.poll(milliseconds(0)), 0U);
    card.complete(1);
    EXPECT_EQ(*hub.poll(seconds(5)), 1U);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(thread, std::this_thread::get_id());
    EXPECT_EQ(*hub.poll(milliseconds(0)), 0U);
    EXPECT_EQ(calls, 1);
}

TEST_F(HubTest, a_callback_may_submit_again) {
    TestRun& run = add({1});
    int left = 100;
    std::function<void(const Status&)> again = [&](const Status&) {
        if (--left > 0) {
            ASSERT_TRUE(submit(run, again));
            card.complete(1);
        }
    };
    ASSERT_TRUE(submit(run, again));
    card.complete(1);
    while (left > 0) {
        ASSERT_TRUE(hub.poll(seconds(5)));
    }
    EXPECT_FALSE(hub.in_flight(run.run));
}

TEST_F(HubTest, a_callback_may_wait_for_another_run) {
    TestRun& first = add({1});
    TestRun& second = add({2});
    bool waited = false;
    ASSERT_TRUE(submit(second));
    ASSERT_TRUE(submit(first, [&](const Status&) {
        card.complete(2);
        waited = static_cast<bool>(hub.wait(second.run, seconds(5)));
    }));
    card.complete(1);
    ASSERT_TRUE(hub.wait(first.run, seconds(5)));
    EXPECT_TRUE(waited);
}

TEST_F(HubTest, a_callback_may_remove_its_own_run) {
    auto own = std::make_unique<TestRun>(std::vector<std::uint32_t>{1});
    hub.add(own->run);
    ASSERT_TRUE(submit(*own, [&](const Status&) {
        hub.remove(own->run);
        own.reset();
    }));
    card.complete(1);
    EXPECT_EQ(*hub.poll(seconds(5)), 1U);
    EXPECT_EQ(own, nullptr);
}

TEST_F(HubTest, a_lying_backend_finishes_nothing_that_did_not_run) {
    TestRun& run = add({1, 2});
    TestRun& idle = add({3});
    ASSERT_TRUE(submit(run));
    for (const std::uint32_t bo : {1U, 1U, 1U, 3U, 99U, 0U}) {
        card.complete(bo);
    }
    EXPECT_EQ(code_of(hub.wait(run.run, milliseconds(20))), Errc::kTimeout);
    EXPECT_FALSE(hub.in_flight(idle.run));
    card.lie_about_count(1000000);
    card.complete(2);
    EXPECT_TRUE(hub.wait(run.run, seconds(5))) << "a count beyond the room is bounded";
}

TEST_F(HubTest, a_lost_card_ends_every_wait) {
    TestRun& a = add({1});
    TestRun& b = add({2});
    ASSERT_TRUE(submit(a));
    ASSERT_TRUE(submit(b));
    std::thread other([&] { EXPECT_EQ(code_of(hub.wait(b.run, seconds(60))), Errc::kNoDevice); });
    card.fail_reap(Error{Errc::kNoDevice, "gone", ENODEV});
    const auto result = hub.wait(a.run, seconds(60));
    other.join();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().sys_errno, ENODEV);
    EXPECT_EQ(code_of(submit(a)), Errc::kNoDevice);
    EXPECT_FALSE(hub.poll(seconds(60)));
}

TEST_F(HubTest, another_error_is_reported_and_leaves_the_run_in_flight) {
    TestRun& run = add({1});
    ASSERT_TRUE(submit(run));
    card.fail_reap(Error{Errc::kIo, "nonsense registers", EIO});
    EXPECT_EQ(code_of(hub.wait(run.run, seconds(60))), Errc::kIo);
    EXPECT_TRUE(hub.in_flight(run.run));
}

TEST_F(HubTest, close_cancels_and_poll_still_delivers_the_callbacks) {
    TestRun& run = add({1});
    Errc seen = Errc::kOk;
    ASSERT_TRUE(submit(run, [&](const Status& status) { seen = code_of(status); }));
    hub.close();
    EXPECT_EQ(seen, Errc::kOk) << "no callback outside poll and wait";
    const auto count = hub.poll(seconds(60));
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, 1U);
    EXPECT_EQ(seen, Errc::kCancelled);
    EXPECT_EQ(code_of(submit(run)), Errc::kCancelled);
}

TEST_F(HubTest, close_wakes_those_who_are_not_the_reaper_too) {
    std::vector<std::thread> waiters;
    std::atomic<int> cancelled{0};
    for (std::uint32_t i = 1; i <= 4; ++i) {
        TestRun& run = add({i});
        ASSERT_TRUE(submit(run));
        waiters.emplace_back([&] {
            cancelled += code_of(hub.wait(run.run, seconds(60))) == Errc::kCancelled ? 1 : 0;
        });
    }
    std::this_thread::sleep_for(milliseconds(20));
    for (std::uint32_t i = 1; i <= 4; ++i) {
        card.complete(i, 0, ECANCELED);  // what a backend does when its channel goes
    }
    for (auto& waiter : waiters) {
        waiter.join();
    }
    hub.close();
    EXPECT_EQ(cancelled, 4);
}

TEST_F(HubTest, the_next_waiter_takes_over_when_the_reaper_gives_up) {
    TestRun& slow = add({1});
    TestRun& other = add({2});
    ASSERT_TRUE(submit(slow));
    ASSERT_TRUE(submit(other));
    std::thread patient([&] { EXPECT_TRUE(hub.wait(other.run, seconds(60))); });
    // Sometimes the reaper, sometimes not: either way its going must not strand the other.
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(code_of(hub.wait(slow.run, milliseconds(1))), Errc::kTimeout);
    }
    card.complete(2);
    patient.join();
    card.complete(1);
    EXPECT_TRUE(hub.wait(slow.run, seconds(5)));
}

/// Many threads, each with its own run, completions in random order: nobody sleeps through its own.
TEST_F(HubTest, every_thread_gets_its_own_completion) {
    constexpr int kThreads = 6;
    constexpr int kRounds = 1500;
    std::atomic<bool> stop{false};
    std::thread device([&] {
        std::mt19937 random(7);
        std::vector<std::uint32_t> pending;
        while (!stop) {
            const auto fresh = card.take_submitted(0);
            pending.insert(pending.end(), fresh.begin(), fresh.end());
            if (pending.empty()) {
                std::this_thread::yield();
                continue;
            }
            const std::size_t index = random() % pending.size();
            card.complete(pending[index], static_cast<std::int32_t>(pending[index]));
            pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(index));
        }
    });
    std::vector<std::thread> users;
    for (int t = 0; t < kThreads; ++t) {
        TestRun& run = add({static_cast<std::uint32_t>(t + 1)});
        users.emplace_back([&, t] {
            for (int i = 0; i < kRounds; ++i) {
                const bool with_callback = i % 3 == 0;
                std::atomic<int> calls{0};
                ASSERT_TRUE(submit(run, with_callback ? RunCallback([&](const Status&) { ++calls; })
                                                      : RunCallback()));
                const auto result = hub.wait(run.run, seconds(60));
                ASSERT_FALSE(result);
                ASSERT_EQ(result.error().device_status, t + 1) << "someone else's completion";
                ASSERT_EQ(calls, with_callback ? 1 : 0) << "wait() returns after the callback";
            }
        });
    }
    for (auto& user : users) {
        user.join();
    }
    stop = true;
    device.join();
    EXPECT_EQ(card.most_reapers(), 1) << "only one thread is in reap() at a time";
}

}  // namespace
}  // namespace qaicrt::test
