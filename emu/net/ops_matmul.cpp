// SPDX-License-Identifier: Apache-2.0
/// MatMul and Gemm: shapes, packing, and the two kernels (FP32/FP16 by tiles; FP64 and integers
/// plainly).
#include "emu/net/elementwise.hpp"
#include "emu/net/matmul_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr TypeSet kMatMulTypes = kFloatTypes | types_of({ElemType::kInt32, ElemType::kInt64,
                                                         ElemType::kUInt32, ElemType::kUInt64});

/// One product per batch entry: [m,k] x [k,n]; element strides say where an operand keeps them.
struct Problem {
    std::size_t m = 0, n = 0, k = 0;
    std::size_t a_row = 0, a_column = 1;  ///< A(i, j) at i * a_row + j * a_column
    std::size_t b_row = 0, b_column = 1;
    std::size_t a_count = 1, b_count = 1;  ///< matrices in each operand
    BroadcastPlan batches;                 ///< which matrices belong to a result, in matrices
    float alpha = 1, beta = 1;
    bool has_c = false;
    std::size_t c_row = 0, c_column = 0;  ///< strides of Gemm's C, 0 where broadcast
};

Shape batch_dims(const Shape& dims) {
    return dims.size() <= 2 ? Shape() : Shape(dims.begin(), dims.end() - 2);
}

/// Shapes with the one-dimensional operands made matrices: a row on the left, a column on the
/// right.
std::pair<Shape, Shape> matrix_shapes(const NodeContext& c) {
    Shape a = c.input(0).dims;
    Shape b = c.input(1).dims;
    if (a.size() == 1) {
        a.insert(a.begin(), 1);
    }
    if (b.size() == 1) {
        b.push_back(1);
    }
    return {std::move(a), std::move(b)};
}

Error shapes_do_not_fit(const NodeContext& c) {
    return c.malformed(fmt::format("the shapes {} and {} cannot be multiplied",
                                   dims_text(c.input(0).dims), dims_text(c.input(1).dims)));
}

Status infer_matmul(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kMatMulTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    if (c.input(0).dims.empty() || c.input(1).dims.empty()) {
        return shapes_do_not_fit(c);
    }
    const auto [a, b] = matrix_shapes(c);
    auto out = broadcast_shape(batch_dims(a), batch_dims(b));
    if (!out || a.back() != b[b.size() - 2]) {
        return shapes_do_not_fit(c);
    }
    if (c.input(0).dims.size() > 1) {
        out->push_back(a[a.size() - 2]);
    }
    if (c.input(1).dims.size() > 1) {
        out->push_back(b.back());
    }
    return c.set_output(0, c.input(0).type, std::move(*out));
}

Problem matmul_problem(const NodeContext& c) {
    const auto [a, b] = matrix_shapes(c);
    const Shape a_batch = batch_dims(a);
    const Shape b_batch = batch_dims(b);
    Problem p;
    p.m = static_cast<std::size_t>(a[a.size() - 2]);
    p.k = static_cast<std::size_t>(a.back());
    p.n = static_cast<std::size_t>(b.back());
    p.a_row = p.k;
    p.b_row = p.n;
    p.a_count = checked_count(a_batch).value_or(0);
    p.b_count = checked_count(b_batch).value_or(0);
    Shape out = broadcast_shape(a_batch, b_batch).value_or(Shape());
    if (p.b_count == 1 && checked_count(out) == p.a_count && p.a_count != 0) {
        p.m *= p.a_count;  // one weight for all: a taller product
        p.a_count = 1;
        out.clear();
        const Shape one;
        const Shape* inputs[] = {&one, &one};
        p.batches = BroadcastPlan::make(out, inputs);
        return p;
    }
    const Shape* inputs[] = {&a_batch, &b_batch};
    p.batches = BroadcastPlan::make(out, inputs);
    return p;
}

struct GemmShape {
    bool trans_a = false, trans_b = false;
    std::int64_t m = 0, n = 0, k = 0;
};

Result<GemmShape> gemm_shape(const NodeContext& c) {
    GemmShape g;
    QAICRT_TRY(const std::int64_t trans_a, c.attr_int("transA", 0));
    QAICRT_TRY(const std::int64_t trans_b, c.attr_int("transB", 0));
    const Shape& a = c.input(0).dims;
    const Shape& b = c.input(1).dims;
    if (a.size() != 2 || b.size() != 2) {
        return shapes_do_not_fit(c);
    }
    g.trans_a = trans_a != 0;
    g.trans_b = trans_b != 0;
    g.m = a[g.trans_a ? 1 : 0];
    g.k = a[g.trans_a ? 0 : 1];
    g.n = b[g.trans_b ? 0 : 1];
    if (b[g.trans_b ? 1 : 0] != g.k) {
        return shapes_do_not_fit(c);
    }
    return g;
}

Status infer_gemm(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kMatMulTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    QAICRT_TRY(const GemmShape g, gemm_shape(c));
    const Shape out{g.m, g.n};
    if (c.has_input(2)) {
        QAICRT_CHECK(c.require_same_type(0, 2));
        const auto both = broadcast_shape(out, c.input(2).dims);
        if (!both || *both != out) {
            return c.malformed(fmt::format("C has the shape {}, which cannot be broadcast to {}",
                                           dims_text(c.input(2).dims), dims_text(out)));
        }
    } else if (c.opset() < 11) {
        return c.malformed("C is left out, which is allowed from opset 11 on");
    }
    return c.set_output(0, c.input(0).type, out);
}

