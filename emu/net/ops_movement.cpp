// SPDX-License-Identifier: Apache-2.0
/// Operators that move elements and compute nothing: Transpose, Slice, Concat, Gather.
#include "emu/net/op.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/strided_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

std::size_t count_of(const Shape& dims, std::size_t begin, std::size_t end) {
    std::size_t count = 1;
    for (std::size_t i = begin; i < end; ++i) {
        count *= static_cast<std::size_t>(dims[i]);
    }
    return count;
}

class StridedKernel final : public Kernel {
  public:
    explicit StridedKernel(StridedCopy copy) : copy_(std::move(copy)) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, copy_.count(), kElementGrain,
                     [&](std::size_t begin, std::size_t end) {
                         copy_.run(args.in[0], args.out[0], begin, end);
                     });
        return {};
    }

  private:
    StridedCopy copy_;
};

// --- Transpose

Result<std::vector<std::size_t>> read_perm(NodeContext& c) {
    const std::size_t rank = c.input(0).dims.size();
    std::vector<std::size_t> perm(rank);
    QAICRT_TRY(const auto given, c.attr_ints("perm"));
    if (c.find_attr("perm") == nullptr) {
        for (std::size_t i = 0; i < rank; ++i) {
            perm[i] = rank - 1 - i;
        }
        return perm;
    }
    std::vector<bool> seen(rank, false);
    bool valid = given.size() == rank;
    for (std::size_t i = 0; i < rank && valid; ++i) {
        valid = given[i] >= 0 && given[i] < static_cast<std::int64_t>(rank) &&
                !seen[static_cast<std::size_t>(given[i])];
        if (valid) {
            perm[i] = static_cast<std::size_t>(given[i]);
            seen[perm[i]] = true;
        }
    }
    if (!valid) {
        return c.malformed(
            fmt::format("perm {} is not a permutation of {} axes", dims_text(given), rank));
    }
    return perm;
}

Status infer_transpose(NodeContext& c) {
    QAICRT_TRY(const auto perm, read_perm(c));
    const Shape& dims = c.input(0).dims;
    Shape out(perm.size());
    bool moves = false;
    std::size_t last = 0;
    for (std::size_t i = 0; i < perm.size(); ++i) {
        out[i] = dims[perm[i]];
        if (out[i] != 1) {  // axes of size 1 may go anywhere without moving an element
            moves = moves || perm[i] < last;
            last = perm[i];
        }
    }
    return moves ? c.set_output(0, c.input(0).type, std::move(out))
                 : c.set_output_view(std::move(out));
}

Result<KernelPtr> prepare_transpose(NodeContext& c) {
    QAICRT_TRY(const auto perm, read_perm(c));
    const auto strides = dense_strides(c.input(0).dims);
    std::vector<std::ptrdiff_t> permuted(perm.size());
    for (std::size_t i = 0; i < perm.size(); ++i) {
        permuted[i] = strides[perm[i]];
    }
    return KernelPtr(std::make_unique<StridedKernel>(
        StridedCopy(c.output().dims, permuted, 0, elem_bytes(c.input(0).type))));
}

// --- Slice

struct SliceRange {
    std::int64_t start = 0, step = 1, length = 0;
};

/// One axis, clamped as ONNX says; huge numbers mean "to the end".
SliceRange clamp_slice(std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
    const auto wrap = [&](std::int64_t at) { return at < 0 ? (at < -dim ? -1 : at + dim) : at; };
    if (step > 0) {
        const std::int64_t from = std::clamp<std::int64_t>(wrap(start), 0, dim);
        const std::int64_t to = std::clamp<std::int64_t>(wrap(end), 0, dim);
        return {from, step, to > from ? (to - from - 1) / step + 1 : 0};
    }
    if (dim == 0) {
        return {0, step, 0};
    }
    const std::int64_t from = std::clamp<std::int64_t>(wrap(start), 0, dim - 1);
    const std::int64_t to = std::clamp<std::int64_t>(wrap(end), -1, dim - 1);
    // Negating the smallest step would overflow; any step that large takes one element.
    const std::int64_t back =
        step == std::numeric_limits<std::int64_t>::min() ? -(step + 1) : -step;
    return {from, step, from > to ? (from - to - 1) / back + 1 : 0};
}

Result<std::vector<std::int64_t>> slice_list(NodeContext& c, std::size_t input, const char* name) {
    if (c.opset() < 10) {
        return c.attr_ints(name);
    }
    return c.has_input(input) ? c.constant_ints(input, name) : std::vector<std::int64_t>();
}

