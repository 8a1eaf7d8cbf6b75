// SPDX-License-Identifier: Apache-2.0
/// Transposes from channels last to channels first sink through operators that can work on either
/// order, until they meet their inverse and both go, or something that wants channels first.
///
/// One walk in order of execution: whatever feeds a node has been rewritten before it.
#include "emu/net/passes/layout.hpp"
#include "emu/net/passes/passes.hpp"
#include "emu/net/passes/transpose_rules.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicnet {

using qaicrt::Result;

namespace {

class Sinker {
  public:
    explicit Sinker(GraphEdit& edit) : edit_(edit) {}

    bool run() {
        std::vector<Node> before = std::move(edit_.graph().nodes);
        for (Node& node : before) {
            if (is_op(&node, "Transpose")) {
                on_transpose(std::move(node));
            } else if (!sink_through(node)) {
                nodes_.push_back(std::move(node));
            }
        }
        edit_.graph().nodes = std::move(nodes_);
        edit_.index();
        return changed_;
    }

  private:
    /// value = Transpose(source, perm)
    struct Restored {
        int source;
        Permutation perm;
    };

    void on_transpose(Node node) {
        const std::size_t rank = edit_.tensor(node.inputs[0]).dims.size();
        Permutation perm = ints_attribute(node, "perm");
        if (perm.empty()) {  // ONNX: the axes in reverse
            for (std::size_t i = rank; i > 0; --i) {
                perm.push_back(static_cast<std::int64_t>(i - 1));
            }
        }
        int source = node.inputs[0];
        const auto above = restored_.find(source);
        if (above != restored_.end()) {
            changed_ = true;
            source = above->second.source;
            perm = compose(above->second.perm, perm);
        }
        if (is_identity(perm) && above != restored_.end()) {
            nodes_.push_back(
                make_node("", "Identity", kMaxOpset, node.label, {source}, node.outputs));
            return;
        }
        node.inputs[0] = source;
        set_attribute(node, "perm", perm);
        restored_[node.outputs[0]] = {source, std::move(perm)};
        nodes_.push_back(std::move(node));
    }

    /// True when the node now works on channels last, with Transposes behind it.
    bool sink_through(const Node& node) {
        const auto first = std::find_if(node.inputs.begin(), node.inputs.end(), [&](int input) {
            const auto found = restored_.find(input);
            return found != restored_.end() &&
                   found->second.perm == to_channels_first(found->second.perm.size());
        });
        if (first == node.inputs.end()) {
            return false;
        }
        const Permutation perm = restored_[*first].perm;
        Node moved = node;
        const TransposeRule rule = find_rule(node);
        if (rule == TransposeRule::kNone || !move_inputs(rule, perm, moved) ||
            !move_axes(edit_, rule, perm, moved)) {
            return false;
        }
        changed_ = true;
        for (Node& extra : pending_) {
            nodes_.push_back(std::move(extra));
        }
        pending_.clear();
        move_outputs(perm, std::move(moved), node);
        return true;
    }

    bool move_inputs(TransposeRule rule, const Permutation& perm, Node& node) {
        pending_.clear();
        const std::size_t tensors =
            rule == TransposeRule::kBroadcast || rule == TransposeRule::kConcat ? node.inputs.size()
                                                                                : 1;
        std::size_t largest = 0;
        for (const int output : node.outputs) {
            largest = output >= 0 ? std::max(largest, edit_.tensor(output).count()) : largest;
        }
        for (std::size_t i = 0; i < tensors; ++i) {
            if (node.inputs[i] < 0) {
                continue;
            }
            const int input = moved_input(node, node.inputs[i], perm, largest);
            if (input < 0) {
                return false;
            }
            node.inputs[i] = input;
        }
        return true;
    }

    /// The input on channels last; -1 when that would cost more than it brings.
    int moved_input(const Node& node, int input, const Permutation& perm, std::size_t largest) {
        const auto found = restored_.find(input);
        if (found != restored_.end() && found->second.perm == perm) {
            return found->second.source;
        }
        const TensorType type = edit_.tensor(input);
        if (type.count() == 1 && type.dims.size() <= perm.size()) {
            return input;
        }
        constexpr std::size_t kWorthIt = 8;
        if (type.dims.size() > perm.size() ||
            (!edit_.is_constant(input) && type.count() > largest / kWorthIt)) {
            return -1;
        }
        return transposed(node, input, type, perm);
    }

    /// With axes of size 1 in front up to the full rank, then transposed.
    int transposed(const Node& node, int input, TensorType type, const Permutation& perm) {
        const std::string label = node.label + "/" + edit_.value(input).name;
        if (type.dims.size() < perm.size()) {
            type.dims.insert(type.dims.begin(), perm.size() - type.dims.size(), 1);
            const auto shape = edit_.add_constant(label + "/shape", type.dims);
            if (!shape) {
                return -1;
            }
            const int wide = edit_.add_value(label + "/full rank", type.type, type.dims);
            pending_.push_back(
                make_node("", "Reshape", kMaxOpset, label + "/full rank", {input, *shape}, {wide}));
            input = wide;
        }
        const Permutation back = inverse(perm);
        const int out =
            edit_.add_value(label + "/channels last", type.type, permuted(type.dims, back));
        Node turn = make_node("", "Transpose", kMaxOpset, label + "/channels last", {input}, {out});
        set_attribute(turn, "perm", back);
        pending_.push_back(std::move(turn));
        return out;
    }

    void move_outputs(const Permutation& perm, Node moved, const Node& node) {
        std::vector<Node> turns;
        for (int& output : moved.outputs) {
            if (output < 0 || edit_.tensor(output).dims.size() != perm.size()) {
                continue;  // a reduction that drops the axes that differ
            }
            const int result = output;
            const TensorType type = edit_.tensor(result);
            output = edit_.add_value(edit_.value(result).name + "/channels last", type.type,
                                     permuted(type.dims, inverse(perm)));
            Node turn = make_node("", "Transpose", kMaxOpset, node.label + "/channels first",
                                  {output}, {result});
            set_attribute(turn, "perm", perm);
            restored_[result] = {output, perm};
            turns.push_back(std::move(turn));
        }
        nodes_.push_back(std::move(moved));
        std::move(turns.begin(), turns.end(), std::back_inserter(nodes_));
    }

    GraphEdit& edit_;
    std::vector<Node> nodes_;
    std::vector<Node> pending_;  ///< that the node being moved needs in front of it
    std::unordered_map<int, Restored> restored_;
    bool changed_ = false;
};

}  // namespace

Result<bool> simplify_transposes(GraphEdit& edit) {
    return Sinker(edit).run();
}

}  // namespace qaicnet
