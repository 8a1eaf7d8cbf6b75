// SPDX-License-Identifier: Apache-2.0
/// Weights as the operands of a product see them: through copies, transpositions and widening
/// casts.
#pragma once

#include "compiler/graph_util.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace qaicc {

/// A FLOAT or FLOAT16 constant that an operand comes from.
struct ConstantOperand {
    const onnx::TensorProto* tensor = nullptr;  ///< null: the operand is not a constant
    std::vector<int> axes;  ///< axis i of the operand is axis axes[i] of the tensor
    std::int32_t type = 0;  ///< element type of the operand, after the casts
};

class ConstantOperands {
  public:
    explicit ConstantOperands(onnx::GraphProto& graph);

    /// What the tensor `name` is; `tensor` is null for everything that the passes cannot see
    /// through.
    ConstantOperand find(const std::string& name) const;

  private:
    const onnx::GraphProto& graph_;
    TensorByName constants_;
    std::unordered_map<std::string, int> made_by_;
};

/// True when the operand has real values and no empty dimension.
bool is_weight(const ConstantOperand& operand) noexcept;

/// Values of an operand with one axis innermost: row r holds the elements along it, rows in
/// row-major order of the other axes.
struct Rows {
    std::vector<std::int64_t> shape;  ///< of the operand
    int axis = 0;
    std::size_t count = 0, length = 0;
    std::vector<float> values;
};
Rows gather_rows(const ConstantOperand& operand, int axis);

/// Row-major values of the operand itself: the inverse of gather_rows' order.
std::vector<float> in_operand_order(const Rows& rows);

}  // namespace qaicc
