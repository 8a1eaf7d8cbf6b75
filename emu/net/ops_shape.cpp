// SPDX-License-Identifier: Apache-2.0
/// Operators that change a shape or a name and no byte: Reshape, Flatten, Squeeze, Unsqueeze,
/// Identity, Dropout, Constant. All of them are views or constants, so none has a kernel.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/list_constant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

Status infer_reshape(NodeContext& c) {
    QAICRT_TRY(Shape wanted, c.constant_ints(1, "shape"));
    QAICRT_TRY(const std::int64_t allow_zero, c.attr_int("allowzero", 0));
    const Shape& dims = c.input(0).dims;
    const auto bad = [&](const char* why) {
        return c.malformed(
            fmt::format("cannot reshape {} to {}: {}", dims_text(dims), dims_text(wanted), why));
    };
    std::ptrdiff_t open = -1;
    Shape out = wanted;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (out[i] == 0 && allow_zero == 0) {
            if (i >= dims.size()) {
                return bad("a 0 copies an axis that the input does not have");
            }
            out[i] = dims[i];
        } else if (out[i] == -1) {
            if (open >= 0) {
                return bad("at most one -1 is allowed");
            }
            open = static_cast<std::ptrdiff_t>(i);
            out[i] = 1;
        } else if (out[i] < 0) {
            return bad("dimensions cannot be negative");
        }
    }
    const auto count = checked_count(out);
    const std::size_t have = c.input(0).count();
    if (!count) {
        return bad("the dimensions are too large");
    }
    if (open >= 0) {
        if (*count == 0 || have % *count != 0) {
            return bad("the -1 has no value that fits");
        }
        out[static_cast<std::size_t>(open)] = static_cast<std::int64_t>(have / *count);
    } else if (*count != have) {
        return bad("the number of elements differs");
    }
    return c.set_output_view(std::move(out));
}

Status infer_flatten(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", 1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size(), true));
    const Shape front(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(axis));
    const Shape back(dims.begin() + static_cast<std::ptrdiff_t>(axis), dims.end());
    return c.set_output_view({static_cast<std::int64_t>(checked_count(front).value_or(0)),
                              static_cast<std::int64_t>(checked_count(back).value_or(0))});
}

/// The axes: an attribute before opset 13, the second input from then on.
Result<std::vector<std::int64_t>> read_axes(NodeContext& c) {
    if (c.opset() < 13) {
        return c.attr_ints("axes");
    }
    return c.has_input(1) ? c.constant_ints(1, "axes") : std::vector<std::int64_t>();
}

/// Which of `rank` axes are meant; each at most once.
Result<std::vector<bool>> mark_axes(NodeContext& c, const std::vector<std::int64_t>& axes,
                                    std::size_t rank) {
    std::vector<bool> marked(rank, false);
    for (const std::int64_t axis : axes) {
        QAICRT_TRY(const std::size_t at, c.normal_axis(axis, rank));
        if (marked[at]) {
            return c.malformed(fmt::format("axis {} is named twice", axis));
        }
        marked[at] = true;
    }
    return marked;
}

Status infer_squeeze(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const auto axes, read_axes(c));
    const bool all = c.opset() < 13 ? c.find_attr("axes") == nullptr : !c.has_input(1);
    QAICRT_TRY(const auto marked, mark_axes(c, axes, dims.size()));
    Shape out;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (marked[i] && dims[i] != 1) {
            return c.malformed(
                fmt::format("axis {} of {} is not 1 and cannot be squeezed", i, dims_text(dims)));
        }
        if (!marked[i] && !(all && dims[i] == 1)) {
            out.push_back(dims[i]);
        }
    }
    return c.set_output_view(std::move(out));
}

Status infer_unsqueeze(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const auto axes, read_axes(c));
    if (c.opset() < 13 && c.find_attr("axes") == nullptr) {
        return c.malformed("the attribute 'axes' is missing");
    }
    const std::size_t rank = dims.size() + axes.size();
    if (rank > kMaxRank) {
        return c.malformed(
            fmt::format("the result would have {} axes, at most {} are supported", rank, kMaxRank));
    }
    QAICRT_TRY(const auto marked, mark_axes(c, axes, rank));
    Shape out;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) {
        out.push_back(marked[i] ? 1 : dims[next++]);
    }
    return c.set_output_view(std::move(out));
}

Status infer_identity(NodeContext& c) {
    return c.set_output_view(c.input(0).dims);
}

/// Element 1 everywhere.
Result<Constant> filled_constant(NodeContext& c, ElemType type, const Shape& dims) {
    Constant constant{{type, dims}, nullptr};
    auto buffer = Buffer::allocate(constant.tensor.bytes(), c.budget());
    if (!buffer) {
        return c.fail(Errc::kNoMemory, "there is no memory for its mask");
    }
    with_type(type, [&](auto tag) {
        using T = decltype(tag);
        std::fill_n(as<T>(buffer->owned()), constant.tensor.count(),
                    store_narrow<T>(static_cast<WideOf<T>>(1)));
    });
    constant.bytes = std::move(buffer);
    return constant;
}

