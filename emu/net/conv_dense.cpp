// SPDX-License-Identifier: Apache-2.0
/// FusedConv on channels last with any groups: tiles of neighbouring outputs times panels of
/// channels.
#include "emu/net/activation.hpp"
#include "emu/net/conv_channels_last.hpp"
#include "emu/net/fma_tile.hpp"

#include <array>
#include <optional>

namespace qaicnet {

using qaicrt::Result;

namespace {

/// A ConvTranspose whose steps are as long as its kernel: every input makes results of its own, so
/// it is a pointwise convolution to taps x channels, whose results are then put where they belong.
struct Scatter {
    std::size_t channels;
    Window window;

    std::size_t taps() const { return static_cast<std::size_t>(window.kernel_count()); }
    /// Of input position x of all images and a tap, in the result.
    std::size_t position(std::size_t x, std::size_t tap) const {
        const auto& a = window.axes;
        const auto in = static_cast<std::int64_t>(x);
        const auto k = static_cast<std::int64_t>(tap);
        const std::int64_t image = in / window.in_count();
        const std::int64_t d =
            in / (a[1].in * a[2].in) % a[0].in * a[0].stride + k / (a[1].kernel * a[2].kernel);
        const std::int64_t h = in / a[2].in % a[1].in * a[1].stride + k / a[2].kernel % a[1].kernel;
        const std::int64_t w = in % a[2].in * a[2].stride + k % a[2].kernel;
        return static_cast<std::size_t>(((image * a[0].out + d) * a[1].out + h) * a[2].out + w);
    }

    static bool fits(const ConvProblem& p) {
        return p.transposed && p.groups == 1 &&
               std::all_of(p.window.axes.begin(), p.window.axes.end(), [](const WindowAxis& a) {
                   return a.kernel == a.stride && a.dilation == 1 && a.before == 0 &&
                          a.out == a.in * a.stride;
               });
    }
    /// The pointwise convolution.
    static ConvProblem pointwise(ConvProblem p) {
        p.out_channels *= static_cast<std::size_t>(p.window.kernel_count());
        p.transposed = false;
        for (WindowAxis& a : p.window.axes) {
            WindowAxis point;
            point.in = point.out = a.in;
            a = point;
        }
        return p;
    }
};

/// Any groups: tiles of neighbouring outputs of a line times panels of 16 output channels.
class DenseConv final : public ChannelsLast {
  public:
    DenseConv(const ConvProblem& problem, std::vector<Phase> phases, std::size_t images,
              std::optional<Scatter> scatter = std::nullopt)
        : ChannelsLast(problem, std::move(phases), images),
          panels_(panel_count(p_.out_channels)),
          panel_floats_(taps_ * p_.in_channels * kPanelColumns),
          tile_rows_(fma_rows()),
          merges_taps_(!p_.transposed && p_.groups == 1 && p_.window.axes[2].dilation == 1),
          scatter_(std::move(scatter)) {}

  private:
    static constexpr std::size_t kMostRuns = 192;    ///< in the table of a segment
    static constexpr std::size_t kSegmentTiles = 8;  ///< that share a table
    static constexpr std::size_t kPanelsPerTask = 8;

    /// A stretch of a line of output positions, whose results begin at `out` and are `out_step`
    /// elements apart.
    struct Segment {
        std::size_t image, group, line, first, count, out, out_step;
    };
    struct TileRuns {
        const FmaRun* runs;
        std::size_t count, length;
    };
    std::size_t bias_at() const { return p_.groups * panels_ * panel_floats_; }
    std::size_t zeros_at() const { return bias_at() + p_.groups * panels_ * kPanelColumns; }
    std::size_t packed_floats() const override { return zeros_at() + p_.in_channels; }

    /// [group][panel][tap][channel][16]
    void pack(const std::byte* weights, const std::byte* bias, float* out,
              Workers& workers) const override {
        parallel_for(workers, p_.groups * panels_, grain_for(panel_floats_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             pack_panel(weights, i / panels_, i % panels_, out + i * panel_floats_);
                         }
                     });
        float* b = out + bias_at();
        for (std::size_t i = 0; i < p_.groups * panels_ * kPanelColumns; ++i) {
            const std::size_t group = i / (panels_ * kPanelColumns);
            const std::size_t m = i % (panels_ * kPanelColumns);
            b[i] = bias == nullptr || m >= p_.out_channels ? 0.0F
                   : scatter_                              ? element(bias, m % scatter_->channels)
                              : element(bias, group * p_.out_channels + m);
        }
        std::fill_n(out + zeros_at(), p_.in_channels, 0.0F);
    }

    void pack_panel(const std::byte* w, std::size_t group, std::size_t panel, float* out) const {
        for_each_tap([&](std::size_t at, std::size_t tap) {
            for (std::size_t c = 0; c < p_.in_channels; ++c) {
                float* to = out + (at * p_.in_channels + c) * kPanelColumns;
                for (std::size_t j = 0; j < kPanelColumns; ++j) {
                    const std::size_t m = panel * kPanelColumns + j;
                    to[j] = m < p_.out_channels ? column_weight(w, group, m, c, tap) : 0.0F;
                }
            }
        });
    }

