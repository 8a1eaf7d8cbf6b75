// SPDX-License-Identifier: Apache-2.0
/// MaxPool, AveragePool, LpPool and the pools over all positions.
///
/// Averages are summed in FP64, row by row of the window, and rounded once.
#include "emu/net/axes.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/reach.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// One image of one channel after the other; `body` fills one result.
template <class Body>
void for_each_result(const Window& w, std::size_t planes, Workers& workers, Body&& body) {
    const auto& a = w.axes;
    const auto lines = static_cast<std::size_t>(a[0].out * a[1].out);
    const auto width = static_cast<std::size_t>(a[2].out);
    const auto cost = static_cast<std::size_t>(w.kernel_count()) * width + 1;
    parallel_for(workers, planes * lines, grain_for(cost), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const auto line = static_cast<std::int64_t>(i % lines);
            Reaches r{Reach::of(a[0], line / a[1].out), Reach::of(a[1], line % a[1].out),
                      Reach{0, 0, 0}};
            for (std::size_t x = 0; x < width; ++x) {
                r[2] = Reach::of(a[2], static_cast<std::int64_t>(x));
                body(i / lines, i * width + x, r);
            }
        }
    });
}

// --- MaxPool

template <class T>
class MaxPoolKernel final : public Kernel {
  public:
    MaxPoolKernel(const Window& window, std::size_t planes, bool column_major, std::size_t outputs)
        : w_(window), planes_(planes), column_major_(column_major), outputs_(outputs) {}

    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        std::int64_t* indices =
            outputs_ > 1 && args.out[1] != nullptr ? as<std::int64_t>(args.out[1]) : nullptr;
        const std::int64_t size = w_.in_count();
        for_each_result(w_, planes_, args.workers,
                        [&](std::size_t plane, std::size_t result, const Reaches& r) {
                            const T* image = in + plane * static_cast<std::size_t>(size);
                            const std::int64_t best = find(image, r);
                            out[result] = best < 0 ? lowest() : image[best];
                            if (indices != nullptr) {
                                indices[result] = static_cast<std::int64_t>(plane) * size +
                                                  number(std::max<std::int64_t>(best, 0));
                            }
                        });
        return {};
    }

  private:
    /// A NaN is the greatest; the first of equal elements wins. -1 where only padding is.
    std::int64_t find(const T* image, const Reaches& r) const {
        std::int64_t best = -1;
        WideOf<T> value{};
        for_each_position(w_, r, [&](std::int64_t at) {
            const auto x = load_wide(image[at]);
            if (best < 0 || x > value || (x != x && value == value)) {
                best = at;
                value = x;
            }
        });
        return best;
    }
    static T lowest() {
        using L = std::numeric_limits<WideOf<T>>;
        return store_narrow<T>(L::has_infinity ? -L::infinity() : L::lowest());
    }
    std::int64_t number(std::int64_t at) const {
        if (!column_major_) {
            return at;
        }
        const auto& a = w_.axes;
        const std::int64_t d = at / (a[1].in * a[2].in);
        const std::int64_t h = at / a[2].in % a[1].in;
        const std::int64_t x = at % a[2].in;
        return (x * a[1].in + h) * a[0].in + d;
    }
    Window w_;
    std::size_t planes_;
    bool column_major_;
    std::size_t outputs_;
};

std::size_t planes_of(NodeContext& c) {
    return c.output().count() == 0 ? 0 : count_between(c.input(0).dims, 0, 2);
}

Status set_pooled(NodeContext& c, const Window& w) {
    Shape out{c.input(0).dims[0], c.input(0).dims[1]};
    for (std::size_t i = 0; i < w.rank; ++i) {
        out.push_back(w.axes[kMaxSpatial - w.rank + i].out);
    }
    QAICRT_CHECK(c.set_output(0, c.input(0).type, out));
    QAICRT_CHECK(c.set_output(1, ElemType::kInt64, std::move(out)));
    // Padding is not walked over.
    return c.set_work(
        {c.output().count(), static_cast<std::uint64_t>(std::min(w.kernel_count(), w.in_count()))});
}

