// SPDX-License-Identifier: Apache-2.0
#include "emu/test/programs.hpp"

#include "libqaicrt/qpc/container.hpp"
#include "libqaicrt/qpc/elf.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

namespace qaicemu::test {

namespace qpc = qaicrt::qpc;

qpc::Metadata plain_metadata(std::uint16_t nsps) {
    qpc::Metadata out;
    out.network_name = "plain";
    out.required_fields = {"AicMetadataFlat_Metadata->requiredFields",
                           "AicMetadataFlat_Metadata->networkName"};
    out.num_nsps = nsps;
    out.num_semaphores = 8;
    out.semaphore_init = {0, 0, 0, 0, 0, 0, 0, 0};
    out.static_shared_ddr = 64 * 1024;
    out.l2tcm_size = 4096;
    out.l2tcm_init.assign(1168, 0);
    out.vtcm_size = 4096;
    const std::uint32_t all = (1u << nsps) - 1;
    out.host_multicast = {{.mask = all, .size = 1124}};
    out.nsp_multicast.assign(nsps, {{.base_offset = 0, .mask = all, .size = 1124}});
    out.threads = {{.entry_point = 0x02000000}};
    return out;
}

Bytes elf_of(const qpc::Metadata& metadata, std::span<const std::byte> model) {
    const auto section = qpc::write_metadata(metadata);
    std::vector<qpc::ElfSection> sections{{qpc::kMetadataSection, section}};
    if (model.data() != nullptr) {
        sections.push_back({qpc::kEmuSection, model});
    }
    return qpc::write_elf(sections);
}

namespace {

void add_tensor(onnx::ValueInfoProto& value, const std::string& name, int type,
                const std::vector<std::int64_t>& dims) {
    value.set_name(name);
    auto& tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (const auto dim : dims) {
        tensor.mutable_shape()->add_dim()->set_dim_value(dim);
    }
}

onnx::ModelProto empty_model() {
    onnx::ModelProto model;
    model.set_ir_version(8);
    auto& opset = *model.add_opset_import();
    opset.set_domain("");
    opset.set_version(13);
    model.mutable_graph()->set_name("test");
    return model;
}

onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& op,
                          const std::vector<std::string>& inputs, const std::string& output) {
    auto& node = *model.mutable_graph()->add_node();
    node.set_op_type(op);
    node.set_name(op);
    for (const auto& input : inputs) {
        node.add_input(input);
    }
    node.add_output(output);
    return node;
}

}  // namespace

onnx::ModelProto relu_model(std::int64_t elements) {
    auto model = empty_model();
    add_tensor(*model.mutable_graph()->add_input(), "x", onnx::TensorProto::FLOAT, {elements});
    add_tensor(*model.mutable_graph()->add_output(), "y", onnx::TensorProto::FLOAT, {elements});
    add_node(model, "Relu", {"x"}, "y");
    return model;
}

onnx::ModelProto matmul_model(std::int64_t m, std::int64_t k, std::int64_t n,
                              std::span<const float> weights) {
    auto model = empty_model();
    auto& graph = *model.mutable_graph();
    add_tensor(*graph.add_input(), "x", onnx::TensorProto::FLOAT, {m, k});
    add_tensor(*graph.add_output(), "y", onnx::TensorProto::FLOAT, {m, n});
    auto& w = *graph.add_initializer();
    w.set_name("w");
    w.set_data_type(onnx::TensorProto::FLOAT);
    w.add_dims(k);
    w.add_dims(n);
    w.set_raw_data(
        std::string(reinterpret_cast<const char*>(weights.data()), weights.size_bytes()));
    add_node(model, "MatMul", {"x", "w"}, "y");
    return model;
}

onnx::ModelProto gather_model(std::int64_t rows) {
    auto model = empty_model();
    auto& graph = *model.mutable_graph();
    add_tensor(*graph.add_input(), "table", onnx::TensorProto::FLOAT, {rows});
    add_tensor(*graph.add_input(), "index", onnx::TensorProto::INT64, {1});
    add_tensor(*graph.add_output(), "y", onnx::TensorProto::FLOAT, {1});
    add_node(model, "Gather", {"table", "index"}, "y");
    return model;
}

