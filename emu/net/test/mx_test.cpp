// SPDX-License-Identifier: Apache-2.0
/// MxDequantize against the scalar reference in emu/mx.
#include "emu/mx/pack.hpp"
#include "emu/mx/quantize.hpp"
#include "emu/net/test/model_builder.hpp"

#include <cmath>

namespace qaicnet::test {
namespace {

struct Packed {
    std::vector<std::uint8_t> payload, scales;
    std::vector<float> decoded;  ///< rows of `length`, as the reference decodes them
};

Packed quantise(const qaicmx::Profile& profile, const std::vector<float>& rows, std::size_t count,
                std::size_t length) {
    const auto codes = qaicmx::quantize_rows(profile, rows, count, length);
    EXPECT_TRUE(codes);
    Packed packed;
    packed.scales = codes->scales;
    const int bits = qaicmx::format_info(profile.format).bits;
    const std::size_t stride = qaicmx::row_stride_bytes(length, bits);
    const std::size_t block =
        profile.block_size == 0 ? length : static_cast<std::size_t>(profile.block_size);
    const std::size_t blocks = (length + block - 1) / block;
    packed.payload.resize(count * stride);
    for (std::size_t r = 0; r < count; ++r) {
        const auto row = std::span(codes->codes).subspan(r * length, length);
        qaicmx::pack_lsb(
            row, bits,
            std::span(packed.payload).subspan(r * stride, qaicmx::packed_bytes(length, bits)));
        for (std::size_t k = 0; k < length; ++k) {
            packed.decoded.push_back(
                qaicmx::dequantize(profile, row[k], codes->scales[r * blocks + k / block]));
        }
    }
    return packed;
}

/// y = MxDequantize(payload, scales) of `shape` along `axis`.
ModelBuilder mx_model(const Packed& packed, const qaicmx::Profile& profile, const Dims& shape,
                      int axis, std::int64_t blocks, ElemType to) {
    ModelBuilder m;
    m.import_domain(kEmuDomain, 1);
    m.constant<std::uint8_t>("payload", {static_cast<std::int64_t>(packed.payload.size())},
                             packed.payload);
    m.constant<std::uint8_t>("scales",
                             {static_cast<std::int64_t>(packed.scales.size()) / blocks, blocks},
                             packed.scales);
    auto node = m.node("MxDequantize", {"payload", "scales"}, {"y"}, "weights");
    node.proto()->set_domain(kEmuDomain);
    node.attr("format", std::string(qaicmx::format_info(profile.format).name).c_str())
        .attr("block_size", profile.block_size)
        .attr("axis", axis)
        .attr("shape", shape)
        .attr("to", static_cast<std::int64_t>(to))
        .attr("fp16_overflow", profile.fp16_overflow_saturates ? "saturate" : "inf");
    m.output("y");
    return m;
}

std::vector<float> samples(std::size_t count) {
    std::vector<float> out(count);
    std::uint64_t state = 99;
    for (float& x : out) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const float mantissa =
            static_cast<float>(static_cast<std::int32_t>(state >> 40) - (1 << 23)) / (1 << 23);
        x = std::ldexp(mantissa, static_cast<int>(state >> 33 & 15) - 10);
    }
    return out;
}

TEST(Mx, EveryFormatDecodesAsTheReference) {
    for (const auto format : {qaicmx::ElementFormat::kE2M3, qaicmx::ElementFormat::kE3M2,
                              qaicmx::ElementFormat::kE2M1, qaicmx::ElementFormat::kE4M3,
                              qaicmx::ElementFormat::kE5M2, qaicmx::ElementFormat::kInt8}) {
        for (const std::size_t length : {1u, 32u, 70u}) {
            auto profile = qaicmx::profile_by_name("ocp").value();
            profile.format = format;
            const Packed packed = quantise(profile, samples(3 * length), 3, length);
            const auto m =
                mx_model(packed, profile, {3, static_cast<std::int64_t>(length)}, -1,
                         static_cast<std::int64_t>((length + 31) / 32), ElemType::kFloat);
            EXPECT_EQ(run<float>(m, {}), packed.decoded)
                << static_cast<int>(format) << " " << length;
        }
    }
}

TEST(Mx, TheReductionAxisMayBeAnyAxis) {
    const auto profile = qaicmx::profile_by_name("aic100").value();
    const std::size_t k = 40;
    const Packed packed = quantise(profile, samples(6 * k), 6, k);
    // shape [2, 40, 3], axis 1: row (i, j) is y[i, :, j].
    const auto m =
        mx_model(packed, profile, {2, static_cast<std::int64_t>(k), 3}, 1, 2, ElemType::kFloat16);
    const auto y = run<Half>(m, {});
    ASSERT_EQ(y.size(), 6 * k);
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t e = 0; e < k; ++e) {
            for (std::size_t j = 0; j < 3; ++j) {
                EXPECT_EQ(half_to_float(y[(i * k + e) * 3 + j]),
                          packed.decoded[(i * 3 + j) * k + e]);
            }
        }
    }
}

