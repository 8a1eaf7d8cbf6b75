// SPDX-License-Identifier: Apache-2.0
#include "emu/net/conv_kernel.hpp"

#include "emu/net/axes.hpp"
#include "emu/net/matmul_kernel.hpp"
#include "emu/net/parallel.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::size_t kColumns = kPanelColumns;  ///< output positions that are worked on together
constexpr std::size_t kRowBlock = 64;            ///< output channels per task
constexpr std::size_t kDepth = 512;              ///< of the sum, per panel; a multiple of kSumBlock
constexpr std::int64_t kPadding = -1;

/// Where in an image of one channel the window at an output position reads.
class Positions {
  public:
    explicit Positions(const ConvProblem& p) : w_(p.window), transposed_(p.transposed) {}

    std::array<std::int64_t, 3> output(std::int64_t position) const {
        const auto& a = w_.axes;
        return {position / (a[1].out * a[2].out), position / a[2].out % a[1].out,
                position % a[2].out};
    }
    std::array<std::int64_t, 3> kernel(std::int64_t k) const {
        const auto& a = w_.axes;
        return {k / (a[1].kernel * a[2].kernel), k / a[2].kernel % a[1].kernel, k % a[2].kernel};
    }
    std::int64_t input(const std::array<std::int64_t, 3>& out,
                       const std::array<std::int64_t, 3>& kernel) const {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const WindowAxis& a = w_.axes[i];
            std::int64_t x = 0;
            if (transposed_) {
                x = out[i] + a.before - kernel[i] * a.dilation;
                if (x < 0 || x % a.stride != 0) {
                    return kPadding;
                }
                x /= a.stride;
            } else {
                x = out[i] * a.stride - a.before + kernel[i] * a.dilation;
            }
            if (x < 0 || x >= a.in) {
                return kPadding;
            }
            at = at * a.in + x;
        }
        return at;
    }

  private:
    Window w_;
    bool transposed_;
};

/// FLOAT and FLOAT16: panels of 16 output positions times rows of weights.
template <class T>
class ConvKernel final : public Kernel {
  public:
    static Result<KernelPtr> make(NodeContext& c, const ConvProblem& problem) {
        auto kernel = std::make_unique<ConvKernel>(problem);
        if (c.constant(1) != nullptr) {
            kernel->packed_ = Buffer::allocate(kernel->weight_bytes(), c.budget());
            if (!kernel->packed_) {
                return c.fail(Errc::kNoMemory, "there is no memory for its packed weights");
            }
            kernel->pack(as<T>(c.constant(1)), as<float>(kernel->packed_->owned()),
                         *make_workers(1));
            c.drop_input(1);
        }
        return KernelPtr(std::move(kernel));
    }
    explicit ConvKernel(const ConvProblem& problem)
        : p_(problem),
          positions_(problem),
          window_(static_cast<std::size_t>(problem.window.kernel_count())),
          depth_(problem.in_channels * window_),
          in_size_(static_cast<std::size_t>(problem.window.in_count())),
          out_size_(static_cast<std::size_t>(problem.window.out_count())) {}

    std::size_t scratch_bytes() const noexcept override { return packed_ ? 0 : weight_bytes(); }