std::string serialized(const onnx::ModelProto& model) {
    return model.SerializeAsString();
}

namespace {

std::vector<qpc::Binding> bindings(const std::vector<TensorShape>& tensors) {
    std::vector<qpc::Binding> out;
    for (const auto& tensor : tensors) {
        qpc::Binding binding;
        binding.name = tensor.name;
        binding.initial.type =
            tensor.is_int64 ? qaicrt::DataType::kInt64I : qaicrt::DataType::kFloat;
        binding.initial.dims = tensor.dims;
        out.push_back(binding);
    }
    return out;
}

}  // namespace

Bytes network_elf(const onnx::ModelProto& model, const std::vector<TensorShape>& inputs,
                  const std::vector<TensorShape>& outputs, std::uint16_t nsps) {
    const std::string text = serialized(model);
    qpc::ProgramSpec spec;
    spec.name = "test";
    spec.inputs = bindings(inputs);
    spec.outputs = bindings(outputs);
    spec.num_nsps = nsps;
    const auto bytes = std::as_bytes(std::span(text));
    spec.emu_section.assign(bytes.begin(), bytes.end());
    const auto built = qpc::build_program(spec);
    EXPECT_TRUE(built) << built.error().message;
    const auto program = qpc::parse_program(*built);
    EXPECT_TRUE(program) << program.error().message;
    return {program->elf.begin(), program->elf.end()};
}

CardConfig small_card() {
    CardConfig config;
    config.nsps = 4;
    config.ddr_bytes = std::uint64_t{256} << 20;
    config.mcids = 64;
    return config;
}

namespace {

std::unique_ptr<Card> make_card(const CardConfig& config, FakeHost& host) {
    auto card = Card::create(config, host.ports());
    EXPECT_TRUE(card) << card.error().message;
    return std::move(*card);
}

}  // namespace

Bench::Bench(const CardConfig& config, std::size_t host_bytes)
    : host(host_bytes), card(make_card(config, host)), user(*card, host, 1) {}

Active Bench::start(std::span<const std::byte> elf, std::uint32_t elements) {
    const auto [status, id] = user.load_elf(elf);
    EXPECT_EQ(status, 0) << card->last_refusal(user.handle());
    const Active active = user.activate(id, 0, elements);
    EXPECT_EQ(active.status, 0) << card->last_refusal(user.handle());
    EXPECT_EQ(active.transactions, 2u);
    return active;
}

qpc::Metadata metadata_of(std::span<const std::byte> elf) {
    const auto sections = qpc::parse_elf_sections(elf);
    const auto* section = qpc::find_section(*sections, qpc::kMetadataFbSection);
    if (section == nullptr) {
        section = qpc::find_section(*sections, qpc::kMetadataSection);
    }
    auto metadata = qpc::parse_metadata(section->data);
    EXPECT_TRUE(metadata) << metadata.error().message;
    return *metadata;
}

std::vector<aic100_request> inference(const qpc::Metadata& metadata, const Active& active,
                                      std::uint16_t first_id,
                                      std::span<const std::uint64_t> buffers) {
    std::vector<aic100_request> out;
    for (const auto& wanted : metadata.requests) {
        const std::uint64_t card = active.ddr_base + wanted.dev_offset;
        const std::uint64_t host = buffers[wanted.num];
        const auto id = static_cast<std::uint16_t>(first_id + wanted.num);
        auto request = wanted.from_device ? from_device(id, card, host, wanted.size)
                                          : to_device(id, host, card, wanted.size);
        for (std::size_t i = 0; i < wanted.semaphores.size(); ++i) {
            const auto& op = wanted.semaphores[i];
            request.sem_cmd[i] =
                sem(static_cast<std::uint32_t>(op.op), op.sem, op.value, op.presync);
        }
        for (const auto& bell : wanted.doorbells) {
            request.db_attr = AIC100_DB_ENABLE | AIC100_DB_LEN_32;
            request.db_addr =
                active.mcid_base + std::uint64_t{bell.mcid} * AIC100_MCID_WINDOW + bell.offset;
            request.db_data = bell.data;
        }
        out.push_back(request);
    }
    return out;
}

}  // namespace qaicemu::test
