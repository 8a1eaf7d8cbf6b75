// SPDX-License-Identifier: Apache-2.0
/// Pad.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> pad_ops() {
    return {};
}

}  // namespace qaicnet
