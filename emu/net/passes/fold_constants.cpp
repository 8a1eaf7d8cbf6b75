// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/fold_constants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

Error out_of_memory(const Budget& budget) {
    return {
        Errc::kNoMemory,
        fmt::format("the network needs more memory than there is (limit {} bytes); use a smaller "
                    "batch or raise the limit",
                    budget.limit())};
}

std::size_t saturating_add(std::size_t a, std::size_t b) noexcept {
    std::size_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

ConstantFolder::ConstantFolder(Graph& graph, Budget& budget)
    : graph_(graph), budget_(budget), workers_(make_workers(1)) {
    for (const Value& v : graph.values) {
        given_ += v.constant ? v.constant->size() : 0;
    }
}

bool ConstantFolder::can_fold(const Node& node) {
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

Status ConstantFolder::fold(Node& node, NodeContext& context) {
    if (!can_fold(node)) {
        return {};
    }
    QAICRT_TRY(const KernelPtr kernel, node.op->prepare(context));
    std::vector<const std::byte*> in;
    std::vector<std::byte*> out;
    std::vector<std::shared_ptr<Buffer>> buffers;
    for (const int index : node.inputs) {
        in.push_back(index >= 0 ? value(index).constant->data() : nullptr);
    }
    for (const int index : node.outputs) {
        buffers.push_back(Buffer::allocate(index >= 0 ? value(index).tensor.bytes() : 0, budget_));
        out.push_back(buffers.back() && index >= 0 ? buffers.back()->owned() : nullptr);
    }
    const auto scratch = Buffer::allocate(kernel->scratch_bytes(), budget_);
    if (!scratch || std::find(buffers.begin(), buffers.end(), nullptr) != buffers.end()) {
        return out_of_memory(budget_);
    }
    QAICRT_CHECK(kernel->run({in.data(), out.data(), scratch->owned(), *workers_}));
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        if (node.outputs[i] >= 0) {
            value(node.outputs[i]).constant = buffers[i];
        }
    }
    return {};
}

}  // namespace qaicnet
