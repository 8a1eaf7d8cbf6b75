// SPDX-License-Identifier: Apache-2.0
/// Compiled with -ffp-contract=fast: a multiplication and the addition behind it, written in one
/// expression, become one instruction on every instruction set below that has it. A test compares
/// with std::fma bit by bit, so a compiler that does otherwise is noticed.
#include "emu/net/fma_tile.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qaicnet {

namespace {

#define QAICNET_INLINE __attribute__((always_inline)) inline

template <std::size_t Bytes>
struct Lanes {
    typedef float Vector __attribute__((vector_size(Bytes)));
    static constexpr std::size_t kCount = Bytes / sizeof(float);
    static constexpr std::size_t kPerPanel = kPanelColumns / kCount;
};

template <class Vector>
QAICNET_INLINE void load(Vector& to, const float* from) noexcept {
    std::memcpy(&to, from, sizeof(to));
}

template <class Vector>
QAICNET_INLINE void store(const Vector& from, float* to) noexcept {
    std::memcpy(to, &from, sizeof(from));
}

/// Rows of sums in registers: the terms of one block.
template <std::size_t Bytes, std::size_t kColumns, std::size_t Rows>
struct Block {
    using Vector = typename Lanes<Bytes>::Vector;
    static constexpr std::size_t kVectors = kColumns / Lanes<Bytes>::kCount;
    Vector part[Rows][kVectors];

    QAICNET_INLINE void clear() noexcept {
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < kVectors; ++v) {
                part[r][v] = Vector{};
            }
        }
    }
    QAICNET_INLINE void add_terms(const FmaRun& run, std::size_t begin, std::size_t end,
                                  const float* panel) noexcept {
        const float* a[Rows];
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) {
            a[r] = run.rows[r];
        }
        const float* w = panel + run.weights + begin * kPanelColumns;
        for (std::size_t k = begin; k < end; ++k, w += kPanelColumns) {
            Vector b[kVectors];
#pragma GCC unroll 4
            for (std::size_t v = 0; v < kVectors; ++v) {
                load(b[v], w + v * Lanes<Bytes>::kCount);
            }
#pragma GCC unroll 12
            for (std::size_t r = 0; r < Rows; ++r) {
                const float left = a[r][k];
#pragma GCC unroll 4
                for (std::size_t v = 0; v < kVectors; ++v) {
                    part[r][v] = left * b[v] + part[r][v];
                }
            }
        }
    }
    QAICNET_INLINE void add_to(float* tile) const noexcept {
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < kVectors; ++v) {
                Vector sum;
                float* at = tile + r * kPanelColumns + v * Lanes<Bytes>::kCount;
                load(sum, at);
                sum += part[r][v];
                store(sum, at);
            }
        }
    }
};

/// The first `kColumns` of a panel's 16 columns.
template <std::size_t Bytes, std::size_t kColumns, std::size_t Rows>
QAICNET_INLINE void tile_body(const FmaRun* runs, std::size_t count, std::size_t length,
                              const float* panel, float* tile, bool add) noexcept {
    if (!add) {
        std::memset(tile, 0, Rows * kPanelColumns * sizeof(float));
    }
    Block<Bytes, kColumns, Rows> block;
    block.clear();
    std::size_t block_end = 0;  // the term behind the block that is in the registers
    for (std::size_t t = 0; t < count; ++t) {
        const std::size_t first = runs[t].weights / kPanelColumns;
        for (std::size_t k = 0; k < length;) {
            if (first + k >= block_end) {
                if (block_end != 0) {
                    block.add_to(tile);
                    block.clear();
                }
                block_end = (first + k) / kSumBlock * kSumBlock + kSumBlock;
            }
            const std::size_t end = std::min(length, block_end - first);
            block.add_terms(runs[t], k, end, panel);
            k = end;
        }
    }
    block.add_to(tile);
}

/// Chooses the code for a number of rows that is known only now.
template <std::size_t Bytes, std::size_t kColumns, std::size_t Rows>
QAICNET_INLINE void tile_rows(const FmaRun* runs, std::size_t count, std::size_t length,
                              std::size_t rows, const float* panel, float* tile,
                              bool add) noexcept {
    if (rows == Rows) {
        tile_body<Bytes, kColumns, Rows>(runs, count, length, panel, tile, add);
    } else if constexpr (Rows > 1) {
        tile_rows<Bytes, kColumns, Rows - 1>(runs, count, length, rows, panel, tile, add);
    }
}

