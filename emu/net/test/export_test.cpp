// SPDX-License-Identifier: Apache-2.0
/// The lowered graph as ONNX: loaded again it computes the same, whatever forms and names it had.
#include "emu/net/test/model_builder.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <functional>
#include <set>

namespace qaicnet::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;
using Inputs = std::vector<std::span<const std::byte>>;
using Outputs = std::vector<std::vector<std::byte>>;

onnx::ModelProto exported(const onnx::ModelProto& model, bool passes = true) {
    onnx::ModelProto lowered;
    LoadOptions options;
    options.passes = passes;
    options.lowered = &lowered;
    const auto network = Network::load(model, {}, options);
    EXPECT_TRUE(network) << network.error().message;
    return lowered;
}

std::string export_error(const onnx::ModelProto& model, std::span<const std::byte> constants = {}) {
    onnx::ModelProto lowered;
    LoadOptions options;
    options.lowered = &lowered;
    const auto network = Network::load(model, constants, options);
    return network ? "" : network.error().message;
}

Outputs run_model(const onnx::ModelProto& model, const Inputs& inputs, bool passes = true) {
    LoadOptions options;
    options.passes = passes;
    const auto network = Network::load(model, {}, options);
    EXPECT_TRUE(network) << network.error().message << "\n" << model.ShortDebugString();
    auto outputs = network ? run_bytes(**network, inputs) : Outputs{};
    EXPECT_TRUE(outputs) << outputs.error().message;
    return outputs ? *outputs : Outputs{};
}

/// With and without passes the written graph computes what it was written from, bit for bit.
void expect_same(const onnx::ModelProto& model, const Inputs& inputs) {
    for (const bool passes : {false, true}) {
        const onnx::ModelProto lowered = exported(model, passes);
        EXPECT_EQ(run_model(lowered, inputs, passes), run_model(model, inputs, passes))
            << lowered.ShortDebugString();
        EXPECT_EQ(exported(model, passes).SerializeAsString(), lowered.SerializeAsString());
    }
}

std::int64_t opset_of(const onnx::ModelProto& model) {
    return model.opset_import(0).version();
}

std::vector<std::string> op_types(const onnx::GraphProto& graph) {
    std::vector<std::string> types;
    for (const auto& node : graph.node()) {
        types.push_back(node.op_type());
    }
    return types;
}

void collect_names(const onnx::GraphProto& graph, std::multiset<std::string>& values,
                   std::multiset<std::string>& nodes) {
    for (const auto& tensor : graph.initializer()) {
        values.insert(tensor.name());
    }
    for (const auto& node : graph.node()) {
        nodes.insert(node.name());
        values.insert(node.output().begin(), node.output().end());
        for (const auto& attribute : node.attribute()) {
            if (attribute.has_g()) {
                collect_names(attribute.g(), values, nodes);
            }
        }
    }
}

void expect_unique_printable_names(const onnx::ModelProto& model) {
    std::multiset<std::string> values;
    std::multiset<std::string> nodes;
    collect_names(model.graph(), values, nodes);
    for (const auto& input : model.graph().input()) {
        values.insert(input.name());
    }
    for (const auto* names : {&values, &nodes}) {
        for (const std::string& name : *names) {
            EXPECT_FALSE(name.empty());
            EXPECT_EQ(names->count(name), 1U) << name;
            for (const char c : name) {
                EXPECT_FALSE(c >= 0 && c < ' ') << name;
            }
        }
    }
}

const Floats kX{1, -2, 3, 0.5F, -0.25F, 6, 7, -8, 0, 2, -3, 4};

