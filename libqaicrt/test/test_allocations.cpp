// SPDX-License-Identifier: Apache-2.0
/// One inference allocates nothing: every operator new of the process is counted, the card's
/// threads' too.
#include "libqaicrt/test/count_allocations.hpp"
#include "libqaicrt/test/runtime_fixture.hpp"

namespace qaicrt::test {
namespace {

template <class Body>
unsigned long allocations_of(Body body) {
    body();  // once to warm up
    start_counting_allocations();
    for (int i = 0; i < 200; ++i) {
        body();
    }
    return stop_counting_allocations();
}

TEST(Allocations, the_counter_counts) {
    std::vector<int*> keep;
    keep.reserve(300);
    EXPECT_EQ(allocations_of([&] { keep.push_back(new int(1)); }), 200U);
    for (int* number : keep) {
        delete number;
    }
}

TEST(Allocations, submit_and_wait_allocate_nothing) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(two_by_two_qpc(64))));
    Inference inference = must(activation.create_inference());
    bool good = true;
    EXPECT_EQ(allocations_of([&] { good = good && inference.submit() && inference.wait(); }), 0U);
    EXPECT_TRUE(good);
}

TEST(Allocations, callbacks_and_poll_allocate_nothing) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(64, 1, 0))));
    Inference inference = must(activation.create_inference());
    int done = 0;
    int submitted = 0;
    EXPECT_EQ(allocations_of([&] {
                  submitted += inference.submit([&done](const Status&) { ++done; }) ? 1 : 0;
                  while (done < submitted) {
                      (void)activation.poll(std::chrono::seconds(5));
                  }
              }),
              0U);
    EXPECT_EQ(done, 201);
}

TEST(Allocations, a_queue_allocates_nothing) {
    const Activation activation = must(Activation::create(
        open_emu(), must_load(scale_qpc(64, 1, 0)), {4, std::chrono::seconds(5)}));
    int done = 0;
    Queue queue = must(Queue::create(activation, [&](const QueueResult&) { ++done; }));
    const std::vector<float> x(64);
    const std::span<const std::byte> input = std::as_bytes(std::span(x));
    bool good = true;
    EXPECT_EQ(allocations_of([&] { good = good && queue.enqueue(1, {&input, 1}); }), 0U);
    EXPECT_TRUE(good);
    ASSERT_TRUE(queue.drain());
    EXPECT_EQ(done, 201);
}

}  // namespace
}  // namespace qaicrt::test
