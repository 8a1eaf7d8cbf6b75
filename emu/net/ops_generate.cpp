// SPDX-License-Identifier: Apache-2.0
/// Results that come from shapes: Shape, Size, ConstantOfShape, Range, Expand, Tile, Split.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/list_constant.hpp"
#include "emu/net/strided_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

// --- Shape, Size

Status infer_shape(NodeContext& c) {
    const auto rank = static_cast<std::int64_t>(c.input(0).dims.size());
    QAICRT_TRY(std::int64_t start, c.attr_int("start", 0));
    QAICRT_TRY(std::int64_t end, c.attr_int("end", rank));
    const auto clamp = [&](std::int64_t at) {
        return std::clamp<std::int64_t>(at < 0 ? std::max(at, -rank) + rank : at, 0, rank);
    };
    start = clamp(start);
    end = std::max(clamp(end), start);
    const Shape part(c.input(0).dims.begin() + start, c.input(0).dims.begin() + end);
    QAICRT_TRY(const Constant value,
               list_constant(c, ElemType::kInt64, {end - start}, part.data()));
    return c.set_output_constant(0, value);
}

Status infer_size(NodeContext& c) {
    const auto count = static_cast<std::int64_t>(c.input(0).count());
    QAICRT_TRY(const Constant value, list_constant(c, ElemType::kInt64, {}, &count));
    return c.set_output_constant(0, value);
}

// --- ConstantOfShape

/// One element, as often as the result has elements.
class FillKernel final : public Kernel {
  public:
    FillKernel(const std::byte* element, std::size_t bytes, std::size_t count)
        : bytes_(bytes), count_(count) {
        std::memcpy(element_, element, bytes);
    }
    Status run(const RunArgs& args) const override {
        for (std::size_t i = 0; i < count_; ++i) {
            std::memcpy(args.out[0] + i * bytes_, element_, bytes_);
        }
        return {};
    }

  private:
    std::byte element_[8]{};
    std::size_t bytes_, count_;
};

Result<Constant> fill_value(NodeContext& c) {
    const Attribute* value = c.find_attr("value");
    if (value == nullptr) {
        const float zero = 0;
        return list_constant(c, ElemType::kFloat, {1}, &zero);
    }
    if (value->kind != Attribute::Kind::kTensor || value->tensor.tensor.count() != 1) {
        return c.malformed("the attribute 'value' must be a tensor with one element");
    }
    return value->tensor;
}

Status infer_fill(NodeContext& c) {
    QAICRT_TRY(Shape dims, c.constant_ints(0, "shape"));
    QAICRT_TRY(const Constant value, fill_value(c));
    if (!checked_count(dims)) {
        return c.malformed("the shape " + dims_text(dims) + " is not one of a tensor");
    }
    return c.set_output(0, value.tensor.type, std::move(dims));
}

Result<KernelPtr> prepare_fill(NodeContext& c) {
    QAICRT_TRY(const Constant value, fill_value(c));
    return KernelPtr(std::make_unique<FillKernel>(
        value.bytes->data(), elem_bytes(value.tensor.type), c.output().count()));
}

// --- Range

double scalar_of(const std::byte* data, ElemType type) {
    return with_type(type, [&](auto tag) -> double {
        return static_cast<double>(load_wide(*as<decltype(tag)>(data)));
    });
}

std::int64_t whole_scalar_of(const std::byte* data, ElemType type) {
    switch (type) {
        case ElemType::kInt64:
            return *as<std::int64_t>(data);
        case ElemType::kInt32:
            return *as<std::int32_t>(data);
        default:
            return *as<std::int16_t>(data);
    }
}

struct RangeValues {
    double start = 0, delta = 0;
    std::int64_t whole_start = 0, whole_delta = 0;
    std::int64_t count = 0;
};

Result<RangeValues> read_range(NodeContext& c) {
    const ElemType type = c.input(0).type;
    for (std::size_t i = 0; i < 3; ++i) {
        if (c.constant(i) == nullptr) {
            return c.fail(Errc::kUnsupported,
                          "its limits are computed at run time, and the runner fixes shapes at "
                          "load; make them constants");
        }
        if (c.input(i).count() != 1 || c.input(i).type != type) {
            return c.malformed("start, limit and delta must be scalars of one type");
        }
    }
    RangeValues r;
    const bool whole = !contains(kFloatTypes, type);
    if (whole) {
        r.whole_start = whole_scalar_of(c.constant(0), type);
        r.whole_delta = whole_scalar_of(c.constant(2), type);
    }
    r.start = scalar_of(c.constant(0), type);
    r.delta = scalar_of(c.constant(2), type);
    const double length =
        r.delta == 0 ? -1 : std::ceil((scalar_of(c.constant(1), type) - r.start) / r.delta);
    if (r.delta == 0 || !(length < 9.0e18)) {
        return c.malformed("its limits and its step make no finite range");
    }
    r.count = length > 0 ? static_cast<std::int64_t>(length) : 0;
    return r;
}

