// SPDX-License-Identifier: Apache-2.0
/// Hostile models through the command line: exit status 1, one sentence with the node's or tensor's
/// name and the reason, nothing left behind, in bounded time and memory.
#include "compiler/test/model_builder.hpp"
#include "tools/qaic-exec/test/run_tool.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <limits>

namespace qaicexec::test {
namespace {

namespace fs = std::filesystem;
using qaicc::test::kFloat;
using qaicc::test::kHalf;
using qaicc::test::kInt64;
using qaicc::test::ModelBuilder;
using Names = std::vector<std::string>;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return attribute;
}

onnx::GraphProto& add_graph(onnx::NodeProto& node, const std::string& name) {
    auto& graph = *add_attribute(node, name, onnx::AttributeProto::GRAPH).mutable_g();
    graph.set_name(name);
    return graph;
}

void add_node(onnx::GraphProto& graph, const std::string& op, const Names& in,
              const std::string& out) {
    auto& node = *graph.add_node();
    node.set_op_type(op);
    node.set_name("inner_" + op);
    for (const auto& name : in) {
        node.add_input(name);
    }
    node.add_output(out);
    graph.add_output()->set_name(out);
}

class HostileModel : public ToolTest {
  protected:
    /// What the tool says when it compiles `model`, after the checks that hold for all of them.
    std::string refusal(const ModelBuilder& b, const Names& words, const Names& options = {}) {
        ModelBuilder copy = b;
        return refusal_of(copy.model().SerializePartialAsString(), words, options);
    }

    std::string refusal_of(const std::string& model, const Names& words,
                           const Names& options = {}) {
        write("m.onnx", model);
        const Names before = listing();
        Names args = {"-m=m.onnx", "-compile-only", "-aic-binary-dir=out/deep"};
        args.insert(args.end(), options.begin(), options.end());
        constexpr unsigned long kMemory = 2UL << 30;
        const Outcome outcome = run(args, "qaic-exec", 0, kMemory);
        EXPECT_EQ(outcome.status, 1) << outcome.out << outcome.err;
        expect_one_sentence(outcome.err);
        for (const std::string& word : words) {
            EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " in: " << outcome.err;
        }
        EXPECT_EQ(listing(), before);
        return outcome.err;
    }
};

/// y = op(x), x FLOAT [2, 3].
ModelBuilder one_node(const std::string& op, std::int64_t opset = 17) {
    ModelBuilder b(opset);
    b.input("x", {2, 3}).output("y", {2, 3});
    b.node(op, {"x"}, {"y"});
    return b;
}

TEST_F(HostileModel, CyclesAreNamed) {
    ModelBuilder b;
    b.input("x", {2}).output("b", {2});
    b.node("Add", {"x", "b"}, {"a"});
    b.node("Relu", {"a"}, {"b"});
    refusal(b, {"m.onnx", "cycle", "'node_a' (Add)"});
    ModelBuilder self;
    self.input("x", {2}).output("y", {2});
    self.node("Add", {"x", "y"}, {"y"});
    refusal(self, {"cycle", "'node_y' (Add)"});
}

TEST_F(HostileModel, ACycleThroughABranchIsNamed) {
    ModelBuilder b;
    b.input("x", {2}).input("c", {1}, onnx::TensorProto::BOOL).output("y", {2});
    auto& choice = b.node("If", {"c"}, {"a"});
    add_node(add_graph(choice, "then_branch"), "Relu", {"y"}, "t");
    add_node(add_graph(choice, "else_branch"), "Relu", {"x"}, "e");
    b.node("Relu", {"a"}, {"y"});
    refusal(b, {"cycle", "'node_a' (If)"});
}

TEST_F(HostileModel, FunctionsThatCallEachOtherAreNamed) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    auto* import = b.model().add_opset_import();
    import->set_domain("local");
    import->set_version(1);
    for (const auto& [name, calls] : {std::pair("Ping", "Pong"), std::pair("Pong", "Ping")}) {
        auto& function = *b.model().add_functions();
        function.set_name(name);
        function.set_domain("local");
        *function.add_opset_import() = *import;
        function.add_input("a");
        function.add_output("r");
        auto& node = *function.add_node();
        node.set_op_type(calls);
        node.set_domain("local");
        node.add_input("a");
        node.add_output("r");
    }
    b.node("Ping", {"x"}, {"y"}).set_domain("local");
    refusal(b, {"call each other", "'P"});
}

