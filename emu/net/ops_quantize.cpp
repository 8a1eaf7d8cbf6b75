// SPDX-License-Identifier: Apache-2.0
/// QuantizeLinear and DequantizeLinear: one scale for all, one for each slice of an axis, or one
/// for each block of an axis. DynamicQuantizeLinear: the scale that fits the data.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr TypeSet kQuantized =
    types_of({ElemType::kInt8, ElemType::kUInt8, ElemType::kInt16, ElemType::kUInt16});
constexpr TypeSet kScales = types_of({ElemType::kFloat, ElemType::kFloat16});

/// Which scale an element has: [outer, length, inner] around the axis, `block` of them together.
struct ScaleMap {
    std::size_t length = 1, inner = 1, block = 1, blocks = 1;
    bool single = true;

    std::size_t at(std::size_t element) const {
        if (single) {
            return 0;
        }
        const std::size_t row = element / inner;
        return (row / length * blocks + row % length / block) * (per_slice_inner ? inner : 1) +
               (per_slice_inner ? element % inner : 0);
    }
    bool per_slice_inner = false;  ///< blocked: the scales keep the inner axes
};

Result<ScaleMap> read_map(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    const Shape& scale = c.input(1).dims;
    ScaleMap map;
    QAICRT_TRY(const std::int64_t block, c.attr_int("block_size", 0));
    if (block == 0 && c.input(1).count() == 1 && scale.size() <= 1) {
        if (scale.empty() || dims.empty()) {
            return map;
        }
    }
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 1));
    if (c.opset() < 13 && block == 0) {
        return c.input(1).count() == 1
                   ? Result<ScaleMap>(map)
                   : Result<ScaleMap>(c.malformed("the scale must be one element"));
    }
    if (block == 0 && c.input(1).count() == 1 &&
        (attribute >= static_cast<std::int64_t>(dims.size()) || scale.empty())) {
        return map;
    }
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    const AxisSplit split = AxisSplit::at(dims, axis);
    map.single = false;
    map.length = std::max<std::size_t>(split.length, 1);
    map.inner = std::max<std::size_t>(split.inner, 1);
    if (block == 0) {
        map.blocks = 0;  // every outer slice starts again with the first scale
        if (scale != Shape{dims[axis]}) {
            return c.input(1).count() == 1 ? Result<ScaleMap>(ScaleMap{})
                                           : Result<ScaleMap>(c.malformed(fmt::format(
                                                 "the scale {} does not fit axis {} of {}",
                                                 dims_text(scale), axis, dims_text(dims))));
        }
        return map;
    }
    Shape wanted = dims;
    if (block > 0) {
        wanted[axis] = dims[axis] / block + (dims[axis] % block != 0 ? 1 : 0);
    }
    if (block < 0 || scale != wanted) {
        return c.malformed(fmt::format("the scale {} does not fit blocks of {} along axis {} of {}",
                                       dims_text(scale), block, axis, dims_text(dims)));
    }
    map.block = static_cast<std::size_t>(block);
    map.blocks = static_cast<std::size_t>(wanted[axis]);
    map.per_slice_inner = true;
    return map;
}

double scale_at(const std::byte* scales, ElemType type, std::size_t i) {
    if (type == ElemType::kInt32) {
        return as<std::int32_t>(scales)[i];
    }
    return type == ElemType::kFloat16 ? half_to_float(as<Half>(scales)[i]) : as<float>(scales)[i];
}

// --- QuantizeLinear

