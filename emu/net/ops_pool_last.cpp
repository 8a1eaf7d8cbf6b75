// SPDX-License-Identifier: Apache-2.0
/// MaxPool and AveragePool of FLOAT on channels last (operators of ai.qaic.emu that a pass makes),
/// the global pools too: vectors of channels instead of single results. Same order of summation,
/// hence the same bits, as ops_pool.cpp.
#include "emu/net/parallel.hpp"
#include "emu/net/reach.hpp"
#include "emu/net/wide.hpp"

#include <algorithm>
#include <limits>

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
QAICNET_WIDE void add_to(const float* x, float* sum, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        sum[i] += x[i];
    }
}
QAICNET_WIDE void divide_by(float divisor, float* x, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        x[i] /= divisor;
    }
}

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

    virtual void reduce(const float* image, const Reaches& r, std::size_t channels,
                        float* out) const = 0;

    void one(const RunArgs& args, std::size_t image, std::size_t output,
             std::size_t channel) const {
        const auto& a = w_.axes;
        const auto at = static_cast<std::int64_t>(output);
        const Reaches r{Reach::of(a[0], at / (a[1].out * a[2].out)),
                        Reach::of(a[1], at / a[2].out % a[1].out), Reach::of(a[2], at % a[2].out)};
        const auto in_count = static_cast<std::size_t>(w_.in_count());
        const auto out_count = static_cast<std::size_t>(w_.out_count());
        reduce(as<float>(args.in[0]) + image * in_count * channels_ + channel, r,
               std::min(kBlock, channels_ - channel),
               as<float>(args.out[0]) + (image * out_count + output) * channels_ + channel);
    }

    Window w_;
    std::size_t images_, channels_;
};

class MaxPoolLast final : public PoolKernel {
  public:
    using PoolKernel::PoolKernel;

  private:
    void reduce(const float* image, const Reaches& r, std::size_t channels,
                float* out) const override {
        float best[kBlock];
        std::fill_n(best, channels, -std::numeric_limits<float>::infinity());
        for_each_position(w_, r, [&](std::int64_t at) {
            take_larger(image + static_cast<std::size_t>(at) * channels_, best, channels);
        });
        std::copy_n(best, channels, out);
    }
};

class AveragePoolLast final : public PoolKernel {
  public:
    AveragePoolLast(const Window& window, std::size_t images, std::size_t channels,
                    bool count_padding)
        : PoolKernel(window, images, channels), count_padding_(count_padding) {}

  private:
    void reduce(const float* image, const Reaches& r, std::size_t channels,
                float* out) const override {
        float sum[kBlock] = {};
        for_each_position(w_, r, [&](std::int64_t at) {
            add_to(image + static_cast<std::size_t>(at) * channels_, sum, channels);
        });
        divide_by(static_cast<float>(window_size(w_, r, count_padding_)), sum, channels);
        std::copy_n(sum, channels, out);
    }
    bool count_padding_;
};

Status infer_pool_last(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, types_of({ElemType::kFloat})));
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    QAICRT_CHECK(c.attr_int("count_include_pad", 0));
    Shape out{c.input(0).dims[0]};
    for (std::size_t i = 0; i < w.rank; ++i) {
        out.push_back(w.axes[kMaxSpatial - w.rank + i].out);
    }
    out.push_back(c.input(0).dims.back());
    return c.set_output(0, ElemType::kFloat, std::move(out));
}

Result<KernelPtr> prepare_max_pool_last(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    const auto images = static_cast<std::size_t>(c.input(0).dims[0]);
    const auto channels = static_cast<std::size_t>(c.input(0).dims.back());
    return KernelPtr(std::make_unique<MaxPoolLast>(w, images, channels));
}

Result<KernelPtr> prepare_average_pool_last(NodeContext& c) {
    QAICRT_TRY(const Window w, read_window(c, {}, true));
    QAICRT_TRY(const std::int64_t padding, c.attr_int("count_include_pad", 0));
    const auto images = static_cast<std::size_t>(c.input(0).dims[0]);
    const auto channels = static_cast<std::size_t>(c.input(0).dims.back());
    return KernelPtr(std::make_unique<AveragePoolLast>(w, images, channels, padding != 0));
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
