// SPDX-License-Identifier: Apache-2.0
/// The memory plan: no allocation in run(), memory shared where it may be and nowhere else.
#include "emu/net/memory_plan.hpp"
#include "emu/net/test/model_builder.hpp"

#include <atomic>

/// Calls of operator new so far (count_allocations.cpp).
extern std::atomic<std::size_t> allocations;

namespace qaicnet::test {
namespace {

/// Every operator that has a kernel, FP32 or FP16.
ModelBuilder all_kernels(ElemType type) {
    ModelBuilder m(17);
    const auto number = static_cast<std::int64_t>(type);
    m.input("x", type, {8, 64});
    m.input("idx", ElemType::kInt64, {5});
    m.input("low", type, {});
    m.constant<float>("w32", {64, 48}, std::vector<float>(64 * 48, 0.01f));
    m.node("Cast", {"w32"}, {"w"}).attr("to", number);
    m.constant<float>("c32", {48}, std::vector<float>(48, -0.5f));
    m.node("Cast", {"c32"}, {"c"}).attr("to", number);
    m.node("Gemm", {"x", "w", "c"}, {"g"}).attr("alpha", 0.5f);
    m.node("Relu", {"g"}, {"r"});
    m.node("Sigmoid", {"r"}, {"s"});
    m.node("Tanh", {"s"}, {"t"});
    m.node("Clip", {"t", "low"}, {"cl"});
    m.node("Softmax", {"cl"}, {"sm"});
    m.node("Transpose", {"sm"}, {"tr"});      // 48 x 8
    m.node("MatMul", {"sm", "tr"}, {"mm"});   // 8 x 8
    m.node("Gather", {"mm", "idx"}, {"ga"});  // 5 x 8
    m.node("Concat", {"ga", "mm"}, {"co"}).attr("axis", 0);
    m.constant<std::int64_t>("st", {1}, {1});
    m.constant<std::int64_t>("en", {1}, {9});
    m.node("Slice", {"co", "st", "en"}, {"sl"});  // 8 x 8
    m.node("Sub", {"sl", "mm"}, {"su"});
    m.node("Mul", {"su", "low"}, {"mu"});
    m.node("Div", {"mu", "sl"}, {"di"});
    m.node("Add", {"di", "mm"}, {"ad"});
    m.node("Cast", {"ad"}, {"y"}).attr("to", 1);
    m.output("y");
    return m;
}

TEST(Memory, RunAllocatesNothing) {
    for (const ElemType type : {ElemType::kFloat, ElemType::kFloat16, ElemType::kDouble}) {
        auto network = load(all_kernels(type));
        ASSERT_TRUE(network) << network.error().message;
        std::vector<std::vector<std::byte>> in, out;
        std::vector<std::span<const std::byte>> in_spans;
        std::vector<std::span<std::byte>> out_spans;
        for (const auto& info : (*network)->inputs()) {
            in.emplace_back(info.bytes());
        }
        for (const auto& info : (*network)->outputs()) {
            out.emplace_back(info.bytes());
        }
        for (auto& bytes : in) {
            in_spans.emplace_back(bytes);
        }
        for (auto& bytes : out) {
            out_spans.emplace_back(bytes);
        }
        for (const unsigned threads : {1u, 3u}) {
            const auto workers = make_workers(threads);
            const std::size_t before = allocations;
            for (int i = 0; i < 3; ++i) {
                ASSERT_TRUE((*network)->run(in_spans, out_spans, *workers));
            }
            EXPECT_EQ(allocations - before, 0u) << elem_type_name(type) << " " << threads;
        }
    }
}

TEST(Memory, AChainOfElementwiseNodesRunsInPlace) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {1000});
    std::string last = "x";
    for (int i = 0; i < 10; ++i) {
        const std::string next = "t" + std::to_string(i);
        m.node(i % 2 == 0 ? "Tanh" : "Relu", {last}, {next});
        last = next;
    }
    m.output(last);
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_LT((*network)->arena_bytes(), 2 * 1000 * sizeof(float));
}

