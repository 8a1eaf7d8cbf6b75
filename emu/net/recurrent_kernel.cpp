// SPDX-License-Identifier: Apache-2.0
/// Runs recurrent operators. The products with the input are made for all steps at once; a step
/// then needs one product with the state before it. Sums have the order of matmul_kernel.hpp, those
/// of FLOAT with fused multiply-adds (fma_tile.hpp). FP16 is computed in FP32, states
/// between steps included, and rounded where it is stored.
#include "emu/net/fma_tile.hpp"
#include "emu/net/half.hpp"
#include "emu/net/matmul_kernel.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/recurrent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Products with this many multiplications are worth a task of their own: a step is short.
constexpr std::size_t kTaskProducts = std::size_t{1} << 18;

// Weights of one gate: [hidden, k] times a row of k. FP32 is packed in panels, FP64 stays in rows.

constexpr std::size_t packed_count(float, std::size_t hidden, std::size_t k) {
    return panel_count(hidden) * kPanelColumns * k;
}
constexpr std::size_t packed_count(double, std::size_t hidden, std::size_t k) {
    return hidden * k;
}

template <class S>
void pack_gate(const S* weights, std::size_t hidden, std::size_t k, float* out) {
    for (std::size_t panel = 0; panel < panel_count(hidden); ++panel) {
        pack_panel(weights, 1, k, k, hidden, panel, out + panel * kPanelColumns * k);
    }
}
void pack_gate(const double* weights, std::size_t hidden, std::size_t k, double* out) {
    if (hidden * k != 0) {
        std::memcpy(out, weights, hidden * k * sizeof(double));
    }
}

/// out[r][column…] = rows of A times columns [16 * panel, …) of the gate.
void multiply(const float* a, std::size_t rows, std::size_t k, const float* packed,
              std::size_t hidden, std::size_t panel, float* out, std::size_t ldo) {
    const std::size_t first = panel * kPanelColumns;
    const std::size_t columns = std::min(kPanelColumns, hidden - first);
    float tile[kTileRows * kPanelColumns];
    for (std::size_t r = 0; r < rows; r += kTileRows) {
        const std::size_t count = std::min(kTileRows, rows - r);
        multiply_tile(a + r * k, k, count, k, packed + first * k, tile);
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(out + (r + i) * ldo + first, tile + i * kPanelColumns,
                        columns * sizeof(float));
        }
    }
}
void multiply(const double* a, std::size_t rows, std::size_t k, const double* packed,
              std::size_t hidden, std::size_t panel, double* out, std::size_t ldo) {
    const std::size_t first = panel * kPanelColumns;
    const std::size_t last = std::min(first + kPanelColumns, hidden);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t column = first; column < last; ++column) {
            const double* left = a + r * k;
            const double* right = packed + column * k;
            double sum = 0;
            for (std::size_t block = 0; block < k; block += kSumBlock) {
                double part = 0;
                for (std::size_t i = block; i < std::min(block + kSumBlock, k); ++i) {
                    part += left[i] * right[i];
                }
                sum += part;
            }
            out[r * ldo + column] = sum;
        }
    }
}

/// Rows of A times the panels [begin, end) of all gates, which lie one after the other;
/// place(panel) says where the results of a panel go, and how many there are.
template <class Place>
void multiply_fused(const float* a, std::size_t rows, std::size_t k, const float* packed,
                    std::size_t begin, std::size_t end, std::size_t ldo, Place&& place) {
    constexpr std::size_t kTogether = 4;
    const std::size_t stride = k * kPanelColumns;
    alignas(64) float sums[std::max(kTogether, kMaxFmaRows) * kPanelColumns];
    const auto put = [&](std::size_t panel, std::size_t row, std::size_t at) {
        const auto [to, columns] = place(panel);
        std::memcpy(to + row * ldo, sums + at * kPanelColumns, columns * sizeof(float));
    };
    if (rows == 1) {
        for (std::size_t panel = begin; panel < end; panel += kTogether) {
            const std::size_t count = std::min(kTogether, end - panel);
            fma_row(a, k, packed + panel * stride, stride, count, sums);
            for (std::size_t i = 0; i < count; ++i) {
                put(panel + i, 0, i);
            }
        }
        return;
    }
    for (std::size_t panel = begin; panel < end; ++panel) {
        for (std::size_t row = 0; row < rows; row += fma_rows()) {
            const std::size_t count = std::min(fma_rows(), rows - row);
            FmaRun run{0, {}};
            for (std::size_t i = 0; i < count; ++i) {
                run.rows[i] = a + (row + i) * k;
            }
            fma_tile(&run, 1, k, count, packed + panel * stride,
                     {nullptr, nullptr, sums, kPanelColumns});
            for (std::size_t i = 0; i < count; ++i) {
                put(panel, row + i, i);
            }
        }
    }
}

