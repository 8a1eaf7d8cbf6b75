// SPDX-License-Identifier: Apache-2.0
/// Graph inputs, initializers and nodes by index; all names checked.
#include "emu/net/import.hpp"
#include "emu/net/op.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

Attribute::Kind kind_of(const onnx::AttributeProto& a) {
    using Kind = Attribute::Kind;
    switch (a.type()) {
        case onnx::AttributeProto::INT:
            return Kind::kInt;
        case onnx::AttributeProto::FLOAT:
            return Kind::kFloat;
        case onnx::AttributeProto::STRING:
            return Kind::kString;
        case onnx::AttributeProto::INTS:
            return Kind::kInts;
        case onnx::AttributeProto::FLOATS:
            return Kind::kFloats;
        case onnx::AttributeProto::STRINGS:
            return Kind::kStrings;
        case onnx::AttributeProto::TENSOR:
            return Kind::kTensor;
        case onnx::AttributeProto::GRAPH:
            return Kind::kGraph;
        case onnx::AttributeProto::UNDEFINED:
            break;  // IR version 1: the field that is set tells
        default:
            return Kind::kOther;
    }
    return a.has_i()              ? Kind::kInt
           : a.has_f()            ? Kind::kFloat
           : a.has_s()            ? Kind::kString
           : a.has_t()            ? Kind::kTensor
           : a.has_g()            ? Kind::kGraph
           : a.floats_size() > 0  ? Kind::kFloats
           : a.strings_size() > 0 ? Kind::kStrings
                                  : Kind::kInts;
}

bool has_word(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const std::size_t space = std::min(list.find(' '), list.size());
        if (list.substr(0, space) == word) {
            return true;
        }
        list.remove_prefix(std::min(space + 1, list.size()));
    }
    return false;
}

class Importer {
  public:
    Importer(const onnx::ModelProto& model, std::span<const std::byte> constants,
             const LoadOptions& options, Budget& budget)
        : model_(model),
          graph_proto_(model.graph()),
          constants_(constants),
          options_(options),
          budget_(budget) {
        graph_.lower = options.passes;
        graph_.keep_lowered = options.lowered != nullptr;
        for (const auto& import : model.opset_import()) {
            if (import.domain().empty() || import.domain() == "ai.onnx") {
                graph_.opset = import.version();
            }
        }
    }

    /// For a branch of If inside `outer`.
    Importer(const onnx::GraphProto& branch, Importer& outer)
        : model_(outer.model_),
          graph_proto_(branch),
          constants_(outer.constants_),
          options_(outer.options_),
          budget_(outer.budget_),
          outer_(&outer) {
        graph_.lower = outer.options_.passes;
        graph_.keep_lowered = outer.options_.lowered != nullptr;
    }

    Result<Graph> run() {
        QAICRT_CHECK(check_symbols());
        QAICRT_TRY(const FlatModel flat, flatten_nodes(model_, budget_));
        QAICRT_CHECK(refuse_unsupported());
        QAICRT_CHECK(add_initializers());
        QAICRT_CHECK(add_inputs());
        QAICRT_CHECK(add_nodes(flat.nodes));
        QAICRT_CHECK(bind_outputs());
        QAICRT_CHECK(sort_nodes(graph_));
        return std::move(graph_);
    }

    /// A branch keeps its failure: nobody minds unless the branch is used.
    std::shared_ptr<Subgraph> run_branch(const FlatGraph& flat) {
        auto branch = std::make_shared<Subgraph>();
        if (Status imported = import_branch(flat); !imported) {
            branch->failure = std::move(imported).error();
        }
        branch->graph = std::move(graph_);
        branch->captures = std::move(captures_);
        return branch;
    }

