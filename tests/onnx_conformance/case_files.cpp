// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx_conformance/case_files.hpp"

#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <fstream>
#include <map>
#include <set>
#include <span>

namespace conformance {
namespace {

using qaicnet::ElemType;

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
        {"CumProd", {1}},         {"Compress", {1}},     {"NonZero", {0}},
        {"MaxUnpool", {2}},       {"Dropout", {1, 2}},
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

template <class Stored, class Target>
void append(const Stored& values, Bytes& out) {
    for (const auto value : values) {
        const auto narrow = static_cast<Target>(value);
        const auto bytes = std::as_bytes(std::span(&narrow, 1));
        out.insert(out.end(), bytes.begin(), bytes.end());
    }
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

}  // namespace

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

onnx::ModelProto bind_shape_inputs(const onnx::ModelProto& model,
                                   const std::vector<onnx::TensorProto>& inputs,
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

}  // namespace conformance
