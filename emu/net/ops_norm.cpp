// SPDX-License-Identifier: Apache-2.0
/// Batch, instance, layer and root-mean-square normalisation.
///
/// Means and variances are taken in FP32 (FP64 for DOUBLE), in 16 interleaved lanes that are added
/// pairwise, then the sum of squared differences the same way; FLOAT16 is rounded once.
#include "emu/net/axes.hpp"
#include "emu/net/parallel.hpp"

#include <fmt/format.h>

#include <cmath>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::size_t kLanes = 16;

/// Sum of term(i) for i in [0, count).
template <class W, class Term>
W lane_sum(std::size_t count, Term&& term) {
    W lanes[kLanes] = {};
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            lanes[lane] += term(i + lane);
        }
    }
    for (std::size_t lane = 0; lane < kLanes && i + lane < count; ++lane) {
        lanes[lane] += term(i + lane);
    }
    for (std::size_t width = kLanes / 2; width != 0; width /= 2) {
        for (std::size_t lane = 0; lane < width; ++lane) {
            lanes[lane] += lanes[lane + width];
        }
    }
    return lanes[0];
}

template <class W>
struct Moments {
    W mean, inverse_deviation;
};

template <class T>
Moments<WideOf<T>> moments(const T* in, std::size_t count, float epsilon, bool centred) {
    using W = WideOf<T>;
    const W n = static_cast<W>(count);
    const W mean =
        centred ? lane_sum<W>(count, [&](std::size_t i) { return load_wide(in[i]); }) / n : W{0};
    const W squares = lane_sum<W>(count, [&](std::size_t i) {
        const W d = load_wide(in[i]) - mean;
        return d * d;
    });
    return {mean, W{1} / std::sqrt(squares / n + static_cast<W>(epsilon))};
}

// --- LayerNormalization, RMSNormalization

template <class T>
class LayerKernel final : public Kernel {
  public:
    struct Setup {
        std::size_t rows, length;
        float epsilon;
        bool centred, has_bias;
        /// Elements of scale and bias that a row uses; they repeat along the rows.
        std::size_t scale_period, bias_period;
    };
    explicit LayerKernel(const Setup& setup) : s_(setup) {}

    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, s_.rows, grain_for(s_.length * 4),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             one_row(args, row);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;
    void one_row(const RunArgs& args, std::size_t row) const {
        const T* in = as<T>(args.in[0]) + row * s_.length;
        const T* scale = as<T>(args.in[1]);
        const T* bias = s_.has_bias ? as<T>(args.in[2]) : nullptr;
        T* out = as<T>(args.out[0]) + row * s_.length;
        const auto m = moments(in, s_.length, s_.epsilon, s_.centred);
        const std::size_t from = row * s_.length;
        if (s_.scale_period == s_.length && (bias == nullptr || s_.bias_period == s_.length)) {
            for (std::size_t i = 0; i < s_.length; ++i) {
                const W y = (load_wide(in[i]) - m.mean) * m.inverse_deviation * load_wide(scale[i]);
                out[i] = store_narrow<T>(bias != nullptr ? y + load_wide(bias[i]) : y);
            }
        } else {
            for (std::size_t i = 0; i < s_.length; ++i) {
                const W y = (load_wide(in[i]) - m.mean) * m.inverse_deviation *
                            load_wide(scale[(from + i) % s_.scale_period]);
                out[i] = store_narrow<T>(
                    bias != nullptr ? y + load_wide(bias[(from + i) % s_.bias_period]) : y);
            }
        }
        store_moment(args.out[1], row, m.mean);
        store_moment(args.out[2], row, m.inverse_deviation);
    }
    static void store_moment(std::byte* out, std::size_t row, W value) {
        if (out != nullptr) {
            as<float>(out)[row] = static_cast<float>(value);
        }
    }
    Setup s_;
};

/// The kernel reads three results; a node may have fewer.
class PaddedOutputs final : public Kernel {
  public:
    PaddedOutputs(KernelPtr kernel, std::size_t outputs)
        : kernel_(std::move(kernel)), outputs_(outputs) {}
    Status run(const RunArgs& args) const override {
        std::byte* out[3] = {};
        for (std::size_t i = 0; i < outputs_ && i < 3; ++i) {
            out[i] = args.out[i];
        }
        return kernel_->run({args.in, out, args.scratch, args.workers});
    }

  private:
    KernelPtr kernel_;
    std::size_t outputs_;
};