    float column_weight(const std::byte* w, std::size_t group, std::size_t m, std::size_t c,
                        std::size_t tap) const {
        if (!scatter_) {
            return weight(w, group, m, c, tap);
        }
        const std::size_t row = c * scatter_->channels + m % scatter_->channels;
        return element(w, row * scatter_->taps() + m / scatter_->channels);
    }

    void run_phase(const Phase& phase, const Tensors& given, Workers& workers) const override {
        const std::size_t width = phase.width();
        const std::size_t lines = phase.lines();
        const std::size_t taps = std::max<std::size_t>(phase.taps(), 1);
        const std::size_t length =
            std::clamp<std::size_t>(kMostRuns / taps, 1, kSegmentTiles) * tile_rows_;
        const std::size_t segments = (width + length - 1) / length;
        const std::size_t panel_tasks = (panels_ + kPanelsPerTask - 1) / kPanelsPerTask;
        const std::size_t strips = images_ * p_.groups * lines * segments;
        const std::size_t cost =
            std::min(length, width) * taps * p_.in_channels * std::min(panels_, kPanelsPerTask);
        // Panels change last, so that a thread keeps those it works with in its cache.
        parallel_for(
            workers, strips * panel_tasks, grain_for(cost),
            [&](std::size_t begin, std::size_t end) {
                for (std::size_t task = begin; task < end; ++task) {
                    const std::size_t line = task % strips / segments;
                    const std::size_t first = task % strips % segments * length;
                    const Segment s = segment(phase, line, first, std::min(length, width - first));
                    Tensors t = given;
                    t.in += s.group * p_.in_channels;
                    const std::size_t panel = task / strips * kPanelsPerTask;
                    run_segment(phase, s, panel, std::min(panel + kPanelsPerTask, panels_), t);
                }
            });
    }

    /// `line`: of all images and groups.
    Segment segment(const Phase& phase, std::size_t line, std::size_t first,
                    std::size_t count) const {
        const std::size_t lines = phase.lines();
        Segment s{line / lines / p_.groups,
                  line / lines % p_.groups,
                  line % lines,
                  first,
                  count,
                  0,
                  static_cast<std::size_t>(phase.axes[2].out_step) * out_channels_};
        s.out = out_at(phase, s.image, s.line, first) * out_channels_ + s.group * p_.out_channels;
        return s;
    }

    void run_segment(const Phase& phase, const Segment& s, std::size_t panel_begin,
                     std::size_t panel_end, const Tensors& t) const {
        FmaRun table[kMostRuns];
        TileRuns tiles[kSegmentTiles];
        const PhaseAxis& w = phase.axes[2];
        const auto first = static_cast<std::int64_t>(s.first);
        const bool merged = merges_taps_ && first >= w.safe_begin &&
                            first + static_cast<std::int64_t>(s.count) <= w.safe_end;
        const bool fits = phase.taps() / (merged ? w.kernel.size() : 1) <= kMostRuns;
        std::size_t used = 0;
        for (std::size_t x = 0; fits && x < s.count; x += tile_rows_) {
            TileRuns& tile = tiles[x / tile_rows_];
            tile = fill_table(phase, s, x, t, {table + used, 0, phase.taps()});
            used += tile.count;
        }
        for (std::size_t panel = panel_begin; panel < panel_end; ++panel) {
            for (std::size_t x = 0; x < s.count; x += tile_rows_) {
                alignas(64) float tile[kMaxFmaRows * kPanelColumns] = {};
                const std::size_t rows = std::min(tile_rows_, s.count - x);
                if (fits) {
                    const float* weights = panel_weights(phase, s, panel, t);
                    add_runs(tiles[x / tile_rows_], rows, panel, weights, tile);
                } else {
                    add_many_taps(phase, s, x, t, {table, 0, phase.taps()}, panel, tile);
                }
                finish_tile(s, x, panel, t, tile);
            }
        }
    }

    void add_runs(const TileRuns& r, std::size_t rows, std::size_t panel, const float* weights,
                  float* tile) const {
        const bool narrow_panel = (panel + 1) * kPanelColumns >= p_.out_channels + 8;
        (narrow_panel ? fma_half_tile : fma_tile)(r.runs, r.count, r.length, rows, weights, tile,
                                                  true);
    }

    const float* panel_weights(const Phase& phase, const Segment& s, std::size_t panel,
                               const Tensors& t) const {
        return t.packed + (s.group * panels_ + panel) * panel_floats_ +
               phase.first_tap * p_.in_channels * kPanelColumns;
    }

    /// Where runs go, and which taps of the phase they are for.
    struct Taps {
        FmaRun* table;
        std::size_t begin, end;
    };

