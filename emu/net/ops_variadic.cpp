// SPDX-License-Identifier: Apache-2.0
/// Min, Max, Sum and Mean of any number of inputs; Pow and Mod of two.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// `count` elements from `at` on, with stride 0 or 1.
template <class T>
void load_run(const T* in, std::size_t stride, WideOf<T>* out, std::size_t count) {
    if constexpr (std::is_same_v<T, Half>) {
        widen(in, out, stride != 0 ? count : 1);
    } else {
        std::copy_n(in, stride != 0 ? count : 1, out);
    }
    if (stride == 0) {
        std::fill_n(out + 1, count - 1, out[0]);
    }
}

template <class T>
void store_run(const WideOf<T>* in, T* out, std::size_t count) {
    if constexpr (std::is_same_v<T, Half>) {
        narrow(in, out, count);
    } else {
        std::copy_n(in, count, out);
    }
}

/// A NaN on either side is the result, as in NumPy.
struct MinOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return b < a || b != b ? b : a;
    }
};
struct MaxOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return b > a || b != b ? b : a;
    }
};
struct SumOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return a + b;
    }
};

/// Combines the inputs from the first to the last; FLOAT16 is rounded once, at the end.
template <class T, class F>
class VariadicKernel final : public Kernel {
  public:
    VariadicKernel(std::vector<BroadcastPlan> plans, std::size_t count, float divisor)
        : plans_(std::move(plans)), count_(count), divisor_(divisor) {}

    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, count_, kElementGrain, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; i += kPiece) {
                run_piece(args, i, std::min(kPiece, end - i));
            }
        });
        return {};
    }

  private:
    using Wide = WideOf<T>;

    void run_piece(const RunArgs& args, std::size_t begin, std::size_t count) const {
        Wide sum[kPiece];
        Wide next[kPiece];
        for (std::size_t k = 0; k < plans_.size(); ++k) {
            Wide* target = k == 0 ? sum : next;
            const T* in = as<T>(args.in[k]);
            const std::size_t stride = plans_[k].strides[0].back();
            plans_[k].for_each_run(
                begin, begin + count, [&](std::size_t at, const auto& from, std::size_t length) {
                    load_run(in + from[0], stride, target + (at - begin), length);
                });
            for (std::size_t i = 0; k > 0 && i < count; ++i) {
                sum[i] = static_cast<Wide>(F{}(sum[i], next[i]));
            }
        }
        if constexpr (std::is_floating_point_v<Wide>) {
            for (std::size_t i = 0; divisor_ != 1.0F && i < count; ++i) {
                sum[i] /= static_cast<Wide>(divisor_);
            }
        }
        store_run(sum, as<T>(args.out[0]) + begin, count);
    }

    std::vector<BroadcastPlan> plans_;  ///< one input each
    std::size_t count_;
    float divisor_;
};

Status infer_variadic(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(c.require_type(0, allowed));
    Shape shape = c.input(0).dims;
    for (std::size_t i = 1; i < c.num_inputs(); ++i) {
        if (!c.has_input(i)) {
            return c.malformed("input " + std::to_string(i) + " is left out");
        }
        QAICRT_CHECK(c.require_same_type(0, i));
        auto wider = broadcast_shape(shape, c.input(i).dims);
        if (!wider) {
            return c.malformed("the shapes " + dims_text(shape) + " and " +
                               dims_text(c.input(i).dims) + " cannot be broadcast to each other");
        }
        shape = std::move(*wider);
    }
    return c.set_output(0, c.input(0).type, std::move(shape));
}
Status infer_extreme(NodeContext& c) {
    return infer_variadic(c, c.opset() < 12 ? kFloatTypes : kNumericTypes);
}
Status infer_sum(NodeContext& c) {
    return infer_variadic(c, kFloatTypes);
}

std::vector<BroadcastPlan> plans_of(NodeContext& c) {
    std::vector<BroadcastPlan> plans;
    for (std::size_t i = 0; i < c.num_inputs(); ++i) {
        const Shape* one[] = {&c.input(i).dims};
        plans.push_back(BroadcastPlan::make(c.output().dims, one));
    }
    return plans;
}

template <class F>
Result<KernelPtr> prepare_extreme(NodeContext& c) {
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<VariadicKernel<decltype(tag), F>>(plans_of(c), c.output().count(),
                                                                  1.0F);
    });
}

