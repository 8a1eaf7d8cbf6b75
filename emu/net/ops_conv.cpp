// SPDX-License-Identifier: Apache-2.0
/// Conv and ConvTranspose.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> conv_ops() {
    return {};
}

}  // namespace qaicnet
