// SPDX-License-Identifier: Apache-2.0
/// LSTM.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> recurrent_ops() {
    return {};
}

}  // namespace qaicnet
