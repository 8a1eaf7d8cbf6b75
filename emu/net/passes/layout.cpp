// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/layout.hpp"

namespace qaicnet {

Permutation to_channels_last(std::size_t rank) {
    Permutation perm{0};
    for (std::size_t i = 2; i < rank; ++i) {
        perm.push_back(static_cast<std::int64_t>(i));
    }
    perm.push_back(1);
    return perm;
}

Permutation to_channels_first(std::size_t rank) {
    return inverse(to_channels_last(rank));
}

Permutation inverse(const Permutation& perm) {
    Permutation out(perm.size());
    for (std::size_t i = 0; i < perm.size(); ++i) {
        out[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
    }
    return out;
}

Permutation compose(const Permutation& first, const Permutation& second) {
    Permutation out;
    for (const std::int64_t axis : second) {
        out.push_back(first[static_cast<std::size_t>(axis)]);
    }
    return out;
}

bool is_identity(const Permutation& perm) {
    for (std::size_t i = 0; i < perm.size(); ++i) {
        if (perm[i] != static_cast<std::int64_t>(i)) {
            return false;
        }
    }
    return true;
}

Shape permuted(const Shape& dims, const Permutation& perm) {
    Shape out;
    for (const std::int64_t axis : perm) {
        out.push_back(dims[static_cast<std::size_t>(axis)]);
    }
    return out;
}

}  // namespace qaicnet
