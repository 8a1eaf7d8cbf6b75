// SPDX-License-Identifier: Apache-2.0
#include "emu/net/integer_product.hpp"

#include "emu/net/wide.hpp"

#include <algorithm>

namespace qaicnet {

namespace {

template <class Q>
void pack(const LineSource& s, std::size_t first, std::size_t last, std::size_t depth,
          std::int16_t* packed) {
    const Q* data = as<Q>(s.data);
    const std::size_t length = line_length(depth);
    // Blocks, so that lines which lie across the memory still read whole cache lines.
    constexpr std::size_t kBlock = 64;
    for (std::size_t from = 0; from < depth; from += kBlock) {
        const std::size_t to = std::min(from + kBlock, depth);
        for (std::size_t i = first; i < last; ++i) {
            const std::int32_t zero =
                s.zero != nullptr ? byte_at(s.zero, s.is_signed, (s.first_zero + i) % s.zero_period)
                                  : 0;
            const Q* line = data + i * s.line_stride;
            for (std::size_t k = from; k < to; ++k) {
                packed[i * length + k] =
                    static_cast<std::int16_t>(std::int32_t{line[k * s.step]} - zero);
            }
        }
    }
    for (std::size_t i = first; i < last; ++i) {
        std::fill(packed + i * length + depth, packed + (i + 1) * length, std::int16_t{0});
    }
}

}  // namespace

void pack_lines(Workers& workers, const LineSource& source, std::size_t lines, std::size_t depth,
                std::int16_t* packed) {
    const std::size_t length = line_length(depth);
    parallel_for(workers, lines, std::max<std::size_t>(grain_for(depth), 32),
                 [&](std::size_t begin, std::size_t end) {
                     if (source.is_signed) {
                         pack<std::int8_t>(source, begin, end, depth, packed);
                     } else {
                         pack<std::uint8_t>(source, begin, end, depth, packed);
                     }
                 });
    std::fill(packed + lines * length, packed + padded_lines(lines) * length, std::int16_t{0});
}

QAICNET_WIDE void four_dots(const std::int16_t* left, const std::int16_t* right, std::size_t length,
                            std::int32_t* sums) noexcept {
    const std::int16_t* r1 = right + length;
    const std::int16_t* r2 = r1 + length;
    const std::int16_t* r3 = r2 + length;
    std::int32_t s0 = 0;
    std::int32_t s1 = 0;
    std::int32_t s2 = 0;
    std::int32_t s3 = 0;
    for (std::size_t k = 0; k < length; ++k) {
        s0 += left[k] * right[k];
        s1 += left[k] * r1[k];
        s2 += left[k] * r2[k];
        s3 += left[k] * r3[k];
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

}  // namespace qaicnet
