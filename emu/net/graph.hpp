// SPDX-License-Identifier: Apache-2.0
/// The graph inside the runner: ONNX without protobuf, names resolved to indices, functions
/// inlined.
#pragma once

#include "emu/net/tensor.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace qaicnet {

struct OpDef;
struct Subgraph;

/// One attribute of a node. Lists of tensors and sparse tensors never get this far.
struct Attribute {
    enum class Kind : std::uint8_t {
        kInt,
        kFloat,
        kString,
        kInts,
        kFloats,
        kStrings,
        kTensor,
        kGraph,
        kOther
    };
    std::string name;
    Kind kind = Kind::kOther;
    std::int64_t i = 0;
    float f = 0;
    std::string s;
    std::vector<std::int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    Constant tensor;
    std::shared_ptr<Subgraph> graph;  ///< a branch of If (subgraph.hpp)
    std::string type_name;            ///< ONNX's word, for messages
};

/// One tensor of the graph: an input, a constant or the result of a node.
struct Value {
    std::string name;
    TensorType tensor;
    std::shared_ptr<const Buffer> constant;  ///< null unless known at load
    int view_of = -1;                        ///< same bytes as this other value
    bool is_output = false;
    bool from_mx = false;  ///< a constant decoded from MX codes: its products keep the card's order
    std::int32_t declared_type = 0;  ///< what the graph says of an output, 0 if nothing
};

struct Node {
    std::string label;  ///< name, or "#index" for a node without one; functions add "caller/"
    std::string domain;
    std::string op_type;
    std::int64_t opset = 0;
    std::vector<int> inputs;   ///< value indices, -1 for an input left out
    std::vector<int> outputs;  ///< likewise
    std::vector<Attribute> attributes;
    const OpDef* op = nullptr;
    std::uint64_t work = 0;  ///< NodeContext::set_work
};

struct Graph {
    std::vector<Value> values;
    std::vector<Node> nodes;  ///< in an order in which every input is known before its use
    std::vector<int> inputs;
    std::vector<int> outputs;
    std::int64_t opset = 0;     ///< of ONNX's domain, as the model imports it; 0 if it does not
    bool lower = true;          ///< passes may change it (LoadOptions::passes)
    bool keep_lowered = false;  ///< it will be written as ONNX (LoadOptions::lowered)
};

}  // namespace qaicnet
