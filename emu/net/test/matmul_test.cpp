// SPDX-License-Identifier: Apache-2.0
/// Products: the documented order of summation bit for bit, FP16 rounding points, shapes.
#include "emu/net/matmul_kernel.hpp"
#include "emu/net/test/model_builder.hpp"

#include <cmath>
#include <limits>

namespace qaicnet::test {
namespace {

/// Values whose sums depend on the order: magnitudes over many binades.
std::vector<float> values(std::size_t count, std::uint64_t seed) {
    std::vector<float> out(count);
    for (float& x : out) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const float mantissa =
            static_cast<float>(static_cast<std::int32_t>(seed >> 40) - (1 << 23)) / (1 << 23);
        x = std::ldexp(mantissa, static_cast<int>(seed >> 33 & 7) - 4);
    }
    return out;
}

/// The order as docs/design/net.md states it.
float documented_dot(const float* a, const float* b, std::size_t stride, std::size_t k) {
    float sum = 0;
    for (std::size_t block = 0; block < k; block += 32) {
        float part = 0;
        for (std::size_t i = block; i < std::min(block + 32, k); ++i) {
            const float product = a[i] * b[i * stride];
            part = part + product;
        }
        sum = sum + part;
    }
    return sum;
}

/// The same order with fused multiply-adds, as FLOAT has it.
float fused_dot(const float* a, const float* b, std::size_t stride, std::size_t k) {
    float sum = 0;
    for (std::size_t block = 0; block < k; block += 32) {
        float part = 0;
        for (std::size_t i = block; i < std::min(block + 32, k); ++i) {
            part = std::fma(a[i], b[i * stride], part);
        }
        sum = sum + part;
    }
    return sum;
}

TEST(MatMulOrder, EveryTileShapeFollowsTheReference) {
    for (const std::size_t k : {0u, 1u, 31u, 32u, 33u, 64u, 100u, 257u}) {
        const auto a = values(kTileRows * (k + 3), 1);
        const auto panel = values(k * kPanelColumns, 2);
        for (std::size_t rows = 1; rows <= kTileRows; ++rows) {
            std::vector<float> fast(kTileRows * kPanelColumns, -1);
            auto plain = fast;
            multiply_tile(a.data(), k + 3, rows, k, panel.data(), fast.data());
            multiply_tile_reference(a.data(), k + 3, rows, k, panel.data(), plain.data());
            EXPECT_EQ(std::memcmp(fast.data(), plain.data(), fast.size() * sizeof(float)), 0)
                << k << " " << rows;
        }
    }
}

TEST(MatMulOrder, MatMulAndGemmFollowItBitForBit) {
    for (const auto& [m, n, k] : {std::tuple<std::size_t, std::size_t, std::size_t>{1, 1, 1},
                                  {1, 17, 40},
                                  {5, 16, 33},
                                  {9, 47, 96},
                                  {70, 130, 65}}) {
        const auto a = values(m * k, 3);
        const auto b = values(k * n, 4);
        std::vector<float> expected(m * n);
        for (std::size_t i = 0; i < m * n; ++i) {
            expected[i] = fused_dot(&a[i / n * k], &b[i % n], n, k);
        }
        const Dims a_dims{static_cast<std::int64_t>(m), static_cast<std::int64_t>(k)};
        const Dims b_dims{static_cast<std::int64_t>(k), static_cast<std::int64_t>(n)};
        ModelBuilder constant;
        constant.input("a", ElemType::kFloat, a_dims);
        constant.constant<float>("b", b_dims, b);
        constant.node("MatMul", {"a", "b"}, {"y"});
        constant.output("y");
        EXPECT_EQ(run<float>(constant, {bytes_of(a)}), expected);
        ModelBuilder dynamic;
        dynamic.input("a", ElemType::kFloat, a_dims);
        dynamic.input("b", ElemType::kFloat, b_dims);
        dynamic.node("MatMul", {"a", "b"}, {"y"});
        dynamic.output("y");
        EXPECT_EQ(run<float>(dynamic, {bytes_of(a), bytes_of(b)}), expected);
        ModelBuilder gemm;
        gemm.input("a", ElemType::kFloat, a_dims);
        gemm.input("b", ElemType::kFloat, b_dims);
        gemm.node("Transpose", {"a"}, {"at"});
        gemm.node("Transpose", {"b"}, {"bt"});
        gemm.node("Gemm", {"at", "bt"}, {"y"}).attr("transA", 1).attr("transB", 1);
        gemm.output("y");
        EXPECT_EQ(run<float>(gemm, {bytes_of(a), bytes_of(b)}), expected);
    }
}

std::vector<Half> halves(const std::vector<float>& floats) {
    std::vector<Half> out(floats.size());
    narrow(floats.data(), out.data(), floats.size());
    return out;
}

std::vector<float> floats(const std::vector<Half>& in) {
    std::vector<float> out(in.size());
    widen(in.data(), out.data(), in.size());
    return out;
}

TEST(Fp16, ProductsHaveTheCardsOrderBitForBit) {
    const std::size_t m = 9;
    const std::size_t n = 47;
    const std::size_t k = 96;
    const auto a = halves(values(m * k, 3));
    const auto b = halves(values(k * n, 4));
    const auto wide_a = floats(a);
    const auto wide_b = floats(b);
    std::vector<float> expected(m * n);
    for (std::size_t i = 0; i < m * n; ++i) {
        expected[i] = documented_dot(&wide_a[i / n * k], &wide_b[i % n], n, k);
    }
    ModelBuilder model;
    model.input("a", ElemType::kFloat16, {m, k});
    model.constant<Half>("b", {k, n}, b);
    model.node("MatMul", {"a", "b"}, {"y"});
    model.output("y");
    EXPECT_EQ(floats(run<Half>(model, {bytes_of(a)})), floats(halves(expected)));
}

TEST(Fp16, AProductIsSummedInFp32AndRoundedOnce) {
    // 2048 + 1 + 1 is 2050 in FP32; an FP16 running sum would stay at 2048.
    ModelBuilder m;
    m.input("a", ElemType::kFloat16, {1, 3});
    m.constant<Half>("b", {3, 1}, halves({1, 1, 1}));
    m.node("MatMul", {"a", "b"}, {"y"});
    m.output("y");
    const auto a = halves({2048, 1, 1});
    EXPECT_EQ(floats(run<Half>(m, {bytes_of(a)})), (std::vector<float>{2050}));
}

TEST(Fp16, GemmRoundsTheProductTheFactorAndTheSumSeparately) {
    // Product 2049 ties to 2048 before C is added: 2048 + 1 = 2049, which ties to 2048 again.
    // One rounding at the end would give 2050.
    ModelBuilder m;
    m.input("a", ElemType::kFloat16, {1, 2});
    m.constant<Half>("b", {2, 1}, halves({1, 1}));
    m.constant<Half>("c", {1}, halves({1}));
    m.node("Gemm", {"a", "b", "c"}, {"y"});
    m.output("y");
    const auto a = halves({2048, 1});
    EXPECT_EQ(floats(run<Half>(m, {bytes_of(a)})), (std::vector<float>{2048}));
    // alpha is a step of its own: (2049 -> 2048) * 0.75 = 1536; without that rounding 1536.75 ->
    // 1537.
    m.model.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
    NodeBuilder(m.model.mutable_graph()->mutable_node(0)).attr("alpha", 0.75f);
    EXPECT_EQ(floats(run<Half>(m, {bytes_of(a)})), (std::vector<float>{1536}));
}

TEST(Fp16, ElementwiseResultsAreRoundedPerNode) {
    ModelBuilder m;
    m.input("a", ElemType::kFloat16, {2});
    m.constant<Half>("one", {}, halves({1}));
    m.node("Add", {"a", "one"}, {"t"});
    m.node("Add", {"t", "one"}, {"y"});
    m.output("y");
    const auto a = halves({2048, 65504});
    EXPECT_EQ(floats(run<Half>(m, {bytes_of(a)})), (std::vector<float>{2048, 65504}));
}

TEST(Fp16, OverflowBecomesInfinity) {
    ModelBuilder m;
    m.input("a", ElemType::kFloat16, {2});
    m.node("Mul", {"a", "a"}, {"y"});
    m.output("y");
    const auto a = halves({300, -200});
    const auto y = floats(run<Half>(m, {bytes_of(a)}));
    EXPECT_TRUE(std::isinf(y[0]));
    EXPECT_EQ(y[1], 40000);
}

TEST(MatMulShapes, VectorsAndBatchesBroadcastAsInNumpy) {
    struct Case {
        Dims a, b, y;
    };
    const std::vector<Case> cases = {{{3}, {3}, {}},
                                     {{3}, {3, 2}, {2}},
                                     {{2, 3}, {3}, {2}},
                                     {{4, 2, 3}, {3}, {4, 2}},
                                     {{3}, {4, 3, 2}, {4, 2}},
                                     {{4, 2, 3}, {3, 5}, {4, 2, 5}},
                                     {{2, 3}, {4, 3, 5}, {4, 2, 5}},
                                     {{4, 1, 2, 3}, {6, 3, 5}, {4, 6, 2, 5}},
                                     {{0, 3}, {3, 2}, {0, 2}},
                                     {{2, 0}, {0, 2}, {2, 2}}};
    for (const Case& c : cases) {
        ModelBuilder m;
        m.input("a", ElemType::kFloat, c.a);
        m.input("b", ElemType::kFloat, c.b);
        m.node("MatMul", {"a", "b"}, {"y"});
        m.output("y");
        auto network = load(m);
        ASSERT_TRUE(network) << network.error().message;
        EXPECT_EQ((*network)->outputs()[0].dims, c.y);
        const std::vector<float> a((*network)->inputs()[0].bytes() / 4, 1.0f);
        const std::vector<float> b((*network)->inputs()[1].bytes() / 4, 2.0f);
        const auto out = run_bytes(**network, {bytes_of(a), bytes_of(b)});
        ASSERT_TRUE(out);
        for (const float y : as_vector<float>((*out)[0])) {
            EXPECT_EQ(y, c.a.back() == 0 ? 0.0f : 6.0f);
        }
    }
}

TEST(MatMulShapes, EachBatchMultipliesItsOwnMatrices) {
    ModelBuilder m;
    m.input("a", ElemType::kFloat, {2, 1, 1, 2});
    m.input("b", ElemType::kFloat, {3, 2, 1});
    m.node("MatMul", {"a", "b"}, {"y"});
    m.output("y");
    const std::vector<float> a{1, 10, 2, 20};
    const std::vector<float> b{1, 1, 2, 2, 3, 4};
    EXPECT_EQ(run<float>(m, {bytes_of(a), bytes_of(b)}),
              (std::vector<float>{11, 22, 43, 22, 44, 86}));
}

TEST(MatMulShapes, IntegersWrapAndGemmBroadcastsC) {
    ModelBuilder m;
    m.input("a", ElemType::kInt32, {1, 2});
    m.constant<std::int32_t>("b", {2, 2}, {1 << 30, 1, 1 << 30, 1});
    m.constant<std::int32_t>("c", {1, 1}, {5});
    m.node("Gemm", {"a", "b", "c"}, {"y"}).attr("beta", 2.0f);
    m.output("y");
    const std::vector<std::int32_t> a{1, 1};
    EXPECT_EQ(run<std::int32_t>(m, {bytes_of(a)}),
              (std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::min() + 10, 12}));
}

}  // namespace
}  // namespace qaicnet::test
