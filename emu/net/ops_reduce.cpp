// SPDX-License-Identifier: Apache-2.0
/// Reductions along axes.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> reduce_ops() {
    return {};
}

}  // namespace qaicnet
