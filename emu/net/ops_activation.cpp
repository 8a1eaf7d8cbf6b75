// SPDX-License-Identifier: Apache-2.0
/// Relu, Sigmoid, Tanh, Clip.
#include "emu/net/unary.hpp"
#include "emu/net/vector_math.hpp"

#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// NaN stays NaN and -0 stays -0, as in onnxruntime.
struct ReluOp {
    template <class T>
    T operator()(T x) const noexcept {
        return x < T{0} ? T{0} : x;
    }
};

struct SigmoidOp {
    template <class T>
    T operator()(T x) const noexcept {
        // The exponent is never positive, so nothing overflows.
        const T e = std::exp(x < T{0} ? x : -x);
        return (x < T{0} ? e : T{1}) / (T{1} + e);
    }
};

struct TanhOp {
    template <class T>
    T operator()(T x) const noexcept {
        return std::tanh(x);
    }
};

Status infer_relu(NodeContext& c) {
    return infer_same(c, kFloatTypes | kSignedInts);
}
Result<KernelPtr> prepare_relu(NodeContext& c) {
    const std::size_t count = c.input(0).count();
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<UnaryKernel<decltype(tag), ReluOp>>(count, ReluOp{});
    });
}

/// Limits may be computed at run time; an absent one does not limit (not even Inf), a NaN one
/// neither.
template <class T>
class ClipKernel final : public Kernel {
  public:
    using Wide = std::conditional_t<std::is_same_v<T, Half>, float, T>;
    ClipKernel(std::size_t count, Wide low, Wide high, bool low_input, bool high_input)
        : count_(count), limits_{low, high}, low_input_(low_input), high_input_(high_input) {}

    Status run(const RunArgs& args) const override {
        Limits limits = limits_;
        limits.low = low_input_ ? load(args.in[1]) : limits.low;
        limits.high = high_input_ ? load(args.in[2]) : limits.high;
        return UnaryKernel<T, Limits>(count_, limits).run(args);
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    /// The upper limit wins where the limits cross.
    struct Limits {
        Wide low, high;
        Wide operator()(Wide x) const noexcept {
            const Wide raised = x < low ? low : x;
            return raised > high ? high : raised;
        }
    };

    static Wide load(const std::byte* bytes) {
        if constexpr (std::is_same_v<T, Half>) {
            return half_to_float(*as<Half>(bytes));
        } else {
            return *as<T>(bytes);
        }
    }

    std::size_t count_;
    Limits limits_;
    bool low_input_, high_input_;
};

Status infer_clip(NodeContext& c) {
    for (std::size_t i = 1; i < c.num_inputs(); ++i) {
        if (c.has_input(i)) {
            QAICRT_CHECK(c.require_same_type(0, i));
            if (c.input(i).count() != 1 || c.input(i).dims.size() > 1) {
                return c.malformed("a limit has the shape " + dims_text(c.input(i).dims) +
                                   ", it must be a scalar");
            }
        }
    }
    return infer_same(c, c.opset() < 11 ? kFloatTypes : kNumericTypes);
}

template <class T>
Result<KernelPtr> make_clip(NodeContext& c) {
    using Wide = typename ClipKernel<T>::Wide;
    using Limits = std::numeric_limits<Wide>;
    Wide low = Limits::lowest();
    Wide high = Limits::max();
    if constexpr (Limits::has_infinity) {
        low = -Limits::infinity();
        high = Limits::infinity();
        QAICRT_TRY(const float min, c.attr_float("min", -std::numeric_limits<float>::infinity()));
        QAICRT_TRY(const float max, c.attr_float("max", std::numeric_limits<float>::infinity()));
        low = c.find_attr("min") != nullptr ? static_cast<Wide>(min) : low;
        high = c.find_attr("max") != nullptr ? static_cast<Wide>(max) : high;
    }
    return KernelPtr(std::make_unique<ClipKernel<T>>(c.input(0).count(), low, high, c.has_input(1),
                                                     c.has_input(2)));
}

Result<KernelPtr> prepare_clip(NodeContext& c) {
    return with_type(c.input(0).type, [&](auto tag) { return make_clip<decltype(tag)>(c); });
}

constexpr OpDef kOps[] = {
    {"", "Relu", kMinOpset, kMaxOpset, 1, 1, 1, "", infer_relu, prepare_relu},
    {"", "Sigmoid", kMinOpset, kMaxOpset, 1, 1, 1, "", infer_same_float,
     prepare_bulk<sigmoid_all, SigmoidOp>},
    {"", "Tanh", kMinOpset, kMaxOpset, 1, 1, 1, "", infer_same_float,
     prepare_bulk<tanh_all, TanhOp>},
    {"", "Clip", kMinOpset, 10, 1, 1, 1, "min max", infer_clip, prepare_clip},
    {"", "Clip", 11, kMaxOpset, 1, 3, 1, "", infer_clip, prepare_clip},
};

}  // namespace

std::span<const OpDef> activation_ops() {
    return kOps;
}

}  // namespace qaicnet