    TileRuns fill_table(const Phase& phase, const Segment& s, std::size_t x, const Tensors& t,
                        const Taps& taps) const {
        const PhaseAxis& w = phase.axes[2];
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const auto first = static_cast<std::int64_t>(s.first + x);
        const bool inside =
            first >= w.safe_begin && first + static_cast<std::int64_t>(rows) <= w.safe_end;
        const std::size_t across = w.kernel.size();
        // In the middle of a line the taps of one line of the kernel are neighbours in memory.
        const bool merged = inside && merges_taps_ && taps.begin == 0 && taps.end == phase.taps();
        const std::size_t step = merged ? across : 1;
        TileRuns out{taps.table, 0, step * p_.in_channels};
        for (std::size_t tap = taps.begin; tap < taps.end; tap += step) {
            const std::size_t plane = tap / across;
            const std::int64_t line =
                in_line(phase, s.image, s.line, plane / phase.axes[1].kernel.size(),
                        plane % phase.axes[1].kernel.size());
            if (line < 0) {
                continue;
            }
            FmaRun& run = taps.table[out.count++];
            run.weights = tap * p_.in_channels * kPanelColumns;
            for (std::size_t r = 0; r < rows; ++r) {
                const std::int64_t at =
                    (first + static_cast<std::int64_t>(r)) * w.in_step + w.offsets[tap % across];
                run.rows[r] = at >= 0 && at < w.in
                                  ? t.in + static_cast<std::size_t>(line + at) * in_channels_
                                  : t.packed + zeros_at();
            }
        }
        return out;
    }

    /// Kernels with more taps than the table holds.
    void add_many_taps(const Phase& phase, const Segment& s, std::size_t x, const Tensors& t,
                       const Taps& taps, std::size_t panel, float* tile) const {
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        for (std::size_t tap = taps.begin; tap < taps.end; tap += kMostRuns) {
            const TileRuns r =
                fill_table(phase, s, x, t, {taps.table, tap, std::min(tap + kMostRuns, taps.end)});
            add_runs(r, rows, panel, panel_weights(phase, s, panel, t), tile);
        }
    }

    /// What comes after the sum: the bias, and the rounding of the convolution's own result.
    void add_bias(const Segment& s, std::size_t panel, std::size_t rows, const Tensors& t,
                  float* tile) const {
        const float* bias = t.packed + bias_at() + (s.group * panels_ + panel) * kPanelColumns;
        for (std::size_t r = 0; p_.has_bias && r < rows; ++r) {
            for (std::size_t j = 0; j < kPanelColumns; ++j) {
                tile[r * kPanelColumns + j] += bias[j];
            }
        }
        round(tile, rows * kPanelColumns);
    }

    void finish_tile(const Segment& s, std::size_t x, std::size_t panel, const Tensors& t,
                     float* tile) const {
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const std::size_t first = panel * kPanelColumns;
        const std::size_t columns = std::min(kPanelColumns, p_.out_channels - first);
        add_bias(s, panel, rows, t, tile);
        for (std::size_t r = 0; t.addend != nullptr && r < rows; ++r) {
            for_each_run(s, x + r, {first, columns},
                         [&](std::size_t at, std::size_t column, std::size_t count) {
                             add_from(t.addend, at, tile + r * kPanelColumns + column, count);
                         });
        }
        if (t.addend != nullptr) {
            round(tile, rows * kPanelColumns);
        }
        apply_activation(p_.activation, p_.alpha, p_.beta, tile, rows * kPanelColumns);
        for (std::size_t r = 0; r < rows; ++r) {
            for_each_run(s, x + r, {first, columns},
                         [&](std::size_t at, std::size_t column, std::size_t count) {
                             store(tile + r * kPanelColumns + column, t.out, at, count);
                         });
        }
    }

    struct Columns {
        std::size_t first, count;
    };

    /// Calls visit(where in the result, column of the tile, how many) for the columns of one output
    /// position: a stretch of channels, or one for each tap where ConvTranspose scatters them.
    template <class Visit>
    void for_each_run(const Segment& s, std::size_t x, const Columns& columns,
                      Visit&& visit) const {
        if (!scatter_) {
            visit(s.out + x * s.out_step + columns.first, std::size_t{0}, columns.count);
            return;
        }
        for (std::size_t j = 0; j < columns.count;) {
            const std::size_t m = (columns.first + j) % scatter_->channels;
            const std::size_t count = std::min(scatter_->channels - m, columns.count - j);
            const std::size_t at =
                scatter_->position(s.first + x, (columns.first + j) / scatter_->channels);
            visit(at * scatter_->channels + m, j, count);
            j += count;
        }
    }

    std::size_t panels_, panel_floats_, tile_rows_;
    bool merges_taps_;
    std::optional<Scatter> scatter_;
};

}  // namespace

Result<KernelPtr> make_dense_conv(NodeContext& c, const ConvProblem& problem) {
    std::optional<Scatter> scatter;
    ConvProblem p = problem;
    if (Scatter::fits(problem)) {
        scatter = Scatter{problem.out_channels, problem.window};
        p = Scatter::pointwise(problem);
    }
    std::size_t images = 0;
    std::vector<Phase> phases = plan_phases(p, &images);
    auto kernel = std::make_unique<DenseConv>(p, std::move(phases), images, std::move(scatter));
    QAICRT_CHECK(kernel->prepare(c));
    return KernelPtr(std::move(kernel));
}

}  // namespace qaicnet
