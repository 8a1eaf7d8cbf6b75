// SPDX-License-Identifier: Apache-2.0
/// FLOAT and FLOAT16 convolutions and pools → the same on channels last, between two Transposes.
/// Most of those cancel in the next pass, so that whole regions of the graph are channels last.
#include "emu/net/passes/layout.hpp"
#include "emu/net/passes/passes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

class LayoutChooser {
  public:
    explicit LayoutChooser(GraphEdit& edit) : edit_(edit) {}

    bool run() {
        std::vector<Node> before = std::move(edit_.graph().nodes);
        bool changed = false;
        for (Node& node : before) {
            if (is_convolution(node)) {
                changed = true;
                on_channels_last(std::move(node), {0, 3});
            } else if (is_pool(node)) {
                changed = true;
                on_channels_last(pool_of_ours(node), {0});
            } else {
                nodes_.push_back(std::move(node));
            }
        }
        edit_.graph().nodes = std::move(nodes_);
        edit_.index();
        return changed;
    }

  private:
    static bool is_convolution(const Node& node) {
        return is_emu_op(&node, "FusedConv") && int_attribute(node, "channels_last", 0) == 0;
    }

    bool is_pool(const Node& node) {
        const bool known = is_op(&node, "MaxPool") || is_op(&node, "AveragePool") ||
                           is_op(&node, "GlobalAveragePool") || is_op(&node, "GlobalMaxPool");
        if (!known || node.outputs.size() != 1) {
            return false;
        }
        const TensorType& in = edit_.tensor(node.inputs[0]);
        return in.type != ElemType::kDouble && contains(kFloatTypes, in.type) &&
               in.dims.size() >= 3 && in.dims.size() <= 5 &&
               edit_.tensor(node.outputs[0]).count() != 0;
    }

    /// The same pool as an operator of ours; a global one has the whole image as its window.
    Node pool_of_ours(const Node& node) {
        const bool global = node.op_type.starts_with("Global");
        const bool average = node.op_type.ends_with("AveragePool");
        Node pool = make_node(kEmuDomain, average ? "AveragePool" : "MaxPool", 1, node.label,
                              node.inputs, node.outputs);
        if (global) {
            const Shape& dims = edit_.tensor(node.inputs[0]).dims;
            set_attribute(pool, "kernel_shape", Shape(dims.begin() + 2, dims.end()));
            return pool;
        }
        pool.attributes = node.attributes;
        remove_attribute(pool, "storage_order");
        return pool;
    }

    void on_channels_last(Node node, std::initializer_list<std::size_t> tensors) {
        for (const std::size_t i : tensors) {
            if (i < node.inputs.size() && node.inputs[i] >= 0) {
                const std::size_t rank = edit_.tensor(node.inputs[i]).dims.size();
                node.inputs[i] = transposed(node.inputs[i], to_channels_last(rank), node.label);
            }
        }
        set_attribute(node, "channels_last", std::int64_t{1});
        const int result = node.outputs[0];
        const TensorType type = edit_.tensor(result);
        const std::size_t rank = type.dims.size();
        const int last = edit_.add_value(edit_.value(result).name + "/channels last", type.type,
                                         permuted(type.dims, to_channels_last(rank)));
        node.outputs[0] = last;
        const std::string label = node.label;
        nodes_.push_back(std::move(node));
        add_transpose(last, to_channels_first(rank), result, label + "/channels first");
    }

    int transposed(int input, const Permutation& perm, const std::string& label) {
        const TensorType type = edit_.tensor(input);
        const int out = edit_.add_value(edit_.value(input).name + "/channels last of " + label,
                                        type.type, permuted(type.dims, perm));
        add_transpose(input, perm, out, label + "/channels last");
        return out;
    }

    void add_transpose(int from, const Permutation& perm, int to, std::string label) {
        Node node = make_node("", "Transpose", kMaxOpset, std::move(label), {from}, {to});
        set_attribute(node, "perm", perm);
        nodes_.push_back(std::move(node));
    }

    GraphEdit& edit_;
    std::vector<Node> nodes_;
};

}  // namespace

Result<bool> choose_layout(GraphEdit& edit) {
    return LayoutChooser(edit).run();
}

}  // namespace qaicnet