/// Scale and bias must repeat along the leading axes: a period, counted from the last axis.
Result<std::size_t> period_of(NodeContext& c, std::size_t i) {
    const Shape& dims = c.input(0).dims;
    const Shape& small = c.input(i).dims;
    std::size_t first = small.size();
    for (std::size_t k = small.size(); k-- > 0;) {
        first = small[k] != 1 ? k : first;
    }
    bool suffix = small.size() <= dims.size();
    const std::size_t lead = suffix ? dims.size() - small.size() : 0;
    for (std::size_t k = first; suffix && k < small.size(); ++k) {
        suffix = small[k] == dims[lead + k];
    }
    if (!suffix) {
        return c.fail(qaicrt::Errc::kUnsupported,
                      fmt::format("its input {} of shape {} does not repeat along {}", i,
                                  dims_text(small), dims_text(dims)));
    }
    return std::max<std::size_t>(count_between(small, first, small.size()), 1);
}

Status infer_layer(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    if (c.has_input(2)) {
        QAICRT_CHECK(c.require_same_type(0, 2));
    }
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const std::int64_t stash, c.attr_int("stash_type", 1));
    if (stash != 1) {
        return c.fail(qaicrt::Errc::kUnsupported, fmt::format("stash_type {} is not FLOAT", stash));
    }
    for (std::size_t i = 1; i < c.num_inputs(); ++i) {
        if (c.has_input(i)) {
            QAICRT_CHECK(period_of(c, i));
        }
    }
    Shape stats = dims;
    for (std::size_t i = axis; i < stats.size(); ++i) {
        stats[i] = 1;
    }
    QAICRT_CHECK(c.set_output(0, c.input(0).type, dims));
    QAICRT_CHECK(c.set_output(1, ElemType::kFloat, stats));
    return c.set_output(2, ElemType::kFloat, std::move(stats));
}

template <bool centred>
Result<KernelPtr> prepare_layer(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size()));
    QAICRT_TRY(const float epsilon, c.attr_float("epsilon", 1e-5F));
    QAICRT_TRY(const std::size_t scale, period_of(c, 1));
    std::size_t bias = 1;
    if (c.has_input(2)) {
        QAICRT_TRY(bias, period_of(c, 2));
    }
    const bool empty = c.input(0).count() == 0;
    const std::size_t rows = empty ? 0 : count_between(dims, 0, axis);
    const std::size_t length = empty ? 0 : count_between(dims, axis, dims.size());
    KernelPtr kernel = with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        using K = LayerKernel<decltype(tag)>;
        return std::make_unique<K>(
            typename K::Setup{rows, length, epsilon, centred, c.has_input(2), scale, bias});
    });
    return KernelPtr(std::make_unique<PaddedOutputs>(std::move(kernel), c.num_outputs()));
}

// --- InstanceNormalization

/// Each channel of each image by its own moments; GroupNormalization: channels in groups.
template <class T>
class InstanceKernel final : public Kernel {
  public:
    struct Setup {
        std::size_t images, groups, channels_per_group, size;
        float epsilon;
        bool scale_per_group;
    };
    explicit InstanceKernel(const Setup& setup) : s_(setup) {}
    Status run(const RunArgs& args) const override {
        const T* scale = as<T>(args.in[1]);
        const T* bias = as<T>(args.in[2]);
        const std::size_t length = s_.channels_per_group * s_.size;
        parallel_for(
            args.workers, s_.images * s_.groups, grain_for(length * 4),
            [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    const T* in = as<T>(args.in[0]) + i * length;
                    T* out = as<T>(args.out[0]) + i * length;
                    const auto m = moments(in, length, s_.epsilon, true);
                    const std::size_t group = i % s_.groups;
                    for (std::size_t c = 0; c < s_.channels_per_group; ++c) {
                        const std::size_t at =
                            s_.scale_per_group ? group : group * s_.channels_per_group + c;
                        const auto factor = m.inverse_deviation * load_wide(scale[at]);
                        const auto shift = load_wide(bias[at]);
                        for (std::size_t k = c * s_.size; k < (c + 1) * s_.size; ++k) {
                            out[k] = store_narrow<T>((load_wide(in[k]) - m.mean) * factor + shift);
                        }
                    }
                }
            });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    Setup s_;
};

Status check_channel_inputs(NodeContext& c, std::int64_t channels, std::size_t inputs) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    if (c.input(0).dims.size() < 2) {
        return c.malformed("its input " + dims_text(c.input(0).dims) + " has no channels");
    }
    for (std::size_t i = 1; i < inputs; ++i) {
        if (c.input(i).dims != Shape{channels}) {
            return c.malformed(fmt::format("its input {} has the shape {}, it must be [{}]", i,
                                           dims_text(c.input(i).dims), channels));
        }
    }
    return {};
}

