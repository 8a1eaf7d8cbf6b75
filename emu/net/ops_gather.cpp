// SPDX-License-Identifier: Apache-2.0
/// Gather and scatter by computed indices: GatherElements, GatherND, ScatterElements, ScatterND.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <cstring>
#include <limits>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// A list of INT32 or INT64 indices.
class Indices {
  public:
    explicit Indices(ElemType type) : wide_(type == ElemType::kInt64) {}
    std::int64_t at(const std::byte* data, std::size_t i) const {
        return wide_ ? as<std::int64_t>(data)[i] : as<std::int32_t>(data)[i];
    }

  private:
    bool wide_;
};

Error out_of_range(const std::string& node, std::int64_t index, std::int64_t dim,
                   std::size_t axis) {
    return {Errc::kInvalidArgument, fmt::format("{}: index {} is outside [{}, {}] of axis {}", node,
                                                index, -dim, dim - 1, axis)};
}

// --- GatherElements and ScatterElements: one index for each element, along one axis

struct ElementWalk {
    Shape dims;                        ///< of the indices
    std::vector<std::size_t> strides;  ///< of the data, 0 for the axis
    std::size_t axis = 0, axis_stride = 1;
    std::int64_t dim = 0;

    static ElementWalk make(const Shape& data, const Shape& indices, std::size_t axis) {
        ElementWalk w;
        w.dims = indices;
        w.axis = axis;
        w.dim = data[axis];
        w.strides.assign(data.size(), 0);
        std::size_t step = 1;
        for (std::size_t i = data.size(); i-- > 0;) {
            if (i == axis) {
                w.axis_stride = step;
            } else {
                w.strides[i] = step;
            }
            step *= static_cast<std::size_t>(data[i]);
        }
        return w;
    }
    /// Where in the data the element `index` of the indices' tensor lies, without the axis.
    std::size_t base(std::size_t index) const {
        std::size_t at = 0;
        for (std::size_t i = dims.size(); i-- > 0;) {
            const auto size = static_cast<std::size_t>(dims[i]);
            at += index % size * strides[i];
            index /= size;
        }
        return at;
    }
};

Result<std::size_t> element_axis(NodeContext& c) {
    const Shape& data = c.input(0).dims;
    const Shape& indices = c.input(1).dims;
    QAICRT_CHECK(c.require_type(1, kIndexTypes));
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 0));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, data.size()));
    bool fits = indices.size() == data.size();
    for (std::size_t i = 0; fits && i < data.size(); ++i) {
        fits = i == axis || indices[i] <= data[i];
    }
    if (!fits) {
        return c.malformed("the indices " + dims_text(indices) + " do not fit the data " +
                           dims_text(data));
    }
    return axis;
}

template <class T>
class GatherElementsKernel final : public Kernel {
  public:
    GatherElementsKernel(std::string node, ElementWalk walk, ElemType type, std::size_t count)
        : node_(std::move(node)), walk_(std::move(walk)), indices_(type), count_(count) {}
    Status run(const RunArgs& args) const override {
        for (std::size_t i = 0; i < count_; ++i) {
            const std::int64_t index = indices_.at(args.in[1], i);
            if (index < -walk_.dim || index >= walk_.dim) {
                return out_of_range(node_, index, walk_.dim, walk_.axis);
            }
        }
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(
            args.workers, count_, kElementGrain / 8, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    const std::int64_t index = indices_.at(args.in[1], i);
                    const auto at = static_cast<std::size_t>(index < 0 ? index + walk_.dim : index);
                    out[i] = in[walk_.base(i) + at * walk_.axis_stride];
                }
            });
        return {};
    }

  private:
    std::string node_;
    ElementWalk walk_;
    Indices indices_;
    std::size_t count_;
};

template <class Visit>
KernelPtr with_element_size(ElemType type, Visit&& visit) {
    switch (elem_bytes(type)) {
        case 1:
            return visit(std::uint8_t{});
        case 2:
            return visit(std::uint16_t{});
        case 4:
            return visit(std::uint32_t{});
        default:
            return visit(std::uint64_t{});
    }
}

Status infer_gather_elements(NodeContext& c) {
    QAICRT_CHECK(element_axis(c));
    return c.set_output(0, c.input(0).type, c.input(1).dims);
}

