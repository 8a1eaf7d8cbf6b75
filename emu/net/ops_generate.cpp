// SPDX-License-Identifier: Apache-2.0
/// Results that come from shapes: ConstantOfShape, Range, Shape, Size, Expand, Tile, Split.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> generate_ops() {
    return {};
}

}  // namespace qaicnet
