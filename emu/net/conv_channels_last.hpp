// SPDX-License-Identifier: Apache-2.0
/// FusedConv on channels last: sums, bias, addend and activation of a tile while it is in the
/// cache.
///
/// Term k of a sum is channel k modulo C of tap k / C, taps in the order of the kernel; sums have
/// the order of fma_tile.hpp, the bias is added to them. FLOAT16 is rounded there; addend and
/// activation round again, as nodes of their own would. Taps in the padding add nothing.
#pragma once

#include "emu/net/conv_plan.hpp"
#include "emu/net/half.hpp"
#include "emu/net/matmul_kernel.hpp"
#include "emu/net/parallel.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace qaicnet {

/// A line of output positions: its place on the axes 0 and 1 of a phase.
struct OutputLine {
    std::int64_t image, d, h;
    static OutputLine of(const Phase& phase, std::size_t image, std::size_t line) {
        const auto l = static_cast<std::int64_t>(line);
        return {static_cast<std::int64_t>(image), l / phase.axes[1].count, l % phase.axes[1].count};
    }
};

/// What the kernels for dense and for depthwise convolutions share. FLOAT16 is widened as a whole
/// before, and the weights at load.
class ChannelsLast : public Kernel {
  public:
    ChannelsLast(const ConvProblem& problem, std::vector<Phase> phases, std::size_t images)
        : p_(problem),
          half_(problem.type == ElemType::kFloat16),
          phases_(std::move(phases)),
          images_(images),
          in_channels_(p_.groups * p_.in_channels),
          out_channels_(p_.groups * p_.out_channels),
          taps_(static_cast<std::size_t>(p_.window.kernel_count())) {}

    std::size_t scratch_bytes() const noexcept override {
        return wide_bytes() + (packed_ ? 0 : packed_floats() * sizeof(float));
    }

    /// Packs constant weights (and bias) at load.
    qaicrt::Status prepare(NodeContext& c) {
        if (c.constant(1) == nullptr || (p_.has_bias && c.constant(2) == nullptr)) {
            return {};
        }
        packed_ = Buffer::allocate(packed_floats() * sizeof(float), c.budget());
        if (!packed_) {
            return c.fail(qaicrt::Errc::kNoMemory, "there is no memory for its packed weights");
        }
        pack(c.constant(1), c.constant(2), as<float>(packed_->owned()), *make_workers(1));
        c.drop_input(1);
        if (p_.has_bias) {
            c.drop_input(2);
        }
        return {};
    }

    qaicrt::Status run(const RunArgs& args) const override {
        const float* packed = packed_ ? as<float>(packed_->data()) : nullptr;
        if (packed == nullptr) {
            float* fresh = as<float>(args.scratch + wide_bytes());
            pack(args.in[1], p_.has_bias ? args.in[2] : nullptr, fresh, args.workers);
            packed = fresh;
        }
        const float* in = half_ ? widened(args) : as<float>(args.in[0]);
        for (const Phase& phase : phases_) {
            run_phase(phase, {in, packed, p_.has_addend ? args.in[3] : nullptr, args.out[0]},
                      args.workers);
        }
        return {};
    }

  protected:
    /// Floats of weights, then of the bias, then of zeros that stand for the padding.
    virtual std::size_t packed_floats() const = 0;
    virtual void pack(const std::byte* weights, const std::byte* bias, float* out,
                      Workers& workers) const = 0;
    /// What a run reads and writes.
    struct Tensors {
        const float* in;
        const float* packed;      ///< weights, bias, zeros
        const std::byte* addend;  ///< null, or of the result's type and shape
        std::byte* out;
    };
    virtual void run_phase(const Phase& phase, const Tensors& t, Workers& workers) const = 0;

    /// An element of weights or bias.
    float element(const std::byte* data, std::size_t i) const {
        return half_ ? half_to_float(as<Half>(data)[i]) : as<float>(data)[i];
    }

    /// sums += the addend from element `at` on.
    void add_from(const std::byte* addend, std::size_t at, float* sums, std::size_t count) const {
        if (half_) {
            for (std::size_t j = 0; j < count; ++j) {
                sums[j] += half_to_float(as<Half>(addend)[at + j]);
            }
            return;
        }
        for (std::size_t j = 0; j < count; ++j) {
            sums[j] += as<float>(addend)[at + j];
        }
    }
    void store(const float* from, std::byte* out, std::size_t at, std::size_t count) const {
        if (half_) {
            narrow(from, as<Half>(out) + at, count);
        } else if (count == kPanelColumns) {
            std::memcpy(as<float>(out) + at, from, kPanelColumns * sizeof(float));
        } else {
            std::memcpy(as<float>(out) + at, from, count * sizeof(float));
        }
    }
    /// The nodes that FusedConv stands for rounded their results to FLOAT16, each of them.
    void round(float* sums, std::size_t count) const {
        constexpr std::size_t kMost = 256;
        for (std::size_t i = 0; half_ && i < count; i += kMost) {
            Half rounded[kMost];
            const std::size_t n = std::min(kMost, count - i);
            narrow(sums + i, rounded, n);
            widen(rounded, sums + i, n);
        }
    }

