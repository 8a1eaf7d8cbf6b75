// SPDX-License-Identifier: Apache-2.0
/// MatMul and Gemm: the two kernels, FP32/FP16 by tiles, FP64 and integers plainly.
///
/// All of them in the documented order (matmul_kernel.hpp); FLOAT and FLOAT16 with fused
/// multiply-adds (fma_tile.hpp), but for FLOAT operands that come from MX codes, whose products the
/// card rounds.
#include "emu/net/elementwise.hpp"
#include "emu/net/fma_tile.hpp"
#include "emu/net/matmul_kernel.hpp"
#include "emu/net/matmul_problem.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// FLOAT and FLOAT16: B in FP32 panels (packed at load when constant), tiles of up to 8 x 16
/// results.
template <class T>
class TiledMatMul final : public Kernel {
  public:
    static Result<KernelPtr> make(NodeContext& c, MatMulProblem problem) {
        const bool inexact =
            std::is_same_v<T, float> && (c.input_value(0).from_mx || c.input_value(1).from_mx);
        auto kernel = std::make_unique<TiledMatMul>(std::move(problem), !inexact);
        if (!kernel->size_scratch(c.constant(1) != nullptr)) {
            return c.fail(Errc::kNoMemory, "its operands are too large to be packed");
        }
        if (c.constant(1) != nullptr) {
            kernel->packed_ = Buffer::allocate(kernel->b_bytes_, c.budget());
            if (!kernel->packed_) {
                return c.fail(Errc::kNoMemory, "there is no memory for its packed weights");
            }
            kernel->pack_b(as<T>(c.constant(1)), as<float>(kernel->packed_->owned()),
                           *make_workers(1));
            c.drop_input(1);
        }
        return KernelPtr(std::move(kernel));
    }
    TiledMatMul(MatMulProblem problem, bool fused)
        : p_(std::move(problem)),
          fused_(fused),
          direct_(fused && std::is_same_v<T, float> && p_.alpha == 1 && !p_.has_c),
          tile_rows_(fused ? fma_rows() : kTileRows) {}

    std::size_t scratch_bytes() const noexcept override { return scratch_bytes_; }

    Status run(const RunArgs& args) const override {
        if (p_.m == 0 || p_.n == 0 || p_.batches.count == 0) {
            return {};
        }
        const float* a = nullptr;
        if (copies_a()) {
            float* copy = as<float>(args.scratch);
            copy_a(as<T>(args.in[0]), copy, args.workers);
            a = copy;
        } else {
            a = as<float>(args.in[0]);
        }
        const float* b = packed_ ? as<float>(packed_->data()) : nullptr;
        if (b == nullptr) {
            float* packed = as<float>(args.scratch + a_bytes_);
            pack_b(as<T>(args.in[1]), packed, args.workers);
            b = packed;
        }
        multiply(a, b, p_.has_c ? as<T>(args.in[2]) : nullptr, as<T>(args.out[0]), args.workers);
        return {};
    }

  private:
    static constexpr std::size_t kTaskRows = 48;  ///< whole tiles of 6, 8 or 12 rows
    static constexpr std::size_t kTaskPanels = 8;

    bool copies_a() const { return std::is_same_v<T, Half> || p_.a_column != 1; }

