// SPDX-License-Identifier: Apache-2.0
/// Element arithmetic at its edges: FP16 conversion, integer division, casts, NaN and Inf.
#include "emu/mx/formats.hpp"
#include "emu/net/test/model_builder.hpp"

#include <cmath>
#include <limits>

namespace qaicnet::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Half, EveryCodeWidensAsTheReferenceDoes) {
    std::vector<Half> codes(65536);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i].bits = static_cast<std::uint16_t>(i);
    }
    std::vector<float> bulk(codes.size());
    widen(codes.data(), bulk.data(), codes.size());
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const auto expected = std::bit_cast<std::uint32_t>(qaicmx::fp16_to_fp32(codes[i].bits));
        ASSERT_EQ(std::bit_cast<std::uint32_t>(half_to_float(codes[i])), expected) << i;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(bulk[i]), expected) << i;
    }
}

TEST(Half, NarrowingAgreesWithTheReferenceAroundEveryBoundary) {
    std::vector<float> inputs{0.0f,  -0.0f,     kInf,  -kInf, kNan,
                              65504, 65519.99f, 65520, 1e30f, 1e-30f};
    for (std::uint32_t code = 0; code < 0x7c00; ++code) {
        const auto low =
            std::bit_cast<std::uint32_t>(half_to_float({static_cast<std::uint16_t>(code)}));
        const auto high =
            std::bit_cast<std::uint32_t>(half_to_float({static_cast<std::uint16_t>(code + 1)}));
        const float middle =
            (std::bit_cast<float>(low) + (code == 0x7bff ? 65536.0f : std::bit_cast<float>(high))) /
            2;
        const auto tie = std::bit_cast<std::uint32_t>(middle);
        for (const std::uint32_t bits : {low, tie - 1, tie, tie + 1}) {
            inputs.push_back(std::bit_cast<float>(bits));
            inputs.push_back(-std::bit_cast<float>(bits));
        }
    }
    std::vector<Half> bulk(inputs.size());
    narrow(inputs.data(), bulk.data(), inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::uint16_t expected = qaicmx::fp32_to_fp16(inputs[i]);
        ASSERT_EQ(float_to_half(inputs[i]).bits, expected) << inputs[i];
        ASSERT_EQ(bulk[i].bits, expected) << inputs[i];
        ASSERT_EQ(double_to_half(inputs[i]).bits, expected) << inputs[i];
    }
}

TEST(Half, DoublesAreRoundedOnce) {
    // 1 + 2^-11 is a tie for FP16; a little more or less must not be lost in FP32.
    EXPECT_EQ(double_to_half(1 + std::ldexp(1.0, -11)).bits, 0x3c00);
    EXPECT_EQ(double_to_half(1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40)).bits, 0x3c01);
    EXPECT_EQ(double_to_half(1 + 3 * std::ldexp(1.0, -11) - std::ldexp(1.0, -40)).bits, 0x3c01);
    EXPECT_EQ(double_to_half(-1 - std::ldexp(1.0, -11) - std::ldexp(1.0, -40)).bits, 0xbc01);
    EXPECT_EQ(double_to_half(1e300).bits, 0x7c00);
    EXPECT_EQ(double_to_half(1e-300).bits, 0x0000);
}

template <class T>
std::vector<T> binary(const std::string& op, const std::vector<T>& a, const std::vector<T>& b) {
    ModelBuilder m;
    m.input("a", elem_type_of<T>(), {static_cast<std::int64_t>(a.size())});
    m.input("b", elem_type_of<T>(), {static_cast<std::int64_t>(b.size())});
    m.node(op, {"a", "b"}, {"y"});
    m.output("y");
    return run<T>(m, {bytes_of(a), bytes_of(b)});
}

template <class T>
void check_integer_division() {
    using Limits = std::numeric_limits<T>;
    const T minus_one = static_cast<T>(-1);
    const std::vector<T> a{7, static_cast<T>(-7), Limits::min(), Limits::max(), 5, 0};
    const std::vector<T> b{2, 2, minus_one, 1, 0, 0};
    const auto y = binary<T>("Div", a, b);
    EXPECT_EQ(y[0], 3);
    EXPECT_EQ(y[1], static_cast<T>(a[1] / 2));
    EXPECT_EQ(y[2], Limits::min());  // wraps for signed types, 0 / max for unsigned ones
    EXPECT_EQ(y[3], Limits::max());
    EXPECT_EQ(y[4], 0);
    EXPECT_EQ(y[5], 0);
}