TEST(Export, EverythingThatIsReadHasATypeAShapeAndAValue) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 2, 3});
    m.constant<float>("w", {3, 2}, {1, 2, 3, 4, 5, 6});
    m.constant<float>("unused", {2}, {7, 8});
    m.node("MatMul", {"x", "w"}, {"product"});
    m.node("Softmax", {"product"}, {"soft"}).attr("axis", 1);
    m.node("Transpose", {"soft"}, {"y"}).attr("perm", Dims{2, 0, 1});
    m.output("y");
    expect_same(m.model, {bytes_of(kX)});

    const onnx::ModelProto lowered = exported(m.model, false);
    EXPECT_EQ(opset_of(lowered), 17);
    EXPECT_EQ(lowered.opset_import_size(), 1);
    ASSERT_EQ(lowered.graph().initializer_size(), 1);
    EXPECT_EQ(lowered.graph().initializer(0).name(), "w");
    EXPECT_EQ(lowered.graph().initializer(0).raw_data().size(), 24U);
    ASSERT_EQ(lowered.graph().value_info_size(), 2);
    EXPECT_EQ(lowered.graph().value_info(0).name(), "product");
    EXPECT_EQ(lowered.graph().value_info(0).type().tensor_type().shape().dim(2).dim_value(), 2);
    EXPECT_EQ(lowered.graph().output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
    EXPECT_EQ(lowered.graph().output(0).type().tensor_type().shape().dim_size(), 3);
}

TEST(Export, OutputsKeepTheirNamesWhateverTheyAre) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 6});
    m.constant<float>("c", {2}, {3, 4});
    m.constant<std::int64_t>("shape", {2}, {3, 4});
    m.node("Add", {"c", "c"}, {"folded"});
    m.node("Reshape", {"x", "shape"}, {"view"});
    m.node("Identity", {"view"}, {"copy"});
    m.constant<float>("row", {4}, {1, 2, 3, 4});
    m.node("Add", {"view", "row"}, {"sum"});
    for (const char* name : {"sum", "copy", "folded", "view", "c", "x"}) {
        m.output(name);
    }
    expect_same(m.model, {bytes_of(kX)});
    const onnx::ModelProto lowered = exported(m.model);
    std::vector<std::string> names;
    for (const auto& output : lowered.graph().output()) {
        names.push_back(output.name());
    }
    EXPECT_EQ(names, (std::vector<std::string>{"sum", "copy", "folded", "view", "c", "x"}));
    for (const auto& tensor : lowered.graph().initializer()) {
        EXPECT_EQ(std::count(names.begin(), names.end(), tensor.name()), 0) << tensor.name();
    }
}

TEST(Export, AGraphWithoutNodesIsAModel) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {12});
    m.output("x");
    expect_same(m.model, {bytes_of(kX)});
    EXPECT_EQ(exported(m.model).graph().node_size(), 0);
}

/// A function of a newer opset, so that every node of the graph takes that opset's form.
void add_newer_node(ModelBuilder& m, std::int64_t opset, const std::string& op_type,
                    const std::string& in, const std::string& out) {
    m.import_domain("test", 1);
    auto* function = m.model.add_functions();
    function->set_domain("test");
    function->set_name("newer");
    function->add_input("a");
    function->add_output("b");
    function->add_opset_import()->set_version(opset);
    auto* node = function->add_node();
    node->set_op_type(op_type);
    node->add_input("a");
    node->add_output("b");
    m.node("newer", {in}, {out}).proto()->set_domain("test");
}

struct OldForm {
    std::int64_t opset;
    const char* op_type;
    std::vector<std::string> inputs;
    std::function<void(NodeBuilder&)> attributes;
    int outputs = 1;
};

NodeBuilder& floats(NodeBuilder& node, const char* name, const Floats& values) {
    auto* a = node.add(name, onnx::AttributeProto::FLOATS);
    a->mutable_floats()->Add(values.begin(), values.end());
    return node;
}

