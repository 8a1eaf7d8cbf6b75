// SPDX-License-Identifier: Apache-2.0
/// FusedConv on channels last with any groups: tiles of neighbouring outputs times panels of
/// channels.
#include "emu/net/activation.hpp"
#include "emu/net/conv_channels_last.hpp"
#include "emu/net/fma_tile.hpp"

#include <array>
#include <cstdint>
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
    static constexpr std::size_t kCachedFloats = 4096;  ///< of weights; half of a first cache

    /// A stretch of a line of output positions, whose results begin at `out` and are `out_step`
    /// elements apart.
    struct Segment {
        OutputLine line;
        std::size_t group, first, count, out, out_step;
    };
    struct TileRuns {
        const FmaRun* runs;
        std::size_t count, length;
    };
    /// Where runs go, and which taps of the phase they are for.
    struct Taps {
        FmaRun* table;
        std::size_t begin, end;
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
        Segment s{OutputLine::of(phase, line / lines / p_.groups, line % lines),
                  line / lines % p_.groups,
                  first,
                  count,
                  0,
                  static_cast<std::size_t>(phase.axes[2].out_step) * out_channels_};
        s.out = out_at(phase, s.line, first) * out_channels_ + s.group * p_.out_channels;
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
        bool inside_before = false;
        for (std::size_t x = 0; fits && x < s.count; x += tile_rows_) {
            TileRuns& tile = tiles[x / tile_rows_];
            const bool inside = is_inside(w, s, x) && s.count - x >= tile_rows_;
            tile = inside && inside_before
                       ? next_table(w, tiles[x / tile_rows_ - 1], table + used)
                       : fill_table(phase, s, x, t, {table + used, 0, phase.taps()});
            inside_before = inside;
            used += tile.count;
        }
        // Results are neighbours when panels change first, if the weights of all stay in the cache.
        const std::size_t panels = panel_end - panel_begin;
        const bool panels_first = panels * panel_floats_ <= kCachedFloats;
        const std::size_t count = (s.count + tile_rows_ - 1) / tile_rows_;
        for (std::size_t i = 0; i < count * panels; ++i) {
            const std::size_t tile = panels_first ? i / panels : i % count;
            const std::size_t panel = panel_begin + (panels_first ? i % panels : i / count);
            const Taps taps{table, 0, phase.taps()};
            run_tile(phase, s, tile * tile_rows_, panel, t, taps, fits ? &tiles[tile] : nullptr);
        }
        finish_columns(s, panel_begin, panel_end, t);
    }

    /// The cache lines behind a tile's results, which the next tile writes, come while sums are
    /// made. Numbers, not pointers: they may lie behind the tensor.
    void fetch_lines(const FmaEnds& ends, std::size_t rows) const {
        const std::uintptr_t step = ends.out_step * sizeof(float);
        const std::uintptr_t next = reinterpret_cast<std::uintptr_t>(ends.out) + tile_rows_ * step;
        for (std::size_t r = 0; r < rows; ++r) {
            __builtin_prefetch(reinterpret_cast<const void*>(next + r * step), 1);
        }
    }

    /// `runs`: null when the taps do not fit the table.
    void run_tile(const Phase& phase, const Segment& s, std::size_t x, std::size_t panel,
                  const Tensors& t, const Taps& taps, const TileRuns* runs) const {
        alignas(64) float tile[kMaxFmaRows * kPanelColumns];
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const bool direct = is_direct(panel);
        const FmaEnds ends{
            nullptr, t.packed + bias_at() + (s.group * panels_ + panel) * kPanelColumns,
            direct ? as<float>(t.out) + s.out + x * s.out_step + panel * kPanelColumns : tile,
            direct ? s.out_step : kPanelColumns};
        if (direct) {
            fetch_lines(ends, rows);
        }
        if (runs != nullptr) {
            add_runs(*runs, rows, panel, panel_weights(phase, s, panel, t), ends);
        } else {
            add_many_taps(phase, s, x, t, taps, panel, ends);
        }
        if (!direct) {
            finish_tile(s, x, panel, t, tile);
        }
    }

    std::size_t columns_of(std::size_t panel) const {
        return std::min(kPanelColumns, p_.out_channels - panel * kPanelColumns);
    }
    /// Sums go into the result at once, and what follows is done there.
    bool is_direct(std::size_t panel) const {
        const std::size_t columns = columns_of(panel);
        return !half_ && !scatter_ && (columns == kPanelColumns || columns == kPanelColumns / 2);
    }

    /// Addend and activation of the panels that are direct, while they are in the cache.
    void finish_columns(const Segment& s, std::size_t panel_begin, std::size_t panel_end,
                        const Tensors& t) const {
        if (half_ || scatter_ || (t.addend == nullptr && p_.activation == Activation::kNone)) {
            return;
        }
        const std::size_t first = panel_begin * kPanelColumns;
        const std::size_t last = panel_end - 1;
        const std::size_t columns =
            last * kPanelColumns + (is_direct(last) ? columns_of(last) : 0) - first;
        const bool whole = columns == s.out_step;
        const std::size_t rows = whole ? 1 : s.count;
        const std::size_t length = whole ? s.count * columns : columns;
        for (std::size_t r = 0; r < rows; ++r) {
            const std::size_t at = s.out + first + r * s.out_step;
            float* out = as<float>(t.out) + at;
            if (t.addend != nullptr) {
                add_from(t.addend, at, out, length);
            }
            apply_activation(p_.activation, p_.alpha, p_.beta, out, length);
        }
    }

    void add_runs(const TileRuns& r, std::size_t rows, std::size_t panel, const float* weights,
                  const FmaEnds& ends) const {
        const bool half_panel = columns_of(panel) <= kPanelColumns / 2;
        (half_panel ? fma_half_tile : fma_tile)(r.runs, r.count, r.length, rows, weights, ends);
    }

    const float* panel_weights(const Phase& phase, const Segment& s, std::size_t panel,
                               const Tensors& t) const {
        return t.packed + (s.group * panels_ + panel) * panel_floats_ +
               phase.first_tap * p_.in_channels * kPanelColumns;
    }

    /// No tap of the tile at x lies before or behind its input line.
    bool is_inside(const PhaseAxis& w, const Segment& s, std::size_t x) const {
        const auto first = static_cast<std::int64_t>(s.first + x);
        const auto rows = static_cast<std::int64_t>(std::min(tile_rows_, s.count - x));
        return first >= w.safe_begin && first + rows <= w.safe_end;
    }

    /// The table of the tile behind another one, both inside and whole.
    TileRuns next_table(const PhaseAxis& w, const TileRuns& before, FmaRun* table) const {
        const std::size_t step = tile_rows_ * static_cast<std::size_t>(w.in_step) * in_channels_;
        for (std::size_t i = 0; i < before.count; ++i) {
            table[i].weights = before.runs[i].weights;
            for (std::size_t r = 0; r < tile_rows_; ++r) {
                table[i].rows[r] = before.runs[i].rows[r] + step;
            }
        }
        return {table, before.count, before.length};
    }

    TileRuns fill_table(const Phase& phase, const Segment& s, std::size_t x, const Tensors& t,
                        const Taps& taps) const {
        const PhaseAxis& w = phase.axes[2];
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const auto first = static_cast<std::int64_t>(s.first + x);
        const bool inside = is_inside(w, s, x);
        const std::size_t across = w.kernel.size();
        // In the middle of a line the taps of one line of the kernel are neighbours in memory.
        const bool merged = inside && merges_taps_ && taps.begin == 0 && taps.end == phase.taps();
        TileRuns out{taps.table, 0, (merged ? across : 1) * p_.in_channels};
        for_each_tap_line(phase, s.line, taps.begin, taps.end, [&](const TapLine& line) {
            for (std::size_t tap = line.begin; tap < (merged ? line.begin + 1 : line.end); ++tap) {
                FmaRun& run = taps.table[out.count++];
                run.weights = tap * p_.in_channels * kPanelColumns;
                const std::int64_t at =
                    first * w.in_step + w.offsets[line.across + tap - line.begin];
                if (inside) {
                    const float* from =
                        t.in + static_cast<std::size_t>(line.in + at) * in_channels_;
                    for (std::size_t r = 0; r < rows; ++r) {
                        run.rows[r] = from + r * static_cast<std::size_t>(w.in_step) * in_channels_;
                    }
                } else {
                    fill_at_edge(w, line.in, at, rows, t, run);
                }
            }
        });
        return out;
    }

    /// Rows from position `at` of an input line on, some of which are in the padding.
    void fill_at_edge(const PhaseAxis& w, std::int64_t line, std::int64_t at, std::size_t rows,
                      const Tensors& t, FmaRun& run) const {
        for (std::size_t r = 0; r < rows; ++r) {
            const std::int64_t column = at + static_cast<std::int64_t>(r) * w.in_step;
            run.rows[r] = column >= 0 && column < w.in
                              ? t.in + static_cast<std::size_t>(line + column) * in_channels_
                              : t.packed + zeros_at();
        }
    }

    /// Kernels with more taps than the table holds; a multiple of 32 of them at once.
    void add_many_taps(const Phase& phase, const Segment& s, std::size_t x, const Tensors& t,
                       const Taps& taps, std::size_t panel, const FmaEnds& ends) const {
        alignas(64) float sums[kMaxFmaRows * kPanelColumns];
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const float* before = nullptr;
        for (std::size_t tap = taps.begin; tap < taps.end; tap += kMostRuns) {
            const std::size_t end = std::min(tap + kMostRuns, taps.end);
            const TileRuns r = fill_table(phase, s, x, t, {taps.table, tap, end});
            const float* weights = panel_weights(phase, s, panel, t);
            add_runs(r, rows, panel, weights,
                     end < taps.end ? FmaEnds{before, nullptr, sums, kPanelColumns}
                                    : FmaEnds{before, ends.bias, ends.out, ends.out_step});
            before = sums;
        }
    }

    void finish_tile(const Segment& s, std::size_t x, std::size_t panel, const Tensors& t,
                     float* tile) const {
        const std::size_t rows = std::min(tile_rows_, s.count - x);
        const std::size_t first = panel * kPanelColumns;
        const std::size_t columns = std::min(kPanelColumns, p_.out_channels - first);
        round(tile, rows * kPanelColumns);
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