TEST_F(HostileModel, ABranchOfAnotherTypeIsNamed) {
    ModelBuilder b;
    b.input("x", {2}).input("c", {1}, onnx::TensorProto::BOOL).output("y", {2});
    auto& choice = b.node("If", {"c"}, {"y"});
    add_node(add_graph(choice, "then_branch"), "Relu", {"x"}, "t");
    add_node(add_graph(choice, "else_branch"), "Shape", {"x"}, "e");
    refusal(b, {"'node_y' (If)", "FLOAT[2]", "INT64[1]"});
}

TEST_F(HostileModel, LoopsAndScansAreRefusedByName) {
    for (const char* op : {"Loop", "Scan"}) {
        ModelBuilder b = one_node(op);
        add_graph(*b.graph().mutable_node(0), "body");
        write("m.onnx", b.model().SerializeAsString());
        const Outcome outcome = run({"-m=m.onnx", "-compile-only", "-aic-binary-dir=out"});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_NE(outcome.err.find(std::string("cannot be run here: ") + op + " (1: node_y)"),
                  std::string::npos)
            << outcome.err;
        EXPECT_EQ(listing(), Names{"m.onnx"});
    }
}

TEST_F(HostileModel, HugeInputsAreNamed) {
    for (const std::int64_t size : {kMost, std::int64_t{1} << 40, std::int64_t{1} << 32}) {
        ModelBuilder b;
        b.input("x", {size, size}).output("y", {size, size});
        b.node("Relu", {"x"}, {"y"});
        refusal(b, {"'x'"});
    }
    ModelBuilder negative;
    negative.input("x", {2, -3}).output("y", {2, -3});
    negative.node("Relu", {"x"}, {"y"});
    refusal(negative, {"'x'", "imension 1"});
}

TEST_F(HostileModel, HugeResultsAreNamed) {
    ModelBuilder b = one_node("Expand");
    b.ints("shape", {3}, {1 << 30, 2, 3});
    b.graph().mutable_node(0)->add_input("shape");
    refusal(b, {"'node_y' (Expand)", "25769803776 bytes", "memory"});
    b.graph().mutable_initializer(0)->set_int64_data(0, std::int64_t{1} << 40);
    refusal(b, {"'node_y' (Expand)", "needs more than the limit"});
}

TEST_F(HostileModel, ConstantsThatClaimMoreThanTheyHoldAreNamed) {
    for (const std::int64_t size :
         {std::int64_t{1} << 29, std::int64_t{1} << 45, kMost, std::int64_t{-1}}) {
        for (const bool typed : {false, true}) {
            ModelBuilder b = one_node("Add");
            auto& w = b.constant("w", {size}, kFloat);
            if (typed) {
                w.add_float_data(1);
            } else {
                w.set_raw_data("1234");
            }
            b.graph().mutable_node(0)->add_input("w");
            refusal(b, {"'w'"});
        }
    }
}

/// The length of a field says 2 GiB and the file ends before that.
TEST_F(HostileModel, AFileThatClaims2GiBIsTruncated) {
    const std::string lie("\x3a\xff\xff\xff\xff\x07", 6);  // field 7, the graph
    refusal_of(lie, {"m.onnx", "protobuf cannot parse it"});
}

