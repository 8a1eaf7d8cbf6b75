// SPDX-License-Identifier: Apache-2.0
/// If: branches known at load are inlined, the others run as networks inside the node.
#include "emu/net/test/model_builder.hpp"

namespace qaicnet::test {
namespace {

using Floats = std::vector<float>;

const std::vector<std::byte> kYes{std::byte{1}};
const std::vector<std::byte> kNo{std::byte{0}};

void expect_says(const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
}

onnx::NodeProto* add_node(onnx::GraphProto& graph, const std::string& op,
                          const std::vector<std::string>& in, const std::string& out) {
    auto* node = graph.add_node();
    node->set_op_type(op);
    node->set_name("in_" + op);
    for (const auto& name : in) {
        node->add_input(name);
    }
    node->add_output(out);
    return node;
}

/// A branch of one node whose result is `out`.
onnx::GraphProto branch(const std::string& op, const std::vector<std::string>& in,
                        const std::string& out) {
    onnx::GraphProto graph;
    graph.set_name("branch");
    add_node(graph, op, in, out);
    graph.add_output()->set_name(out);
    return graph;
}

onnx::NodeProto* add_if(onnx::GraphProto& graph, const std::string& condition,
                        const onnx::GraphProto& then_branch, const onnx::GraphProto& else_branch,
                        const std::string& out, const std::string& name = "choice") {
    auto* node = add_node(graph, "If", {condition}, out);
    node->set_name(name);
    for (const auto& [key, value] :
         {std::pair("then_branch", &then_branch), std::pair("else_branch", &else_branch)}) {
        auto* attribute = node->add_attribute();
        attribute->set_name(key);
        attribute->set_type(onnx::AttributeProto::GRAPH);
        *attribute->mutable_g() = *value;
    }
    return node;
}

onnx::GraphProto& graph_of(ModelBuilder& m) {
    return *m.model.mutable_graph();
}

void bool_constant(ModelBuilder& m, const std::string& name, bool value) {
    auto* tensor = m.model.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::BOOL);
    tensor->set_raw_data(std::string(1, value ? '\1' : '\0'));
}

TEST(Control, AKnownConditionLeavesOneBranchWhateverTheOtherIs) {
    for (const bool condition : {true, false}) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {2});
        bool_constant(m, "c", condition);
        const auto good = branch("Add", {"x", "x"}, "inner");
        const auto bad = branch("NoSuchOperator", {"x", "nowhere"}, "inner");
        add_if(graph_of(m), "c", condition ? good : bad, condition ? bad : good, "y");
        m.output("y");
        EXPECT_EQ(run<float>(m, {bytes_of(Floats{1, -2})}), (Floats{2, -4}));
        auto network = load(m);
        ASSERT_TRUE(network) << network.error().message;
        EXPECT_EQ((*network)->steps(),
                  (std::vector<std::string>{condition ? "Add:choice/then_branch/in_Add"
                                                      : "Add:choice/else_branch/in_Add"}));
        EXPECT_TRUE(find_unsupported(m.model).empty());
    }
}

TEST(Control, TheTakenBranchsUnsupportedOperatorIsNamed) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    bool_constant(m, "c", true);
    add_if(graph_of(m), "c", branch("NoSuchOperator", {"x"}, "inner"),
           branch("Relu", {"x"}, "inner"), "y");
    m.output("y");
    expect_says(load_error(m), "choice/then_branch/in_NoSuchOperator");
}

TEST(Control, AConditionFoldedFromShapesIsKnown) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    bool_constant(m, "c", true);
    m.node("Identity", {"c"}, {"c2"});
    add_if(graph_of(m), "c2", branch("Relu", {"x"}, "a"), branch("Add", {"x", "x"}, "a"), "y");
    m.output("y");
    EXPECT_EQ(run<float>(m, {bytes_of(Floats{1, -2})}), (Floats{1, 0}));
}

