// SPDX-License-Identifier: Apache-2.0
#include "emu/net/matmul_kernel.hpp"

#include <algorithm>
#include <cstring>

namespace qaicnet {

namespace {

template <class T>
void pack(const T* b, std::size_t row, std::size_t column, std::size_t k, std::size_t n,
          std::size_t panel, float* out) noexcept {
    const std::size_t first = panel * kPanelColumns;
    const std::size_t columns = std::min(kPanelColumns, n - first);
    for (std::size_t i = 0; i < k; ++i) {
        const T* from = b + i * row + first * column;
        float* to = out + i * kPanelColumns;
        for (std::size_t j = 0; j < columns; ++j) {
            if constexpr (sizeof(T) == sizeof(Half)) {
                to[j] = half_to_float(from[j * column]);
            } else {
                to[j] = from[j * column];
            }
        }
        std::fill(to + columns, to + kPanelColumns, 0.0f);
    }
}

#define QAICNET_INLINE __attribute__((always_inline)) inline

/// Rows x 16 results in registers of `Bytes` bytes; block sums go to the tile, which stays in the
/// cache.
template <std::size_t Bytes, std::size_t Rows>
QAICNET_INLINE void tile_body(const float* a, std::size_t lda, std::size_t k, const float* panel,
                              float* tile) noexcept {
    typedef float Vector __attribute__((vector_size(Bytes)));
    constexpr std::size_t kLanes = Bytes / sizeof(float);
    constexpr std::size_t kVectors = kPanelColumns / kLanes;
    for (std::size_t block = 0; block < k; block += kSumBlock) {
        const std::size_t end = std::min(block + kSumBlock, k);
        Vector part[Rows][kVectors] = {};
        for (std::size_t i = block; i < end; ++i) {
            Vector b[kVectors];
            std::memcpy(b, panel + i * kPanelColumns, sizeof(b));
            for (std::size_t r = 0; r < Rows; ++r) {
                const float left = a[r * lda + i];
                for (std::size_t v = 0; v < kVectors; ++v) {
                    part[r][v] += left * b[v];
                }
            }
        }
        for (std::size_t r = 0; r < Rows; ++r) {
            for (std::size_t v = 0; v < kVectors; ++v) {
                Vector sum;
                float* at = tile + r * kPanelColumns + v * kLanes;
                std::memcpy(&sum, at, sizeof(sum));
                sum += part[r][v];
                std::memcpy(at, &sum, sizeof(sum));
            }
        }
    }
}

/// Rows in groups that fit the registers of the instruction set, then smaller ones.
template <std::size_t Bytes, std::size_t MaxRows>
QAICNET_INLINE void tile_rows(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                              const float* panel, float* tile) noexcept {
    std::size_t r = 0;
    for (; r + MaxRows <= rows; r += MaxRows) {
        tile_body<Bytes, MaxRows>(a + r * lda, lda, k, panel, tile + r * kPanelColumns);
    }
    if constexpr (MaxRows > 4) {
        if (r + 4 <= rows) {
            tile_body<Bytes, 4>(a + r * lda, lda, k, panel, tile + r * kPanelColumns);
            r += 4;
        }
    }
    if constexpr (MaxRows > 2) {
        if (r + 2 <= rows) {
            tile_body<Bytes, 2>(a + r * lda, lda, k, panel, tile + r * kPanelColumns);
            r += 2;
        }
    }
    if (r < rows) {
        tile_body<Bytes, 1>(a + r * lda, lda, k, panel, tile + r * kPanelColumns);
    }
}

using TileFunction = void (*)(const float*, std::size_t, std::size_t, std::size_t, const float*,
                              float*) noexcept;

void tile_plain(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                const float* panel, float* tile) noexcept {
    tile_rows<16, 2>(a, lda, rows, k, panel, tile);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void tile_avx2(const float* a, std::size_t lda, std::size_t rows,
                                               std::size_t k, const float* panel,
                                               float* tile) noexcept {
    tile_rows<32, 4>(a, lda, rows, k, panel, tile);
}

__attribute__((target("avx512f"))) void tile_avx512(const float* a, std::size_t lda,
                                                    std::size_t rows, std::size_t k,
                                                    const float* panel, float* tile) noexcept {
    tile_rows<64, 8>(a, lda, rows, k, panel, tile);
}
#endif

TileFunction best_tile() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return tile_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return tile_avx2;
    }
#endif
    return tile_plain;
}

}  // namespace

void pack_panel(const float* b, std::size_t row, std::size_t column, std::size_t k, std::size_t n,
                std::size_t panel, float* out) noexcept {
    pack(b, row, column, k, n, panel, out);
}

void pack_panel(const Half* b, std::size_t row, std::size_t column, std::size_t k, std::size_t n,
                std::size_t panel, float* out) noexcept {
    pack(b, row, column, k, n, panel, out);
}

void multiply_tile(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                   const float* panel, float* tile, bool add) noexcept {
    if (!add) {
        std::memset(tile, 0, rows * kPanelColumns * sizeof(float));
    }
    best_tile()(a, lda, rows, k, panel, tile);
}

void multiply_tile_reference(const float* a, std::size_t lda, std::size_t rows, std::size_t k,
                             const float* panel, float* tile) noexcept {
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t j = 0; j < kPanelColumns; ++j) {
            float sum = 0;
            for (std::size_t block = 0; block < k; block += kSumBlock) {
                float part = 0;
                for (std::size_t i = block; i < std::min(block + kSumBlock, k); ++i) {
                    part += a[r * lda + i] * panel[i * kPanelColumns + j];
                }
                sum += part;
            }
            tile[r * kPanelColumns + j] = sum;
        }
    }
}

}  // namespace qaicnet