  private:
    Status add_nodes(const std::vector<FlatNode>& nodes) {
        for (const FlatNode& node : nodes) {
            QAICRT_CHECK(add_outputs_of(node));
        }
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            QAICRT_CHECK(connect(nodes[i], graph_.nodes[i]));
            QAICRT_CHECK(add_attributes(nodes[i], graph_.nodes[i]));
        }
        return {};
    }

    Status import_branch(const FlatGraph& flat) {
        if (graph_proto_.input_size() != 0) {
            return Error(Errc::kFormat, "a branch of an If has inputs, which ONNX forbids");
        }
        QAICRT_CHECK(add_initializers(&flat.initializers));
        QAICRT_CHECK(add_nodes(flat.nodes));
        for (std::size_t i = 0; i < flat.outputs.size(); ++i) {
            QAICRT_TRY(const int index, find(flat.outputs[i]));
            if (index < 0) {
                return Error(Errc::kFormat,
                             fmt::format("output {} of a branch of an If is not computed by any "
                                         "node",
                                         quoted(flat.outputs[i])));
            }
            graph_.outputs.push_back(index);
            Value& value = graph_.values[static_cast<std::size_t>(index)];
            value.is_output = true;
            value.declared_type =
                graph_proto_.output(static_cast<int>(i)).type().tensor_type().elem_type();
        }
        return sort_nodes(graph_);
    }

    /// The value of that name here or, captured, in a graph around; -1 when there is none.
    Result<int> find(const std::string& name) {
        const auto found = index_.find(name);
        if (found != index_.end()) {
            return found->second;
        }
        if (outer_ == nullptr || name.empty()) {
            return -1;
        }
        QAICRT_TRY(const int around, outer_->find(name));
        if (around < 0) {
            return -1;
        }
        // What a name costs in a branch of branches is not in the nodes that flatten counted.
        if (!budget_.take(sizeof(Value) + 2 * name.size() + 64)) {
            return Error(Errc::kNoMemory,
                         "the branches of the model's If nodes need more than the memory limit; "
                         "raise the limit");
        }
        QAICRT_TRY(const int index, define(name, "a captured value"));
        captures_.push_back({index, around, 0});
        return index;
    }

    /// The branch as an attribute; what it captures becomes inputs of the node, each once.
    void add_branch(const FlatGraph& flat, Node& node, Attribute& attribute) {
        attribute.graph = Importer(*flat.proto, *this).run_branch(flat);
        std::unordered_map<int, std::size_t> place;
        for (std::size_t i = 1; i < node.inputs.size(); ++i) {
            place.emplace(node.inputs[i], i);
        }
        for (Capture& capture : attribute.graph->captures) {
            const auto [at, fresh] = place.emplace(capture.outer, node.inputs.size());
            if (fresh) {
                node.inputs.push_back(capture.outer);
            }
            capture.input = at->second;
        }
    }

    /// All of them at once, as the vendor's compiler lists them.
    Status refuse_unsupported() {
        const auto unsupported = find_unsupported(model_);
        if (unsupported.empty()) {
            return {};
        }
        std::string text = "the model has operators that cannot run here: ";
        constexpr std::size_t kShown = 32;
        for (std::size_t i = 0; i < unsupported.size() && i < kShown; ++i) {
            const UnsupportedNode& u = unsupported[i];
            text += fmt::format("{}{}{}{} x{} (node {}{}): {}", i == 0 ? "" : "; ", u.domain,
                                u.domain.empty() ? "" : ".", u.op_type, u.count,
                                quoted(u.names.front()), u.count > 1 ? ", …" : "", u.reason);
        }
        return Error(Errc::kUnsupported, text);
    }

    Status check_symbols() const {
        for (const auto& [name, size] : options_.symbols) {
            if (size < 0) {
                return Error(
                    Errc::kInvalidArgument,
                    fmt::format("symbol {} is bound to {}, and a dimension cannot be negative",
                                quoted(name), size));
            }
        }
        return {};
    }

    Result<int> define(const std::string& name, const char* what) {
        if (name.empty()) {
            return Error(Errc::kFormat, fmt::format("the model has {} without a name", what));
        }
        const int index = static_cast<int>(graph_.values.size());
        if (!index_.emplace(name, index).second) {
            return Error(Errc::kFormat,
                         fmt::format("the name {} is defined twice ({}); names must be unique",
                                     quoted(name), what));
        }
        graph_.values.emplace_back().name = name;
        return index;
    }

    /// `names`: as a function's call renames them; null for the file's.
    Status add_initializers(const std::vector<std::string>* names = nullptr) {
        if (graph_proto_.sparse_initializer_size() != 0) {
            return Error(
                Errc::kUnsupported,
                "the model has sparse initializers, which are not supported; store them dense");
        }
        for (int i = 0; i < graph_proto_.initializer_size(); ++i) {
            const auto& proto = graph_proto_.initializer(i);
            const auto where = "initializer " + quoted(proto.name());
            const std::string& name =
                names != nullptr ? (*names)[static_cast<std::size_t>(i)] : proto.name();
            QAICRT_TRY(const int index, define(name, "an initializer"));
            QAICRT_TRY(Constant constant, import_tensor(proto, where, constants_, budget_));
            Value& value = graph_.values[static_cast<std::size_t>(index)];
            value.tensor = std::move(constant.tensor);
            value.constant = std::move(constant.bytes);
        }
        return {};
    }

    Status add_inputs() {
        std::unordered_set<std::string> seen;
        for (const auto& proto : model_.graph().input()) {
            if (!seen.insert(proto.name()).second) {
                return Error(Errc::kFormat, fmt::format("the model has two inputs named {}",
                                                        quoted(proto.name())));
            }
            if (index_.count(proto.name()) != 0) {
                continue;  // an initializer: IR version 3 lists those as inputs too
            }
            QAICRT_TRY(const int index, define(proto.name(), "a graph input"));
            QAICRT_TRY(graph_.values[static_cast<std::size_t>(index)].tensor, input_type(proto));
            graph_.inputs.push_back(index);
        }
        return {};
    }

    Result<TensorType> input_type(const onnx::ValueInfoProto& proto) {
        const auto where = "input " + quoted(proto.name());
        if (!proto.type().has_tensor_type()) {
            return Error(
                Errc::kUnsupported,
                fmt::format("{} is not a dense tensor, and only those are supported", where));
        }
        const auto& declared = proto.type().tensor_type();
        TensorType tensor;
        tensor.type = static_cast<ElemType>(declared.elem_type());
        if (elem_bytes(tensor.type) == 0) {
            return Error(Errc::kUnsupported,
                         fmt::format("{}: element type {} is not supported", where,
                                     onnx_type_name(declared.elem_type())));
        }
        if (!declared.has_shape()) {
            return Error(
                Errc::kUnsupported,
                fmt::format("{} has no shape, not even a rank; give it one in the model", where));
        }
        if (static_cast<std::size_t>(declared.shape().dim_size()) > kMaxRank) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} has {} axes, at most {} are supported", where,
                                     declared.shape().dim_size(), kMaxRank));
        }
        for (int axis = 0; axis < declared.shape().dim_size(); ++axis) {
            QAICRT_TRY(const std::int64_t size, dim_size(declared.shape().dim(axis), where, axis));
            tensor.dims.push_back(size);
        }
        const auto bytes = checked_bytes(tensor.type, tensor.dims);
        if (!bytes || *bytes > budget_.limit()) {
            return Error(
                Errc::kNoMemory,
                fmt::format("{} has the shape {}, which needs more than the limit of {} bytes",
                            where, dims_text(tensor.dims), budget_.limit()));
        }
        return tensor;
    }

    Result<std::int64_t> dim_size(const onnx::TensorShapeProto::Dimension& dim,
                                  const std::string& where, int axis) const {
        if (!dim.dim_param().empty()) {
            for (const auto& [name, size] : options_.symbols) {
                if (name == dim.dim_param()) {
                    return size;
                }
            }
            return Error(Errc::kInvalidArgument,
                         fmt::format("{}: axis {} is the symbol {} and has no size; bind it with "
                                     "-onnx-define-symbol={},VALUE",
                                     where, axis, quoted(dim.dim_param()), dim.dim_param()));
        }
        if (!dim.has_dim_value() || dim.dim_value() < 0) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("{}: axis {} has neither a size nor a symbol's name; give it one "
                            "in the model, then bind it with -onnx-define-symbol=NAME,VALUE",
                            where, axis));
        }
        return dim.dim_value();
    }

    Status add_outputs_of(const FlatNode& flat) {
        Node& node = graph_.nodes.emplace_back();
        node.label = flat.label;
        node.domain = flat.domain;
        node.op_type = flat.proto->op_type();
        node.opset = flat.opset;
        node.op = find_op(node.domain, node.op_type, node.opset);
        if (node.op == nullptr) {
            return Error(Errc::kUnsupported,
                         node_text(node) + " cannot run here: no such operator");
        }
        if (const std::string reason = refused_attribute(flat); !reason.empty()) {
            return Error(Errc::kUnsupported, fmt::format("{}: {}", node_text(node), reason));
        }
        for (const std::string& name : flat.outputs) {
            if (name.empty()) {
                node.outputs.push_back(-1);
                continue;
            }
            QAICRT_TRY(const int index, define(name, "a node's result"));
            node.outputs.push_back(index);
        }
        add_unnamed_result(node);
        return {};
    }

    /// A first result that is left out while others are not (LSTM's Y) is made and not read:
    /// kernels and passes may count on it.
    void add_unnamed_result(Node& node) {
        const bool others = std::any_of(node.outputs.begin(), node.outputs.end(),
                                        [](int output) { return output >= 0; });
        if (others && node.outputs[0] < 0) {
            node.outputs[0] = static_cast<int>(graph_.values.size());
            graph_.values.emplace_back().name = node.label + "/result 0";
        }
    }

    Status connect(const FlatNode& flat, Node& node) {
        for (const std::string& name : flat.inputs) {
            if (name.empty()) {
                node.inputs.push_back(-1);
                continue;
            }
            QAICRT_TRY(const int index, find(name));
            if (index < 0) {
                return Error(Errc::kFormat,
                             fmt::format("{} reads {}, which nothing in the model defines",
                                         node_text(node), quoted(name)));
            }
            node.inputs.push_back(index);
        }
        while (!node.inputs.empty() && node.inputs.back() < 0) {
            node.inputs.pop_back();
        }
        return check_arity(node);
    }

    static Status check_arity(const Node& node) {
        const OpDef& op = *node.op;
        if (node.inputs.size() < op.min_inputs || node.inputs.size() > op.max_inputs) {
            return Error(Errc::kFormat,
                         fmt::format("{} has {} inputs, which this operator cannot have",
                                     node_text(node), node.inputs.size()));
        }
        for (std::size_t i = 0; i < op.min_inputs; ++i) {
            if (node.inputs[i] < 0) {
                return Error(Errc::kFormat,
                             fmt::format("{} leaves out its input {}, which is required",
                                         node_text(node), i));
            }
        }
        if (node.outputs.empty() || node.outputs.size() > op.max_outputs || node.outputs[0] < 0) {
            return Error(Errc::kFormat,
                         fmt::format("{} has {} outputs, which this operator cannot have",
                                     node_text(node), node.outputs.size()));
        }
        return {};
    }

    Status add_attributes(const FlatNode& flat, Node& node) {
        for (std::size_t i = 0; i < flat.attributes.size(); ++i) {
            const onnx::AttributeProto& proto = *flat.attributes[i];
            Attribute attribute;
            attribute.name = flat.attribute_names[i];
            if (!has_word(node.op->attributes, attribute.name)) {
                return Error(Errc::kUnsupported,
                             fmt::format("{} has the attribute {}, which this operator does not "
                                         "have in opset {}",
                                         node_text(node), quoted(attribute.name), node.opset));
            }
            for (const Attribute& other : node.attributes) {
                if (other.name == attribute.name) {
                    return Error(Errc::kFormat, fmt::format("{} has the attribute {} twice",
                                                            node_text(node), quoted(other.name)));
                }
            }
            attribute.kind = kind_of(proto);
            attribute.type_name = onnx::AttributeProto::AttributeType_Name(proto.type());
            attribute.i = proto.i();
            attribute.f = proto.f();
            attribute.s = proto.s();
            attribute.ints.assign(proto.ints().begin(), proto.ints().end());
            attribute.strings.assign(proto.strings().begin(), proto.strings().end());
            attribute.floats.assign(proto.floats().begin(), proto.floats().end());
            if (attribute.kind == Attribute::Kind::kTensor) {
                const auto where = fmt::format("{}, attribute {}", node_text(node), attribute.name);
                QAICRT_TRY(attribute.tensor, import_tensor(proto.t(), where, constants_, budget_));
            } else if (attribute.kind == Attribute::Kind::kGraph) {
                if (i >= flat.graphs.size() || flat.graphs[i] == nullptr) {
                    return Error(Errc::kFormat,
                                 fmt::format("{}: its attribute {} holds no graph", node_text(node),
                                             quoted(attribute.name)));
                }
                add_branch(*flat.graphs[i], node, attribute);
            }
            node.attributes.push_back(std::move(attribute));
        }
        return {};
    }

    Status bind_outputs() {
        std::unordered_set<std::string> seen;
        for (const auto& proto : model_.graph().output()) {
            if (!seen.insert(proto.name()).second) {
                return Error(Errc::kFormat, fmt::format("the model has two outputs named {}",
                                                        quoted(proto.name())));
            }
            const auto found = index_.find(proto.name());
            if (found == index_.end() || proto.name().empty()) {
                return Error(Errc::kFormat, fmt::format("output {} is not computed by any node",
                                                        quoted(proto.name())));
            }
            graph_.outputs.push_back(found->second);
            Value& value = graph_.values[static_cast<std::size_t>(found->second)];
            value.is_output = true;
            value.declared_type = proto.type().tensor_type().elem_type();
        }
        if (graph_.outputs.empty()) {
            return Error(Errc::kFormat, "the model has no outputs, so there is nothing to compute");
        }
        return {};
    }

    const onnx::ModelProto& model_;
    const onnx::GraphProto& graph_proto_;
    std::span<const std::byte> constants_;
    const LoadOptions& options_;
    Budget& budget_;
    Graph graph_;
    std::unordered_map<std::string, int> index_;
    Importer* outer_ = nullptr;  ///< of the graph around a branch
    std::vector<Capture> captures_;
};

}  // namespace

Result<Graph> import_model(const onnx::ModelProto& model, std::span<const std::byte> constants,
                           const LoadOptions& options, Budget& budget) {
    if (!model.has_graph()) {
        return Error(Errc::kFormat,
                     "the model holds no graph; it is not an ONNX model or is damaged");
    }
    return Importer(model, constants, options, budget).run();
}

}  // namespace qaicnet
