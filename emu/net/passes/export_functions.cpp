// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/export_functions.hpp"

#include "emu/net/op.hpp"
#include "emu/net/passes/graph_edit.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

namespace {

/// Attributes of FusedConv that are no attributes of a convolution.
constexpr std::string_view kOwnAttributes[] = {"activation", "alpha", "beta", "channels_last",
                                               "transposed"};

bool is_own(std::string_view name) {
    return std::find(std::begin(kOwnAttributes), std::end(kOwnAttributes), name) !=
           std::end(kOwnAttributes);
}

/// The operator of ONNX inside the function.
std::string inner_op(const Node& node) {
    if (node.op_type != "FusedConv") {
        return node.op_type;
    }
    return int_attribute(node, "transposed", 0) != 0 ? "ConvTranspose" : "Conv";
}

onnx::AttributeProto* add_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
}

/// The body of one function while it is written. Values inside have names of their own.
class Body {
  public:
    Body(const Graph& graph, const Node& node, std::int64_t opset, onnx::NodeProto& call)
        : node_(node),
          opset_(opset),
          call_(call),
          rank_(graph.values[static_cast<std::size_t>(node.inputs[0])].tensor.dims.size()),
          channels_last_(int_attribute(node, "channels_last", 0) != 0) {
        take_inputs();
        function_.set_domain(kEmuDomain);
        function_.add_output("Y");
        function_.add_opset_import()->set_version(opset);
    }

    /// The name of what the function does.
    std::string write() {
        std::string stem = inner_op(node_);
        const bool fused = node_.op_type == "FusedConv";
        stem = fused ? "Fused" + stem : stem;
        std::vector<std::string> in{channels_first(names_[0])};
        for (std::size_t i = 1; i < names_.size() && !(fused && i == 3); ++i) {
            in.push_back(names_[i]);
        }
        auto& inner = add(inner_op(node_), in);
        refer_to_attributes(inner);
        std::string y = inner.output(0);
        stem += fused && has_input(2) ? "_Bias" : "";
        if (fused && has_input(3)) {
            stem += "_Add";
            y = add("Add", {y, channels_first(names_[3])}).output(0);
        }
        const std::string activation = string_attribute(node_, "activation", "");
        if (!activation.empty()) {
            stem += "_" + activation;
            y = activate(activation, y);
        }
        if (channels_last_) {
            stem += fmt::format("_ChannelsLast{}d", rank_ - 2);
            transpose(y, false);
        }
        function_.mutable_node(function_.node_size() - 1)->set_output(0, "Y");
        keep_attributes();
        return stem;
    }

    onnx::FunctionProto& function() { return function_; }

  private:
    bool has_input(std::size_t i) const { return i < names_.size() && !names_[i].empty(); }

    /// Inputs that the node leaves out are no inputs of its function.
    void take_inputs() {
        static constexpr const char* kNames[] = {"X", "W", "B", "Z"};
        google::protobuf::RepeatedPtrField<std::string> given;
        for (int i = 0; i < call_.input_size(); ++i) {
            const bool there = !call_.input(i).empty();
            names_.emplace_back(there ? (i < 4 ? kNames[i] : fmt::format("X{}", i)) : "");
            if (there) {
                *given.Add() = call_.input(i);
                function_.add_input(names_.back());
            }
        }
        call_.mutable_input()->Swap(&given);
    }

    onnx::NodeProto& add(const std::string& op_type, const std::vector<std::string>& inputs) {
        auto& node = *function_.add_node();
        node.set_op_type(op_type);
        for (const std::string& name : inputs) {
            node.add_input(name);
        }
        while (node.input_size() != 0 && node.input(node.input_size() - 1).empty()) {
            node.mutable_input()->RemoveLast();
        }
        node.add_output(fmt::format("v{}", function_.node_size()));
        return node;
    }

    std::string constant(float number) {
        auto& node = add("Constant", {});
        auto* tensor = add_attribute(node, "value", onnx::AttributeProto::TENSOR)->mutable_t();
        tensor->set_data_type(onnx::TensorProto::FLOAT);
        tensor->add_float_data(number);
        return node.output(0);
    }

    std::string channels_first(const std::string& name) {
        return channels_last_ ? transpose(name, true) : name;
    }

    std::string transpose(const std::string& name, bool to_first) {
        auto& node = add("Transpose", {name});
        auto* perm = add_attribute(node, "perm", onnx::AttributeProto::INTS);
        const auto rank = static_cast<std::int64_t>(rank_);
        perm->add_ints(0);
        if (to_first) {
            perm->add_ints(rank - 1);
        }
        for (std::int64_t axis = to_first ? 1 : 2; axis < (to_first ? rank - 1 : rank); ++axis) {
            perm->add_ints(axis);
        }
        if (!to_first) {
            perm->add_ints(1);
        }
        return node.output(0);
    }

    void refer(onnx::NodeProto& inner, const Attribute& attribute) {
        for (const auto& given : call_.attribute()) {
            if (given.name() == attribute.name) {
                add_attribute(inner, attribute.name, given.type())
                    ->set_ref_attr_name(attribute.name);
                function_.add_attribute(attribute.name);
            }
        }
    }

    /// In the order of their names: nodes that only differ in the order share a function.
    void refer_to_attributes(onnx::NodeProto& inner) {
        std::vector<const Attribute*> sorted;
        for (const Attribute& attribute : node_.attributes) {
            if (!is_own(attribute.name)) {
                sorted.push_back(&attribute);
            }
        }
        std::sort(sorted.begin(), sorted.end(),
                  [](const Attribute* a, const Attribute* b) { return a->name < b->name; });
        for (const Attribute* attribute : sorted) {
            refer(inner, *attribute);
        }
    }