template <class T>
class RangeKernel final : public Kernel {
  public:
    explicit RangeKernel(const RangeValues& r) : r_(r) {}
    Status run(const RunArgs& args) const override {
        T* out = as<T>(args.out[0]);
        for (std::int64_t i = 0; i < r_.count; ++i) {
            if constexpr (std::is_integral_v<T>) {
                out[i] = static_cast<T>(static_cast<std::uint64_t>(r_.whole_start) +
                                        static_cast<std::uint64_t>(r_.whole_delta) *
                                            static_cast<std::uint64_t>(i));
            } else {
                using W = WideOf<T>;
                out[i] = store_narrow<T>(static_cast<W>(r_.start) +
                                         static_cast<W>(i) * static_cast<W>(r_.delta));
            }
        }
        return {};
    }

  private:
    RangeValues r_;
};

Status infer_range(NodeContext& c) {
    QAICRT_CHECK(c.require_type(
        0, kFloatTypes | types_of({ElemType::kInt16, ElemType::kInt32, ElemType::kInt64})));
    QAICRT_TRY(const RangeValues r, read_range(c));
    return c.set_output(0, c.input(0).type, {r.count});
}

Result<KernelPtr> prepare_range(NodeContext& c) {
    QAICRT_TRY(const RangeValues r, read_range(c));
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<RangeKernel<decltype(tag)>>(r);
    });
}

// --- Expand, Tile, Split: strided copies

class CopyKernel final : public Kernel {
  public:
    explicit CopyKernel(std::vector<StridedCopy> copies) : copies_(std::move(copies)) {}
    Status run(const RunArgs& args) const override {
        for (std::size_t k = 0; k < copies_.size(); ++k) {
            if (args.out[k] == nullptr) {
                continue;
            }
            parallel_for(args.workers, copies_[k].count(), kElementGrain,
                         [&](std::size_t begin, std::size_t end) {
                             copies_[k].run(args.in[0], args.out[k], begin, end);
                         });
        }
        return {};
    }

  private:
    std::vector<StridedCopy> copies_;  ///< one for each result
};

KernelPtr one_copy(StridedCopy copy) {
    std::vector<StridedCopy> copies;
    copies.push_back(std::move(copy));
    return std::make_unique<CopyKernel>(std::move(copies));
}

Status infer_expand(NodeContext& c) {
    QAICRT_TRY(const Shape wanted, c.constant_ints(1, "shape"));
    const bool negative =
        std::any_of(wanted.begin(), wanted.end(), [](std::int64_t d) { return d < 0; });
    auto shape = broadcast_shape(c.input(0).dims, wanted);
    if (negative || !shape) {
        return c.malformed("the shape " + dims_text(c.input(0).dims) +
                           " cannot be broadcast with " + dims_text(wanted));
    }
    return *shape == c.input(0).dims ? c.set_output_view(std::move(*shape))
                                     : c.set_output(0, c.input(0).type, std::move(*shape));
}

Result<KernelPtr> prepare_expand(NodeContext& c) {
    const Shape& in = c.input(0).dims;
    const Shape& out = c.output().dims;
    const auto dense = dense_strides(in);
    std::vector<std::ptrdiff_t> strides(out.size(), 0);
    for (std::size_t back = 1; back <= in.size(); ++back) {
        if (in[in.size() - back] != 1) {
            strides[out.size() - back] = dense[in.size() - back];
        }
    }
    return one_copy(StridedCopy(out, strides, 0, elem_bytes(c.input(0).type)));
}

Status infer_tile(NodeContext& c) {
    QAICRT_TRY(const Shape repeats, c.constant_ints(1, "repeats"));
    Shape out = c.input(0).dims;
    if (repeats.size() != out.size()) {
        return c.malformed(
            fmt::format("it has {} repeats for {} axes", repeats.size(), out.size()));
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (repeats[i] < 0 || __builtin_mul_overflow(out[i], repeats[i], &out[i])) {
            return c.malformed("its repeats " + dims_text(repeats) + " make no shape");
        }
    }
    return out == c.input(0).dims ? c.set_output_view(std::move(out))
                                  : c.set_output(0, c.input(0).type, std::move(out));
}