const std::vector<OldForm> kOldForms = {
    {10, "Clip", {"x"}, [](auto& n) { n.attr("min", -1.5F).attr("max", 2.5F); }},
    {10, "Clip", {"x"}, [](auto& n) { n.attr("max", 2.5F); }},
    {10, "Clip", {"h"}, [](auto& n) { n.attr("min", 0.1F); }},
    {10,
     "Pad",
     {"x"},
     [](auto& n) {
         n.attr("pads", Dims{0, 0, 0, 1, 1, 0, 2, 0}).attr("value", 9.0F);
     }},
    {9,
     "Slice",
     {"x"},
     [](auto& n) { n.attr("starts", Dims{1}).attr("ends", Dims{-1}).attr("axes", Dims{3}); }},
    {9,
     "Slice",
     {"x"},
     [](auto& n) {
         n.attr("starts", Dims{0, 0}).attr("ends", Dims{1, 1});
     }},
    {9, "TopK", {"x"}, [](auto& n) { n.attr("k", 2); }, 2},
    {12, "Squeeze", {"x"}, [](auto& n) { n.attr("axes", Dims{0}); }},
    {12, "Squeeze", {"x"}, [](auto&) {}},
    {12,
     "Unsqueeze",
     {"x"},
     [](auto& n) {
         n.attr("axes", Dims{0, 5});
     }},
    {12, "Softmax", {"x"}, [](auto& n) { n.attr("axis", 2); }},
    {12, "Softmax", {"x"}, [](auto& n) { n.attr("axis", -1); }},
    {12, "LogSoftmax", {"x"}, [](auto&) {}},
    {12, "Softmax", {"x"}, [](auto& n) { n.attr("axis", 0); }},
    {12,
     "ReduceSum",
     {"x"},
     [](auto& n) {
         n.attr("axes", Dims{1, -1});
     }},
    {13, "ReduceMean", {"x"}, [](auto& n) { n.attr("axes", Dims{2}).attr("keepdims", 0); }},
    {13, "ReduceMax", {"x"}, [](auto&) {}},
    {12,
     "Split",
     {"x"},
     [](auto& n) {
         n.attr("axis", 3).attr("split", Dims{1, 2});
     },
     2},
    {12, "Split", {"x"}, [](auto& n) { n.attr("axis", 2); }, 2},
    {8,
     "Upsample",
     {"x"},
     [](auto& n) {
         floats(n, "scales", {1, 1, 2, 3});
     }},
    {9, "Upsample", {"x", "scales"}, [](auto& n) { n.attr("mode", "linear"); }},
    {10, "Resize", {"x", "scales"}, [](auto&) {}},
    {9, "Scatter", {"x", "places", "x"}, [](auto& n) { n.attr("axis", 3); }},
    {8,
     "BatchNormalization",
     {"x", "two", "two", "two", "two"},
     [](auto& n) { n.attr("spatial", 1); }},
    {13, "Cast", {"x"}, [](auto& n) { n.attr("to", 6); }},
};

ModelBuilder old_model(const OldForm& form) {
    ModelBuilder m(form.opset);
    m.input("x", ElemType::kFloat, {1, 2, 2, 3});
    m.constant<float>("scales", {4}, {1, 1, 2, 1.5F});
    m.constant<float>("two", {2}, {2, 0.5F});
    m.constant<std::int64_t>("places", {1, 2, 2, 3}, {2, 1, 0, 0, 1, 2, 1, 2, 0, 0, 2, 1});
    m.node("Cast", {"x"}, {"h"}).attr("to", 10);
    std::vector<std::string> outputs;
    for (int i = 0; i < form.outputs; ++i) {
        outputs.push_back("y" + std::to_string(i));
        m.output(outputs.back());
    }
    NodeBuilder node = m.node(form.op_type, form.inputs, outputs);
    form.attributes(node);
    return m;
}

TEST(Export, OldFormsAreSaidInTheNewestOpsetOfTheGraph) {
    for (const OldForm& form : kOldForms) {
        SCOPED_TRACE(form.op_type);
        ModelBuilder m = old_model(form);
        add_newer_node(m, 20, "Gelu", "x", "newest");
        m.output("newest");
        const onnx::ModelProto lowered = exported(m.model, false);
        EXPECT_EQ(opset_of(lowered), 20);
        expect_same(m.model, {bytes_of(kX)});
    }
}

TEST(Export, AModelOfOneOpsetKeepsIt) {
    for (const OldForm& form : kOldForms) {
        SCOPED_TRACE(form.op_type);
        const ModelBuilder m = old_model(form);
        EXPECT_EQ(opset_of(exported(m.model)), form.opset);
        expect_same(m.model, {bytes_of(kX)});
    }
}

