// SPDX-License-Identifier: Apache-2.0
/// What load() refuses, and that its sentence names the place and the cause.
#include "emu/net/test/model_builder.hpp"

namespace qaicnet::test {
namespace {

/// A model that loads: y = Relu(x), x FLOAT [2].
ModelBuilder relu_model(std::int64_t opset = 17) {
    ModelBuilder m(opset);
    m.input("x", ElemType::kFloat, {2});
    m.node("Relu", {"x"}, {"y"}, "act");
    m.output("y");
    return m;
}

void expect_error(const ModelBuilder& m, qaicrt::Errc code, const std::vector<std::string>& words,
                  const LoadOptions& options = {}) {
    const auto network = load(m, options);
    ASSERT_FALSE(network);
    EXPECT_EQ(network.error().code, code) << network.error().message;
    for (const std::string& word : words) {
        EXPECT_NE(network.error().message.find(word), std::string::npos)
            << "'" << word << "' is missing in: " << network.error().message;
    }
    EXPECT_EQ(network.error().message.find('\n'), std::string::npos);
}

using qaicrt::Errc;

TEST(LoadErrors, AnOpsetOutsideTheRangeNamesTheRange) {
    EXPECT_EQ(load_error(relu_model(7)), "");
    EXPECT_EQ(load_error(relu_model(28)), "");
    expect_error(relu_model(6), Errc::kUnsupported, {"the model's 6", "Relu", "version_converter"});
    expect_error(relu_model(0), Errc::kUnsupported, {"opset 0", "1 to 28"});
    expect_error(relu_model(29), Errc::kUnsupported, {"opset 29", "1 to 28"});
}

TEST(LoadErrors, AMissingOperatorSetIsNamed) {
    ModelBuilder m = relu_model();
    m.model.clear_opset_import();
    expect_error(m, Errc::kFormat, {"'act'", "Relu", "does not import"});
}

TEST(LoadErrors, TheDomainAiOnnxIsTheDefaultDomain) {
    ModelBuilder m = relu_model();
    m.model.mutable_opset_import(0)->set_domain("ai.onnx");
    EXPECT_EQ(load_error(m), "");
}

TEST(LoadErrors, EveryUnsupportedOperatorIsNamedWithItsCount) {
    ModelBuilder m = relu_model();
    m.import_domain("com.example", 1);
    m.node("Wiggle", {"y"}, {"a"}, "w1").proto()->set_domain("com.example");
    m.node("Wiggle", {"a"}, {"b"}, "w2").proto()->set_domain("com.example");
    m.node("NoSuchOp", {"b"}, {"c"}, "n1");
    expect_error(m, Errc::kUnsupported, {"com.example.Wiggle x2", "NoSuchOp x1", "'n1'"});
    const auto unsupported = find_unsupported(m.model);
    ASSERT_EQ(unsupported.size(), 2u);
    EXPECT_EQ(unsupported[0].op_type, "NoSuchOp");
    EXPECT_EQ(unsupported[1].names, (std::vector<std::string>{"w1", "w2"}));
    EXPECT_EQ(unsupported[1].count, 2u);
}

TEST(LoadErrors, ASubgraphAttributeIsRefusedByName) {
    ModelBuilder m = relu_model();
    auto* attribute = m.model.mutable_graph()->mutable_node(0)->add_attribute();
    attribute->set_name("body");
    attribute->set_type(onnx::AttributeProto::GRAPH);
    attribute->mutable_g()->set_name("inner");
    expect_error(m, Errc::kUnsupported, {"Relu", "'body'", "subgraph"});
}

TEST(LoadErrors, AnAttributeThatTheOperatorLacksIsRefused) {
    ModelBuilder m = relu_model();
    m.model.mutable_graph()->mutable_node(0)->add_attribute()->set_name("alpha");
    expect_error(m, Errc::kUnsupported, {"'act'", "'alpha'"});
}

TEST(LoadErrors, AnAttributeOfTheWrongTypeIsRefused) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 2});
    m.node("Flatten", {"x"}, {"y"}).attr("axis", "one");
    m.output("y");
    expect_error(m, Errc::kFormat, {"'axis'", "STRING", "INT"});
}

TEST(LoadErrors, AnOpenDimensionNamesInputAxisSymbolAndTheFlag) {
    ModelBuilder m;
    auto* shape = m.input("x", ElemType::kFloat, {2});
    shape->add_dim()->set_dim_param("seq");
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    expect_error(m, Errc::kInvalidArgument,
                 {"'x'", "axis 1", "'seq'", "-onnx-define-symbol=seq,VALUE"});
    LoadOptions bound;
    bound.symbols = {{"seq", 5}};
    const auto network = load(m, bound);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->inputs()[0].dims, (Dims{2, 5}));
    EXPECT_EQ((*network)->outputs()[0].dims, (Dims{2, 5}));
    bound.symbols = {{"seq", -1}};
    expect_error(m, Errc::kInvalidArgument, {"'seq'", "negative"}, bound);
}

TEST(LoadErrors, ADimensionWithoutSizeOrNameIsRefused) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2})->add_dim();
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    expect_error(m, Errc::kInvalidArgument, {"'x'", "axis 1"});
}

TEST(LoadErrors, AnInputOfUnknownRankIsRefused) {
    ModelBuilder m = relu_model();
    m.model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    expect_error(m, Errc::kUnsupported, {"'x'", "rank"});
}

