// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/elementwise.hpp"

#include "emu/mx/dither.hpp"
#include "emu/mx/fp_bits.hpp"
#include "emu/mx/microxcaling.hpp"

#include <algorithm>

namespace qaicmx {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

/// bits: sign, hidden one and mantissa. The top exponent is reserved, as in IEEE formats.
detail::CoreFormat ieee_format(int bits, int exponent_bits) noexcept {
    const double max_norm = detail::pow2((1 << (exponent_bits - 1)) - 1) *
                            (detail::pow2(bits - 1) - 1) * detail::pow2(2 - bits);
    return {bits, exponent_bits, static_cast<float>(max_norm)};
}

qaicrt::Status apply(std::span<const float> in, const detail::CoreFormat& format,
                     const ElementwiseOptions& options, std::span<float> out) {
    if (in.size() != out.size()) {
        return Error(Errc::kInvalidArgument, "There are " + std::to_string(in.size()) +
                                                 " values and room for " +
                                                 std::to_string(out.size()) + ".");
    }
    const detail::CoreOptions core{options.rounding, options.saturate_normals,
                                   options.allow_subnormals};
    const bool dither = options.rounding == Rounding::kDither;
    for (std::size_t i = 0; i < in.size(); ++i) {
        const float uniform = dither ? detail::uniform(options.dither_seed, 0, i) : 0.0F;
        out[i] = detail::quantize_core(in[i], format, core, uniform);
    }
    return {};
}

qaicrt::Status copy(std::span<const float> in, std::span<float> out) {
    if (in.size() != out.size()) {
        return Error(Errc::kInvalidArgument, "There are " + std::to_string(in.size()) +
                                                 " values and room for " +
                                                 std::to_string(out.size()) + ".");
    }
    std::copy(in.begin(), in.end(), out.begin());
    return {};
}

}  // namespace

qaicrt::Status quantize_bfloat(std::span<const float> in, int total_bits,
                               const ElementwiseOptions& options, std::span<float> out) {
    if (total_bits == 0 || total_bits == 32) {
        return copy(in, out);
    }
    if (total_bits < 10 || total_bits > 31) {
        return Error(Errc::kInvalidArgument,
                     "bfloat" + std::to_string(total_bits) +
                         " does not exist; give 0, 32 or a width from 10 to 31.");
    }
    return apply(in, ieee_format(total_bits - 7, 8), options, out);
}

qaicrt::Status quantize_fp(std::span<const float> in, int total_bits,
                           const ElementwiseOptions& options, std::span<float> out) {
    if (total_bits == 0) {
        return copy(in, out);
    }
    if (total_bits < 7 || total_bits > 29) {
        return Error(
            Errc::kInvalidArgument,
            "fp" + std::to_string(total_bits) + " does not exist; give 0 or a width from 7 to 29.");
    }
    return apply(in, ieee_format(total_bits - 4, 5), options, out);
}

qaicrt::Status quantize_elementwise(std::span<const float> in, ElementFormat format,
                                    const ElementwiseOptions& options, std::span<float> out) {
    return apply(in, detail::core_format(format), options, out);
}

}  // namespace qaicmx