TEST(Export, ANodeWithoutANewerFormIsNamed) {
    ModelBuilder m(18);
    m.input("x", ElemType::kFloat, {1, 2, 2, 3});
    m.constant<float>("s", {1}, {2});
    m.node("GroupNormalization", {"x", "s", "s"}, {"y"}, "norm").attr("num_groups", 1);
    m.output("y");
    EXPECT_EQ(export_error(m.model), "");
    add_newer_node(m, 24, "Swish", "y", "z");
    m.output("z");
    const std::string message = export_error(m.model);
    EXPECT_NE(message.find("'norm'"), std::string::npos) << message;
    EXPECT_NE(message.find("opset 24"), std::string::npos) << message;
    EXPECT_EQ(load_error(m), "");  // running it needs no common opset
}

TEST(Export, NamesOfFunctionsAndOddNamesBecomeUniqueAndPrintable) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {12});
    add_newer_node(m, 17, "Relu", "x", "a");
    m.node("newer", {"a"}, {"b\x02"}, "n_newer").proto()->set_domain("test");
    m.constant<float>("b.", {12}, kX);
    m.node("Add", {"b\x02", "b."}, {"sum"}, "same");
    m.node("Mul", {"sum", "b\x02"}, {"y"}, "same");
    m.output("y");
    expect_same(m.model, {bytes_of(kX)});
    expect_unique_printable_names(exported(m.model));
}

TEST(Export, CodesOfMxAreDecoded) {
    ModelBuilder m;
    m.import_domain(kEmuDomain, 1);
    m.input("x", ElemType::kFloat, {1, 32});
    m.constant<std::uint8_t>("codes", {64}, std::vector<std::uint8_t>(64, 0x41));
    m.constant<std::uint8_t>("scales", {1, 1}, {127});
    m.node("MxDequantize", {"codes", "scales"}, {"w"})
        .attr("format", "fp6_e2m3")
        .attr("shape", Dims{32, 1})
        .attr("axis", 0)
        .attr("to", 1)
        .proto()
        ->set_domain(kEmuDomain);
    m.node("MatMul", {"x", "w"}, {"y"});
    m.output("y");
    const onnx::ModelProto lowered = exported(m.model);
    EXPECT_EQ(op_types(lowered.graph()), std::vector<std::string>{"MatMul"});
    EXPECT_EQ(lowered.graph().initializer(0).data_type(), onnx::TensorProto::FLOAT);
    Floats x(32, 0.5F);
    expect_same(m.model, {bytes_of(x)});
}

TEST(Export, MoreThan2GiBOfConstantsAreRefused) {
    constexpr std::size_t kBytes = (std::size_t{1} << 31) + 64;
    void* memory =
        ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    ModelBuilder m;
    m.input("i", ElemType::kInt64, {1});
    auto* w = m.model.mutable_graph()->add_initializer();
    w->set_name("w");
    w->set_data_type(onnx::TensorProto::FLOAT);
    w->add_dims(kBytes / 4);
    w->set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] :
         {std::pair("location", std::string(kConstantsLocation)),
          std::pair("offset", std::string("0")), std::pair("length", std::to_string(kBytes))}) {
        auto* entry = w->add_external_data();
        entry->set_key(key);
        entry->set_value(value);
    }
    m.node("Gather", {"w", "i"}, {"y"});
    m.output("y");
    const std::string message =
        export_error(m.model, {static_cast<const std::byte*>(memory), kBytes});
    EXPECT_NE(message.find("2 GiB"), std::string::npos) << message;
    ::munmap(memory, kBytes);
}

// --- branches

onnx::NodeProto* add_node(onnx::GraphProto& graph, const std::string& op,
                          const std::vector<std::string>& in, const std::string& out) {
    auto* node = graph.add_node();
    node->set_op_type(op);
    for (const auto& name : in) {
        node->add_input(name);
    }
    node->add_output(out);
    return node;
}

onnx::GraphProto branch(const std::string& op, const std::vector<std::string>& in,
                        const std::string& out) {
    onnx::GraphProto graph;
    add_node(graph, op, in, out);
    graph.add_output()->set_name(out);
    return graph;
}

