// SPDX-License-Identifier: Apache-2.0
/// Pooling.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> pool_ops() {
    return {};
}

}  // namespace qaicnet
