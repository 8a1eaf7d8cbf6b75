// SPDX-License-Identifier: Apache-2.0
/// Normalisations without weights: LRN, LpNormalization, MeanVarianceNormalization.
///
/// Sums are taken in FP32 (FP64 for DOUBLE), one term after the other; those of
/// MeanVarianceNormalization in FP64. FLOAT16 is rounded once.
#include "emu/net/axes.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/reduce_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

// --- LRN

/// y = x / (bias + alpha / size * squares of the neighbouring channels) ^ beta
struct Response {
    std::size_t images = 0, channels = 0, positions = 0;
    std::size_t before = 0, after = 0;  ///< neighbours on each side
    double factor = 0, beta = 0, bias = 0;
};

template <class T>
class ResponseKernel final : public Kernel {
  public:
    explicit ResponseKernel(const Response& response) : r_(response) {}
    Status run(const RunArgs& args) const override {
        const std::size_t pieces = (r_.positions + kPiece - 1) / kPiece;
        parallel_for(args.workers, r_.images * r_.channels * pieces,
                     grain_for(kPiece * (8 + r_.before + r_.after)),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             one_piece(as<T>(args.in[0]), as<T>(args.out[0]), i / pieces,
                                       i % pieces * kPiece);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;
    static constexpr std::size_t kPiece = 256;

    /// `plane`: image times channels plus channel.
    void one_piece(const T* in, T* out, std::size_t plane, std::size_t from) const {
        const std::size_t channel = plane % r_.channels;
        const std::size_t image = plane - channel;
        const std::size_t first = channel - std::min(channel, r_.before);
        const std::size_t last = channel + std::min(r_.channels - 1 - channel, r_.after);
        const std::size_t count = std::min(kPiece, r_.positions - from);
        W squares[kPiece] = {};
        for (std::size_t c = first; c <= last; ++c) {
            const T* x = in + (image + c) * r_.positions + from;
            for (std::size_t i = 0; i < count; ++i) {
                const W wide = load_wide(x[i]);
                squares[i] += wide * wide;
            }
        }
        const T* x = in + plane * r_.positions + from;
        T* y = out + plane * r_.positions + from;
        const W bias = static_cast<W>(r_.bias);
        const W factor = static_cast<W>(r_.factor);
        const W beta = static_cast<W>(r_.beta);
        for (std::size_t i = 0; i < count; ++i) {
            y[i] = store_narrow<T>(load_wide(x[i]) / std::pow(bias + factor * squares[i], beta));
        }
    }
    Response r_;
};

Result<Response> read_response(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t size, c.attr_int("size", 0));
    QAICRT_TRY(const float alpha, c.attr_float("alpha", 0.0001F));
    QAICRT_TRY(const float beta, c.attr_float("beta", 0.75F));
    QAICRT_TRY(const float bias, c.attr_float("bias", 1));
    if (dims.size() < 2 || size < 1) {
        return c.malformed(fmt::format("a window of {} channels does not fit its input {}", size,
                                       dims_text(dims)));
    }
    Response r;
    r.images = c.input(0).count() == 0 ? 0 : static_cast<std::size_t>(dims[0]);
    r.channels = static_cast<std::size_t>(dims[1]);
    r.positions = count_between(dims, 2, dims.size());
    r.before = static_cast<std::size_t>((size - 1) / 2);
    r.after = static_cast<std::size_t>(size - 1) - r.before;
    r.factor = double{alpha} / static_cast<double>(size);
    r.beta = beta;
    r.bias = bias;
    return r;
}

Status infer_response(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_TRY(const Response r, read_response(c));
    QAICRT_CHECK(c.set_output(0, c.input(0).type, c.input(0).dims));
    return c.set_work(
        {c.output().count(), std::min(r.channels, r.before) + 1 + std::min(r.channels, r.after)});
}
Result<KernelPtr> prepare_response(NodeContext& c) {
    QAICRT_TRY(const Response r, read_response(c));
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<ResponseKernel<decltype(tag)>>(r);
    });
}

// --- LpNormalization

/// Each line along the axis divided by its norm; a line of zeros stays.
template <class T>
class LpKernel final : public Kernel {
  public:
    LpKernel(AxisSplit split, bool squares) : s_(split), squares_(squares) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, s_.outer * s_.inner, grain_for(s_.length * 2),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t at =
                                 i / s_.inner * s_.length * s_.inner + i % s_.inner;
                             one_line(as<T>(args.in[0]) + at, as<T>(args.out[0]) + at);
                         }
                     });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    using W = WideOf<T>;
    void one_line(const T* in, T* out) const {
        W sum{0};
        for (std::size_t k = 0; k < s_.length; ++k) {
            const W x = load_wide(in[k * s_.inner]);
            sum += squares_ ? x * x : std::fabs(x);
        }
        const W norm = squares_ ? std::sqrt(sum) : sum;
        for (std::size_t k = 0; k < s_.length; ++k) {
            const W x = load_wide(in[k * s_.inner]);
            out[k * s_.inner] = store_narrow<T>(norm == W{0} ? W{0} : x / norm);
        }
    }
    AxisSplit s_;
    bool squares_;
};