/// Every axis becomes two, of which the outer repeats without moving. A tensor has at most 32 axes,
/// but the copy does not mind more.
Result<KernelPtr> prepare_tile(NodeContext& c) {
    const Shape& in = c.input(0).dims;
    const auto dense = dense_strides(in);
    Shape dims;
    std::vector<std::ptrdiff_t> strides;
    for (std::size_t i = 0; i < in.size(); ++i) {
        const std::int64_t repeat = in[i] == 0 ? 0 : c.output().dims[i] / in[i];
        if (repeat != 1) {
            dims.push_back(repeat);
            strides.push_back(0);
        }
        if (in[i] != 1 || repeat == 1) {
            dims.push_back(in[i]);
            strides.push_back(dense[i]);
        }
    }
    return one_copy(StridedCopy(dims, strides, 0, elem_bytes(c.input(0).type)));
}

// --- Split

Result<std::vector<std::int64_t>> split_sizes(NodeContext& c, std::int64_t dim) {
    const auto parts = static_cast<std::int64_t>(c.num_outputs());
    std::vector<std::int64_t> sizes;
    if (c.opset() < 13) {
        QAICRT_TRY(sizes, c.attr_ints("split"));
    } else if (c.has_input(1)) {
        QAICRT_TRY(sizes, c.constant_ints(1, "split"));
    }
    if (sizes.empty()) {
        QAICRT_TRY(const std::int64_t wanted, c.attr_int("num_outputs", parts));
        const std::int64_t chunk = (dim + parts - 1) / parts;
        if (wanted != parts || (c.opset() < 18 && dim % parts != 0)) {
            return c.malformed(
                fmt::format("an axis of {} cannot be split into {} equal parts", dim, parts));
        }
        for (std::int64_t i = 0; i < parts; ++i) {
            sizes.push_back(std::clamp<std::int64_t>(dim - i * chunk, 0, chunk));
        }
    }
    std::int64_t sum = 0;
    bool negative = false;
    for (const std::int64_t size : sizes) {
        negative = negative || size < 0 || __builtin_add_overflow(sum, size, &sum);
    }
    if (negative || sum != dim || sizes.size() != c.num_outputs()) {
        return c.malformed(fmt::format("the parts {} do not make up an axis of {} with {} results",
                                       dims_text(sizes), dim, parts));
    }
    return sizes;
}

Status infer_split(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const auto sizes, split_sizes(c, dims[axis]));
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        Shape out = dims;
        out[axis] = sizes[i];
        QAICRT_CHECK(c.set_output(i, c.input(0).type, std::move(out)));
    }
    return {};
}

Result<KernelPtr> prepare_split(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const auto sizes, split_sizes(c, dims[axis]));
    const auto strides = dense_strides(dims);
    std::vector<StridedCopy> copies;
    std::ptrdiff_t offset = 0;
    for (const std::int64_t size : sizes) {
        Shape out = dims;
        out[axis] = size;
        copies.emplace_back(out, strides, offset * strides[axis], elem_bytes(c.input(0).type));
        offset += size;
    }
    return KernelPtr(std::make_unique<CopyKernel>(std::move(copies)));
}

constexpr OpDef kOps[] = {
    {"", "Shape", kMinOpset, 14, 1, 1, 1, "", infer_shape, nullptr},
    {"", "Shape", 15, kMaxOpset, 1, 1, 1, "start end", infer_shape, nullptr},
    {"", "Size", kMinOpset, kMaxOpset, 1, 1, 1, "", infer_size, nullptr},
    {"", "ConstantOfShape", 9, kMaxOpset, 1, 1, 1, "value", infer_fill, prepare_fill},
    {"", "Range", 11, kMaxOpset, 3, 3, 1, "stash_type", infer_range, prepare_range},
    {"", "Expand", 8, kMaxOpset, 2, 2, 1, "", infer_expand, prepare_expand},
    {"", "Tile", kMinOpset, kMaxOpset, 2, 2, 1, "", infer_tile, prepare_tile},
    {"", "Split", kMinOpset, 12, 1, 1, kAnyCount, "axis split", infer_split, prepare_split},
    {"", "Split", 13, 17, 1, 2, kAnyCount, "axis", infer_split, prepare_split},
    {"", "Split", 18, kMaxOpset, 1, 2, kAnyCount, "axis num_outputs", infer_split, prepare_split},
};

}  // namespace

std::span<const OpDef> generate_ops() {
    return kOps;
}

}  // namespace qaicnet
