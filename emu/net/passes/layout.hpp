// SPDX-License-Identifier: Apache-2.0
/// Permutations between channels first (as ONNX has it) and channels last.
#pragma once

#include "emu/net/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qaicnet {

using Permutation =
    std::vector<std::int64_t>;  ///< of ONNX's Transpose: result axis i is axis perm[i]

/// [N, C, D1, …] to [N, D1, …, C].
Permutation to_channels_last(std::size_t rank);
/// [N, D1, …, C] to [N, C, D1, …].
Permutation to_channels_first(std::size_t rank);
Permutation inverse(const Permutation& perm);
/// The Transpose that does `first`, then `second`.
Permutation compose(const Permutation& first, const Permutation& second);
bool is_identity(const Permutation& perm);
Shape permuted(const Shape& dims, const Permutation& perm);

}  // namespace qaicnet