Result<KernelPtr> prepare_gather_elements(NodeContext& c) {
    QAICRT_TRY(const std::size_t axis, element_axis(c));
    ElementWalk walk = ElementWalk::make(c.input(0).dims, c.input(1).dims, axis);
    return with_element_size(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<GatherElementsKernel<decltype(tag)>>(
            node_text(c.node()), std::move(walk), c.input(1).type, c.output().count());
    });
}

// --- reductions of scatters

enum class Reduction : std::uint8_t { kNone, kAdd, kMul, kMax, kMin };

Result<Reduction> read_reduction(NodeContext& c) {
    const auto words = c.attr_string("reduction", "none");
    if (!words) {
        return words.error();
    }
    const char* names[] = {"none", "add", "mul", "max", "min"};
    for (std::uint8_t i = 0; i < 5; ++i) {
        if (*words == names[i]) {
            return static_cast<Reduction>(i);
        }
    }
    return c.malformed("the attribute 'reduction' is " + quoted(*words) +
                       ", it must be none, add, mul, max or min");
}

template <class T>
T combine(T old_value, T update, Reduction how) {
    const auto a = load_wide(old_value);
    const auto b = load_wide(update);
    using W = WideOf<T>;
    switch (how) {
        case Reduction::kAdd:
            if constexpr (std::is_integral_v<W>) {
                return static_cast<W>(static_cast<std::uint64_t>(a) +
                                      static_cast<std::uint64_t>(b));
            } else {
                return store_narrow<T>(a + b);
            }
        case Reduction::kMul:
            if constexpr (std::is_integral_v<W>) {
                return static_cast<W>(static_cast<std::uint64_t>(a) *
                                      static_cast<std::uint64_t>(b));
            } else {
                return store_narrow<T>(a * b);
            }
        case Reduction::kMax:
            return store_narrow<T>(b > a || b != b ? b : a);
        case Reduction::kMin:
            return store_narrow<T>(b < a || b != b ? b : a);
        default:
            return update;
    }
}

/// Updates are applied in their order: a later one wins or adds up, whatever the threads.
template <class T>
class ScatterElementsKernel final : public Kernel {
  public:
    ScatterElementsKernel(std::string node, ElementWalk walk, ElemType type, std::size_t count,
                          std::size_t bytes, Reduction how)
        : node_(std::move(node)),
          walk_(std::move(walk)),
          indices_(type),
          count_(count),
          bytes_(bytes),
          how_(how) {}
    Status run(const RunArgs& args) const override {
        if (args.out[0] != args.in[0] && bytes_ != 0) {
            std::memcpy(args.out[0], args.in[0], bytes_);
        }
        T* out = as<T>(args.out[0]);
        const T* updates = as<T>(args.in[2]);
        for (std::size_t i = 0; i < count_; ++i) {
            const std::int64_t index = indices_.at(args.in[1], i);
            if (index < -walk_.dim || index >= walk_.dim) {
                return out_of_range(node_, index, walk_.dim, walk_.axis);
            }
            const auto at = static_cast<std::size_t>(index < 0 ? index + walk_.dim : index);
            T& target = out[walk_.base(i) + at * walk_.axis_stride];
            target = combine(target, updates[i], how_);
        }
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    std::string node_;
    ElementWalk walk_;
    Indices indices_;
    std::size_t count_, bytes_;
    Reduction how_;
};

Status infer_scatter_elements(NodeContext& c) {
    QAICRT_CHECK(element_axis(c));
    QAICRT_CHECK(c.require_same_type(0, 2));
    QAICRT_CHECK(read_reduction(c));
    if (c.input(1).dims != c.input(2).dims) {
        return c.malformed("indices and updates differ in shape");
    }
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}

Result<KernelPtr> prepare_scatter_elements(NodeContext& c) {
    QAICRT_TRY(const std::size_t axis, element_axis(c));
    QAICRT_TRY(const Reduction how, read_reduction(c));
    ElementWalk walk = ElementWalk::make(c.input(0).dims, c.input(1).dims, axis);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<ScatterElementsKernel<decltype(tag)>>(
            node_text(c.node()), std::move(walk), c.input(1).type, c.input(1).count(),
            c.input(0).bytes(), how);
    });
}

// --- GatherND and ScatterND: tuples of indices