TEST(LoadErrors, TypesThatTheRunnerLacksAreRefusedByName) {
    for (const auto& [number, name] : {std::pair{16, "BFLOAT16"},
                                       {8, "STRING"},
                                       {14, "COMPLEX64"},
                                       {17, "FLOAT8E4M3FN"},
                                       {22, "INT4"}}) {
        ModelBuilder m = relu_model();
        m.model.mutable_graph()
            ->mutable_input(0)
            ->mutable_type()
            ->mutable_tensor_type()
            ->set_elem_type(number);
        expect_error(m, Errc::kUnsupported, {"'x'", name});
    }
    ModelBuilder cast;
    cast.input("x", ElemType::kFloat, {2});
    cast.node("Cast", {"x"}, {"y"}, "c").attr("to", 16);
    cast.output("y");
    expect_error(cast, Errc::kUnsupported, {"'c'", "BFLOAT16"});
    cast.model.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_i(-7);
    expect_error(cast, Errc::kUnsupported, {"'c'", "unknown"});
}

TEST(LoadErrors, SequencesAreRefused) {
    ModelBuilder m = relu_model();
    m.model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type();
    expect_error(m, Errc::kUnsupported, {"'x'", "dense tensor"});
}

TEST(LoadErrors, AnUndefinedNameIsReportedWithItsReader) {
    ModelBuilder m = relu_model();
    m.node("Add", {"y", "ghost"}, {"z"}, "sum");
    m.output("z");
    expect_error(m, Errc::kFormat, {"'sum'", "'ghost'"});
}

TEST(LoadErrors, ADuplicateNameIsRefused) {
    ModelBuilder m = relu_model();
    m.node("Tanh", {"x"}, {"y"});
    expect_error(m, Errc::kFormat, {"'y'", "twice"});
}

TEST(LoadErrors, TwoInputsOfOneNameAreRefused) {
    ModelBuilder m = relu_model();
    m.input("x", ElemType::kFloat, {2});
    expect_error(m, Errc::kFormat, {"two inputs", "'x'"});
}

TEST(LoadErrors, AnOutputThatNothingComputesIsRefused) {
    ModelBuilder m = relu_model();
    m.output("nowhere");
    expect_error(m, Errc::kFormat, {"'nowhere'"});
    ModelBuilder none = relu_model();
    none.model.mutable_graph()->clear_output();
    expect_error(none, Errc::kFormat, {"no outputs"});
}

TEST(LoadErrors, AModelWithoutAGraphIsRefused) {
    ModelBuilder m;
    m.model.clear_graph();
    expect_error(m, Errc::kFormat, {"no graph"});
}

TEST(LoadErrors, ACycleIsRefusedAndNamed) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.node("Add", {"x", "b"}, {"a"}, "first");
    m.node("Relu", {"a"}, {"b"}, "second");
    m.output("b");
    expect_error(m, Errc::kFormat, {"cycle", "first"});
}

TEST(LoadErrors, NodesInAnyOrderLoad) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.node("Relu", {"b"}, {"y"}, "last");
    m.node("Add", {"a", "a"}, {"b"}, "middle");
    m.node("Tanh", {"x"}, {"a"}, "first");
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps(),
              (std::vector<std::string>{"Tanh:first", "Add:middle", "Relu:last"}));
}

TEST(LoadErrors, MixedTypesAndShapesThatDoNotFitNameTheNode) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 3});
    m.input("z", ElemType::kFloat, {2, 4});
    m.node("Add", {"x", "z"}, {"y"}, "sum");
    m.output("y");
    expect_error(m, Errc::kFormat, {"'sum'", "[2,3]", "[2,4]"});
    m.model.mutable_graph()->mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(
        10);
    expect_error(m, Errc::kFormat, {"'sum'", "FLOAT", "FLOAT16"});
}

TEST(LoadErrors, TheMemoryLimitHolds) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {1000, 1});
    m.input("z", ElemType::kFloat, {1, 1000});
    m.node("Add", {"x", "z"}, {"y"}, "outer");
    m.output("y");
    LoadOptions options;
    options.max_bytes = 5'000'000;
    EXPECT_EQ(load_error(m, options), "");
    options.max_bytes = 3'000'000;
    expect_error(m, Errc::kNoMemory, {"'outer'", "3000000"}, options);
}

TEST(LoadErrors, ADeclaredOutputTypeThatIsNotComputedIsRefused) {
    ModelBuilder m = relu_model();
    m.model.mutable_graph()
        ->mutable_output(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->set_elem_type(10);
    expect_error(m, Errc::kFormat, {"'y'", "FLOAT16", "FLOAT"});
}

TEST(LoadErrors, AShapeComputedAtRunTimeIsRefusedWithAdvice) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {4});
    m.input("shape", ElemType::kInt64, {2});
    m.node("Reshape", {"x", "shape"}, {"y"}, "r");
    m.output("y");
    expect_error(m, Errc::kUnsupported, {"'r'", "'shape'", "make it a constant"});
}

TEST(LoadErrors, SupportedOperatorsAreSortedWithTheirOpsets) {
    const auto list = supported_operators();
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    for (const char* line :
         {"Add 7-28", "Squeeze 7-28", "Slice 7-28", "Clip 7-28", "ai.qaic.emu.MxDequantize 1"}) {
        EXPECT_NE(std::find(list.begin(), list.end(), line), list.end()) << line;
    }
    EXPECT_GE(list.size(), 23u);
}

}  // namespace
}  // namespace qaicnet::test