    bool size_scratch(bool constant_b) {
        std::size_t a = 0;
        std::size_t b = 0;
        if (__builtin_mul_overflow(p_.m, p_.k, &a) ||
            __builtin_mul_overflow(a, p_.a_count * sizeof(float), &a) ||
            __builtin_mul_overflow(p_.k, panel_count(p_.n) * kPanelColumns * sizeof(float), &b) ||
            __builtin_mul_overflow(b, p_.b_count, &b) || a > SIZE_MAX / 4 || b > SIZE_MAX / 4) {
            return false;
        }
        a_bytes_ =
            copies_a() ? (a + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment : 0;
        b_bytes_ = b;
        scratch_bytes_ = a_bytes_ + (constant_b ? 0 : b);
        return true;
    }

    void copy_a(const T* a, float* out, Workers& workers) const {
        parallel_for(workers, p_.a_count * p_.m, grain_for(p_.k),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             const T* from = a + row / p_.m * p_.m * p_.k + row % p_.m * p_.a_row;
                             float* to = out + row * p_.k;
                             for (std::size_t i = 0; i < p_.k && p_.a_column != 1; ++i) {
                                 to[i] = wide(from[i * p_.a_column]);
                             }
                             if constexpr (std::is_same_v<T, Half>) {
                                 if (p_.a_column == 1) {
                                     widen(from, to, p_.k);
                                 }
                             }
                         }
                     });
    }

    static float wide(Half x) { return half_to_float(x); }
    static float wide(float x) { return x; }

    void pack_b(const T* b, float* out, Workers& workers) const {
        const std::size_t panels = panel_count(p_.n);
        parallel_for(workers, p_.b_count * panels, grain_for(p_.k * kPanelColumns),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t at = begin; at < end; ++at) {
                             pack_panel(b + at / panels * p_.k * p_.n, p_.b_row, p_.b_column, p_.k,
                                        p_.n, at % panels, out + at * p_.k * kPanelColumns);
                         }
                     });
    }

    void multiply(const float* a, const float* b, const T* c, T* out, Workers& workers) const {
        const std::size_t panels = panel_count(p_.n);
        const std::size_t row_tasks = (p_.m + kTaskRows - 1) / kTaskRows;
        const std::size_t panel_tasks = (panels + kTaskPanels - 1) / kTaskPanels;
        const std::size_t tasks = p_.batches.count * row_tasks * panel_tasks;
        const std::size_t cost =
            std::min(p_.m, kTaskRows) * std::min(p_.n, kTaskPanels * kPanelColumns) * (p_.k + 1);
        parallel_for(workers, tasks, grain_for(cost / 8 + 1),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t task = begin; task < end; ++task) {
                             const std::size_t batch = task / (row_tasks * panel_tasks);
                             const auto where = p_.batches.locate(batch);
                             const std::size_t row = task / panel_tasks % row_tasks * kTaskRows;
                             const std::size_t panel = task % panel_tasks * kTaskPanels;
                             const std::size_t end_panel = std::min(panel + kTaskPanels, panels);
                             const Operands o{a + where[0] * p_.m * p_.k,
                                              b + where[1] * panels * p_.k * kPanelColumns, c,
                                              out + batch * p_.m * p_.n};
                             if (fused_ && p_.m == 1) {
                                 multiply_row(o, panel, end_panel);
                                 continue;
                             }
                             for (std::size_t q = panel; q < end_panel; ++q) {
                                 multiply_rows(o, row, q);
                             }
                         }
                     });
    }

    /// Of one product.
    struct Operands {
        const float* a;
        const float* panels;
        const T* c;
        T* out;
    };

    void multiply_row(const Operands& o, std::size_t panel, std::size_t end) const {
        alignas(64) float sums[kTaskPanels * kPanelColumns];
        const std::size_t stride = p_.k * kPanelColumns;
        fma_row(o.a, p_.k, o.panels + panel * stride, stride, end - panel, sums);
        for (std::size_t q = panel; q < end; ++q) {
            const std::size_t column = q * kPanelColumns;
            store_row(sums + (q - panel) * kPanelColumns, o.c, o.out + column, 0, column,
                      std::min(kPanelColumns, p_.n - column));
        }
    }

    void multiply_rows(const Operands& o, std::size_t first, std::size_t q) const {
        alignas(64) float tile[kMaxFmaRows * kPanelColumns];
        const std::size_t column = q * kPanelColumns;
        const float* panel = o.panels + q * p_.k * kPanelColumns;
        const std::size_t end = std::min(first + kTaskRows, p_.m);
        const std::size_t columns = std::min(kPanelColumns, p_.n - column);
        const bool direct = direct_ && columns == kPanelColumns;
        for (std::size_t row = first; row < end; row += tile_rows_) {
            const std::size_t rows = std::min(tile_rows_, end - row);
            FmaRun run{0, {}};
            for (std::size_t r = 0; r < rows; ++r) {
                run.rows[r] = o.a + (row + r) * p_.k;
            }
            if (fused_) {
                (columns <= kPanelColumns / 2 ? fma_half_tile : fma_tile)(
                    &run, 1, p_.k, rows, panel,
                    direct ? to_result(o, row, rows, column)
                           : FmaEnds{nullptr, nullptr, tile, kPanelColumns});
            } else {
                multiply_tile(o.a + row * p_.k, p_.k, rows, p_.k, panel, tile);
            }
            for (std::size_t r = 0; !direct && r < rows; ++r) {
                store_row(tile + r * kPanelColumns, o.c, o.out + (row + r) * p_.n + column, row + r,
                          column, columns);
            }
        }
    }

    /// Rows lie far apart: their cache lines come while the sums are made.
    FmaEnds to_result(const Operands& o, std::size_t row, std::size_t rows,
                      std::size_t column) const {
        T* out = o.out + row * p_.n + column;
        for (std::size_t r = 0; r < rows; ++r) {
            __builtin_prefetch(out + r * p_.n, 1);
            __builtin_prefetch(out + r * p_.n + kPanelColumns - 1, 1);
        }
        return {nullptr, nullptr, reinterpret_cast<float*>(out), p_.n};
    }

    void store_row(const float* tile, const T* c, T* out, std::size_t row, std::size_t column,
                   std::size_t columns) const {
        if (p_.alpha != 1 || p_.has_c) {
            for (std::size_t j = 0; j < columns; ++j) {
                out[j] = finish_gemm(p_, tile[j], c, row, column + j);
            }
        } else if constexpr (std::is_same_v<T, Half>) {
            narrow(tile, out, columns);
        } else {
            std::copy_n(tile, columns, out);
        }
    }

    MatMulProblem p_;
    bool fused_;   ///< else every product is rounded before it is added
    bool direct_;  ///< sums are results
    std::size_t tile_rows_;
    std::shared_ptr<Buffer> packed_;
    std::size_t a_bytes_ = 0, b_bytes_ = 0, scratch_bytes_ = 0;
};

