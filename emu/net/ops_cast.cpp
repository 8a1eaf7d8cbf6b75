// SPDX-License-Identifier: Apache-2.0
/// Cast and CastLike between all element types that the runner computes with.
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Tag for BOOL, which is stored in a byte but converts by "is it zero?".
struct Bool {
    std::uint8_t value;
};

/// Truncates toward zero. What has no value in the target (ONNX leaves it undefined) is what an x86
/// processor gives, on every processor: out of range and NaN become the smallest number of the
/// intermediate type (INT32 for targets up to INT32, otherwise INT64), of which narrower targets
/// keep the low bits.
template <class To, class From>
To float_to_int(From x) noexcept {
    using Middle = std::conditional_t<(sizeof(To) < 4 || std::is_same_v<To, std::int32_t>),
                                      std::int32_t, std::int64_t>;
    constexpr From kTop = static_cast<From>(std::uint64_t{1} << (sizeof(Middle) * 8 - 1));
    if constexpr (std::is_same_v<To, std::uint64_t>) {
        if (x >= kTop && x < kTop * 2) {
            return static_cast<To>(x);
        }
    }
    // For INT32 from FP64, values in (-2^31 - 1, -2^31) truncate into range.
    const From whole = std::trunc(x);
    return static_cast<To>(whole >= -kTop && whole < kTop ? static_cast<Middle>(whole)
                                                          : std::numeric_limits<Middle>::min());
}

template <class To, class From>
To convert(From x) noexcept {
    if constexpr (std::is_same_v<From, Half>) {
        return convert<To>(half_to_float(x));
    } else if constexpr (std::is_same_v<From, Bool>) {
        return convert<To>(x.value);
    } else if constexpr (std::is_same_v<To, Bool>) {
        return {static_cast<std::uint8_t>(x != From{0})};
    } else if constexpr (std::is_same_v<To, Half>) {
        if constexpr (std::is_same_v<From, double>) {
            return double_to_half(x);
        } else {
            // Integers that FP32 cannot hold are beyond FP16's range: there is one rounding all the
            // same.
            return float_to_half(static_cast<float>(x));
        }
    } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        return float_to_int<To>(x);
    } else {
        return static_cast<To>(x);
    }
}

template <class From, class To>
class CastKernel final : public Kernel {
  public:
    explicit CastKernel(std::size_t count) : count_(count) {}

    Status run(const RunArgs& args) const override {
        const From* in = as<From>(args.in[0]);
        To* out = as<To>(args.out[0]);
        parallel_for(args.workers, count_, kElementGrain, [&](std::size_t begin, std::size_t end) {
            if constexpr (std::is_same_v<From, Half> && std::is_same_v<To, float>) {
                widen(in + begin, out + begin, end - begin);
            } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, Half>) {
                narrow(in + begin, out + begin, end - begin);
            } else {
                for (std::size_t i = begin; i < end; ++i) {
                    out[i] = convert<To>(in[i]);
                }
            }
        });
        return {};
    }

  private:
    std::size_t count_;
};

Status infer_cast(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kAllTypes));
    QAICRT_TRY(const std::int64_t to, c.attr_int("to", 0));
    if (c.find_attr("to") == nullptr) {
        return c.malformed("the attribute 'to' is missing");
    }
    constexpr std::int64_t kMaxNumber = 1000;
    const auto number = static_cast<std::int32_t>(to < 0 || to > kMaxNumber ? kMaxNumber : to);
    if (elem_bytes(static_cast<ElemType>(number)) == 0) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("a cast to {} is not supported", onnx_type_name(number)));
    }
    const auto type = static_cast<ElemType>(number);
    if (type == c.input(0).type) {
        return c.set_output_view(c.input(0).dims);
    }
    return c.set_output(0, type, c.input(0).dims);
}

/// The type is that of another tensor, whose elements nobody reads.
Status infer_cast_like(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kAllTypes));
    QAICRT_CHECK(c.require_type(1, kAllTypes));
    if (c.input(1).type == c.input(0).type) {
        return c.set_output_view(c.input(0).dims);
    }
    return c.set_output(0, c.input(1).type, c.input(0).dims);
}

template <class From>
KernelPtr cast_from(ElemType to, std::size_t count) {
    if (to == ElemType::kBool) {
        return std::make_unique<CastKernel<From, Bool>>(count);
    }
    return with_type(to, [&](auto tag) -> KernelPtr {
        return std::make_unique<CastKernel<From, decltype(tag)>>(count);
    });
}

Result<KernelPtr> prepare_cast(NodeContext& c) {
    const ElemType to = c.output().type;
    const std::size_t count = c.input(0).count();
    if (c.input(0).type == ElemType::kBool) {
        return cast_from<Bool>(to, count);
    }
    return with_type(c.input(0).type,
                     [&](auto tag) { return cast_from<decltype(tag)>(to, count); });
}

Result<KernelPtr> prepare_cast_like(NodeContext& c) {
    c.drop_input(1);
    return prepare_cast(c);
}

constexpr OpDef kOps[] = {
    {"", "Cast", kMinOpset, 18, 1, 1, 1, "to", infer_cast, prepare_cast},
    // saturate and round_mode only say something about 8-bit floats, which are refused.
    {"", "Cast", 19, kMaxOpset, 1, 1, 1, "to saturate round_mode", infer_cast, prepare_cast},
    {"", "CastLike", 15, 18, 2, 2, 1, "", infer_cast_like, prepare_cast_like},
    {"", "CastLike", 19, kMaxOpset, 2, 2, 1, "saturate round_mode", infer_cast_like,
     prepare_cast_like},
};

}  // namespace

std::span<const OpDef> cast_ops() {
    return kOps;
}

}  // namespace qaicnet
