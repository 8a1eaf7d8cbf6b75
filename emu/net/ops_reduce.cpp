// SPDX-License-Identifier: Apache-2.0
/// Reductions along axes.
///
/// Sums are taken in FP32 (FP64 for DOUBLE) in an order that depends on the shape alone: along the
/// last axis in 16 interleaved lanes that are added pairwise, along others one after the other.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/reduce_plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kTile = 256;

template <class W>
W wrapping_add(W a, W b) {
    if constexpr (std::is_floating_point_v<W>) {
        return a + b;
    } else {
        return static_cast<W>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    }
}
template <class W>
W wrapping_multiply(W a, W b) {
    if constexpr (std::is_floating_point_v<W>) {
        return a * b;
    } else {
        return static_cast<W>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    }
}

/// term(): what an element gives; join(): two partial results; last(): the result.
struct SumReduce {
    template <class W>
    static W start() {
        return W{0};
    }
    template <class W>
    static W term(W x) {
        return x;
    }
    template <class W>
    static W join(W a, W b) {
        return wrapping_add(a, b);
    }
    template <class W>
    static W last(W x, std::size_t) {
        return x;
    }
};
struct MeanReduce : SumReduce {
    template <class W>
    static W last(W x, std::size_t terms) {
        if constexpr (std::is_floating_point_v<W>) {
            return x / static_cast<W>(terms);
        } else {
            // In 64 bits: there may be more terms than a narrow type counts.
            using Wide = std::conditional_t<std::is_signed_v<W>, std::int64_t, std::uint64_t>;
            return terms == 0 ? W{0} : static_cast<W>(Wide{x} / static_cast<Wide>(terms));
        }
    }
};
struct L1Reduce : SumReduce {
    template <class W>
    static W term(W x) {
        if constexpr (std::is_floating_point_v<W>) {
            return std::fabs(x);
        } else {
            return x < W{0} ? wrapping_multiply(x, static_cast<W>(-1)) : x;
        }
    }
};
struct SumSquareReduce : SumReduce {
    template <class W>
    static W term(W x) {
        return wrapping_multiply(x, x);
    }
};
struct L2Reduce : SumSquareReduce {
    template <class W>
    static W last(W x, std::size_t) {
        if constexpr (std::is_floating_point_v<W>) {
            return std::sqrt(x);
        } else {
            return saturated<W>(std::sqrt(static_cast<double>(x)));  // a sum that wrapped gives 0
        }
    }
};
struct LogSumReduce : SumReduce {
    template <class W>
    static W last(W x, std::size_t) {
        if constexpr (std::is_floating_point_v<W>) {
            return std::log(x);
        } else {
            return x <= W{0} ? W{0} : static_cast<W>(std::log(static_cast<double>(x)));
        }
    }
};
struct ProdReduce : SumReduce {
    template <class W>
    static W start() {
        return W{1};
    }
    template <class W>
    static W join(W a, W b) {
        return wrapping_multiply(a, b);
    }
};
struct MaxReduce : SumReduce {
    template <class W>
    static W start() {
        using L = std::numeric_limits<W>;
        return L::has_infinity ? -L::infinity() : L::lowest();
    }
    template <class W>
    static W join(W a, W b) {
        return b > a || b != b ? b : a;
    }
};
struct MinReduce : SumReduce {
    template <class W>
    static W start() {
        using L = std::numeric_limits<W>;
        return L::has_infinity ? L::infinity() : L::max();
    }
    template <class W>
    static W join(W a, W b) {
        return b < a || b != b ? b : a;
    }
};

/// The minimum of Booleans: of none it is true.
struct AllReduce : MinReduce {
    template <class W>
    static W start() {
        return W{1};
    }
};

