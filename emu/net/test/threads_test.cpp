// SPDX-License-Identifier: Apache-2.0
/// Workers cover every range exactly once, and their number never changes a result.
#include "emu/net/test/model_builder.hpp"

#include <atomic>
#include <thread>

namespace qaicnet::test {
namespace {

TEST(Workers, EveryIndexIsVisitedExactlyOnce) {
    for (const unsigned threads : {1u, 2u, 3u, 8u}) {
        const auto workers = make_workers(threads);
        for (const std::size_t n : {0u, 1u, 2u, 7u, 100u, 10'000u}) {
            for (const std::size_t grain : {0u, 1u, 3u, 64u, 100'000u}) {
                std::vector<std::atomic<int>> visits(n);
                workers->parallel_for(n, grain, [&](std::size_t begin, std::size_t end) {
                    ASSERT_LE(begin, end);
                    ASSERT_LE(end, n);
                    for (std::size_t i = begin; i < end; ++i) {
                        ++visits[i];
                    }
                });
                for (const auto& count : visits) {
                    ASSERT_EQ(count, 1);
                }
            }
        }
    }
}

TEST(Workers, NestedAndConcurrentCallsComplete) {
    const auto workers = make_workers(3);
    std::atomic<std::size_t> sum{0};
    const auto load = [&] {
        for (int i = 0; i < 50; ++i) {
            workers->parallel_for(8, 1, [&](std::size_t begin, std::size_t end) {
                workers->parallel_for(end - begin, 1,
                                      [&](std::size_t b, std::size_t e) { sum += e - b; });
            });
        }
    };
    std::thread other(load);
    load();
    other.join();
    EXPECT_EQ(sum, 2u * 50u * 8u);
}

TEST(Workers, ManyShortJobsAfterEachOther) {
    const auto workers = make_workers(4);
    std::size_t total = 0;
    for (int i = 0; i < 5000; ++i) {
        std::atomic<std::size_t> sum{0};
        workers->parallel_for(5, 1,
                              [&](std::size_t begin, std::size_t end) { sum += end - begin; });
        total += sum;
    }
    EXPECT_EQ(total, 25'000u);
}

/// Large enough that every kernel splits its work.
ModelBuilder wide_model(ElemType type) {
    ModelBuilder m;
    m.input("x", type, {150, 300});
    m.input("b", type, {4, 300, 70});
    m.node("MatMul", {"x", "b"}, {"p"});
    m.node("Transpose", {"p"}, {"t"}).attr("perm", Dims{1, 0, 2});
    m.node("Softmax", {"t"}, {"s"}).attr("axis", 1);
    m.node("Sigmoid", {"s"}, {"g"});
    m.node("Add", {"g", "t"}, {"a"});
    m.node("Concat", {"a", "s"}, {"c"}).attr("axis", 2);
    m.output("c").output("p");
    return m;
}

TEST(Threads, TheirNumberDoesNotChangeABit) {
    for (const ElemType type : {ElemType::kFloat, ElemType::kFloat16, ElemType::kDouble}) {
        auto network = load(wide_model(type));
        ASSERT_TRUE(network) << network.error().message;
        std::vector<std::vector<std::byte>> inputs;
        std::uint64_t state = 1;
        for (const ValueInfo& info : (*network)->inputs()) {
            auto& bytes = inputs.emplace_back(info.bytes());
            for (std::size_t i = 0; i < bytes.size() / elem_bytes(type); ++i) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                const float value =
                    static_cast<float>(static_cast<std::int32_t>(state >> 40) - (1 << 23)) /
                    (1 << 23);
                const double wide = value;
                const Half half = float_to_half(value);
                const void* from = type == ElemType::kFloat     ? static_cast<const void*>(&value)
                                   : type == ElemType::kFloat16 ? static_cast<const void*>(&half)
                                                                : static_cast<const void*>(&wide);
                std::memcpy(bytes.data() + i * elem_bytes(type), from, elem_bytes(type));
            }
        }
        const auto one = run_bytes(**network, {inputs[0], inputs[1]}, 1);
        ASSERT_TRUE(one);
        for (const unsigned threads : {2u, 3u, 7u}) {
            const auto many = run_bytes(**network, {inputs[0], inputs[1]}, threads);
            ASSERT_TRUE(many);
            EXPECT_EQ(*many, *one) << elem_type_name(type) << " on " << threads << " threads";
        }
    }
}

}  // namespace
}  // namespace qaicnet::test