std::size_t product_of(std::initializer_list<std::size_t> factors) {
    std::size_t product = 1;
    for (const std::size_t factor : factors) {
        if (__builtin_mul_overflow(product, factor, &product)) {
            return SIZE_MAX / 4;  // the memory plan refuses that much
        }
    }
    return std::min(product, SIZE_MAX / 4);
}

/// Storage type S, computed in T.
template <class S, class T>
class RecurrentKernel final : public Kernel {
    static constexpr bool kConverts = !std::is_same_v<S, T>;

  public:
    RecurrentKernel(RecurrentProblem problem, std::string where)
        : p_(std::move(problem)),
          unclipped_(p_),
          where_(std::move(where)),
          stacked_(p_.gates * p_.hidden) {
        unclipped_.clipped = false;
        size_scratch();
    }

    std::size_t packed_w() const { return p_.gates * packed_count(T{}, p_.hidden, p_.input); }
    std::size_t packed_r() const { return p_.gates * packed_count(T{}, p_.hidden, p_.hidden); }

    /// Both may be left out; then every run packs what it is given.
    Status pack_weights(NodeContext& node) {
        for (const auto& [input, kept, count] :
             {std::tuple(kInW, &w_, packed_w()), std::tuple(kInR, &r_, packed_r())}) {
            const std::byte* weights = node.constant(input);
            if (weights == nullptr) {
                continue;
            }
            *kept = Buffer::allocate(product_of({p_.directions, count, sizeof(T)}), node.budget());
            if (*kept == nullptr) {
                return node.fail(Errc::kNoMemory, "its packed weights exceed the memory limit");
            }
            T* out = as<T>((*kept)->owned());
            for (std::size_t d = 0; d < p_.directions; ++d) {
                pack(as<S>(weights), input == kInW ? p_.input : p_.hidden, d, out + d * count);
            }
            node.drop_input(input);
        }
        size_scratch();
        return {};
    }

    std::size_t scratch_bytes() const noexcept override { return scratch_; }

    Status run(const RunArgs& args) const override {
        QAICRT_CHECK(check_lengths(args));
        Places at = place(args.scratch);
        const T* x = input_rows(args, at);
        if (args.out[0] != nullptr) {
            std::memset(args.out[0], 0,
                        p_.rows() * p_.directions * p_.hidden * sizeof(S));  // beyond lengths
        }
        for (std::size_t d = 0; d < p_.directions; ++d) {
            run_direction(args, d, x, at);
        }
        return {};
    }

  private:
    /// Where things are in the scratch memory, in elements of T.
    struct Places {
        T *x, *fed, *bias, *peephole, *h, *c, *product, *reset, *w, *r;
    };
    struct Direction {
        std::size_t d;
        bool reversed;
        const T *w, *r;  ///< packed
        const CellActivation* act;
    };

    const std::int32_t* lengths(const RunArgs& args) const {
        return input(args, kInLengths) != nullptr ? as<std::int32_t>(args.in[kInLengths]) : nullptr;
    }
    const std::byte* input(const RunArgs& args, std::size_t i) const {
        return i < inputs_ ? args.in[i] : nullptr;
    }

    void size_scratch() {
        const std::size_t sizes[] = {
            kConverts ? product_of({p_.rows(), p_.input}) : 0,
            product_of({p_.rows(), stacked_}),
            2 * stacked_,
            3 * p_.hidden,
            product_of({p_.batch, p_.hidden}),
            product_of({p_.batch, p_.hidden}),
            product_of({p_.batch, stacked_}),
            product_of({p_.batch, p_.hidden}),
            w_ ? 0 : packed_w(),
            r_ ? 0 : packed_r(),
        };
        std::size_t total = 0;
        for (std::size_t i = 0; i < std::size(sizes); ++i) {
            offsets_[i] = total;
            // Whole cache lines, so that packed panels are aligned.
            const std::size_t size = std::min(sizes[i], SIZE_MAX / 64) / 16 * 16 + 16;
            total = std::min(total + size, SIZE_MAX / 32);
        }
        scratch_ = product_of({total, sizeof(T)});
    }

