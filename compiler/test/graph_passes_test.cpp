// SPDX-License-Identifier: Apache-2.0
/// The passes that change a graph's structure: outputs, constants, functions, dead code, shapes,
/// texts, placement.
#include "compiler/passes/passes.hpp"
#include "compiler/test/model_builder.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace qaicc::test {
namespace {

using qaicrt::Errc;

struct Pass {
    explicit Pass(ModelBuilder& builder)
        : lowering{builder.model(), options, "m.onnx", {}, 0, {}, {}} {}
    CompileOptions options;
    Lowering lowering;
};

ModelBuilder chain() {
    ModelBuilder b;
    b.input("x", {2, 3}).output("y", {2, 3});
    b.node("Relu", {"x"}, {"a"});
    b.node("Tanh", {"a"}, {"b"});
    b.node("Sigmoid", {"b"}, {"y"});
    return b;
}

TEST(SelectOutputs, WithoutNamesTheGraphStays) {
    ModelBuilder b = chain();
    Pass pass(b);
    ASSERT_TRUE(select_outputs(pass.lowering));
    ASSERT_EQ(b.graph().output_size(), 1);
    EXPECT_EQ(b.graph().output(0).name(), "y");
}

TEST(SelectOutputs, ChoosesTensorsAndNodesInTheOrderGiven) {
    ModelBuilder b = chain();
    Pass pass(b);
    pass.options.output_names = {"b", "node_a"};
    ASSERT_TRUE(select_outputs(pass.lowering));
    ASSERT_EQ(b.graph().output_size(), 2);
    EXPECT_EQ(b.graph().output(0).name(), "b");
    EXPECT_EQ(b.graph().output(1).name(), "a");
}

TEST(SelectOutputs, AnUnknownNameIsRefusedWithTheNamesThatExist) {
    ModelBuilder b = chain();
    Pass pass(b);
    pass.options.output_names = {"z"};
    const auto result = select_outputs(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kNotFound);
    EXPECT_NE(result.error().message.find("'z'"), std::string::npos);
    EXPECT_NE(result.error().message.find("'y'"), std::string::npos);
}

TEST(SelectOutputs, ANameGivenTwiceIsRefused) {
    ModelBuilder b = chain();
    Pass pass(b);
    pass.options.output_names = {"b", "node_b"};
    EXPECT_FALSE(select_outputs(pass.lowering));
}

TEST(RemoveDeadCode, KeepsWhatTheOutputsNeedAndAllInputs) {
    ModelBuilder b = chain();
    b.input("unused", {1});
    b.floats("w", {1}, {1.0F});
    b.floats("dead", {1}, {1.0F});
    b.node("Add", {"dead", "b"}, {"c"});
    b.node("Add", {"w", "x"}, {"d"});
    Pass pass(b);
    pass.options.output_names = {"d"};
    ASSERT_TRUE(select_outputs(pass.lowering));
    remove_dead_code(pass.lowering);
    EXPECT_EQ(shown(b.graph()), "Add(w, x) -> d");
    ASSERT_EQ(b.graph().initializer_size(), 1);
    EXPECT_EQ(b.graph().initializer(0).name(), "w");
    EXPECT_EQ(b.graph().input_size(), 2);
}

TEST(RemoveDeadCode, ACycleEndsIt) {
    ModelBuilder b;
    b.output("y", {1});
    b.node("Add", {"a", "y"}, {"y"});
    b.node("Add", {"y", "a"}, {"a"});
    Pass pass(b);
    remove_dead_code(pass.lowering);
    EXPECT_EQ(b.graph().node_size(), 2);
}

TEST(CollectConstants, ConstantNodesOfEveryFormBecomeInitializers) {
    ModelBuilder b(13);
    b.input("x", {2}).output("y", {2});
    auto* value = b.node("Constant", {}, {"t"}).add_attribute();
    value->set_name("value");
    value->set_type(onnx::AttributeProto::TENSOR);
    value->mutable_t()->set_data_type(kFloat);
    value->mutable_t()->add_dims(2);
    value->mutable_t()->add_float_data(1.5F);
    value->mutable_t()->add_float_data(-2.0F);
    auto* one = b.node("Constant", {}, {"f"}).add_attribute();
    one->set_name("value_float");
    one->set_f(0.25F);
    auto* many = b.node("Constant", {}, {"i"}).add_attribute();
    many->set_name("value_ints");
    many->add_ints(7);
    many->add_ints(-1);
    b.node("Add", {"x", "t"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    EXPECT_EQ(shown(b.graph()), "Add(x, t) -> y");
    const float expected[] = {1.5F, -2.0F};
    ASSERT_NE(find_tensor(b.graph(), "t"), nullptr);
    EXPECT_EQ(find_tensor(b.graph(), "t")->raw_data(),
              std::string(reinterpret_cast<const char*>(expected), sizeof(expected)));
    EXPECT_EQ(find_tensor(b.graph(), "f")->dims_size(), 0);
    EXPECT_EQ(find_tensor(b.graph(), "f")->raw_data().size(), 4U);
    EXPECT_EQ(find_tensor(b.graph(), "i")->raw_data().size(), 16U);
}

TEST(CollectConstants, AConstantThatIsAnOutputStaysANode) {
    ModelBuilder b(13);
    b.output("c", {});
    auto* value = b.node("Constant", {}, {"c"}).add_attribute();
    value->set_name("value_float");
    value->set_f(1.0F);
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    EXPECT_EQ(b.graph().node_size(), 1);
}

TEST(CollectConstants, InitializersLeaveTheInputs) {
    ModelBuilder b(7, 3);
    b.input("x", {2}).input("w", {2}).output("y", {2});
    b.floats("w", {2}, {1.0F, 2.0F});
    b.node("Add", {"x", "w"}, {"y"});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_EQ(b.graph().input_size(), 1);
    EXPECT_EQ(b.graph().input(0).name(), "x");
}

TEST(CollectConstants, NarrowTypesInWideFieldsAreNarrowed) {
    ModelBuilder b;
    auto& half = b.constant("h", {2}, kHalf);
    half.add_int32_data(0x3c00);
    half.add_int32_data(0xc000);
    auto& flags = b.constant("flags", {3}, onnx::TensorProto::BOOL);
    for (const int flag : {1, 0, 1}) {
        flags.add_int32_data(flag);
    }
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    EXPECT_EQ(find_tensor(b.graph(), "h")->raw_data(), std::string("\x00\x3c\x00\xc0", 4));
    EXPECT_EQ(find_tensor(b.graph(), "flags")->raw_data(), std::string("\x01\x00\x01", 3));
}

TEST(CollectConstants, DamagedTensorsAreRefusedByName) {
    for (const std::int64_t dim : {std::int64_t{-1}, std::int64_t{3}, std::int64_t{1} << 62}) {
        ModelBuilder b;
        b.floats("weights", {dim}, {1.0F, 2.0F});
        Pass pass(b);
        const auto result = collect_constants(pass.lowering);
        ASSERT_FALSE(result) << dim;
        EXPECT_EQ(result.error().code, Errc::kFormat);
        EXPECT_NE(result.error().message.find("'weights'"), std::string::npos);
    }
}

TEST(CollectConstants, SparseInitializersAreRefused) {
    ModelBuilder b;
    b.graph().add_sparse_initializer()->mutable_values()->set_name("s");
    Pass pass(b);
    const auto result = collect_constants(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kUnsupported);
}

TEST(BindShapes, SymbolsBindInputsAndOutputs) {
    ModelBuilder b;
    b.input("x", {"batch", "seq", 4}).input("m", {"seq"}).output("y", {"batch", 4});
    Pass pass(b);
    pass.options.symbols = {{"batch", 2}, {"seq", 16}};
    ASSERT_TRUE(bind_shapes(pass.lowering));
    const auto& x = b.graph().input(0).type().tensor_type().shape();
    EXPECT_EQ(x.dim(0).dim_value(), 2);
    EXPECT_EQ(x.dim(1).dim_value(), 16);
    EXPECT_EQ(b.graph().input(1).type().tensor_type().shape().dim(0).dim_value(), 16);
    EXPECT_EQ(b.graph().output(0).type().tensor_type().shape().dim(0).dim_value(), 2);
    EXPECT_TRUE(pass.lowering.warnings.empty());
}

TEST(BindShapes, EveryOpenSymbolIsNamedWithTheOptionThatBindsIt) {
    ModelBuilder b;
    b.input("x", {"batch", "seq"}).input("m", {"seq"}).output("y", {1});
    Pass pass(b);
    const auto result = bind_shapes(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kInvalidArgument);
    EXPECT_NE(
        result.error().message.find("-onnx-define-symbol=batch,INT -onnx-define-symbol=seq,INT"),
        std::string::npos)
        << result.error().message;
}

TEST(BindShapes, ASymbolThatTheModelDoesNotHaveIsWarnedAbout) {
    ModelBuilder b;
    b.input("x", {1}).output("y", {1});
    Pass pass(b);
    pass.options.symbols = {{"batch", 2}};
    ASSERT_TRUE(bind_shapes(pass.lowering));
    ASSERT_EQ(pass.lowering.warnings.size(), 1U);
    EXPECT_NE(pass.lowering.warnings[0].find("'batch'"), std::string::npos);
}

TEST(BindShapes, BatchsizeReplacesTheLeadingDimensionOfEveryInput) {
    for (const Dim& old : {Dim{std::int64_t{1}}, Dim{std::string("batch")}, Dim{std::string()}}) {
        ModelBuilder b;
        b.input("x", {old, 4}).input("z", {old, 5}).input("scalar", {}).output("y", {old, 4});
        Pass pass(b);
        pass.options.batch_size = 8;
        const auto result = bind_shapes(pass.lowering);
        ASSERT_TRUE(result) << result.error().message;
        EXPECT_EQ(b.graph().input(0).type().tensor_type().shape().dim(0).dim_value(), 8);
        EXPECT_EQ(b.graph().input(1).type().tensor_type().shape().dim(0).dim_value(), 8);
        EXPECT_EQ(b.graph().output(0).type().tensor_type().shape().dim(0).dim_value(), 8);
    }
}

TEST(BindShapes, BatchsizeBindsItsSymbolElsewhereToo) {
    ModelBuilder b;
    b.input("x", {"n", 4}).input("z", {"n", "n"}).output("y", {"n"});
    Pass pass(b);
    pass.options.batch_size = 3;
    ASSERT_TRUE(bind_shapes(pass.lowering));
    EXPECT_EQ(b.graph().input(1).type().tensor_type().shape().dim(1).dim_value(), 3);
}

TEST(BindShapes, BatchsizeRefusesInputsWithDifferentLeadingDimensions) {
    ModelBuilder b;
    b.input("ids", {"batch", 4}).input("table", {100, 4}).output("y", {1});
    Pass pass(b);
    pass.options.batch_size = 3;
    const auto result = bind_shapes(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("'ids'"), std::string::npos);
    EXPECT_NE(result.error().message.find("'table'"), std::string::npos);
}

TEST(BindShapes, BatchsizeAndASymbolThatContradictAreRefused) {
    ModelBuilder b;
    b.input("x", {"batch"}).output("y", {"batch"});
    Pass pass(b);
    pass.options.batch_size = 3;
    pass.options.symbols = {{"batch", 4}};
    EXPECT_FALSE(bind_shapes(pass.lowering));
}

TEST(BindShapes, DimensionsWithoutASizeOrANameAreRefused) {
    for (const Dim& dim : {Dim{std::string()}, Dim{std::int64_t{-1}}, Dim{std::int64_t{0}}}) {
        ModelBuilder b;
        b.input("x", {1, dim}).output("y", {1});
        Pass pass(b);
        const auto result = bind_shapes(pass.lowering);
        ASSERT_FALSE(result);
        EXPECT_NE(result.error().message.find("'x'"), std::string::npos);
    }
}

TEST(BindShapes, AShapeBindsWhatNoSymbolCould) {
    const Dim unset{std::string()};
    const Dim negative{std::int64_t{-1}};
    ModelBuilder b;
    b.input("x", {negative, 3, "?", "?"}).input("state", {2, unset, 128}).input("n", {"n"});
    b.output("y", {negative, "other"});
    Pass pass(b);
    pass.options.input_shapes = {{"x", {1, 3, 48, 192}}, {"state", {2, 1, 128}}};
    pass.options.symbols = {{"n", 5}};
    const auto result = bind_shapes(pass.lowering);
    ASSERT_TRUE(result) << result.error().message;
    const auto& x = b.graph().input(0).type().tensor_type().shape();
    EXPECT_EQ(x.dim(0).dim_value(), 1);
    EXPECT_EQ(x.dim(2).dim_value(), 48);
    EXPECT_EQ(x.dim(3).dim_value(), 192);
    EXPECT_EQ(b.graph().input(1).type().tensor_type().shape().dim(1).dim_value(), 1);
    EXPECT_EQ(b.graph().input(2).type().tensor_type().shape().dim(0).dim_value(), 5);
}

TEST(BindShapes, AShapeGivesARankAndWinsOverASymbol) {
    ModelBuilder b;
    b.input("x", {}).input("z", {"n", "n"}).output("y", {1});
    b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    Pass pass(b);
    pass.options.input_shapes = {{"x", {4, 5}}, {"z", {1, 2}}};
    pass.options.symbols = {{"n", 7}};
    ASSERT_TRUE(bind_shapes(pass.lowering));
    EXPECT_EQ(b.graph().input(0).type().tensor_type().shape().dim(1).dim_value(), 5);
    EXPECT_EQ(b.graph().input(1).type().tensor_type().shape().dim(1).dim_value(), 2);
}

TEST(BindShapes, AShapeThatContradictsTheModelIsRefused) {
    ModelBuilder b;
    b.input("x", {"n", 3}).input("z", {"n"}).output("y", {1});
    const auto refusal = [&](const std::string& name, const std::vector<std::int64_t>& dims,
                             std::optional<std::int64_t> batch = {}) {
        ModelBuilder copy = b;
        Pass pass(copy);
        pass.options.input_shapes = {{name, dims}};
        pass.options.batch_size = batch;
        const auto result = bind_shapes(pass.lowering);
        EXPECT_FALSE(result);
        return result ? std::string() : result.error().message;
    };
    EXPECT_EQ(refusal("x", {1, 4}),
              "-input-shape=x,1x4 contradicts the input 'x' of m.onnx, "
              "whose dimension 1 is fixed to 3: give 3 there.");
    EXPECT_EQ(refusal("x", {1, 3, 1}),
              "-input-shape=x,1x3x1 gives 3 dimensions, but the input 'x' of m.onnx has 2.");
    EXPECT_EQ(refusal("data", {1}),
              "-input-shape=data,1: m.onnx has no input 'data'; its inputs are 'x', 'z'.");
    EXPECT_NE(refusal("x", {1, 3}, 4).find("-batchsize"), std::string::npos);
}

TEST(BindShapes, WhatIsOpenIsShownAsTheShapeToGive) {
    const auto refusal = [](const std::vector<Dim>& dims) {
        ModelBuilder b;
        b.input("x", dims).output("y", {1});
        Pass pass(b);
        const auto result = bind_shapes(pass.lowering);
        EXPECT_FALSE(result);
        return result ? std::string() : result.error().message;
    };
    EXPECT_NE(refusal({"n", 3, "?"}).find(", or -input-shape=x,INTx3xINT."), std::string::npos);
    EXPECT_NE(refusal({2, Dim{std::string()}}).find("give -input-shape=x,2xINT."),
              std::string::npos);
}

TEST(InlineFunctions, ABodyReplacesItsCallWithNamesAndAttributesBound) {
    ModelBuilder b;
    b.input("x", {2, 3}).output("y", {3, 2});
    auto& function = *b.model().add_functions();
    function.set_name("Swap");
    function.set_domain("local");
    function.add_input("a");
    function.add_output("r");
    function.add_attribute("order");
    auto& relu = *function.add_node();
    relu.set_op_type("Relu");
    relu.add_input("a");
    relu.add_output("t");
    auto& transpose = *function.add_node();
    transpose.set_op_type("Transpose");
    transpose.add_input("t");
    transpose.add_output("r");
    auto* perm = transpose.add_attribute();
    perm->set_name("perm");
    perm->set_ref_attr_name("order");
    auto& call = b.node("Swap", {"x"}, {"y"});
    call.set_domain("local");
    set_ints(call, "order", {1, 0});
    Pass pass(b);
    ASSERT_TRUE(inline_functions(pass.lowering));
    EXPECT_EQ(shown(b.graph()), "Relu(x) -> node_y/t; Transpose(node_y/t) -> y");
    const auto* bound = find_attribute(b.graph().node(1), "perm");
    ASSERT_NE(bound, nullptr);
    EXPECT_EQ(bound->ints_size(), 2);
    EXPECT_EQ(b.model().functions_size(), 0);
}

TEST(InlineFunctions, FunctionsThatCallThemselvesAreRefused) {
    ModelBuilder b;
    b.input("x", {1}).output("y", {1});
    auto& function = *b.model().add_functions();
    function.set_name("F");
    function.set_domain("local");
    function.add_input("a");
    function.add_output("r");
    for (int i = 0; i < 2; ++i) {
        auto& node = *function.add_node();
        node.set_op_type("F");
        node.set_domain("local");
        node.add_input("a");
        node.add_output("r");
    }
    b.node("F", {"x"}, {"y"}).set_domain("local");
    Pass pass(b);
    const auto result = inline_functions(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kFormat);
}

TEST(StripText, TextsGoAndTensorNamesStay) {
    ModelBuilder b = chain();
    b.model().set_doc_string("about");
    b.graph().set_doc_string("about");
    b.graph().mutable_node(0)->set_doc_string("stack trace");
    b.graph().mutable_input(0)->set_doc_string("image");
    b.model().add_metadata_props()->set_key("k");
    b.model().GetReflection()->MutableUnknownFields(&b.model())->AddVarint(900, 1);
    Pass pass(b);
    strip_text(pass.lowering);
    EXPECT_FALSE(b.model().has_doc_string());
    EXPECT_FALSE(b.graph().node(0).has_doc_string());
    EXPECT_FALSE(b.graph().input(0).has_doc_string());
    EXPECT_EQ(b.model().metadata_props_size(), 0);
    EXPECT_TRUE(b.model().GetReflection()->GetUnknownFields(b.model()).empty());
    EXPECT_EQ(shown(b.graph()), "Relu(x) -> a; Tanh(a) -> b; Sigmoid(b) -> y");
}

TEST(MoveConstants, WeightsMoveTo64ByteBoundariesAndShapesStay) {
    ModelBuilder b;
    b.floats("w1", {3}, {1.0F, 2.0F, 3.0F}).ints("shape", {2}, {3, 1}).floats("w2", {1}, {4.0F});
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    ASSERT_TRUE(move_constants(pass.lowering));
    const auto* second = find_tensor(b.graph(), "w2");
    ASSERT_EQ(second->data_location(), onnx::TensorProto::EXTERNAL);
    ASSERT_EQ(second->external_data_size(), 3);
    EXPECT_EQ(second->external_data(0).value(), "constants.bin");
    EXPECT_EQ(second->external_data(1).value(), "64");
    EXPECT_EQ(second->external_data(2).value(), "4");
    EXPECT_FALSE(second->has_raw_data());
    EXPECT_EQ(find_tensor(b.graph(), "shape")->raw_data().size(), 16U);
    ASSERT_EQ(pass.lowering.constants.size(), 128U);
    float stored = 0;
    std::memcpy(&stored, pass.lowering.constants.data() + 64, sizeof(stored));
    EXPECT_EQ(stored, 4.0F);
}

TEST(MoveConstants, ATypeThatCannotBeComputedWithIsRefusedByName) {
    ModelBuilder b;
    b.constant("w", {1}, onnx::TensorProto::BFLOAT16).set_raw_data(std::string(2, '\0'));
    Pass pass(b);
    ASSERT_TRUE(collect_constants(pass.lowering));
    const auto result = move_constants(pass.lowering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kUnsupported);
    EXPECT_NE(result.error().message.find("BFLOAT16"), std::string::npos);
}

}  // namespace
}  // namespace qaicc::test