template <class T, class R>
class ReduceKernel final : public Kernel {
  public:
    explicit ReduceKernel(ReducePlan plan) : plan_(std::move(plan)) {}

    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const std::size_t tiles = (plan_.inner + kTile - 1) / kTile;
        const std::size_t outer = plan_.inner == 0 ? 0 : plan_.outputs / plan_.inner;
        const std::size_t cost = plan_.terms * std::min(plan_.inner, kTile) + 16;
        parallel_for(args.workers, outer * tiles, grain_for(cost),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t row = i / tiles;
                             const std::size_t from = i % tiles * kTile;
                             const std::size_t count = std::min(kTile, plan_.inner - from);
                             const T* base = in + plan_.base_of(row) + from;
                             T* to = out + row * plan_.inner + from;
                             if (count == 1 && plan_.contiguous) {
                                 *to = store_narrow<T>(R::last(reduce_row(base), plan_.terms));
                             } else {
                                 reduce_tile(base, to, count);
                             }
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;

    W reduce_row(const T* base) const {
        W result = R::template start<W>();
        const std::size_t run = plan_.reduced.back().size;
        plan_.for_each_term(plan_.reduced.size() - 1, [&](std::size_t offset) {
            result = R::join(result, reduce_run(base + offset, run));
        });
        return result;
    }

    static W reduce_run(const T* in, std::size_t count) {
        W lanes[kLanes];
        std::fill_n(lanes, kLanes, R::template start<W>());
        std::size_t i = 0;
        for (; i + kLanes <= count; i += kLanes) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                lanes[lane] = R::join(lanes[lane], R::term(load_wide(in[i + lane])));
            }
        }
        for (std::size_t lane = 0; lane < kLanes && i + lane < count; ++lane) {
            lanes[lane] = R::join(lanes[lane], R::term(load_wide(in[i + lane])));
        }
        for (std::size_t width = kLanes / 2; width != 0; width /= 2) {
            for (std::size_t lane = 0; lane < width; ++lane) {
                lanes[lane] = R::join(lanes[lane], lanes[lane + width]);
            }
        }
        return lanes[0];
    }

    void reduce_tile(const T* base, T* out, std::size_t count) const {
        W sums[kTile];
        std::fill_n(sums, count, R::template start<W>());
        plan_.for_each_term(plan_.reduced.size(), [&](std::size_t offset) {
            const T* in = base + offset;
            for (std::size_t j = 0; j < count; ++j) {
                sums[j] = R::join(sums[j], R::term(load_wide(in[j])));
            }
        });
        for (std::size_t j = 0; j < count; ++j) {
            out[j] = store_narrow<T>(R::last(sums[j], plan_.terms));
        }
    }

    ReducePlan plan_;
};

/// log of the sum of exp, relative to the greatest element so that nothing overflows.
template <class T>
class LogSumExpKernel final : public Kernel {
  public:
    explicit LogSumExpKernel(ReducePlan plan) : plan_(std::move(plan)) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, plan_.outputs, grain_for(plan_.terms * 32),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             out[i] = one(in + plan_.base_of(i / plan_.inner) + i % plan_.inner);
                         }
                     });
        return {};
    }

  private:
    T one(const T* base) const {
        double top = -std::numeric_limits<double>::infinity();
        plan_.for_each_term(plan_.reduced.size(), [&](std::size_t offset) {
            top = std::fmax(top, static_cast<double>(load_wide(base[offset])));
        });
        double sum = 0;
        const double shift = std::isinf(top) ? 0.0 : top;
        plan_.for_each_term(plan_.reduced.size(), [&](std::size_t offset) {
            sum += std::exp(static_cast<double>(load_wide(base[offset])) - shift);
        });
        const double result = std::log(sum) + shift;
        if constexpr (std::is_integral_v<T>) {
            return std::isfinite(result) ? saturated<T>(result) : T{0};
        } else {
            return store_narrow<T>(static_cast<WideOf<T>>(result));
        }
    }
    ReducePlan plan_;
};

Result<std::vector<bool>> reduced_axes(NodeContext& c) {
    const std::size_t rank = c.input(0).dims.size();
    std::vector<std::int64_t> axes;
    if (c.has_input(1)) {
        QAICRT_TRY(axes, c.constant_ints(1, "axes"));
    } else {
        QAICRT_TRY(axes, c.attr_ints("axes"));
    }
    QAICRT_TRY(const std::int64_t noop, c.attr_int("noop_with_empty_axes", 0));
    std::vector<bool> marked(rank, axes.empty() && noop == 0);
    for (const std::int64_t axis : axes) {
        QAICRT_TRY(const std::size_t at, c.normal_axis(axis, rank));
        marked[at] = true;
    }
    return marked;
}

Status infer_reduce(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(c.require_type(0, allowed));
    QAICRT_TRY(const std::int64_t keep, c.attr_int("keepdims", 1));
    QAICRT_TRY(const auto reduces, reduced_axes(c));
    Shape out;
    for (std::size_t i = 0; i < reduces.size(); ++i) {
        if (!reduces[i]) {
            out.push_back(c.input(0).dims[i]);
        } else if (keep != 0) {
            out.push_back(1);
        }
    }
    return c.set_output(0, c.input(0).type, std::move(out));
}