    /// The element of ONNX's weights for output channel m and input channel c of a group.
    float weight(const std::byte* w, std::size_t group, std::size_t m, std::size_t c,
                 std::size_t tap) const {
        const std::size_t row = p_.transposed ? (group * p_.in_channels + c) * p_.out_channels + m
                                              : (group * p_.out_channels + m) * p_.in_channels + c;
        return element(w, row * taps_ + tap);
    }

    /// Calls visit(index among all taps in the order of the phases, position in ONNX's kernel).
    template <class Visit>
    void for_each_tap(Visit&& visit) const {
        const auto& a = p_.window.axes;
        for (const Phase& phase : phases_) {
            std::size_t at = phase.first_tap;
            for (const std::int64_t d : phase.axes[0].kernel) {
                for (const std::int64_t h : phase.axes[1].kernel) {
                    for (const std::int64_t x : phase.axes[2].kernel) {
                        visit(at++,
                              static_cast<std::size_t>((d * a[1].kernel + h) * a[2].kernel + x));
                    }
                }
            }
        }
    }

    /// Position of an output in the tensor, in channels.
    static std::size_t out_at(const Phase& phase, const OutputLine& line, std::size_t x) {
        const auto& a = phase.axes;
        const std::int64_t d = a[0].out_first + line.d * a[0].out_step;
        const std::int64_t h = a[1].out_first + line.h * a[1].out_step;
        const std::int64_t w = a[2].out_first + static_cast<std::int64_t>(x) * a[2].out_step;
        return static_cast<std::size_t>((line.image * a[0].out + d) * a[1].out + h) *
                   static_cast<std::size_t>(a[2].out) +
               static_cast<std::size_t>(w);
    }

    /// First input position of a line for the taps (d, h); -1 where they lie in the padding.
    static std::int64_t in_line(const Phase& phase, const OutputLine& line, std::size_t d,
                                std::size_t h) {
        const auto& a = phase.axes;
        const std::int64_t z = line.d * a[0].in_step + a[0].offsets[d];
        const std::int64_t y = line.h * a[1].in_step + a[1].offsets[h];
        if (z < 0 || z >= a[0].in || y < 0 || y >= a[1].in) {
            return -1;
        }
        return ((line.image * a[0].in + z) * a[1].in + y) * a[2].in;
    }

    /// Taps [begin, end) of one line of the kernel, of which the first is number `across` of it,
    /// and the position of the input line that they meet (in_line).
    struct TapLine {
        std::size_t begin, end, across;
        std::int64_t in;
    };
    /// Calls visit(TapLine) for the taps [begin, end) of a phase, without those in the padding.
    template <class Visit>
    static void for_each_tap_line(const Phase& phase, const OutputLine& line, std::size_t begin,
                                  std::size_t end, Visit&& visit) {
        if (begin >= end) {
            return;
        }
        const std::size_t width = phase.axes[2].kernel.size();
        const std::size_t height = phase.axes[1].kernel.size();
        std::size_t d = begin / width / height;
        std::size_t h = begin / width % height;
        TapLine taps{begin, begin, begin % width, 0};
        while (taps.begin < end) {
            taps.end = std::min(end, taps.begin - taps.across + width);
            taps.in = in_line(phase, line, d, h);
            if (taps.in >= 0) {
                visit(taps);
            }
            taps.begin = taps.end;
            taps.across = 0;
            if (++h == height) {
                h = 0;
                ++d;
            }
        }
    }

    /// Of the widened input, in whole cache lines.
    std::size_t wide_bytes() const {
        const std::size_t count =
            half_ ? p_.images * in_channels_ * static_cast<std::size_t>(p_.window.in_count()) : 0;
        return (count * sizeof(float) + Buffer::kAlignment - 1) / Buffer::kAlignment *
               Buffer::kAlignment;
    }
    const float* widened(const RunArgs& args) const {
        float* wide = as<float>(args.scratch);
        const std::size_t count =
            p_.images * in_channels_ * static_cast<std::size_t>(p_.window.in_count());
        parallel_for(args.workers, count, kElementGrain, [&](std::size_t begin, std::size_t end) {
            widen(as<Half>(args.in[0]) + begin, wide + begin, end - begin);
        });
        return wide;
    }

    ConvProblem p_;
    bool half_;
    std::vector<Phase> phases_;
    std::size_t images_;
    std::size_t in_channels_, out_channels_;  ///< of all groups
    std::size_t taps_;
    std::shared_ptr<Buffer> packed_;
};

/// Any groups. The problem has no trivial axes behind others (make_fused_conv_kernel).
qaicrt::Result<KernelPtr> make_dense_conv(NodeContext& c, const ConvProblem& problem);
/// One input and one output channel in each group.
qaicrt::Result<KernelPtr> make_depthwise_conv(NodeContext& c, const ConvProblem& problem);

}  // namespace qaicnet