struct LpSetup {
    AxisSplit split;
    bool squares = false;
};
Result<LpSetup> read_lp(NodeContext& c) {
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, c.input(0).dims.size()));
    QAICRT_TRY(const std::int64_t p, c.attr_int("p", 2));
    if (p != 1 && p != 2) {
        return c.malformed(fmt::format("the attribute 'p' is {}, it must be 1 or 2", p));
    }
    return LpSetup{AxisSplit::at(c.input(0).dims, axis), p == 2};
}
Status infer_lp(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(read_lp(c));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
Result<KernelPtr> prepare_lp(NodeContext& c) {
    QAICRT_TRY(const LpSetup setup, read_lp(c));
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<LpKernel<decltype(tag)>>(setup.split, setup.squares);
    });
}

// --- MeanVarianceNormalization

/// y = (x - mean) / (deviation + 1e-9), the moments over the axes that are named.
template <class T>
class MeanVarianceKernel final : public Kernel {
  public:
    explicit MeanVarianceKernel(ReducePlan plan) : plan_(std::move(plan)) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, plan_.outputs, grain_for(plan_.terms * 4),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t at =
                                 plan_.base_of(i / plan_.inner) + i % plan_.inner;
                             one_group(as<T>(args.in[0]) + at, as<T>(args.out[0]) + at);
                         }
                     });
        return {};
    }

  private:
    void one_group(const T* in, T* out) const {
        const auto terms = static_cast<double>(plan_.terms);
        double sum = 0;
        each([&](std::size_t at) { sum += static_cast<double>(load_wide(in[at])); });
        const double mean = sum / terms;
        double squares = 0;
        each([&](std::size_t at) {
            const double distance = static_cast<double>(load_wide(in[at])) - mean;
            squares += distance * distance;
        });
        constexpr double kEpsilon = 1e-9;
        const double factor = 1 / (std::sqrt(squares / terms) + kEpsilon);
        each([&](std::size_t at) {
            const double x = static_cast<double>(load_wide(in[at]));
            out[at] = store_narrow<T>(static_cast<WideOf<T>>((x - mean) * factor));
        });
    }
    /// body(offset) for every element of a group; the last of the reduced axes is a plain loop.
    template <class Body>
    void each(Body&& body) const {
        if (plan_.reduced.empty()) {
            body(0);
            return;
        }
        const Group last = plan_.reduced.back();
        plan_.for_each_term(plan_.reduced.size() - 1, [&](std::size_t from) {
            for (std::size_t k = 0; k < last.size; ++k) {
                body(from + k * last.stride);
            }
        });
    }
    ReducePlan plan_;
};

Result<std::vector<bool>> mean_axes(NodeContext& c) {
    const std::size_t rank = c.input(0).dims.size();
    QAICRT_TRY(auto axes, c.attr_ints("axes"));
    if (c.find_attr("axes") == nullptr) {
        axes = {0, 2, 3};
    }
    std::vector<bool> reduces(rank, axes.empty());
    for (const std::int64_t axis : axes) {
        QAICRT_TRY(const std::size_t at, c.normal_axis(axis, rank));
        reduces[at] = true;
    }
    return reduces;
}
Status infer_mean_variance(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(mean_axes(c));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
Result<KernelPtr> prepare_mean_variance(NodeContext& c) {
    QAICRT_TRY(const auto reduces, mean_axes(c));
    ReducePlan plan = ReducePlan::make(c.input(0).dims, reduces);
    if (c.input(0).count() == 0) {
        plan.outputs = 0;
    }
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<MeanVarianceKernel<decltype(tag)>>(std::move(plan));
    });
}

constexpr OpDef kOps[] = {
    {"", "LRN", kMinOpset, kMaxOpset, 1, 1, 1, "alpha beta bias size", infer_response,
     prepare_response},
    {"", "LpNormalization", kMinOpset, kMaxOpset, 1, 1, 1, "axis p", infer_lp, prepare_lp},
    {"", "MeanVarianceNormalization", 9, kMaxOpset, 1, 1, 1, "axes", infer_mean_variance,
     prepare_mean_variance},
};

}  // namespace

std::span<const OpDef> response_norm_ops() {
    return kOps;
}

}  // namespace qaicnet