void add_if(onnx::GraphProto& graph, const std::string& condition,
            const onnx::GraphProto& then_branch, const onnx::GraphProto& else_branch,
            const std::string& out) {
    auto* node = add_node(graph, "If", {condition}, out);
    node->set_name("choice");
    for (const auto& [key, value] :
         {std::pair("then_branch", &then_branch), std::pair("else_branch", &else_branch)}) {
        auto* attribute = node->add_attribute();
        attribute->set_name(key);
        attribute->set_type(onnx::AttributeProto::GRAPH);
        *attribute->mutable_g() = *value;
    }
}

const std::vector<std::uint8_t> kYes{1};
const std::vector<std::uint8_t> kNo{0};

TEST(Export, BranchesAreGraphsThatReadWhatIsAroundThem) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {12});
    m.input("c", ElemType::kBool, {1});
    m.input("d", ElemType::kBool, {});
    m.constant<float>("k", {12}, kX);
    m.node("Add", {"k", "k"}, {"twice"});
    onnx::GraphProto outer;
    add_node(outer, "Add", {"x", "twice"}, "inner");
    add_if(outer, "d", branch("Mul", {"inner", "k"}, "r"), branch("Sub", {"inner", "x"}, "r"),
           "chosen");
    outer.add_output()->set_name("chosen");
    onnx::GraphProto captured;  // gives out what it did not make
    captured.add_output()->set_name("k");
    add_if(*m.model.mutable_graph(), "c", outer, captured, "y");
    m.output("y");
    for (const auto& c : {kYes, kNo}) {
        for (const auto& d : {kYes, kNo}) {
            expect_same(m.model, {bytes_of(kX), bytes_of(c), bytes_of(d)});
        }
    }
    const onnx::ModelProto lowered = exported(m.model);
    expect_unique_printable_names(lowered);
    EXPECT_EQ(op_types(lowered.graph()), std::vector<std::string>{"If"});
    EXPECT_EQ(lowered.graph().node(0).input_size(), 1);
    EXPECT_EQ(lowered.graph().initializer_size(), 2);
}

TEST(Export, OldFormsInsideBranchesAreRaised) {
    ModelBuilder m(12);
    m.input("x", ElemType::kFloat, {1, 12});
    m.input("c", ElemType::kBool, {});
    onnx::GraphProto old = branch("Squeeze", {"x"}, "r");
    auto* axes = old.mutable_node(0)->add_attribute();
    axes->set_name("axes");
    axes->set_type(onnx::AttributeProto::INTS);
    axes->add_ints(0);
    add_node(old, "Relu", {"r"}, "r2");
    old.mutable_output(0)->set_name("r2");
    onnx::GraphProto other = old;
    other.mutable_node(1)->set_op_type("Abs");
    add_if(*m.model.mutable_graph(), "c", old, other, "y");
    m.output("y");
    add_newer_node(m, 20, "Gelu", "x", "z");
    m.output("z");
    EXPECT_EQ(opset_of(exported(m.model)), 20);
    expect_same(m.model, {bytes_of(kX), bytes_of(kYes)});
    expect_same(m.model, {bytes_of(kX), bytes_of(kNo)});
}

TEST(Export, ABranchThatDoesNotFitFailsWhenItIsTaken) {
    for (const bool fitting : {true, false}) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {12});
        m.input("c", ElemType::kBool, {1});
        m.constant<float>("three", {3}, {1, 2, 3});
        const auto good = branch("Relu", {"x"}, "r");
        const auto bad = branch("Add", {"x", "three"}, "r");
        add_if(*m.model.mutable_graph(), "c", fitting ? good : bad, fitting ? bad : good, "y");
        m.output("y");
        expect_same(m.model, {bytes_of(kX), bytes_of(fitting ? kYes : kNo)});
        const onnx::ModelProto lowered = exported(m.model);
        const auto network = Network::load(lowered, {});
        ASSERT_TRUE(network) << network.error().message;
        const auto refused = run_bytes(**network, {bytes_of(kX), bytes_of(fitting ? kNo : kYes)});
        EXPECT_FALSE(refused);
    }
}

}  // namespace
}  // namespace qaicnet::test
