// SPDX-License-Identifier: Apache-2.0
#include "compiler/passes/constant_operand.hpp"

#include "compiler/tensor_data.hpp"

namespace qaicc {
namespace {

using onnx::NodeProto;
using onnx::TensorProto;
using Dims = std::vector<std::int64_t>;

/// Applies a Transpose to a view; false for a permutation that the runner will refuse.
bool transpose(std::vector<int>& axes, const NodeProto& node) {
    const auto rank = static_cast<std::int64_t>(axes.size());
    Dims perm;
    if (const auto* attribute = find_attribute(node, "perm")) {
        perm.assign(attribute->ints().begin(), attribute->ints().end());
    } else {
        for (std::int64_t i = rank; i-- > 0;) {
            perm.push_back(i);
        }
    }
    if (static_cast<std::int64_t>(perm.size()) != rank) {
        return false;
    }
    std::vector<int> out;
    std::vector<bool> seen(axes.size(), false);
    for (const std::int64_t from : perm) {
        if (from < 0 || from >= rank || seen[static_cast<std::size_t>(from)]) {
            return false;
        }
        seen[static_cast<std::size_t>(from)] = true;
        out.push_back(axes[static_cast<std::size_t>(from)]);
    }
    axes = std::move(out);
    return true;
}

/// Casts between FLOAT16 and FLOAT that lose nothing.
bool widen(std::int32_t& type, const NodeProto& node) {
    if (int_attribute(node, "to", 0) != TensorProto::FLOAT) {
        return false;
    }
    type = TensorProto::FLOAT;
    return true;
}

}  // namespace

ConstantOperands::ConstantOperands(onnx::GraphProto& graph)
    : graph_(graph), constants_(initializers_by_name(graph)), made_by_(producers(graph)) {}

ConstantOperand ConstantOperands::find(const std::string& name) const {
    // No exporter writes longer chains; the bound also ends cycles.
    constexpr std::size_t kLongestChain = 16;
    std::vector<const NodeProto*> chain;
    std::string current = name;
    auto constant = constants_.find(current);
    while (constant == constants_.end()) {
        const auto maker = made_by_.find(current);
        if (maker == made_by_.end() || chain.size() == kLongestChain) {
            return {};
        }
        const NodeProto& node = graph_.node(maker->second);
        const bool known = is_onnx_op(node, "Identity") || is_onnx_op(node, "Transpose") ||
                           is_onnx_op(node, "Cast");
        if (!known || node.input_size() != 1) {
            return {};
        }
        chain.push_back(&node);
        current = node.input(0);
        constant = constants_.find(current);
    }
    ConstantOperand operand{constant->second, {}, constant->second->data_type()};
    if (!is_real(*operand.tensor)) {
        return {};
    }
    for (int i = 0; i < operand.tensor->dims_size(); ++i) {
        operand.axes.push_back(i);
    }
    // The node nearest to the constant is applied first.
    for (auto node = chain.rbegin(); node != chain.rend(); ++node) {
        const bool followed = is_onnx_op(**node, "Transpose") ? transpose(operand.axes, **node)
                              : is_onnx_op(**node, "Cast")    ? widen(operand.type, **node)
                                                              : true;
        if (!followed) {
            return {};
        }
    }
    return operand;
}

bool is_weight(const ConstantOperand& operand) noexcept {
    if (operand.tensor == nullptr || operand.axes.empty()) {
        return false;
    }
    for (const std::int64_t dim : operand.tensor->dims()) {
        if (dim <= 0) {
            return false;
        }
    }
    return true;
}

Rows gather_rows(const ConstantOperand& operand, int axis) {
    const TensorProto& tensor = *operand.tensor;
    Dims strides(operand.axes.size(), 1);
    for (std::size_t i = strides.size(); i-- > 1;) {
        strides[i - 1] = strides[i] * tensor.dims(static_cast<int>(i));
    }
    Rows rows;
    rows.axis = axis;
    Dims outer_dims;
    Dims outer_strides;
    for (const int source : operand.axes) {
        if (static_cast<int>(rows.shape.size()) != axis) {
            outer_dims.push_back(tensor.dims(source));
            outer_strides.push_back(strides[static_cast<std::size_t>(source)]);
        }
        rows.shape.push_back(tensor.dims(source));
    }
    const std::vector<float> values = real_values(tensor);
    const auto inner = static_cast<std::size_t>(operand.axes[static_cast<std::size_t>(axis)]);
    rows.length = static_cast<std::size_t>(rows.shape[static_cast<std::size_t>(axis)]);
    rows.count = values.size() / rows.length;
    rows.values.resize(values.size());
    Dims index(outer_dims.size(), 0);
    float* out = rows.values.data();
    std::int64_t start = 0;
    for (std::size_t row = 0; row < rows.count; ++row) {
        for (std::size_t k = 0; k < rows.length; ++k) {
            *out++ = values[static_cast<std::size_t>(start + static_cast<std::int64_t>(k) *
                                                                 strides[inner])];
        }
        for (std::size_t d = index.size(); d-- > 0;) {
            start += outer_strides[d];
            if (++index[d] < outer_dims[d]) {
                break;
            }
            start -= outer_strides[d] * outer_dims[d];
            index[d] = 0;
        }
    }
    return rows;
}

std::vector<float> in_operand_order(const Rows& rows) {
    std::size_t inner = 1;
    for (std::size_t i = static_cast<std::size_t>(rows.axis) + 1; i < rows.shape.size(); ++i) {
        inner *= static_cast<std::size_t>(rows.shape[i]);
    }
    std::vector<float> values(rows.values.size());
    for (std::size_t row = 0; row < rows.count; ++row) {
        const std::size_t base = row / inner * inner * rows.length + row % inner;
        for (std::size_t k = 0; k < rows.length; ++k) {
            values[base + k * inner] = rows.values[row * rows.length + k];
        }
    }
    return values;
}

}  // namespace qaicc
