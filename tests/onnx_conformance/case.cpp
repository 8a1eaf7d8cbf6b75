// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx_conformance/case.hpp"

#include "emu/net/half.hpp"
#include "emu/net/model_io.hpp"
#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace conformance {
namespace {

using Bytes = std::vector<std::byte>;
using qaicnet::ElemType;

struct Failure {
    std::string stage, reason;
};

[[noreturn]] void fail(std::string reason) {
    throw Failure{"failed", std::move(reason)};
}

/// Inputs whose values decide shapes, by operator: the runner wants them known at load.
const std::map<std::string, std::set<int>>& shape_inputs() {
    static const std::map<std::string, std::set<int>> table{
        {"Reshape", {1}},         {"Expand", {1}},       {"Tile", {1}},
        {"Slice", {1, 2, 3, 4}},  {"Split", {1}},        {"Squeeze", {1}},
        {"Unsqueeze", {1}},       {"Pad", {1, 3}},       {"Resize", {1, 2, 3}},
        {"Upsample", {1}},        {"TopK", {1}},         {"CumSum", {1}},
        {"Trilu", {1}},           {"Range", {0, 1, 2}},  {"ConstantOfShape", {0}},
        {"ReduceSum", {1}},       {"ReduceMean", {1}},   {"ReduceMax", {1}},
        {"ReduceMin", {1}},       {"ReduceProd", {1}},   {"ReduceL1", {1}},
        {"ReduceL2", {1}},        {"ReduceLogSum", {1}}, {"ReduceLogSumExp", {1}},
        {"ReduceSumSquare", {1}}, {"OneHot", {1}},       {"CenterCropPad", {1}},
    };
    return table;
}

onnx::TensorProto read_tensor(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    onnx::TensorProto tensor;
    if (!file || !tensor.ParseFromIstream(&file)) {
        throw Failure{"unsupported", path.filename().string() + " holds no tensor"};
    }
    return tensor;
}

std::vector<onnx::TensorProto> read_tensors(const std::filesystem::path& folder, const char* kind) {
    std::vector<onnx::TensorProto> out;
    for (int i = 0;; ++i) {
        const auto path = folder / fmt::format("{}_{}.pb", kind, i);
        if (!std::filesystem::exists(path)) {
            return out;
        }
        out.push_back(read_tensor(path));
    }
}

template <class Stored, class Target>
void append(const Stored& values, Bytes& out) {
    for (const auto value : values) {
        const auto narrow = static_cast<Target>(value);
        const auto bytes = std::as_bytes(std::span(&narrow, 1));
        out.insert(out.end(), bytes.begin(), bytes.end());
    }
}

/// A tensor's elements as the runner has them, from whichever field holds them.
Bytes tensor_bytes(const onnx::TensorProto& tensor) {
    Bytes out;
    if (tensor.has_raw_data()) {
        const auto raw = std::as_bytes(std::span(tensor.raw_data()));
        return {raw.begin(), raw.end()};
    }
    const auto& ints = tensor.int32_data();
    switch (static_cast<ElemType>(tensor.data_type())) {
        case ElemType::kFloat:
            append<decltype(tensor.float_data()), float>(tensor.float_data(), out);
            break;
        case ElemType::kDouble:
            append<decltype(tensor.double_data()), double>(tensor.double_data(), out);
            break;
        case ElemType::kInt64:
            append<decltype(tensor.int64_data()), std::int64_t>(tensor.int64_data(), out);
            break;
        case ElemType::kUInt32:
            append<decltype(tensor.uint64_data()), std::uint32_t>(tensor.uint64_data(), out);
            break;
        case ElemType::kUInt64:
            append<decltype(tensor.uint64_data()), std::uint64_t>(tensor.uint64_data(), out);
            break;
        case ElemType::kInt32:
            append<decltype(ints), std::int32_t>(ints, out);
            break;
        case ElemType::kFloat16:
        case ElemType::kInt16:
        case ElemType::kUInt16:
            append<decltype(ints), std::uint16_t>(ints, out);
            break;
        default:
            append<decltype(ints), std::uint8_t>(ints, out);
            break;
    }
    return out;
}

void add_shape_names(const onnx::GraphProto& graph, std::set<std::string>& names) {
    for (auto node = graph.node().rbegin(); node != graph.node().rend(); ++node) {
        const auto found = shape_inputs().find(node->op_type());
        if (found != shape_inputs().end()) {
            for (const int i : found->second) {
                if (i < node->input_size() && !node->input(i).empty()) {
                    names.insert(node->input(i));
                }
            }
        }
        // What a shape is computed from decides it, too.
        for (const std::string& output : node->output()) {
            if (names.count(output) != 0) {
                names.insert(node->input().begin(), node->input().end());
            }
        }
        for (const auto& attribute : node->attribute()) {
            if (attribute.has_g()) {
                add_shape_names(attribute.g(), names);
            }
        }
    }
}

/// The model with sizes from the data set, and with shape inputs turned into initializers.
onnx::ModelProto bind(const onnx::ModelProto& model, const std::vector<onnx::TensorProto>& inputs,
                      std::vector<std::size_t>& left) {
    onnx::ModelProto bound = model;
    std::set<std::string> names;
    add_shape_names(model.graph(), names);
    for (const auto& function : model.functions()) {
        // A function's shape inputs are known only by name inside; bind all inputs of its caller.
        (void)function;
        for (const auto& input : model.graph().input()) {
            const int type = input.type().tensor_type().elem_type();
            if (type == onnx::TensorProto::INT64) {
                names.insert(input.name());
            }
        }
    }
    auto* declared = bound.mutable_graph()->mutable_input();
    declared->Clear();
    for (int i = 0; i < model.graph().input_size(); ++i) {
        const auto& input = model.graph().input(i);
        if (static_cast<std::size_t>(i) >= inputs.size()) {
            continue;
        }
        const auto& tensor = inputs[static_cast<std::size_t>(i)];
        if (names.count(input.name()) != 0) {
            auto* constant = bound.mutable_graph()->add_initializer();
            *constant = tensor;
            constant->set_name(input.name());
            continue;
        }
        auto* kept = declared->Add();
        *kept = input;
        if (kept->type().has_tensor_type()) {
            auto* shape = kept->mutable_type()->mutable_tensor_type()->mutable_shape();
            shape->clear_dim();
            for (const std::int64_t dim : tensor.dims()) {
                shape->add_dim()->set_dim_value(dim);
            }
        }
        left.push_back(static_cast<std::size_t>(i));
    }
    return bound;
}

double as_double(const Bytes& bytes, ElemType type, std::size_t i) {
    const auto get = [&]<class T>(T value) {
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        return value;
    };
    switch (type) {
        case ElemType::kFloat:
            return get(float{});
        case ElemType::kDouble:
            return get(double{});
        default:
            return qaicnet::half_to_float(get(qaicnet::Half{}));
    }
}

void compare(const Bytes& got, const onnx::TensorProto& wanted, const qaicnet::ValueInfo& info) {
    if (static_cast<int>(info.type) != wanted.data_type()) {
        fail(fmt::format("output '{}' has type {}, wanted {}", info.name,
                         qaicnet::elem_type_name(info.type),
                         qaicnet::onnx_type_name(wanted.data_type())));
    }
    const std::vector<std::int64_t> dims(wanted.dims().begin(), wanted.dims().end());
    if (dims != info.dims) {
        fail(fmt::format("output '{}' has shape [{}], wanted [{}]", info.name,
                         fmt::join(info.dims, ","), fmt::join(dims, ",")));
    }
    const Bytes want = tensor_bytes(wanted);
    if (want.size() != got.size()) {
        fail(fmt::format("output '{}' has {} bytes, the reference {}", info.name, got.size(),
                         want.size()));
    }
    const bool real = info.type == ElemType::kFloat || info.type == ElemType::kDouble ||
                      info.type == ElemType::kFloat16;
    if (!real) {
        if (got != want) {
            fail(fmt::format("output '{}' differs", info.name));
        }
        return;
    }
    const std::size_t count = got.size() / qaicnet::elem_bytes(info.type);
    for (std::size_t i = 0; i < count; ++i) {
        const double a = as_double(got, info.type, i);
        const double b = as_double(want, info.type, i);
        const bool equal = a == b || (std::isnan(a) && std::isnan(b)) ||
                           std::fabs(a - b) <= 1e-7 + 1e-3 * std::fabs(b);
        if (!equal) {
            fail(fmt::format("output '{}' is {} at element {}, wanted {}", info.name, a, i, b));
        }
    }
}

std::vector<Bytes> run(qaicnet::Network& network, const std::vector<onnx::TensorProto>& inputs,
                       const std::vector<std::size_t>& left, unsigned threads) {
    std::vector<Bytes> in, out;
    std::vector<std::span<const std::byte>> in_spans;
    std::vector<std::span<std::byte>> out_spans;
    for (const std::size_t i : left) {
        in.push_back(tensor_bytes(inputs[i]));
    }
    for (const auto& output : network.outputs()) {
        out.emplace_back(output.bytes());
    }
    in_spans.assign(in.begin(), in.end());
    out_spans.assign(out.begin(), out.end());
    const auto workers = qaicnet::make_workers(threads);
    if (const auto status = network.run(in_spans, out_spans, *workers); !status) {
        fail(status.error().message);
    }
    return out;
}

void run_data_set(const onnx::ModelProto& model, const std::filesystem::path& folder) {
    const auto inputs = read_tensors(folder, "input");
    const auto outputs = read_tensors(folder, "output");
    std::vector<std::size_t> left;
    const onnx::ModelProto bound = bind(model, inputs, left);
    std::vector<Bytes> first;
    for (const bool passes : {true, false}) {
        qaicnet::LoadOptions options;
        options.passes = passes;
        auto network = qaicnet::Network::load(bound, {}, options);
        if (!network) {
            throw Failure{"unsupported", network.error().message};
        }
        first = run(**network, inputs, left, 1);
        if (first != run(**network, inputs, left, 2)) {
            fail("two threads give another result than one");
        }
        if ((*network)->outputs().size() < outputs.size()) {
            fail("the model has fewer outputs than the reference");
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            compare(first[i], outputs[i], (*network)->outputs()[i]);
        }
    }
}

}  // namespace

Outcome run_case(const std::string& folder) {
    try {
        const std::filesystem::path path(folder);
        std::ifstream file(path / "model.onnx", std::ios::binary);
        onnx::ModelProto model;
        if (!file || !model.ParseFromIstream(&file)) {
            return {false, "failed", "model.onnx cannot be read"};
        }
        int sets = 0;
        for (;; ++sets) {
            const auto set = path / fmt::format("test_data_set_{}", sets);
            if (!std::filesystem::exists(set)) {
                break;
            }
            run_data_set(model, set);
        }
        return sets > 0 ? Outcome{true, "", ""} : Outcome{false, "failed", "there is no data set"};
    } catch (const Failure& failure) {
        return {false, failure.stage, failure.reason};
    }
}

}  // namespace conformance
