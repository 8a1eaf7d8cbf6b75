// SPDX-License-Identifier: Apache-2.0
/// Einsum.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> einsum_ops() {
    return {};
}

}  // namespace qaicnet
