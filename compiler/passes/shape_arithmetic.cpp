// SPDX-License-Identifier: Apache-2.0
#include "compiler/passes/shape_arithmetic.hpp"

#include "compiler/graph_util.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;

/// Operators whose result has the type of their inputs, as exporters use them on sizes.
constexpr auto kArithmetic = std::to_array<std::string_view>(
    {"Add", "Ceil", "Concat", "Div", "Floor", "Gather", "Identity", "Max", "Min", "Mul",
     "Reciprocal", "Reshape", "Round", "Slice", "Squeeze", "Sub", "Unsqueeze"});

bool is_arithmetic(const NodeProto& node) {
    return std::any_of(kArithmetic.begin(), kArithmetic.end(),
                       [&node](std::string_view op) { return is_onnx_op(node, op); });
}

bool is_cast_to_float(const NodeProto& node) {
    return is_onnx_op(node, "Cast") && int_attribute(node, "to", 0) == TensorProto::FLOAT;
}

class Finder {
  public:
    explicit Finder(GraphProto& graph) : graph_(graph), constants_(initializers_by_name(graph)) {}

    std::unordered_set<const NodeProto*> run() {
        for (const auto& node : graph_.node()) {
            visit(node);
        }
        drop_what_reaches_data();
        copy_shared_constants();
        return nodes_;
    }

  private:
    bool is_integer(const std::string& name) const {
        const auto constant = constants_.find(name);
        return constant != constants_.end() ? constant->second->data_type() != TensorProto::FLOAT
                                            : integers_.contains(name);
    }
    bool is_float(const std::string& name) const {
        const auto constant = constants_.find(name);
        return constant != constants_.end() ? constant->second->data_type() == TensorProto::FLOAT
                                            : made_by_.contains(name);
    }

    /// The graph is in order, so what a node reads has been visited. (Where it is not, the node is
    /// taken for data.)
    void visit(const NodeProto& node) {
        if (node.output_size() != 1) {
            return;
        }
        const std::string& result = node.output(0);
        const auto& inputs = node.input();
        if (is_onnx_op(node, "Shape") || is_onnx_op(node, "Size")) {
            integers_.insert(result);
        } else if (is_cast_to_float(node) && integers_.contains(node.input(0))) {
            take(node);
        } else if (is_onnx_op(node, "Cast") &&
                   (made_by_.contains(node.input(0)) || integers_.contains(node.input(0)))) {
            integers_.insert(result);
        } else if (is_arithmetic(node)) {
            const auto from_shape = [&](const std::string& name) {
                return integers_.contains(name) || made_by_.contains(name);
            };
            const auto known = [&](const std::string& name) {
                return name.empty() || is_integer(name) || is_float(name);
            };
            if (!std::any_of(inputs.begin(), inputs.end(), from_shape) ||
                !std::all_of(inputs.begin(), inputs.end(), known)) {
                return;
            }
            if (is_float(node.input(0))) {
                take(node);
            } else {
                integers_.insert(result);
            }
        }
    }

    void take(const NodeProto& node) {
        nodes_.insert(&node);
        made_by_.emplace(node.output(0), &node);
    }

    /// True where a FLOAT stays one: the factors of a Resize, the operand of a Cast.
    static bool takes_float(const NodeProto& node, int input) {
        return is_onnx_op(node, "Cast") || (is_onnx_op(node, "Resize") && input == 2);
    }

    /// A result that meets data becomes FP16, and everything that it is connected with.
    void drop_what_reaches_data() {
        std::unordered_map<std::string, std::vector<const NodeProto*>> readers;
        std::vector<const NodeProto*> dropped;
        const auto drop = [&](const std::string& name) {
            if (const auto maker = made_by_.find(name); maker != made_by_.end()) {
                dropped.push_back(maker->second);
            }
        };
        for (const auto& node : graph_.node()) {
            for (int i = 0; i < node.input_size(); ++i) {
                if (nodes_.contains(&node)) {
                    readers[node.input(i)].push_back(&node);
                } else if (!takes_float(node, i)) {
                    drop(node.input(i));
                }
            }
            for_each_subgraph(node, [&](const GraphProto&) {
                std::vector<std::string> read;
                add_names_read(node, read);
                std::for_each(read.begin(), read.end(), drop);
            });
        }
        for (const auto& output : graph_.output()) {
            drop(output.name());
        }
        while (!dropped.empty()) {
            const NodeProto* node = dropped.back();
            dropped.pop_back();
            if (nodes_.erase(node) == 0) {
                continue;
            }
            std::for_each(node->input().begin(), node->input().end(), drop);
            for (const NodeProto* reader : readers[node->output(0)]) {
                dropped.push_back(reader);
            }
        }
    }

    /// FLOAT constants of these nodes become their own.
    void copy_shared_constants() {
        std::vector<std::string> read_elsewhere;
        for (const auto& node : graph_.node()) {
            if (!nodes_.contains(&node)) {
                add_names_read(node, read_elsewhere);
            }
        }
        for (const auto& output : graph_.output()) {
            read_elsewhere.push_back(output.name());
        }
        const std::unordered_set<std::string> shared(read_elsewhere.begin(), read_elsewhere.end());
        TensorNames names(graph_);
        std::unordered_map<std::string, std::string> copies;
        for (auto& node : *graph_.mutable_node()) {
            if (!nodes_.contains(&node)) {
                continue;
            }
            for (auto& name : *node.mutable_input()) {
                const auto constant = constants_.find(name);
                if (constant == constants_.end() || !shared.contains(name) ||
                    constant->second->data_type() != TensorProto::FLOAT) {
                    continue;
                }
                const auto [copy, added] = copies.emplace(name, "");
                if (added) {
                    copy->second = names.fresh(name + "/size");
                    TensorProto value = *constant->second;
                    value.set_name(copy->second);
                    own_.push_back(std::move(value));
                }
                name = copy->second;
            }
        }
        for (TensorProto& value : own_) {
            *graph_.add_initializer() = std::move(value);
        }
    }

    GraphProto& graph_;
    TensorByName constants_;
    std::unordered_set<std::string> integers_;  ///< made from a Shape
    std::unordered_map<std::string, const NodeProto*> made_by_;
    std::unordered_set<const NodeProto*> nodes_;
    std::vector<TensorProto> own_;
};

}  // namespace

std::unordered_set<const NodeProto*> float_shape_arithmetic(GraphProto& graph) {
    return Finder(graph).run();
}

}  // namespace qaicc