Result<std::vector<SliceRange>> read_slice(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const auto starts, slice_list(c, 1, "starts"));
    QAICRT_TRY(const auto ends, slice_list(c, 2, "ends"));
    QAICRT_TRY(auto axes, slice_list(c, 3, "axes"));
    std::vector<std::int64_t> steps;
    if (c.opset() >= 10) {
        QAICRT_TRY(steps, slice_list(c, 4, "steps"));
    }
    const bool has_axes = c.opset() < 10 ? c.find_attr("axes") != nullptr : c.has_input(3);
    if (!has_axes) {
        for (std::size_t i = 0; i < starts.size(); ++i) {
            axes.push_back(static_cast<std::int64_t>(i));
        }
    }
    if (steps.empty() && !c.has_input(4)) {
        steps.assign(starts.size(), 1);
    }
    if (ends.size() != starts.size() || axes.size() != starts.size() ||
        steps.size() != starts.size()) {
        return c.malformed("starts, ends, axes and steps differ in length");
    }
    std::vector<SliceRange> ranges;
    for (const std::int64_t dim : dims) {
        ranges.push_back({0, 1, dim});
    }
    std::vector<bool> seen(dims.size(), false);
    for (std::size_t i = 0; i < starts.size(); ++i) {
        QAICRT_TRY(const std::size_t axis, c.normal_axis(axes[i], dims.size()));
        if (seen[axis] || steps[i] == 0) {
            return c.malformed(fmt::format("axis {} is sliced twice or with step 0", axes[i]));
        }
        seen[axis] = true;
        ranges[axis] = clamp_slice(dims[axis], starts[i], ends[i], steps[i]);
    }
    return ranges;
}

Status infer_slice(NodeContext& c) {
    QAICRT_TRY(const auto ranges, read_slice(c));
    Shape out;
    bool whole = true;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        out.push_back(ranges[i].length);
        whole = whole && ranges[i].length == c.input(0).dims[i] &&
                (ranges[i].step == 1 || ranges[i].length == 1);
    }
    return whole ? c.set_output_view(std::move(out))
                 : c.set_output(0, c.input(0).type, std::move(out));
}

Result<KernelPtr> prepare_slice(NodeContext& c) {
    QAICRT_TRY(const auto ranges, read_slice(c));
    auto strides = dense_strides(c.input(0).dims);
    std::ptrdiff_t offset = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        offset += ranges[i].length > 0 ? ranges[i].start * strides[i] : 0;
        // A step beyond the axis takes one element, and then no stride is used.
        strides[i] = ranges[i].length > 1 ? strides[i] * ranges[i].step : 0;
    }
    return KernelPtr(std::make_unique<StridedKernel>(
        StridedCopy(c.output().dims, strides, offset, elem_bytes(c.input(0).type))));
}

// --- Concat

Status infer_concat(NodeContext& c) {
    if (c.find_attr("axis") == nullptr) {
        return c.malformed("the attribute 'axis' is missing");
    }
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, c.input(0).dims.size()));
    Shape out = c.input(0).dims;
    out[axis] = 0;
    for (std::size_t i = 0; i < c.num_inputs(); ++i) {
        if (!c.has_input(i)) {
            return c.malformed(fmt::format("input {} is left out", i));
        }
        QAICRT_CHECK(c.require_same_type(0, i));
        Shape dims = c.input(i).dims;
        const std::int64_t part = dims.size() == out.size() ? dims[axis] : 0;
        if (dims.size() == out.size()) {
            dims[axis] = out[axis];
        }
        if (dims != out || __builtin_add_overflow(out[axis], part, &out[axis])) {
            return c.malformed(fmt::format("the shapes {} and {} differ in more than axis {}",
                                           dims_text(c.input(0).dims), dims_text(c.input(i).dims),
                                           axis));
        }
    }
    return c.num_inputs() == 1 ? c.set_output_view(std::move(out))
                               : c.set_output(0, c.input(0).type, std::move(out));
}

class ConcatKernel final : public Kernel {
  public:
    ConcatKernel(std::size_t outer, std::vector<std::size_t> chunks)
        : outer_(outer), chunks_(std::move(chunks)), starts_{0} {
        for (const std::size_t chunk : chunks_) {
            starts_.push_back(starts_.back() + chunk);
        }
    }

