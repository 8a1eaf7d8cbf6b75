// SPDX-License-Identifier: Apache-2.0
/// Helpers around axes that several families need.
#pragma once

#include "emu/net/half.hpp"
#include "emu/net/op.hpp"

#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

namespace qaicnet {

/// What a type is computed in.
template <class T>
using WideOf = std::conditional_t<std::is_same_v<T, Half>, float, T>;

template <class T>
WideOf<T> load_wide(T x) noexcept {
    if constexpr (std::is_same_v<T, Half>) {
        return half_to_float(x);
    } else {
        return x;
    }
}
template <class T>
T store_narrow(WideOf<T> x) noexcept {
    if constexpr (std::is_same_v<T, Half>) {
        return float_to_half(x);
    } else {
        return x;
    }
}

/// The whole number nearest to `x` toward zero that T has; 0 for a NaN.
template <class T>
T saturated(double x) noexcept {
    using L = std::numeric_limits<T>;
    // The largest 64-bit numbers round up as FP64, so the limit itself saturates.
    return x != x                                  ? T{0}
           : x >= static_cast<double>(L::max())    ? L::max()
           : x <= static_cast<double>(L::lowest()) ? L::lowest()
                                                   : static_cast<T>(x);
}

/// Product of dims[begin, end). The tensor's size has been checked; an empty one gives 0 or what
/// its other axes say.
inline std::size_t count_between(const Shape& dims, std::size_t begin, std::size_t end) {
    std::size_t count = 1;
    for (std::size_t i = begin; i < end; ++i) {
        count *= static_cast<std::size_t>(dims[i]);
    }
    return count;
}

/// A tensor seen as [outer, length, inner] around one axis.
struct AxisSplit {
    std::size_t outer = 1, length = 1, inner = 1;
    static AxisSplit at(const Shape& dims, std::size_t axis) {
        return {count_between(dims, 0, axis), static_cast<std::size_t>(dims[axis]),
                count_between(dims, axis + 1, dims.size())};
    }
};

/// visit(T{}) for FLOAT, FLOAT16 and DOUBLE.
template <class Visit>
auto with_float_type(ElemType type, Visit&& visit) {
    switch (type) {
        case ElemType::kFloat16:
            return visit(Half{});
        case ElemType::kDouble:
            return visit(double{});
        default:
            return visit(float{});
    }
}

}  // namespace qaicnet