TEST(Memory, AValueThatIsReadLaterIsNotOverwritten) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {3});
    m.node("Relu", {"x"}, {"r"});
    m.node("Add", {"r", "x"}, {"s"});  // x still needed after Relu
    m.node("Mul", {"s", "s"}, {"q"});  // both operands the same memory
    m.node("Sub", {"q", "s"}, {"y"});
    m.output("y").output("r");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    const std::vector<float> x{1, -2, 3};
    const auto out = run_bytes(**network, {bytes_of(x)});
    ASSERT_TRUE(out);
    EXPECT_EQ(as_vector<float>((*out)[0]), (std::vector<float>{2, 6, 30}));
    EXPECT_EQ(as_vector<float>((*out)[1]), (std::vector<float>{1, 0, 3}));
}

TEST(Memory, ABroadcastOperandIsNotOverwrittenByAViewOfItself) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {3, 1});
    m.constant<std::int64_t>("flat", {2}, {1, 3});
    m.node("Relu", {"x"}, {"r"});
    m.node("Reshape", {"r", "flat"}, {"v"});
    m.node("Mul", {"r", "v"}, {"y"});  // outer product of the same memory
    m.output("y");
    const std::vector<float> x{1, 2, 3};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (std::vector<float>{1, 2, 3, 2, 4, 6, 3, 6, 9}));
}

TEST(Memory, ViewsRunNoStepAndKeepTheirSourceAlive) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 3});
    m.node("Relu", {"x"}, {"r"});
    m.node("Flatten", {"r"}, {"f"}).attr("axis", 0);
    m.node("Tanh", {"x"}, {"t"});
    m.node("Identity", {"f"}, {"y"});
    m.output("y").output("t");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps().size(), 2u);
    const std::vector<float> x{1, 2, 3, -4, 5, 6};
    const auto out = run_bytes(**network, {bytes_of(x)});
    ASSERT_TRUE(out);
    EXPECT_EQ(as_vector<float>((*out)[0]), (std::vector<float>{1, 2, 3, 0, 5, 6}));
}

TEST(Memory, DeadNodesAreNotRun) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.node("Tanh", {"x"}, {"unused"});
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network);
    EXPECT_EQ((*network)->steps(), (std::vector<std::string>{"Relu:n_Relu"}));
}

TEST(Memory, ThePlanNeverOverlapsWhatLivesTogether) {
    std::uint64_t state = 7;
    const auto random = [&](std::uint64_t n) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 33) % n;
    };
    for (int round = 0; round < 50; ++round) {
        std::vector<Storage> storages(40);
        for (Storage& s : storages) {
            s.bytes = random(5000);
            s.first = static_cast<std::int64_t>(random(30));
            s.last = s.first + static_cast<std::int64_t>(random(10));
        }
        const auto arena = plan_memory(storages);
        ASSERT_TRUE(arena);
        for (std::size_t i = 0; i < storages.size(); ++i) {
            const Storage& a = storages[i];
            EXPECT_EQ(a.offset % 64, 0u);
            EXPECT_LE(a.offset + a.bytes, *arena);
            for (std::size_t j = 0; j < i; ++j) {
                const Storage& b = storages[j];
                const bool together =
                    a.first <= b.last && b.first <= a.last && a.bytes != 0 && b.bytes != 0;
                EXPECT_FALSE(together && a.offset < b.offset + b.bytes &&
                             b.offset < a.offset + a.bytes);
            }
        }
    }
}

/// So many that comparing all pairs would take minutes; in the order of time, so that the check
/// need not compare them either.
TEST(Memory, AMillionPiecesArePlannedInSeconds) {
    constexpr std::size_t kPieces = 1'000'000;
    std::vector<Storage> storages(kPieces);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < kPieces; ++i) {
        const auto step = static_cast<std::int64_t>(i);
        storages[i] = {1 + i * 7919 % 5000, step, step + static_cast<std::int64_t>(i * 31 % 9), 0};
        sum += storages[i].bytes;
    }
    const auto arena = plan_memory(storages);
    ASSERT_TRUE(arena);
    EXPECT_LT(*arena, sum / 1000);
    std::size_t overlaps = 0;
    for (std::size_t i = 0; i < kPieces; ++i) {
        const Storage& a = storages[i];
        ASSERT_LE(a.offset + a.bytes, *arena);
        ASSERT_EQ(a.offset % 64, 0U);
        for (std::size_t j = i + 1; j < kPieces && storages[j].first <= a.last; ++j) {
            const Storage& b = storages[j];
            overlaps += a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes ? 1 : 0;
        }
    }
    EXPECT_EQ(overlaps, 0U);
}

}  // namespace
}  // namespace qaicnet::test
