// SPDX-License-Identifier: Apache-2.0
/// The Python path of microxcaling, operation by operation in FP32, so that its artefacts come out
/// by themselves. docs/numerics.md lists the artefacts. Private to emu/mx.
#pragma once

#include "emu/mx/formats.hpp"
#include "emu/mx/quantize.hpp"

namespace qaicmx::detail {

/// What the library's tables say about an element type.
struct CoreFormat {
    int bits;           ///< sign, hidden one and mantissa; the whole width for integers
    int exponent_bits;  ///< 0 for integers
    float max_norm;
};

CoreFormat core_format(ElementFormat format) noexcept;

struct CoreOptions {
    Rounding rounding = Rounding::kNearestAway;
    bool saturate_normals = true;
    bool allow_subnormals = true;
};

/// floor(RN32(log2 magnitude)) for a finite FP32 number > 0: the exact exponent, or one more when
/// the number lies so closely below a power of two that its FP32 logarithm rounds up to an integer
/// (artefact 1).
int floor_log2_fp32(float magnitude) noexcept;

/// The library's element quantiser. uniform in [0, 1) is used by Rounding::kDither only.
float quantize_core(float value, const CoreFormat& format, const CoreOptions& options,
                    float uniform) noexcept;

}  // namespace qaicmx::detail
