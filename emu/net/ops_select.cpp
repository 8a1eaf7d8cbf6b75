// SPDX-License-Identifier: Apache-2.0
/// Operators that put elements elsewhere: Compress, NonZero, ReverseSequence, MaxUnpool.
///
/// How much Compress and NonZero give depends on data; they run where those are known at load.
#include "emu/net/axes.hpp"
#include "emu/net/parallel.hpp"
#include "emu/net/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// What infer reads itself: so many elements cost no time worth counting.
constexpr std::size_t kMaxRead = std::size_t{1} << 16;

Result<const std::byte*> small_constant(NodeContext& c, std::size_t i, const char* what) {
    const std::byte* data = c.constant(i);
    if (data == nullptr || c.input(i).count() > kMaxRead) {
        return c.fail(
            Errc::kUnsupported,
            fmt::format("its {} decides the shape of the result and must be a constant of "
                        "at most {} elements",
                        what, kMaxRead));
    }
    return data;
}

// --- Compress

/// Some slices of [outer, length, inner bytes].
class CompressKernel final : public Kernel {
  public:
    CompressKernel(std::vector<std::size_t> kept, std::size_t outer, std::size_t length,
                   std::size_t bytes)
        : kept_(std::move(kept)), outer_(outer), length_(length), bytes_(bytes) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, outer_, grain_for(kept_.size() * bytes_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             for (std::size_t k = 0; k < kept_.size(); ++k) {
                                 std::memcpy(args.out[0] + (i * kept_.size() + k) * bytes_,
                                             args.in[0] + (i * length_ + kept_[k]) * bytes_,
                                             bytes_);
                             }
                         }
                     });
        return {};
    }

  private:
    std::vector<std::size_t> kept_;
    std::size_t outer_, length_, bytes_;
};

struct Selection {
    AxisSplit split;
    Shape out;
    std::vector<std::size_t> kept;
};
Result<Selection> read_selection(NodeContext& c) {
    QAICRT_CHECK(c.require_type(1, types_of({ElemType::kBool})));
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::byte* condition, small_constant(c, 1, "condition"));
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    Selection s;
    s.split = {1, c.input(0).count(), 1};
    std::size_t axis = 0;
    if (c.find_attr("axis") != nullptr) {
        QAICRT_TRY(axis, c.normal_axis(attribute, dims.size()));
        s.split = AxisSplit::at(dims, axis);
        s.out = dims;
    } else {
        s.out = {0};
    }
    for (std::size_t k = 0; k < std::min(c.input(1).count(), s.split.length); ++k) {
        if (condition[k] != std::byte{0}) {
            s.kept.push_back(k);
        }
    }
    s.out[axis] = static_cast<std::int64_t>(s.kept.size());
    return s;
}
Status infer_compress(NodeContext& c) {
    QAICRT_TRY(Selection s, read_selection(c));
    return c.set_output(0, c.input(0).type, std::move(s.out));
}
Result<KernelPtr> prepare_compress(NodeContext& c) {
    QAICRT_TRY(Selection s, read_selection(c));
    c.drop_input(1);
    return KernelPtr(std::make_unique<CompressKernel>(std::move(s.kept), s.split.outer,
                                                      s.split.length,
                                                      s.split.inner * elem_bytes(c.input(0).type)));
}

// --- NonZero

bool is_zero(const std::byte* element, ElemType type, std::size_t bytes) {
    const bool real = contains(kFloatTypes, type);
    for (std::size_t b = 0; b < bytes; ++b) {
        const auto mask = static_cast<std::byte>(real && b + 1 == bytes ? 0x7f : 0xff);  // -0 is 0
        if ((element[b] & mask) != std::byte{0}) {
            return false;
        }
    }
    return true;
}

