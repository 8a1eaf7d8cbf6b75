// SPDX-License-Identifier: Apache-2.0
/// Results that are one number almost everywhere and another in a few places: OneHot, Hardmax,
/// EyeLike.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Element 1 of a type, as bytes.
struct One {
    std::byte bytes[8]{};
    explicit One(ElemType type) {
        with_type(type, [&](auto tag) {
            using T = decltype(tag);
            const T one = store_narrow<T>(static_cast<WideOf<T>>(1));
            std::memcpy(bytes, &one, sizeof one);
        });
    }
};

// --- OneHot

/// The index as ONNX casts it; -1 for what lies outside [-depth, depth).
template <class T>
std::int64_t position_of(T element, std::int64_t depth) {
    std::int64_t index = 0;
    if constexpr (std::is_same_v<T, std::uint64_t>) {
        index =
            element < static_cast<std::uint64_t>(depth) ? static_cast<std::int64_t>(element) : -1;
        return index;
    } else if constexpr (std::is_integral_v<T>) {
        index = std::int64_t{element};
    } else {
        index = truncated_to<std::int64_t>(static_cast<double>(load_wide(element)));
    }
    if (index < 0 && index >= -depth) {
        index += depth;
    }
    return index < depth ? index : -1;
}

/// Indices [outer, inner], result [outer, depth, inner]. Unit: an integer of the elements' width.
template <class T, class Unit>
class OneHotKernel final : public Kernel {
  public:
    OneHotKernel(std::size_t outer, std::size_t depth, std::size_t inner)
        : outer_(outer), depth_(depth), inner_(inner) {}
    Status run(const RunArgs& args) const override {
        const T* indices = as<T>(args.in[0]);
        const Unit off = as<Unit>(args.in[2])[0];
        const Unit on = as<Unit>(args.in[2])[1];
        Unit* out = as<Unit>(args.out[0]);
        const std::size_t block = depth_ * inner_;
        parallel_for(
            args.workers, outer_, grain_for(block), [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    std::fill_n(out + i * block, block, off);
                    for (std::size_t j = 0; j < inner_; ++j) {
                        const std::int64_t at =
                            position_of(indices[i * inner_ + j], static_cast<std::int64_t>(depth_));
                        if (at >= 0) {
                            out[i * block + static_cast<std::size_t>(at) * inner_ + j] = on;
                        }
                    }
                }
            });
        return {};
    }

  private:
    std::size_t outer_, depth_, inner_;
};

Result<std::int64_t> read_depth(NodeContext& c) {
    QAICRT_CHECK(c.require_type(1, kNumericTypes));
    if (c.input(1).count() != 1 || c.input(1).dims.size() > 1) {
        return c.malformed("the depth must be one number");
    }
    const std::byte* data = c.constant(1);
    if (data == nullptr) {
        return c.fail(
            Errc::kUnsupported,
            "its depth is computed at run time, and the runner fixes shapes at load; make "
            "it a constant");
    }
    const std::int64_t depth = with_type(c.input(1).type, [&](auto tag) {
        return saturated<std::int64_t>(static_cast<double>(load_wide(*as<decltype(tag)>(data))));
    });
    if (depth < 1) {
        return c.malformed(fmt::format("the depth is {}, it must be at least 1", depth));
    }
    return depth;
}

Result<std::size_t> one_hot_axis(NodeContext& c) {
    QAICRT_TRY(const std::int64_t axis, c.attr_int("axis", -1));
    return c.normal_axis(axis, c.input(0).dims.size() + 1);
}

Status infer_one_hot(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kNumericTypes));
    if (c.input(2).dims != Shape{2}) {
        return c.malformed("its values must be two: off and on");
    }
    QAICRT_TRY(const std::int64_t depth, read_depth(c));
    QAICRT_TRY(const std::size_t axis, one_hot_axis(c));
    Shape out = c.input(0).dims;
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(axis), depth);
    return c.set_output(0, c.input(2).type, std::move(out));
}

Result<KernelPtr> prepare_one_hot(NodeContext& c) {
    QAICRT_TRY(const std::size_t axis, one_hot_axis(c));
    const AxisSplit split = AxisSplit::at(c.output().dims, axis);
    const std::size_t outer = c.output().count() == 0 ? 0 : split.outer;
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        using T = decltype(tag);
        switch (elem_bytes(c.output().type)) {
            case 1:
                return std::make_unique<OneHotKernel<T, std::uint8_t>>(outer, split.length,
                                                                       split.inner);
            case 2:
                return std::make_unique<OneHotKernel<T, std::uint16_t>>(outer, split.length,
                                                                        split.inner);
            case 4:
                return std::make_unique<OneHotKernel<T, std::uint32_t>>(outer, split.length,
                                                                        split.inner);
            default:
                return std::make_unique<OneHotKernel<T, std::uint64_t>>(outer, split.length,
                                                                        split.inner);
        }
    });
}