/// Sparse: no blocks on the disk.
TEST_F(HostileModel, AFileOf3GiBIsNotRead) {
    write("m.onnx", "");
    fs::resize_file(dir_ + "/m.onnx", std::uintmax_t{3} << 30);
    const Outcome outcome =
        run({"-m=m.onnx", "-compile-only", "-aic-binary-dir=out"}, "qaic-exec", 0, 2UL << 30);
    EXPECT_EQ(outcome.status, 1);
    expect_one_sentence(outcome.err);
    EXPECT_NE(outcome.err.find("less than 2 GiB"), std::string::npos) << outcome.err;
}

ModelBuilder with_data_file(const std::string& location, std::int64_t size) {
    ModelBuilder b = one_node("Add");
    auto& w = b.constant("w", {size}, kFloat);
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& entry = *w.add_external_data();
    entry.set_key("location");
    entry.set_value(location);
    b.graph().mutable_node(0)->add_input("w");
    return b;
}

TEST_F(HostileModel, DataOutsideTheFolderIsNamed) {
    fs::create_directory(dir_ + "/sub");
    write("secret", std::string(12, 'x'));
    fs::create_symlink("/etc/hostname", dir_ + "/link.bin");
    fs::create_symlink("/etc", dir_ + "/etc");
    for (const char* location : {"../secret", "/etc/hostname", "sub/../../secret", "link.bin",
                                 "etc/hostname", "sub/../x"}) {
        refusal(with_data_file(location, 3), {"'w'", "inside the model's folder"});
    }
    refusal(with_data_file(std::string("a\0b", 3), 3), {"'w'", "inside the model's folder"});
}

TEST_F(HostileModel, DataThatIsNoFileIsNamed) {
    ASSERT_EQ(::mkfifo((dir_ + "/fifo").c_str(), 0600), 0);
    fs::create_directory(dir_ + "/folder");
    fs::create_symlink("/dev/zero", dir_ + "/zero");
    fs::create_symlink("turn", dir_ + "/turn");
    refusal(with_data_file("fifo", 3), {"'w'", "not a regular file"});
    refusal(with_data_file("folder", 3), {"'w'", "not a regular file"});
    refusal(with_data_file("zero", 3), {"'w'", "inside the model's folder"});
    refusal(with_data_file("turn", 3), {"'w'", "cannot be opened"});
    refusal(with_data_file("gone\n.bin", 3), {"'w'", "gone?.bin"});
}

/// 64 GiB that are not on the disk: what is not in memory cannot be read into it.
TEST_F(HostileModel, DataOf64GiBIsRefusedByName) {
    write("w.bin", "");
    fs::resize_file(dir_ + "/w.bin", std::uintmax_t{64} << 30);
    refusal(with_data_file("w.bin", std::int64_t{16} << 30), {"'w'", "68719476736 bytes"});
    // Three elements are declared and the whole file is meant.
    refusal(with_data_file("w.bin", 3), {"'w'", "do not need"});
}

TEST_F(HostileModel, WrongTypesAreNamed) {
    ModelBuilder kind = one_node("Softmax");
    add_attribute(*kind.graph().mutable_node(0), "axis", onnx::AttributeProto::STRING).set_s("one");
    refusal(kind, {"'node_y' (Softmax)", "'axis'", "STRING", "INT"});
    ModelBuilder mixed = one_node("Add");
    mixed.input("z", {2, 3}, kHalf);
    mixed.graph().mutable_node(0)->add_input("z");
    refusal(mixed, {"'node_y' (Add)", "FLOAT", "FLOAT16"});
    ModelBuilder declared;
    declared.input("x", {2}).output("y", {2}, kInt64);
    declared.node("Relu", {"x"}, {"y"});
    refusal(declared, {"'y'", "INT64", "FLOAT"});
    ModelBuilder unknown;
    unknown.input("x", {2}, static_cast<qaicc::test::Type>(16)).output("y", {2});
    unknown.node("Relu", {"x"}, {"y"});
    refusal(unknown, {"'x'", "BFLOAT16"});
}

