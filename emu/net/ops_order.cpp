// SPDX-License-Identifier: Apache-2.0
/// ArgMax, ArgMin, TopK, CumSum, Trilu.
#include "emu/net/op.hpp"

namespace qaicnet {

std::span<const OpDef> order_ops() {
    return {};
}

}  // namespace qaicnet
