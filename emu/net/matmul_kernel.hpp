// SPDX-License-Identifier: Apache-2.0
/// FP32 matrix products with one documented order of summation.
///
/// For every result: products a[k] * b[k] are rounded to FP32, summed from k = 0 upward inside a
/// block of 32 (starting at +0), and block sums are added from the first block upward (starting at
/// +0), every addition rounded to FP32 and nothing fused. Tiles, vectors and threads split rows and
/// columns only, so they cannot change a bit of the result.
#pragma once

#include "emu/net/half.hpp"

#include <cstddef>

namespace qaicnet {

inline constexpr std::size_t kSumBlock = 32;
inline constexpr std::size_t kPanelColumns = 16;  ///< columns of B that are stored together
inline constexpr std::size_t kTileRows = 8;       ///< the most rows that a tile has

constexpr std::size_t panel_count(std::size_t n) {
    return (n + kPanelColumns - 1) / kPanelColumns;
}

/// Copies columns [16 * panel, …) of B (element (i, j) at b[i * row + j * column]) to out[k][16],
/// zero padded.
void pack_panel(const float* b, std::size_t row, std::size_t column, std::size_t k, std::size_t n,
                std::size_t panel, float* out) noexcept;
void pack_panel(const Half* b, std::size_t row, std::size_t column, std::size_t k, std::size_t n,
                std::size_t panel, float* out) noexcept;

/// tile[r][16] = rows of A (lda floats apart) times one panel, for `rows` <= kTileRows. With `add`
/// the sums go on from what the tile holds: for a k in pieces that are multiples of kSumBlock.
void multiply_tile(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                   const float* panel, float* tile, bool add = false) noexcept;

/// The same on the plainest loop, for tests: the definition of the order.
void multiply_tile_reference(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                             const float* panel, float* tile) noexcept;

}  // namespace qaicnet