/// The places of the elements that are not zero: one row of the result for each axis.
Status infer_non_zero(NodeContext& c) {
    QAICRT_TRY(const std::byte* data, small_constant(c, 0, "input"));
    const Shape dims = c.input(0).dims.empty() ? Shape{1} : c.input(0).dims;
    const std::size_t bytes = elem_bytes(c.input(0).type);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < c.input(0).count(); ++i) {
        if (!is_zero(data + i * bytes, c.input(0).type, bytes)) {
            found.push_back(i);
        }
    }
    Constant value{
        {ElemType::kInt64,
         {static_cast<std::int64_t>(dims.size()), static_cast<std::int64_t>(found.size())}},
        nullptr};
    auto buffer = Buffer::allocate(value.tensor.bytes(), c.budget());
    if (!buffer) {
        return c.fail(Errc::kNoMemory, "there is no memory for its result");
    }
    auto* out = as<std::int64_t>(buffer->owned());
    for (std::size_t k = 0; k < found.size(); ++k) {
        std::size_t rest = found[k];
        for (std::size_t axis = dims.size(); axis-- > 0;) {
            const auto size = static_cast<std::size_t>(dims[axis]);
            out[axis * found.size() + k] = static_cast<std::int64_t>(rest % size);
            rest /= size;
        }
    }
    value.bytes = std::move(buffer);
    return c.set_output_constant(0, value);
}

// --- ReverseSequence

/// The first elements of each sequence in reverse order.
class ReverseKernel final : public Kernel {
  public:
    ReverseKernel(std::size_t times, std::size_t batches, bool batch_first, std::size_t bytes)
        : times_(times), batches_(batches), batch_first_(batch_first), bytes_(bytes) {}
    Status run(const RunArgs& args) const override {
        const auto* lengths = as<std::int64_t>(args.in[1]);
        for (std::size_t b = 0; b < batches_; ++b) {
            if (lengths[b] < 0 || lengths[b] > static_cast<std::int64_t>(times_)) {
                return Error(
                    Errc::kInvalidArgument,
                    fmt::format("ReverseSequence: sequence {} has a length of {}, and there "
                                "are {} steps",
                                b, lengths[b], times_));
            }
        }
        parallel_for(args.workers, batches_ * times_, grain_for(bytes_),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t b = i / times_;
                             const std::size_t t = i % times_;
                             const auto length = static_cast<std::size_t>(lengths[b]);
                             const std::size_t from = t < length ? length - 1 - t : t;
                             std::memcpy(args.out[0] + place(b, t) * bytes_,
                                         args.in[0] + place(b, from) * bytes_, bytes_);
                         }
                     });
        return {};
    }

  private:
    std::size_t place(std::size_t b, std::size_t t) const {
        return batch_first_ ? b * times_ + t : t * batches_ + b;
    }
    std::size_t times_, batches_;
    bool batch_first_;
    std::size_t bytes_;
};

Result<bool> reverse_batch_first(NodeContext& c) {
    QAICRT_TRY(const std::int64_t batch, c.attr_int("batch_axis", 1));
    QAICRT_TRY(const std::int64_t time, c.attr_int("time_axis", 0));
    if (batch < 0 || batch > 1 || time != 1 - batch) {
        return c.malformed(fmt::format(
            "its axes of batch and time are {} and {}, they must be 0 and 1", batch, time));
    }
    return batch == 0;
}
Status infer_reverse(NodeContext& c) {
    QAICRT_TRY(const bool batch_first, reverse_batch_first(c));
    QAICRT_CHECK(c.require_type(1, types_of({ElemType::kInt64})));
    const Shape& dims = c.input(0).dims;
    if (dims.size() < 2 || c.input(1).dims != Shape{dims[batch_first ? 0 : 1]}) {
        return c.malformed(fmt::format("its lengths {} do not fit its input {}",
                                       dims_text(c.input(1).dims), dims_text(dims)));
    }
    return c.set_output(0, c.input(0).type, dims);
}
Result<KernelPtr> prepare_reverse(NodeContext& c) {
    QAICRT_TRY(const bool batch_first, reverse_batch_first(c));
    const Shape& dims = c.input(0).dims;
    const auto first = static_cast<std::size_t>(dims[0]);
    const auto second = static_cast<std::size_t>(dims[1]);
    return KernelPtr(std::make_unique<ReverseKernel>(
        batch_first ? second : first, batch_first ? first : second, batch_first,
        count_between(dims, 2, dims.size()) * elem_bytes(c.input(0).type)));
}

// --- MaxUnpool

