// SPDX-License-Identifier: Apache-2.0
/// Comparisons, Boolean and bitwise operators, Where.
#include "emu/net/unary.hpp"

#include <cmath>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr TypeSet kBool = types_of({ElemType::kBool});

// --- comparisons

/// out[i] = F()(a[…], b[…]) as BOOL.
template <class T, class F>
class CompareKernel final : public Kernel {
  public:
    explicit CompareKernel(BroadcastPlan plan) : plan_(std::move(plan)) {}

    Status run(const RunArgs& args) const override {
        const T* a = as<T>(args.in[0]);
        const T* b = as<T>(args.in[1]);
        auto* out = as<std::uint8_t>(args.out[0]);
        const std::size_t sa = plan_.strides[0].back();
        const std::size_t sb = plan_.strides[1].back();
        parallel_for(args.workers, plan_.count, kElementGrain,
                     [&](std::size_t begin, std::size_t end) {
                         plan_.for_each_run(
                             begin, end, [&](std::size_t at, const auto& in, std::size_t count) {
                                 for (std::size_t i = 0; i < count; ++i) {
                                     out[at + i] = compare(a[in[0] + i * sa], b[in[1] + i * sb]);
                                 }
                             });
                     });
        return {};
    }

  private:
    static bool compare(T a, T b) {
        if constexpr (std::is_same_v<T, Half>) {
            return F{}(half_to_float(a), half_to_float(b));
        } else {
            return F{}(a, b);
        }
    }
    BroadcastPlan plan_;
};

#define QAICNET_COMPARISON(Name, op)               \
    struct Name {                                  \
        template <class T>                         \
        bool operator()(T a, T b) const noexcept { \
            return a op b;                         \
        }                                          \
    };
QAICNET_COMPARISON(EqualOp, ==)
QAICNET_COMPARISON(GreaterOp, >)
QAICNET_COMPARISON(LessOp, <)
QAICNET_COMPARISON(GreaterEqualOp, >=)
QAICNET_COMPARISON(LessEqualOp, <=)
#undef QAICNET_COMPARISON

Status infer_comparison(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(infer_binary(c, allowed));
    return c.set_output(0, ElemType::kBool, c.output().dims);
}
Status infer_equal(NodeContext& c) {
    return infer_comparison(c, kAllTypes);
}
Status infer_order(NodeContext& c) {
    return infer_comparison(c, kNumericTypes);
}

template <class F>
Result<KernelPtr> prepare_comparison(NodeContext& c) {
    const Shape* inputs[] = {&c.input(0).dims, &c.input(1).dims};
    BroadcastPlan plan = BroadcastPlan::make(c.output().dims, inputs);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<CompareKernel<decltype(tag), F>>(std::move(plan));
    });
}

// --- Boolean and bitwise

#define QAICNET_BITWISE(Name, op)               \
    struct Name {                               \
        template <class T>                      \
        T operator()(T a, T b) const noexcept { \
            return static_cast<T>(a op b);      \
        }                                       \
    };
QAICNET_BITWISE(AndOp, &)
QAICNET_BITWISE(OrOp, |)
QAICNET_BITWISE(XorOp, ^)
#undef QAICNET_BITWISE

struct NotOp {
    std::uint8_t operator()(std::uint8_t x) const noexcept { return x ^ 1U; }
};
struct BitNotOp {
    template <class T>
    T operator()(T x) const noexcept {
        return static_cast<T>(~x);
    }
};
/// A shift by the width or more, or by a negative number, leaves what the sign extends to.
template <class T>
bool shifts_out(T by) {
    if constexpr (std::is_signed_v<T>) {
        if (by < 0) {
            return true;
        }
    }
    return static_cast<std::uint64_t>(by) >= sizeof(T) * 8;
}
struct ShiftLeftOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return shifts_out(b) ? T{0} : static_cast<T>(static_cast<std::uint64_t>(a) << b);
    }
};
struct ShiftRightOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        return shifts_out(b) ? static_cast<T>(a < T{0} ? -1 : 0) : static_cast<T>(a >> b);
    }
};

template <class Visit>
KernelPtr with_integer(ElemType type, Visit&& visit) {
    return with_type(type, [&](auto tag) -> KernelPtr {
        if constexpr (std::is_integral_v<decltype(tag)>) {
            return visit(tag);
        } else {
            return nullptr;  // infer has refused it
        }
    });
}