Status infer_instance(NodeContext& c) {
    QAICRT_CHECK(c.require_same_type(0, 1));
    QAICRT_CHECK(c.require_same_type(0, 2));
    const std::int64_t channels = c.input(0).dims.size() < 2 ? 0 : c.input(0).dims[1];
    QAICRT_CHECK(check_channel_inputs(c, channels, 3));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}

Result<KernelPtr> instance_kernel(NodeContext& c, std::size_t groups, bool scale_per_group) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const float epsilon, c.attr_float("epsilon", 1e-5F));
    const auto channels = static_cast<std::size_t>(dims[1]);
    const bool empty = c.input(0).count() == 0;
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        using K = InstanceKernel<decltype(tag)>;
        return std::make_unique<K>(typename K::Setup{
            empty ? 0 : static_cast<std::size_t>(dims[0]), groups, channels / groups,
            empty ? 0 : count_between(dims, 2, dims.size()), epsilon, scale_per_group});
    });
}
Result<KernelPtr> prepare_instance(NodeContext& c) {
    return instance_kernel(
        c, std::max<std::size_t>(static_cast<std::size_t>(c.input(0).dims[1]), 1), false);
}

Result<std::int64_t> read_groups(NodeContext& c) {
    QAICRT_TRY(const std::int64_t groups, c.attr_int("num_groups", 0));
    QAICRT_TRY(const std::int64_t stash, c.attr_int("stash_type", 1));
    const std::int64_t channels = c.input(0).dims.size() < 2 ? 0 : c.input(0).dims[1];
    if (groups < 1 || channels % groups != 0 || stash != 1) {
        return c.malformed(fmt::format("{} channels do not make {} groups", channels, groups));
    }
    return groups;
}
Status infer_group(NodeContext& c) {
    QAICRT_TRY(const std::int64_t groups, read_groups(c));
    const std::int64_t wanted = c.opset() < 21 ? groups : c.input(0).dims[1];
    QAICRT_CHECK(check_channel_inputs(c, wanted, 3));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
Result<KernelPtr> prepare_group(NodeContext& c) {
    QAICRT_TRY(const std::int64_t groups, read_groups(c));
    return instance_kernel(c, static_cast<std::size_t>(groups), c.opset() < 21);
}

// --- BatchNormalization

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the moments given or, in
/// training mode, taken over images and positions.
template <class T, class S, class M>
class BatchKernel final : public Kernel {
  public:
    struct Setup {
        std::size_t images, channels, size;
        float epsilon, momentum;
        bool training;
        std::size_t outputs;
    };
    explicit BatchKernel(const Setup& setup) : s_(setup) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, s_.channels, grain_for(s_.images * s_.size * 2),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t c = begin; c < end; ++c) {
                             one_channel(args, c);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;

    void one_channel(const RunArgs& args, std::size_t c) const {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        W mean = static_cast<W>(load_wide(as<M>(args.in[3])[c]));
        W variance = static_cast<W>(load_wide(as<M>(args.in[4])[c]));
        if (s_.training) {
            train(args, c, mean, variance);
        }
        const W scale = static_cast<W>(load_wide(as<S>(args.in[1])[c]));
        const W bias = static_cast<W>(load_wide(as<S>(args.in[2])[c]));
        const W factor = scale / std::sqrt(variance + static_cast<W>(s_.epsilon));
        const W shift = bias - mean * factor;
        for (std::size_t n = 0; n < s_.images; ++n) {
            const std::size_t from = (n * s_.channels + c) * s_.size;
            for (std::size_t i = from; i < from + s_.size; ++i) {
                out[i] = store_narrow<T>(load_wide(in[i]) * factor + shift);
            }
        }
    }

    /// Replaces the moments by those of the data, and gives the running ones.
    void train(const RunArgs& args, std::size_t c, W& mean, W& variance) const {
        const T* in = as<T>(args.in[0]);
        const std::size_t count = s_.images * s_.size;
        const auto at = [&](std::size_t i) {
            return load_wide(in[(i / s_.size * s_.channels + c) * s_.size + i % s_.size]);
        };
        const W n = static_cast<W>(count);
        const W own_mean = lane_sum<W>(count, at) / n;
        const W own_variance = lane_sum<W>(count,
                                           [&](std::size_t i) {
                                               const W d = at(i) - own_mean;
                                               return d * d;
                                           }) /
                               n;
        const W keep = static_cast<W>(s_.momentum);
        if (s_.outputs > 1 && args.out[1] != nullptr) {
            as<M>(args.out[1])[c] =
                store_narrow<M>(static_cast<WideOf<M>>(mean * keep + own_mean * (W{1} - keep)));
        }
        if (s_.outputs > 2 && args.out[2] != nullptr) {
            as<M>(args.out[2])[c] = store_narrow<M>(
                static_cast<WideOf<M>>(variance * keep + own_variance * (W{1} - keep)));
        }
        mean = own_mean;
        variance = own_variance;
    }
    Setup s_;
};

Result<bool> is_training(NodeContext& c) {
    QAICRT_TRY(const std::int64_t training, c.attr_int("training_mode", 0));
    return training != 0;
}

/// One moment for each channel; with spatial = 0 (before opset 9) for each element of an image.
Result<Shape> moments_shape(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t spatial, c.attr_int("spatial", 1));
    if (dims.size() < 2) {
        return Shape{1};
    }
    return spatial == 0 ? Shape(dims.begin() + 1, dims.end()) : Shape{dims[1]};
}

