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
                             run_line(phase, OutputLine::of(phase, i / lines, i % lines), t);
                         }
                     });
    }

    /// Output positions of a line, and channels of them.
    struct Piece {
        OutputLine line;
        std::size_t x, count, channel, channels;
    };

    void run_line(const Phase& phase, const OutputLine& line, const Tensors& t) const {
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
                run_piece(phase, {line, x, count, c, channels}, t);
                x += count;
            }
        }
    }

    /// Sums, and where they are or will be in the result: the first one and the distance between
    /// positions.
    struct Sums {
        float* values;
        std::size_t at, step;
    };

    /// FLOAT sums go into the result at once.
    void run_piece(const Phase& phase, const Piece& piece, const Tensors& t) const {
        const std::size_t step = static_cast<std::size_t>(phase.axes[2].out_step) * out_channels_;
        const std::size_t at = out_at(phase, piece.line, piece.x) * out_channels_ + piece.channel;
        if (half_) {
            alignas(64) float sums[kPieceFloats];
            sum_taps(phase, piece, t, sums, piece.channels);
            finish_half(piece, t, {sums, at, step});
        } else {
            float* out = as<float>(t.out) + at;
            sum_taps(phase, piece, t, out, step);
            finish(piece, t.addend, {out, at, step});
        }
    }

    /// Taps that are not in the padding.
    struct Taps {
        const float* in[kMostTaps];
        const float* weights[kMostTaps];
        std::size_t count;
    };

    void sum_taps(const Phase& phase, const Piece& piece, const Tensors& t, float* out,
                  std::size_t out_step) const {
        Taps taps;
        const float* bias = t.packed + taps_ * out_channels_ + piece.channel;
        const std::size_t in_step = static_cast<std::size_t>(phase.axes[2].in_step) * in_channels_;
        for (std::size_t tap = 0; tap == 0 || tap < phase.taps(); tap += kMostTaps) {
            find_taps(phase, piece, tap, t, taps);
            const bool last = tap + kMostTaps >= phase.taps();
            fma_depthwise({taps.in, taps.weights, taps.count, in_step, tap != 0,
                           last ? bias : nullptr, piece.channels, piece.count, out, out_step});
        }
    }

    /// At most kMostTaps, from the tap `first` on.
    void find_taps(const Phase& phase, const Piece& piece, std::size_t first, const Tensors& t,
                   Taps& taps) const {
        const PhaseAxis& w = phase.axes[2];
        const std::size_t end = std::min(first + kMostTaps, phase.taps());
        taps.count = 0;
        for_each_tap_line(phase, piece.line, first, end, [&](const TapLine& line) {
            for (std::size_t tap = line.begin; tap < line.end; ++tap) {
                const std::int64_t at = static_cast<std::int64_t>(piece.x) * w.in_step +
                                        w.offsets[line.across + tap - line.begin];
                if (at >= 0 && at < w.in) {
                    taps.in[taps.count] = t.in +
                                          static_cast<std::size_t>(line.in + at) * in_channels_ +
                                          piece.channel;
                    taps.weights[taps.count++] =
                        t.packed + (phase.first_tap + tap) * out_channels_ + piece.channel;
                }
            }
        });
    }

    void finish(const Piece& piece, const std::byte* addend, const Sums& s) const {
        const bool whole = s.step == piece.channels;
        const std::size_t rows = whole ? 1 : piece.count;
        const std::size_t length = whole ? piece.count * piece.channels : piece.channels;
        for (std::size_t i = 0; i < rows; ++i) {
            if (addend != nullptr) {
                add_from(addend, s.at + i * s.step, s.values + i * s.step, length);
            }
            apply_activation(p_.activation, p_.alpha, p_.beta, s.values + i * s.step, length);
        }
    }

    /// FLOAT16: `values` is FP32, position after position.
    void finish_half(const Piece& piece, const Tensors& t, const Sums& s) const {
        const std::size_t count = piece.count * piece.channels;
        round(s.values, count);
        for (std::size_t i = 0; t.addend != nullptr && i < piece.count; ++i) {
            add_from(t.addend, s.at + i * s.step, s.values + i * piece.channels, piece.channels);
        }
        if (t.addend != nullptr) {
            round(s.values, count);
        }
        apply_activation(p_.activation, p_.alpha, p_.beta, s.values, count);
        for (std::size_t i = 0; i < piece.count; ++i) {
            store(s.values + i * piece.channels, t.out, s.at + i * s.step, piece.channels);
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
