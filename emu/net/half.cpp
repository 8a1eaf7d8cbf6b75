// SPDX-License-Identifier: Apache-2.0
#include "emu/net/half.hpp"

#include <cmath>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace qaicnet {

Half double_to_half(double value) noexcept {
    float near = static_cast<float>(value);
    if (std::isfinite(near) && static_cast<double>(near) != value) {
        // Round to odd: the last bit remembers that something was cut off, so FP16 rounds as from
        // FP64.
        std::uint32_t bits = std::bit_cast<std::uint32_t>(near);
        if (std::fabs(static_cast<double>(near)) > std::fabs(value)) {
            --bits;
        }
        near = std::bit_cast<float>(bits | 1u);
    }
    return float_to_half(near);
}

namespace {

void widen_plain(const Half* in, float* out, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = half_to_float(in[i]);
    }
}

void narrow_plain(const float* in, Half* out, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = float_to_half(in[i]);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) void widen_f16c(const Half* in, float* out,
                                                     std::size_t count) noexcept {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
    }
    widen_plain(in + i, out + i, count - i);
}

__attribute__((target("avx2,f16c"))) void narrow_f16c(const float* in, Half* out,
                                                      std::size_t count) noexcept {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m128i halves =
            _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), halves);
    }
    narrow_plain(in + i, out + i, count - i);
}

bool has_f16c() noexcept {
    // clang 16 does not know "f16c" in __builtin_cpu_supports, and cpuid is slow in a virtual
    // machine.
    static const bool supported = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) != 0 &&
               (c & bit_F16C) != 0;
    }();
    return supported;
}
#endif

}  // namespace

void widen(const Half* in, float* out, std::size_t count) noexcept {
#if defined(__x86_64__)
    if (has_f16c()) {
        widen_f16c(in, out, count);
        return;
    }
#endif
    widen_plain(in, out, count);
}

void narrow(const float* in, Half* out, std::size_t count) noexcept {
#if defined(__x86_64__)
    if (has_f16c()) {
        narrow_f16c(in, out, count);
        return;
    }
#endif
    narrow_plain(in, out, count);
}

}  // namespace qaicnet
