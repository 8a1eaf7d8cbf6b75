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
    /// out = (base + the block's sums) + bias; a step of 0 is one row for all.
    QAICNET_INLINE void add(const float* base, std::size_t base_step, const float* bias, float* out,
                            std::size_t out_step) const noexcept {
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
            for (std::size_t v = 0; v < kVectors; ++v) {
                const std::size_t column = v * Lanes<Bytes>::kCount;
                Vector sum;
                load(sum, base + r * base_step + column);
                sum += part[r][v];
                if (bias != nullptr) {
                    Vector last;
                    load(last, bias + column);
                    sum += last;
                }
                store(sum, out + r * out_step + column);
            }
        }
    }
};

alignas(64) constexpr float kZeros[kPanelColumns] = {};

/// The first `kColumns` of a panel's 16 columns.
template <std::size_t Bytes, std::size_t kColumns, std::size_t Rows>
QAICNET_INLINE void tile_body(const FmaRun* runs, std::size_t count, std::size_t length,
                              const float* panel, const FmaEnds& ends) noexcept {
    alignas(64) float sums[Rows * kPanelColumns];
    const float* base = ends.before != nullptr ? ends.before : kZeros;
    std::size_t base_step = ends.before != nullptr ? kPanelColumns : 0;
    Block<Bytes, kColumns, Rows> block;
    block.clear();
    std::size_t block_end = 0;  // the term behind the block that is in the registers
    for (std::size_t t = 0; t < count; ++t) {
        const std::size_t first = runs[t].weights / kPanelColumns;
        for (std::size_t k = 0; k < length;) {
            if (first + k >= block_end) {
                if (block_end != 0) {
                    block.add(base, base_step, nullptr, sums, kPanelColumns);
                    block.clear();
                    base = sums;
                    base_step = kPanelColumns;
                }
                block_end = (first + k) / kSumBlock * kSumBlock + kSumBlock;
            }
            const std::size_t end = std::min(length, block_end - first);
            block.add_terms(runs[t], k, end, panel);
            k = end;
        }
    }
    // A sum that began at +0 is never -0: adding +0 changes nothing.
    block.add(base, base_step, ends.bias != nullptr ? ends.bias : kZeros, ends.out, ends.out_step);
}

/// Chooses the code for a number of rows that is known only now.
template <std::size_t Bytes, std::size_t kColumns, std::size_t Rows>
QAICNET_INLINE void tile_rows(const FmaRun* runs, std::size_t count, std::size_t length,
                              std::size_t rows, const float* panel, const FmaEnds& ends) noexcept {
    if (rows == Rows) {
        tile_body<Bytes, kColumns, Rows>(runs, count, length, panel, ends);
    } else if constexpr (Rows > 1) {
        tile_rows<Bytes, kColumns, Rows - 1>(runs, count, length, rows, panel, ends);
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
    Vector part[Width][Vectors] = {};
    const std::size_t in_step = l.in_step;
    const std::size_t first = x * in_step + c;
    for (std::size_t t = 0; t < l.taps; ++t) {
        const float* from = l.in[t] + first;
        const float* weights = l.weights[t] + c;
        Vector w[Vectors];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < Vectors; ++v) {
            load(w[v], weights + v * kLanes);
        }
#pragma GCC unroll 8
        for (std::size_t i = 0; i < Width; ++i) {
#pragma GCC unroll 8
            for (std::size_t v = 0; v < Vectors; ++v) {
                Vector a;
                load(a, from + v * kLanes);
                part[i][v] = a * w[v] + part[i][v];
            }
            from += in_step;
        }
    }
    float* out = l.out + x * l.out_step + c;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Width; ++i) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < Vectors; ++v) {
            Vector sum = {};
            if (l.add) {
                load(sum, out + i * l.out_step + v * kLanes);
            }
            sum += part[i][v];
            if (l.bias != nullptr) {
                Vector last;
                load(last, l.bias + c + v * kLanes);
                sum += last;
            }
            store(sum, out + i * l.out_step + v * kLanes);
        }
    }
}

/// `Vectors` at once, so that a sum need not wait for its own last addition; then what is left.
template <std::size_t Bytes, std::size_t Width, std::size_t Vectors>
QAICNET_INLINE void depthwise_channels(const DepthwiseLine& l, std::size_t x,
                                       std::size_t c) noexcept {
    constexpr std::size_t kChannels = Vectors * Lanes<Bytes>::kCount;
    for (; c + kChannels <= l.channels; c += kChannels) {
        depthwise_body<Bytes, Width, Vectors>(l, x, c);
    }
    if constexpr (Vectors > 1) {
        depthwise_channels<Bytes, Width, Vectors / 2>(l, x, c);
    } else if constexpr (Bytes > 16) {
        depthwise_channels<16, Width, 1>(l, x, c);
    } else if constexpr (Bytes > 4) {
        depthwise_channels<4, Width, 1>(l, x, c);
    }
}

