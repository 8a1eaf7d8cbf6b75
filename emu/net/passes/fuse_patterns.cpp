// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"
#include "emu/net/passes/patterns.hpp"

#include <array>

namespace qaicnet {

using qaicrt::Result;

namespace {

using Family = Result<bool> (*)(GraphEdit& edit, std::size_t node);
constexpr std::array<Family, 5> kFamilies = {fuse_ramp, fuse_gate, fuse_layer_norm, fuse_softmax,
                                             fuse_gemm};

bool is_float_op(GraphEdit& edit, const Node& node) {
    return node.domain.empty() && node.op != nullptr && !node.outputs.empty() &&
           node.outputs[0] >= 0 && edit.tensor(node.outputs[0]).type == ElemType::kFloat;
}

}  // namespace

/// Patterns are met in the order of the graph, so that small ones (the HardSigmoid inside of a
/// HardSwish) are in place when the larger ones are looked for.
Result<bool> fuse_patterns(GraphEdit& edit) {
    bool changed = false;
    for (std::size_t n = 0; n < edit.graph().nodes.size(); ++n) {
        for (const Family fuse : kFamilies) {
            if (!is_float_op(edit, edit.graph().nodes[n])) {
                break;
            }
            QAICRT_TRY(const bool fused, fuse(edit, n));
            changed = changed || fused;
        }
    }
    return changed;
}

}  // namespace qaicnet
