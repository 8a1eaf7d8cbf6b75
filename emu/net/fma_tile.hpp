// SPDX-License-Identifier: Apache-2.0
/// FP32 products of FLOAT graphs: every result is one chain of fused multiply-adds.
///
/// result = fma(a[k], w[k], … fma(a[1], w[1], fma(a[0], w[0], +0))): k upward, every step rounded
/// once. Tiles, vectors and threads split rows and columns only, so that neither their number nor
/// the instruction set changes a bit. (Products with FLOAT16 or MX operands have the order of
/// matmul_kernel.hpp, which is the emulated card's.)
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

/// tile[r][16] for r < rows <= fma_rows(): the chains over all runs, all of the same length. With
/// `add` they go on from what the tile holds.
void fma_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
              const float* panel, float* tile, bool add) noexcept;

/// The same for the first 8 columns only; what the others hold afterwards is not defined.
void fma_half_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                   const float* panel, float* tile, bool add) noexcept;

/// One row times `panels` panels that lie `stride` floats apart: out[panel][16], which with `add`
/// is where the chains begin.
void fma_row(const float* a, std::size_t k, const float* first_panel, std::size_t stride,
             std::size_t panels, float* out, bool add) noexcept;

/// Plainest loop, for tests: the definition.
void fma_tile_reference(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                        const float* panel, float* tile, bool add) noexcept;

/// One stretch of a depthwise convolution. For x < width and c < channels,
/// out[x * out_step + c] is the chain that begins at start[c] (+0 when null) and goes over the taps
/// t of in[t][x * in_step + c] * weights[t * channels + c]. A null in[t] is a tap in the padding.
struct DepthwiseLine {
    const float* const* in;
    std::size_t taps, in_step;
    const float* weights;
    const float* start;
    std::size_t channels, width;
    float* out;
    std::size_t out_step;
};
void fma_depthwise(const DepthwiseLine& line) noexcept;

}  // namespace qaicnet
