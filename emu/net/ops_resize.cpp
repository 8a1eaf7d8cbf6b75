// SPDX-License-Identifier: Apache-2.0
/// Resize, DepthToSpace, SpaceToDepth.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> resize_ops() {
    return {};
}

}  // namespace qaicnet