/// Fails when the node drops elements: its attribute or input says that it is being trained.
Status check_inference(NodeContext& c) {
    if (!c.has_input(2)) {
        return {};
    }
    QAICRT_CHECK(c.require_type(2, types_of({ElemType::kBool})));
    const std::byte* training = c.constant(2);
    if (training == nullptr || c.input(2).count() != 1) {
        return c.fail(Errc::kUnsupported,
                      "its training_mode must be one constant, so that it is known at load");
    }
    const bool drops_nothing = c.has_input(1) && c.constant(1) != nullptr &&
                               c.input(1).count() == 1 &&
                               std::all_of(c.constant(1), c.constant(1) + c.input(1).bytes(),
                                           [](std::byte b) { return b == std::byte{0}; });
    if (*training != std::byte{0} && !drops_nothing) {
        return c.fail(Errc::kUnsupported,
                      "it is in training mode and would drop elements at random; export the model "
                      "for inference");
    }
    return {};
}

/// Inference drops nothing: the data as they are, and a mask that is true everywhere.
Status infer_dropout(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(check_inference(c));
    const Shape& dims = c.input(0).dims;
    if (c.node().outputs.empty() || c.node().outputs[0] < 0) {
        return c.malformed("its first result is left out");
    }
    if (c.num_outputs() > 1 && c.node().outputs[1] >= 0) {
        const ElemType type = c.opset() < 10 ? c.input(0).type : ElemType::kBool;
        QAICRT_CHECK(c.set_output(1, type, dims));
        QAICRT_TRY(const Constant mask, filled_constant(c, type, dims));
        QAICRT_CHECK(c.set_output_constant(1, mask));
    }
    return c.set_output_view(dims);
}

Status infer_constant(NodeContext& c) {
    if (c.node().attributes.size() != 1) {
        return c.malformed(
            fmt::format("it has {} values and must have exactly one", c.node().attributes.size()));
    }
    const Attribute& a = c.node().attributes.front();
    using Kind = Attribute::Kind;
    const auto length = [](std::size_t n) { return Shape{static_cast<std::int64_t>(n)}; };
    if (a.name == "value" && a.kind == Kind::kTensor) {
        return c.set_output_constant(0, a.tensor);
    }
    if (a.name == "value_float" && a.kind == Kind::kFloat) {
        QAICRT_TRY(const Constant value, list_constant(c, ElemType::kFloat, {}, &a.f));
        return c.set_output_constant(0, value);
    }
    if (a.name == "value_int" && a.kind == Kind::kInt) {
        QAICRT_TRY(const Constant value, list_constant(c, ElemType::kInt64, {}, &a.i));
        return c.set_output_constant(0, value);
    }
    if (a.name == "value_floats" && a.kind == Kind::kFloats) {
        QAICRT_TRY(const Constant value,
                   list_constant(c, ElemType::kFloat, length(a.floats.size()), a.floats.data()));
        return c.set_output_constant(0, value);
    }
    if (a.name == "value_ints" && a.kind == Kind::kInts) {
        QAICRT_TRY(const Constant value,
                   list_constant(c, ElemType::kInt64, length(a.ints.size()), a.ints.data()));
        return c.set_output_constant(0, value);
    }
    return c.fail(Errc::kUnsupported,
                  fmt::format("its attribute {} of type {} is not a numeric constant",
                              quoted(a.name), a.type_name));
}

constexpr const char* kValueAttributes =
    "value value_float value_floats value_int value_ints value_string";

constexpr OpDef kOps[] = {
    {"", "Reshape", kMinOpset, 13, 2, 2, 1, "", infer_reshape, nullptr},
    {"", "Reshape", 14, kMaxOpset, 2, 2, 1, "allowzero", infer_reshape, nullptr},
    {"", "Flatten", kMinOpset, kMaxOpset, 1, 1, 1, "axis", infer_flatten, nullptr},
    {"", "Squeeze", kMinOpset, 12, 1, 1, 1, "axes", infer_squeeze, nullptr},
    {"", "Squeeze", 13, kMaxOpset, 1, 2, 1, "", infer_squeeze, nullptr},
    {"", "Unsqueeze", kMinOpset, 12, 1, 1, 1, "axes", infer_unsqueeze, nullptr},
    {"", "Unsqueeze", 13, kMaxOpset, 2, 2, 1, "", infer_unsqueeze, nullptr},
    {"", "Identity", kMinOpset, kMaxOpset, 1, 1, 1, "", infer_identity, nullptr},
    {"", "Dropout", kMinOpset, 11, 1, 1, 2, "ratio", infer_dropout, nullptr},
    {"", "Dropout", 12, kMaxOpset, 1, 3, 2, "seed", infer_dropout, nullptr},
    {"", "Constant", kMinOpset, 11, 0, 0, 1, "value", infer_constant, nullptr},
    {"", "Constant", 12, kMaxOpset, 0, 0, 1, kValueAttributes, infer_constant, nullptr},
};

}  // namespace

std::span<const OpDef> shape_ops() {
    return kOps;
}

}  // namespace qaicnet