/// Panels of one row, several at a time: one panel alone would wait for its own additions.
template <std::size_t Bytes, std::size_t Panels>
QAICNET_INLINE void row_body(const float* a, std::size_t k, const float* panel, std::size_t stride,
                             float* out) noexcept {
    using Vector = typename Lanes<Bytes>::Vector;
    constexpr std::size_t kVectors = Lanes<Bytes>::kPerPanel;
    std::memset(out, 0, Panels * kPanelColumns * sizeof(float));
    for (std::size_t begin = 0; begin < k; begin += kSumBlock) {
        Vector part[Panels][kVectors] = {};
        for (std::size_t i = begin; i < std::min(begin + kSumBlock, k); ++i) {
            const float left = a[i];
#pragma GCC unroll 4
            for (std::size_t p = 0; p < Panels; ++p) {
#pragma GCC unroll 4
                for (std::size_t v = 0; v < kVectors; ++v) {
                    Vector b;
                    load(b, panel + p * stride + i * kPanelColumns + v * Lanes<Bytes>::kCount);
                    part[p][v] = left * b + part[p][v];
                }
            }
        }
#pragma GCC unroll 4
        for (std::size_t p = 0; p < Panels; ++p) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < kVectors; ++v) {
                Vector sum;
                float* at = out + p * kPanelColumns + v * Lanes<Bytes>::kCount;
                load(sum, at);
                sum += part[p][v];
                store(sum, at);
            }
        }
    }
}

template <std::size_t Bytes>
QAICNET_INLINE void row_panels(const float* a, std::size_t k, const float* panel,
                               std::size_t stride, std::size_t panels, float* out) noexcept {
    std::size_t p = 0;
    for (; p + 4 <= panels; p += 4) {
        row_body<Bytes, 4>(a, k, panel + p * stride, stride, out + p * kPanelColumns);
    }
    for (; p < panels; ++p) {
        row_body<Bytes, 1>(a, k, panel + p * stride, stride, out + p * kPanelColumns);
    }
}

template <std::size_t Bytes, std::size_t Width, std::size_t Vectors>
QAICNET_INLINE void depthwise_body(const DepthwiseLine& l, std::size_t x, std::size_t c) noexcept {
    using Vector = typename Lanes<Bytes>::Vector;
    constexpr std::size_t kLanes = Lanes<Bytes>::kCount;
    Vector sum[Width][Vectors] = {};
    for (std::size_t t = 0; t < l.taps; ++t) {
        if (l.in[t] == nullptr) {
            continue;
        }
        const float* from = l.in[t] + x * l.in_step + c;
        Vector w[Vectors];
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) {
            load(w[v], l.weights + t * l.weight_step + c + v * kLanes);
        }
#pragma GCC unroll 4
        for (std::size_t i = 0; i < Width; ++i) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < Vectors; ++v) {
                Vector a;
                load(a, from + i * l.in_step + v * kLanes);
                sum[i][v] = a * w[v] + sum[i][v];
            }
        }
    }
#pragma GCC unroll 4
    for (std::size_t i = 0; i < Width; ++i) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) {
            store(sum[i][v], l.out + (x + i) * l.out_step + c + v * kLanes);
        }
    }
}

template <std::size_t Bytes, std::size_t Width>
QAICNET_INLINE void depthwise_channels(const DepthwiseLine& l, std::size_t x) noexcept {
    constexpr std::size_t kLanes = Lanes<Bytes>::kCount;
    std::size_t c = 0;
    for (; c + 2 * kLanes <= l.channels; c += 2 * kLanes) {
        depthwise_body<Bytes, Width, 2>(l, x, c);
    }
    for (; c + kLanes <= l.channels; c += kLanes) {
        depthwise_body<Bytes, Width, 1>(l, x, c);
    }
    for (; c + 4 <= l.channels; c += 4) {
        depthwise_body<16, Width, 1>(l, x, c);
    }
    for (; c < l.channels; ++c) {
        depthwise_body<4, Width, 1>(l, x, c);
    }
}

template <std::size_t Bytes>
QAICNET_INLINE void depthwise(const DepthwiseLine& l) noexcept {
    std::size_t x = 0;
    for (; x + 4 <= l.width; x += 4) {
        depthwise_channels<Bytes, 4>(l, x);
    }
    for (; x < l.width; ++x) {
        depthwise_channels<Bytes, 1>(l, x);
    }
}

// --- One set of functions for each instruction set

struct Functions {
    std::size_t rows;
    void (*tile)(const FmaRun*, std::size_t, std::size_t, std::size_t, const float*, float*,
                 bool) noexcept;
    void (*half_tile)(const FmaRun*, std::size_t, std::size_t, std::size_t, const float*, float*,
                      bool) noexcept;
    void (*row)(const float*, std::size_t, const float*, std::size_t, std::size_t, float*) noexcept;
    void (*depthwise)(const DepthwiseLine&) noexcept;
};

