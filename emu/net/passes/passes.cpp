// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/passes.hpp"

#include <array>

namespace qaicnet {

std::span<const NamedPass> passes() {
    static constexpr std::array kPasses{
        NamedPass{"simplify_reshapes", simplify_reshapes},
        NamedPass{"fuse_patterns", fuse_patterns},
        NamedPass{"fuse_batch_norm", fuse_batch_norm},
        NamedPass{"fuse_bias_and_activation", fuse_bias_and_activation},
        NamedPass{"choose_layout", choose_layout},
        NamedPass{"simplify_transposes", simplify_transposes},
        // Transposes that only move axes of size 1 become views.
        NamedPass{"simplify_reshapes", simplify_reshapes},
    };
    return kPasses;
}

}  // namespace qaicnet
