// SPDX-License-Identifier: Apache-2.0
#include "emu/net/recurrent.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace qaicnet {

namespace {

using Kind = CellActivation::Kind;

struct Named {
    std::string_view name;
    Kind kind;
    bool has_alpha, has_beta;
    float alpha, beta;
};

constexpr std::array<Named, 11> kNamed = {{
    {"relu", Kind::kRelu, false, false, 0, 0},
    {"tanh", Kind::kTanh, false, false, 0, 0},
    {"sigmoid", Kind::kSigmoid, false, false, 0, 0},
    {"affine", Kind::kAffine, true, true, 1, 0},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01f, 0},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1, 0},
    {"scaledtanh", Kind::kScaledTanh, true, true, 1, 1},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2f, 0.5f},
    {"elu", Kind::kElu, true, false, 1, 0},
    {"softsign", Kind::kSoftsign, false, false, 0, 0},
    {"softplus", Kind::kSoftplus, false, false, 0, 0},
}};

template <class T>
T activated(const CellActivation& how, T x) {
    const T alpha = static_cast<T>(how.alpha);
    const T beta = static_cast<T>(how.beta);
    switch (how.kind) {
        case Kind::kRelu:
            return x < 0 ? T{0} : x;
        case Kind::kTanh:
            return std::tanh(x);
        case Kind::kSigmoid:
            return T{1} / (T{1} + std::exp(-x));
        case Kind::kAffine:
            return alpha * x + beta;
        case Kind::kLeakyRelu:
            return x < 0 ? alpha * x : x;
        case Kind::kThresholdedRelu:
            return x > alpha ? x : T{0};
        case Kind::kScaledTanh:
            return alpha * std::tanh(beta * x);
        case Kind::kHardSigmoid: {
            const T y = alpha * x + beta;
            return y < 0 ? T{0} : y > 1 ? T{1} : y;
        }
        case Kind::kElu:
            return x < 0 ? alpha * (std::exp(x) - T{1}) : x;
        case Kind::kSoftsign:
            return x / (T{1} + std::abs(x));
        case Kind::kSoftplus:
            return std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)));
    }
    return x;
}

template <class T>
void activate_all(const RecurrentProblem& p, const CellActivation& how, T* x, std::size_t n) {
    if (p.clipped) {
        const T bound = static_cast<T>(p.clip);
        for (std::size_t i = 0; i < n; ++i) {
            x[i] = x[i] > bound ? bound : x[i] < -bound ? -bound : x[i];
        }
    }
    for (std::size_t i = 0; i < n; ++i) {
        x[i] = activated(how, x[i]);
    }
}

}  // namespace

void activate(const RecurrentProblem& p, const CellActivation& how, float* x, std::size_t n) {
    activate_all(p, how, x, n);
}

void activate(const RecurrentProblem& p, const CellActivation& how, double* x, std::size_t n) {
    activate_all(p, how, x, n);
}

bool find_activation(std::string_view name, CellActivation& out, bool& has_alpha, bool& has_beta) {
    const auto same = [name](const Named& known) {
        return std::equal(
            name.begin(), name.end(), known.name.begin(), known.name.end(), [](char a, char b) {
                return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
            });
    };
    const auto* found = std::find_if(kNamed.begin(), kNamed.end(), same);
    if (found == kNamed.end()) {
        return false;
    }
    out = {found->kind, found->alpha, found->beta};
    has_alpha = found->has_alpha;
    has_beta = found->has_beta;
    return true;
}

}  // namespace qaicnet
