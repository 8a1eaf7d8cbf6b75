// SPDX-License-Identifier: Apache-2.0
/// FP32 sums of products, in the documented order with fused multiply-adds.
///
/// The terms of a result are numbered k = 0, 1, …; blocks of 32 terms are chains of fused
/// multiply-adds from +0, fma(a[31], w[31], … fma(a[0], w[0], +0)), and the blocks' sums are added
/// one after the other, from +0. Tiles, vectors and threads split rows and columns only, so that
/// neither their number nor the instruction set changes a bit. The products of FLOAT16 numbers are
/// exact in FP32, so this is the order of matmul_kernel.hpp for them; FLOAT gains a rounding less
/// for each term.
#pragma once

#include "emu/net/matmul_kernel.hpp"

#include <array>
#include <cstddef>

namespace qaicnet {

/// The most rows that any instruction set takes at once.
inline constexpr std::size_t kMaxFmaRows = 12;

/// A stretch of consecutive k: `rows[r]` points at the elements of row r; its weights,
/// [length][16], begin `weights` floats into a panel.
struct FmaRun {
    std::size_t weights;
    std::array<const float*, kMaxFmaRows> rows;
};

/// Rows that this machine's tile takes at once, at most kMaxFmaRows.
std::size_t fma_rows() noexcept;

/// What the sums of a tile go on from, what is added to them, and where they go.
struct FmaEnds {
    const float* before;  ///< [rows][16]; null: +0
    const float* bias;    ///< [16], added to every row's sums; null: nothing
    float* out;           ///< row r begins at out[r * out_step]
    std::size_t out_step;
};

/// `rows` <= fma_rows() rows of 16 sums over all runs, all of the same length; term k of a panel is
/// the one whose weights stand at [k][16].
void fma_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
              const float* panel, const FmaEnds& ends) noexcept;

/// The same for the first 8 columns only; nothing else is written.
void fma_half_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                   const float* panel, const FmaEnds& ends) noexcept;

/// One row times `panels` panels that lie `stride` floats apart: out[panel][16].
void fma_row(const float* a, std::size_t k, const float* first_panel, std::size_t stride,
             std::size_t panels, float* out) noexcept;

/// Plainest loop, for tests: the definition.
void fma_tile_reference(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                        const float* panel, const FmaEnds& ends,
                        std::size_t columns = kPanelColumns) noexcept;

/// One block of a depthwise convolution's sums. For x < width and c < channels, the chain from +0
/// over the taps t, at most 32, of in[t][x * in_step + c] * weights[t][c] is added to +0, or with
/// `add` to out[x * out_step + c], then bias[c] to that (nothing when null): the new out[…].
struct DepthwiseLine {
    const float* const* in;
    const float* const* weights;
    std::size_t taps, in_step;
    bool add;
    const float* bias;
    std::size_t channels, width;
    float* out;
    std::size_t out_step;
};
void fma_depthwise(const DepthwiseLine& line) noexcept;

}  // namespace qaicnet
