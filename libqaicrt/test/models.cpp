// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/test/models.hpp"

#include "libqaicrt/qpc/program_image.hpp"

#include <onnx/onnx_pb.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace qaicrt::test {
namespace {

using onnx::TensorProto;

/// An ONNX graph under construction, its constants and the QPC around it.
class ModelBuilder {
  public:
    explicit ModelBuilder(const std::string& name) : name_(name) {
        model_.set_ir_version(8);
        model_.add_opset_import()->set_version(17);
        model_.mutable_graph()->set_name(name);
    }
    void input(const std::string& name, int type, const std::vector<std::int64_t>& dims) {
        value(*model_.mutable_graph()->add_input(), name, type, dims);
        inputs_.push_back(binding(name, type, dims));
    }
    void output(const std::string& name, int type, const std::vector<std::int64_t>& dims) {
        value(*model_.mutable_graph()->add_output(), name, type, dims);
        outputs_.push_back(binding(name, type, dims));
    }
    void node(const char* op, const std::vector<std::string>& in, const std::string& out) {
        auto* node = model_.mutable_graph()->add_node();
        node->set_op_type(op);
        node->set_name(name_ + "/" + op);
        for (const auto& tensor : in) {
            node->add_input(tensor);
        }
        node->add_output(out);
    }
    void constant(const std::string& name, const std::vector<std::int64_t>& dims,
                  const std::vector<float>& values) {
        auto* tensor = model_.mutable_graph()->add_initializer();
        tensor->set_name(name);
        tensor->set_data_type(TensorProto::FLOAT);
        for (const auto dim : dims) {
            tensor->add_dims(dim);
        }
        tensor->set_data_location(TensorProto::EXTERNAL);
        external(*tensor, "location", "constants.bin");
        external(*tensor, "offset", std::to_string(constants_.size()));
        external(*tensor, "length", std::to_string(values.size() * sizeof(float)));
        const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
        constants_.insert(constants_.end(), bytes, bytes + values.size() * sizeof(float));
    }
    std::vector<std::byte> build(unsigned nsps) {
        qpc::ProgramSpec spec;
        spec.name = name_;
        spec.inputs = inputs_;
        spec.outputs = outputs_;
        spec.num_nsps = static_cast<std::uint16_t>(nsps);
        spec.constants = constants_;
        const std::string text = model_.SerializeAsString();
        spec.emu_section.resize(text.size());
        std::memcpy(spec.emu_section.data(), text.data(), text.size());
        auto qpc = qpc::build_program(spec);
        if (!qpc) {
            std::fprintf(stderr, "test program %s: %s\n", name_.c_str(),
                         qpc.error().message.c_str());
            std::abort();
        }
        return std::move(qpc).value();
    }

  private:
    static void value(onnx::ValueInfoProto& info, const std::string& name, int type,
                      const std::vector<std::int64_t>& dims) {
        info.set_name(name);
        auto* tensor = info.mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(type);
        for (const auto dim : dims) {
            tensor->mutable_shape()->add_dim()->set_dim_value(dim);
        }
    }
    static void external(TensorProto& tensor, const char* key, const std::string& text) {
        auto* entry = tensor.add_external_data();
        entry->set_key(key);
        entry->set_value(text);
    }
    static qpc::Binding binding(const std::string& name, int type,
                                const std::vector<std::int64_t>& dims) {
        qpc::Binding out;
        out.name = name;
        out.initial.type = type == TensorProto::INT64 ? DataType::kInt64I : DataType::kFloat;
        out.initial.scale = 1.0F;
        for (const auto dim : dims) {
            out.initial.dims.push_back(static_cast<std::int32_t>(dim));
        }
        return out;
    }

    std::string name_;
    onnx::ModelProto model_;
    std::vector<qpc::Binding> inputs_, outputs_;
    std::vector<std::byte> constants_;
};

}  // namespace

std::vector<std::byte> scale_qpc(std::size_t elements, float w, float b, unsigned nsps) {
    const auto n = static_cast<std::int64_t>(elements);
    ModelBuilder model("scale");
    model.input("x", TensorProto::FLOAT, {n});
    model.output("y", TensorProto::FLOAT, {n});
    model.constant("w", {1}, {w});
    model.constant("b", {1}, {b});
    model.node("Mul", {"x", "w"}, "xw");
    model.node("Add", {"xw", "b"}, "y");
    return model.build(nsps);
}

std::vector<std::byte> gather_qpc(std::size_t rows, std::size_t count) {
    ModelBuilder model("gather");
    model.input("index", TensorProto::INT64, {static_cast<std::int64_t>(count)});
    model.output("y", TensorProto::FLOAT, {static_cast<std::int64_t>(count)});
    std::vector<float> table;
    for (std::size_t i = 0; i < rows; ++i) {
        table.push_back(static_cast<float>(i) * 0.5F);
    }
    model.constant("table", {static_cast<std::int64_t>(rows)}, table);
    model.node("Gather", {"table", "index"}, "y");
    return model.build(1);
}

std::vector<std::byte> two_by_two_qpc(std::size_t elements) {
    const auto n = static_cast<std::int64_t>(elements);
    ModelBuilder model("two_by_two");
    model.input("x", TensorProto::FLOAT, {n});
    model.input("y", TensorProto::FLOAT, {n});
    model.output("sum", TensorProto::FLOAT, {n});
    model.output("difference", TensorProto::FLOAT, {n});
    model.node("Add", {"x", "y"}, "sum");
    model.node("Sub", {"x", "y"}, "difference");
    return model.build(1);
}

std::vector<std::byte> matmul_qpc(std::size_t size, unsigned nsps) {
    const auto n = static_cast<std::int64_t>(size);
    ModelBuilder model("matmul");
    model.input("x", TensorProto::FLOAT, {n, n});
    model.output("y", TensorProto::FLOAT, {n, n});
    model.constant("w", {n, n}, std::vector<float>(size * size, 1.0F));
    model.node("MatMul", {"x", "w"}, "y");
    return model.build(nsps);
}

std::vector<std::byte> silicon_qpc() {
    const auto emulated = scale_qpc(4, 1, 0);
    const auto container = qpc::Container::parse(emulated);
    const auto sections = qpc::parse_elf_sections(container->find(qpc::kNetworkElf)->data);
    std::vector<qpc::ElfSection> kept;
    for (const auto& section : *sections) {
        if (section.name == qpc::kMetadataSection || section.name == qpc::kMetadataFbSection) {
            kept.push_back(section);
        }
    }
    const auto elf = qpc::write_elf(kept);
    std::vector<qpc::Segment> segments(container->segments().begin(), container->segments().end());
    for (auto& segment : segments) {
        if (segment.name == qpc::kNetworkElf) {
            segment.data = elf;
        }
    }
    return qpc::write_container(segments).value();
}

Program must_load(std::vector<std::byte> qpc) {
    auto program = Program::from_bytes(std::move(qpc));
    if (!program) {
        std::fprintf(stderr, "test program: %s\n", program.error().message.c_str());
        std::abort();
    }
    return std::move(program).value();
}

}  // namespace qaicrt::test
