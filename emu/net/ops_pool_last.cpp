// SPDX-License-Identifier: Apache-2.0
/// MaxPool and AveragePool of FLOAT and FLOAT16 on channels last (operators of ai.qaic.emu that a
/// pass makes), the global pools too: vectors of channels instead of single results. Same order of
/// summation, hence the same bits, as ops_pool.cpp.
#include "emu/net/half.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/reach.hpp"
#include "emu/net/wide.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// A NaN is the greatest and stays.
QAICNET_WIDE void take_larger(const float* x, float* best, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        best[i] = x[i] > best[i] || x[i] != x[i] ? x[i] : best[i];
    }
}
QAICNET_WIDE void add_to(const float* x, double* sum, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        sum[i] += static_cast<double>(x[i]);
    }
}
QAICNET_WIDE void divide(const double* sum, double divisor, float* out,
                         std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = static_cast<float>(sum[i] / divisor);
    }
}

/// T: float or Half, which is computed in FP32 and rounded once.
template <class T>
class PoolKernel : public Kernel {
  public:
    PoolKernel(const Window& window, std::size_t images, std::size_t channels)
        : w_(window), images_(images), channels_(channels) {}

    Status run(const RunArgs& args) const override {
        const auto outputs = static_cast<std::size_t>(w_.out_count());
        const std::size_t blocks = (channels_ + kBlock - 1) / kBlock;
        const auto cost = static_cast<std::size_t>(w_.kernel_count()) * kBlock / 4 + 1;
        parallel_for(args.workers, images_ * outputs * blocks, grain_for(cost),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             one(args, i / blocks / outputs, i / blocks % outputs,
                                 i % blocks * kBlock);
                         }
                     });
        return {};
    }

  protected:
    static constexpr std::size_t kBlock = 64;  ///< channels that are worked on together

    /// result[c] over the positions of a window; image points at the block's first channel.
    virtual void reduce(const T* image, const Reaches& r, std::size_t channels,
                        float* result) const = 0;

    /// Channels of one position, in FP32.
    const float* at(const T* image, std::int64_t position, std::size_t channels,
                    float* wide) const {
        const T* from = image + static_cast<std::size_t>(position) * channels_;
        if constexpr (std::is_same_v<T, Half>) {
            widen(from, wide, channels);
            return wide;
        } else {
            return from;
        }
    }

    Window w_;
    std::size_t images_, channels_;

  private:
    void one(const RunArgs& args, std::size_t image, std::size_t output,
             std::size_t channel) const {
        const auto& a = w_.axes;
        const auto position = static_cast<std::int64_t>(output);
        const Reaches r{Reach::of(a[0], position / (a[1].out * a[2].out)),
                        Reach::of(a[1], position / a[2].out % a[1].out),
                        Reach::of(a[2], position % a[2].out)};
        const auto in_count = static_cast<std::size_t>(w_.in_count());
        const auto out_count = static_cast<std::size_t>(w_.out_count());
        const std::size_t channels = std::min(kBlock, channels_ - channel);
        float result[kBlock];
        reduce(as<T>(args.in[0]) + image * in_count * channels_ + channel, r, channels, result);
        T* out = as<T>(args.out[0]) + (image * out_count + output) * channels_ + channel;
        if constexpr (std::is_same_v<T, Half>) {
            narrow(result, out, channels);
        } else {
            std::copy_n(result, channels, out);
        }
    }
};

template <class T>
class MaxPoolLast final : public PoolKernel<T> {
  public:
    using PoolKernel<T>::PoolKernel;

  private:
    void reduce(const T* image, const Reaches& r, std::size_t channels,
                float* result) const override {
        float wide[PoolKernel<T>::kBlock];
        std::fill_n(result, channels, -std::numeric_limits<float>::infinity());
        for_each_position(this->w_, r, [&](std::int64_t position) {
            take_larger(this->at(image, position, channels, wide), result, channels);
        });
    }
};

template <class T>
class AveragePoolLast final : public PoolKernel<T> {
  public:
    AveragePoolLast(const Window& window, std::size_t images, std::size_t channels,
                    bool count_padding)
        : PoolKernel<T>(window, images, channels), count_padding_(count_padding) {}

  private:
    void reduce(const T* image, const Reaches& r, std::size_t channels,
                float* result) const override {
        float wide[PoolKernel<T>::kBlock];
        double sum[PoolKernel<T>::kBlock] = {};
        for_each_position(this->w_, r, [&](std::int64_t position) {
            add_to(this->at(image, position, channels, wide), sum, channels);
        });
        divide(sum, static_cast<double>(window_size(this->w_, r, count_padding_)), result,
               channels);
    }
    bool count_padding_;
};

Status infer_pool_last(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, types_of({ElemType::kFloat, ElemType::kFloat16})));
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    QAICRT_CHECK(c.attr_int("count_include_pad", 0));
    Shape out{c.input(0).dims[0]};
    for (std::size_t i = 0; i < w.rank; ++i) {
        out.push_back(w.axes[kMaxSpatial - w.rank + i].out);
    }
    out.push_back(c.input(0).dims.back());
    return c.set_output(0, c.input(0).type, std::move(out));
}

Result<KernelPtr> prepare_max_pool_last(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    const auto images = static_cast<std::size_t>(c.input(0).dims[0]);
    const auto channels = static_cast<std::size_t>(c.input(0).dims.back());
    if (c.input(0).type == ElemType::kFloat16) {
        return KernelPtr(std::make_unique<MaxPoolLast<Half>>(w, images, channels));
    }
    return KernelPtr(std::make_unique<MaxPoolLast<float>>(w, images, channels));
}

Result<KernelPtr> prepare_average_pool_last(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    QAICRT_TRY(const std::int64_t padding, c.attr_int("count_include_pad", 0));
    const auto images = static_cast<std::size_t>(c.input(0).dims[0]);
    const auto channels = static_cast<std::size_t>(c.input(0).dims.back());
    const bool count_padding = padding != 0;
    if (c.input(0).type == ElemType::kFloat16) {
        return KernelPtr(
            std::make_unique<AveragePoolLast<Half>>(w, images, channels, count_padding));
    }
    return KernelPtr(std::make_unique<AveragePoolLast<float>>(w, images, channels, count_padding));
}

constexpr const char* kAttributes =
    "auto_pad ceil_mode channels_last count_include_pad dilations kernel_shape pads strides";

constexpr OpDef kOps[] = {
    {kEmuDomain, "MaxPool", 1, 1, 1, 1, 1, kAttributes, infer_pool_last, prepare_max_pool_last},
    {kEmuDomain, "AveragePool", 1, 1, 1, 1, 1, kAttributes, infer_pool_last,
     prepare_average_pool_last},
};

}  // namespace

std::span<const OpDef> pool_last_ops() {
    return kOps;
}

}  // namespace qaicnet