struct TupleWalk {
    std::size_t batches = 1, tuples = 1, depth = 0;
    std::size_t batch_stride = 0;    ///< elements of the data in a batch
    std::size_t slice = 1;           ///< elements that one tuple names
    std::vector<std::int64_t> dims;  ///< of the indexed axes
    std::vector<std::size_t> strides;
    std::size_t first_axis = 0;

    static TupleWalk make(const Shape& data, const Shape& indices, std::size_t batch_dims) {
        TupleWalk w;
        w.first_axis = batch_dims;
        w.depth = static_cast<std::size_t>(indices.back());
        w.batches = count_between(data, 0, batch_dims);
        w.tuples = count_between(indices, batch_dims, indices.size() - 1);
        w.batch_stride = count_between(data, batch_dims, data.size());
        w.slice = count_between(data, batch_dims + w.depth, data.size());
        for (std::size_t i = batch_dims; i < batch_dims + w.depth; ++i) {
            w.dims.push_back(data[i]);
            w.strides.push_back(count_between(data, i + 1, data.size()));
        }
        return w;
    }
};

/// Where a tuple points; the axis at fault, or none.
struct Located {
    std::size_t at = 0;
    std::ptrdiff_t bad_axis = -1;
    std::int64_t bad_index = 0;
};

Located locate(const TupleWalk& w, const Indices& indices, const std::byte* data,
               std::size_t tuple) {
    Located out;
    for (std::size_t k = 0; k < w.depth; ++k) {
        const std::int64_t index = indices.at(data, tuple * w.depth + k);
        if (index < -w.dims[k] || index >= w.dims[k]) {
            return {0, static_cast<std::ptrdiff_t>(k), index};
        }
        out.at += static_cast<std::size_t>(index < 0 ? index + w.dims[k] : index) * w.strides[k];
    }
    return out;
}

class GatherNdKernel final : public Kernel {
  public:
    GatherNdKernel(std::string node, TupleWalk walk, ElemType type, std::size_t element)
        : node_(std::move(node)), w_(std::move(walk)), indices_(type), element_(element) {}
    Status run(const RunArgs& args) const override {
        const std::size_t bytes = w_.slice * element_;
        for (std::size_t i = 0; i < w_.batches * w_.tuples; ++i) {
            const Located found = locate(w_, indices_, args.in[1], i);
            if (found.bad_axis >= 0) {
                const auto k = static_cast<std::size_t>(found.bad_axis);
                return out_of_range(node_, found.bad_index, w_.dims[k], w_.first_axis + k);
            }
            if (bytes != 0) {
                const std::size_t from = i / w_.tuples * w_.batch_stride + found.at;
                std::memcpy(args.out[0] + i * bytes, args.in[0] + from * element_, bytes);
            }
        }
        return {};
    }

  private:
    std::string node_;
    TupleWalk w_;
    Indices indices_;
    std::size_t element_;
};

Status check_tuples(NodeContext& c, std::size_t batch_dims) {
    QAICRT_CHECK(c.require_type(1, kIndexTypes));
    const Shape& data = c.input(0).dims;
    const Shape& indices = c.input(1).dims;
    bool fits = !indices.empty() && batch_dims < indices.size() && batch_dims <= data.size() &&
                indices.back() >= 0 &&
                indices.back() <= static_cast<std::int64_t>(data.size() - batch_dims);
    for (std::size_t i = 0; fits && i < batch_dims; ++i) {
        fits = data[i] == indices[i];
    }
    if (!fits) {
        return c.malformed("the indices " + dims_text(indices) + " do not fit the data " +
                           dims_text(data));
    }
    return {};
}

Result<std::size_t> read_batch_dims(NodeContext& c) {
    QAICRT_TRY(const std::int64_t batch, c.attr_int("batch_dims", 0));
    if (batch < 0 || batch > static_cast<std::int64_t>(kMaxRank)) {
        return c.malformed(fmt::format("batch_dims is {}", batch));
    }
    return static_cast<std::size_t>(batch);
}

Status infer_gather_nd(NodeContext& c) {
    QAICRT_TRY(const std::size_t batch, read_batch_dims(c));
    QAICRT_CHECK(check_tuples(c, batch));
    const Shape& data = c.input(0).dims;
    const Shape& indices = c.input(1).dims;
    Shape out(indices.begin(), indices.end() - 1);
    const auto first = static_cast<std::ptrdiff_t>(batch) + indices.back();
    out.insert(out.end(), data.begin() + first, data.end());
    return c.set_output(0, c.input(0).type, std::move(out));
}

