// SPDX-License-Identifier: Apache-2.0
/// FusedConv on channels last: what its kernels share.
///
/// A result is one chain of fused multiply-adds (fma_tile.hpp) that begins at the bias and goes
/// over the taps of the kernel in order, for each tap over the input channels. Taps in the padding
/// add nothing.
#pragma once

#include "emu/net/conv_plan.hpp"
#include "emu/net/parallel.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace qaicnet {

/// The line of output positions that begins at (d, h) of a phase: how often its axes 0 and 1 step.
struct OutputLine {
    std::size_t image;
    std::int64_t d, h;
    static OutputLine of(const Phase& phase, std::size_t image, std::size_t line) {
        const auto l = static_cast<std::int64_t>(line);
        return {image, l / phase.axes[1].count, l % phase.axes[1].count};
    }
};

/// What both kernels know.
class ChannelsLast : public Kernel {
  public:
    ChannelsLast(const ConvProblem& problem, std::vector<Phase> phases, std::size_t images)
        : p_(problem),
          phases_(std::move(phases)),
          images_(images),
          in_channels_(p_.groups * p_.in_channels),
          out_channels_(p_.groups * p_.out_channels),
          taps_(static_cast<std::size_t>(p_.window.kernel_count())) {}

    std::size_t scratch_bytes() const noexcept override {
        return packed_ ? 0 : packed_floats() * sizeof(float);
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
        const float* packed = packed_ ? as<float>(packed_->data()) : as<float>(args.scratch);
        if (!packed_) {
            pack(args.in[1], p_.has_bias ? args.in[2] : nullptr, as<float>(args.scratch),
                 args.workers);
        }
        for (const Phase& phase : phases_) {
            run_phase(phase, args, packed);
        }
        return {};
    }

  protected:
    /// Floats of weights, then of the bias, then of zeros that stand for the padding.
    virtual std::size_t packed_floats() const = 0;
    virtual void pack(const std::byte* weights, const std::byte* bias, float* out,
                      Workers& workers) const = 0;
    virtual void run_phase(const Phase& phase, const RunArgs& args, const float* packed) const = 0;

    /// The element of ONNX's weights for output channel m and input channel c of a group.
    float weight(const float* w, std::size_t group, std::size_t m, std::size_t c,
                 std::size_t tap) const {
        const std::size_t row = p_.transposed ? (group * p_.in_channels + c) * p_.out_channels + m
                                              : (group * p_.out_channels + m) * p_.in_channels + c;
        return w[row * taps_ + tap];
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
        return static_cast<std::size_t>(
            ((static_cast<std::int64_t>(line.image) * a[0].out + d) * a[1].out + h) * a[2].out + w);
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
        return ((static_cast<std::int64_t>(line.image) * a[0].in + z) * a[1].in + y) * a[2].in;
    }

    ConvProblem p_;
    std::vector<Phase> phases_;
    std::size_t images_;
    std::size_t in_channels_, out_channels_;  ///< of all groups
    std::size_t taps_;
    std::shared_ptr<Buffer> packed_;
};

/// For groups of one input and one output channel (conv_depthwise.cpp).
qaicrt::Result<KernelPtr> make_depthwise_kernel(NodeContext& c, const ConvProblem& problem,
                                                std::vector<Phase> phases, std::size_t images);

}  // namespace qaicnet
