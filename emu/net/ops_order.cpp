// SPDX-License-Identifier: Apache-2.0
/// ArgMax, ArgMin, TopK, CumSum, CumProd, Trilu.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

// --- ArgMax, ArgMin

/// A NaN is greater and smaller than everything, and the first one wins, as in NumPy.
template <class T, bool greatest>
class ArgKernel final : public Kernel {
  public:
    ArgKernel(AxisSplit split, bool last) : s_(split), last_(last) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        auto* out = as<std::int64_t>(args.out[0]);
        parallel_for(args.workers, s_.outer * s_.inner, grain_for(s_.length),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             out[i] = find(in + i / s_.inner * s_.length * s_.inner + i % s_.inner);
                         }
                     });
        return {};
    }

  private:
    std::int64_t find(const T* in) const {
        std::size_t best = 0;
        auto value = load_wide(in[0]);
        for (std::size_t k = 1; k < s_.length && value == value; ++k) {
            const auto x = load_wide(in[k * s_.inner]);
            const bool better = (greatest ? x > value : x < value) || x != x;
            if (better || (last_ && x == value)) {
                best = k;
                value = x;
            }
        }
        return static_cast<std::int64_t>(best);
    }
    AxisSplit s_;
    bool last_;
};

Status infer_arg(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kNumericTypes));
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const std::int64_t keep, c.attr_int("keepdims", 1));
    if (dims[axis] == 0) {
        return c.malformed("the axis has no element to choose from");
    }
    Shape out = dims;
    if (keep != 0) {
        out[axis] = 1;
    } else {
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(axis));
    }
    return c.set_output(0, ElemType::kInt64, std::move(out));
}

template <bool greatest>
Result<KernelPtr> prepare_arg(NodeContext& c) {
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, c.input(0).dims.size()));
    QAICRT_TRY(const std::int64_t last, c.attr_int("select_last_index", 0));
    const AxisSplit split = AxisSplit::at(c.input(0).dims, axis);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<ArgKernel<decltype(tag), greatest>>(split, last != 0);
    });
}

// --- TopK

/// Equal elements keep their order; NaN counts as greater than every number.
template <class T>
class TopKKernel final : public Kernel {
  public:
    TopKKernel(AxisSplit split, std::size_t k, bool largest, bool sorted, bool has_indices)
        : s_(split), k_(k), largest_(largest), sorted_(sorted), has_indices_(has_indices) {}

    /// One list of indices for each row that may be worked on at the same time.
    std::size_t scratch_bytes() const noexcept override {
        return rows() * s_.length * sizeof(std::uint32_t);
    }

    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* values = as<T>(args.out[0]);
        auto* indices = has_indices_ ? as<std::int64_t>(args.out[1]) : nullptr;
        auto* scratch = as<std::uint32_t>(args.scratch);
        parallel_for(args.workers, rows(), grain_for(s_.length * 8),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             one_row(in, values, indices, row, scratch + row * s_.length);
                         }
                     });
        return {};
    }

  private:
    std::size_t rows() const { return s_.outer * s_.inner; }

    void one_row(const T* in, T* values, std::int64_t* indices, std::size_t row,
                 std::uint32_t* order) const {
        const T* from = in + row / s_.inner * s_.length * s_.inner + row % s_.inner;
        const auto before = [&](std::uint32_t a, std::uint32_t b) {
            const auto x = load_wide(from[a * s_.inner]);
            const auto y = load_wide(from[b * s_.inner]);
            const bool x_nan = x != x;
            const bool y_nan = y != y;
            const bool greater = x_nan != y_nan ? x_nan : x > y;
            const bool less = x_nan != y_nan ? y_nan : x < y;
            return largest_ ? greater || (!less && a < b) : less || (!greater && a < b);
        };
        std::iota(order, order + s_.length, 0U);
        std::partial_sort(order, order + k_, order + s_.length, before);
        if (!sorted_) {
            std::sort(order, order + k_);
        }
        const std::size_t to = row / s_.inner * k_ * s_.inner + row % s_.inner;
        for (std::size_t i = 0; i < k_; ++i) {
            const std::size_t at = to + i * s_.inner;
            if (values != nullptr) {
                values[at] = from[order[i] * s_.inner];
            }
            if (indices != nullptr) {
                indices[at] = order[i];
            }
        }
    }

    AxisSplit s_;
    std::size_t k_;
    bool largest_, sorted_, has_indices_;
};

