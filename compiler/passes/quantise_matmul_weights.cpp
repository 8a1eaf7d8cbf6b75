// SPDX-License-Identifier: Apache-2.0
/// -mxfp6-matmul: constant MatMul and Gemm operands become MX blocks along the reduction axis.
#include "compiler/graph_util.hpp"
#include "compiler/passes/constant_operand.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/tensor_data.hpp"
#include "emu/mx/pack.hpp"
#include "emu/mx/quantize.hpp"
#include "emu/net/network.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;
using Dims = std::vector<std::int64_t>;

class WeightQuantiser {
  public:
    WeightQuantiser(Lowering& lowering, qaicmx::Profile profile)
        : lowering_(lowering),
          graph_(*lowering.model.mutable_graph()),
          profile_(std::move(profile)),
          names_(graph_),
          constants_(graph_) {}

    Status run();

  private:
    Status visit(NodeProto& node);
    Status replace_operand(NodeProto& node, int input, const ConstantOperand& view, int axis);
    Result<std::string> make_weight(const Rows& rows, const ConstantOperand& operand);
    std::string add_codes(const Rows& rows, const qaicmx::BlockCodes& blocks,
                          const ConstantOperand& operand);
    Result<std::string> add_decoded(const Rows& rows, const ConstantOperand& operand);
    void warn_losses(const Rows& rows, const qaicmx::BlockCodes& blocks, const std::string& name);

    Lowering& lowering_;
    GraphProto& graph_;
    const qaicmx::Profile profile_;
    TensorNames names_;
    const ConstantOperands constants_;
    /// By tensor, axes, axis and type: the replacement.
    std::unordered_map<std::string, std::string> done_;
    google::protobuf::RepeatedPtrField<NodeProto> decoders_;
    std::size_t decoded_weights_ = 0;
};

Status WeightQuantiser::visit(NodeProto& node) {
    const bool gemm = is_onnx_op(node, "Gemm");
    if ((!gemm && !is_onnx_op(node, "MatMul")) || node.input_size() < 2) {
        return {};
    }
    const ConstantOperand left = constants_.find(node.input(0));
    const ConstantOperand right = constants_.find(node.input(1));
    if ((left.tensor != nullptr) == (right.tensor != nullptr)) {
        return {};  // no weight, or a constant product that the runner folds
    }
    const int input = left.tensor != nullptr ? 0 : 1;
    const ConstantOperand& view = input == 0 ? left : right;
    const auto rank = static_cast<int>(view.axes.size());
    if (!is_weight(view) || (gemm && rank != 2)) {
        return {};
    }
    // y[m, n] = sum over k of a[m, k] * b[k, n]
    int axis = input == 0 ? rank - 1 : rank == 1 ? 0 : rank - 2;
    if (gemm && int_attribute(node, input == 0 ? "transA" : "transB", 0) != 0) {
        axis = 1 - axis;
    }
    return replace_operand(node, input, view, axis);
}

Status WeightQuantiser::replace_operand(NodeProto& node, int input, const ConstantOperand& view,
                                        int axis) {
    const std::string& name = view.tensor->name();
    std::string key = fmt::format("{}\n{}:{}", name, view.type, axis);
    for (const int source : view.axes) {
        key += fmt::format(",{}", source);
    }
    auto made = done_.find(key);
    if (made == done_.end()) {
        const Rows rows = gather_rows(view, axis);
        QAICRT_TRY(std::string replacement, make_weight(rows, view));
        lowering_.say(3, fmt::format("mx: '{}' [{}] along axis {} as {}", name,
                                     fmt::join(rows.shape, ", "), axis, profile_.name));
        made = done_.emplace(std::move(key), std::move(replacement)).first;
    }
    node.set_input(input, made->second);
    return {};
}

Result<std::string> WeightQuantiser::make_weight(const Rows& rows, const ConstantOperand& operand) {
    const std::string& name = operand.tensor->name();
    auto blocks = qaicmx::quantize_rows(profile_, rows.values, rows.count, rows.length);
    if (!blocks && blocks.error().code != Errc::kUnsupported) {
        return std::move(blocks).error();
    }
    if (!blocks) {
        ++decoded_weights_;
        warn_losses(rows, {}, name);
        return add_decoded(rows, operand);
    }
    ++lowering_.mx_weights;
    warn_losses(rows, *blocks, name);
    return add_codes(rows, *blocks, operand);
}

/// FP16 is met twice: when the profile reads weights as FP16, and when decoded values become FP16.
void WeightQuantiser::warn_losses(const Rows& rows, const qaicmx::BlockCodes& blocks,
                                  const std::string& name) {
    if (!lowering_.options.convert_to_fp16) {
        return;
    }
    Fp16Losses losses;
    if (profile_.source == qaicmx::SourcePrecision::kFp16) {
        losses = fp16_losses(rows.values);
    }
    const std::size_t block =
        profile_.block_size > 0 ? static_cast<std::size_t>(profile_.block_size) : rows.length;
    const std::size_t per_row = (rows.length + block - 1) / block;
    constexpr int kBias = 127;
    constexpr int kLargestSafe = kBias + 12;  // below it no code reaches 65520
    for (std::size_t i = 0; i < blocks.codes.size() && !profile_.fp16_overflow_saturates; ++i) {
        const std::size_t row = i / rows.length;
        const std::uint8_t scale = blocks.scales[row * per_row + i % rows.length / block];
        if (scale > kLargestSafe && std::isfinite(rows.values[i])) {
            const float value = qaicmx::dequantize(profile_, blocks.codes[i], scale);
            losses.overflow |= std::isinf(value) || std::fabs(value) >= 65520.0F;
        }
    }
    lowering_.warn_fp16_losses(name, losses.underflow, losses.overflow);
}

