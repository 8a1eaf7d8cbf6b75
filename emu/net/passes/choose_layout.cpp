// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"

namespace qaicnet {

qaicrt::Result<bool> choose_layout(GraphEdit& /*edit*/) {
    return false;
}

}  // namespace qaicnet