/// y = saturate(round(x / scale) + zero point), ties to even.
template <class T, class Q>
class QuantizeKernel final : public Kernel {
  public:
    QuantizeKernel(const ScaleMap& map, std::size_t count, ElemType scale, ElemType precision,
                   bool zero)
        : map_(map), count_(count), scale_(scale), precision_(precision), zero_(zero) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        Q* out = as<Q>(args.out[0]);
        const Q* zero = zero_ ? as<Q>(args.in[2]) : nullptr;
        parallel_for(args.workers, count_, kElementGrain / 8,
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t k = map_.at(i);
                             const double quotient = divide(static_cast<double>(load_wide(in[i])),
                                                            scale_at(args.in[1], scale_, k));
                             out[i] = saturate(std::nearbyint(quotient), zero ? zero[k] : Q{0});
                         }
                     });
        return {};
    }

  private:
    /// In the precision that the node asks for; INT32 scales divide in FP64.
    double divide(double x, double scale) const {
        if (precision_ == ElemType::kDouble) {
            return x / scale;
        }
        if (precision_ == ElemType::kFloat16) {
            const float dividend = half_to_float(float_to_half(static_cast<float>(x)));
            const float divisor = half_to_float(float_to_half(static_cast<float>(scale)));
            return half_to_float(float_to_half(dividend / divisor));
        }
        return static_cast<float>(x) / static_cast<float>(scale);
    }
    static Q saturate(double rounded, Q zero) {
        using L = std::numeric_limits<Q>;
        const double shifted = rounded + static_cast<double>(zero);
        if (!(shifted > static_cast<double>(L::lowest()))) {
            return shifted != shifted ? zero : L::lowest();
        }
        return shifted >= static_cast<double>(L::max()) ? L::max() : static_cast<Q>(shifted);
    }
    ScaleMap map_;
    std::size_t count_;
    ElemType scale_, precision_;
    bool zero_;
};

/// Of the division: FLOAT unless the node says otherwise or the scale is an integer.
Result<ElemType> precision_of(NodeContext& c) {
    QAICRT_TRY(const std::int64_t wanted, c.attr_int("precision", 0));
    if (wanted == 0) {
        return c.input(1).type == ElemType::kInt32 ? ElemType::kDouble : ElemType::kFloat;
    }
    const auto type = static_cast<ElemType>(wanted);
    if (wanted < 0 || wanted > 31 || !contains(kFloatTypes, type)) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("a precision of {} is not supported",
                                  onnx_type_name(static_cast<std::int32_t>(wanted))));
    }
    return type;
}

Result<ElemType> quantized_type(NodeContext& c) {
    QAICRT_TRY(const std::int64_t wanted, c.attr_int("output_dtype", 0));
    const ElemType zero = c.has_input(2) ? c.input(2).type : ElemType::kUndefined;
    ElemType type = wanted != 0 ? static_cast<ElemType>(wanted) : zero;
    type = type == ElemType::kUndefined ? ElemType::kUInt8 : type;
    if (wanted < 0 || wanted > 31 || !contains(kQuantized, type) ||
        (zero != ElemType::kUndefined && zero != type)) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("quantising to {} is not supported",
                                  onnx_type_name(static_cast<std::int32_t>(type))));
    }
    return type;
}

Status check_scale(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(c.require_type(1, allowed));
    // Exporters write one of the two as a scalar and the other as [1].
    const bool single = c.has_input(2) && c.input(2).count() == 1 && c.input(1).count() == 1;
    if (c.has_input(2) && !single && c.input(2).dims != c.input(1).dims) {
        return c.malformed("the zero point differs from the scale in shape");
    }
    QAICRT_CHECK(read_map(c));
    return {};
}

Status infer_quantize(NodeContext& c) {
    QAICRT_CHECK(
        c.require_type(0, types_of({ElemType::kFloat, ElemType::kFloat16, ElemType::kInt32})));
    QAICRT_CHECK(check_scale(c, kScales | types_of({ElemType::kInt32})));
    QAICRT_CHECK(precision_of(c));
    QAICRT_TRY(const ElemType type, quantized_type(c));
    return c.set_output(0, type, c.input(0).dims);
}

