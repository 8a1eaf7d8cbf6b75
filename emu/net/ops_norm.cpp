// SPDX-License-Identifier: Apache-2.0
/// Batch, instance and layer normalisation.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> norm_ops() {
    return {};
}

}  // namespace qaicnet
