// SPDX-License-Identifier: Apache-2.0
/// FusedConv with one input and one output channel in each group.
#include "emu/net/activation.hpp"
#include "emu/net/conv_last.hpp"
#include "emu/net/fma_tile.hpp"

#include <algorithm>
#include <utility>

namespace qaicnet {

using qaicrt::Result;

namespace {

/// One input and one output channel in each group: vectors of channels.
class DepthwiseConv final : public ChannelsLast {
  public:
    using ChannelsLast::ChannelsLast;

  private:
    static constexpr std::size_t kMostTaps = 256;
    static constexpr std::size_t kPieceFloats = 2048;  ///< of a line, finished while it is cached

    std::size_t packed_floats() const override { return (taps_ + 1) * out_channels_; }

    /// [tap][channel], then the bias
    void pack(const std::byte* weights, const std::byte* bias, float* out,
              Workers& /*workers*/) const override {
        for_each_tap([&](std::size_t at, std::size_t tap) {
            for (std::size_t c = 0; c < out_channels_; ++c) {
                out[at * out_channels_ + c] = weight(as<float>(weights), c, 0, 0, tap);
            }
        });
        float* b = out + taps_ * out_channels_;
        std::fill_n(b, out_channels_, 0.0F);
        if (bias != nullptr) {
            std::copy_n(as<float>(bias), out_channels_, b);
        }
    }

    void run_phase(const Phase& phase, const RunArgs& args, const float* packed) const override {
        const std::size_t lines = phase.lines();
        parallel_for(args.workers, images_ * lines,
                     grain_for(phase.width() * out_channels_ * phase.taps() / 4 + 1),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             run_line(phase, OutputLine::of(phase, i / lines, i % lines), args,
                                      packed);
                         }
                     });
    }

    void run_line(const Phase& phase, const OutputLine& line, const RunArgs& args,
                  const float* packed) const {
        const PhaseAxis& w = phase.axes[2];
        const auto safe_begin = static_cast<std::size_t>(w.safe_begin);
        const auto safe_end = static_cast<std::size_t>(w.safe_end);
        const std::size_t piece = std::max<std::size_t>(kPieceFloats / out_channels_, 4);
        std::size_t x = 0;
        while (x < phase.width()) {
            const bool inside = x >= safe_begin && x < safe_end;
            const std::size_t count = inside ? std::min(piece, safe_end - x) : 1;
            run_piece(phase, {line, x, count}, args, packed);
            x += count;
        }
    }

    struct Piece {
        OutputLine line;
        std::size_t x, count;
    };

    void run_piece(const Phase& phase, const Piece& piece, const RunArgs& args,
                   const float* packed) const {
        const float* in[kMostTaps];
        const std::size_t at = out_at(phase, piece.line, piece.x) * out_channels_;
        float* out = as<float>(args.out[0]) + at;
        const auto step = static_cast<std::size_t>(phase.axes[2].out_step) * out_channels_;
        const float* start = packed + taps_ * out_channels_;
        for (std::size_t tap = 0; tap < phase.taps(); tap += kMostTaps) {
            const std::size_t taps = std::min(kMostTaps, phase.taps() - tap);
            find_inputs(phase, piece, tap, taps, as<float>(args.in[0]), in);
            DepthwiseLine line{in,
                               taps,
                               static_cast<std::size_t>(phase.axes[2].in_step) * out_channels_,
                               packed + (phase.first_tap + tap) * out_channels_,
                               start,
                               out_channels_,
                               piece.count,
                               out,
                               step};
            if (tap == 0) {
                fma_depthwise(line);
            } else {
                for (std::size_t i = 0; i < piece.count; ++i) {  // goes on from each result
                    continue_one(line, i);
                }
            }
        }
        if (phase.taps() == 0) {
            fma_depthwise({in, 0, 0, packed, start, out_channels_, piece.count, out, step});
        }
        finish(piece, step, p_.has_addend ? as<float>(args.in[3]) + at : nullptr, out);
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
                in_line(phase, piece.line, plane / phase.axes[1].kernel.size(),
                        plane % phase.axes[1].kernel.size());
            const std::int64_t at =
                static_cast<std::int64_t>(piece.x) * w.in_step + w.offsets[(first + t) % across];
            in[t] = line < 0 || at < 0 || at >= w.in
                        ? nullptr
                        : data + static_cast<std::size_t>(line + at) * in_channels_;
        }
    }

    void finish(const Piece& piece, std::size_t step, const float* addend, float* out) const {
        const bool dense = step == out_channels_;
        const std::size_t rows = dense ? 1 : piece.count;
        const std::size_t length = dense ? piece.count * out_channels_ : out_channels_;
        for (std::size_t r = 0; r < rows; ++r) {
            float* x = out + r * step;
            for (std::size_t i = 0; addend != nullptr && i < length; ++i) {
                x[i] += addend[r * step + i];
            }
            apply_activation(p_.activation, p_.alpha, p_.beta, x, length);
        }
    }
};

}  // namespace

Result<KernelPtr> make_depthwise_kernel(NodeContext& c, const ConvProblem& problem,
                                        std::vector<Phase> phases, std::size_t images) {
    auto kernel = std::make_unique<DepthwiseConv>(problem, std::move(phases), images);
    QAICRT_CHECK(kernel->prepare(c));
    return KernelPtr(std::move(kernel));
}

}  // namespace qaicnet