template <std::size_t Bytes>
QAICNET_INLINE void depthwise(const DepthwiseLine& l) noexcept {
    std::size_t x = 0;
    for (; x + 6 <= l.width; x += 6) {
        depthwise_channels<Bytes, 6, 2>(l, x, 0);
    }
    for (; x + 2 <= l.width; x += 2) {
        depthwise_channels<Bytes, 2, 4>(l, x, 0);
    }
    for (; x < l.width; ++x) {
        depthwise_channels<Bytes, 1, 8>(l, x, 0);
    }
}

// --- One set of functions for each instruction set

struct Functions {
    std::size_t rows;
    void (*tile)(const FmaRun*, std::size_t, std::size_t, std::size_t, const float*,
                 const FmaEnds&) noexcept;
    void (*half_tile)(const FmaRun*, std::size_t, std::size_t, std::size_t, const float*,
                      const FmaEnds&) noexcept;
    void (*row)(const float*, std::size_t, const float*, std::size_t, std::size_t, float*) noexcept;
    void (*depthwise)(const DepthwiseLine&) noexcept;
};

#define QAICNET_FUNCTIONS(name, target_attribute, bytes, most_rows)                              \
    target_attribute void tile_##name(const FmaRun* runs, std::size_t count, std::size_t length, \
                                      std::size_t rows, const float* panel,                      \
                                      const FmaEnds& ends) noexcept {                            \
        tile_rows<bytes, kPanelColumns, most_rows>(runs, count, length, rows, panel, ends);      \
    }                                                                                            \
    target_attribute void half_tile_##name(const FmaRun* runs, std::size_t count,                \
                                           std::size_t length, std::size_t rows,                 \
                                           const float* panel, const FmaEnds& ends) noexcept {   \
        tile_rows<(bytes) < 32 ? (bytes) : 32, 8, most_rows>(runs, count, length, rows, panel,   \
                                                             ends);                              \
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
                const float* panel, const FmaEnds& ends) noexcept {
    fma_tile_reference(runs, count, length, rows, panel, ends);
}

void half_tile_plain(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                     const float* panel, const FmaEnds& ends) noexcept {
    fma_tile_reference(runs, count, length, rows, panel, ends, kPanelColumns / 2);
}

void row_plain(const float* a, std::size_t k, const float* panel, std::size_t stride,
               std::size_t panels, float* out) noexcept {
    for (std::size_t p = 0; p < panels; ++p) {
        const FmaRun run{0, {a}};
        fma_tile_reference(&run, 1, k, 1, panel + p * stride,
                           {nullptr, nullptr, out + p * kPanelColumns, 0});
    }
}

void depthwise_plain(const DepthwiseLine& l) noexcept {
    for (std::size_t i = 0; i < l.width * l.channels; ++i) {
        const std::size_t x = i / l.channels;
        const std::size_t c = i % l.channels;
        float part = 0;
        for (std::size_t t = 0; t < l.taps; ++t) {
            part = std::fma(l.in[t][x * l.in_step + c], l.weights[t][c], part);
        }
        float& out = l.out[x * l.out_step + c];
        out = (l.add ? out : 0.0F) + part;
        out += l.bias != nullptr ? l.bias[c] : 0.0F;
    }
}
constexpr Functions k_plain = {6, tile_plain, half_tile_plain, row_plain, depthwise_plain};

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
              const float* panel, const FmaEnds& ends) noexcept {
    functions().tile(runs, count, length, rows, panel, ends);
}

void fma_half_tile(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                   const float* panel, const FmaEnds& ends) noexcept {
    functions().half_tile(runs, count, length, rows, panel, ends);
}

void fma_row(const float* a, std::size_t k, const float* first_panel, std::size_t stride,
             std::size_t panels, float* out) noexcept {
    functions().row(a, k, first_panel, stride, panels, out);
}

void fma_depthwise(const DepthwiseLine& line) noexcept {
    functions().depthwise(line);
}

void fma_tile_reference(const FmaRun* runs, std::size_t count, std::size_t length, std::size_t rows,
                        const float* panel, const FmaEnds& ends, std::size_t columns) noexcept {
    for (std::size_t i = 0; i < rows * columns; ++i) {
        const std::size_t r = i / columns;
        const std::size_t j = i % columns;
        float sum = ends.before != nullptr ? ends.before[r * kPanelColumns + j] : 0.0F;
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
                part = std::fma(runs[t].rows[r][k], panel[term * kPanelColumns + j], part);
            }
        }
        sum += part;
        ends.out[r * ends.out_step + j] = sum + (ends.bias != nullptr ? ends.bias[j] : 0.0F);
    }
}

}  // namespace qaicnet
