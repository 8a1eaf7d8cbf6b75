// SPDX-License-Identifier: Apache-2.0
/// FusedConv on channels last with one input and one output channel in each group: vectors of
/// channels.
#include "emu/net/activation.hpp"
#include "emu/net/conv_channels_last.hpp"
#include "emu/net/fma_tile.hpp"

namespace qaicnet {

using qaicrt::Result;

namespace {

class DepthwiseConv final : public ChannelsLast {
  public:
    using ChannelsLast::ChannelsLast;

  private:
    static constexpr std::size_t kMostTaps = kSumBlock;  ///< at once
    static constexpr std::size_t kMostChannels = 512;
    static constexpr std::size_t kPieceFloats = 4096;  ///< of a line, finished while it is cached

    std::size_t packed_floats() const override { return (taps_ + 1) * out_channels_; }

    /// [tap][channel], then the bias
    void pack(const std::byte* weights, const std::byte* bias, float* out,
              Workers& /*workers*/) const override {
        for_each_tap([&](std::size_t at, std::size_t tap) {
            for (std::size_t c = 0; c < out_channels_; ++c) {
                out[at * out_channels_ + c] = weight(weights, c, 0, 0, tap);
            }
        });
        float* b = out + taps_ * out_channels_;
        for (std::size_t c = 0; c < out_channels_; ++c) {
            b[c] = bias != nullptr ? element(bias, c) : 0.0F;
        }
    }

    void run_phase(const Phase& phase, const Tensors& t, Workers& workers) const override {
        const std::size_t lines = phase.lines();
        parallel_for(workers, images_ * lines,
                     grain_for(phase.width() * out_channels_ * phase.taps() / 4 + 1),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             run_line(phase, i / lines, i % lines, t);
                         }
                     });
    }

    /// Output positions of a line, and channels of them.
    struct Piece {
        std::size_t image, line, x, count, channel, channels;
    };

    void run_line(const Phase& phase, std::size_t image, std::size_t line, const Tensors& t) const {
        const PhaseAxis& w = phase.axes[2];
        const auto safe_begin = static_cast<std::size_t>(w.safe_begin);
        const auto safe_end = static_cast<std::size_t>(w.safe_end);
        for (std::size_t c = 0; c < out_channels_; c += kMostChannels) {
            const std::size_t channels = std::min(kMostChannels, out_channels_ - c);
            const std::size_t most = kPieceFloats / channels;
            std::size_t x = 0;
            while (x < phase.width()) {
                const bool inside = x >= safe_begin && x < safe_end;
                const std::size_t count = inside ? std::min(most, safe_end - x) : 1;
                run_piece(phase, {image, line, x, count, c, channels}, t);
                x += count;
            }
        }
    }

    void run_piece(const Phase& phase, const Piece& piece, const Tensors& t) const {
        alignas(64) float sums[kPieceFloats];
        const std::size_t count = piece.count * piece.channels;
        std::fill_n(sums, count, 0.0F);
        for (std::size_t tap = 0; tap < phase.taps(); tap += kMostTaps) {
            add_taps(phase, piece, tap, t, sums);
        }
        const float* bias = t.packed + taps_ * out_channels_ + piece.channel;
        for (std::size_t i = 0; p_.has_bias && i < piece.count; ++i) {
            add_to(bias, sums + i * piece.channels, piece.channels);
        }
        round(sums, count);
        finish(phase, piece, t, sums);
    }

    static void add_to(const float* from, float* to, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            to[i] += from[i];
        }
    }

    void add_taps(const Phase& phase, const Piece& piece, std::size_t first, const Tensors& t,
                  float* sums) const {
        const float* in[kMostTaps];
        alignas(64) float part[kPieceFloats];
        const std::size_t taps = std::min(kMostTaps, phase.taps() - first);
        find_inputs(phase, piece, first, taps, t.in, in);
        fma_depthwise({in, taps, static_cast<std::size_t>(phase.axes[2].in_step) * in_channels_,
                       t.packed + (phase.first_tap + first) * out_channels_ + piece.channel,
                       out_channels_, piece.channels, piece.count, part, piece.channels});
        add_to(part, sums, piece.count * piece.channels);
    }

    void find_inputs(const Phase& phase, const Piece& piece, std::size_t first, std::size_t count,
                     const float* data, const float** in) const {
        const PhaseAxis& w = phase.axes[2];
        const std::size_t across = w.kernel.size();
        for (std::size_t t = 0; t < count; ++t) {
            const std::size_t plane = (first + t) / across;
            const std::int64_t line =
                in_line(phase, piece.image, piece.line, plane / phase.axes[1].kernel.size(),
                        plane % phase.axes[1].kernel.size());
            const std::int64_t at =
                static_cast<std::int64_t>(piece.x) * w.in_step + w.offsets[(first + t) % across];
            in[t] = line < 0 || at < 0 || at >= w.in
                        ? nullptr
                        : data + static_cast<std::size_t>(line + at) * in_channels_ + piece.channel;
        }
    }

    void finish(const Phase& phase, const Piece& piece, const Tensors& t, float* sums) const {
        const std::size_t step = static_cast<std::size_t>(phase.axes[2].out_step) * out_channels_;
        const std::size_t at =
            out_at(phase, piece.image, piece.line, piece.x) * out_channels_ + piece.channel;
        const std::size_t count = piece.count * piece.channels;
        for (std::size_t i = 0; t.addend != nullptr && i < piece.count; ++i) {
            add_from(t.addend, at + i * step, sums + i * piece.channels, piece.channels);
        }
        if (t.addend != nullptr) {
            round(sums, count);
        }
        apply_activation(p_.activation, p_.alpha, p_.beta, sums, count);
        if (step == piece.channels) {
            store(sums, t.out, at, count);
            return;
        }
        for (std::size_t i = 0; i < piece.count; ++i) {
            store(sums + i * piece.channels, t.out, at + i * step, piece.channels);
        }
    }
};

}  // namespace

Result<KernelPtr> make_depthwise_conv(NodeContext& c, const ConvProblem& problem) {
    std::size_t images = 0;
    std::vector<Phase> phases = plan_phases(problem, &images);
    auto kernel = std::make_unique<DepthwiseConv>(problem, std::move(phases), images);
    QAICRT_CHECK(kernel->prepare(c));
    return KernelPtr(std::move(kernel));
}

}  // namespace qaicnet
