// SPDX-License-Identifier: Apache-2.0
/// Pad, DepthToSpace, SpaceToDepth.
#include "emu/net/axes.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/strided_copy.hpp"

#include <fmt/format.h>

#include <cstring>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

enum class PadMode : std::uint8_t { kConstant, kReflect, kEdge, kWrap };
constexpr std::int64_t kOutside = -1;

struct PadAxis {
    std::int64_t before = 0, after = 0;
};

Result<PadMode> read_mode(NodeContext& c) {
    const auto words = c.attr_string("mode", "constant");
    if (!words) {
        return words.error();
    }
    const char* names[] = {"constant", "reflect", "edge", "wrap"};
    for (std::uint8_t i = 0; i < 4; ++i) {
        if (*words == names[i] && (i < 3 || c.opset() >= 19)) {
            return static_cast<PadMode>(i);
        }
    }
    return c.malformed("the attribute 'mode' is " + quoted(*words) +
                       ", it must be constant, reflect, edge or wrap (from opset 19)");
}

Result<std::vector<PadAxis>> read_pads(NodeContext& c) {
    const std::size_t rank = c.input(0).dims.size();
    std::vector<std::int64_t> pads, axes;
    if (c.opset() < 11) {
        QAICRT_TRY(pads, c.attr_ints("pads"));
    } else {
        QAICRT_TRY(pads, c.constant_ints(1, "pads"));
        if (c.has_input(3)) {
            QAICRT_TRY(axes, c.constant_ints(3, "axes"));
        }
    }
    if (!c.has_input(3)) {
        for (std::size_t i = 0; i < rank; ++i) {
            axes.push_back(static_cast<std::int64_t>(i));
        }
    }
    if (pads.size() != 2 * axes.size()) {
        return c.malformed(fmt::format("it has {} pads for {} axes", pads.size(), axes.size()));
    }
    std::vector<PadAxis> out(rank);
    std::vector<bool> seen(rank, false);
    // Padding from -2^48 to 2^48: more has no result that a tensor could hold.
    constexpr auto kMost = static_cast<std::int64_t>(kMaxElements);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        QAICRT_TRY(const std::size_t axis, c.normal_axis(axes[i], rank));
        for (const std::int64_t pad : {pads[i], pads[axes.size() + i]}) {
            if (pad < -kMost || pad > kMost) {
                return c.malformed(fmt::format("axis {} is padded by {}", axes[i], pad));
            }
        }
        if (seen[axis]) {
            return c.malformed(fmt::format("axis {} is padded twice", axes[i]));
        }
        seen[axis] = true;
        out[axis] = {pads[i], pads[axes.size() + i]};
    }
    return out;
}

/// Where an output coordinate comes from.
std::int64_t source_of(std::int64_t at, std::int64_t dim, PadMode mode) {
    if (at >= 0 && at < dim) {
        return at;
    }
    switch (mode) {
        case PadMode::kEdge:
            return at < 0 ? 0 : dim - 1;
        case PadMode::kWrap: {
            const std::int64_t rest = at % dim;
            return rest < 0 ? rest + dim : rest;
        }
        case PadMode::kReflect: {
            if (dim == 1) {
                return 0;
            }
            const std::int64_t period = 2 * (dim - 1);
            std::int64_t rest = at % period;
            rest = rest < 0 ? rest + period : rest;
            return rest < dim ? rest : period - rest;
        }
        default:
            return kOutside;
    }
}

Status infer_pad(NodeContext& c) {
    QAICRT_TRY(const PadMode mode, read_mode(c));
    QAICRT_TRY(const auto pads, read_pads(c));
    if (c.has_input(2)) {
        QAICRT_CHECK(c.require_same_type(0, 2));
        if (c.input(2).count() != 1) {
            return c.malformed("the value to pad with must be one element");
        }
    }
    Shape out = c.input(0).dims;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::int64_t dim = out[i];
        const bool grows = pads[i].before > 0 || pads[i].after > 0;
        if (__builtin_add_overflow(out[i], pads[i].before, &out[i]) ||
            __builtin_add_overflow(out[i], pads[i].after, &out[i]) || out[i] < 0 ||
            (mode != PadMode::kConstant && dim == 0 && grows)) {
            return c.malformed(fmt::format("axis {} of {} cannot be padded by {} and {}", i, dim,
                                           pads[i].before, pads[i].after));
        }
    }
    return c.set_output(0, c.input(0).type, std::move(out));
}

