// SPDX-License-Identifier: Apache-2.0
/// Activations with parameters: Gelu, LeakyRelu, Elu, PRelu, HardSigmoid, HardSwish and their kin.
#include "emu/net/unary.hpp"
#include "emu/net/vector_math.hpp"

#include <cmath>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Parameters are FP32 in ONNX; they are used in the precision of the computation.
struct Parameters {
    float alpha = 0, beta = 0;
};

#define QAICNET_ACTIVATION(Name, expression)                          \
    struct Name {                                                     \
        Parameters p;                                                 \
        template <class T>                                            \
        T operator()(T x) const noexcept {                            \
            [[maybe_unused]] const T alpha = static_cast<T>(p.alpha); \
            [[maybe_unused]] const T beta = static_cast<T>(p.beta);   \
            return expression;                                        \
        }                                                             \
    };

template <class T>
T clamp_to_unit(T x) {
    const T low = x < T{0} ? T{0} : x;
    return low > T{1} ? T{1} : low;
}

QAICNET_ACTIVATION(LeakyReluOp, x < T{0} ? alpha * x : x)
QAICNET_ACTIVATION(EluOp, x < T{0} ? alpha * (std::exp(x) - T{1}) : x)
QAICNET_ACTIVATION(CeluOp, x < T{0} ? alpha * (std::exp(x / alpha) - T{1}) : x)
QAICNET_ACTIVATION(SeluOp, (x > T{0} ? x : alpha * std::exp(x) - alpha) * beta)
QAICNET_ACTIVATION(ThresholdedReluOp, x > alpha ? x : T{0})
QAICNET_ACTIVATION(HardSigmoidOp, clamp_to_unit(alpha* x + beta))
QAICNET_ACTIVATION(HardSwishOp, x* clamp_to_unit(x / T{6} + T{0.5}))
QAICNET_ACTIVATION(SoftsignOp, x / (T{1} + std::fabs(x)))
QAICNET_ACTIVATION(SoftplusOp, (x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::fabs(x))))
QAICNET_ACTIVATION(MishOp,
                   x* std::tanh((x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::fabs(x)))))
QAICNET_ACTIVATION(SwishOp, x / (T{1} + std::exp(-alpha * x)))
QAICNET_ACTIVATION(ShrinkOp, x < -alpha ? x + beta : (x > alpha ? x - beta : T{0}))
QAICNET_ACTIVATION(GeluOp, T{0.5} * x * (T{1} + std::erf(x * T{0.70710678118654752440})))
QAICNET_ACTIVATION(GeluTanhOp, T{0.5} * x *
                                   (T{1} + std::tanh(T{0.79788456080286535588} *
                                                     (x + T{0.044715} * x * x * x))))
#undef QAICNET_ACTIVATION

struct Defaults {
    const char* alpha_name;
    float alpha;
    const char* beta_name;
    float beta;
};

template <class F>
Result<KernelPtr> with_parameters(NodeContext& c, const Defaults& d) {
    Parameters p{d.alpha, d.beta};
    if (d.alpha_name != nullptr) {
        QAICRT_TRY(p.alpha, c.attr_float(d.alpha_name, d.alpha));
    }
    if (d.beta_name != nullptr) {
        QAICRT_TRY(p.beta, c.attr_float(d.beta_name, d.beta));
    }
    return float_kernel(c, F{p});
}

Result<KernelPtr> prepare_leaky_relu(NodeContext& c) {
    return with_parameters<LeakyReluOp>(c, {"alpha", 0.01F, nullptr, 0});
}
Result<KernelPtr> prepare_elu(NodeContext& c) {
    return with_parameters<EluOp>(c, {"alpha", 1, nullptr, 0});
}
Result<KernelPtr> prepare_celu(NodeContext& c) {
    return with_parameters<CeluOp>(c, {"alpha", 1, nullptr, 0});
}
Result<KernelPtr> prepare_selu(NodeContext& c) {
    return with_parameters<SeluOp>(c, {"alpha", 1.67326324F, "gamma", 1.05070099F});
}
Result<KernelPtr> prepare_thresholded_relu(NodeContext& c) {
    return with_parameters<ThresholdedReluOp>(c, {"alpha", 1, nullptr, 0});
}
Result<KernelPtr> prepare_hard_sigmoid(NodeContext& c) {
    return with_parameters<HardSigmoidOp>(c, {"alpha", 0.2F, "beta", 0.5F});
}
/// Integers are computed in FP64 and truncated; without a bias they are kept or become 0.
struct ShrinkIntegerOp {
    Parameters p;
    template <class T>
    T operator()(T x) const noexcept {
        if constexpr (std::is_integral_v<T>) {
            const auto wide = static_cast<double>(x);
            const bool kept = wide < -p.alpha || wide > p.alpha;
            if (p.beta == 0) {
                return kept ? x : T{0};
            }
            return truncated_to<T>(ShrinkOp{p}(wide));
        } else {
            return ShrinkOp{p}(x);
        }
    }
};
Result<KernelPtr> prepare_shrink(NodeContext& c) {
    if (contains(kFloatTypes, c.input(0).type)) {
        return with_parameters<ShrinkOp>(c, {"lambd", 0.5F, "bias", 0});
    }
    Parameters p;
    QAICRT_TRY(p.alpha, c.attr_float("lambd", 0.5F));
    QAICRT_TRY(p.beta, c.attr_float("bias", 0));
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        using K = UnaryKernel<decltype(tag), ShrinkIntegerOp>;
        return std::make_unique<K>(c.input(0).count(), ShrinkIntegerOp{p});
    });
}
struct SiluOp {
    template <class T>
    T operator()(T x) const noexcept {
        return SwishOp{{1, 0}}(x);
    }
};
Result<KernelPtr> prepare_swish(NodeContext& c) {
    QAICRT_TRY(const float alpha, c.attr_float("alpha", 1));
    return alpha == 1 ? prepare_bulk<silu_all, SiluOp>(c)
                      : with_parameters<SwishOp>(c, {"alpha", 1, nullptr, 0});
}

