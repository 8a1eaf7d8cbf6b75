// SPDX-License-Identifier: Apache-2.0
/// From onnx::ModelProto to Graph: names, versions, functions, constants. No shapes beyond the
/// inputs'.
#pragma once

#include "emu/net/graph.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class AttributeProto;
class FunctionProto;
class GraphProto;
class ModelProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace qaicnet {

/// A TensorProto as a constant. `where` names it in messages ("initializer 'w'").
qaicrt::Result<Constant> import_tensor(const onnx::TensorProto& tensor, const std::string& where,
                                       std::span<const std::byte> constants, Budget& budget);

struct FlatGraph;

/// A node of the graph or, with names mapped to the caller's, of a function that the graph calls.
struct FlatNode {
    const onnx::NodeProto* proto = nullptr;
    std::string label;
    std::string domain;  ///< "" for the default domain
    std::int64_t opset = 0;
    std::vector<std::string> inputs, outputs;
    std::vector<const onnx::AttributeProto*> attributes;  ///< references resolved
    std::vector<std::string> attribute_names;  ///< the node's own, not the referenced one's
    /// Of an If: its branches, one for each attribute (null for an attribute that is no graph).
    std::vector<std::shared_ptr<FlatGraph>> graphs;
};

/// A branch of an If: its nodes, and its names as they are known inside the function that holds it.
struct FlatGraph {
    const onnx::GraphProto* proto = nullptr;
    std::vector<FlatNode> nodes;
    std::vector<std::string> initializers, outputs;
};

/// Branches inside branches, counted through calls of functions.
inline constexpr std::size_t kMaxBranchDepth = 16;

/// The nodes and the attribute defaults that they point to; both point into the model as well.
struct FlatModel {
    std::vector<FlatNode> nodes;
    std::vector<std::shared_ptr<onnx::AttributeProto>> defaults;
};

/// Walks all nodes in the order of the file, functions expanded in place, branches of If beside
/// their node. Errors: kFormat for a recursive function or a missing opset, kUnsupported for an
/// opset out of range or branches nested too deeply, kNoMemory when expansion exceeds the budget.
qaicrt::Result<FlatModel> flatten_nodes(const onnx::ModelProto& model, Budget& budget);

/// Why a node's attributes cannot be imported at all (a subgraph, strings, …); "" when they can.
std::string refused_attribute(const FlatNode& node);

/// The whole model. Every node has its OpDef; nodes are in executable order.
qaicrt::Result<Graph> import_model(const onnx::ModelProto& model,
                                   std::span<const std::byte> constants, const LoadOptions& options,
                                   Budget& budget);

/// Puts nodes in an order in which inputs come before their uses. Errors: kFormat naming nodes of a
/// cycle.
qaicrt::Status sort_nodes(Graph& graph);

}  // namespace qaicnet
