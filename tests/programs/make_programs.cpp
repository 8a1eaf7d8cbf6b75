// SPDX-License-Identifier: Apache-2.0
/// Writes the programs that the tests of tools and APIs run: one directory each with
/// programqpc.bin. usage: make_programs MODELS_DIR OUTPUT_DIR
#include "compiler/compile.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <onnx/onnx_pb.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

bool report(const std::string& name, const qaicrt::Error& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.message.c_str());
    return false;
}

bool compile(const fs::path& model, const fs::path& output, bool mx = false) {
    qaicc::CompileOptions options;
    options.model_path = model.string();
    options.output_dir = output.string();
    options.convert_to_fp16 = mx;
    options.mxfp6_matmul = mx;
    options.num_cores = mx ? 4 : 1;
    const auto compiled = qaicc::compile_model(options);
    return compiled ? true : report(output.string(), compiled.error());
}

void set_type(onnx::ValueInfoProto& value, const std::string& name, int type,
              const std::vector<std::int64_t>& dims) {
    value.set_name(name);
    auto* tensor = value.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    auto* shape = tensor->mutable_shape();
    for (const auto dim : dims) {
        shape->add_dim()->set_dim_value(dim);
    }
}

onnx::ModelProto empty_model(const std::string& name) {
    onnx::ModelProto model;
    model.set_ir_version(8);
    model.add_opset_import()->set_version(13);
    model.mutable_graph()->set_name(name);
    return model;
}

bool save_and_compile(const onnx::ModelProto& model, const fs::path& output) {
    const fs::path file = output.string() + ".onnx";
    std::ofstream stream(file, std::ios::binary);
    if (!model.SerializeToOstream(&stream) || !stream.flush()) {
        std::fprintf(stderr, "cannot write %s\n", file.c_str());
        return false;
    }
    stream.close();
    return compile(file, output);
}

/// Tensor names that would leave a directory, meet each other as file names, or write to a
/// terminal.
bool hostile_names(const fs::path& output) {
    auto model = empty_model("names");
    auto& graph = *model.mutable_graph();
    set_type(*graph.add_input(), "../in", onnx::TensorProto::FLOAT, {4});
    for (const std::string name :
         {"../../../escape", "a/b", "a_b", "..", "bell\x07\x1b[31m\nred"}) {
        auto& node = *graph.add_node();
        node.set_op_type("Relu");
        node.add_input("../in");
        node.add_output(name);
        set_type(*graph.add_output(), name, onnx::TensorProto::FLOAT, {4});
    }
    return save_and_compile(model, output);
}

/// An index that is out of range makes the workload fail on the card.
bool gather(const fs::path& output) {
    auto model = empty_model("gather");
    auto& graph = *model.mutable_graph();
    set_type(*graph.add_input(), "data", onnx::TensorProto::FLOAT, {8});
    set_type(*graph.add_input(), "index", onnx::TensorProto::INT64, {2});
    set_type(*graph.add_output(), "picked", onnx::TensorProto::FLOAT, {2});
    auto& node = *graph.add_node();
    node.set_op_type("Gather");
    node.add_input("data");
    node.add_input("index");
    node.add_output("picked");
    return save_and_compile(model, output);
}

/// A program without an emulator section: what a compiler for the card's NSPs would give.
bool for_silicon(const fs::path& output) {
    qaicrt::qpc::ProgramSpec spec;
    spec.name = "silicon";
    qaicrt::qpc::Binding binding;
    binding.initial.dims = {1, 32};
    binding.name = "input";
    spec.inputs.push_back(binding);
    binding.name = "output";
    spec.outputs.push_back(binding);
    const auto qpc = qaicrt::qpc::build_program(spec);
    if (!qpc) {
        return report("silicon", qpc.error());
    }
    fs::create_directories(output);
    std::ofstream stream(output / "programqpc.bin", std::ios::binary);
    stream.write(reinterpret_cast<const char*>(qpc->data()),
                 static_cast<std::streamsize>(qpc->size()));
    return static_cast<bool>(stream.flush());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: make_programs MODELS_DIR OUTPUT_DIR\n", stderr);
        return 2;
    }
    const fs::path models = argv[1];
    const fs::path output = argv[2];
    fs::remove_all(output);
    fs::create_directories(output);
    const bool good = compile(models / "my_model_a.onnx", output / "question", true) &&
                      compile(models / "multi_io.onnx", output / "multi") &&
                      compile(models / "matmul_chain.onnx", output / "slow") &&
                      compile(models / "edge_types.onnx", output / "types") &&
                      hostile_names(output / "names") && gather(output / "gather") &&
                      for_silicon(output / "silicon");
    return good ? 0 : 1;
}
