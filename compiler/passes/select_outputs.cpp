// SPDX-License-Identifier: Apache-2.0
/// -output-node-name: which tensors are the program's outputs.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::ValueInfoProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

std::string listed_outputs(const GraphProto& graph) {
    std::string out;
    for (int i = 0; i < graph.output_size() && i < 8; ++i) {
        out += fmt::format("{}'{}'", i == 0 ? "" : ", ", graph.output(i).name());
    }
    return out + (graph.output_size() > 8 ? ", …" : "");
}

/// Name of the tensor that `name` asks for, "" when there is none. A tensor's name wins over a
/// node's.
std::string resolve(const GraphProto& graph, const std::unordered_map<std::string, int>& made_by,
                    const std::string& name) {
    if (made_by.contains(name)) {
        return name;
    }
    const auto is_named = [&](const auto& item) { return item.name() == name; };
    if (std::any_of(graph.output().begin(), graph.output().end(), is_named)) {
        return name;  // an output that is an input or an initializer
    }
    const auto node = std::find_if(graph.node().begin(), graph.node().end(), is_named);
    return node == graph.node().end() || node->output_size() == 0 ? "" : node->output(0);
}

/// The declared type of a tensor, if the model gives one.
const ValueInfoProto* declared(const GraphProto& graph, const std::string& tensor) {
    for (const auto& output : graph.output()) {
        if (output.name() == tensor) {
            return &output;
        }
    }
    for (const auto& value : graph.value_info()) {
        if (value.name() == tensor) {
            return &value;
        }
    }
    return nullptr;
}

}  // namespace

Status select_outputs(Lowering& lowering) {
    const auto& wanted = lowering.options.output_names;
    if (wanted.empty()) {
        return {};
    }
    GraphProto& graph = *lowering.model.mutable_graph();
    const auto made_by = producers(graph);
    google::protobuf::RepeatedPtrField<ValueInfoProto> outputs;
    for (const std::string& name : wanted) {
        const std::string tensor = resolve(graph, made_by, name);
        if (tensor.empty()) {
            return Error(
                Errc::kNotFound,
                fmt::format("-output-node-name: {} has no tensor or node '{}'; its outputs "
                            "are {}.",
                            lowering.source, name, listed_outputs(graph)));
        }
        for (const auto& output : outputs) {
            if (output.name() == tensor) {
                return Error(Errc::kInvalidArgument,
                             fmt::format("-output-node-name names the output '{}' twice: name it "
                                         "once.",
                                         tensor));
            }
        }
        ValueInfoProto* output = outputs.Add();
        if (const auto* value = declared(graph, tensor)) {
            *output = *value;
        }
        output->set_name(tensor);
    }
    graph.mutable_output()->Swap(&outputs);
    return {};
}

}  // namespace qaicc