constexpr TypeSet kSumTypes = kFloatTypes | types_of({ElemType::kInt32, ElemType::kInt64,
                                                      ElemType::kUInt32, ElemType::kUInt64});
Status infer_sum(NodeContext& c) {
    return infer_reduce(c, kSumTypes);
}
Status infer_extreme(NodeContext& c) {
    return infer_reduce(c, kAllTypes);
}

template <template <class...> class K, class... R>
Result<KernelPtr> sum_kernel(NodeContext& c) {
    QAICRT_TRY(const auto reduces, reduced_axes(c));
    ReducePlan plan = ReducePlan::make(c.input(0).dims, reduces);
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return KernelPtr(std::make_unique<K<Half, R...>>(std::move(plan)));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<K<double, R...>>(std::move(plan)));
        case ElemType::kInt32:
            return KernelPtr(std::make_unique<K<std::int32_t, R...>>(std::move(plan)));
        case ElemType::kInt64:
            return KernelPtr(std::make_unique<K<std::int64_t, R...>>(std::move(plan)));
        case ElemType::kUInt32:
            return KernelPtr(std::make_unique<K<std::uint32_t, R...>>(std::move(plan)));
        case ElemType::kUInt64:
            return KernelPtr(std::make_unique<K<std::uint64_t, R...>>(std::move(plan)));
        default:
            return KernelPtr(std::make_unique<K<float, R...>>(std::move(plan)));
    }
}

template <class R>
Result<KernelPtr> prepare_sum(NodeContext& c) {
    return sum_kernel<ReduceKernel, R>(c);
}
Result<KernelPtr> prepare_log_sum_exp(NodeContext& c) {
    return sum_kernel<LogSumExpKernel>(c);
}
template <class R>
Result<KernelPtr> prepare_extreme(NodeContext& c) {
    QAICRT_TRY(const auto reduces, reduced_axes(c));
    ReducePlan plan = ReducePlan::make(c.input(0).dims, reduces);
    if (c.input(0).type == ElemType::kBool) {
        using B = std::conditional_t<std::is_same_v<R, MinReduce>, AllReduce, R>;
        return KernelPtr(std::make_unique<ReduceKernel<std::uint8_t, B>>(std::move(plan)));
    }
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<ReduceKernel<decltype(tag), R>>(std::move(plan));
    });
}

/// Before `list_as_input` the axes are an attribute, from then on an input.
#define QAICNET_REDUCTION(name, list_as_input, infer, prepare)                               \
    {"", name, 1, (list_as_input)-1, 1, 1, 1, "axes keepdims", infer, prepare}, {            \
        "", name, list_as_input, kMaxOpset, 1, 2, 1, "keepdims noop_with_empty_axes", infer, \
            prepare                                                                          \
    }

constexpr OpDef kOps[] = {
    QAICNET_REDUCTION("ReduceSum", 13, infer_sum, prepare_sum<SumReduce>),
    QAICNET_REDUCTION("ReduceMean", 18, infer_sum, prepare_sum<MeanReduce>),
    QAICNET_REDUCTION("ReduceL1", 18, infer_sum, prepare_sum<L1Reduce>),
    QAICNET_REDUCTION("ReduceL2", 18, infer_sum, prepare_sum<L2Reduce>),
    QAICNET_REDUCTION("ReduceSumSquare", 18, infer_sum, prepare_sum<SumSquareReduce>),
    QAICNET_REDUCTION("ReduceLogSum", 18, infer_sum, prepare_sum<LogSumReduce>),
    QAICNET_REDUCTION("ReduceLogSumExp", 18, infer_sum, prepare_log_sum_exp),
    QAICNET_REDUCTION("ReduceProd", 18, infer_sum, prepare_sum<ProdReduce>),
    QAICNET_REDUCTION("ReduceMax", 18, infer_extreme, prepare_extreme<MaxReduce>),
    QAICNET_REDUCTION("ReduceMin", 18, infer_extreme, prepare_extreme<MinReduce>),
};
#undef QAICNET_REDUCTION

}  // namespace

std::span<const OpDef> reduce_ops() {
    return kOps;
}

}  // namespace qaicnet