    /// The call has the attributes that its function takes; the name says the others.
    void keep_attributes() {
        onnx::NodeProto taken;
        for (auto& attribute : *call_.mutable_attribute()) {
            const auto& names = function_.attribute();
            if (std::find(names.begin(), names.end(), attribute.name()) != names.end()) {
                *taken.add_attribute() = std::move(attribute);
            }
        }
        call_.mutable_attribute()->Swap(taken.mutable_attribute());
    }

    std::string activate(const std::string& name, const std::string& x) {
        if (name == "Clip") {
            return clip(x);
        }
        if (name == "Swish") {
            const std::string gate = add("Sigmoid", {x}).output(0);
            return add("Mul", {x, gate}).output(0);
        }
        if (name == "HardSwish" && opset_ < 14) {
            auto& gate = add("HardSigmoid", {x});
            add_attribute(gate, "alpha", onnx::AttributeProto::FLOAT)->set_f(1.0F / 6.0F);
            add_attribute(gate, "beta", onnx::AttributeProto::FLOAT)->set_f(0.5F);
            const std::string factor = gate.output(0);
            return add("Mul", {x, factor}).output(0);
        }
        if (name == "Gelu" && opset_ < 20) {
            return gelu(x);
        }
        auto& node = add(name, {x});
        const OpDef* op = find_op("", name, opset_);
        for (const char* factor : {"alpha", "beta"}) {
            const Attribute* attribute = find_attribute(node_, factor);
            if (attribute != nullptr && op != nullptr && understands(*op, factor)) {
                refer(node, *attribute);
            }
        }
        return node.output(0);
    }

    std::string clip(const std::string& x) {
        constexpr float kMost = std::numeric_limits<float>::max();
        const float low = float_attribute(node_, "alpha", -kMost);
        const float high = float_attribute(node_, "beta", kMost);
        if (opset_ >= 11) {
            const std::string from = constant(low);
            const std::string to = constant(high);
            return add("Clip", {x, from, to}).output(0);
        }
        auto& node = add("Clip", {x});
        add_attribute(node, "min", onnx::AttributeProto::FLOAT)->set_f(low);
        add_attribute(node, "max", onnx::AttributeProto::FLOAT)->set_f(high);
        return node.output(0);
    }

    std::string gelu(const std::string& x) {
        const std::string scaled = add("Div", {x, constant(std::sqrt(2.0F))}).output(0);
        const std::string erf = add("Erf", {scaled}).output(0);
        const std::string sum = add("Add", {erf, constant(1)}).output(0);
        const std::string product = add("Mul", {x, sum}).output(0);
        return add("Mul", {product, constant(0.5F)}).output(0);
    }

    const Node& node_;
    std::int64_t opset_;
    onnx::NodeProto& call_;
    std::size_t rank_;
    bool channels_last_;
    std::vector<std::string> names_;  ///< of the inputs inside, "" for one left out
    onnx::FunctionProto function_;
};

}  // namespace

bool understands(const OpDef& op, std::string_view attribute) {
    return fmt::format(" {} ", op.attributes).find(fmt::format(" {} ", attribute)) !=
           std::string::npos;
}

std::int64_t opset_of_function(const Node& node, std::int64_t opset) {
    const std::string inner = inner_op(node);
    const std::string activation = string_attribute(node, "activation", "");
    opset = activation == "Gelu" ? std::max<std::int64_t>(opset, 9) : opset;  // Erf
    for (std::int64_t candidate = opset; candidate <= kMaxOpset; ++candidate) {
        const OpDef* op = find_op("", inner, candidate);
        const bool fits =
            op != nullptr &&
            std::all_of(node.attributes.begin(), node.attributes.end(),
                        [&](const auto& a) { return is_own(a.name) || understands(*op, a.name); });
        if (fits) {
            return candidate;
        }
    }
    return opset;
}

FunctionWriter::FunctionWriter(std::int64_t opset) : opset_(opset) {}
FunctionWriter::~FunctionWriter() = default;

Status FunctionWriter::write_call(const Graph& graph, const Node& node, onnx::NodeProto& call) {
    const bool layout = find_attribute(node, "channels_last") != nullptr;
    if ((node.op_type != "FusedConv" && !layout) || node.outputs.size() != 1 ||
        find_op("", inner_op(node), opset_) == nullptr) {
        return Error(Errc::kUnsupported,
                     fmt::format("{} of {} has no equivalent in ONNX's operators, so the lowered "
                                 "graph cannot be written; leave the option out",
                                 node_text(node), node.domain));
    }
    Body body(graph, node, opset_, call);
    const std::string stem = body.write();
    call.set_op_type(name_of(stem, body.function()));
    return {};
}

std::string FunctionWriter::name_of(const std::string& stem, onnx::FunctionProto& function) {
    function.set_name(stem);
    const auto [known, fresh] = names_.emplace(function.SerializeAsString(), "");
    if (fresh) {
        const int number = ++uses_[stem];
        known->second = number == 1 ? stem : fmt::format("{}_{}", stem, number);
        function.set_name(known->second);
        functions_.push_back(function);
    }
    return known->second;
}

void FunctionWriter::finish(onnx::ModelProto& model) {
    if (functions_.empty()) {
        return;
    }
    auto* import = model.add_opset_import();
    import->set_domain(kEmuDomain);
    import->set_version(1);
    for (onnx::FunctionProto& function : functions_) {
        *model.add_functions() = std::move(function);
    }
}

}  // namespace qaicnet