Result<std::int64_t> top_count(NodeContext& c) {
    if (c.opset() < 10) {
        return c.attr_int("k", 0);
    }
    QAICRT_TRY(const auto list, c.constant_ints(1, "K"));
    if (list.size() != 1) {
        return c.malformed("K must be one number");
    }
    return list[0];
}

Status infer_top(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, c.opset() < 11 ? kFloatTypes : kNumericTypes));
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const std::int64_t k, top_count(c));
    if (k < 0 || k > dims[axis] || dims[axis] > std::int64_t{0xffffffff}) {
        return c.malformed(fmt::format("K is {}, and the axis has {} elements", k, dims[axis]));
    }
    Shape out = dims;
    out[axis] = k;
    QAICRT_CHECK(c.set_output(0, c.input(0).type, out));
    return c.set_output(1, ElemType::kInt64, std::move(out));
}

Result<KernelPtr> prepare_top(NodeContext& c) {
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, c.input(0).dims.size()));
    QAICRT_TRY(const std::int64_t k, top_count(c));
    QAICRT_TRY(const std::int64_t largest, c.attr_int("largest", 1));
    QAICRT_TRY(const std::int64_t sorted, c.attr_int("sorted", 1));
    const AxisSplit split = AxisSplit::at(c.input(0).dims, axis);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<TopKKernel<decltype(tag)>>(
            split, static_cast<std::size_t>(k), largest != 0, sorted != 0, c.num_outputs() > 1);
    });
}

// --- CumSum, CumProd

template <class T, bool product>
class CumulativeKernel final : public Kernel {
  public:
    CumulativeKernel(AxisSplit split, bool exclusive, bool reverse)
        : s_(split), exclusive_(exclusive), reverse_(reverse) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, s_.outer * s_.inner, grain_for(s_.length),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t at =
                                 i / s_.inner * s_.length * s_.inner + i % s_.inner;
                             one(in + at, out + at);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;
    static W join(W a, W b) {
        if constexpr (std::is_floating_point_v<W>) {
            return product ? a * b : a + b;
        } else {
            const auto x = static_cast<std::uint64_t>(a);
            const auto y = static_cast<std::uint64_t>(b);
            return static_cast<W>(product ? x * y : x + y);
        }
    }
    void one(const T* in, T* out) const {
        W total{product ? 1 : 0};
        for (std::size_t k = 0; k < s_.length; ++k) {
            const std::size_t at = (reverse_ ? s_.length - 1 - k : k) * s_.inner;
            const W x = load_wide(in[at]);
            const W next = join(total, x);
            out[at] = store_narrow<T>(exclusive_ ? total : next);
            total = next;
        }
    }
    AxisSplit s_;
    bool exclusive_, reverse_;
};

Result<std::size_t> cumulative_axis(NodeContext& c) {
    QAICRT_TRY(const auto list, c.constant_ints(1, "axis"));
    if (list.size() != 1) {
        return c.malformed("the axis must be one number");
    }
    return c.normal_axis(list[0], c.input(0).dims.size());
}
Status infer_cumulative(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes | types_of({ElemType::kInt32, ElemType::kInt64,
                                                           ElemType::kUInt32, ElemType::kUInt64})));
    QAICRT_CHECK(cumulative_axis(c));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
template <bool product>
Result<KernelPtr> prepare_cumulative(NodeContext& c) {
    QAICRT_TRY(const std::size_t axis, cumulative_axis(c));
    QAICRT_TRY(const std::int64_t exclusive, c.attr_int("exclusive", 0));
    QAICRT_TRY(const std::int64_t reverse, c.attr_int("reverse", 0));
    const AxisSplit split = AxisSplit::at(c.input(0).dims, axis);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<CumulativeKernel<decltype(tag), product>>(split, exclusive != 0,
                                                                          reverse != 0);
    });
}

// --- Trilu