/// DOUBLE (same order of summation, in FP64) and integers (modulo 2^bits).
template <class T>
class PlainMatMul final : public Kernel {
  public:
    explicit PlainMatMul(MatMulProblem problem) : p_(std::move(problem)) {}

    Status run(const RunArgs& args) const override {
        if (p_.n == 0) {
            return {};
        }
        const T* a = as<T>(args.in[0]);
        const T* b = as<T>(args.in[1]);
        const T* c = p_.has_c ? as<T>(args.in[2]) : nullptr;
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, p_.batches.count * p_.m, grain_for(p_.k * p_.n),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             const auto where = p_.batches.locate(row / p_.m);
                             const std::size_t i = row % p_.m;
                             multiply_row(a + where[0] * p_.m * p_.k + i * p_.a_row,
                                          b + where[1] * p_.k * p_.n, c, out + row * p_.n, i);
                         }
                     });
        return {};
    }

  private:
    using Sum = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
    static constexpr std::size_t kColumns = 64;

    void multiply_row(const T* a, const T* b, const T* c, T* out, std::size_t i) const {
        for (std::size_t first = 0; first < p_.n; first += kColumns) {
            const std::size_t columns = std::min(kColumns, p_.n - first);
            Sum sum[kColumns] = {};
            for (std::size_t block = 0; block < p_.k; block += kSumBlock) {
                Sum part[kColumns] = {};
                for (std::size_t k = block; k < std::min(block + kSumBlock, p_.k); ++k) {
                    const Sum left = static_cast<Sum>(a[k * p_.a_column]);
                    const T* right = b + k * p_.b_row + first * p_.b_column;
                    for (std::size_t j = 0; j < columns; ++j) {
                        part[j] += left * static_cast<Sum>(right[j * p_.b_column]);
                    }
                }
                for (std::size_t j = 0; j < columns; ++j) {
                    sum[j] += part[j];
                }
            }
            for (std::size_t j = 0; j < columns; ++j) {
                out[first + j] = finish_gemm(p_, static_cast<T>(sum[j]), c, i, first + j);
            }
        }
    }

    MatMulProblem p_;
};

Result<KernelPtr> make_kernel(NodeContext& c, MatMulProblem problem) {
    switch (c.input(0).type) {
        case ElemType::kFloat:
            return TiledMatMul<float>::make(c, std::move(problem));
        case ElemType::kFloat16:
            return TiledMatMul<Half>::make(c, std::move(problem));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<PlainMatMul<double>>(std::move(problem)));
        case ElemType::kInt32:
            return KernelPtr(std::make_unique<PlainMatMul<std::int32_t>>(std::move(problem)));
        case ElemType::kUInt32:
            return KernelPtr(std::make_unique<PlainMatMul<std::uint32_t>>(std::move(problem)));
        case ElemType::kInt64:
            return KernelPtr(std::make_unique<PlainMatMul<std::int64_t>>(std::move(problem)));
        default:
            return KernelPtr(std::make_unique<PlainMatMul<std::uint64_t>>(std::move(problem)));
    }
}

Result<KernelPtr> prepare_matmul(NodeContext& c) {
    return make_kernel(c, matmul_problem(c));
}

Result<KernelPtr> prepare_gemm(NodeContext& c) {
    QAICRT_TRY(MatMulProblem problem, gemm_problem(c));
    return make_kernel(c, std::move(problem));
}

constexpr OpDef kOps[] = {
    {"", "MatMul", kMinOpset, kMaxOpset, 2, 2, 1, "", infer_matmul, prepare_matmul},
    {"", "Gemm", kMinOpset, kMaxOpset, 2, 3, 1, "alpha beta transA transB", infer_gemm,
     prepare_gemm},
};

}  // namespace

std::span<const OpDef> matmul_ops() {
    return kOps;
}

}  // namespace qaicnet