TEST(Mx, Fp16OverflowIsInfinityOrTheLargestNumber) {
    auto profile = qaicmx::profile_by_name("ocp").value();
    Packed packed = quantise(profile, std::vector<float>(32, 1.0f), 1, 32);
    packed.scales[0] = 150;
    for (const bool saturate : {false, true}) {
        profile.fp16_overflow_saturates = saturate;
        const auto y = run<Half>(mx_model(packed, profile, {1, 32}, 1, 1, ElemType::kFloat16), {});
        EXPECT_EQ(y[0].bits, saturate ? 0x7bff : 0x7c00);
    }
}

TEST(Mx, ItIsDecodedAtLoad) {
    const auto profile = qaicmx::profile_by_name("aic100").value();
    const Packed packed = quantise(profile, samples(64), 2, 32);
    ModelBuilder m = mx_model(packed, profile, {2, 32}, 1, 1, ElemType::kFloat16);
    m.input("x", ElemType::kFloat16, {1, 32});
    m.node("Gemm", {"x", "y"}, {"z"}, "fc").attr("transB", 1);
    m.output("z");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps(), (std::vector<std::string>{"Gemm:fc"}));
}

/// Elsewhere FLOAT products are not rounded before they are added; here they are.
TEST(Mx, ProductsWithDecodedWeightsHaveTheCardsOrder) {
    const auto profile = qaicmx::profile_by_name("aic100").value();
    const std::size_t k = 96;
    const Packed packed = quantise(profile, samples(5 * k), 5, k);
    ModelBuilder m = mx_model(packed, profile, {5, static_cast<std::int64_t>(k)}, 1,
                              static_cast<std::int64_t>(k / 32), ElemType::kFloat);
    m.model.mutable_graph()->clear_output();
    m.input("x", ElemType::kFloat, {3, static_cast<std::int64_t>(k)});
    m.node("Transpose", {"y"}, {"t"});
    m.node("MatMul", {"x", "t"}, {"z"});
    m.output("z");
    const auto x = samples(3 * k);
    std::vector<float> expected(3 * 5, 0.0F);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        for (std::size_t block = 0; block < k; block += 32) {
            float part = 0;
            for (std::size_t e = block; e < block + 32; ++e) {
                const float product = x[i / 5 * k + e] * packed.decoded[i % 5 * k + e];
                part += product;
            }
            expected[i] += part;
        }
    }
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), expected);
}

TEST(Mx, SizesThatDoNotFitAndUnknownFormatsAreRefused) {
    const auto profile = qaicmx::profile_by_name("aic100").value();
    Packed packed = quantise(profile, samples(64), 2, 32);
    EXPECT_EQ(load_error(mx_model(packed, profile, {2, 32}, 1, 1, ElemType::kFloat)), "");
    EXPECT_NE(
        load_error(mx_model(packed, profile, {3, 32}, 1, 1, ElemType::kFloat)).find("'weights'"),
        std::string::npos);
    EXPECT_NE(load_error(mx_model(packed, profile, {2, 33}, 1, 1, ElemType::kFloat)), "");
    EXPECT_NE(load_error(mx_model(packed, profile, {2, 32}, 2, 1, ElemType::kFloat)), "");
    EXPECT_NE(load_error(mx_model(packed, profile, {INT64_MAX, INT64_MAX}, 1, 1, ElemType::kFloat)),
              "");
    EXPECT_NE(load_error(mx_model(packed, profile, {1, INT64_MAX}, 1, 1, ElemType::kFloat)), "");
    EXPECT_NE(load_error(mx_model(packed, profile, {2, 32}, 1, 1, ElemType::kInt8)).find("'to'"),
              std::string::npos);
    ModelBuilder m = mx_model(packed, profile, {2, 32}, 1, 1, ElemType::kFloat);
    for (auto& attribute : *m.model.mutable_graph()->mutable_node(0)->mutable_attribute()) {
        if (attribute.name() == "format") {
            attribute.set_s("fp7");
        }
    }
    EXPECT_NE(load_error(m).find("'fp7'"), std::string::npos);
}

}  // namespace
}  // namespace qaicnet::test