Result<Problem> gemm_problem(const NodeContext& c) {
    QAICRT_TRY(const GemmShape g, gemm_shape(c));
    Problem p;
    p.m = static_cast<std::size_t>(g.m);
    p.n = static_cast<std::size_t>(g.n);
    p.k = static_cast<std::size_t>(g.k);
    p.a_row = g.trans_a ? 1 : p.k;
    p.a_column = g.trans_a ? p.m : 1;
    p.b_row = g.trans_b ? 1 : p.n;
    p.b_column = g.trans_b ? p.k : 1;
    QAICRT_TRY(p.alpha, c.attr_float("alpha", 1.0f));
    QAICRT_TRY(p.beta, c.attr_float("beta", 1.0f));
    const Shape one;
    const Shape* inputs[] = {&one, &one};
    p.batches = BroadcastPlan::make(Shape(), inputs);
    // beta = 0 leaves C out even where it is Inf or NaN, as BLAS does.
    p.has_c = c.has_input(2) && p.beta != 0;
    if (p.has_c) {
        const Shape& dims = c.input(2).dims;
        const std::int64_t columns = dims.empty() ? 1 : dims.back();
        const std::int64_t rows = dims.size() < 2 ? 1 : dims[0];
        p.c_column = columns == 1 ? 0 : 1;
        p.c_row = rows == 1 ? 0 : static_cast<std::size_t>(columns);
    }
    return p;
}

/// Gemm after the product, each step rounded to the tensor's type: alpha, beta * C, the sum.
template <class T, class Product>
T finish_gemm(const Problem& p, Product product, const T* c, std::size_t i, std::size_t j) {
    if constexpr (std::is_same_v<T, Half>) {
        const auto round = [](float x) { return half_to_float(float_to_half(x)); };
        float x = round(product);
        x = p.alpha != 1 ? round(x * p.alpha) : x;
        if (p.has_c) {
            const float bias = half_to_float(c[i * p.c_row + j * p.c_column]);
            x = round(x + (p.beta != 1 ? round(bias * p.beta) : bias));
        }
        return float_to_half(x);
    } else if constexpr (std::is_floating_point_v<T>) {
        T x = p.alpha != 1 ? product * static_cast<T>(p.alpha) : product;
        if (p.has_c) {
            const T bias = c[i * p.c_row + j * p.c_column];
            x = x + (p.beta != 1 ? bias * static_cast<T>(p.beta) : bias);
        }
        return x;
    } else {
        // Integer factors other than 1 are applied in FP64 and truncated; beyond the type they
        // saturate.
        const auto scale = [](T x, float factor) -> T {
            if (factor == 1) {
                return x;
            }
            const double y = static_cast<double>(x) * static_cast<double>(factor);
            constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
            constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
            return y >= kHigh ? std::numeric_limits<T>::max()
                   : y > kLow ? static_cast<T>(y)
                              : std::numeric_limits<T>::min();
        };
        const T x = scale(static_cast<T>(product), p.alpha);
        const T bias = p.has_c ? scale(c[i * p.c_row + j * p.c_column], p.beta) : T{0};
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(x) + static_cast<U>(bias));
    }
}

/// FLOAT and FLOAT16: B in FP32 panels (packed at load when constant), tiles of up to 8 x 16
/// results.
template <class T>
class TiledMatMul final : public Kernel {
  public:
    static Result<KernelPtr> make(NodeContext& c, Problem problem) {
        auto kernel = std::make_unique<TiledMatMul>(std::move(problem));
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
    explicit TiledMatMul(Problem problem) : p_(std::move(problem)) {}

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
    static constexpr std::size_t kTaskRows = 64;
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
        parallel_for(
            workers, tasks, grain_for(cost / 8 + 1), [&](std::size_t begin, std::size_t end) {
                for (std::size_t task = begin; task < end; ++task) {
                    const std::size_t batch = task / (row_tasks * panel_tasks);
                    const auto where = p_.batches.locate(batch);
                    const std::size_t row = task / panel_tasks % row_tasks * kTaskRows;
                    const std::size_t panel = task % panel_tasks * kTaskPanels;
                    for (std::size_t q = panel; q < std::min(panel + kTaskPanels, panels); ++q) {
                        multiply_rows(a + where[0] * p_.m * p_.k,
                                      b + (where[1] * panels + q) * p_.k * kPanelColumns, c,
                                      out + batch * p_.m * p_.n, row, q * kPanelColumns);
                    }
                }
            });
    }

    void multiply_rows(const float* a, const float* panel, const T* c, T* out, std::size_t first,
                       std::size_t column) const {
        alignas(64) float tile[kTileRows * kPanelColumns];
        const std::size_t end = std::min(first + kTaskRows, p_.m);
        const std::size_t columns = std::min(kPanelColumns, p_.n - column);
        for (std::size_t row = first; row < end; row += kTileRows) {
            const std::size_t rows = std::min(kTileRows, end - row);
            multiply_tile(a + row * p_.k, p_.k, rows, p_.k, panel, tile);
            for (std::size_t r = 0; r < rows; ++r) {
                store_row(tile + r * kPanelColumns, c, out + (row + r) * p_.n + column, row + r,
                          column, columns);
            }
        }
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

    Problem p_;
    std::shared_ptr<Buffer> packed_;
    std::size_t a_bytes_ = 0, b_bytes_ = 0, scratch_bytes_ = 0;
};

/// DOUBLE (same order of summation, in FP64) and integers (modulo 2^bits).
template <class T>
class PlainMatMul final : public Kernel {
  public:
    explicit PlainMatMul(Problem problem) : p_(std::move(problem)) {}

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

    Problem p_;
};

Result<KernelPtr> make_kernel(NodeContext& c, Problem problem) {
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
    QAICRT_TRY(Problem problem, gemm_problem(c));
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