TEST_F(HostileModel, MissingInputsAreNamed) {
    ModelBuilder ghost = one_node("Add");
    ghost.graph().mutable_node(0)->add_input("ghost");
    refusal(ghost, {"'node_y' (Add)", "'ghost'"});
    refusal(one_node("Add"), {"'node_y' (Add)", "1 inputs"});
    ModelBuilder none = one_node("MatMul");
    none.graph().mutable_node(0)->clear_input();
    refusal(none, {"'node_y' (MatMul)", "0 inputs"});
    ModelBuilder output = one_node("Relu");
    output.output("z", {2, 3});
    refusal(output, {"'z'"});
}

TEST_F(HostileModel, DuplicateNamesAreNamed) {
    ModelBuilder twice = one_node("Relu");
    twice.node("Tanh", {"x"}, {"y"});
    twice.output("z", {2, 3});
    twice.node("Add", {"y", "y"}, {"z"});
    refusal(twice, {"'y'", "'node_y' (Relu)", "'node_y' (Tanh)"});
    ModelBuilder shadow = one_node("Relu");
    shadow.floats("y", {2, 3}, {1, 2, 3, 4, 5, 6});
    refusal(shadow, {"'y'", "'node_y' (Relu)"});
    ModelBuilder constants = one_node("Add");
    constants.floats("w", {1}, {1}).floats("w", {1}, {2});
    constants.graph().mutable_node(0)->add_input("w");
    refusal(constants, {"'w'"});
    ModelBuilder inputs = one_node("Relu");
    inputs.input("x", {2, 3});
    refusal(inputs, {"'x'"});
}

TEST_F(HostileModel, DeepNestingIsRefused) {
    for (const int depth : {40, 200, 20000}) {
        ModelBuilder b = one_node("Relu");
        onnx::GraphProto* graph = &b.graph();
        for (int i = 0; i < depth; ++i) {
            auto& node = *graph->add_node();
            node.set_op_type("If");
            node.set_name("level");
            node.add_input("x");
            node.add_output("y" + std::to_string(i));
            graph->add_output()->set_name("y" + std::to_string(i));
            graph = &add_graph(node, "then_branch");
        }
        refusal(b, {"m.onnx"});
    }
}

TEST_F(HostileModel, NamesCannotBreakTheLineOrSteerTheTerminal) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Add", {"x", "gh\nost\x1b[2J"}, {"y"}).set_name("no\x1b]0;de\r\n");
    const std::string error = refusal(b, {"'no?]0;de", "gh?ost?[2J"});
    for (const char c : error.substr(0, error.size() - 1)) {
        EXPECT_GE(static_cast<unsigned char>(c), 0x20U) << error;
    }
}

TEST_F(HostileModel, AnOutputWithoutATypeDoesNotHideWhatIsWrong) {
    ModelBuilder b = one_node("Add");
    b.input("z", {4, 5});
    b.graph().mutable_node(0)->add_input("z");
    b.graph().mutable_output(0)->clear_type();
    refusal(b, {"m.onnx", "'node_y' (Add)", "[4,5]"});
}

/// A chain of nodes of a few bytes each, 64 MiB of results each, all of them known at load.
TEST_F(HostileModel, AChainOfConstantsDoesNotFillTheMemory) {
    ModelBuilder b;
    b.input("x", {1}).output("y", {1});
    b.ints("shape", {1}, {16 << 20});
    for (int i = 0; i < 100; ++i) {
        b.node("ConstantOfShape", {"shape"}, {"c" + std::to_string(i)});
        b.node(
            i == 0 ? "Add" : "Max",
            i == 0 ? Names{"x", "c0"} : Names{"s" + std::to_string(i - 1), "c" + std::to_string(i)},
            {"s" + std::to_string(i)});
    }
    b.node("ReduceMax", {"s99"}, {"y"});
    write("m.onnx", b.model().SerializeAsString());
    const Outcome outcome =
        run({"-m=m.onnx", "-compile-only", "-aic-binary-dir=out"}, "qaic-exec", 0, 4UL << 30);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
}

}  // namespace
}  // namespace qaicexec::test
