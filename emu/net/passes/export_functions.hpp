// SPDX-License-Identifier: Apache-2.0
/// What operators of ai.qaic.emu do, said in ONNX's own operators: model-local functions for a
/// graph that is written as ONNX.
///
/// A function takes the attributes of its convolution or pool by reference, so that they stay on
/// the node; what changes the body is in its name: FusedConv_Bias_Relu,
/// FusedConv_Bias_Add_HardSwish_ChannelsLast2d, MaxPool_ChannelsLast2d. Functions of one name that
/// differ elsewhere (Clip's limits, which attributes a node has) are numbered from 2 on.
#pragma once

#include "emu/net/graph.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace onnx {
class FunctionProto;
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace qaicnet {

/// The oldest opset, not below `opset`, that has the attributes of the node's function.
std::int64_t opset_of_function(const Node& node, std::int64_t opset);

/// True when the operator has an attribute of that name.
bool understands(const OpDef& op, std::string_view attribute);

/// The functions of one model, in the order of their first use.
class FunctionWriter {
  public:
    explicit FunctionWriter(std::int64_t opset);
    ~FunctionWriter();
    FunctionWriter(const FunctionWriter&) = delete;
    FunctionWriter& operator=(const FunctionWriter&) = delete;

    /// Turns `call`, the node of ai.qaic.emu as it stands, into a call of its function. Errors:
    /// kUnsupported for an operator without a function.
    qaicrt::Status write_call(const Graph& graph, const Node& node, onnx::NodeProto& call);
    /// Gives the functions and the import of their domain to the model.
    void finish(onnx::ModelProto& model);

  private:
    std::string name_of(const std::string& stem, onnx::FunctionProto& function);

    std::int64_t opset_;
    std::vector<onnx::FunctionProto> functions_;
    std::map<std::string, std::string> names_;  ///< by body
    std::map<std::string, int> uses_;           ///< of a stem
};

}  // namespace qaicnet
