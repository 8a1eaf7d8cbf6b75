// SPDX-License-Identifier: Apache-2.0
/// QuantizeLinear and DequantizeLinear.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> quantize_ops() {
    return {};
}

}  // namespace qaicnet