Status infer_batch(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(c.require_type(1, kFloatTypes));
    QAICRT_CHECK(c.require_type(3, kFloatTypes));
    QAICRT_CHECK(c.require_same_type(1, 2));
    QAICRT_CHECK(c.require_same_type(3, 4));
    QAICRT_TRY(const Shape wanted, moments_shape(c));
    for (std::size_t i = 1; i < 5; ++i) {
        if (c.input(i).dims != wanted) {
            return c.malformed(fmt::format("its input {} has the shape {}, it must be {}", i,
                                           dims_text(c.input(i).dims), dims_text(wanted)));
        }
    }
    QAICRT_TRY(const bool training, is_training(c));
    if (!training && c.num_outputs() > 1) {
        return c.fail(qaicrt::Errc::kUnsupported,
                      "it asks for running moments outside of training mode");
    }
    QAICRT_CHECK(c.set_output(0, c.input(0).type, dims));
    QAICRT_CHECK(c.set_output(1, c.input(3).type, wanted));
    return c.set_output(2, c.input(3).type, wanted);
}

Result<KernelPtr> prepare_batch(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const float epsilon, c.attr_float("epsilon", 1e-5F));
    QAICRT_TRY(const float momentum, c.attr_float("momentum", 0.9F));
    QAICRT_TRY(const bool training, is_training(c));
    const bool empty = c.input(0).count() == 0;
    const std::size_t images = empty ? 0 : static_cast<std::size_t>(dims[0]);
    QAICRT_TRY(const Shape moments, moments_shape(c));
    const std::size_t channels = count_between(moments, 0, moments.size());
    const std::size_t image =
        count_between(dims, std::min<std::size_t>(1, dims.size()), dims.size());
    const std::size_t size = empty ? 0 : image / channels;
    return with_float_type(c.input(0).type, [&](auto t) -> KernelPtr {
        return with_float_type(c.input(1).type, [&](auto s) -> KernelPtr {
            return with_float_type(c.input(3).type, [&](auto m) -> KernelPtr {
                using K = BatchKernel<decltype(t), decltype(s), decltype(m)>;
                return std::make_unique<K>(typename K::Setup{images, channels, size, epsilon,
                                                             momentum, training, c.num_outputs()});
            });
        });
    });
}

constexpr OpDef kOps[] = {
    {"", "LayerNormalization", 17, kMaxOpset, 2, 3, 3, "axis epsilon stash_type", infer_layer,
     prepare_layer<true>},
    {"", "RMSNormalization", 23, kMaxOpset, 2, 2, 1, "axis epsilon stash_type", infer_layer,
     prepare_layer<false>},
    {"", "InstanceNormalization", 6, kMaxOpset, 3, 3, 1, "epsilon", infer_instance,
     prepare_instance},
    {"", "GroupNormalization", 18, kMaxOpset, 3, 3, 1, "epsilon num_groups stash_type", infer_group,
     prepare_group},
    {"", "BatchNormalization", kMinOpset, 8, 5, 5, 1, "epsilon momentum spatial", infer_batch,
     prepare_batch},
    {"", "BatchNormalization", 9, 13, 5, 5, 1, "epsilon momentum", infer_batch, prepare_batch},
    {"", "BatchNormalization", 14, kMaxOpset, 5, 5, 3, "epsilon momentum training_mode",
     infer_batch, prepare_batch},
};

}  // namespace

std::span<const OpDef> norm_ops() {
    return kOps;
}

}  // namespace qaicnet
