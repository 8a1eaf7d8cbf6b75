// SPDX-License-Identifier: Apache-2.0
/// If whose condition is computed at run time: each branch is a network inside the kernel. (A
/// condition known at load never gets here, see subgraph.hpp.)
#include "emu/net/op.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::array<const char*, 2> kBranches = {"else_branch", "then_branch"};

Result<Subgraph*> find_branch(const NodeContext& node, const char* name) {
    const Attribute* attribute = node.find_attr(name);
    if (attribute == nullptr || attribute->kind != Attribute::Kind::kGraph) {
        return node.malformed(fmt::format("it has no {}", name));
    }
    Subgraph* branch = attribute->graph.get();
    if (branch->failure) {
        return node.fail(branch->failure->code,
                         fmt::format("its {}: {}", name, branch->failure->message));
    }
    return branch;
}

/// Captured constants stay constants of the branch (the same bytes); the others become its inputs.
void connect(const NodeContext& node, Subgraph& branch) {
    for (const Capture& capture : branch.captures) {
        const Value& outer = node.input_value(capture.input);
        Value& inner = branch.graph.values[static_cast<std::size_t>(capture.inner)];
        inner.tensor = outer.tensor;
        inner.constant = outer.constant;
        inner.from_mx = outer.from_mx;
        if (!outer.constant) {
            branch.graph.inputs.push_back(capture.inner);
            branch.fed.push_back(capture.input);
        }
    }
}

/// Makes the branch's network once; a branch that these sizes do not fit gets its `misfit`.
Status build(NodeContext& node, Subgraph& branch) {
    if (branch.network || branch.misfit) {
        return {};
    }
    connect(node, branch);
    Budget& budget = node.budget();
    auto network = std::make_unique<Network::Impl>(budget.limit() - budget.used());
    network->graph = std::move(branch.graph);
    if (Status built = build_network(*network); !built) {
        if (built.error().code == Errc::kNoMemory) {
            return built;
        }
        branch.misfit = std::move(built).error();
        return {};
    }
    if (!budget.take(network->budget.used())) {
        return node.fail(Errc::kNoMemory, "its branches need more than the memory limit");
    }
    branch.lowered = network->lowered.get();
    branch.network = std::move(network);
    return {};
}

Status check_condition(const NodeContext& node) {
    QAICRT_CHECK(node.require_type(0, types_of({ElemType::kBool})));
    if (node.input(0).count() != 1) {
        return node.malformed(fmt::format("its condition has the shape {}, it must be one element",
                                          dims_text(node.input(0).dims)));
    }
    return {};
}

Status check_results(const NodeContext& node, const Subgraph& branch, const char* name) {
    if (branch.network->outputs.size() != node.num_outputs()) {
        return node.malformed(fmt::format("its {} has {} outputs and the node {}", name,
                                          branch.network->outputs.size(), node.num_outputs()));
    }
    return {};
}

Status infer_if(NodeContext& node) {
    QAICRT_CHECK(check_condition(node));
    std::array<Subgraph*, 2> branches{};
    const Subgraph* fits = nullptr;
    for (std::size_t b = 0; b < 2; ++b) {
        QAICRT_TRY(branches[b], find_branch(node, kBranches[b]));
        QAICRT_CHECK(build(node, *branches[b]));
        if (branches[b]->network) {
            QAICRT_CHECK(check_results(node, *branches[b], kBranches[b]));
            fits = branches[b];
        }
    }
    if (fits == nullptr) {
        return node.fail(
            branches[0]->misfit->code,
            fmt::format("neither branch can be loaded: {}: {}; {}: {}", kBranches[1],
                        branches[1]->misfit->message, kBranches[0], branches[0]->misfit->message));
    }
    const auto& results = fits->network->outputs;
    for (std::size_t i = 0; i < results.size(); ++i) {
        for (const Subgraph* branch : branches) {
            if (!branch->network) {
                continue;
            }
            const ValueInfo& other = branch->network->outputs[i];
            if (other.type != results[i].type || other.dims != results[i].dims) {
                return node.fail(
                    Errc::kUnsupported,
                    fmt::format("the result {} is {}{} in one branch and {}{} in the other; with a "
                                "condition that is computed at run time they must be equal",
                                i, elem_type_name(results[i].type), dims_text(results[i].dims),
                                elem_type_name(other.type), dims_text(other.dims)));
            }
        }
        QAICRT_CHECK(node.set_output(i, results[i].type, results[i].dims));
    }
    return {};
}

class IfKernel final : public Kernel {
  public:
    struct Branch {
        std::unique_ptr<Network::Impl> network;  ///< null: refused
        std::vector<std::size_t> fed;
        std::string refusal;
    };

    explicit IfKernel(std::array<Branch, 2> branches) : branches_(std::move(branches)) {}

    Status run(const RunArgs& args) const override {
        const Branch& branch = branches_[*args.in[0] != std::byte{0} ? 1 : 0];
        if (!branch.network) {
            return Error(Errc::kUnsupported, branch.refusal);
        }
        const Network::Impl& network = *branch.network;
        for (std::size_t i = 0; i < branch.fed.size(); ++i) {
            copy(network.input_data[i], args.in[branch.fed[i]], network.inputs[i].bytes());
        }
        for (const Step& step : network.steps) {
            QAICRT_CHECK(
                step.kernel->run({step.in.data(), step.out.data(), step.scratch, args.workers}));
        }
        for (std::size_t i = 0; i < network.outputs.size(); ++i) {
            copy(args.out[i], network.output_data[i], network.outputs[i].bytes());
        }
        return {};
    }

  private:
    static void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
        if (to != nullptr && bytes != 0) {
            std::memcpy(to, from, bytes);
        }
    }

    std::array<Branch, 2> branches_;
};

Result<KernelPtr> prepare_if(NodeContext& node) {
    std::array<IfKernel::Branch, 2> branches;
    for (std::size_t b = 0; b < 2; ++b) {
        QAICRT_TRY(Subgraph* const branch, find_branch(node, kBranches[b]));
        branches[b].network = std::move(branch->network);
        branches[b].fed = std::move(branch->fed);
        if (branch->misfit) {
            branches[b].refusal =
                node.fail(Errc::kUnsupported, fmt::format("the condition takes the {}, which the "
                                                          "sizes of this network do not fit: {}",
                                                          kBranches[b], branch->misfit->message))
                    .message;
        }
    }
    for (std::size_t i = 1; i < node.num_inputs(); ++i) {
        if (node.input_value(i).constant) {
            node.drop_input(i);  // the branches share it
        }
    }
    return KernelPtr(std::make_unique<IfKernel>(std::move(branches)));
}

constexpr std::array<OpDef, 1> kOps = {{
    {"", "If", kMinOpset, kMaxOpset, 1, 1, kAnyCount, "then_branch else_branch", infer_if,
     prepare_if},
}};

}  // namespace

std::span<const OpDef> control_ops() {
    return kOps;
}

}  // namespace qaicnet