    Status run(const RunArgs& args) const override {
        const float* weights = packed_ ? as<float>(packed_->data()) : as<float>(args.scratch);
        if (!packed_) {
            pack(as<T>(args.in[1]), as<float>(args.scratch), args.workers);
        }
        const T* bias = p_.has_bias ? as<T>(args.in[2]) : nullptr;
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const std::size_t tiles = (out_size_ + kColumns - 1) / kColumns;
        const std::size_t blocks = (p_.out_channels + kRowBlock - 1) / kRowBlock;
        const std::size_t tasks = p_.images * p_.groups * tiles * blocks;
        const std::size_t cost = std::min(p_.out_channels, kRowBlock) * kColumns * (depth_ + 1);
        parallel_for(args.workers, tasks, grain_for(cost / 8 + 1),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t task = begin; task < end; ++task) {
                             const std::size_t group = task / (tiles * blocks);
                             one_task({in + group * p_.in_channels * in_size_,
                                       weights + group % p_.groups * p_.out_channels * depth_,
                                       bias ? bias + group % p_.groups * p_.out_channels : nullptr,
                                       out + group * p_.out_channels * out_size_},
                                      task / blocks % tiles * kColumns, task % blocks * kRowBlock);
                         }
                     });
        return {};
    }

  private:
    struct Group {
        const T* in;
        const float* weights;
        const T* bias;
        T* out;
    };

    std::size_t weight_bytes() const noexcept {
        return p_.groups * p_.out_channels * depth_ * sizeof(float);
    }

    /// Rows of [in_channels * positions] in FP32, one for each output channel.
    void pack(const T* weights, float* out, Workers& workers) const {
        parallel_for(workers, p_.groups * p_.out_channels, grain_for(depth_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             pack_row(weights, row, out + row * depth_);
                         }
                     });
    }
    void pack_row(const T* weights, std::size_t row, float* out) const {
        if (!p_.transposed) {
            for (std::size_t k = 0; k < depth_; ++k) {
                out[k] = load_wide(weights[row * depth_ + k]);
            }
            return;
        }
        const std::size_t group = row / p_.out_channels;
        const std::size_t m = row % p_.out_channels;
        for (std::size_t c = 0; c < p_.in_channels; ++c) {
            const std::size_t from = ((group * p_.in_channels + c) * p_.out_channels + m) * window_;
            for (std::size_t k = 0; k < window_; ++k) {
                out[c * window_ + k] = load_wide(weights[from + k]);
            }
        }
    }

    void one_task(const Group& g, std::size_t first, std::size_t row) const {
        alignas(64) float panel[kDepth * kColumns];
        alignas(64) float sums[kRowBlock * kColumns];
        const std::size_t rows = std::min(kRowBlock, p_.out_channels - row);
        const std::size_t columns = std::min(kColumns, out_size_ - first);
        std::array<std::array<std::int64_t, 3>, kColumns> at{};
        for (std::size_t j = 0; j < columns; ++j) {
            at[j] = positions_.output(static_cast<std::int64_t>(first + j));
        }
        for (std::size_t k = 0; k < depth_ || k == 0; k += kDepth) {
            const std::size_t depth = std::min(kDepth, depth_ - k);
            fill_panel(g.in, at, columns, k, depth, panel);
            for (std::size_t r = 0; r < rows; r += kTileRows) {
                multiply_tile(g.weights + (row + r) * depth_ + k, depth_,
                              std::min(kTileRows, rows - r), depth, panel, sums + r * kColumns,
                              k != 0);
            }
        }
        for (std::size_t r = 0; r < rows; ++r) {
            store_row(sums + r * kColumns, g.bias, row + r, g.out + (row + r) * out_size_ + first,
                      columns);
        }
    }

    /// panel[k][16]: what the 16 positions read for the terms [first, first + depth) of the sum.
    void fill_panel(const T* in, const std::array<std::array<std::int64_t, 3>, kColumns>& at,
                    std::size_t columns, std::size_t first, std::size_t depth, float* panel) const {
        for (std::size_t i = 0; i < std::min(window_, depth); ++i) {
            // All channels of one position of the kernel read the same places.
            const std::size_t position = (first + i) % window_;
            std::array<std::int64_t, kColumns> from;
            from.fill(kPadding);
            const auto k = positions_.kernel(static_cast<std::int64_t>(position));
            bool run = columns == kColumns;
            for (std::size_t j = 0; j < columns; ++j) {
                from[j] = positions_.input(at[j], k);
                run =
                    run && from[j] != kPadding && from[j] == from[0] + static_cast<std::int64_t>(j);
            }
            fill_position(in, from, run, position, first, depth, panel);
        }
    }

    void fill_position(const T* in, const std::array<std::int64_t, kColumns>& from, bool run,
                       std::size_t position, std::size_t first, std::size_t depth,
                       float* panel) const {
        const std::size_t begin =
            first % window_ <= position ? first / window_ : first / window_ + 1;
        for (std::size_t c = begin; c * window_ + position < first + depth; ++c) {
            float* to = panel + (c * window_ + position - first) * kColumns;
            const T* channel = in + c * in_size_;
            if (run) {
                if constexpr (std::is_same_v<T, Half>) {
                    widen(channel + from[0], to, kColumns);
                } else {
                    std::memcpy(to, channel + from[0], kColumns * sizeof(float));
                }
            } else {
                for (std::size_t j = 0; j < kColumns; ++j) {
                    to[j] = from[j] == kPadding ? 0.0F : load_wide(channel[from[j]]);
                }
            }
        }
    }

    void store_row(float* sums, const T* bias, std::size_t row, T* out, std::size_t columns) const {
        if (bias != nullptr) {
            const float b = load_wide(bias[row]);
            for (std::size_t j = 0; j < columns; ++j) {
                sums[j] += b;
            }
        }
        if constexpr (std::is_same_v<T, Half>) {
            narrow(sums, out, columns);
        } else {
            std::copy_n(sums, columns, out);
        }
    }

    ConvProblem p_;
    Positions positions_;
    std::size_t window_, depth_, in_size_, out_size_;
    std::shared_ptr<Buffer> packed_;
};

/// One input and one output channel in each group: the sum is short, so whole rows of the output
/// are worked on at once, in the same order. Also DOUBLE, whatever its groups.
template <class T>
class DirectConvKernel final : public Kernel {
  public:
    explicit DirectConvKernel(const ConvProblem& problem)
        : p_(problem),
          positions_(problem),
          window_(static_cast<std::size_t>(problem.window.kernel_count())),
          in_size_(static_cast<std::size_t>(problem.window.in_count())),
          out_size_(static_cast<std::size_t>(problem.window.out_count())) {}

