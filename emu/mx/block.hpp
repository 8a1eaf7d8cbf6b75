// SPDX-License-Identifier: Apache-2.0
/// One block: shared exponent and elements, with everything that a person may want to see of it.
#pragma once

#include "emu/mx/formats.hpp"
#include "emu/mx/quantize.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qaicmx {

/// The element type as a profile uses it.
struct ElementGrid {
    int emax;           ///< exponent of the largest power of two
    int min_exponent;   ///< exponent of the smallest normal number; 0 for integers
    int mantissa_bits;  ///< fraction bits
    double max_normal;
    bool integer;
    bool signed_zero;  ///< false for two's complement
};

ElementGrid element_grid(const Profile& profile) noexcept;

struct QuantizedElement {
    double element = 0;  ///< P: what the element type holds (NaN never; the block says so)
    int exponent =
        0;  ///< value = element * 2^exponent; differs within a block only for kNone and MX6
    float value = 0;  ///< decoded, in the profile's result precision
};

struct QuantizedBlock {
    bool is_nan = false;
    int exponent = 0;  ///< shared exponent; E8M0 byte = exponent + 127
    std::vector<QuantizedElement> elements;
};

/// The number as the quantiser sees it: the profile's source precision, FP16 subnormals flushed if
/// asked.
float source_value(const Profile& profile, float value) noexcept;

/// An exact product element * scale in the profile's result precision.
float result_value(const Profile& profile, double exact) noexcept;

/// Quantises one block (any length >= 1). `block_number` and the element's position feed the dither
/// generator. block.elements is resized; reuse the object to avoid allocations. May throw
/// std::bad_alloc on that resize only.
void quantize_block(const Profile& profile, std::span<const float> values,
                    std::uint64_t block_number, QuantizedBlock& block);

/// True when the profile's blocks can be stored as one code per element and one scale byte.
bool has_codes(const Profile& profile) noexcept;

}  // namespace qaicmx