    Places place(std::byte* scratch) const {
        T* base = as<T>(scratch);
        return {base + offsets_[0], base + offsets_[1], base + offsets_[2], base + offsets_[3],
                base + offsets_[4], base + offsets_[5], base + offsets_[6], base + offsets_[7],
                base + offsets_[8], base + offsets_[9]};
    }

    void pack(const S* weights, std::size_t k, std::size_t d, T* out) const {
        for (std::size_t g = 0; g < p_.gates; ++g) {
            pack_gate(weights + (d * p_.gates + g) * p_.hidden * k, p_.hidden, k,
                      out + g * packed_count(T{}, p_.hidden, k));
        }
    }

    static void load(const S* from, T* to, std::size_t n) {
        if constexpr (kConverts) {
            widen(from, to, n);
        } else if (n != 0) {
            std::memcpy(to, from, n * sizeof(T));
        }
    }
    static void store(const T* from, S* to, std::size_t n) {
        if constexpr (kConverts) {
            narrow(from, to, n);
        } else if (n != 0) {
            std::memcpy(to, from, n * sizeof(T));
        }
    }

    Status check_lengths(const RunArgs& args) const {
        const std::int32_t* length = lengths(args);
        for (std::size_t b = 0; length != nullptr && b < p_.batch; ++b) {
            if (length[b] < 0 || static_cast<std::size_t>(length[b]) > p_.steps) {
                return Error(Errc::kInvalidArgument,
                             fmt::format("{}: sequence_lens[{}] is {}, and the input has {} steps",
                                         where_, b, length[b], p_.steps));
            }
        }
        return {};
    }

    const T* input_rows(const RunArgs& args, const Places& at) const {
        if constexpr (kConverts) {
            widen(as<S>(args.in[kInX]), at.x, p_.rows() * p_.input);
            return at.x;
        } else {
            return as<T>(args.in[kInX]);
        }
    }

    /// The sum of both biases; GRU's linear_before_reset keeps the recurrent bias of h apart.
    void load_bias(const RunArgs& args, std::size_t d, const Places& at) const {
        T* recurrent = at.bias + stacked_;
        std::fill(at.bias, at.bias + 2 * stacked_, T{0});
        if (const std::byte* bias = input(args, kInB)) {
            load(as<S>(bias) + d * 2 * stacked_, at.bias, 2 * stacked_);
        }
        const std::size_t summed = p_.linear_before_reset ? 2 * p_.hidden : stacked_;
        for (std::size_t i = 0; i < summed; ++i) {
            at.bias[i] += recurrent[i];
        }
    }

    void load_states(const RunArgs& args, std::size_t d, const Places& at) const {
        for (const auto& [index, to] : {std::pair(kInH, at.h), std::pair(kInC, at.c)}) {
            const std::byte* from = input(args, index);
            for (std::size_t b = 0; b < p_.batch; ++b) {
                if (from != nullptr) {
                    load(as<S>(from) + p_.state_at(d, b), to + b * p_.hidden, p_.hidden);
                } else {
                    std::fill_n(to + b * p_.hidden, p_.hidden, T{0});
                }
            }
        }
        if (const std::byte* peephole = input(args, kInP)) {
            load(as<S>(peephole) + d * 3 * p_.hidden, at.peephole, 3 * p_.hidden);
        }
    }

