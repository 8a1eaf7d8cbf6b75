// SPDX-License-Identifier: Apache-2.0
/// What -convert-to-fp16 does beyond one rounding for each node: operands that stay FLOAT,
/// branches, means.
#include "compiler/compile_model.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/test/model_builder.hpp"
#include "emu/net/network.hpp"

#include <gtest/gtest.h>

namespace qaicc::test {
namespace {

struct Pass {
    explicit Pass(ModelBuilder& builder)
        : lowering{builder.model(), options, "m.onnx", {}, 0, {}, {}} {}
    CompileOptions options;
    Lowering lowering;
};

void convert(ModelBuilder& b) {
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(convert_to_fp16(pass.lowering));
    round_means_once(pass.lowering);
    EXPECT_TRUE(pass.lowering.warnings.empty());
}

std::int32_t type_of(ModelBuilder& b, const std::string& name) {
    const auto* tensor = find_tensor(b.graph(), name);
    return tensor == nullptr ? -1 : tensor->data_type();
}

TEST(Fp16Operands, StatisticsAndFactorsStayFloat) {
    ModelBuilder b;
    b.input("x", {1, 1, 2, 2}).output("y", {1, 1, 4, 4});
    b.floats("scale", {1}, {1}).floats("bias", {1}, {2}).floats("mean", {1}, {1e5F});
    b.floats("variance", {1}, {1e9F}).floats("sizes", {4}, {1, 1, 2, 2});
    b.node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"n"});
    b.node("Resize", {"n", "", "sizes"}, {"y"});
    convert(b);
    for (const char* name : {"scale", "bias", "mean", "variance", "sizes"}) {
        EXPECT_EQ(type_of(b, name), kFloat) << name;
    }
}

ModelBuilder quantised() {
    ModelBuilder b;
    b.input("x", {2, 4}).output("y", {2, 4}).floats("scale", {}, {0.1F});
    b.constant("zero", {}, onnx::TensorProto::UINT8).mutable_int32_data()->Add(3);
    b.node("Relu", {"x"}, {"a"});
    b.node("QuantizeLinear", {"a", "scale", "zero"}, {"q"});
    b.node("DequantizeLinear", {"q", "scale", "zero"}, {"d"});
    b.node("Relu", {"d"}, {"y"});
    return b;
}

TEST(Fp16Operands, ScalesOfQuantisedNumbersStayFloat) {
    ModelBuilder b = quantised();
    convert(b);
    EXPECT_EQ(type_of(b, "scale"), kFloat);
    EXPECT_EQ(shown(b.graph()),
              "Cast(x) -> x/fp16; Relu(x/fp16) -> a; Cast(a) -> a/float; "
              "QuantizeLinear(a/float, scale, zero) -> q; "
              "DequantizeLinear(q, scale, zero) -> d/float; Cast(d/float) -> d; "
              "Relu(d) -> y/fp16; Cast(y/fp16) -> y");
}

TEST(Fp16Operands, AScaleThatIsDataElsewhereIsThereTwice) {
    ModelBuilder b = quantised();
    b.graph().mutable_node(3)->set_op_type("Mul");
    b.graph().mutable_node(3)->add_input("scale");
    convert(b);
    EXPECT_EQ(type_of(b, "scale"), kHalf);
    EXPECT_EQ(type_of(b, "scale/float"), kFloat);
}

TEST(Fp16Operands, SumsOfIntegersReachTheirScaleInFloat) {
    ModelBuilder b;
    b.input("x", {2, 4}).output("y", {2, 4}).floats("weight scale", {}, {1e-4F});
    b.constant("w", {4, 4}, onnx::TensorProto::UINT8).mutable_int32_data()->Resize(16, 255);
    b.node("DynamicQuantizeLinear", {"x"}, {"q", "range", "zero"});
    b.node("MatMulInteger", {"q", "w", "zero"}, {"sums"});
    auto& cast = b.node("Cast", {"sums"}, {"wide"});
    set_int(cast, "to", onnx::TensorProto::FLOAT);
    b.node("Mul", {"range", "weight scale"}, {"scale"});
    b.node("Mul", {"wide", "scale"}, {"product"});
    b.node("Relu", {"product"}, {"y"});
    convert(b);
    const std::string text = shown(b.graph());
    EXPECT_EQ(type_of(b, "weight scale"), kFloat);
    EXPECT_NE(text.find("Mul(range/float, weight scale) -> scale/float"), std::string::npos)
        << text;
    EXPECT_NE(text.find("Mul(wide/float, scale/float) -> product/float"), std::string::npos)
        << text;
    EXPECT_NE(text.find("Cast(product/float) -> product; Relu(product)"), std::string::npos)
        << text;
    CompileOptions options;
    options.convert_to_fp16 = true;
    EXPECT_TRUE(compile_model_bytes(quantised().bytes(), "m.onnx", options));
}

