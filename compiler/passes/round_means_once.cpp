// SPDX-License-Identifier: Apache-2.0
/// Exporters write a mean as a sum and a division. In FP16 such a sum may exceed 65504 where the
/// mean is small (a layer normalisation of a few hundred squares), so the two are computed in FP32
/// and rounded once, as ReduceMean is.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;
using Nodes = google::protobuf::RepeatedPtrField<NodeProto>;

class MeanRounder {
  public:
    explicit MeanRounder(GraphProto& graph)
        : graph_(graph), names_(graph), constants_(initializers_by_name(graph)) {
        for (const auto& node : graph.node()) {
            std::vector<std::string> read;
            add_names_read(node, read);
            for (const std::string& name : read) {
                ++reads_[name];
            }
        }
        for (const auto& output : graph.output()) {
            ++reads_[output.name()];
        }
        find_divisions();
    }

    int run() {
        Nodes nodes;
        nodes.Swap(graph_.mutable_node());
        int sums = 0;
        for (NodeProto& node : nodes) {
            if (is_onnx_op(node, "ReduceSum") && is_mean(node)) {
                add_sum(node);
                ++sums;
            } else if (const auto at = divided_.find(&node); at != divided_.end()) {
                add_division(node, at->second);
            } else {
                graph_.add_node()->Swap(&node);
            }
        }
        return sums;
    }

  private:
    /// A constant of FP16 that makes what it divides (or multiplies) smaller.
    bool shrinks(const std::string& name, bool divides) const {
        const auto constant = constants_.find(name);
        if (constant == constants_.end() || constant->second->data_type() != TensorProto::FLOAT16) {
            return false;
        }
        const std::vector<float> values = real_values(*constant->second);
        const float size = values.size() == 1 ? std::abs(values[0]) : 0;
        return divides ? size > 1 : size > 0 && size < 1;
    }

    /// Which operand of a node is a sum that the other one makes smaller, -1 for none.
    int sum_operand(const NodeProto& node) const {
        if (node.input_size() != 2 || node.output_size() != 1) {
            return -1;
        }
        if (is_onnx_op(node, "Div")) {
            return shrinks(node.input(1), true) ? 0 : -1;
        }
        if (!is_onnx_op(node, "Mul")) {
            return -1;
        }
        return shrinks(node.input(1), false) ? 0 : shrinks(node.input(0), false) ? 1 : -1;
    }

    void find_divisions() {
        std::unordered_map<std::string, int> divisions;
        for (const auto& node : graph_.node()) {
            if (const int operand = sum_operand(node); operand >= 0) {
                ++divisions[node.input(operand)];
            }
        }
        for (const auto& node : graph_.node()) {
            if (is_onnx_op(node, "ReduceSum") && node.output_size() == 1 &&
                divisions[node.output(0)] > 0 &&
                divisions[node.output(0)] == reads_[node.output(0)]) {
                in_fp32_.emplace(node.output(0), names_.fresh(node.output(0) + "/fp32"));
            }
        }
        for (const auto& node : graph_.node()) {
            const int operand = sum_operand(node);
            if (operand >= 0 && in_fp32_.contains(node.input(operand))) {
                divided_.emplace(&node, operand);
            }
        }
    }

    bool is_mean(const NodeProto& node) const {
        return node.output_size() == 1 && in_fp32_.contains(node.output(0));
    }

    std::string widened(const std::string& tensor) {
        const std::string wide = names_.fresh(tensor + "/fp32");
        make_cast(*graph_.add_node(), tensor, wide, TensorProto::FLOAT);
        return wide;
    }

    void add_sum(NodeProto& node) {
        node.set_input(0, widened(node.input(0)));
        node.set_output(0, in_fp32_.at(node.output(0)));
        graph_.add_node()->Swap(&node);
    }

    void add_division(NodeProto& node, int operand) {
        node.set_input(operand, in_fp32_.at(node.input(operand)));
        node.set_input(1 - operand, widened(node.input(1 - operand)));
        const std::string result = node.output(0);
        const std::string wide = names_.fresh(result + "/fp32");
        node.set_output(0, wide);
        graph_.add_node()->Swap(&node);
        make_cast(*graph_.add_node(), wide, result, TensorProto::FLOAT16);
    }

    GraphProto& graph_;
    TensorNames names_;
    TensorByName constants_;
    std::unordered_map<std::string, int> reads_;
    std::unordered_map<std::string, std::string> in_fp32_;  ///< sums, by their FP16 name
    std::unordered_map<const NodeProto*, int> divided_;     ///< and the operand that is the sum
};

}  // namespace

void round_means_once(Lowering& lowering) {
    if (const int sums = MeanRounder(*lowering.model.mutable_graph()).run(); sums > 0) {
        lowering.say(2, fmt::format("fp16: {} means rounded once", sums));
    }
}

}  // namespace qaicc
