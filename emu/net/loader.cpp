// SPDX-License-Identifier: Apache-2.0
/// From a Graph to steps: infer shapes, fold constants, prepare kernels, plan memory, fix pointers.
#include "emu/net/memory_plan.hpp"
#include "emu/net/network_impl.hpp"
#include "emu/net/passes/export_model.hpp"
#include "emu/net/passes/passes.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>

#include <algorithm>
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
        : net_(network), graph_(network.graph), workers_(make_workers(1)) {}

    Status run() {
        for (const Value& v : graph_.values) {
            given_ += v.constant ? v.constant->size() : 0;
        }
        drop_dead_nodes();
        QAICRT_CHECK(infer_in_order(graph_, [&](Node& node) { return infer(node); }));
        drop_dead_nodes();
        QAICRT_CHECK(check_output_types());
        QAICRT_CHECK(lower());
        QAICRT_CHECK(write_lowered());
        for (Node& node : graph_.nodes) {
            if (!is_done(node)) {
                QAICRT_CHECK(add_step(node));
            }
        }
        drop_unread_constants();
        QAICRT_CHECK(plan());
        fix_pointers();
        describe_edges();
        forget_graph();
        return {};
    }

  private:
    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }

    void drop_dead_nodes() {
        std::vector<bool> needed(graph_.values.size(), false);
        for (const int output : graph_.outputs) {
            needed[static_cast<std::size_t>(output)] = true;
        }
        std::vector<Node> kept;
        for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
            const bool used = std::any_of(node->outputs.begin(), node->outputs.end(), [&](int v) {
                return v >= 0 && needed[static_cast<std::size_t>(v)];
            });
            if (!used) {
                continue;
            }
            for (const int input : node->inputs) {
                if (input >= 0) {
                    needed[static_cast<std::size_t>(input)] = true;
                }
            }
            kept.push_back(std::move(*node));
        }
        std::reverse(kept.begin(), kept.end());
        graph_.nodes = std::move(kept);
    }

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
        drop_dead_nodes();
        for (const Node& node : graph_.nodes) {
            for (const int output : node.outputs) {
                if (output >= 0) {
                    value(output).view_of = -1;
                }
            }
        }
        QAICRT_CHECK(infer_in_order(graph_, [&](Node& node) { return infer(node); }));
        drop_dead_nodes();
        return {};
    }

    Status infer(Node& node) {
        NodeContext context(graph_, node, net_.budget);
        QAICRT_CHECK(node.op->infer(context));
        QAICRT_CHECK(finish_empty(node));
        if (!is_done(node) && can_fold(node)) {
            QAICRT_CHECK(fold(node, context));
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
                    return no_memory();
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

    bool can_fold(const Node& node) {
        std::size_t in = 0;
        std::size_t out = 0;
        for (const int index : node.inputs) {
            if (index >= 0) {
                if (!value(index).constant) {
                    return false;
                }
                in = saturating_add(in, value(index).tensor.bytes());
            }
        }
        for (const int index : node.outputs) {
            out = index >= 0 ? saturating_add(out, value(index).tensor.bytes()) : out;
        }
        // A small file must not be able to make load() compute for hours: results that grow a lot
        // are left to run().
        constexpr std::size_t kSmall = std::size_t{64} << 20;
        constexpr std::size_t kGrowth = 16;
        if (out > kSmall && out / kGrowth > in) {
            return false;
        }
        // So are results that take long to compute, alone or all together.
        constexpr std::size_t kMostSteps = std::size_t{1} << 36;
        const std::size_t steps = saturating_add(saturating_add(in, out), node.work);
        if (steps > kMostSteps - folded_) {
            return false;
        }
        // A file has what it holds, decoded; a chain of small nodes cannot make many times of that.
        constexpr std::size_t kMostMade = std::size_t{1} << 30;
        if (saturating_add(made_, out) > saturating_add(kMostMade, given_ * kGrowth)) {
            return false;
        }
        folded_ += steps;
        made_ += out;
        return true;
    }

    static std::size_t saturating_add(std::size_t a, std::size_t b) {
        std::size_t sum = 0;
        return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
    }

    Status fold(Node& node, NodeContext& context) {
        QAICRT_TRY(const KernelPtr kernel, node.op->prepare(context));
        std::vector<const std::byte*> in;
        std::vector<std::byte*> out;
        std::vector<std::shared_ptr<Buffer>> buffers;
        for (const int index : node.inputs) {
            in.push_back(index >= 0 ? value(index).constant->data() : nullptr);
        }
        for (const int index : node.outputs) {
            buffers.push_back(
                Buffer::allocate(index >= 0 ? value(index).tensor.bytes() : 0, net_.budget));
            out.push_back(buffers.back() && index >= 0 ? buffers.back()->owned() : nullptr);
        }
        const auto scratch = Buffer::allocate(kernel->scratch_bytes(), net_.budget);
        if (!scratch || std::find(buffers.begin(), buffers.end(), nullptr) != buffers.end()) {
            return no_memory();
        }
        QAICRT_CHECK(kernel->run({in.data(), out.data(), scratch->owned(), *workers_}));
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            if (node.outputs[i] >= 0) {
                value(node.outputs[i]).constant = buffers[i];
            }
        }
        return {};
    }

    Error no_memory() const {
        return {Errc::kNoMemory,
                fmt::format("the network needs more memory than there is (limit {} "
                            "bytes); use a smaller batch or raise the limit",
                            net_.budget.limit())};
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

    /// The value whose memory this one shares; itself unless it is a view.
    int root(int index) {
        int found = index;
        while (value(found).view_of >= 0) {
            found = value(found).view_of;
        }
        while (index != found) {  // long chains are walked once
            index = std::exchange(value(index).view_of, found);
        }
        return found;
    }

    bool in_arena(int index) {
        return index >= 0 && !value(index).constant &&
               !was_constant_[static_cast<std::size_t>(index)];
    }

    Status plan() {
        storage_of_.assign(graph_.values.size(), -1);
        const auto end = static_cast<std::int64_t>(nodes_.size());
        for (const int input : graph_.inputs) {
            add_storage(input, -1);
        }
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            for (const int output : nodes_[s]->outputs) {
                if (output >= 0) {
                    add_storage(output, static_cast<std::int64_t>(s));
                }
            }
        }
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            for (std::size_t i = 0; i < nodes_[s]->inputs.size(); ++i) {
                touch(nodes_[s]->inputs[i], static_cast<std::int64_t>(s));
            }
        }
        for (const int output : graph_.outputs) {
            touch(output, end);
        }
        share_in_place();
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            const auto at = static_cast<std::int64_t>(s);
            scratch_of_.push_back(storages_.size());
            storages_.push_back({net_.steps[s].kernel->scratch_bytes(), at, at, 0});
        }
        const auto arena = plan_memory(storages_);
        net_.arena = arena ? Buffer::allocate(*arena, net_.budget) : nullptr;
        return net_.arena ? Status() : Status(no_arena());
    }

    /// Names the node that is to blame, or at least the first to look at.
    Error no_arena() {
        Error error = no_memory();
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

    void add_storage(int index, std::int64_t step) {
        storage_of_[static_cast<std::size_t>(index)] = static_cast<int>(storages_.size());
        storages_.push_back({value(index).tensor.bytes(), step, step, 0});
    }

    Storage* storage(int index) {
        return in_arena(index) ? &storages_[static_cast<std::size_t>(
                                     storage_of_[static_cast<std::size_t>(root(index))])]
                               : nullptr;
    }

    void touch(int index, std::int64_t step) {
        if (Storage* s = storage(index)) {
            s->last = std::max(s->last, step);
        }
    }

    /// Lets a result take over the memory of an input that nobody reads afterwards.
    void share_in_place() {
        for (std::size_t s = 0; s < nodes_.size(); ++s) {
            const Node& node = *nodes_[s];
            const int output = node.outputs[0];
            for (std::size_t i = 0; i < node.inputs.size() && value(output).view_of < 0; ++i) {
                if (may_overwrite(s, i)) {
                    Storage& taken = *storage(node.inputs[i]);
                    Storage& result = *storage(output);
                    taken.last = std::max(taken.last, result.last);
                    result.bytes = 0;
                    value(output).view_of = node.inputs[i];
                }
            }
        }
    }

    bool may_overwrite(std::size_t s, std::size_t i) {
        const Node& node = *nodes_[s];
        const Kernel& kernel = *net_.steps[s].kernel;
        const Storage* target = storage(node.inputs[i]);
        if (target == nullptr || !kernel.can_overwrite(i) ||
            target->last != static_cast<std::int64_t>(s) ||
            value(node.inputs[i]).tensor.bytes() != value(node.outputs[0]).tensor.bytes()) {
            return false;
        }
        for (std::size_t j = 0; j < node.inputs.size(); ++j) {
            if (node.inputs[j] >= 0 && storage(node.inputs[j]) == target &&
                !kernel.can_overwrite(j)) {
                return false;
            }
        }
        return true;
    }

    std::byte* arena_data(int index) { return net_.arena->owned() + storage(index)->offset; }

    const std::byte* data(int index) {
        if (value(index).constant) {
            return value(index).constant->data();
        }
        return in_arena(index) ? arena_data(index) : nullptr;
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
            step.scratch = net_.arena->owned() + storages_[scratch_of_[s]].offset;
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
    std::unique_ptr<Workers> workers_;
    std::size_t given_ = 0;                 ///< bytes of the constants that the model holds
    std::size_t made_ = 0;                  ///< bytes of the results of folding
    std::size_t folded_ = 0;                ///< bytes and elementary steps of folding so far
    std::vector<Node*> nodes_;              ///< of the steps, same order
    std::vector<std::vector<bool>> keeps_;  ///< per step, per input
    std::vector<bool> was_constant_;
    std::vector<Storage> storages_;
    std::vector<int> storage_of_;  ///< by value; only roots have one
    std::vector<std::size_t> scratch_of_;
};

}  // namespace

Status build_network(Network::Impl& network) {
    return Loader(network).run();
}

}  // namespace qaicnet
