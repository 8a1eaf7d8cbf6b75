// SPDX-License-Identifier: Apache-2.0
#include "emu/net/activation.hpp"

#include "emu/net/parallel.hpp"
#include "emu/net/vector_math.hpp"
#include "emu/net/wide.hpp"

namespace qaicnet {
namespace {

QAICNET_WIDE void relu(float* x, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = x[i] < 0.0F ? 0.0F : x[i];
    }
}

QAICNET_WIDE void clip(float* x, std::size_t count, float low, float high) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const float raised = x[i] < low ? low : x[i];
        x[i] = raised > high ? high : raised;
    }
}

QAICNET_WIDE void leaky_relu(float* x, std::size_t count, float alpha) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = x[i] < 0.0F ? alpha * x[i] : x[i];
    }
}

inline float clamp_to_unit(float x) {
    const float low = x < 0.0F ? 0.0F : x;
    return low > 1.0F ? 1.0F : low;
}

QAICNET_WIDE void hard_sigmoid(float* x, std::size_t count, float alpha, float beta) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = clamp_to_unit(alpha * x[i] + beta);
    }
}

QAICNET_WIDE void hard_swish(float* x, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = x[i] * clamp_to_unit(x[i] / 6.0F + 0.5F);
    }
}

constexpr std::size_t kPieceFloats = 256;

QAICNET_WIDE void pick_elu(float* x, const float* e, std::size_t count, float alpha) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = x[i] < 0.0F ? alpha * (e[i] - 1.0F) : x[i];
    }
}
void elu(float* x, std::size_t count, float alpha) noexcept {
    float e[kPieceFloats];
    for (std::size_t i = 0; i < count; i += kPieceFloats) {
        const std::size_t n = count - i < kPieceFloats ? count - i : kPieceFloats;
        exp_all(x + i, e, n);
        pick_elu(x + i, e, n, alpha);
    }
}

}  // namespace

void apply_activation(Activation activation, float alpha, float beta, float* x,
                      std::size_t count) noexcept {
    switch (activation) {
        case Activation::kNone:
            return;
        case Activation::kRelu:
            return relu(x, count);
        case Activation::kClip:
            return clip(x, count, alpha, beta);
        case Activation::kLeakyRelu:
            return leaky_relu(x, count, alpha);
        case Activation::kElu:
            return elu(x, count, alpha);
        case Activation::kHardSigmoid:
            return hard_sigmoid(x, count, alpha, beta);
        case Activation::kHardSwish:
            return hard_swish(x, count);
        case Activation::kSigmoid:
            return sigmoid_all(x, x, count);
        case Activation::kSilu:
            return silu_all(x, x, count);
        case Activation::kTanh:
            return tanh_all(x, x, count);
        case Activation::kGelu:
            return gelu_all(x, x, count);
    }
}

}  // namespace qaicnet
