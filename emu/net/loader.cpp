// SPDX-License-Identifier: Apache-2.0
/// From a Graph to steps: infer shapes, run the passes, prepare kernels, fix pointers.
#include "emu/net/network_impl.hpp"
#include "emu/net/passes/arena_plan.hpp"
#include "emu/net/passes/export_model.hpp"
#include "emu/net/passes/fold_constants.hpp"
#include "emu/net/passes/passes.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

class Loader {
  public:
    explicit Loader(Network::Impl& network)
        : net_(network), graph_(network.graph), folder_(network.graph, network.budget) {}

    Status run() {
        remove_dead_nodes(graph_);
        QAICRT_CHECK(infer_in_order(graph_, [&](Node& node) { return infer(node); }));
        remove_dead_nodes(graph_);
        QAICRT_CHECK(check_output_types());
        QAICRT_CHECK(lower());
        QAICRT_CHECK(write_lowered());
        for (Node& node : graph_.nodes) {
            if (!is_done(node)) {
                QAICRT_CHECK(add_step(node));
            }
        }
        drop_unread_constants();
        plan_.emplace(graph_, nodes_, net_.steps, was_constant_);
        const auto arena = plan_->make();
        net_.arena = arena ? Buffer::allocate(*arena, net_.budget) : nullptr;
        if (!net_.arena) {
            return no_arena();
        }
        fix_pointers();
        describe_edges();
        forget_graph();
        return {};
    }