TEST(Control, BranchesInsideBranchesCaptureValuesOfAllGraphsAround) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.input("c", ElemType::kBool, {});
    m.constant<float>("k", {2}, {10, 20});
    bool_constant(m, "yes", true);
    onnx::GraphProto outer;
    add_node(outer, "Add", {"x", "k"}, "sum");
    add_if(outer, "yes", branch("Mul", {"sum", "x"}, "r"), branch("Relu", {"sum"}, "r"), "chosen",
           "inner");
    outer.add_output()->set_name("chosen");
    add_if(graph_of(m), "c", outer, branch("Sub", {"x", "k"}, "d"), "y");
    m.output("y");
    const Floats values{1, 2};
    const auto x = bytes_of(values);
    EXPECT_EQ(run<float>(m, {x, kYes}), (Floats{11, 44}));
    EXPECT_EQ(run<float>(m, {x, kNo}), (Floats{-9, -18}));
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps(), (std::vector<std::string>{"If:choice"}));
}

TEST(Control, RunTimeConditionsInsideRunTimeConditions) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {1});
    m.input("c", ElemType::kBool, {1});
    m.input("d", ElemType::kBool, {});
    onnx::GraphProto outer;
    add_if(outer, "d", branch("Neg2", {}, "r"), branch("Relu", {"x"}, "r"), "chosen", "inner");
    *outer.mutable_node(0)->mutable_attribute(0)->mutable_g() = branch("Add", {"x", "x"}, "r");
    outer.add_output()->set_name("chosen");
    add_if(graph_of(m), "c", outer, branch("Mul", {"x", "x"}, "r"), "y");
    m.output("y");
    const Floats values{-3};
    const auto x = bytes_of(values);
    EXPECT_EQ(run<float>(m, {x, kYes, kYes}), (Floats{-6}));
    EXPECT_EQ(run<float>(m, {x, kYes, kNo}), (Floats{0}));
    EXPECT_EQ(run<float>(m, {x, kNo, kYes}), (Floats{9}));
}

TEST(Control, BranchesMayGiveCapturesConstantsAndOneValueTwice) {
    for (const bool known : {true, false}) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {1});
        m.input("c", ElemType::kBool, {});
        bool_constant(m, "yes", true);
        onnx::GraphProto then_branch;
        auto* constant = then_branch.add_initializer();
        ModelBuilder::fill<float>(constant, "seven", {1}, {7});
        onnx::GraphProto else_branch = branch("Relu", {"x"}, "r");
        for (const char* name : {"x", "seven", "x"}) {
            then_branch.add_output()->set_name(name);
        }
        else_branch.add_output()->set_name("r");
        else_branch.add_output()->set_name("x");
        auto* node = add_if(graph_of(m), known ? "yes" : "c", then_branch, else_branch, "y0");
        node->add_output("y1");
        node->add_output("y2");
        m.node("Concat", {"y0", "y1", "y2"}, {"y"}).attr("axis", 0);
        m.output("y");
        const Floats values{-3};
        const auto x = bytes_of(values);
        EXPECT_EQ(run<float>(m, {x, kYes}), (Floats{-3, 7, -3}));
        if (!known) {
            EXPECT_EQ(run<float>(m, {x, kNo}), (Floats{0, 0, -3}));
        }
    }
}

TEST(Control, ABranchThatTheSizesDoNotFitIsRefusedWhenItIsTaken) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 2});
    m.input("c", ElemType::kBool, {});
    m.constant<std::int64_t>("five", {1}, {5});
    m.constant<std::int64_t>("four", {1}, {4});
    add_if(graph_of(m), "c", branch("Reshape", {"x", "four"}, "r"),
           branch("Reshape", {"x", "five"}, "r"), "y");
    m.output("y");
    EXPECT_EQ(run<float>(m, {bytes_of(Floats{1, 2, 3, 4}), kYes}), (Floats{1, 2, 3, 4}));
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    const Floats values{1, 2, 3, 4};
    const auto x = bytes_of(values);
    std::vector<std::byte> y(16);
    const std::vector<std::span<const std::byte>> in{x, kNo};
    const std::vector<std::span<std::byte>> out{y};
    const auto status = (*network)->run(in, out, *make_workers(1));
    ASSERT_FALSE(status);
    expect_says(status.error().message, "node 'choice' (If)");
    expect_says(status.error().message, "takes the else_branch");
    expect_says(status.error().message, "choice/else_branch/in_Reshape");
}

