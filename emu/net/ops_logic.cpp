// SPDX-License-Identifier: Apache-2.0
/// Comparisons, Boolean operators and Where.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> logic_ops() {
    return {};
}

}  // namespace qaicnet
