// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/test/runtime_fixture.hpp"

#include <map>
#include <thread>

namespace qaicrt::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class QueueTest : public ::testing::Test {
  protected:
    /// y = 2x + 1 on one float: the answer tells which job it was.
    Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(1, 2.0F, 1.0F)), {3, seconds(5)}));
    std::map<std::uint64_t, float> results;

    Queue make() {
        return must(Queue::create(activation, [this](const QueueResult& result) {
            EXPECT_TRUE(result.status) << message_of(result.status);
            EXPECT_GT(result.latency.count(), 0);
            ASSERT_EQ(result.outputs.size(), 1U);
            EXPECT_TRUE(results.emplace(result.cookie, floats(result.outputs[0])[0]).second);
        }));
    }
    static Status put(Queue& queue, std::uint64_t cookie, float x) {
        const std::span<const std::byte> input = std::as_bytes(std::span(&x, 1));
        return queue.enqueue(cookie, {&input, 1});
    }
};

TEST_F(QueueTest, every_job_comes_back_once_with_its_own_answer) {
    Queue queue = make();
    for (std::uint64_t i = 0; i < 500; ++i) {
        ASSERT_TRUE(put(queue, i, static_cast<float>(i)));
        EXPECT_LE(queue.in_flight(), 3U);
    }
    ASSERT_TRUE(queue.drain());
    EXPECT_EQ(queue.in_flight(), 0U);
    ASSERT_EQ(results.size(), 500U);
    for (const auto& [cookie, value] : results) {
        EXPECT_EQ(value, static_cast<float>(cookie) * 2 + 1);
    }
}

TEST_F(QueueTest, wrong_inputs_queue_nothing) {
    Queue queue = make();
    const std::vector<std::byte> bytes(8);
    const std::span<const std::byte> input = bytes;
    const auto status = queue.enqueue(1, {&input, 1});
    EXPECT_EQ(code_of(status), Errc::kInvalidArgument);
    EXPECT_NE(message_of(status).find("'x' has 4 bytes and 8"), std::string::npos);
    EXPECT_EQ(code_of(queue.enqueue(1, {})), Errc::kInvalidArgument);
    EXPECT_EQ(queue.in_flight(), 0U);
    EXPECT_EQ(must(queue.poll(seconds(5))), 0U) << "nothing in flight: returns at once";
}

TEST_F(QueueTest, a_callback_may_enqueue_while_a_place_is_free) {
    Queue* target = nullptr;
    int started = 0;
    Queue queue = must(Queue::create(activation, [&](const QueueResult& result) {
        if (result.cookie < 50) {
            ++started;
            EXPECT_TRUE(put(*target, result.cookie + 1, 0));
        }
    }));
    target = &queue;
    ASSERT_TRUE(put(queue, 0, 0));
    ASSERT_TRUE(queue.drain());
    EXPECT_EQ(started, 50);
}

TEST_F(QueueTest, other_threads_may_poll_the_activation_meanwhile) {
    Queue queue = make();
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            (void)activation.poll(milliseconds(1));
        }
    });
    for (std::uint64_t i = 0; i < 300; ++i) {
        ASSERT_TRUE(put(queue, i, static_cast<float>(i)));
    }
    ASSERT_TRUE(queue.drain());
    stop = true;
    other.join();
    EXPECT_EQ(results.size(), 300U);
}

TEST_F(QueueTest, deactivation_gives_every_job_back_as_cancelled_or_done) {
    int cancelled = 0;
    int done = 0;
    Activation slow =
        must(Activation::create(open_emu(), must_load(matmul_qpc(200)), {4, seconds(5)}));
    Queue queue = must(Queue::create(
        slow, [&](const QueueResult& result) { (result.status ? done : cancelled) += 1; }));
    const std::vector<float> x(40000, 1.0F);
    const std::span<const std::byte> input = std::as_bytes(std::span(x));
    for (std::uint64_t i = 0; i < 4; ++i) {
        ASSERT_TRUE(queue.enqueue(i, {&input, 1}));
    }
    ASSERT_TRUE(slow.deactivate());
    ASSERT_TRUE(queue.drain());
    EXPECT_EQ(cancelled + done, 4);
    EXPECT_GT(cancelled, 0);
    EXPECT_EQ(code_of(queue.enqueue(9, {&input, 1})), Errc::kCancelled);
}

TEST_F(QueueTest, destroying_a_queue_with_jobs_in_flight_is_clean) {
    {
        Queue queue = make();
        for (std::uint64_t i = 0; i < 3; ++i) {
            ASSERT_TRUE(put(queue, i, 1));
        }
    }
    Queue again = make();
    results.clear();
    ASSERT_TRUE(put(again, 7, 3));
    ASSERT_TRUE(again.drain());
    EXPECT_EQ(results.at(7), 7.0F);
}

}  // namespace
}  // namespace qaicrt::test
