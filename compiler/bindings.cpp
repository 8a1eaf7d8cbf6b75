// SPDX-License-Identifier: Apache-2.0
#include "compiler/bindings.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_set>

namespace qaicc {
namespace {

using qaicnet::ElemType;
using qaicrt::DataType;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::qpc::Binding;

std::optional<DataType> edge_type(ElemType type) {
    switch (type) {
        case ElemType::kFloat:
            return DataType::kFloat;
        case ElemType::kFloat16:
            return DataType::kFloat16;
        case ElemType::kInt8:
        case ElemType::kBool:
            return DataType::kInt8;
        case ElemType::kUInt8:
            return DataType::kUInt8Q;
        case ElemType::kInt32:
            return DataType::kInt32I;
        case ElemType::kInt64:
            return DataType::kInt64I;
        default:
            return std::nullopt;
    }
}

}  // namespace

Result<std::vector<Binding>> make_bindings(std::span<const qaicnet::ValueInfo> values,
                                           const char* side) {
    std::vector<Binding> bindings;
    std::unordered_set<std::string> names;
    for (const auto& value : values) {
        const auto type = edge_type(value.type);
        if (!type) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} '{}' has the type {}; a program's inputs and outputs are "
                                     "FLOAT, FLOAT16, INT8, BOOL, UINT8, INT32 or INT64.",
                                     side, value.name, qaicnet::elem_type_name(value.type)));
        }
        if (!names.insert(value.name).second) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} '{}' occurs twice: give it one name for "
                                     "each tensor.",
                                     side, value.name));
        }
        Binding binding;
        binding.name = value.name;
        binding.initial.type = *type;
        const bool quantised = *type == DataType::kUInt8Q;
        binding.initial.scale = quantised ? 1.0F : 0.0F;
        for (const std::int64_t dim : value.dims) {
            if (dim <= 0 || dim > std::numeric_limits<std::int32_t>::max()) {
                return Error(Errc::kUnsupported,
                             fmt::format("{} '{}' has a dimension of size {}; a program's tensors "
                                         "hold 1 to 2147483647 elements in each.",
                                         side, value.name, dim));
            }
            binding.initial.dims.push_back(static_cast<std::int32_t>(dim));
        }
        bindings.push_back(std::move(binding));
    }
    return bindings;
}

}  // namespace qaicc
