// SPDX-License-Identifier: Apache-2.0
/// Element-wise formats without a block scale, as microxcaling has them (bfloatN, fpN and the
/// element formats). They follow its Python path in FP32, artefacts included. docs/numerics.md.
#pragma once

#include "emu/mx/formats.hpp"
#include "emu/mx/quantize.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>
#include <span>

namespace qaicmx {

struct ElementwiseOptions {
    Rounding rounding = Rounding::kNearestAway;  ///< the library's default, not ties to even
    bool saturate_normals = false;               ///< false: beyond the largest number is Inf
    bool allow_subnormals = true;                ///< false: flushed before rounding
    std::uint64_t dither_seed = 0;
};

/// bfloatN: sign, 8 exponent bits, N - 9 mantissa bits. total_bits 0 or 32: unchanged; else 10
/// to 31. in and out: the same number of elements, may be the same memory. Errors: kInvalidArgument
/// for a width outside that or spans of different size.
qaicrt::Status quantize_bfloat(std::span<const float> in, int total_bits,
                               const ElementwiseOptions& options, std::span<float> out);

/// fpN: sign, 5 exponent bits, N - 6 mantissa bits. total_bits 0: unchanged; else 7 to 29.
qaicrt::Status quantize_fp(std::span<const float> in, int total_bits,
                           const ElementwiseOptions& options, std::span<float> out);

/// One of the block element formats with a scale of 1. Integers always saturate.
qaicrt::Status quantize_elementwise(std::span<const float> in, ElementFormat format,
                                    const ElementwiseOptions& options, std::span<float> out);

}  // namespace qaicmx