template <class T>
Result<KernelPtr> quantize_kernel(NodeContext& c, const ScaleMap& map) {
    QAICRT_TRY(const ElemType precision, precision_of(c));
    const auto make = [&](auto quantized) -> KernelPtr {
        return std::make_unique<QuantizeKernel<T, decltype(quantized)>>(
            map, c.input(0).count(), c.input(1).type, precision, c.has_input(2));
    };
    switch (c.output().type) {
        case ElemType::kInt8:
            return make(std::int8_t{});
        case ElemType::kInt16:
            return make(std::int16_t{});
        case ElemType::kUInt16:
            return make(std::uint16_t{});
        default:
            return make(std::uint8_t{});
    }
}

Result<KernelPtr> prepare_quantize(NodeContext& c) {
    QAICRT_TRY(const ScaleMap map, read_map(c));
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return quantize_kernel<Half>(c, map);
        case ElemType::kInt32:
            return quantize_kernel<std::int32_t>(c, map);
        default:
            return quantize_kernel<float>(c, map);
    }
}

// --- DequantizeLinear

/// y = (x - zero point) * scale
template <class Q, class T>
class DequantizeKernel final : public Kernel {
  public:
    DequantizeKernel(const ScaleMap& map, std::size_t count, ElemType scale, bool zero)
        : map_(map), count_(count), scale_(scale), zero_(zero) {}
    Status run(const RunArgs& args) const override {
        const Q* in = as<Q>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const Q* zero = zero_ ? as<Q>(args.in[2]) : nullptr;
        parallel_for(args.workers, count_, kElementGrain / 8,
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t k = map_.at(i);
                             const std::int64_t distance =
                                 std::int64_t{in[i]} - (zero ? std::int64_t{zero[k]} : 0);
                             const auto scale = static_cast<float>(scale_at(args.in[1], scale_, k));
                             out[i] = store_narrow<T>(static_cast<float>(distance) * scale);
                         }
                     });
        return {};
    }

  private:
    ScaleMap map_;
    std::size_t count_;
    ElemType scale_;
    bool zero_;
};

Result<ElemType> dequantized_type(NodeContext& c) {
    QAICRT_TRY(const std::int64_t wanted, c.attr_int("output_dtype", 0));
    const ElemType type = wanted != 0 ? static_cast<ElemType>(wanted) : c.input(1).type;
    if (wanted < 0 || wanted > 31 || !contains(kScales, type)) {
        return c.fail(Errc::kUnsupported, "its result can be FLOAT or FLOAT16 only");
    }
    return type;
}

Status infer_dequantize(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kQuantized | types_of({ElemType::kInt32})));
    QAICRT_CHECK(check_scale(c, kScales));
    if (c.has_input(2)) {
        QAICRT_CHECK(c.require_same_type(0, 2));
    }
    QAICRT_TRY(const ElemType type, dequantized_type(c));
    return c.set_output(0, type, c.input(0).dims);
}

template <class Q>
KernelPtr dequantize_kernel(NodeContext& c, const ScaleMap& map) {
    const std::size_t n = c.input(0).count();
    const ElemType scale = c.input(1).type;
    const bool zero = c.has_input(2);
    if (c.output().type == ElemType::kFloat16) {
        return std::make_unique<DequantizeKernel<Q, Half>>(map, n, scale, zero);
    }
    return std::make_unique<DequantizeKernel<Q, float>>(map, n, scale, zero);
}

Result<KernelPtr> prepare_dequantize(NodeContext& c) {
    QAICRT_TRY(const ScaleMap map, read_map(c));
    switch (c.input(0).type) {
        case ElemType::kInt8:
            return dequantize_kernel<std::int8_t>(c, map);
        case ElemType::kInt16:
            return dequantize_kernel<std::int16_t>(c, map);
        case ElemType::kUInt16:
            return dequantize_kernel<std::uint16_t>(c, map);
        case ElemType::kInt32:
            return dequantize_kernel<std::int32_t>(c, map);
        default:
            return dequantize_kernel<std::uint8_t>(c, map);
    }
}

// --- DynamicQuantizeLinear