Result<bool> uses_tanh(NodeContext& c) {
    const auto kind = c.attr_string("approximate", "none");
    if (!kind) {
        return kind.error();
    }
    if (*kind != "none" && *kind != "tanh") {
        return c.malformed("the attribute 'approximate' is " + quoted(*kind) +
                           ", it must be none or tanh");
    }
    return *kind == "tanh";
}
Status infer_gelu(NodeContext& c) {
    QAICRT_CHECK(uses_tanh(c));
    return infer_same_float(c);
}
Result<KernelPtr> prepare_gelu(NodeContext& c) {
    QAICRT_TRY(const bool tanh, uses_tanh(c));
    return tanh ? prepare_bulk<gelu_tanh_all, GeluTanhOp>(c) : prepare_bulk<gelu_all, GeluOp>(c);
}

// --- PRelu

struct PReluOp {
    template <class T>
    T operator()(T x, T slope) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            return x < T{0} ? x * slope : x;
        } else {
            using U = std::common_type_t<unsigned, std::make_unsigned_t<T>>;
            return x < T{0} ? static_cast<T>(static_cast<U>(x) * static_cast<U>(slope)) : x;
        }
    }
};

/// The slope is broadcast to x, never the other way round.
Status infer_prelu(NodeContext& c) {
    const TypeSet wide =
        types_of({ElemType::kInt32, ElemType::kInt64, ElemType::kUInt32, ElemType::kUInt64});
    QAICRT_CHECK(infer_binary(c, c.opset() < 9 ? kFloatTypes : kFloatTypes | wide));
    if (c.output().dims != c.input(0).dims) {
        return c.malformed("the slope " + dims_text(c.input(1).dims) +
                           " cannot be broadcast to the input " + dims_text(c.input(0).dims));
    }
    return {};
}

constexpr OpDef activation(const char* name, std::int64_t since, const char* attributes,
                           Result<KernelPtr> (*prepare)(NodeContext&)) {
    return {"", name, since, kMaxOpset, 1, 1, 1, attributes, infer_same_float, prepare};
}

constexpr OpDef kOps[] = {
    activation("LeakyRelu", 6, "alpha", prepare_leaky_relu),
    activation("Elu", 6, "alpha", prepare_elu),
    activation("Celu", 12, "alpha", prepare_celu),
    activation("Selu", 6, "alpha gamma", prepare_selu),
    activation("ThresholdedRelu", 10, "alpha", prepare_thresholded_relu),
    activation("HardSigmoid", 6, "alpha beta", prepare_hard_sigmoid),
    activation("HardSwish", 14, "", prepare_float<HardSwishOp>),
    activation("Softsign", 1, "", prepare_float<SoftsignOp>),
    activation("Softplus", 1, "", prepare_float<SoftplusOp>),
    activation("Mish", 18, "", prepare_float<MishOp>),
    activation("Swish", 24, "alpha", prepare_swish),
    {"", "Shrink", 9, kMaxOpset, 1, 1, 1, "lambd bias", infer_same_numeric, prepare_shrink},
    {"", "Gelu", 20, kMaxOpset, 1, 1, 1, "approximate", infer_gelu, prepare_gelu},
    {"", "PRelu", kMinOpset, kMaxOpset, 2, 2, 1, "", infer_prelu, prepare_binary<PReluOp>},
};

}  // namespace

std::span<const OpDef> parametric_activation_ops() {
    return kOps;
}

}  // namespace qaicnet