// --- Hardmax

/// 1 at the first greatest element of an axis (a NaN is the greatest), 0 elsewhere.
template <class T>
class HardmaxKernel final : public Kernel {
  public:
    explicit HardmaxKernel(AxisSplit split) : s_(split) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, s_.outer * s_.inner, grain_for(s_.length * 2),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t at =
                                 i / s_.inner * s_.length * s_.inner + i % s_.inner;
                             one_line(in + at, out + at);
                         }
                     });
        return {};
    }

  private:
    void one_line(const T* in, T* out) const {
        std::size_t best = 0;
        auto value = load_wide(in[0]);
        for (std::size_t k = 1; k < s_.length && value == value; ++k) {
            const auto x = load_wide(in[k * s_.inner]);
            if (x > value || x != x) {
                best = k;
                value = x;
            }
        }
        for (std::size_t k = 0; k < s_.length; ++k) {
            out[k * s_.inner] = store_narrow<T>(static_cast<WideOf<T>>(k == best ? 1 : 0));
        }
    }
    AxisSplit s_;
};

/// Before opset 13 the axes from `axis` on are one.
Result<AxisSplit> hardmax_split(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", c.opset() < 13 ? 1 : -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size(), c.opset() < 13));
    AxisSplit split{count_between(dims, 0, axis), count_between(dims, axis, dims.size()), 1};
    split = c.opset() < 13 ? split : AxisSplit::at(dims, axis);
    if (c.input(0).count() == 0) {
        split.outer = split.inner = 0;
    }
    return split;
}
Status infer_hardmax(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(hardmax_split(c));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
Result<KernelPtr> prepare_hardmax(NodeContext& c) {
    QAICRT_TRY(const AxisSplit split, hardmax_split(c));
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<HardmaxKernel<decltype(tag)>>(split);
    });
}

// --- EyeLike

class EyeKernel final : public Kernel {
  public:
    EyeKernel(std::size_t rows, std::size_t columns, std::int64_t k, ElemType type)
        : rows_(rows), columns_(columns), k_(k), bytes_(elem_bytes(type)), one_(type) {}
    Status run(const RunArgs& args) const override {
        std::memset(args.out[0], 0, rows_ * columns_ * bytes_);
        for (std::size_t row = 0; row < rows_; ++row) {
            const std::int64_t column = static_cast<std::int64_t>(row) + k_;
            if (column >= 0 && column < static_cast<std::int64_t>(columns_)) {
                std::memcpy(
                    args.out[0] + (row * columns_ + static_cast<std::size_t>(column)) * bytes_,
                    one_.bytes, bytes_);
            }
        }
        return {};
    }

  private:
    std::size_t rows_, columns_;
    std::int64_t k_;
    std::size_t bytes_;
    One one_;
};

Status infer_eye(NodeContext& c) {
    if (c.input(0).dims.size() != 2) {
        return c.malformed("its input " + dims_text(c.input(0).dims) + " is not a matrix");
    }
    QAICRT_CHECK(c.attr_int("k", 0));
    QAICRT_TRY(const std::int64_t wanted,
               c.attr_int("dtype", static_cast<std::int64_t>(c.input(0).type)));
    constexpr std::int64_t kMaxNumber = 1000;
    const auto number =
        static_cast<std::int32_t>(wanted < 0 || wanted > kMaxNumber ? kMaxNumber : wanted);
    if (elem_bytes(static_cast<ElemType>(number)) == 0) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("a matrix of {} is not supported", onnx_type_name(number)));
    }
    return c.set_output(0, static_cast<ElemType>(number), c.input(0).dims);
}
Result<KernelPtr> prepare_eye(NodeContext& c) {
    QAICRT_TRY(const std::int64_t k, c.attr_int("k", 0));
    const Shape& dims = c.input(0).dims;
    c.drop_input(0);
    // Any k beyond the matrix means the same, and sums with a row stay in range.
    return KernelPtr(std::make_unique<EyeKernel>(
        static_cast<std::size_t>(dims[0]), static_cast<std::size_t>(dims[1]),
        std::clamp(k, -dims[0], dims[1]), c.output().type));
}

constexpr OpDef kOps[] = {
    {"", "OneHot", 9, kMaxOpset, 3, 3, 1, "axis", infer_one_hot, prepare_one_hot},
    {"", "Hardmax", kMinOpset, kMaxOpset, 1, 1, 1, "axis", infer_hardmax, prepare_hardmax},
    {"", "EyeLike", 9, kMaxOpset, 1, 1, 1, "dtype k", infer_eye, prepare_eye},
};

}  // namespace

std::span<const OpDef> one_hot_ops() {
    return kOps;
}

}  // namespace qaicnet