/// The part of each matrix on one side of a diagonal; the rest is zero.
class TriluKernel final : public Kernel {
  public:
    TriluKernel(std::size_t matrices, std::size_t rows, std::size_t columns, std::int64_t k,
                bool upper, std::size_t bytes)
        : matrices_(matrices),
          rows_(rows),
          columns_(columns),
          k_(k),
          upper_(upper),
          bytes_(bytes) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, matrices_ * rows_, grain_for(columns_ * bytes_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             one_row(args.in[0] + row * columns_ * bytes_,
                                     args.out[0] + row * columns_ * bytes_, row % rows_);
                         }
                     });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    void one_row(const std::byte* in, std::byte* out, std::size_t row) const {
        const auto columns = static_cast<std::int64_t>(columns_);
        // First column on or above the diagonal, clamped without overflow for any k.
        const auto r = static_cast<std::int64_t>(row);
        const std::int64_t k = std::clamp<std::int64_t>(k_, -r - 1, columns);
        const std::int64_t edge = std::clamp<std::int64_t>(r + k + (upper_ ? 0 : 1), 0, columns);
        const auto split = static_cast<std::size_t>(edge) * bytes_;
        const std::size_t all = columns_ * bytes_;
        std::memmove(out, in, all);
        if (upper_) {
            std::memset(out, 0, split);
        } else {
            std::memset(out + split, 0, all - split);
        }
    }
    std::size_t matrices_, rows_, columns_;
    std::int64_t k_;
    bool upper_;
    std::size_t bytes_;
};

Result<std::int64_t> trilu_diagonal(NodeContext& c) {
    if (!c.has_input(1)) {
        return std::int64_t{0};
    }
    QAICRT_TRY(const auto list, c.constant_ints(1, "k"));
    if (list.size() != 1) {
        return c.malformed("k must be one number");
    }
    return list[0];
}
Status infer_trilu(NodeContext& c) {
    if (c.input(0).dims.size() < 2) {
        return c.malformed("its input " + dims_text(c.input(0).dims) + " holds no matrix");
    }
    QAICRT_CHECK(trilu_diagonal(c));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
Result<KernelPtr> prepare_trilu(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t k, trilu_diagonal(c));
    QAICRT_TRY(const std::int64_t upper, c.attr_int("upper", 1));
    const std::size_t matrices =
        c.input(0).count() == 0 ? 0 : count_between(dims, 0, dims.size() - 2);
    return KernelPtr(std::make_unique<TriluKernel>(
        matrices, static_cast<std::size_t>(dims[dims.size() - 2]),
        static_cast<std::size_t>(dims.back()), k, upper != 0, elem_bytes(c.input(0).type)));
}

constexpr const char* kArgAttributes = "axis keepdims select_last_index";

constexpr OpDef kOps[] = {
    {"", "ArgMax", kMinOpset, 11, 1, 1, 1, "axis keepdims", infer_arg, prepare_arg<true>},
    {"", "ArgMax", 12, kMaxOpset, 1, 1, 1, kArgAttributes, infer_arg, prepare_arg<true>},
    {"", "ArgMin", kMinOpset, 11, 1, 1, 1, "axis keepdims", infer_arg, prepare_arg<false>},
    {"", "ArgMin", 12, kMaxOpset, 1, 1, 1, kArgAttributes, infer_arg, prepare_arg<false>},
    {"", "TopK", kMinOpset, 9, 1, 1, 2, "axis k", infer_top, prepare_top},
    {"", "TopK", 10, 10, 2, 2, 2, "axis", infer_top, prepare_top},
    {"", "TopK", 11, kMaxOpset, 2, 2, 2, "axis largest sorted", infer_top, prepare_top},
    {"", "CumSum", 11, kMaxOpset, 2, 2, 1, "exclusive reverse", infer_cumulative,
     prepare_cumulative<false>},
    {"", "CumProd", 26, kMaxOpset, 2, 2, 1, "exclusive reverse", infer_cumulative,
     prepare_cumulative<true>},
    {"", "Trilu", 14, kMaxOpset, 1, 2, 1, "upper", infer_trilu, prepare_trilu},
};

}  // namespace

std::span<const OpDef> order_ops() {
    return kOps;
}

}  // namespace qaicnet