/// The range of the data, widened to hold 0, on 0 to 255.
class DynamicQuantizeKernel final : public Kernel {
  public:
    explicit DynamicQuantizeKernel(std::size_t count) : count_(count) {}
    Status run(const RunArgs& args) const override {
        const float* in = as<float>(args.in[0]);
        const auto [low, high] = range(args.workers, in);
        const float scale = high == low ? 1.0F : (high - low) / 255.0F;
        const float zero = std::nearbyint(std::clamp(-low / scale, 0.0F, 255.0F));
        if (args.out[1] != nullptr) {
            *as<float>(args.out[1]) = scale;
        }
        if (args.out[2] != nullptr) {
            *as<std::uint8_t>(args.out[2]) = saturated<std::uint8_t>(zero);
        }
        if (args.out[0] == nullptr) {
            return {};
        }
        auto* out = as<std::uint8_t>(args.out[0]);
        parallel_for(args.workers, count_, kElementGrain / 4,
                     [&, scale = scale](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             out[i] = saturated<std::uint8_t>(std::nearbyint(in[i] / scale) + zero);
                         }
                     });
        return {};
    }

  private:
    /// NaN does not count.
    std::pair<float, float> range(Workers& workers, const float* in) const {
        constexpr std::size_t kParts = 64;
        float low[kParts] = {};
        float high[kParts] = {};
        const std::size_t part = (count_ + kParts - 1) / kParts;
        parallel_for(workers, kParts, grain_for(part), [&](std::size_t begin, std::size_t end) {
            for (std::size_t p = begin; p < end; ++p) {
                for (std::size_t i = std::min(p * part, count_);
                     i < std::min((p + 1) * part, count_); ++i) {
                    low[p] = in[i] < low[p] ? in[i] : low[p];
                    high[p] = in[i] > high[p] ? in[i] : high[p];
                }
            }
        });
        return {*std::min_element(low, low + kParts), *std::max_element(high, high + kParts)};
    }
    std::size_t count_;
};

Status infer_dynamic_quantize(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, types_of({ElemType::kFloat})));
    if (c.num_outputs() != 3) {
        return c.malformed("it must have three results");
    }
    QAICRT_CHECK(c.set_output(0, ElemType::kUInt8, c.input(0).dims));
    QAICRT_CHECK(c.set_output(1, ElemType::kFloat, {}));
    return c.set_output(2, ElemType::kUInt8, {});
}
Result<KernelPtr> prepare_dynamic_quantize(NodeContext& c) {
    return KernelPtr(std::make_unique<DynamicQuantizeKernel>(c.input(0).count()));
}

constexpr OpDef kOps[] = {
    {"", "DynamicQuantizeLinear", 11, kMaxOpset, 1, 1, 3, "", infer_dynamic_quantize,
     prepare_dynamic_quantize},
    {"", "QuantizeLinear", 10, 12, 2, 3, 1, "", infer_quantize, prepare_quantize},
    {"", "QuantizeLinear", 13, 18, 2, 3, 1, "axis", infer_quantize, prepare_quantize},
    {"", "QuantizeLinear", 19, 20, 2, 3, 1, "axis saturate", infer_quantize, prepare_quantize},
    {"", "QuantizeLinear", 21, kMaxOpset, 2, 3, 1,
     "axis saturate block_size output_dtype precision", infer_quantize, prepare_quantize},
    {"", "DequantizeLinear", 10, 12, 2, 3, 1, "", infer_dequantize, prepare_dequantize},
    {"", "DequantizeLinear", 13, 20, 2, 3, 1, "axis", infer_dequantize, prepare_dequantize},
    {"", "DequantizeLinear", 21, kMaxOpset, 2, 3, 1, "axis block_size output_dtype",
     infer_dequantize, prepare_dequantize},
};

}  // namespace

std::span<const OpDef> quantize_ops() {
    return kOps;
}

}  // namespace qaicnet