std::string WeightQuantiser::add_codes(const Rows& rows, const qaicmx::BlockCodes& blocks,
                                       const ConstantOperand& operand) {
    const std::string& name = operand.tensor->name();
    const auto& format = qaicmx::format_info(profile_.format);
    const std::size_t stride = qaicmx::row_stride_bytes(rows.length, format.bits);
    std::string payload(rows.count * stride, '\0');
    std::vector<std::uint8_t> packed(qaicmx::packed_bytes(rows.length, format.bits));
    for (std::size_t row = 0; row < rows.count; ++row) {
        const std::span<const std::uint8_t> codes(blocks.codes);
        qaicmx::pack_lsb(codes.subspan(row * rows.length, rows.length), format.bits, packed);
        std::memcpy(payload.data() + row * stride, packed.data(), packed.size());
    }
    const auto add_bytes = [this](const std::string& wanted, std::string bytes, Dims dims) {
        TensorProto* tensor = graph_.add_initializer();
        tensor->set_name(names_.fresh(wanted));
        tensor->set_data_type(TensorProto::UINT8);
        tensor->mutable_dims()->Add(dims.begin(), dims.end());
        tensor->set_raw_data(std::move(bytes));
        return tensor->name();
    };
    NodeProto& node = *decoders_.Add();
    const auto payload_size = static_cast<std::int64_t>(payload.size());
    node.add_input(add_bytes(name + "/mx_codes", std::move(payload), {payload_size}));
    const auto row_count = static_cast<std::int64_t>(rows.count);
    node.add_input(
        add_bytes(name + "/mx_scales", {blocks.scales.begin(), blocks.scales.end()},
                  {row_count, static_cast<std::int64_t>(blocks.scales.size()) / row_count}));
    node.add_output(names_.fresh(name + "/mx"));
    node.set_name(name + "/MxDequantize");
    node.set_op_type("MxDequantize");
    node.set_domain(qaicnet::kEmuDomain);
    set_string(node, "format", std::string(format.name));
    set_int(node, "block_size",
            profile_.block_size > 0 ? profile_.block_size : static_cast<std::int64_t>(rows.length));
    set_int(node, "axis", rows.axis);
    set_ints(node, "shape", rows.shape);
    set_int(node, "to", operand.type);
    set_string(node, "fp16_overflow", profile_.fp16_overflow_saturates ? "saturate" : "inf");
    return node.output(0);
}

Result<std::string> WeightQuantiser::add_decoded(const Rows& rows, const ConstantOperand& operand) {
    const std::string& name = operand.tensor->name();
    const std::vector<float> values = in_operand_order(rows);
    std::vector<float> decoded(values.size());
    const int axes[] = {rows.axis};
    QAICRT_CHECK(qaicmx::fake_quantize(profile_, values, rows.shape, axes, decoded));
    TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(names_.fresh(name + "/" + profile_.name));
    tensor->mutable_dims()->Add(rows.shape.begin(), rows.shape.end());
    if (operand.type == TensorProto::FLOAT16) {
        store_float16(*tensor, decoded);
    } else {
        store_float(*tensor, decoded);
    }
    lowering_.made_from[tensor->name()] = name;
    return tensor->name();
}

Status WeightQuantiser::run() {
    for (auto& node : *graph_.mutable_node()) {
        QAICRT_CHECK(visit(node));
    }
    if (!decoders_.empty()) {
        prepend_nodes(graph_, decoders_);
        auto* opset = lowering_.model.add_opset_import();
        opset->set_domain(qaicnet::kEmuDomain);
        opset->set_version(1);
    }
    if (decoded_weights_ > 0) {
        lowering_.say(
            0, fmt::format("INFO: the profile '{}' has no element codes; {} weight{} stored as "
                           "decoded {} values.",
                           profile_.name, decoded_weights_, decoded_weights_ == 1 ? " is" : "s are",
                           lowering_.options.convert_to_fp16 ? "FP16" : "FP32"));
    }
    lowering_.say(2, fmt::format("mx: {} weights as codes, {} as decoded values",
                                 lowering_.mx_weights, decoded_weights_));
    return {};
}

}  // namespace

Status quantise_matmul_weights(Lowering& lowering) {
    QAICRT_TRY(qaicmx::Profile profile, qaicmx::profile_by_name(lowering.options.mx_profile));
    return WeightQuantiser(lowering, std::move(profile)).run();
}

}  // namespace qaicc
