// SPDX-License-Identifier: Apache-2.0
/// -convert-to-fp16 and -mxfp6-matmul on the graph.
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"
#include "compiler/test/model_builder.hpp"
#include "emu/mx/formats.hpp"
#include "emu/mx/pack.hpp"
#include "emu/mx/quantize.hpp"
#include "emu/net/network.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace qaicc::test {
namespace {

struct Pass {
    explicit Pass(ModelBuilder& builder)
        : lowering{builder.model(), options, "m.onnx", {}, 0, {}, {}} {}
    CompileOptions options;
    Lowering lowering;
};

std::int64_t type_of(const onnx::NodeProto& node) {
    return int_attribute(node, "to", 0);
}

TEST(ConvertToFp16, InputsAndOutputsKeepTheirTypeThroughCasts) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.floats("w", {2}, {1.0F, 2.0F});
    b.node("Add", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(shown(b.graph()), "Cast(x) -> x/fp16; Add(x/fp16, w) -> y/fp16; Cast(y/fp16) -> y");
    EXPECT_EQ(type_of(b.graph().node(0)), kHalf);
    EXPECT_EQ(type_of(b.graph().node(2)), kFloat);
    EXPECT_EQ(find_tensor(b.graph(), "w")->data_type(), kHalf);
    EXPECT_EQ(find_tensor(b.graph(), "w")->raw_data(), std::string("\x00\x3c\x00\x40", 4));
    EXPECT_TRUE(pass.lowering.warnings.empty());
}

TEST(ConvertToFp16, AnOutputThatIsAlsoReadInsideIsConvertedOnce) {
    ModelBuilder b;
    b.input("x", {2}).output("a", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"a"});
    b.node("Tanh", {"a"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(
        shown(b.graph()),
        "Cast(x) -> x/fp16; Relu(x/fp16) -> a/fp16; Tanh(a/fp16) -> y/fp16; Cast(a/fp16) -> a; "
        "Cast(y/fp16) -> y");
}

TEST(ConvertToFp16, CastsInsideAndIntegerEdgesFollow) {
    ModelBuilder b;
    b.input("i", {2}, kInt64).output("y", {2}).output("k", {2}, kInt64);
    set_int(b.node("Cast", {"i"}, {"f"}), "to", kFloat);
    b.node("Relu", {"f"}, {"y"});
    set_int(b.node("Cast", {"f"}, {"k"}), "to", kInt64);
    Pass pass(b);
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(shown(b.graph()), "Cast(i) -> f; Relu(f) -> y/fp16; Cast(f) -> k; Cast(y/fp16) -> y");
    EXPECT_EQ(type_of(b.graph().node(0)), kHalf);
    EXPECT_EQ(type_of(b.graph().node(2)), kInt64);
}

TEST(ConvertToFp16, Float16InputsAreLeftAlone) {
    ModelBuilder b;
    b.input("x", {2}, kHalf).output("y", {2}, kHalf);
    b.node("Relu", {"x"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(shown(b.graph()), "Relu(x) -> y");
}

TEST(ConvertToFp16, NamesThatAreTakenAreNotReused) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"x/fp16"});
    b.node("Relu", {"x/fp16"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(b.graph().node(0).output(0), "x/fp16/2");
    EXPECT_EQ(b.graph().node(1).input(0), "x/fp16/2");
}

TEST(ConvertToFp16, LossesAreWarnedAboutInTheVendorsWords) {
    const std::string small =
        "WARNING: small contains value or values that will underflow after conversion to 16-bit "
        "floating point values.";
    const std::string large =
        "WARNING: large contains value or values that will overflow after conversion to 16-bit "
        "floating point values.";
    ModelBuilder b;
    b.floats("small", {2}, {0x1p-25F, 1.0F}).floats("large", {2}, {65520.0F, -1.0F});
    b.floats("fits", {5},
             {0x1.8p-25F, 0x1p-24F, 65519.0F, std::numeric_limits<float>::infinity(), NAN});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(pass.lowering.warnings, (std::vector<std::string>{small, large}));
    EXPECT_EQ(find_tensor(b.graph(), "large")->raw_data(), std::string("\x00\x7c\x00\xbc", 4));
    EXPECT_EQ(find_tensor(b.graph(), "small")->raw_data(), std::string("\x00\x00\x00\x3c", 4));
}

/// x[2, 32] times a weight, in the ways in which exporters write it.
constexpr int kLength = 32;

std::vector<float> ramp(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(static_cast<int>(i * 7 % 29) - 14) / 8.0F;
    }
    return values;
}

/// The operand as decoded from the MxDequantize node that makes it, row-major in its shape.
std::vector<float> decoded(const onnx::GraphProto& graph, const onnx::NodeProto& node) {
    const auto* payload = find_tensor(graph, node.input(0));
    const auto* scales = find_tensor(graph, node.input(1));
    const auto format = *qaicmx::format_from_name(find_attribute(node, "format")->s());
    const int bits = qaicmx::format_info(format).bits;
    const auto& shape = find_attribute(node, "shape")->ints();
    const auto axis = int_attribute(node, "axis", -1);
    const auto block = static_cast<std::size_t>(int_attribute(node, "block_size", 0));
    std::size_t inner = 1;
    std::size_t total = 1;
    for (int i = 0; i < shape.size(); ++i) {
        inner *= i > axis ? static_cast<std::size_t>(shape[i]) : 1;
        total *= static_cast<std::size_t>(shape[i]);
    }
    const auto length = static_cast<std::size_t>(shape[static_cast<int>(axis)]);
    const std::size_t stride = qaicmx::row_stride_bytes(length, bits);
    const std::size_t blocks = (length + block - 1) / block;
    const std::size_t rows = total / length;
    EXPECT_EQ(payload->raw_data().size(), rows * stride);
    EXPECT_EQ(scales->raw_data().size(), rows * blocks);
    std::vector<float> out(total);
    std::vector<std::uint8_t> codes(length);
    for (std::size_t row = 0; row < rows; ++row) {
        const auto* packed =
            reinterpret_cast<const std::uint8_t*>(payload->raw_data().data()) + row * stride;
        qaicmx::unpack_lsb({packed, stride}, bits, codes);
        for (std::size_t k = 0; k < length; ++k) {
            const auto scale =
                static_cast<std::uint8_t>(scales->raw_data()[row * blocks + k / block]);
            out[row / inner * inner * length + row % inner + k * inner] = static_cast<float>(
                qaicmx::decode_element(format, codes[k]) * qaicmx::decode_e8m0(scale));
        }
    }
    return out;
}

/// What microscaling along `axis` makes of row-major values.
std::vector<float> expected(const std::vector<float>& values, const std::vector<std::int64_t>& dims,
                            int axis) {
    std::vector<float> out(values.size());
    const int axes[] = {axis};
    EXPECT_TRUE(qaicmx::fake_quantize(*qaicmx::profile_by_name("aic100"), values, dims, axes, out));
    return out;
}

TEST(QuantiseMatmulWeights, RightOperandOfMatMulIsBlockedAlongItsRows) {
    ModelBuilder b;
    b.input("x", {2, kLength}).output("y", {2, 3});
    const auto weights = ramp(kLength * 3);
    b.floats("w", {kLength, 3}, weights);
    b.node("MatMul", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(shown(b.graph()),
              "MxDequantize(w/mx_codes, w/mx_scales) -> w/mx; MatMul(x, w/mx) -> y");
    const auto& node = b.graph().node(0);
    EXPECT_EQ(node.domain(), qaicnet::kEmuDomain);
    EXPECT_EQ(find_attribute(node, "format")->s(), "fp6_e2m3");
    EXPECT_EQ(int_attribute(node, "axis", -1), 0);
    EXPECT_EQ(decoded(b.graph(), node), expected(weights, {kLength, 3}, 0));
    EXPECT_EQ(pass.lowering.mx_weights, 1U);
}

TEST(QuantiseMatmulWeights, GemmWithAndWithoutTransBBlocksTheReductionAxis) {
    for (const bool transposed : {false, true}) {
        ModelBuilder b;
        b.input("x", {2, kLength}).output("y", {2, 3});
        const std::vector<std::int64_t> dims = transposed ? std::vector<std::int64_t>{3, kLength}
                                                          : std::vector<std::int64_t>{kLength, 3};
        const auto weights = ramp(kLength * 3);
        b.floats("w", dims, weights).floats("bias", {3}, {0.3F, 0.7F, -0.1F});
        set_int(b.node("Gemm", {"x", "w", "bias"}, {"y"}), "transB", transposed ? 1 : 0);
        Pass pass(b);
        ASSERT_TRUE(collect_constants(pass.lowering));
        ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
        EXPECT_EQ(shown(b.graph()),
                  "MxDequantize(w/mx_codes, w/mx_scales) -> w/mx; Gemm(x, w/mx, bias) -> y");
        EXPECT_EQ(decoded(b.graph(), b.graph().node(0)),
                  expected(weights, dims, transposed ? 1 : 0));
        EXPECT_EQ(find_tensor(b.graph(), "bias")->data_type(), kFloat);
    }
}

TEST(QuantiseMatmulWeights, LeftOperandsAreBlockedAlongTheirLastAxis) {
    for (const bool transposed : {false, true}) {
        ModelBuilder b;
        b.input("x", {kLength, 2}).output("y", {3, 2});
        const auto weights = ramp(kLength * 3);
        const std::vector<std::int64_t> dims = transposed ? std::vector<std::int64_t>{kLength, 3}
                                                          : std::vector<std::int64_t>{3, kLength};
        b.floats("w", dims, weights);
        set_int(b.node("Gemm", {"w", "x"}, {"y"}), "transA", transposed ? 1 : 0);
        Pass pass(b);
        ASSERT_TRUE(collect_constants(pass.lowering));
        ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
        ASSERT_EQ(b.graph().node(0).op_type(), "MxDequantize");
        EXPECT_EQ(decoded(b.graph(), b.graph().node(0)),
                  expected(weights, dims, transposed ? 0 : 1));
    }
}

TEST(QuantiseMatmulWeights, BatchedConstantsAndPartialBlocksKeepTheirShape) {
    constexpr std::int64_t kOdd = 45;  // one whole block and a padded one
    ModelBuilder b;
    b.input("x", {2, 4, kOdd}).output("y", {2, 4, 3});
    const auto weights = ramp(2 * kOdd * 3);
    b.floats("w", {2, kOdd, 3}, weights);
    b.node("MatMul", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    const auto& node = b.graph().node(0);
    EXPECT_EQ(int_attribute(node, "axis", -1), 1);
    const auto* scales = find_tensor(b.graph(), node.input(1));
    ASSERT_EQ(scales->dims_size(), 2);
    EXPECT_EQ(scales->dims(0), 6);
    EXPECT_EQ(scales->dims(1), 2);
    EXPECT_EQ(decoded(b.graph(), node), expected(weights, {2, kOdd, 3}, 1));
}

TEST(QuantiseMatmulWeights, VectorsAreBlockedAlongTheirOnlyAxis) {
    ModelBuilder b;
    b.input("x", {2, kLength}).output("y", {2});
    const auto weights = ramp(kLength);
    b.floats("w", {kLength}, weights);
    b.node("MatMul", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(decoded(b.graph(), b.graph().node(0)), expected(weights, {kLength}, 0));
}

TEST(QuantiseMatmulWeights, ConstantsAreFoundThroughIdentityAndTranspose) {
    ModelBuilder b;
    b.input("x", {5, 2, kLength}).output("y", {5, 2, 3});
    const auto weights = ramp(5 * 3 * kLength);  // [3, 5, 32] seen as [5, 32, 3]
    b.floats("w", {3, 5, kLength}, weights);
    b.node("Identity", {"w"}, {"same"});
    set_ints(b.node("Transpose", {"same"}, {"first"}), "perm", {1, 0, 2});
    set_ints(b.node("Transpose", {"first"}, {"second"}), "perm", {0, 2, 1});
    b.node("MatMul", {"x", "second"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    remove_dead_code(pass.lowering);
    EXPECT_EQ(shown(b.graph()),
              "MxDequantize(w/mx_codes, w/mx_scales) -> w/mx; MatMul(x, w/mx) -> y");
    std::vector<float> seen(weights.size());
    for (std::size_t n = 0; n < 3; ++n) {
        for (std::size_t batch = 0; batch < 5; ++batch) {
            for (std::size_t k = 0; k < kLength; ++k) {
                seen[(batch * kLength + k) * 3 + n] = weights[(n * 5 + batch) * kLength + k];
            }
        }
    }
    EXPECT_EQ(decoded(b.graph(), b.graph().node(0)), expected(seen, {5, kLength, 3}, 1));
    EXPECT_EQ(find_tensor(b.graph(), "w"), nullptr);
}

TEST(QuantiseMatmulWeights, AWeightOfSeveralNodesIsStoredOnceAndOtherUsersKeepTheOriginal) {
    ModelBuilder b;
    b.input("x", {2, kLength}).output("y", {2, 3}).output("z", {2, 3}).output("s", {kLength, 3});
    b.floats("w", {kLength, 3}, ramp(kLength * 3));
    b.node("MatMul", {"x", "w"}, {"y"});
    b.node("MatMul", {"x", "w"}, {"z"});
    b.node("Relu", {"w"}, {"s"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(shown(b.graph()),
              "MxDequantize(w/mx_codes, w/mx_scales) -> w/mx; MatMul(x, w/mx) -> y; MatMul(x, "
              "w/mx) -> z; "
              "Relu(w) -> s");
    EXPECT_EQ(pass.lowering.mx_weights, 1U);
}

TEST(QuantiseMatmulWeights, TiedWeightsUsedBothWaysAreStoredForEachReductionAxis) {
    ModelBuilder b;
    b.input("x", {2, kLength}).input("t", {2, 64}).output("y", {2, 64}).output("z", {2, kLength});
    b.floats("w", {kLength, 64}, ramp(kLength * 64));
    b.node("MatMul", {"x", "w"}, {"y"});
    set_int(b.node("Gemm", {"t", "w"}, {"z"}), "transB", 1);
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(pass.lowering.mx_weights, 2U);
    EXPECT_EQ(int_attribute(b.graph().node(0), "axis", -1), 0);
    EXPECT_EQ(int_attribute(b.graph().node(1), "axis", -1), 1);
}

TEST(QuantiseMatmulWeights, OperandsThatAreNotFloatWeightsStay) {
    ModelBuilder b;
    b.input("x", {2, 4}).input("i", {2, 4}, kInt64).output("y", {2, 2}).output("k", {2, 2}, kInt64);
    b.output("c", {4, 2});
    b.ints("wi", {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    b.floats("a", {4, 4}, ramp(16)).floats("b", {4, 2}, ramp(8));
    b.node("MatMul", {"i", "wi"}, {"k"});
    b.node("MatMul", {"a", "b"}, {"c"});
    b.node("MatMul", {"x", "c"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(find_node(b.graph(), "MxDequantize"), nullptr);
    EXPECT_EQ(pass.lowering.mx_weights, 0U);
}

TEST(QuantiseMatmulWeights, ProfilesWithoutCodesStoreDecodedValuesAndSaySo) {
    for (const char* name : {"none", "aic100-mx6"}) {
        ModelBuilder b;
        b.input("x", {2, kLength}).output("y", {2, 3});
        const auto weights = ramp(kLength * 3);
        b.floats("w", {kLength, 3}, weights);
        b.node("MatMul", {"x", "w"}, {"y"});
        Pass pass(b);
        std::string said;
        pass.options.mx_profile = name;
        pass.options.log = [&said](const std::string& line) { said += line; };
        ASSERT_TRUE(collect_constants(pass.lowering));
        ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
        const std::string stored = std::string("w/") + name;
        EXPECT_EQ(shown(b.graph()), "MatMul(x, " + stored + ") -> y");
        EXPECT_NE(said.find(name), std::string::npos);
        EXPECT_EQ(pass.lowering.mx_weights, 0U);
        std::vector<float> wanted(weights.size());
        const std::int64_t dims[] = {kLength, 3};
        const int axes[] = {0};
        ASSERT_TRUE(
            qaicmx::fake_quantize(*qaicmx::profile_by_name(name), weights, dims, axes, wanted));
        EXPECT_EQ(real_values(*find_tensor(b.graph(), stored)), wanted);
    }
}

TEST(QuantiseMatmulWeights, WeightsBeyondFp16AreWarnedAboutWhenTheyBecomeFp16) {
    for (const bool fp16 : {false, true}) {
        ModelBuilder b;
        b.input("x", {2, kLength}).output("y", {2, 1});
        auto weights = ramp(kLength);
        weights[3] = 65504.0F;  // fits FP16, but the block rounds it to 65536
        b.floats("w", {kLength, 1}, weights);
        b.node("MatMul", {"x", "w"}, {"y"});
        Pass pass(b);
        pass.options.convert_to_fp16 = fp16;
        ASSERT_TRUE(collect_constants(pass.lowering));
        ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
        EXPECT_EQ(pass.lowering.warnings.size(), fp16 ? 1U : 0U);
    }
}

TEST(QuantiseMatmulWeights, OperandsOfFp16ModelsStayFp16AndWidenedOnesAreFloat) {
    for (const bool widened : {false, true}) {
        for (const char* profile : {"aic100", "none"}) {
            ModelBuilder b;
            b.input("x", {1, 2}, widened ? kFloat : kHalf)
                .output("y", {1, 1}, widened ? kFloat : kHalf);
            b.constant("w", {2, 1}, kHalf)
                .set_raw_data(std::string("\x00\x3c\x00\x40", 4));  // 1, 2
            if (widened) {
                set_int(b.node("Cast", {"w"}, {"wide"}), "to", kFloat);
            }
            b.node("MatMul", {"x", widened ? "wide" : "w"}, {"y"});
            Pass pass(b);
            pass.options.mx_profile = profile;
            ASSERT_TRUE(collect_constants(pass.lowering));
            ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
            remove_dead_code(pass.lowering);
            const auto* decoder = find_node(b.graph(), "MxDequantize");
            const std::int64_t made = decoder != nullptr
                                          ? type_of(*decoder)
                                          : find_tensor(b.graph(), "w/none")->data_type();
            EXPECT_EQ(made, widened ? kFloat : kHalf) << profile;
            EXPECT_EQ(find_node(b.graph(), "Cast"), nullptr);
        }
    }
}

TEST(QuantiseMatmulWeights, PermutationsThatAreDamagedAreLeftToTheRunner) {
    for (const std::vector<std::int64_t>& perm : {std::vector<std::int64_t>{0, 0},
                                                  {0},
                                                  {0, 2},
                                                  {-1, 0},
                                                  {(std::int64_t{1} << 32) + 1, 0}}) {
        ModelBuilder b;
        b.input("x", {2, 3}).output("y", {2, 2});
        b.floats("w", {2, 3}, ramp(6));
        set_ints(b.node("Transpose", {"w"}, {"t"}), "perm", perm);
        b.node("MatMul", {"x", "t"}, {"y"});
        Pass pass(b);
        ASSERT_TRUE(collect_constants(pass.lowering));
        ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
        EXPECT_EQ(shown(b.graph()), "Transpose(w) -> t; MatMul(x, t) -> y");
    }
}

TEST(QuantiseMatmulWeights, WithFp16TheDecoderMakesFp16) {
    ModelBuilder b;
    b.input("x", {2, kLength}).output("y", {2, 3});
    b.floats("w", {kLength, 3}, ramp(kLength * 3));
    b.node("MatMul", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(quantise_matmul_weights(pass.lowering));
    EXPECT_EQ(type_of(*find_node(b.graph(), "MxDequantize")), kFloat);
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    EXPECT_EQ(type_of(*find_node(b.graph(), "MxDequantize")), kHalf);
}

}  // namespace
}  // namespace qaicc::test