Status infer_max_pool(NodeContext& c) {
    QAICRT_CHECK(c.require_type(
        0, c.opset() < 12 ? kFloatTypes
                          : kFloatTypes | types_of({ElemType::kInt8, ElemType::kUInt8})));
    QAICRT_TRY(const Window w, read_window(c, {}));
    QAICRT_CHECK(c.attr_int("storage_order", 0));
    return set_pooled(c, w);
}

Result<KernelPtr> prepare_max_pool(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}));
    QAICRT_TRY(const std::int64_t order, c.attr_int("storage_order", 0));
    const std::size_t planes = planes_of(c);
    const auto make = [&](auto tag) -> KernelPtr {
        return std::make_unique<MaxPoolKernel<decltype(tag)>>(w, planes, order != 0,
                                                              c.num_outputs());
    };
    switch (c.input(0).type) {
        case ElemType::kInt8:
            return make(std::int8_t{});
        case ElemType::kUInt8:
            return make(std::uint8_t{});
        default:
            return with_float_type(c.input(0).type, make);
    }
}

// --- AveragePool, LpPool

template <class T>
class AveragePoolKernel final : public Kernel {
  public:
    AveragePoolKernel(const Window& window, std::size_t planes, bool count_padding)
        : w_(window), planes_(planes), count_padding_(count_padding) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const auto size = static_cast<std::size_t>(w_.in_count());
        for_each_result(w_, planes_, args.workers,
                        [&](std::size_t plane, std::size_t result, const Reaches& r) {
                            const T* image = in + plane * size;
                            double sum = 0;
                            for_each_position(w_, r, [&](std::int64_t at) {
                                sum += static_cast<double>(load_wide(image[at]));
                            });
                            const auto positions =
                                static_cast<double>(window_size(w_, r, count_padding_));
                            out[result] = store_narrow<T>(static_cast<WideOf<T>>(sum / positions));
                        });
        return {};
    }

  private:
    Window w_;
    std::size_t planes_;
    bool count_padding_;
};

Status infer_pool(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_TRY(const Window w, read_window(c, {}));
    QAICRT_CHECK(c.attr_int("count_include_pad", 0));
    return set_pooled(c, w);
}

Result<KernelPtr> prepare_average_pool(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}));
    QAICRT_TRY(const std::int64_t padding, c.attr_int("count_include_pad", 0));
    const std::size_t planes = planes_of(c);
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<AveragePoolKernel<decltype(tag)>>(w, planes, padding != 0);
    });
}

template <class T>
class LpPoolKernel final : public Kernel {
  public:
    LpPoolKernel(const Window& window, std::size_t planes, std::int64_t p)
        : w_(window), planes_(planes), p_(static_cast<W>(p)) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const auto size = static_cast<std::size_t>(w_.in_count());
        for_each_result(w_, planes_, args.workers,
                        [&](std::size_t plane, std::size_t result, const Reaches& r) {
                            const T* image = in + plane * size;
                            W sum{0};
                            for_each_position(w_, r, [&](std::int64_t at) {
                                sum += std::pow(std::fabs(load_wide(image[at])), p_);
                            });
                            out[result] = store_narrow<T>(std::pow(sum, W{1} / p_));
                        });
        return {};
    }

  private:
    using W = WideOf<T>;
    Window w_;
    std::size_t planes_;
    W p_;
};

Result<std::int64_t> read_p(NodeContext& c) {
    QAICRT_TRY(const std::int64_t p, c.attr_int("p", 2));
    if (p < 1) {
        return c.malformed(fmt::format("the attribute 'p' is {}, it must be at least 1", p));
    }
    return p;
}
Status infer_lp_pool(NodeContext& c) {
    QAICRT_CHECK(read_p(c));
    return infer_pool(c);
}
Result<KernelPtr> lp_kernel(NodeContext& c, const Window& w) {
    QAICRT_TRY(const std::int64_t p, read_p(c));
    const std::size_t planes = planes_of(c);
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<LpPoolKernel<decltype(tag)>>(w, planes, p);
    });
}
Result<KernelPtr> prepare_lp_pool(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}));
    return lp_kernel(c, w);
}