template <bool mean>
Result<KernelPtr> prepare_sum(NodeContext& c) {
    const float divisor = mean ? static_cast<float>(c.num_inputs()) : 1.0F;
    const std::size_t count = c.output().count();
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return KernelPtr(
                std::make_unique<VariadicKernel<Half, SumOp>>(plans_of(c), count, divisor));
        case ElemType::kDouble:
            return KernelPtr(
                std::make_unique<VariadicKernel<double, SumOp>>(plans_of(c), count, divisor));
        default:
            return KernelPtr(
                std::make_unique<VariadicKernel<float, SumOp>>(plans_of(c), count, divisor));
    }
}

// --- Pow

template <class T>
T integer_power(T base, std::int64_t exponent) {
    if (exponent < 0) {
        // The reciprocal, truncated; 1 / 0 has no value and becomes 0 as in Div.
        const bool odd = (exponent & 1) != 0;
        return base == T{1} ? T{1} : (base == static_cast<T>(-1) ? (odd ? base : T{1}) : T{0});
    }
    using U = std::common_type_t<unsigned, std::make_unsigned_t<T>>;
    U result = 1;
    U factor = static_cast<U>(base);
    for (auto e = static_cast<std::uint64_t>(exponent); e != 0; e >>= 1) {
        result = (e & 1) != 0 ? static_cast<U>(result * factor) : result;
        factor = static_cast<U>(factor * factor);
    }
    return static_cast<T>(result);
}

/// The exponent of one element, whatever its type.
struct Exponent {
    double real = 0;
    std::int64_t whole = 0;
    bool is_integer = false;
};

Exponent load_exponent(const std::byte* data, ElemType type, std::size_t at) {
    switch (type) {
        case ElemType::kFloat:
            return {as<float>(data)[at], 0, false};
        case ElemType::kDouble:
            return {as<double>(data)[at], 0, false};
        case ElemType::kFloat16:
            return {half_to_float(as<Half>(data)[at]), 0, false};
        case ElemType::kUInt64: {
            const std::uint64_t value = as<std::uint64_t>(data)[at];
            return {static_cast<double>(value),
                    static_cast<std::int64_t>(value & 0x7fffffffffffffffU), true};
        }
        default:
            return with_type(type, [&](auto tag) -> Exponent {
                using E = decltype(tag);
                if constexpr (std::is_integral_v<E>) {
                    const auto value = static_cast<std::int64_t>(as<E>(data)[at]);
                    return {static_cast<double>(value), value, true};
                } else {
                    return {};
                }
            });
    }
}

template <class T>
class PowKernel final : public Kernel {
  public:
    PowKernel(BroadcastPlan plan, ElemType exponent) : plan_(std::move(plan)), type_(exponent) {}

    Status run(const RunArgs& args) const override {
        const T* base = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const std::size_t sa = plan_.strides[0].back();
        const std::size_t sb = plan_.strides[1].back();
        parallel_for(
            args.workers, plan_.count, kElementGrain / 16, [&](std::size_t begin, std::size_t end) {
                plan_.for_each_run(
                    begin, end, [&](std::size_t at, const auto& in, std::size_t count) {
                        for (std::size_t i = 0; i < count; ++i) {
                            out[at + i] = power(base[in[0] + i * sa],
                                                load_exponent(args.in[1], type_, in[1] + i * sb));
                        }
                    });
            });
        return {};
    }

  private:
    static T power(T base, const Exponent& e) {
        if constexpr (std::is_same_v<T, Half>) {
            return float_to_half(std::pow(half_to_float(base), static_cast<float>(e.real)));
        } else if constexpr (std::is_floating_point_v<T>) {
            return std::pow(base, static_cast<T>(e.real));
        } else {
            return e.is_integer ? integer_power(base, e.whole)
                                : truncated_to<T>(std::pow(static_cast<double>(base), e.real));
        }
    }

    BroadcastPlan plan_;
    ElemType type_;
};

struct SquareOp {
    template <class T>
    T operator()(T x) const noexcept {
        return x * x;
    }
};
/// Unlike a root, the power of -Inf is +Inf and that of -0 is +0.
struct RootOp {
    template <class T>
    T operator()(T x) const noexcept {
        return x == -std::numeric_limits<T>::infinity() ? -x : std::sqrt(x) + T{0};
    }
};
struct CubeOp {
    template <class T>
    T operator()(T x) const noexcept {
        return x * x * x;
    }
};

template <class F>
KernelPtr power_kernel(NodeContext& c) {
    const std::size_t count = c.output().count();
    c.drop_input(1);
    if (c.input(0).type == ElemType::kFloat16) {
        return std::make_unique<UnaryKernel<Half, F>>(count, F{});
    }
    return std::make_unique<UnaryKernel<float, F>>(count, F{});
}

