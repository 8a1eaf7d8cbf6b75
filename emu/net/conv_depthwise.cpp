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
    static constexpr std::size_t kMostTaps = 256;
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
        const float* in[kMostTaps];
        alignas(64) float sums[kPieceFloats];
        const float* bias = t.packed + taps_ * out_channels_ + piece.channel;
        std::fill_n(sums, piece.count * piece.channels, 0.0F);
        const float* start = half_ ? nullptr : bias;
        for (std::size_t tap = 0; tap < std::max<std::size_t>(phase.taps(), 1); tap += kMostTaps) {
            const std::size_t taps = std::min(kMostTaps, phase.taps() - tap);
            find_inputs(phase, piece, tap, taps, t.in, in);
            const DepthwiseLine line{
                in,
                taps,
                static_cast<std::size_t>(phase.axes[2].in_step) * in_channels_,
                t.packed + (phase.first_tap + tap) * out_channels_ + piece.channel,
                out_channels_,
                start,
                piece.channels,
                piece.count,
                sums,
                piece.channels};
            if (tap == 0) {
                fma_depthwise(line);
            } else {
                for (std::size_t i = 0; i < piece.count; ++i) {  // goes on from each result
                    continue_one(line, i);
                }
            }
        }
        if (half_) {
            for (std::size_t i = 0; p_.has_bias && i < piece.count * piece.channels; ++i) {
                sums[i] += bias[i % piece.channels];
            }
            round(sums, piece.count * piece.channels);
        }
        finish(phase, piece, t, sums);
    }

    static void continue_one(DepthwiseLine line, std::size_t x) {
        const float* moved[kMostTaps];
        for (std::size_t t = 0; t < line.taps; ++t) {
            moved[t] = line.in[t] == nullptr ? nullptr : line.in[t] + x * line.in_step;
        }
        line.in = moved;
        line.out += x * line.out_step;
        line.start = line.out;
        line.width = 1;
        fma_depthwise(line);
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
