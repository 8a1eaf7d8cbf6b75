// SPDX-License-Identifier: Apache-2.0
#include "emu/net/matmul_problem.hpp"

#include <fmt/format.h>

#include <utility>

namespace qaicnet {

using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr TypeSet kMatMulTypes = kFloatTypes | types_of({ElemType::kInt32, ElemType::kInt64,
                                                         ElemType::kUInt32, ElemType::kUInt64});

Shape batch_dims(const Shape& dims) {
    return dims.size() <= 2 ? Shape() : Shape(dims.begin(), dims.end() - 2);
}

/// Shapes with the one-dimensional operands made matrices: a row on the left, a column on the
/// right.
std::pair<Shape, Shape> matrix_shapes(const NodeContext& c, std::size_t right) {
    Shape a = c.input(0).dims;
    Shape b = c.input(right).dims;
    if (a.size() == 1) {
        a.insert(a.begin(), 1);
    }
    if (b.size() == 1) {
        b.push_back(1);
    }
    return {std::move(a), std::move(b)};
}

Error shapes_do_not_fit(const NodeContext& c, std::size_t right = 1) {
    return c.malformed(fmt::format("the shapes {} and {} cannot be multiplied",
                                   dims_text(c.input(0).dims), dims_text(c.input(right).dims)));
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

}  // namespace

Result<Shape> matmul_shape(const NodeContext& c, std::size_t right) {
    if (c.input(0).dims.empty() || c.input(right).dims.empty()) {
        return shapes_do_not_fit(c, right);
    }
    const auto [a, b] = matrix_shapes(c, right);
    auto out = broadcast_shape(batch_dims(a), batch_dims(b));
    if (!out || a.back() != b[b.size() - 2]) {
        return shapes_do_not_fit(c, right);
    }
    if (c.input(0).dims.size() > 1) {
        out->push_back(a[a.size() - 2]);
    }
    if (c.input(right).dims.size() > 1) {
        out->push_back(b.back());
    }
    return std::move(*out);
}

Status infer_matmul(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kMatMulTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    QAICRT_TRY(Shape out, matmul_shape(c));
    QAICRT_CHECK(c.set_output(0, c.input(0).type, std::move(out)));
    return c.set_work({c.output().count(), static_cast<std::uint64_t>(c.input(0).dims.back())});
}

MatMulProblem matmul_problem(const NodeContext& c, std::size_t right) {
    const auto [a, b] = matrix_shapes(c, right);
    const Shape a_batch = batch_dims(a);
    const Shape b_batch = batch_dims(b);
    MatMulProblem p;
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
    QAICRT_CHECK(c.set_output(0, c.input(0).type, out));
    return c.set_work({c.output().count(), static_cast<std::uint64_t>(g.k)});
}

Result<MatMulProblem> gemm_problem(const NodeContext& c) {
    QAICRT_TRY(const GemmShape g, gemm_shape(c));
    MatMulProblem p;
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

}  // namespace qaicnet
