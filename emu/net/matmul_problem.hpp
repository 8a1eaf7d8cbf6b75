// SPDX-License-Identifier: Apache-2.0
/// What MatMul and Gemm have in common: the products to be made and what Gemm does after them.
#pragma once

#include "emu/net/broadcast.hpp"
#include "emu/net/half.hpp"
#include "emu/net/op.hpp"

#include <cstdint>
#include <limits>
#include <type_traits>

namespace qaicnet {

/// One product per batch entry: [m,k] x [k,n]; element strides say where an operand keeps them.
struct MatMulProblem {
    std::size_t m = 0, n = 0, k = 0;
    std::size_t a_row = 0, a_column = 1;  ///< A(i, j) at i * a_row + j * a_column
    std::size_t b_row = 0, b_column = 1;
    std::size_t a_count = 1, b_count = 1;  ///< matrices in each operand
    BroadcastPlan batches;                 ///< which matrices belong to a result, in matrices
    float alpha = 1, beta = 1;
    bool has_c = false;
    std::size_t c_row = 0, c_column = 0;  ///< strides of Gemm's C, 0 where broadcast
};

/// The shape of MatMul's result; `right` is the input that holds the second operand.
qaicrt::Result<Shape> matmul_shape(const NodeContext& c, std::size_t right = 1);
qaicrt::Status infer_matmul(NodeContext& c);
qaicrt::Status infer_gemm(NodeContext& c);
/// After infer, which has checked the shapes.
MatMulProblem matmul_problem(const NodeContext& c, std::size_t right = 1);
qaicrt::Result<MatMulProblem> gemm_problem(const NodeContext& c);

/// Gemm after the product, each step rounded to the tensor's type: alpha, beta * C, the sum.
template <class T, class Product>
T finish_gemm(const MatMulProblem& p, Product product, const T* c, std::size_t i, std::size_t j) {
    if constexpr (std::is_same_v<T, Half>) {
        const auto round = [](float x) { return half_to_float(float_to_half(x)); };
        float x = round(product);
        x = p.alpha != 1 ? round(x * p.alpha) : x;
        if (p.has_c) {
            const float bias = half_to_float(c[i * p.c_row + j * p.c_column]);
            x = round(x + (p.beta != 1 ? round(bias * p.beta) : bias));
        }
        return float_to_half(x);
    } else if constexpr (std::is_floating_point_v<T>) {
        T x = p.alpha != 1 ? product * static_cast<T>(p.alpha) : product;
        if (p.has_c) {
            const T bias = c[i * p.c_row + j * p.c_column];
            x = x + (p.beta != 1 ? bias * static_cast<T>(p.beta) : bias);
        }
        return x;
    } else {
        // Integer factors other than 1 are applied in FP64 and truncated; beyond the type they
        // saturate.
        const auto scale = [](T x, float factor) -> T {
            if (factor == 1) {
                return x;
            }
            const double y = static_cast<double>(x) * static_cast<double>(factor);
            constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
            constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
            return y >= kHigh ? std::numeric_limits<T>::max()
                   : y > kLow ? static_cast<T>(y)
                              : std::numeric_limits<T>::min();
        };
        const T x = scale(static_cast<T>(product), p.alpha);
        const T bias = p.has_c ? scale(c[i * p.c_row + j * p.c_column], p.beta) : T{0};
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(x) + static_cast<U>(bias));
    }
}

}  // namespace qaicnet