template <class T>
class PadKernel final : public Kernel {
  public:
    /// `sources`: for each axis, where every output coordinate comes from.
    PadKernel(std::vector<std::vector<std::int64_t>> sources, const Shape& in, std::size_t count,
              T value, bool value_is_input)
        : sources_(std::move(sources)),
          count_(count),
          value_(value),
          value_is_input_(value_is_input) {
        std::size_t step = 1;
        strides_.resize(in.size());
        for (std::size_t i = in.size(); i-- > 0;) {
            strides_[i] = step;
            step *= static_cast<std::size_t>(in[i]);
        }
        const auto& last = sources_.back();
        while (first_ < last.size() && last[first_] == kOutside) {
            ++first_;
        }
        end_ = first_;
        while (end_ < last.size() &&
               last[end_] == last[first_] + static_cast<std::int64_t>(end_ - first_)) {
            ++end_;
        }
    }
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const T value = value_is_input_ ? *as<T>(args.in[2]) : value_;
        const std::size_t inner = sources_.back().size();
        parallel_for(args.workers, inner == 0 ? 0 : count_ / inner, grain_for(inner),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             one_row(in, out + row * inner, row, value);
                         }
                     });
        return {};
    }

  private:
    void one_row(const T* in, T* out, std::size_t row, T value) const {
        std::size_t at = 0;
        bool outside = false;
        for (std::size_t axis = sources_.size() - 1; axis-- > 0;) {
            const std::int64_t from = sources_[axis][row % sources_[axis].size()];
            row /= sources_[axis].size();
            outside = outside || from == kOutside;
            at += outside ? 0 : static_cast<std::size_t>(from) * strides_[axis];
        }
        const auto& last = sources_.back();
        for (std::size_t i = 0; i < last.size(); ++i) {
            if (i == first_ && !outside && end_ > first_) {
                // The part in the middle is one run of the input.
                std::memcpy(out + i, in + at + last[i], (end_ - first_) * sizeof(T));
                i = end_ - 1;
                continue;
            }
            const bool fill = outside || last[i] == kOutside;
            out[i] = fill ? value : in[at + static_cast<std::size_t>(last[i])];
        }
    }
    std::vector<std::vector<std::int64_t>> sources_;
    std::vector<std::size_t> strides_;
    std::size_t count_, first_ = 0, end_ = 0;
    T value_;
    bool value_is_input_;
};

template <class T>
Result<KernelPtr> pad_kernel(NodeContext& c, std::vector<std::vector<std::int64_t>> sources) {
    T value{};
    if (c.opset() < 11) {
        QAICRT_TRY(const float number, c.attr_float("value", 0));
        if (c.input(0).type == ElemType::kFloat) {
            std::memcpy(&value, &number, std::min(sizeof(value), sizeof(number)));
        } else if (c.input(0).type == ElemType::kDouble) {
            const double wide = number;
            std::memcpy(&value, &wide, std::min(sizeof(value), sizeof(wide)));
        } else {
            const Half half = float_to_half(number);
            std::memcpy(&value, &half, std::min(sizeof(value), sizeof(half)));
        }
    }
    return KernelPtr(std::make_unique<PadKernel<T>>(std::move(sources), c.input(0).dims,
                                                    c.output().count(), value, c.has_input(2)));
}

Result<KernelPtr> prepare_pad(NodeContext& c) {
    QAICRT_TRY(const PadMode mode, read_mode(c));
    QAICRT_TRY(const auto pads, read_pads(c));
    std::vector<std::vector<std::int64_t>> sources;
    const Shape& dims = c.input(0).dims;
    const bool empty = c.output().count() == 0;
    std::uint64_t table = 0;
    for (std::size_t i = 0; i < dims.size() && !empty; ++i) {
        table += static_cast<std::uint64_t>(c.output().dims[i]) * sizeof(std::int64_t);
    }
    if (!c.budget().take(table)) {
        return c.fail(Errc::kNoMemory, "its table of sources exceeds the memory limit");
    }
    for (std::size_t i = 0; i < dims.size() && !empty; ++i) {
        auto& list = sources.emplace_back();
        for (std::int64_t k = 0; k < c.output().dims[i]; ++k) {
            list.push_back(source_of(k - pads[i].before, dims[i], mode));
        }
    }
    if (sources.empty()) {
        sources.emplace_back(empty ? 0 : 1, 0);
    }
    switch (elem_bytes(c.input(0).type)) {
        case 1:
            return pad_kernel<std::uint8_t>(c, std::move(sources));
        case 2:
            return pad_kernel<std::uint16_t>(c, std::move(sources));
        case 4:
            return pad_kernel<std::uint32_t>(c, std::move(sources));
        default:
            return pad_kernel<std::uint64_t>(c, std::move(sources));
    }
}

// --- DepthToSpace, SpaceToDepth: transposes of a view with six axes

class ShuffleKernel final : public Kernel {
  public:
    explicit ShuffleKernel(StridedCopy copy) : copy_(std::move(copy)) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, copy_.count(), std::size_t{16384},
                     [&](std::size_t begin, std::size_t end) {
                         copy_.run(args.in[0], args.out[0], begin, end);
                     });
        return {};
    }

  private:
    StridedCopy copy_;
};

