// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"

namespace qaicnet {

qaicrt::Result<bool> fuse_patterns(GraphEdit& /*edit*/) {
    return false;
}

}  // namespace qaicnet
