// SPDX-License-Identifier: Apache-2.0
/// Products of matrices of 8-bit integers with exact sums on 32 bits, which wrap around.
///
/// Both operands are packed first: the zero point is taken off, which leaves 9 bits, and each row
/// of the left and each column of the right becomes a line of 16-bit numbers, padded with zeros.
#pragma once

#include "emu/net/op.hpp"
#include "emu/net/parallel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace qaicnet {

/// Elements of a line of `depth` products.
constexpr std::size_t line_length(std::size_t depth) {
    constexpr std::size_t kMultiple = 16;
    return (depth + kMultiple - 1) / kMultiple * kMultiple;
}
/// Lines are taken four at a time: the right operand has that many more.
inline constexpr std::size_t kLinesAtOnce = 4;
constexpr std::size_t padded_lines(std::size_t lines) {
    return (lines + kLinesAtOnce - 1) / kLinesAtOnce * kLinesAtOnce;
}
/// Bytes of packed lines; nullopt on overflow is not needed: the operand itself exists in memory.
constexpr std::size_t packed_bytes(std::size_t lines, std::size_t depth) {
    return padded_lines(lines) * line_length(depth) * sizeof(std::int16_t);
}

/// An 8-bit integer, signed or not.
inline std::int32_t byte_at(const std::byte* data, bool is_signed, std::size_t i) noexcept {
    return is_signed ? std::int32_t{as<std::int8_t>(data)[i]}
                     : std::int32_t{as<std::uint8_t>(data)[i]};
}

/// 8-bit integers and what is subtracted from each line of them.
struct LineSource {
    const std::byte* data = nullptr;
    bool is_signed = false;
    std::size_t line_stride = 0,
                step = 1;             ///< element k of line i: data[i * line_stride + k * step]
    const std::byte* zero = nullptr;  ///< null: nothing
    std::size_t first_zero = 0;       ///< line i has zero[(first_zero + i) % zero_period]
    std::size_t zero_period = 1;
};

/// Packs `lines` lines and clears those up to padded_lines().
void pack_lines(Workers& workers, const LineSource& source, std::size_t lines, std::size_t depth,
                std::int16_t* packed);

/// sums[j] = left · (line j of right), four lines.
void four_dots(const std::int16_t* left, const std::int16_t* right, std::size_t length,
               std::int32_t* sums) noexcept;

/// store(row, column, sum) for all of `rows` times `columns`; `length` is that of the packed lines.
template <class Store>
void integer_product(Workers& workers, const std::int16_t* left, std::size_t rows,
                     const std::int16_t* right, std::size_t columns, std::size_t length,
                     Store&& store) {
    constexpr std::size_t kRows = 16;
    constexpr std::size_t kCached = 32768;  // elements of the right operand that stay in a cache
    const std::size_t width =
        std::clamp<std::size_t>(kCached / std::max<std::size_t>(length, 1) / kLinesAtOnce, 1, 16) *
        kLinesAtOnce;
    const std::size_t across = (columns + width - 1) / width;
    const std::size_t down = (rows + kRows - 1) / kRows;
    const std::size_t cost = std::min(kRows, rows) * std::min(width, columns) * (length / 8 + 4);
    parallel_for(workers, across * down, grain_for(cost), [&](std::size_t begin, std::size_t end) {
        for (std::size_t tile = begin; tile < end; ++tile) {
            const std::size_t first = tile / across * kRows;
            const std::size_t from = tile % across * width;
            for (std::size_t row = first; row < std::min(first + kRows, rows); ++row) {
                for (std::size_t j = from; j < std::min(from + width, columns); j += kLinesAtOnce) {
                    std::int32_t sums[kLinesAtOnce];
                    four_dots(left + row * length, right + j * length, length, sums);
                    for (std::size_t k = 0; k < std::min(kLinesAtOnce, columns - j); ++k) {
                        store(row, j + k, sums[k]);
                    }
                }
            }
        }
    });
}

}  // namespace qaicnet
