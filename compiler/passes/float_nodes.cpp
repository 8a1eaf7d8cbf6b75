// SPDX-License-Identifier: Apache-2.0
#include "compiler/passes/float_nodes.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;

/// Inputs and results of a node that are FLOAT.
struct Ports {
    std::vector<int> inputs, outputs;
};
struct Row {
    const char* op_type;
    Ports ports;
};

const std::vector<Row>& rows() {
    static const std::vector<Row> table{{"QuantizeLinear", {{0, 1}, {}}},
                                        {"DequantizeLinear", {{1}, {0}}},
                                        {"DynamicQuantizeLinear", {{0}, {1}}},
                                        {"QLinearMatMul", {{1, 4, 6}, {}}},
                                        {"QLinearConv", {{1, 4, 6}, {}}}};
    return table;
}

class Apart {
  public:
    Apart(GraphProto& graph, TensorNames& names) : graph_(graph), names_(names) {}

    FloatNodes run() {
        find_nodes();
        if (ports_.empty()) {
            return {};
        }
        count_readers();
        google::protobuf::RepeatedPtrField<NodeProto> nodes;  // the same objects: ports_ knows them
        nodes.Swap(graph_.mutable_node());
        for (NodeProto& node : nodes) {
            const auto found = ports_.find(&node);
            NodeProto changed = node;
            std::vector<std::pair<std::string, std::string>> results;  // FLOAT, FLOAT16
            if (found != ports_.end()) {
                for (const int i : found->second.inputs) {
                    if (i < changed.input_size() && !changed.input(i).empty()) {
                        *changed.mutable_input(i) = read(changed.input(i));
                    }
                }
                for (const int i : found->second.outputs) {
                    if (i < changed.output_size() && !changed.output(i).empty()) {
                        const std::string half = changed.output(i);
                        *changed.mutable_output(i) = as_float_.at(half);
                        results.emplace_back(as_float_.at(half), half);
                    }
                }
                if (changed.op_type() == "Cast") {
                    kept_.results.insert(changed.output(0));
                }
            }
            graph_.mutable_node()->Add(std::move(changed));
            for (const auto& [from, to] : results) {
                make_cast(*graph_.add_node(), from, to, TensorProto::FLOAT16);
            }
        }
        return std::move(kept_);
    }

  private:
    /// In the order of the graph, in which results come before what reads them.
    void find_nodes() {
        std::unordered_set<std::string> sums;
        std::unordered_set<std::string> ranges;  // scales, and sums on their way to their scale
        for (const auto& node : graph_.node()) {
            const auto row = std::find_if(rows().begin(), rows().end(), [&](const Row& candidate) {
                return is_onnx_op(node, candidate.op_type);
            });
            if (row != rows().end()) {
                add(node, row->ports);
                if (node.op_type() == "DynamicQuantizeLinear" && node.output_size() > 1) {
                    ranges.insert(node.output(1));
                }
            } else if (node.output_size() != 1) {
                continue;
            } else if (is_onnx_op(node, "MatMulInteger") || is_onnx_op(node, "ConvInteger")) {
                sums.insert(node.output(0));
            } else if (is_onnx_op(node, "Cast") && reads_any(node, sums) &&
                       int_attribute(node, "to", 0) == TensorProto::FLOAT) {
                add(node, {{}, {0}});
                ranges.insert(node.output(0));
            } else if (is_onnx_op(node, "Mul") && reads_any(node, ranges)) {
                add(node, {{0, 1}, {0}});
                ranges.insert(node.output(0));
            }
        }
    }

    static bool reads_any(const NodeProto& node, const std::unordered_set<std::string>& names) {
        return std::any_of(node.input().begin(), node.input().end(),
                           [&](const std::string& name) { return names.contains(name); });
    }

    void add(const NodeProto& node, const Ports& ports) {
        ports_.emplace(&node, ports);
        for (const int i : ports.outputs) {
            if (i < node.output_size() && !node.output(i).empty()) {
                as_float_.emplace(node.output(i), names_.fresh(node.output(i) + "/float"));
            }
        }
    }

    /// How often a constant is read by anything else, and which constants there are.
    void count_readers() {
        for (const auto& tensor : graph_.initializer()) {
            constants_.emplace(tensor.name(), &tensor);
        }
        for (const auto& node : graph_.node()) {
            std::vector<std::string> names;
            add_names_read(node, names);
            for (const std::string& name : names) {
                ++other_readers_[name];
            }
            if (const auto found = ports_.find(&node); found != ports_.end()) {
                for (const int i : found->second.inputs) {
                    if (i < node.input_size()) {
                        --other_readers_[node.input(i)];
                    }
                }
            }
        }
        for (const auto& output : graph_.output()) {
            ++other_readers_[output.name()];
        }
    }

    /// The name under which a FLOAT port reads a tensor.
    std::string read(const std::string& name) {
        if (const auto made = as_float_.find(name); made != as_float_.end()) {
            return made->second;
        }
        const auto constant = constants_.find(name);
        if (constant != constants_.end() && constant->second->data_type() != TensorProto::FLOAT) {
            return name;
        }
        if (constant != constants_.end() && other_readers_[name] == 0) {
            kept_.constants.insert(name);
            return name;
        }
        const std::string wide = names_.fresh(name + "/float");
        as_float_.emplace(name, wide);
        if (constant != constants_.end()) {
            TensorProto copy = *constant->second;
            copy.set_name(wide);
            *graph_.add_initializer() = std::move(copy);
            kept_.constants.insert(wide);
        } else {
            make_cast(*graph_.add_node(), name, wide, TensorProto::FLOAT);
            kept_.results.insert(wide);
        }
        return wide;
    }

    GraphProto& graph_;
    TensorNames& names_;
    FloatNodes kept_;
    std::unordered_map<const NodeProto*, Ports> ports_;
    std::unordered_map<std::string, std::string> as_float_;
    std::unordered_map<std::string, const TensorProto*> constants_;
    std::unordered_map<std::string, int> other_readers_;
};

}  // namespace

FloatNodes set_float_nodes_apart(GraphProto& graph, TensorNames& names) {
    return Apart(graph, names).run();
}

}  // namespace qaicc