    Status run(const RunArgs& args) const override {
        const std::size_t row = starts_.back();
        const std::size_t grain = grain_for(row / chunks_.size() + 1);
        parallel_for(args.workers, outer_ * chunks_.size(), grain,
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t piece = begin; piece < end; ++piece) {
                             const std::size_t outer = piece / chunks_.size();
                             const std::size_t k = piece % chunks_.size();
                             if (chunks_[k] != 0) {
                                 std::memcpy(args.out[0] + outer * row + starts_[k],
                                             args.in[k] + outer * chunks_[k], chunks_[k]);
                             }
                         }
                     });
        return {};
    }

  private:
    std::size_t outer_;
    std::vector<std::size_t> chunks_;  ///< bytes that each input gives to a row of the result
    std::vector<std::size_t> starts_;
};

Result<KernelPtr> prepare_concat(NodeContext& c) {
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    const Shape& out = c.output().dims;
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, out.size()));
    std::vector<std::size_t> chunks;
    for (std::size_t i = 0; i < c.num_inputs(); ++i) {
        const Shape& dims = c.input(i).dims;
        chunks.push_back(c.input(i).count() == 0
                             ? 0
                             : count_of(dims, axis, dims.size()) * elem_bytes(c.input(i).type));
    }
    const std::size_t outer = c.output().count() == 0 ? 0 : count_of(out, 0, axis);
    return KernelPtr(std::make_unique<ConcatKernel>(outer, std::move(chunks)));
}

// --- Gather

Status infer_gather(NodeContext& c) {
    QAICRT_CHECK(c.require_type(1, kIndexTypes));
    const Shape& data = c.input(0).dims;
    const Shape& indices = c.input(1).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, data.size()));
    Shape out(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
    out.insert(out.end(), indices.begin(), indices.end());
    out.insert(out.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
    return c.set_output(0, c.input(0).type, std::move(out));
}

class GatherKernel final : public Kernel {
  public:
    GatherKernel(const NodeContext& c, std::size_t axis)
        : node_(node_text(c.node())),
          axis_(axis),
          dim_(c.input(0).dims[axis]),
          wide_(c.input(1).type == ElemType::kInt64),
          indices_(c.input(1).count()) {
        const Shape& dims = c.input(0).dims;
        if (c.output().count() != 0) {
            outer_ = count_of(dims, 0, axis);
            inner_bytes_ = count_of(dims, axis + 1, dims.size()) * elem_bytes(c.input(0).type);
        }
    }

    Status run(const RunArgs& args) const override {
        for (std::size_t i = 0; i < indices_; ++i) {
            if (const std::int64_t index = load(args.in[1], i); index < -dim_ || index >= dim_) {
                return qaicrt::Error(
                    Errc::kInvalidArgument,
                    fmt::format("{}: index {} at position {} is outside [{}, {}] of axis {}", node_,
                                index, i, -dim_, dim_ - 1, axis_));
            }
        }
        parallel_for(
            args.workers, outer_ * indices_, grain_for(inner_bytes_),
            [&](std::size_t begin, std::size_t end) {
                for (std::size_t row = begin; row < end; ++row) {
                    const std::int64_t index = load(args.in[1], row % indices_);
                    const auto at = static_cast<std::size_t>(index < 0 ? index + dim_ : index);
                    const std::size_t from = row / indices_ * static_cast<std::size_t>(dim_) + at;
                    std::memcpy(args.out[0] + row * inner_bytes_, args.in[0] + from * inner_bytes_,
                                inner_bytes_);
                }
            });
        return {};
    }

  private:
    std::int64_t load(const std::byte* indices, std::size_t i) const {
        return wide_ ? as<std::int64_t>(indices)[i] : as<std::int32_t>(indices)[i];
    }

    std::string node_;
    std::size_t axis_;
    std::int64_t dim_;
    bool wide_;
    std::size_t indices_;
    std::size_t outer_ = 0;
    std::size_t inner_bytes_ = 0;
};

Result<KernelPtr> prepare_gather(NodeContext& c) {
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, c.input(0).dims.size()));
    return KernelPtr(std::make_unique<GatherKernel>(c, axis));
}

constexpr OpDef kOps[] = {
    {"", "Transpose", kMinOpset, kMaxOpset, 1, 1, 1, "perm", infer_transpose, prepare_transpose},
    {"", "Slice", kMinOpset, 9, 1, 1, 1, "starts ends axes", infer_slice, prepare_slice},
    {"", "Slice", 10, kMaxOpset, 3, 5, 1, "", infer_slice, prepare_slice},
    {"", "Concat", kMinOpset, kMaxOpset, 1, kAnyCount, 1, "axis", infer_concat, prepare_concat},
    {"", "Gather", kMinOpset, kMaxOpset, 2, 2, 1, "axis", infer_gather, prepare_gather},
};

}  // namespace

std::span<const OpDef> movement_ops() {
    return kOps;
}

}  // namespace qaicnet