TEST(Integers, DivisionTruncatesAndNeverTraps) {
    check_integer_division<std::int8_t>();
    check_integer_division<std::int16_t>();
    check_integer_division<std::int32_t>();
    check_integer_division<std::int64_t>();
    check_integer_division<std::uint8_t>();
    check_integer_division<std::uint16_t>();
    check_integer_division<std::uint32_t>();
    check_integer_division<std::uint64_t>();
}

TEST(Integers, ArithmeticWrapsAround) {
    EXPECT_EQ(binary<std::int8_t>("Add", {127}, {1}), (std::vector<std::int8_t>{-128}));
    EXPECT_EQ(binary<std::uint8_t>("Sub", {0}, {1}), (std::vector<std::uint8_t>{255}));
    EXPECT_EQ(binary<std::uint16_t>("Mul", {65535}, {65535}), (std::vector<std::uint16_t>{1}));
    EXPECT_EQ(binary<std::int64_t>("Mul", {std::numeric_limits<std::int64_t>::min()}, {-1}),
              (std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()}));
}

TEST(Integers, FloatDivisionByZeroFollowsIeee) {
    const auto y = binary<float>("Div", {1, -1, 0}, {0, 0, 0});
    EXPECT_EQ(y[0], kInf);
    EXPECT_EQ(y[1], -kInf);
    EXPECT_TRUE(std::isnan(y[2]));
}

template <class To, class From>
std::vector<To> cast(const std::vector<From>& x) {
    ModelBuilder m;
    m.input("x", elem_type_of<From>(), {static_cast<std::int64_t>(x.size())});
    m.node("Cast", {"x"}, {"y"}).attr("to", static_cast<std::int64_t>(elem_type_of<To>()));
    m.output("y");
    return run<To>(m, {bytes_of(x)});
}

TEST(Cast, FloatsTruncateTowardZero) {
    EXPECT_EQ((cast<std::int32_t, float>({1.9f, -1.9f, 0.5f, -0.5f})),
              (std::vector<std::int32_t>{1, -1, 0, 0}));
    EXPECT_EQ((cast<std::uint64_t, double>({1e19})),
              (std::vector<std::uint64_t>{10'000'000'000'000'000'000u}));
}

TEST(Cast, WhatHasNoValueIsDefinedAsOnX86) {
    constexpr auto kMin32 = std::numeric_limits<std::int32_t>::min();
    constexpr auto kMin64 = std::numeric_limits<std::int64_t>::min();
    EXPECT_EQ((cast<std::int32_t, float>({kNan, kInf, -kInf, 3e9f})),
              (std::vector<std::int32_t>{kMin32, kMin32, kMin32, kMin32}));
    EXPECT_EQ((cast<std::int64_t, float>({kNan, 1e20f})),
              (std::vector<std::int64_t>{kMin64, kMin64}));
    EXPECT_EQ((cast<std::int8_t, float>({kNan, kInf, 300, -129})),
              (std::vector<std::int8_t>{0, 0, 44, 127}));
    EXPECT_EQ((cast<std::uint8_t, float>({-1, 300})), (std::vector<std::uint8_t>{255, 44}));
    EXPECT_EQ((cast<std::uint32_t, float>({-1, 4e9f})),
              (std::vector<std::uint32_t>{4'294'967'295u, 4'000'000'000u}));
}

TEST(Cast, IntegersKeepTheirLowBitsAndHalvesRoundOnce) {
    EXPECT_EQ((cast<std::int8_t, std::int32_t>({300, -129})), (std::vector<std::int8_t>{44, 127}));
    EXPECT_EQ((cast<Half, std::int32_t>({2049, 70000}))[0].bits, float_to_half(2048).bits);
    EXPECT_EQ((cast<Half, std::int32_t>({2049, 70000}))[1].bits, 0x7c00);
    EXPECT_EQ((cast<Half, double>({1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40)}))[0].bits,
              0x3c01);
}

TEST(Cast, BooleansAreZeroOrOneWhateverTheBytes) {
    ModelBuilder m;
    m.input("x", ElemType::kBool, {3});
    m.node("Cast", {"x"}, {"y"}).attr("to", 1);
    m.output("y");
    const std::vector<std::uint8_t> x{0, 1, 200};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (std::vector<float>{0, 1, 1}));
    ModelBuilder back;
    back.input("x", ElemType::kFloat, {4});
    back.node("Cast", {"x"}, {"y"}).attr("to", 9);
    back.output("y");
    auto network = load(back);
    ASSERT_TRUE(network);
    const std::vector<float> f{0.0f, -0.0f, 0.25f, kNan};
    const auto y = run_bytes(**network, {bytes_of(f)});
    ASSERT_TRUE(y);
    EXPECT_EQ(as_vector<std::uint8_t>((*y)[0]), (std::vector<std::uint8_t>{0, 0, 1, 1}));
}