/// Zeros, and each element where its index says: in a tensor of the shape that the pool's
/// attributes give, which lies in the first corner of the result.
class UnpoolKernel final : public Kernel {
  public:
    UnpoolKernel(std::size_t count, Shape inner, Shape outer, std::size_t bytes)
        : count_(count), inner_(std::move(inner)), outer_(std::move(outer)), bytes_(bytes) {
        size_ = checked_count(inner_).value_or(0);
        result_bytes_ = checked_count(outer_).value_or(0) * bytes_;
    }
    Status run(const RunArgs& args) const override {
        std::memset(args.out[0], 0, result_bytes_);
        const auto* indices = as<std::int64_t>(args.in[1]);
        for (std::size_t i = 0; i < count_; ++i) {
            if (indices[i] < 0 || indices[i] >= static_cast<std::int64_t>(size_)) {
                return Error(
                    Errc::kInvalidArgument,
                    fmt::format("MaxUnpool: index {} is {}, and the unpooled tensor has {} "
                                "elements",
                                i, indices[i], size_));
            }
            if (const auto at = place(static_cast<std::size_t>(indices[i]))) {
                std::memcpy(args.out[0] + *at * bytes_, args.in[0] + i * bytes_, bytes_);
            }
        }
        return {};
    }

  private:
    /// Nothing when the result is smaller there.
    std::optional<std::size_t> place(std::size_t index) const {
        std::size_t at = 0;
        std::size_t stride = 1;
        for (std::size_t axis = inner_.size(); axis-- > 0;) {
            const std::size_t k = index % static_cast<std::size_t>(inner_[axis]);
            index /= static_cast<std::size_t>(inner_[axis]);
            if (k >= static_cast<std::size_t>(outer_[axis])) {
                return std::nullopt;
            }
            at += k * stride;
            stride *= static_cast<std::size_t>(outer_[axis]);
        }
        return at;
    }
    std::size_t count_;
    Shape inner_, outer_;
    std::size_t bytes_, size_ = 0, result_bytes_ = 0;
};

struct UnpoolShapes {
    Shape inner, outer;
};
Result<UnpoolShapes> unpool_shapes(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const Window w, read_transposed_window(c, {}));
    UnpoolShapes s;
    s.inner = {dims[0], dims[1]};
    for (std::size_t i = 0; i < w.rank; ++i) {
        s.inner.push_back(w.axes[kMaxSpatial - w.rank + i].out);
    }
    s.outer = s.inner;
    if (c.has_input(2)) {
        QAICRT_TRY(s.outer, c.constant_ints(2, "output_shape"));
    }
    if (s.outer.size() != s.inner.size() || !checked_count(s.outer) || !checked_count(s.inner)) {
        return c.malformed(fmt::format("an output shape of {} does not fit its input {}",
                                       dims_text(s.outer), dims_text(dims)));
    }
    return s;
}
Status infer_unpool(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(c.require_type(1, types_of({ElemType::kInt64})));
    if (c.input(0).dims != c.input(1).dims) {
        return c.malformed("its data and indices differ in shape");
    }
    QAICRT_TRY(UnpoolShapes s, unpool_shapes(c));
    return c.set_output(0, c.input(0).type, std::move(s.outer));
}
Result<KernelPtr> prepare_unpool(NodeContext& c) {
    QAICRT_TRY(UnpoolShapes s, unpool_shapes(c));
    return KernelPtr(std::make_unique<UnpoolKernel>(
        c.input(0).count(), std::move(s.inner), std::move(s.outer), elem_bytes(c.input(0).type)));
}

constexpr OpDef kOps[] = {
    {"", "Compress", 9, kMaxOpset, 2, 2, 1, "axis", infer_compress, prepare_compress},
    {"", "NonZero", 9, kMaxOpset, 1, 1, 1, "", infer_non_zero, nullptr},
    {"", "ReverseSequence", 10, kMaxOpset, 2, 2, 1, "batch_axis time_axis", infer_reverse,
     prepare_reverse},
    {"", "MaxUnpool", 9, kMaxOpset, 2, 3, 1, "kernel_shape pads strides", infer_unpool,
     prepare_unpool},
};

}  // namespace

std::span<const OpDef> select_ops() {
    return kOps;
}

}  // namespace qaicnet