TEST(Control, HostileFormsAreRefusedWithTheNodesName) {
    const auto with = [](const std::string& condition, const onnx::GraphProto& then_branch,
                         const onnx::GraphProto& else_branch) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {2});
        m.input("c", ElemType::kBool, {});
        m.input("two", ElemType::kBool, {2});
        add_if(graph_of(m), condition, then_branch, else_branch, "y");
        m.output("y");
        return load_error(m);
    };
    const auto relu = branch("Relu", {"x"}, "r");
    expect_says(with("x", relu, relu), "node 'choice' (If)");
    expect_says(with("two", relu, relu), "one element");
    expect_says(with("c", relu, branch("Relu", {"y"}, "r")), "cycle");
    expect_says(with("c", relu, branch("Relu", {"r"}, "r")), "cycle");
    expect_says(with("c", relu, branch("Relu", {"gone"}, "r")), "'gone'");
    expect_says(with("c", relu, branch("NoSuchOperator", {"x"}, "r")), "in_NoSuchOperator");
    expect_says(with("c", relu, branch("Identity", {"c"}, "r")), "must be equal");
    onnx::GraphProto empty;
    expect_says(with("c", relu, empty), "0 outputs");
    onnx::GraphProto fed = relu;
    fed.add_input()->set_name("x");
    expect_says(with("c", relu, fed), "has inputs");
}

TEST(Control, NestingHasALimit) {
    for (const int depth : {10, 40}) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {1});
        m.input("c", ElemType::kBool, {});
        auto inner = branch("Relu", {"x"}, "r");
        for (int i = 1; i < depth; ++i) {
            onnx::GraphProto around;
            add_if(around, "c", inner, branch("Relu", {"x"}, "r"), "r");
            around.add_output()->set_name("r");
            inner = around;
        }
        add_if(graph_of(m), "c", inner, branch("Relu", {"x"}, "r"), "y");
        m.output("y");
        if (depth == 10) {
            EXPECT_EQ(run<float>(m, {bytes_of(Floats{-3}), kYes}), (Floats{0}));
        } else {
            expect_says(load_error(m), "inside 16 branches");
        }
    }
}

TEST(Control, ABranchInsideAFunctionSeesTheCallersTensors) {
    ModelBuilder m;
    m.import_domain("local", 1);
    m.input("x", ElemType::kFloat, {2});
    m.input("c", ElemType::kBool, {});
    auto* function = m.model.add_functions();
    function->set_domain("local");
    function->set_name("Choose");
    function->add_input("a");
    function->add_input("flag");
    function->add_output("b");
    auto* opset = function->add_opset_import();
    opset->set_domain("");
    opset->set_version(17);
    onnx::GraphProto body;
    add_if(body, "flag", branch("Add", {"a", "a"}, "r"), branch("Relu", {"a"}, "r"), "b");
    *function->add_node() = body.node(0);
    m.node("Choose", {"x", "c"}, {"y"}).proto()->set_domain("local");
    m.output("y");
    EXPECT_EQ(run<float>(m, {bytes_of(Floats{1, -2}), kYes}), (Floats{2, -4}));
    EXPECT_EQ(run<float>(m, {bytes_of(Floats{1, -2}), kNo}), (Floats{1, 0}));
}

}  // namespace
}  // namespace qaicnet::test
