// SPDX-License-Identifier: Apache-2.0
/// Model-local functions are expanded where they are called.
#include "emu/net/test/model_builder.hpp"

namespace qaicnet::test {
namespace {

onnx::FunctionProto* add_function(ModelBuilder& m, const std::string& name, std::int64_t opset) {
    auto* f = m.model.add_functions();
    f->set_name(name);
    f->set_domain("local");
    auto* import = f->add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    return f;
}

onnx::NodeProto* add_node(onnx::FunctionProto* f, const std::string& op,
                          const std::vector<std::string>& in, const std::string& out) {
    auto* n = f->add_node();
    n->set_op_type(op);
    n->set_name(op);
    for (const auto& i : in) {
        n->add_input(i);
    }
    n->add_output(out);
    return n;
}

/// local.Twice(a) -> r = Relu(a + a)
void add_twice(ModelBuilder& m) {
    auto* f = add_function(m, "Twice", 17);
    f->add_input("a");
    f->add_output("r");
    add_node(f, "Add", {"a", "a"}, "t");
    add_node(f, "Relu", {"t"}, "r");
}

TEST(Functions, TwoCallsHaveSeparateInnerNames) {
    ModelBuilder m;
    m.import_domain("local", 1);
    add_twice(m);
    m.input("x", ElemType::kFloat, {2});
    m.node("Twice", {"x"}, {"t"}, "one").proto()->set_domain("local");
    m.node("Twice", {"t"}, {"y"}, "two").proto()->set_domain("local");
    m.output("y");
    const std::vector<float> x{1, -1};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (std::vector<float>{4, 0}));
    auto network = load(m);
    ASSERT_TRUE(network);
    EXPECT_EQ((*network)->steps().back(), "Relu:two/Relu");
}

TEST(Functions, AttributesArePassedAndTheFunctionsOpsetHolds) {
    ModelBuilder m(17);
    m.import_domain("local", 1);
    // Opset 11 inside: Squeeze takes its axes as an attribute, here the caller's.
    auto* f = add_function(m, "Drop", 11);
    f->add_input("a");
    f->add_output("r");
    f->add_attribute("which");
    auto* reference = add_node(f, "Squeeze", {"a"}, "r")->add_attribute();
    reference->set_name("axes");
    reference->set_ref_attr_name("which");
    reference->set_type(onnx::AttributeProto::INTS);
    m.input("x", ElemType::kFloat, {1, 2, 1});
    auto call = m.node("Drop", {"x"}, {"y"});
    call.proto()->set_domain("local");
    call.attr("which", Dims{2});
    m.output("y");
    Dims dims;
    const std::vector<float> x{1, 2};
    run<float>(m, {bytes_of(x)}, &dims);
    EXPECT_EQ(dims, (Dims{1, 2}));
    // Left out, the operator's own default holds: all axes of size 1.
    m.model.mutable_graph()->mutable_node(0)->clear_attribute();
    run<float>(m, {bytes_of(x)}, &dims);
    EXPECT_EQ(dims, (Dims{2}));
}

TEST(Functions, RecursionIsRefused) {
    ModelBuilder m;
    m.import_domain("local", 1);
    auto* f = add_function(m, "Loop", 17);
    f->add_opset_import()->set_domain("local");
    f->add_input("a");
    f->add_output("r");
    add_node(f, "Loop", {"a"}, "r")->set_domain("local");
    m.input("x", ElemType::kFloat, {2});
    m.node("Loop", {"x"}, {"y"}).proto()->set_domain("local");
    m.output("y");
    EXPECT_NE(load_error(m).find("calls itself"), std::string::npos) << load_error(m);
}

TEST(Functions, ExponentialExpansionStopsAtTheMemoryLimit) {
    ModelBuilder m;
    m.import_domain("local", 1);
    for (int level = 0; level < 40; ++level) {
        auto* f = add_function(m, "F" + std::to_string(level), 17);
        f->add_opset_import()->set_domain("local");
        f->add_input("a");
        f->add_output("r");
        const std::string next = level == 39 ? "Relu" : "F" + std::to_string(level + 1);
        for (const auto& [in, out] : {std::pair{"a", "t"}, {"t", "r"}}) {
            add_node(f, next, {in}, out)->set_domain(level == 39 ? "" : "local");
        }
    }
    m.input("x", ElemType::kFloat, {2});
    m.node("F0", {"x"}, {"y"}).proto()->set_domain("local");
    m.output("y");
    LoadOptions options;
    options.max_bytes = 1 << 20;
    EXPECT_NE(load_error(m, options).find("expand"), std::string::npos) << load_error(m, options);
}

}  // namespace
}  // namespace qaicnet::test