std::vector<float> unary(const std::string& op, const std::vector<float>& x) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {static_cast<std::int64_t>(x.size())});
    m.node(op, {"x"}, {"y"});
    m.output("y");
    return run<float>(m, {bytes_of(x)});
}

TEST(Activation, NanAndInfinityFollowOnnxruntime) {
    const std::vector<float> x{kNan, kInf, -kInf, -0.0f};
    const auto relu = unary("Relu", x);
    EXPECT_TRUE(std::isnan(relu[0]));
    EXPECT_EQ(relu[1], kInf);
    EXPECT_EQ(relu[2], 0);
    EXPECT_TRUE(std::signbit(relu[3]));
    const auto sigmoid = unary("Sigmoid", x);
    EXPECT_TRUE(std::isnan(sigmoid[0]));
    EXPECT_EQ(sigmoid[1], 1);
    EXPECT_EQ(sigmoid[2], 0);
    EXPECT_EQ(sigmoid[3], 0.5f);
    const auto tanh = unary("Tanh", x);
    EXPECT_TRUE(std::isnan(tanh[0]));
    EXPECT_EQ(tanh[1], 1);
    EXPECT_EQ(tanh[2], -1);
}

TEST(Activation, ClipLetsTheUpperLimitWinAndIgnoresNanLimits) {
    const auto clip = [](float low, float high) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {4});
        m.constant<float>("low", {}, {low});
        m.constant<float>("high", {}, {high});
        m.node("Clip", {"x", "low", "high"}, {"y"});
        m.output("y");
        const std::vector<float> x{-10, 0, 10, kNan};
        return run<float>(m, {bytes_of(x)});
    };
    const auto crossed = clip(5, -2);
    EXPECT_EQ(crossed[0], -2);
    EXPECT_EQ(crossed[2], -2);
    EXPECT_TRUE(std::isnan(crossed[3]));
    const auto open = clip(kNan, 5);
    EXPECT_EQ(open[0], -10);
    EXPECT_EQ(open[2], 5);
}

TEST(Activation, SoftmaxIsStableAndPropagatesNan) {
    const auto y = unary("Softmax", {1000, 1000, -kInf});
    EXPECT_EQ(y[0], 0.5f);
    EXPECT_EQ(y[2], 0);
    for (const float v : unary("Softmax", {1, kNan, 2})) {
        EXPECT_TRUE(std::isnan(v));
    }
}

TEST(RunErrors, AGatherIndexOutOfRangeNamesNodeIndexAndRange) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {3, 2});
    m.input("i", ElemType::kInt64, {2});
    m.node("Gather", {"x", "i"}, {"y"}, "embedding");
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network);
    const std::vector<float> x{0, 1, 2, 3, 4, 5};
    std::vector<std::int64_t> index{-1, 0};
    auto good = run_bytes(**network, {bytes_of(x), bytes_of(index)});
    ASSERT_TRUE(good);
    EXPECT_EQ(as_vector<float>((*good)[0]), (std::vector<float>{4, 5, 0, 1}));
    for (const std::int64_t bad :
         {std::int64_t{3}, std::int64_t{-4}, std::numeric_limits<std::int64_t>::min()}) {
        index[1] = bad;
        const auto out = run_bytes(**network, {bytes_of(x), bytes_of(index)});
        ASSERT_FALSE(out);
        EXPECT_EQ(out.error().code, qaicrt::Errc::kInvalidArgument);
        for (const std::string& word :
             {std::string("'embedding'"), std::to_string(bad), std::string("[-3, 2]")}) {
            EXPECT_NE(out.error().message.find(word), std::string::npos) << out.error().message;
        }
    }
}

TEST(RunErrors, WrongBufferSizesAreNamed) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {3});
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network);
    const std::vector<float> x{1, 2};
    const auto out = run_bytes(**network, {bytes_of(x)});
    ASSERT_FALSE(out);
    EXPECT_NE(out.error().message.find("input 'x' takes 12 bytes"), std::string::npos)
        << out.error().message;
    EXPECT_NE(run_bytes(**network, {}).error().message.find("1 inputs"), std::string::npos);
}

}  // namespace
}  // namespace qaicnet::test