Result<std::int64_t> block_size(NodeContext& c) {
    QAICRT_TRY(const std::int64_t block, c.attr_int("blocksize", 0));
    if (block < 1 || block > 65536 || c.input(0).dims.size() != 4) {
        return c.malformed(fmt::format("a block size of {} does not fit the input {}", block,
                                       dims_text(c.input(0).dims)));
    }
    return block;
}

Status infer_depth_to_space(NodeContext& c) {
    QAICRT_TRY(const std::int64_t b, block_size(c));
    const auto mode = c.attr_string("mode", "DCR");
    if (!mode) {
        return mode.error();
    }
    const Shape& d = c.input(0).dims;
    Shape out{d[0], d[1] / (b * b), d[2], d[3]};
    if (d[1] % (b * b) != 0 || (*mode != "DCR" && *mode != "CRD") ||
        __builtin_mul_overflow(d[2], b, &out[2]) || __builtin_mul_overflow(d[3], b, &out[3])) {
        return c.malformed(
            fmt::format("{} channels do not make blocks of {}, or its mode is not "
                        "DCR or CRD",
                        d[1], b));
    }
    return c.set_output(0, c.input(0).type, std::move(out));
}

KernelPtr shuffle(NodeContext& c, const Shape& view, const std::vector<std::size_t>& perm) {
    const auto strides = dense_strides(view);
    Shape dims;
    std::vector<std::ptrdiff_t> permuted;
    for (const std::size_t axis : perm) {
        dims.push_back(view[axis]);
        permuted.push_back(strides[axis]);
    }
    return std::make_unique<ShuffleKernel>(
        StridedCopy(dims, permuted, 0, elem_bytes(c.input(0).type)));
}

Result<KernelPtr> prepare_depth_to_space(NodeContext& c) {
    QAICRT_TRY(const std::int64_t b, block_size(c));
    const auto mode = c.attr_string("mode", "DCR");
    const Shape& d = c.input(0).dims;
    const std::int64_t depth = d[1] / (b * b);
    return mode && *mode == "CRD" ? shuffle(c, {d[0], depth, b, b, d[2], d[3]}, {0, 1, 4, 2, 5, 3})
                                  : shuffle(c, {d[0], b, b, depth, d[2], d[3]}, {0, 3, 4, 1, 5, 2});
}

Status infer_space_to_depth(NodeContext& c) {
    QAICRT_TRY(const std::int64_t b, block_size(c));
    const auto mode = c.attr_string("mode", "DCR");
    if (!mode) {
        return mode.error();
    }
    const Shape& d = c.input(0).dims;
    Shape out{d[0], 0, d[2] / b, d[3] / b};
    if ((*mode != "DCR" && *mode != "CRD") || d[2] % b != 0 || d[3] % b != 0 ||
        __builtin_mul_overflow(d[1], b * b, &out[1])) {
        return c.malformed(
            fmt::format("the input {} is not made of blocks of {}, or its mode is not DCR or CRD",
                        dims_text(d), b));
    }
    return c.set_output(0, c.input(0).type, std::move(out));
}

Result<KernelPtr> prepare_space_to_depth(NodeContext& c) {
    QAICRT_TRY(const std::int64_t b, block_size(c));
    const Shape& d = c.input(0).dims;
    const auto mode = c.attr_string("mode", "DCR");
    const bool channels_first = mode && *mode == "CRD";
    return shuffle(c, {d[0], d[1], d[2] / b, b, d[3] / b, b},
                   channels_first ? std::vector<std::size_t>{0, 1, 3, 5, 2, 4}
                                  : std::vector<std::size_t>{0, 3, 5, 1, 2, 4});
}

constexpr OpDef kOps[] = {
    {"", "Pad", kMinOpset, 10, 1, 1, 1, "mode pads value", infer_pad, prepare_pad},
    {"", "Pad", 11, 17, 2, 3, 1, "mode", infer_pad, prepare_pad},
    {"", "Pad", 18, kMaxOpset, 2, 4, 1, "mode", infer_pad, prepare_pad},
    {"", "DepthToSpace", kMinOpset, 10, 1, 1, 1, "blocksize", infer_depth_to_space,
     prepare_depth_to_space},
    {"", "DepthToSpace", 11, kMaxOpset, 1, 1, 1, "blocksize mode", infer_depth_to_space,
     prepare_depth_to_space},
    {"", "SpaceToDepth", kMinOpset, 27, 1, 1, 1, "blocksize", infer_space_to_depth,
     prepare_space_to_depth},
    {"", "SpaceToDepth", 28, kMaxOpset, 1, 1, 1, "blocksize mode", infer_space_to_depth,
     prepare_space_to_depth},
};

}  // namespace

std::span<const OpDef> pad_ops() {
    return kOps;
}

}  // namespace qaicnet