#define QAICNET_FUNCTIONS(name, target_attribute, bytes, most_rows)                              \
    target_attribute void tile_##name(const FmaRun* runs, std::size_t count, std::size_t length, \
                                      std::size_t rows, const float* panel, float* tile,         \
                                      bool add) noexcept {                                       \
        tile_rows<bytes, kPanelColumns, most_rows>(runs, count, length, rows, panel, tile, add); \
    }                                                                                            \
    target_attribute void half_tile_##name(const FmaRun* runs, std::size_t count,                \
                                           std::size_t length, std::size_t rows,                 \
                                           const float* panel, float* tile, bool add) noexcept { \
        tile_rows<(bytes) < 32 ? (bytes) : 32, 8, most_rows>(runs, count, length, rows, panel,   \
                                                             tile, add);                         \
    }                                                                                            \
    target_attribute void row_##name(const float* a, std::size_t k, const float* panel,          \
                                     std::size_t stride, std::size_t panels,                     \
                                     float* out) noexcept {                                      \
        row_panels<bytes>(a, k, panel, stride, panels, out);                                     \
    }                                                                                            \
    target_attribute void depthwise_##name(const DepthwiseLine& line) noexcept {                 \
        depthwise<bytes>(line);                                                                  \
    }                                                                                            \
    constexpr Functions k_##name = {most_rows, tile_##name, half_tile_##name, row_##name,        \
                                    depthwise_##name};

#if defined(__x86_64__)
QAICNET_FUNCTIONS(avx2, __attribute__((target("avx2,fma"))), 32, 6)
QAICNET_FUNCTIONS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64, 12)

void tile_plain(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                const float* panel, float* tile, bool add) noexcept {
    fma_tile_reference(runs, count, length, rows, panel, tile, add);
}

void row_plain(const float* a, std::size_t k, const float* panel, std::size_t stride,
               std::size_t panels, float* out) noexcept {
    for (std::size_t p = 0; p < panels; ++p) {
        const FmaRun run{0, {a}};
        fma_tile_reference(&run, 1, k, 1, panel + p * stride, out + p * kPanelColumns, false);
    }
}

void depthwise_plain(const DepthwiseLine& l) noexcept {
    for (std::size_t i = 0; i < l.width * l.channels; ++i) {
        const std::size_t x = i / l.channels;
        const std::size_t c = i % l.channels;
        float sum = 0;
        for (std::size_t t = 0; t < l.taps; ++t) {
            if (l.in[t] != nullptr) {
                sum = std::fma(l.in[t][x * l.in_step + c], l.weights[t * l.weight_step + c], sum);
            }
        }
        l.out[x * l.out_step + c] = sum;
    }
}
constexpr Functions k_plain = {6, tile_plain, tile_plain, row_plain, depthwise_plain};

Functions choose() noexcept {
    if (__builtin_cpu_supports("avx512f")) {
        return k_avx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? k_avx2 : k_plain;
}
#else
// The instruction sets of Debian's other 64-bit machines have the fused form from the start.
QAICNET_FUNCTIONS(base, , 16, 4)

Functions choose() noexcept {
    return k_base;
}
#endif

const Functions& functions() noexcept {
    static const Functions kChosen = choose();
    return kChosen;
}

}  // namespace

std::size_t fma_rows() noexcept {
    return functions().rows;
}

void fma_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
              const float* panel, float* tile, bool add) noexcept {
    functions().tile(runs, count, length, rows, panel, tile, add);
}

void fma_half_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                   const float* panel, float* tile, bool add) noexcept {
    functions().half_tile(runs, count, length, rows, panel, tile, add);
}

void fma_row(const float* a, std::size_t k, const float* first_panel, std::size_t stride,
             std::size_t panels, float* out) noexcept {
    functions().row(a, k, first_panel, stride, panels, out);
}

void fma_depthwise(const DepthwiseLine& line) noexcept {
    functions().depthwise(line);
}

void fma_tile_reference(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                        const float* panel, float* tile, bool add) noexcept {
    for (std::size_t i = 0; i < rows * kPanelColumns; ++i) {
        float sum = add ? tile[i] : 0.0F;
        float part = 0;
        std::size_t block = 0;
        for (std::size_t t = 0; t < count; ++t) {
            for (std::size_t k = 0; k < length; ++k) {
                const std::size_t term = runs[t].weights / kPanelColumns + k;
                if (term / kSumBlock != block) {
                    sum += part;
                    part = 0;
                    block = term / kSumBlock;
                }
                part = std::fma(runs[t].rows[i / kPanelColumns][k],
                                panel[term * kPanelColumns + i % kPanelColumns], part);
            }
        }
        tile[i] = sum + part;
    }
}

}  // namespace qaicnet
