// SPDX-License-Identifier: Apache-2.0
/// Random numbers for Rounding::kDither: a function of seed and place, so the order of work does
/// not matter. Private to emu/mx.
#pragma once

#include <cstdint>

namespace qaicmx::detail {

/// Finaliser of the SplitMix64 generator (Steele, Lea, Flood, 2014).
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
    return x ^ x >> 31;
}

/// Uniform in [0, 1) with 24 bits, as an FP32 generator would give.
constexpr float uniform(std::uint64_t seed, std::uint64_t block, std::uint64_t position) noexcept {
    return static_cast<float>(mix64(mix64(mix64(seed) ^ block) ^ position) >> 40) * 0x1p-24F;
}

}  // namespace qaicmx::detail