template <class F>
Result<KernelPtr> prepare_bits(NodeContext& c) {
    const Shape* inputs[] = {&c.input(0).dims, &c.input(1).dims};
    BroadcastPlan plan = BroadcastPlan::make(c.output().dims, inputs);
    const bool a_whole = c.input(0).dims == c.output().dims;
    const bool b_whole = c.input(1).dims == c.output().dims;
    return with_integer(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<BinaryKernel<decltype(tag), F>>(std::move(plan), a_whole, b_whole);
    });
}

Status infer_logical(NodeContext& c) {
    return infer_binary(c, kBool);
}
Status infer_bits(NodeContext& c) {
    return infer_binary(c, kSignedInts | kUnsignedInts);
}
Status infer_not(NodeContext& c) {
    return infer_same(c, kBool);
}
Status infer_bit_not(NodeContext& c) {
    return infer_same(c, kSignedInts | kUnsignedInts);
}
Result<bool> shifts_left(NodeContext& c) {
    const auto direction = c.attr_string("direction", "");
    if (!direction) {
        return direction.error();
    }
    if (*direction != "LEFT" && *direction != "RIGHT") {
        return c.malformed("the attribute 'direction' must be LEFT or RIGHT");
    }
    return *direction == "LEFT";
}
Status infer_shift(NodeContext& c) {
    QAICRT_CHECK(shifts_left(c));
    return infer_binary(c, c.opset() < 28 ? kUnsignedInts : kUnsignedInts | kSignedInts);
}

Result<KernelPtr> prepare_not(NodeContext& c) {
    return KernelPtr(
        std::make_unique<UnaryKernel<std::uint8_t, NotOp>>(c.input(0).count(), NotOp{}));
}
Result<KernelPtr> prepare_bit_not(NodeContext& c) {
    const std::size_t count = c.input(0).count();
    return with_integer(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<UnaryKernel<decltype(tag), BitNotOp>>(count, BitNotOp{});
    });
}
Result<KernelPtr> prepare_shift(NodeContext& c) {
    QAICRT_TRY(const bool left, shifts_left(c));
    return left ? prepare_bits<ShiftLeftOp>(c) : prepare_bits<ShiftRightOp>(c);
}

// --- IsNaN, IsInf

template <class T>
class ClassifyKernel final : public Kernel {
  public:
    ClassifyKernel(std::size_t count, bool nan, bool positive, bool negative)
        : count_(count), nan_(nan), positive_(positive), negative_(negative) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        auto* out = as<std::uint8_t>(args.out[0]);
        parallel_for(args.workers, count_, kElementGrain, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                out[i] = is(in[i]);
            }
        });
        return {};
    }

  private:
    bool is(T element) const {
        double x = 0;
        if constexpr (std::is_same_v<T, Half>) {
            x = half_to_float(element);
        } else {
            x = element;
        }
        return (nan_ && std::isnan(x)) || (std::isinf(x) && (x > 0 ? positive_ : negative_));
    }
    std::size_t count_;
    bool nan_, positive_, negative_;
};

Status infer_classify(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    return c.set_output(0, ElemType::kBool, c.input(0).dims);
}

Result<KernelPtr> classify(NodeContext& c, bool nan, bool positive, bool negative) {
    const std::size_t n = c.input(0).count();
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return KernelPtr(std::make_unique<ClassifyKernel<Half>>(n, nan, positive, negative));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<ClassifyKernel<double>>(n, nan, positive, negative));
        default:
            return KernelPtr(std::make_unique<ClassifyKernel<float>>(n, nan, positive, negative));
    }
}
Result<KernelPtr> prepare_is_nan(NodeContext& c) {
    return classify(c, true, false, false);
}
Result<KernelPtr> prepare_is_inf(NodeContext& c) {
    QAICRT_TRY(const std::int64_t positive, c.attr_int("detect_positive", 1));
    QAICRT_TRY(const std::int64_t negative, c.attr_int("detect_negative", 1));
    return classify(c, false, positive != 0, negative != 0);
}

// --- Where