    /// out[row][gate, unit] = A times gates [first, last) of the packed weights.
    void multiply_gates(const RunArgs& args, const T* a, std::size_t rows, std::size_t k,
                        const T* packed, std::size_t first, std::size_t last, T* out) const {
        const std::size_t panels = panel_count(p_.hidden);
        const std::size_t cost = product_of({rows, k, kPanelColumns});
        const std::size_t grain =
            std::max<std::size_t>(kTaskProducts / std::max<std::size_t>(cost, 1), 1);
        parallel_for(args.workers, (last - first) * panels, grain,
                     [&](std::size_t begin, std::size_t end) {
                         if constexpr (std::is_same_v<S, float>) {
                             const auto place = [&](std::size_t i) {
                                 const std::size_t column = i % panels * kPanelColumns;
                                 return std::pair(out + i / panels * p_.hidden + column,
                                                  std::min(kPanelColumns, p_.hidden - column));
                             };
                             multiply_fused(a, rows, k, packed, first * panels + begin,
                                            first * panels + end, stacked_, place);
                             return;
                         }
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t g = first + i / panels;
                             multiply(a, rows, k, packed + g * packed_count(T{}, p_.hidden, k),
                                      p_.hidden, i % panels, out + g * p_.hidden, stacked_);
                         }
                     });
    }

    void run_direction(const RunArgs& args, std::size_t d, const T* x, const Places& at) const {
        Direction now{d, d == 1 || p_.first_reversed, at.w, at.r,
                      p_.activations.data() + d * p_.activations_each()};
        if (w_) {
            now.w = as<T>(w_->data()) + d * packed_w();
        } else {
            pack(as<S>(args.in[kInW]), p_.input, d, at.w);
        }
        if (r_) {
            now.r = as<T>(r_->data()) + d * packed_r();
        } else {
            pack(as<S>(args.in[kInR]), p_.hidden, d, at.r);
        }
        load_bias(args, d, at);
        load_states(args, d, at);
        multiply_gates(args, x, p_.rows(), p_.input, now.w, 0, p_.gates, at.fed);
        for (std::size_t row = 0; row < p_.rows(); ++row) {
            for (std::size_t i = 0; i < stacked_; ++i) {
                at.fed[row * stacked_ + i] += at.bias[i];
            }
        }
        for (std::size_t s = 0; s < p_.steps; ++s) {
            run_step(args, now, s, at);
        }
        for (const auto& [index, from] :
             {std::pair(std::size_t{1}, at.h), std::pair(std::size_t{2}, at.c)}) {
            for (std::size_t b = 0; index < outputs_ && args.out[index] != nullptr && b < p_.batch;
                 ++b) {
                store(from + b * p_.hidden, as<S>(args.out[index]) + p_.state_at(d, b), p_.hidden);
            }
        }
    }

    void run_step(const RunArgs& args, const Direction& now, std::size_t s,
                  const Places& at) const {
        const bool late_product = p_.cell == Cell::kGru && !p_.linear_before_reset;
        multiply_gates(args, at.h, p_.batch, p_.hidden, now.r, 0, late_product ? 2 : p_.gates,
                       at.product);
        const std::int32_t* length = lengths(args);
        const auto row_of = [&](std::size_t b, std::size_t& t) {
            const std::size_t steps =
                length != nullptr ? static_cast<std::size_t>(length[b]) : p_.steps;
            t = now.reversed ? steps - 1 - s : s;
            return s < steps;
        };
        std::size_t t = 0;
        if (late_product) {
            for (std::size_t b = 0; b < p_.batch; ++b) {
                if (row_of(b, t)) {
                    gru_gates(now, b, at.fed + p_.input_row(t, b) * stacked_, at);
                }
            }
            multiply_gates(args, at.reset, p_.batch, p_.hidden, now.r, 2, 3, at.product);
        }
        for (std::size_t b = 0; b < p_.batch; ++b) {
            if (!row_of(b, t)) {
                continue;
            }
            T* gates = at.fed + p_.input_row(t, b) * stacked_;
            switch (p_.cell) {
                case Cell::kRnn:
                    rnn(now, b, gates, at);
                    break;
                case Cell::kGru:
                    gru(now, b, gates, at);
                    break;
                case Cell::kLstm:
                    lstm(args, now, b, gates, at);
                    break;
            }
            if (args.out[0] != nullptr) {
                store(at.h + b * p_.hidden, as<S>(args.out[0]) + p_.result_at(t, now.d, b),
                      p_.hidden);
            }
        }
    }

    void rnn(const Direction& now, std::size_t b, T* gates, const Places& at) const {
        const T* product = at.product + b * stacked_;
        for (std::size_t i = 0; i < p_.hidden; ++i) {
            gates[i] += product[i];
        }
        activate(p_, now.act[0], gates, p_.hidden);
        std::copy_n(gates, p_.hidden, at.h + b * p_.hidden);
    }

    /// z and r, and what r leaves of the state; gates keeps z and r.
    void gru_gates(const Direction& now, std::size_t b, T* gates, const Places& at) const {
        const std::size_t n = p_.hidden;
        const T* product = at.product + b * stacked_;
        for (std::size_t i = 0; i < 2 * n; ++i) {
            gates[i] += product[i];
        }
        activate(p_, now.act[0], gates, 2 * n);
        for (std::size_t i = 0; i < n; ++i) {
            at.reset[b * n + i] = gates[n + i] * at.h[b * n + i];
        }
    }

    void gru(const Direction& now, std::size_t b, T* gates, const Places& at) const {
        const std::size_t n = p_.hidden;
        T* candidate = gates + 2 * n;
        const T* product = at.product + b * stacked_ + 2 * n;
        if (p_.linear_before_reset) {
            gru_gates(now, b, gates, at);
            const T* bias = at.bias + stacked_ + 2 * n;
            for (std::size_t i = 0; i < n; ++i) {
                candidate[i] += gates[n + i] * (product[i] + bias[i]);
            }
        } else {
            for (std::size_t i = 0; i < n; ++i) {
                candidate[i] += product[i];
            }
        }
        activate(p_, now.act[1], candidate, n);
        T* h = at.h + b * n;
        for (std::size_t i = 0; i < n; ++i) {
            h[i] = (T{1} - gates[i]) * candidate[i] + gates[i] * h[i];
        }
    }

    void lstm(const RunArgs& args, const Direction& now, std::size_t b, T* gates,
              const Places& at) const {
        const std::size_t n = p_.hidden;
        const bool peepholes = input(args, kInP) != nullptr;
        const T* product = at.product + b * stacked_;
        T* h = at.h + b * n;
        T* c = at.c + b * n;
        T* in = gates;
        T* out = gates + n;
        T* forget = gates + 2 * n;
        T* candidate = gates + 3 * n;
        for (std::size_t i = 0; i < 4 * n; ++i) {
            gates[i] += product[i];
        }
        for (std::size_t i = 0; peepholes && i < n; ++i) {
            in[i] += at.peephole[i] * c[i];
            forget[i] += at.peephole[2 * n + i] * c[i];
        }
        activate(p_, now.act[0], in, n);
        activate(p_, now.act[1], candidate, n);
        if (p_.input_forget) {
            for (std::size_t i = 0; i < n; ++i) {
                forget[i] = T{1} - in[i];
            }
        } else {
            activate(p_, now.act[0], forget, n);
        }
        for (std::size_t i = 0; i < n; ++i) {
            c[i] = forget[i] * c[i] + in[i] * candidate[i];
            h[i] = c[i];
        }
        for (std::size_t i = 0; peepholes && i < n; ++i) {
            out[i] += at.peephole[n + i] * c[i];
        }
        activate(p_, now.act[0], out, n);
        activate(unclipped_, now.act[2], h, n);
        for (std::size_t i = 0; i < n; ++i) {
            h[i] *= out[i];
        }
    }

  public:
    std::size_t inputs_ = 0, outputs_ = 0;

  private:
    RecurrentProblem p_;
    RecurrentProblem unclipped_;  ///< for h: only the gates are clipped, as onnxruntime does
    std::string where_;
    std::size_t stacked_;  ///< rows of all gates
    std::shared_ptr<Buffer> w_, r_;
    std::size_t offsets_[10] = {};
    std::size_t scratch_ = 0;
};

template <class S, class T>
Result<KernelPtr> make(NodeContext& node, RecurrentProblem problem) {
    auto kernel =
        std::make_unique<RecurrentKernel<S, T>>(std::move(problem), node_text(node.node()));
    kernel->inputs_ = node.num_inputs();
    kernel->outputs_ = node.num_outputs();
    QAICRT_CHECK(kernel->pack_weights(node));
    return KernelPtr(std::move(kernel));
}

}  // namespace

Result<KernelPtr> make_recurrent_kernel(NodeContext& node, RecurrentProblem problem) {
    switch (node.input(kInX).type) {
        case ElemType::kFloat16:
            return make<Half, float>(node, std::move(problem));
        case ElemType::kDouble:
            return make<double, double>(node, std::move(problem));
        default:
            return make<float, float>(node, std::move(problem));
    }
}

}  // namespace qaicnet
