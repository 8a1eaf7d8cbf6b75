// SPDX-License-Identifier: Apache-2.0
/// Elementwise functions of one argument.
#include "emu/net/unary.hpp"
#include "emu/net/vector_math.hpp"

#include <cmath>

namespace qaicnet {
namespace {

/// The smallest integer has no opposite; it stays what it is.
struct AbsOp {
    template <class T>
    T operator()(T x) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            return std::fabs(x);
        } else if constexpr (std::is_unsigned_v<T>) {
            return x;
        } else {
            using U = std::make_unsigned_t<T>;
            return static_cast<T>(x < 0 ? U{0} - static_cast<U>(x) : static_cast<U>(x));
        }
    }
};
struct NegOp {
    template <class T>
    T operator()(T x) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            return -x;
        } else {
            using U = std::make_unsigned_t<T>;
            return static_cast<T>(U{0} - static_cast<U>(x));
        }
    }
};
/// NaN stays NaN.
struct SignOp {
    template <class T>
    T operator()(T x) const noexcept {
        return x > T{0} ? T{1} : (x < T{0} ? static_cast<T>(-1) : x);
    }
};

#define QAICNET_FUNCTION(Name, expression)     \
    struct Name {                              \
        template <class T>                     \
        T operator()(T x) const noexcept {     \
            return static_cast<T>(expression); \
        }                                      \
    };
QAICNET_FUNCTION(SqrtOp, std::sqrt(x))
QAICNET_FUNCTION(ReciprocalOp, T{1} / x)
QAICNET_FUNCTION(FloorOp, std::floor(x))
QAICNET_FUNCTION(CeilOp, std::ceil(x))
QAICNET_FUNCTION(RoundOp, std::nearbyint(x))  // ties to even: nobody changes the rounding mode
QAICNET_FUNCTION(ExpOp, std::exp(x))
QAICNET_FUNCTION(LogOp, std::log(x))
QAICNET_FUNCTION(ErfOp, std::erf(x))
QAICNET_FUNCTION(SinOp, std::sin(x))
QAICNET_FUNCTION(CosOp, std::cos(x))
QAICNET_FUNCTION(TanOp, std::tan(x))
QAICNET_FUNCTION(AsinOp, std::asin(x))
QAICNET_FUNCTION(AcosOp, std::acos(x))
QAICNET_FUNCTION(AtanOp, std::atan(x))
QAICNET_FUNCTION(SinhOp, std::sinh(x))
QAICNET_FUNCTION(CoshOp, std::cosh(x))
QAICNET_FUNCTION(AsinhOp, std::asinh(x))
QAICNET_FUNCTION(AcoshOp, std::acosh(x))
QAICNET_FUNCTION(AtanhOp, std::atanh(x))
#undef QAICNET_FUNCTION

qaicrt::Status infer_signed(NodeContext& c) {
    return infer_same(c, kFloatTypes | kSignedInts);
}

/// Integers are computed in FP32 and truncated: only numbers from 4 on keep something.
struct ErfIntegerOp {
    template <class T>
    T operator()(T x) const noexcept {
        return static_cast<T>(std::erf(static_cast<float>(x)));
    }
};
qaicrt::Result<KernelPtr> prepare_erf(NodeContext& c) {
    if (contains(kFloatTypes, c.input(0).type)) {
        return prepare_bulk<erf_all, ErfOp>(c);
    }
    return prepare_numeric<ErfIntegerOp>(c);
}

constexpr OpDef function(const char* name, qaicrt::Status (*infer)(NodeContext&),
                         qaicrt::Result<KernelPtr> (*prepare)(NodeContext&),
                         std::int64_t since = kMinOpset) {
    return {"", name, since, kMaxOpset, 1, 1, 1, "", infer, prepare};
}

constexpr OpDef kOps[] = {
    function("Abs", infer_same_numeric, prepare_numeric<AbsOp>),
    function("Neg", infer_signed, prepare_numeric<NegOp>),
    function("Sign", infer_same_numeric, prepare_numeric<SignOp>, 9),
    function("Sqrt", infer_same_float, prepare_float<SqrtOp>),
    function("Reciprocal", infer_same_float, prepare_float<ReciprocalOp>),
    function("Floor", infer_same_float, prepare_float<FloorOp>),
    function("Ceil", infer_same_float, prepare_float<CeilOp>),
    function("Round", infer_same_float, prepare_float<RoundOp>, 11),
    function("Exp", infer_same_float, prepare_bulk<exp_all, ExpOp>),
    function("Log", infer_same_float, prepare_bulk<log_all, LogOp>),
    function("Erf", infer_same_numeric, prepare_erf, 9),
    function("Sin", infer_same_float, prepare_float<SinOp>),
    function("Cos", infer_same_float, prepare_float<CosOp>),
    function("Tan", infer_same_float, prepare_float<TanOp>),
    function("Asin", infer_same_float, prepare_float<AsinOp>),
    function("Acos", infer_same_float, prepare_float<AcosOp>),
    function("Atan", infer_same_float, prepare_float<AtanOp>),
    function("Sinh", infer_same_float, prepare_float<SinhOp>, 9),
    function("Cosh", infer_same_float, prepare_float<CoshOp>, 9),
    function("Asinh", infer_same_float, prepare_float<AsinhOp>, 9),
    function("Acosh", infer_same_float, prepare_float<AcoshOp>, 9),
    function("Atanh", infer_same_float, prepare_float<AtanhOp>, 9),
};

}  // namespace

std::span<const OpDef> math_ops() {
    return kOps;
}

}  // namespace qaicnet