  private:
    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }

    /// Nothing runs for this node: its results are constants or views.
    bool is_done(const Node& node) {
        return std::all_of(node.outputs.begin(), node.outputs.end(), [&](int index) {
            return index < 0 || value(index).constant != nullptr || value(index).view_of >= 0;
        });
    }

    Status lower() {
        if (!graph_.lower) {
            return {};
        }
        for (const NamedPass& pass : passes()) {
            drop_folded_nodes();
            GraphEdit edit(graph_, net_.budget);
            QAICRT_TRY(const bool changed, pass.run(edit));
            if (changed) {
                QAICRT_CHECK(infer_again());
            }
        }
        return {};
    }

    /// Branches are built before the graph around them, which writes them: they keep a copy.
    Status write_lowered() {
        if (net_.written != nullptr) {
            return export_model(graph_, net_.budget, *net_.written);
        }
        if (graph_.keep_lowered) {
            net_.lowered = std::make_unique<Graph>(graph_);
        }
        return {};
    }

    /// Nodes whose results are constants have nothing left to say to a pass.
    void drop_folded_nodes() {
        std::erase_if(graph_.nodes, [&](const Node& node) {
            return std::all_of(node.outputs.begin(), node.outputs.end(),
                               [&](int v) { return v < 0 || value(v).constant != nullptr; });
        });
    }

    Status infer_again() {
        remove_dead_nodes(graph_);
        for (const Node& node : graph_.nodes) {
            for (const int output : node.outputs) {
                if (output >= 0) {
                    value(output).view_of = -1;
                }
            }
        }
        QAICRT_CHECK(infer_in_order(graph_, [&](Node& node) { return infer(node); }));
        remove_dead_nodes(graph_);
        return {};
    }

    Status infer(Node& node) {
        NodeContext context(graph_, node, net_.budget);
        QAICRT_CHECK(node.op->infer(context));
        QAICRT_CHECK(finish_empty(node));
        if (!is_done(node)) {
            QAICRT_CHECK(folder_.fold(node, context));
        }
        mark_mx(node);
        return {};
    }

    /// What is made of MX codes alone is still a weight as the card has it.
    void mark_mx(const Node& node) {
        const bool decoded = node.op_type == "MxDequantize" ||
                             std::any_of(node.inputs.begin(), node.inputs.end(),
                                         [&](int v) { return v >= 0 && value(v).from_mx; });
        for (const int output : node.outputs) {
            if (output >= 0 && value(output).constant) {
                value(output).from_mx = decoded;
            }
        }
    }

    /// Results without elements are known, whatever the other sizes are: nothing walks over them.
    Status finish_empty(const Node& node) {
        const bool empty = std::all_of(node.outputs.begin(), node.outputs.end(), [&](int index) {
            return index < 0 || value(index).tensor.bytes() == 0;
        });
        for (std::size_t i = 0; empty && !is_done(node) && i < node.outputs.size(); ++i) {
            if (node.outputs[i] >= 0) {
                auto nothing = Buffer::allocate(0, net_.budget);
                if (nothing == nullptr) {
                    return out_of_memory(net_.budget);
                }
                value(node.outputs[i]).constant = std::move(nothing);
            }
        }
        return {};
    }

    /// A declared shape may be stale (another batch size); a declared type tells the reader how to
    /// decode.
    Status check_output_types() {
        for (const int output : graph_.outputs) {
            const Value& v = value(output);
            if (v.declared_type != 0 &&
                v.declared_type != static_cast<std::int32_t>(v.tensor.type)) {
                return Error(Errc::kFormat,
                             fmt::format("output {} is declared as {} and computed as {}; correct "
                                         "the model's declaration",
                                         quoted(v.name), onnx_type_name(v.declared_type),
                                         elem_type_name(v.tensor.type)));
            }
        }
        return {};
    }

    Status add_step(Node& node) {
        NodeContext context(graph_, node, net_.budget);
        QAICRT_TRY(KernelPtr kernel, node.op->prepare(context));
        Step& step = net_.steps.emplace_back();
        step.name = fmt::format("{}:{}", node.op_type, node.label);
        step.kernel = std::move(kernel);
        nodes_.push_back(&node);
        auto& kept = keeps_.emplace_back();
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            kept.push_back(context.keeps_input(i));
        }
        return {};
    }

    /// A weight that a kernel packed is not kept a second time.
    void drop_unread_constants() {
        std::vector<bool> read(graph_.values.size(), false);
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            for (std::size_t i = 0; i < nodes_[s]->inputs.size(); ++i) {
                if (nodes_[s]->inputs[i] >= 0 && keeps_[s][i]) {
                    read[static_cast<std::size_t>(nodes_[s]->inputs[i])] = true;
                }
            }
        }
        was_constant_.assign(graph_.values.size(), false);
        for (std::size_t v = 0; v < graph_.values.size(); ++v) {
            Value& tensor = graph_.values[v];
            if (tensor.constant && !read[v] && !tensor.is_output) {
                was_constant_[v] = true;
                tensor.constant.reset();
            }
        }
        for (Node& node : graph_.nodes) {
            node.attributes.clear();
        }
    }

    /// Names the node that is to blame, or at least the first to look at.
    Error no_arena() {
        Error error = out_of_memory(net_.budget);
        std::size_t most = 0;
        std::string who;
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            std::size_t bytes = net_.steps[s].kernel->scratch_bytes();
            for (const int output : nodes_[s]->outputs) {
                bytes = output >= 0 ? saturating_add(bytes, value(output).tensor.bytes()) : bytes;
            }
            if (bytes > most) {
                most = bytes;
                who = node_text(*nodes_[s]);
            }
        }
        if (most != 0) {
            error.message += fmt::format("; {} takes the most, {} bytes", who, most);
        }
        return error;
    }

    std::byte* arena_data(int index) { return net_.arena->owned() + plan_->offset_of(index); }

    const std::byte* data(int index) {
        if (value(index).constant) {
            return value(index).constant->data();
        }
        return plan_->in_arena(index) ? arena_data(index) : nullptr;
    }

    void fix_pointers() {
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            Step& step = net_.steps[s];
            for (const int input : nodes_[s]->inputs) {
                step.in.push_back(input >= 0 ? data(input) : nullptr);
            }
            for (const int output : nodes_[s]->outputs) {
                step.out.push_back(output >= 0 ? arena_data(output) : nullptr);
            }
            step.scratch = net_.arena->owned() + plan_->scratch_offset(s);
        }
    }

    void describe_edges() {
        for (const int input : graph_.inputs) {
            const Value& v = value(input);
            net_.inputs.push_back({v.name, v.tensor.type, v.tensor.dims});
            net_.input_data.push_back(arena_data(input));
        }
        for (const int output : graph_.outputs) {
            const Value& v = value(output);
            net_.outputs.push_back({v.name, v.tensor.type, v.tensor.dims});
            net_.output_data.push_back(data(output));
        }
    }

    void forget_graph() {
        graph_.nodes.clear();
        graph_.inputs.clear();
        graph_.outputs.clear();
    }

    Network::Impl& net_;
    Graph& graph_;
    ConstantFolder folder_;
    std::vector<Node*> nodes_;              ///< of the steps, same order
    std::vector<std::vector<bool>> keeps_;  ///< per step, per input
    std::vector<bool> was_constant_;
    std::optional<ArenaPlan> plan_;
};

}  // namespace

Status build_network(Network::Impl& network) {
    return Loader(network).run();
}

}  // namespace qaicnet