// --- pools over all positions, of any number of axes: one long line

Result<Window> whole_image(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    if (dims.size() < 2) {
        return c.malformed("its input " + dims_text(dims) + " has no channels");
    }
    Window w;
    w.rank = 1;
    w.axes[2].in = w.axes[2].kernel =
        static_cast<std::int64_t>(count_between(dims, 2, dims.size()));
    return w;
}

Status infer_global(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(whole_image(c));
    Shape out(c.input(0).dims.size(), 1);
    out[0] = c.input(0).dims[0];
    out[1] = c.input(0).dims[1];
    return c.set_output(0, c.input(0).type, std::move(out));
}
Result<KernelPtr> prepare_global_average(NodeContext& c) {
    QAICRT_TRY(const Window w, whole_image(c));
    const std::size_t planes = planes_of(c);
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<AveragePoolKernel<decltype(tag)>>(w, planes, false);
    });
}
Result<KernelPtr> prepare_global_max(NodeContext& c) {
    QAICRT_TRY(const Window w, whole_image(c));
    const std::size_t planes = planes_of(c);
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<MaxPoolKernel<decltype(tag)>>(w, planes, false, 1);
    });
}
Status infer_global_lp(NodeContext& c) {
    QAICRT_CHECK(read_p(c));
    return infer_global(c);
}
Result<KernelPtr> prepare_global_lp(NodeContext& c) {
    QAICRT_TRY(const Window w, whole_image(c));
    return lp_kernel(c, w);
}

constexpr const char* kMax7 = "auto_pad kernel_shape pads strides";
constexpr const char* kMax8 = "auto_pad kernel_shape pads strides storage_order";
constexpr const char* kMax10 =
    "auto_pad ceil_mode dilations kernel_shape pads storage_order strides";
constexpr const char* kAverage7 = "auto_pad count_include_pad kernel_shape pads strides";
constexpr const char* kAverage10 = "auto_pad ceil_mode count_include_pad kernel_shape pads strides";
constexpr const char* kAverage19 =
    "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides";
constexpr const char* kLp18 = "auto_pad ceil_mode dilations kernel_shape p pads strides";

constexpr OpDef kOps[] = {
    {"", "MaxPool", kMinOpset, 7, 1, 1, 1, kMax7, infer_max_pool, prepare_max_pool},
    {"", "MaxPool", 8, 9, 1, 1, 2, kMax8, infer_max_pool, prepare_max_pool},
    {"", "MaxPool", 10, kMaxOpset, 1, 1, 2, kMax10, infer_max_pool, prepare_max_pool},
    {"", "AveragePool", kMinOpset, 9, 1, 1, 1, kAverage7, infer_pool, prepare_average_pool},
    {"", "AveragePool", 10, 18, 1, 1, 1, kAverage10, infer_pool, prepare_average_pool},
    {"", "AveragePool", 19, kMaxOpset, 1, 1, 1, kAverage19, infer_pool, prepare_average_pool},
    {"", "LpPool", kMinOpset, 17, 1, 1, 1, "auto_pad kernel_shape p pads strides", infer_lp_pool,
     prepare_lp_pool},
    {"", "LpPool", 18, kMaxOpset, 1, 1, 1, kLp18, infer_lp_pool, prepare_lp_pool},
    {"", "GlobalAveragePool", 1, kMaxOpset, 1, 1, 1, "", infer_global, prepare_global_average},
    {"", "GlobalMaxPool", 1, kMaxOpset, 1, 1, 1, "", infer_global, prepare_global_max},
    {"", "GlobalLpPool", kMinOpset, kMaxOpset, 1, 1, 1, "p", infer_global_lp, prepare_global_lp},
};

}  // namespace

std::span<const OpDef> pool_ops() {
    return kOps;
}

}  // namespace qaicnet
