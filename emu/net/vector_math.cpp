// SPDX-License-Identifier: Apache-2.0
#include "emu/net/vector_math.hpp"

#include "emu/net/parallel.hpp"
#include "emu/net/wide.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace qaicnet {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

inline float pick(bool condition, float yes, float no) {
    return condition ? yes : no;
}

/// 2^n for n in [-126, 127].
inline float power_of_two(std::int32_t n) {
    return std::bit_cast<float>((n + 127) << 23);
}

/// e^x: x = n ln 2 + r, a polynomial in r, and two factors for 2^n so that the smallest results
/// are rounded once.
inline float exp_one(float x) {
    constexpr float kLog2E = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
    constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
    const float low = pick(x > -104.0F, x, -104.0F);
    const float clamped = pick(low < 89.0F, low, 89.0F);
    const float shifted = clamped * kLog2E + kMagic;
    const float n = shifted - kMagic;
    const float r = (clamped - n * kLn2High) - n * kLn2Low;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    const float value = (p * (r * r) + r) + 1.0F;
    const std::int32_t whole = static_cast<std::int32_t>(n);
    const std::int32_t half = whole >> 1;
    const float result = value * power_of_two(half) * power_of_two(whole - half);
    return x != x ? x : result;
}

/// For |x| up to 0.625 a polynomial, elsewhere by e^2x.
inline float tanh_one(float x) {
    const float a = std::fabs(x);
    const float z = x * x;
    float p = -5.70498872745e-3F;
    p = p * z + 2.06390887954e-2F;
    p = p * z - 5.37397155531e-2F;
    p = p * z + 1.33314422036e-1F;
    p = p * z - 3.33332819422e-1F;
    const float small = p * z * x + x;
    const float e = exp_one(2.0F * pick(a < 10.0F, a, 10.0F));
    const float large = 1.0F - 2.0F / (e + 1.0F);
    const float result = pick(a < 0.625F, small, std::copysign(large, x));
    return x != x ? x : result;
}

inline float sigmoid_one(float x) {
    const float e = exp_one(-std::fabs(x));
    return pick(x < 0.0F, e, 1.0F) / (1.0F + e);
}

/// Natural logarithm: x = 2^n m with m in [sqrt(1/2), sqrt(2)), a polynomial in m - 1.
inline float log_one(float x) {
    const bool tiny = x < 0x1p-126F;
    const float scaled = tiny ? x * 0x1p24F : x;
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(scaled);
    const std::uint32_t moved = bits - 0x3f3504f3U;
    const std::int32_t n = static_cast<std::int32_t>(moved) >> 23;  // rounds down
    const float m = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(n) << 23));
    const float f = m - 1.0F;
    const float z = f * f;
    float p = 7.0376836292e-2F;
    p = p * f - 1.1514610310e-1F;
    p = p * f + 1.1676998740e-1F;
    p = p * f - 1.2420140846e-1F;
    p = p * f + 1.4249322787e-1F;
    p = p * f - 1.6668057665e-1F;
    p = p * f + 2.0000714765e-1F;
    p = p * f - 2.4999993993e-1F;
    p = p * f + 3.3333331174e-1F;
    const float e = static_cast<float>(n) - (tiny ? 24.0F : 0.0F);
    float y = p * f * z;
    y = y + e * -2.12194440e-4F;
    y = y - 0.5F * z;
    const float result = (f + y) + e * 0.693359375F;
    const float edge = x == 0.0F ? -kInf : std::numeric_limits<float>::quiet_NaN();
    return x > 0.0F ? (x == kInf ? kInf : result) : edge;
}

/// Below 0.921875 a polynomial in x^2; above it 1 - e^-p(|x|), p fitted to log(erfc).
inline float erf_one(float x) {
    const float a = std::fabs(x);
    const float z = x * x;
    float s = -5.96761703e-4F;
    s = s * z + 4.99119423e-3F;
    s = s * z - 2.67681349e-2F;
    s = s * z + 1.12819925e-1F;
    s = s * z - 3.76125336e-1F;
    s = s * z + 1.28379166e-1F;
    const float small = s * x + x;
    const float t = pick(a < 4.0F, a, 4.0F);
    float q = -1.72853470e-5F;
    q = q * t + 3.83197126e-4F;
    q = q * t - 3.88396438e-3F;
    q = q * t + 2.42546219e-2F;
    q = q * t - 1.06777877e-1F;
    q = q * t - 6.34846687e-1F;
    q = q * t - 1.28717512e-1F;
    q = q * t - t;
    const float large = 1.0F - exp_one(q);
    const float result = pick(a < 0.921875F, small, std::copysign(large, x));
    return x != x ? x : result;
}

}  // namespace

QAICNET_WIDE void exp_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = exp_one(in[i]);
    }
}

QAICNET_WIDE void exp_shifted(const float* in, float shift, float* out,
                              std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = exp_one(in[i] - shift);
    }
}

QAICNET_WIDE void log_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = log_one(in[i]);
    }
}

QAICNET_WIDE void tanh_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = tanh_one(in[i]);
    }
}

QAICNET_WIDE void sigmoid_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = sigmoid_one(in[i]);
    }
}

QAICNET_WIDE void erf_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = erf_one(in[i]);
    }
}

QAICNET_WIDE void gelu_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        const float x = in[i];
        out[i] = 0.5F * x * (1.0F + erf_one(x * 0.70710678118654752F));
    }
}

QAICNET_WIDE void gelu_tanh_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        const float x = in[i];
        const float inner = 0.79788456080286536F * (x + 0.044715F * x * x * x);
        out[i] = 0.5F * x * (1.0F + tanh_one(inner));
    }
}

QAICNET_WIDE void silu_all(const float* in, float* out, std::size_t count) noexcept {
    QAICNET_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = in[i] * sigmoid_one(in[i]);
    }
}

}  // namespace qaicnet
