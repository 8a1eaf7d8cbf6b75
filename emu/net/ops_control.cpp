// SPDX-License-Identifier: Apache-2.0
/// If.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> control_ops() {
    return {};
}

}  // namespace qaicnet