    Status run(const RunArgs& args) const override {
        const auto width = static_cast<std::size_t>(p_.window.axes[2].out);
        const std::size_t lines = width == 0 ? 0 : out_size_ / width;
        const std::size_t tasks = p_.images * p_.groups * p_.out_channels * lines;
        parallel_for(args.workers, tasks, grain_for(width * p_.in_channels * window_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t task = begin; task < end; ++task) {
                             one_line(args, task / lines, task % lines, width);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;
    static constexpr std::size_t kPieceColumns = 128;

    void one_line(const RunArgs& args, std::size_t channel, std::size_t line,
                  std::size_t width) const {
        const std::size_t group = channel / p_.out_channels;
        const std::size_t m = channel % p_.out_channels;
        const T* in = as<T>(args.in[0]) + group * p_.in_channels * in_size_;
        T* out = as<T>(args.out[0]) + channel * out_size_ + line * width;
        const std::size_t row = group % p_.groups * p_.out_channels + m;
        const W bias = p_.has_bias ? load_wide(as<T>(args.in[2])[row]) : W{0};
        for (std::size_t x = 0; x < width; x += kPieceColumns) {
            const std::size_t columns = std::min(kPieceColumns, width - x);
            W sums[kPieceColumns] = {};
            W part[kPieceColumns] = {};
            for (std::size_t k = 0; k < p_.in_channels * window_; ++k) {
                const std::size_t c = k / window_;
                const W weight = load_wide(weight_of(args, group % p_.groups, m, c, k % window_));
                add_term(in + c * in_size_, line, x, columns, k % window_, weight, part);
                if ((k + 1) % kSumBlock == 0) {
                    flush(sums, part, columns);
                }
            }
            flush(sums, part, columns);
            for (std::size_t j = 0; j < columns; ++j) {
                out[x + j] = store_narrow<T>(p_.has_bias ? sums[j] + bias : sums[j]);
            }
        }
    }

    static void flush(W* sums, W* part, std::size_t columns) {
        for (std::size_t j = 0; j < columns; ++j) {
            sums[j] += part[j];
            part[j] = 0;
        }
    }

    T weight_of(const RunArgs& args, std::size_t group, std::size_t m, std::size_t c,
                std::size_t k) const {
        const T* weights = as<T>(args.in[1]);
        return p_.transposed
                   ? weights[((group * p_.in_channels + c) * p_.out_channels + m) * window_ + k]
                   : weights[((group * p_.out_channels + m) * p_.in_channels + c) * window_ + k];
    }

    /// part[j] += weight * in[…] for the positions [x, x + columns) of a line.
    void add_term(const T* in, std::size_t line, std::size_t x, std::size_t columns, std::size_t k,
                  W weight, W* part) const {
        const auto& a = p_.window.axes;
        const auto kernel = positions_.kernel(static_cast<std::int64_t>(k));
        const auto l = static_cast<std::int64_t>(line);
        if (p_.transposed) {
            for (std::size_t j = 0; j < columns; ++j) {
                const std::int64_t from = positions_.input(
                    {l / a[1].out, l % a[1].out, static_cast<std::int64_t>(x + j)}, kernel);
                part[j] += from == kPadding ? W{0} : weight * load_wide(in[from]);
            }
            return;
        }
        const std::int64_t d = l / a[1].out * a[0].stride - a[0].before + kernel[0] * a[0].dilation;
        const std::int64_t h = l % a[1].out * a[1].stride - a[1].before + kernel[1] * a[1].dilation;
        if (d < 0 || d >= a[0].in || h < 0 || h >= a[1].in) {
            return;
        }
        const T* from = in + (d * a[1].in + h) * a[2].in;
        const std::int64_t start =
            static_cast<std::int64_t>(x) * a[2].stride - a[2].before + kernel[2] * a[2].dilation;
        // Positions whose column lies in the input.
        const std::int64_t stride = a[2].stride;
        const std::int64_t low = start >= 0 ? 0 : (-start + stride - 1) / stride;
        const std::int64_t high = a[2].in - 1 < start ? 0 : (a[2].in - 1 - start) / stride + 1;
        const auto end = std::min<std::int64_t>(high, static_cast<std::int64_t>(columns));
        if (stride == 1) {
            for (std::int64_t j = low; j < end; ++j) {
                part[j] += weight * load_wide(from[start + j]);
            }
        } else {
            for (std::int64_t j = low; j < end; ++j) {
                part[j] += weight * load_wide(from[start + j * stride]);
            }
        }
    }

    ConvProblem p_;
    Positions positions_;
    std::size_t window_, in_size_, out_size_;
};

}  // namespace

Result<KernelPtr> make_conv_kernel(NodeContext& c, const ConvProblem& problem) {
    const ElemType type = c.input(0).type;
    if (type == ElemType::kDouble) {
        return KernelPtr(std::make_unique<DirectConvKernel<double>>(problem));
    }
    const bool depthwise = problem.in_channels == 1 && problem.out_channels == 1;
    if (type == ElemType::kFloat16) {
        return depthwise ? Result<KernelPtr>(std::make_unique<DirectConvKernel<Half>>(problem))
                         : ConvKernel<Half>::make(c, problem);
    }
    return depthwise ? Result<KernelPtr>(std::make_unique<DirectConvKernel<float>>(problem))
                     : ConvKernel<float>::make(c, problem);
}

}  // namespace qaicnet