Result<KernelPtr> prepare_gather_nd(NodeContext& c) {
    QAICRT_TRY(const std::size_t batch, read_batch_dims(c));
    return KernelPtr(std::make_unique<GatherNdKernel>(
        node_text(c.node()), TupleWalk::make(c.input(0).dims, c.input(1).dims, batch),
        c.input(1).type, elem_bytes(c.input(0).type)));
}

/// A tuple that holds INT32_MAX is dropped, as the card does: compilers of large networks mark
/// updates that are not wanted with it.
template <class T>
class ScatterNdKernel final : public Kernel {
  public:
    ScatterNdKernel(std::string node, TupleWalk walk, ElemType type, std::size_t bytes,
                    Reduction how)
        : node_(std::move(node)), w_(std::move(walk)), indices_(type), bytes_(bytes), how_(how) {}
    Status run(const RunArgs& args) const override {
        if (args.out[0] != args.in[0] && bytes_ != 0) {
            std::memcpy(args.out[0], args.in[0], bytes_);
        }
        T* out = as<T>(args.out[0]);
        const T* updates = as<T>(args.in[2]);
        for (std::size_t i = 0; i < w_.tuples; ++i) {
            const Located found = locate(w_, indices_, args.in[1], i);
            if (found.bad_axis >= 0) {
                if (is_dropped(args.in[1], i)) {
                    continue;
                }
                const auto k = static_cast<std::size_t>(found.bad_axis);
                return out_of_range(node_, found.bad_index, w_.dims[k], k);
            }
            for (std::size_t j = 0; j < w_.slice; ++j) {
                T& target = out[found.at + j];
                target = combine(target, updates[i * w_.slice + j], how_);
            }
        }
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    bool is_dropped(const std::byte* data, std::size_t tuple) const {
        for (std::size_t k = 0; k < w_.depth; ++k) {
            if (indices_.at(data, tuple * w_.depth + k) ==
                std::numeric_limits<std::int32_t>::max()) {
                return true;
            }
        }
        return false;
    }
    std::string node_;
    TupleWalk w_;
    Indices indices_;
    std::size_t bytes_;
    Reduction how_;
};

Status infer_scatter_nd(NodeContext& c) {
    QAICRT_CHECK(check_tuples(c, 0));
    QAICRT_CHECK(c.require_same_type(0, 2));
    QAICRT_CHECK(read_reduction(c));
    const Shape& data = c.input(0).dims;
    const Shape& indices = c.input(1).dims;
    Shape wanted(indices.begin(), indices.end() - 1);
    wanted.insert(wanted.end(), data.begin() + indices.back(), data.end());
    if (c.input(2).dims != wanted) {
        return c.malformed("the updates " + dims_text(c.input(2).dims) + " must have the shape " +
                           dims_text(wanted));
    }
    return c.set_output(0, c.input(0).type, data);
}

Result<KernelPtr> prepare_scatter_nd(NodeContext& c) {
    QAICRT_TRY(const Reduction how, read_reduction(c));
    TupleWalk walk = TupleWalk::make(c.input(0).dims, c.input(1).dims, 0);
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<ScatterNdKernel<decltype(tag)>>(
            node_text(c.node()), std::move(walk), c.input(1).type, c.input(0).bytes(), how);
    });
}

constexpr OpDef kOps[] = {
    {"", "GatherElements", 11, kMaxOpset, 2, 2, 1, "axis", infer_gather_elements,
     prepare_gather_elements},
    {"", "GatherND", 11, 11, 2, 2, 1, "", infer_gather_nd, prepare_gather_nd},
    {"", "GatherND", 12, kMaxOpset, 2, 2, 1, "batch_dims", infer_gather_nd, prepare_gather_nd},
    {"", "Scatter", 9, 10, 3, 3, 1, "axis", infer_scatter_elements, prepare_scatter_elements},
    {"", "ScatterElements", 11, kMaxOpset, 3, 3, 1, "axis reduction", infer_scatter_elements,
     prepare_scatter_elements},
    {"", "ScatterND", 11, kMaxOpset, 3, 3, 1, "reduction", infer_scatter_nd, prepare_scatter_nd},
};

}  // namespace

std::span<const OpDef> gather_ops() {
    return kOps;
}

}  // namespace qaicnet