TEST(Fp16Operands, ThoseThatAreDataElsewhereAreConvertedWithTheirPartner) {
    ModelBuilder b;
    b.input("x", {1, 1, 2}).output("y", {1, 1, 2});
    b.floats("scale", {1}, {1}).floats("bias", {1}, {2}).floats("mean", {1}, {1});
    b.floats("variance", {1}, {1});
    b.node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"n"});
    b.node("Add", {"n", "bias"}, {"y"});
    convert(b);
    EXPECT_EQ(type_of(b, "bias"), kHalf);
    EXPECT_EQ(type_of(b, "scale"), kHalf);
    EXPECT_EQ(type_of(b, "mean"), kFloat);
    EXPECT_EQ(type_of(b, "variance"), kFloat);
}

TEST(Fp16Operands, ConstantOfShapeWithoutAValueFillsWithFp16) {
    ModelBuilder b;
    b.output("y", {2}).ints("shape", {1}, {2});
    b.node("ConstantOfShape", {"shape"}, {"y"});
    convert(b);
    const auto* node = find_node(b.graph(), "ConstantOfShape");
    ASSERT_EQ(node->attribute_size(), 1);
    EXPECT_EQ(node->attribute(0).t().data_type(), kHalf);
}

/// Half of the length of x, in floating point: what exporters write for a resizing by a factor.
ModelBuilder half_length() {
    ModelBuilder b;
    b.input("x", {4099}).floats("half", {}, {0.5F});
    b.ints("zero", {1}, {0});
    b.node("Shape", {"x"}, {"n"});
    set_int(b.node("Cast", {"n"}, {"f"}), "to", kFloat);
    b.node("Mul", {"f", "half"}, {"scaled"});
    b.node("Floor", {"scaled"}, {"floor"});
    set_int(b.node("Cast", {"floor"}, {"end"}), "to", kInt64);
    b.node("Slice", {"x", "zero", "end"}, {"part"});
    return b;
}

std::int64_t cast_to(ModelBuilder& b, const std::string& result) {
    for (const auto& node : b.graph().node()) {
        if (node.op_type() == "Cast" && node.output(0) == result) {
            return int_attribute(node, "to", 0);
        }
    }
    return -1;
}

TEST(Fp16Sizes, AreComputedInFp32) {
    ModelBuilder b = half_length();
    b.node("Relu", {"part"}, {"y"});
    b.output("y", {2049});
    convert(b);
    EXPECT_EQ(cast_to(b, "f"), kFloat);
    EXPECT_EQ(type_of(b, "half"), kFloat);
    const auto network = qaicnet::Network::load(b.model(), {});
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->outputs()[0].dims, std::vector<std::int64_t>{2049});
}

TEST(Fp16Sizes, AConstantThatIsDataTooIsCopied) {
    ModelBuilder b = half_length();
    b.node("Mul", {"part", "half"}, {"y"});
    b.output("y", {2049});
    convert(b);
    EXPECT_EQ(type_of(b, "half"), kHalf);
    EXPECT_EQ(type_of(b, "half/size"), kFloat);
    EXPECT_NE(shown(b.graph()).find("Mul(f, half/size) -> scaled"), std::string::npos);
}

TEST(Fp16Sizes, ThatMeetDataAreFp16) {
    ModelBuilder b = half_length();
    b.node("Mul", {"part", "scaled"}, {"y"});
    b.output("y", {2049});
    convert(b);
    EXPECT_EQ(cast_to(b, "f"), kHalf);
    EXPECT_EQ(type_of(b, "half"), kHalf);
    EXPECT_EQ(find_tensor(b.graph(), "half/size"), nullptr);
}

