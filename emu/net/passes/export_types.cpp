// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/export_types.hpp"

#include "emu/net/op.hpp"

#include <cstddef>
#include <string_view>

namespace qaicnet {

namespace {

/// What one operator that the runner has takes in the opsets from `since` to `until`.
struct Row {
    std::string_view op_type;
    std::int64_t since, until;
    std::uint32_t inputs, outputs;  ///< a bit for each floating-point tensor that is concerned
    bool mixed;                     ///< FLOAT16 is valid, but only if all of them are
};
constexpr bool kMixed = true;
constexpr std::int64_t kEver = kMaxOpset;

constexpr Row kRows[] = {
    {"BatchNormalization", kMinOpset, 14, 0b11111, 0b1, kMixed},
    {"Celu", 12, 27, 0b1, 0b1, !kMixed},
    {"CumSum", 11, 13, 0b1, 0b1, !kMixed},
    {"DequantizeLinear", 10, 18, 0b10, 0b1, !kMixed},
    {"IsInf", 10, 19, 0b1, 0, !kMixed},
    {"LayerNormalization", 17, kEver, 0, 0b110, !kMixed},
    {"QuantizeLinear", 10, 18, 0b11, 0, !kMixed},
    {"QuantizeLinear", 19, 22, 0b11, 0, kMixed},
    {"Resize", 10, 10, 0b10, 0, !kMixed},
    {"Resize", 11, kEver, 0b100, 0, !kMixed},
    {"Upsample", 9, 9, 0b10, 0, !kMixed},
};

/// The tensors of the mask that have the type.
std::uint32_t with_type(const Graph& graph, const std::vector<int>& values, std::uint32_t mask,
                        ElemType type) {
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < values.size() && i < 32; ++i) {
        const std::uint32_t bit = std::uint32_t{1} << i;
        if ((mask & bit) != 0 && values[i] >= 0 &&
            graph.values[static_cast<std::size_t>(values[i])].tensor.type == type) {
            found |= bit;
        }
    }
    return found;
}

}  // namespace

FloatOnly float_only(const Graph& graph, const Node& node, std::int64_t opset) {
    for (const Row& row : kRows) {
        if (node.op_type != row.op_type || opset < row.since || opset > row.until) {
            continue;
        }
        if (row.mixed && with_type(graph, node.inputs, row.inputs, ElemType::kFloat) == 0) {
            continue;
        }
        return {with_type(graph, node.inputs, row.inputs, ElemType::kFloat16),
                with_type(graph, node.outputs, row.outputs, ElemType::kFloat16)};
    }
    return {};
}

}  // namespace qaicnet
