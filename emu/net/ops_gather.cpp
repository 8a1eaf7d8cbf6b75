// SPDX-License-Identifier: Apache-2.0
/// Gather and scatter by computed indices.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> gather_ops() {
    return {};
}

}  // namespace qaicnet