/// An If on the input "c" whose branches read the input "x" and constants of their own.
ModelBuilder branches() {
    ModelBuilder b;
    b.input("x", {2}).input("c", {}, onnx::TensorProto::BOOL).output("y", {2});
    auto& node = b.node("If", {"c"}, {"y"});
    for (const char* name : {"then_branch", "else_branch"}) {
        ModelBuilder inner;
        inner.floats("w", {1}, {name[0] == 't' ? 2.0F : 3.0F});
        auto& constant = inner.node("Constant", {}, {"one"});
        auto& value = *constant.add_attribute();
        value.set_name("value_float");
        value.set_type(onnx::AttributeProto::FLOAT);
        value.set_f(1);
        inner.node("Mul", {"x", "w"}, {"product"});
        inner.node("Add", {"product", "one"}, {"result"});
        inner.output("result", {2});
        auto& branch = *node.add_attribute();
        branch.set_name(name);
        branch.set_type(onnx::AttributeProto::GRAPH);
        *branch.mutable_g() = inner.graph();
    }
    return b;
}

TEST(Fp16Branches, AreConvertedWithWhatTheyReadFromOutside) {
    ModelBuilder b = branches();
    convert(b);
    EXPECT_EQ(shown(b.graph()), "Cast(x) -> x/fp16; If(c) -> y/fp16; Cast(y/fp16) -> y");
    for (const auto& attribute : b.graph().node(1).attribute()) {
        EXPECT_EQ(shown(attribute.g()), "Mul(x/fp16, w) -> product; Add(product, one) -> result");
        EXPECT_EQ(find_tensor(attribute.g(), "w")->data_type(), kHalf);
        EXPECT_EQ(find_tensor(attribute.g(), "one")->data_type(), kHalf);
        EXPECT_EQ(attribute.g().output(0).type().tensor_type().elem_type(), kHalf);
    }
}

TEST(Fp16Branches, NamesOfTheirOwnAreNotThoseOfTheGraphAround) {
    ModelBuilder b = branches();
    auto& graph = *b.graph().mutable_node(0)->mutable_attribute(0)->mutable_g();
    graph.mutable_initializer(0)->set_name("x");  // hides the input
    convert(b);
    EXPECT_EQ(graph.node(0).input(0), "x");
}

TEST(Fp16Branches, CompileInBothPrecisions) {
    const ModelBuilder b = branches();
    for (const bool half : {false, true}) {
        CompileOptions options;
        options.convert_to_fp16 = half;
        const auto program = compile_model_bytes(b.bytes(), "m.onnx", options);
        EXPECT_TRUE(program) << program.error().message;
    }
}

ModelBuilder mean(const std::string& op_type, float factor, bool constant_first = false) {
    ModelBuilder b;
    b.input("x", {2, 4}).output("y", {2, 1}).ints("axes", {1}, {1}).floats("f", {}, {factor});
    b.node("ReduceSum", {"x", "axes"}, {"s"});
    b.node(op_type,
           constant_first ? std::vector<std::string>{"f", "s"} : std::vector<std::string>{"s", "f"},
           {"y"});
    return b;
}

TEST(RoundMeansOnce, TheSumIsRoundedAfterTheDivision) {
    for (const auto& [op_type, factor] : {std::pair{"Mul", 0.25F}, std::pair{"Div", 4.0F}}) {
        ModelBuilder b = mean(op_type, factor);
        convert(b);
        EXPECT_EQ(shown(b.graph()),
                  "Cast(x) -> x/fp16; Cast(x/fp16) -> x/fp16/fp32; "
                  "ReduceSum(x/fp16/fp32, axes) -> s/fp32; Cast(f) -> f/fp32; " +
                      std::string(op_type) +
                      "(s/fp32, f/fp32) -> y/fp16/fp32; Cast(y/fp16/fp32) -> y/fp16; "
                      "Cast(y/fp16) -> y");
    }
    ModelBuilder b = mean("Mul", 0.25F, true);
    convert(b);
    EXPECT_NE(shown(b.graph()).find("Mul(f/fp32, s/fp32)"), std::string::npos);
}

TEST(RoundMeansOnce, OtherSumsStay) {
    ModelBuilder larger = mean("Mul", 2.0F);
    ModelBuilder inverse = mean("Div", 4.0F, true);
    ModelBuilder also_read = mean("Mul", 0.25F);
    also_read.output("s", {2, 1});
    for (ModelBuilder* b : {&larger, &inverse, &also_read}) {
        convert(*b);
        EXPECT_EQ(shown(b->graph()).find("fp32"), std::string::npos) << shown(b->graph());
    }
}

}  // namespace
}  // namespace qaicc::test
