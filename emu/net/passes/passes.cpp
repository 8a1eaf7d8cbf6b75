// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"

#include <array>

namespace qaicnet {

std::span<const NamedPass> passes() {
    static constexpr std::array kPasses{
        NamedPass{"simplify_reshapes", simplify_reshapes},
        NamedPass{"fuse_patterns", fuse_patterns},
        NamedPass{"fuse_batch_norm", fuse_batch_norm},
        NamedPass{"choose_layout", choose_layout},
        NamedPass{"simplify_transposes", simplify_transposes},
        // Transposes that only move axes of size 1 become views.
        NamedPass{"simplify_reshapes", simplify_reshapes},
    };
    return kPasses;
}

}  // namespace qaicnet