/// Elements are only moved, so their size is all that matters.
template <class T>
class WhereKernel final : public Kernel {
  public:
    explicit WhereKernel(BroadcastPlan plan) : plan_(std::move(plan)) {}
    Status run(const RunArgs& args) const override {
        const auto* condition = as<std::uint8_t>(args.in[0]);
        const T* yes = as<T>(args.in[1]);
        const T* no = as<T>(args.in[2]);
        T* out = as<T>(args.out[0]);
        const std::size_t sc = plan_.strides[0].back();
        const std::size_t sy = plan_.strides[1].back();
        const std::size_t sn = plan_.strides[2].back();
        parallel_for(
            args.workers, plan_.count, kElementGrain, [&](std::size_t begin, std::size_t end) {
                plan_.for_each_run(
                    begin, end, [&](std::size_t at, const auto& in, std::size_t count) {
                        for (std::size_t i = 0; i < count; ++i) {
                            out[at + i] = condition[in[0] + i * sc] != 0 ? yes[in[1] + i * sy]
                                                                         : no[in[2] + i * sn];
                        }
                    });
            });
        return {};
    }

  private:
    BroadcastPlan plan_;
};

Status infer_where(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kBool));
    QAICRT_CHECK(c.require_same_type(1, 2));
    auto shape = broadcast_shape(c.input(1).dims, c.input(2).dims);
    shape = shape ? broadcast_shape(*shape, c.input(0).dims) : std::nullopt;
    if (!shape) {
        return c.malformed("the shapes " + dims_text(c.input(0).dims) + ", " +
                           dims_text(c.input(1).dims) + " and " + dims_text(c.input(2).dims) +
                           " cannot be broadcast to each other");
    }
    return c.set_output(0, c.input(1).type, std::move(*shape));
}

Result<KernelPtr> prepare_where(NodeContext& c) {
    const Shape* inputs[] = {&c.input(0).dims, &c.input(1).dims, &c.input(2).dims};
    BroadcastPlan plan = BroadcastPlan::make(c.output().dims, inputs);
    switch (elem_bytes(c.input(1).type)) {
        case 1:
            return KernelPtr(std::make_unique<WhereKernel<std::uint8_t>>(std::move(plan)));
        case 2:
            return KernelPtr(std::make_unique<WhereKernel<std::uint16_t>>(std::move(plan)));
        case 4:
            return KernelPtr(std::make_unique<WhereKernel<std::uint32_t>>(std::move(plan)));
        default:
            return KernelPtr(std::make_unique<WhereKernel<std::uint64_t>>(std::move(plan)));
    }
}

constexpr OpDef two(const char* name, Status (*infer)(NodeContext&),
                    Result<KernelPtr> (*prepare)(NodeContext&), std::int64_t since = kMinOpset) {
    return {"", name, since, kMaxOpset, 2, 2, 1, "", infer, prepare};
}

constexpr OpDef kOps[] = {
    two("Equal", infer_equal, prepare_comparison<EqualOp>),
    two("Greater", infer_order, prepare_comparison<GreaterOp>),
    two("Less", infer_order, prepare_comparison<LessOp>),
    two("GreaterOrEqual", infer_order, prepare_comparison<GreaterEqualOp>, 12),
    two("LessOrEqual", infer_order, prepare_comparison<LessEqualOp>, 12),
    two("And", infer_logical, prepare_bits<AndOp>),
    two("Or", infer_logical, prepare_bits<OrOp>),
    two("Xor", infer_logical, prepare_bits<XorOp>),
    two("BitwiseAnd", infer_bits, prepare_bits<AndOp>, 18),
    two("BitwiseOr", infer_bits, prepare_bits<OrOp>, 18),
    two("BitwiseXor", infer_bits, prepare_bits<XorOp>, 18),
    {"", "Not", 1, kMaxOpset, 1, 1, 1, "", infer_not, prepare_not},
    {"", "BitwiseNot", 18, kMaxOpset, 1, 1, 1, "", infer_bit_not, prepare_bit_not},
    {"", "BitShift", 11, kMaxOpset, 2, 2, 1, "direction", infer_shift, prepare_shift},
    {"", "IsNaN", 9, kMaxOpset, 1, 1, 1, "", infer_classify, prepare_is_nan},
    {"", "IsInf", 10, kMaxOpset, 1, 1, 1, "detect_positive detect_negative", infer_classify,
     prepare_is_inf},
    {"", "Where", 9, kMaxOpset, 3, 3, 1, "", infer_where, prepare_where},
};

}  // namespace

std::span<const OpDef> logic_ops() {
    return kOps;
}

}  // namespace qaicnet