Status infer_pow(NodeContext& c) {
    const TypeSet allowed =
        c.opset() < 12 ? kFloatTypes : kFloatTypes | types_of({ElemType::kInt32, ElemType::kInt64});
    QAICRT_CHECK(c.require_type(0, allowed));
    QAICRT_CHECK(c.require_type(1, kNumericTypes));
    auto shape = broadcast_shape(c.input(0).dims, c.input(1).dims);
    if (!shape) {
        return c.malformed("the shapes " + dims_text(c.input(0).dims) + " and " +
                           dims_text(c.input(1).dims) + " cannot be broadcast to each other");
    }
    return c.set_output(0, c.input(0).type, std::move(*shape));
}

Result<KernelPtr> prepare_pow(NodeContext& c) {
    const ElemType type = c.input(0).type;
    const bool narrow_float = type == ElemType::kFloat || type == ElemType::kFloat16;
    if (narrow_float && c.constant(1) != nullptr && c.input(1).count() == 1 &&
        c.output().dims == c.input(0).dims) {
        const double e = load_exponent(c.constant(1), c.input(1).type, 0).real;
        if (e == 2.0) {
            return power_kernel<SquareOp>(c);
        }
        if (e == 0.5) {
            return power_kernel<RootOp>(c);
        }
        if (e == 3.0) {
            return power_kernel<CubeOp>(c);
        }
    }
    const Shape* inputs[] = {&c.input(0).dims, &c.input(1).dims};
    BroadcastPlan plan = BroadcastPlan::make(c.output().dims, inputs);
    const ElemType exponent = c.input(1).type;
    switch (type) {
        case ElemType::kFloat16:
            return KernelPtr(std::make_unique<PowKernel<Half>>(std::move(plan), exponent));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<PowKernel<double>>(std::move(plan), exponent));
        case ElemType::kInt32:
            return KernelPtr(std::make_unique<PowKernel<std::int32_t>>(std::move(plan), exponent));
        case ElemType::kInt64:
            return KernelPtr(std::make_unique<PowKernel<std::int64_t>>(std::move(plan), exponent));
        default:
            return KernelPtr(std::make_unique<PowKernel<float>>(std::move(plan), exponent));
    }
}

// --- Mod

/// The sign of the divisor, as in Python; x mod 0 is 0 for integers.
struct ModOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            const T rest = std::fmod(a, b);
            return rest != T{0} && (rest < T{0}) != (b < T{0}) ? rest + b : rest;
        } else {
            if (b == 0 || b == static_cast<T>(-1)) {
                return std::is_unsigned_v<T> && b != 0 ? static_cast<T>(a % b) : T{0};
            }
            const T rest = static_cast<T>(a % b);
            return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
        }
    }
};
/// The sign of the dividend, as in C.
struct RemainderOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            return std::fmod(a, b);
        } else {
            if (b == 0 || b == static_cast<T>(-1)) {
                return std::is_unsigned_v<T> && b != 0 ? static_cast<T>(a % b) : T{0};
            }
            return static_cast<T>(a % b);
        }
    }
};

Status infer_mod(NodeContext& c) {
    return infer_binary(c, kNumericTypes);
}
Result<KernelPtr> prepare_mod(NodeContext& c) {
    QAICRT_TRY(const std::int64_t fmod, c.attr_int("fmod", 0));
    return fmod != 0 ? prepare_binary<RemainderOp>(c) : prepare_binary<ModOp>(c);
}

constexpr OpDef variadic(const char* name, Status (*infer)(NodeContext&),
                         Result<KernelPtr> (*prepare)(NodeContext&)) {
    return {"", name, kMinOpset, kMaxOpset, 1, kAnyCount, 1, "", infer, prepare};
}

constexpr OpDef kOps[] = {
    variadic("Min", infer_extreme, prepare_extreme<MinOp>),
    variadic("Max", infer_extreme, prepare_extreme<MaxOp>),
    variadic("Sum", infer_sum, prepare_sum<false>),
    variadic("Mean", infer_sum, prepare_sum<true>),
    {"", "Pow", kMinOpset, kMaxOpset, 2, 2, 1, "", infer_pow, prepare_pow},
    {"", "Mod", 10, kMaxOpset, 2, 2, 1, "fmod", infer_mod, prepare_mod},
};

}  // namespace

std::span<const OpDef> variadic_ops() {
    return kOps;
}

}  // namespace qaicnet
