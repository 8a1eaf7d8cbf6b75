// SPDX-License-Identifier: Apache-2.0
/// Elementwise functions of one argument, and Pow, Min, Max.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> math_ops() {
    return {};
}

}  // namespace qaicnet
