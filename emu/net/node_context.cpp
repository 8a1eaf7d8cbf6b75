// SPDX-License-Identifier: Apache-2.0
#include "emu/net/op.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

std::string node_text(const Node& node) {
    const std::string prefix = node.domain.empty() ? "" : node.domain + ".";
    return fmt::format("node {} ({}{})", quoted(node.label), prefix, node.op_type);
}

Error NodeContext::fail(Errc code, std::string_view text) const {
    return {code, fmt::format("{}: {}", node_text(node_), text)};
}

const std::byte* NodeContext::constant(std::size_t i) const {
    return has_input(i) && input_value(i).constant ? input_value(i).constant->data() : nullptr;
}

Result<std::vector<std::int64_t>> NodeContext::constant_ints(std::size_t i,
                                                             std::string_view what) const {
    const Value& value = input_value(i);
    if (!value.constant) {
        return fail(Errc::kUnsupported,
                    fmt::format("input '{}' ({}) is computed at run time, and the runner fixes "
                                "shapes at load; make it a constant",
                                what, quoted(value.name)));
    }
    if (!contains(kIndexTypes, value.tensor.type) || value.tensor.dims.size() > 1) {
        return malformed(fmt::format("input '{}' is {}{}, it must be a list of INT32 or INT64",
                                     what, elem_type_name(value.tensor.type),
                                     dims_text(value.tensor.dims)));
    }
    constexpr std::size_t kMaxList = 4096;
    const std::size_t count = value.tensor.count();
    if (count > kMaxList) {
        return malformed(fmt::format("input '{}' has {} elements, at most {} make sense", what,
                                     count, kMaxList));
    }
    std::vector<std::int64_t> out(count);
    for (std::size_t k = 0; k < count; ++k) {
        out[k] = value.tensor.type == ElemType::kInt64
                     ? as<std::int64_t>(value.constant->data())[k]
                     : as<std::int32_t>(value.constant->data())[k];
    }
    return out;
}

const Attribute* NodeContext::find_attr(std::string_view name) const noexcept {
    for (const Attribute& attribute : node_.attributes) {
        if (attribute.name == name) {
            return &attribute;
        }
    }
    return nullptr;
}

namespace {

/// The attribute, null if absent; an error if it has another kind.
Result<const Attribute*> typed_attr(const NodeContext& node, std::string_view name,
                                    Attribute::Kind kind, const char* wanted) {
    const Attribute* attribute = node.find_attr(name);
    if (attribute != nullptr && attribute->kind != kind) {
        return node.malformed(fmt::format("attribute '{}' is of type {}, it must be {}", name,
                                          attribute->type_name, wanted));
    }
    return attribute;
}

}  // namespace

Result<std::int64_t> NodeContext::attr_int(std::string_view name, std::int64_t fallback) const {
    QAICRT_TRY(const Attribute* a, typed_attr(*this, name, Attribute::Kind::kInt, "INT"));
    return a != nullptr ? a->i : fallback;
}

Result<float> NodeContext::attr_float(std::string_view name, float fallback) const {
    QAICRT_TRY(const Attribute* a, typed_attr(*this, name, Attribute::Kind::kFloat, "FLOAT"));
    return a != nullptr ? a->f : fallback;
}

Result<std::string> NodeContext::attr_string(std::string_view name,
                                             std::string_view fallback) const {
    QAICRT_TRY(const Attribute* a, typed_attr(*this, name, Attribute::Kind::kString, "STRING"));
    return a != nullptr ? a->s : std::string(fallback);
}

Result<std::vector<std::int64_t>> NodeContext::attr_ints(std::string_view name) const {
    QAICRT_TRY(const Attribute* a, typed_attr(*this, name, Attribute::Kind::kInts, "INTS"));
    return a != nullptr ? a->ints : std::vector<std::int64_t>();
}

Status NodeContext::set_output(std::size_t i, ElemType type, Shape dims) {
    if (dims.size() > kMaxRank) {
        return fail(
            Errc::kUnsupported,
            fmt::format("its result has {} axes, at most {} are supported", dims.size(), kMaxRank));
    }
    const auto bytes = checked_bytes(type, dims);
    if (!bytes || *bytes > budget_.limit()) {
        return fail(Errc::kNoMemory,
                    fmt::format("its result {}{} needs more than the limit of {} bytes",
                                elem_type_name(type), dims_text(dims), budget_.limit()));
    }
    if (i < node_.outputs.size() && node_.outputs[i] >= 0) {
        Value& value = graph_.values[static_cast<std::size_t>(node_.outputs[i])];
        value.tensor = {type, std::move(dims)};
    }
    return {};
}

Status NodeContext::set_output_view(Shape dims) {
    QAICRT_CHECK(set_output(0, input(0).type, std::move(dims)));
    Value& value = graph_.values[static_cast<std::size_t>(node_.outputs[0])];
    value.view_of = node_.inputs[0];
    value.constant = input_value(0).constant;
    return {};
}

Status NodeContext::set_output_constant(std::size_t i, const Constant& constant) {
    QAICRT_CHECK(set_output(i, constant.tensor.type, constant.tensor.dims));
    graph_.values[static_cast<std::size_t>(node_.outputs[i])].constant = constant.bytes;
    return {};
}

const TensorType& NodeContext::output(std::size_t i) const {
    return graph_.values[static_cast<std::size_t>(node_.outputs[i])].tensor;
}

Status NodeContext::set_work(std::initializer_list<std::uint64_t> factors) {
    // 2^44 under the default limit, hours of one core; no node of a real network is near it.
    constexpr std::uint64_t kStepsPerByte = 256;
    std::uint64_t limit = 0;
    if (__builtin_mul_overflow(budget_.limit(), kStepsPerByte, &limit)) {
        limit = UINT64_MAX;
    }
    bool fits = true;
    std::uint64_t work = 1;
    for (const std::uint64_t factor : factors) {
        if (factor == 0) {
            node_.work = 0;
            return {};
        }
        fits = fits && !__builtin_mul_overflow(work, factor, &work);
    }
    if (!fits || work > limit) {
        return fail(Errc::kUnsupported,
                    fmt::format("its sums have more than {} terms in all, which would take hours; "
                                "the model is damaged or needs smaller sizes",
                                limit));
    }
    node_.work = work;
    return {};
}

Status NodeContext::require_type(std::size_t i, TypeSet allowed) const {
    if (!contains(allowed, input(i).type)) {
        return fail(Errc::kUnsupported,
                    fmt::format("its input {} has type {}, which this operator does not take",
                                quoted(input_value(i).name), elem_type_name(input(i).type)));
    }
    return {};
}

Status NodeContext::require_same_type(std::size_t first, std::size_t other) const {
    if (input(first).type != input(other).type) {
        return malformed(fmt::format("its inputs have the types {} and {}, they must be equal",
                                     elem_type_name(input(first).type),
                                     elem_type_name(input(other).type)));
    }
    return {};
}

Result<std::size_t> NodeContext::normal_axis(std::int64_t axis, std::size_t rank,
                                             bool end_allowed) const {
    const auto r = static_cast<std::int64_t>(rank);
    const std::int64_t top = end_allowed ? r : r - 1;
    if (axis < -r || axis > top) {
        return malformed(fmt::format("axis {} is outside [{}, {}]", axis, -r, top));
    }
    return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

}  // namespace qaicnet
