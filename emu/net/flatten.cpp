// SPDX-License-Identifier: Apache-2.0
/// The nodes of a model with its functions expanded, and the versions that each node was written
/// for.
#include "emu/net/import.hpp"
#include "emu/net/op.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <map>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

using Opsets = std::map<std::string, std::int64_t>;
using FunctionKey = std::pair<std::string, std::string>;

std::string plain_domain(const std::string& domain) {
    return domain == "ai.onnx" ? "" : domain;
}

template <class Imports>
Result<Opsets> read_opsets(const Imports& imports, const std::string& where) {
    Opsets opsets;
    for (const auto& import : imports) {
        const std::string domain = plain_domain(import.domain());
        const std::int64_t version = import.version();
        if (domain.empty() && (version < 1 || version > kMaxOpset)) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} uses opset {}, and opsets {} to {} are supported; "
                                     "convert it with onnx.version_converter",
                                     where, version, 1, kMaxOpset));
        }
        if (domain == kEmuDomain && version != 1) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} uses version {} of {}, and only 1 is known", where,
                                     version, kEmuDomain));
        }
        if (!opsets.emplace(domain, version).second) {
            return Error(Errc::kFormat, fmt::format("{} imports the operator set {} twice", where,
                                                    quoted(import.domain())));
        }
    }
    return opsets;
}

constexpr std::size_t kMaxCallDepth = 64;

/// Names and attributes inside one call of a function; the main graph has the identity.
struct Scope {
    const Opsets* opsets = nullptr;
    std::string prefix;  ///< of value names; "" for the main graph
    std::string label_prefix;
    std::map<std::string, std::string> names;
    std::map<std::string, const onnx::AttributeProto*> attributes;
    std::vector<const onnx::FunctionProto*> callers;
    std::size_t branch_depth = 0;
};

class Flattener {
  public:
    explicit Flattener(Budget& budget) : budget_(budget) {}

    Status read_functions(const onnx::ModelProto& model) {
        for (const auto& function : model.functions()) {
            const FunctionKey key{plain_domain(function.domain()), function.name()};
            if (!functions_.emplace(key, &function).second) {
                return Error(Errc::kUnsupported,
                             fmt::format("the model defines the function {} more than once "
                                         "(overloads are not supported)",
                                         quoted(function.name())));
            }
        }
        return {};
    }

    template <class Nodes>
    Status expand(const Nodes& nodes, Scope& scope) {
        for (int i = 0; i < nodes.size(); ++i) {
            const onnx::NodeProto& proto = nodes.Get(i);
            FlatNode node = flat_node(proto, scope, i);
            if (!budget_.take(node_cost(node))) {
                return Error(Errc::kNoMemory,
                             "the model's functions expand to more nodes than the "
                             "memory limit allows; raise the limit");
            }
            const auto function = functions_.find({node.domain, proto.op_type()});
            if (function != functions_.end()) {
                QAICRT_CHECK(call(*function->second, node, scope));
                continue;
            }
            if (const auto opset = scope.opsets->find(node.domain); opset != scope.opsets->end()) {
                node.opset = opset->second;
            } else if (node.domain.empty() || node.domain == kEmuDomain) {
                return Error(Errc::kFormat,
                             fmt::format("node {} ({}) needs the operator set {}, which the model "
                                         "does not import",
                                         quoted(node.label), proto.op_type(), quoted(node.domain)));
            }
            QAICRT_CHECK(expand_branches(node, scope));
            flat_.push_back(std::move(node));
        }
        return {};
    }

    std::vector<FlatNode> take() { return std::move(flat_); }

  private:
    /// What a node takes in memory, about; names grow with the depth of calls.
    static std::uint64_t node_cost(const FlatNode& node) {
        std::uint64_t bytes = 256 + node.label.size();
        for (const auto* names : {&node.inputs, &node.outputs}) {
            for (const std::string& name : *names) {
                bytes += 32 + name.size();
            }
        }
        return bytes;
    }

    FlatNode flat_node(const onnx::NodeProto& proto, const Scope& scope, int index) {
        FlatNode node;
        node.proto = &proto;
        const std::string own = proto.name().empty() ? fmt::format("#{}", index) : proto.name();
        node.label = scope.label_prefix + own;
        node.domain = plain_domain(proto.domain());
        for (const std::string& name : proto.input()) {
            node.inputs.push_back(resolve(name, scope));
        }
        for (const std::string& name : proto.output()) {
            node.outputs.push_back(resolve(name, scope));
        }
        for (const auto& attribute : proto.attribute()) {
            const onnx::AttributeProto* actual = &attribute;
            if (!attribute.ref_attr_name().empty()) {
                const auto bound = scope.attributes.find(attribute.ref_attr_name());
                if (bound == scope.attributes.end()) {
                    continue;  // the caller left it out: the operator's default holds
                }
                actual = bound->second;
            }
            node.attributes.push_back(actual);
            node.attribute_names.push_back(attribute.name());
        }
        return node;
    }

    static std::string resolve(const std::string& name, const Scope& scope) {
        if (name.empty() || scope.prefix.empty()) {
            return name;
        }
        const auto mapped = scope.names.find(name);
        return mapped != scope.names.end() ? mapped->second : scope.prefix + name;
    }

    /// The subgraphs of an If; those of other operators are refused with their node.
    Status expand_branches(FlatNode& node, Scope& scope) {
        if (!node.domain.empty() || node.proto->op_type() != "If") {
            return {};
        }
        for (std::size_t i = 0; i < node.attributes.size(); ++i) {
            auto& branch = node.graphs.emplace_back();
            if (!node.attributes[i]->has_g()) {
                continue;
            }
            if (scope.branch_depth >= kMaxBranchDepth) {
                return Error(Errc::kUnsupported,
                             fmt::format("node {} (If) lies inside {} branches of other If nodes, "
                                         "more are not supported",
                                         quoted(node.label), kMaxBranchDepth));
            }
            branch = std::make_shared<FlatGraph>();
            branch->proto = &node.attributes[i]->g();
            for (const auto& tensor : branch->proto->initializer()) {
                branch->initializers.push_back(resolve(tensor.name(), scope));
            }
            for (const auto& output : branch->proto->output()) {
                branch->outputs.push_back(resolve(output.name(), scope));
            }
            // Only labels tell a branch from what is around it: names resolve in the same way.
            std::string prefix = fmt::format("{}/{}/", node.label, node.attribute_names[i]);
            std::swap(scope.label_prefix, prefix);
            std::swap(flat_, branch->nodes);
            ++scope.branch_depth;
            const Status expanded = expand(branch->proto->node(), scope);
            --scope.branch_depth;
            std::swap(flat_, branch->nodes);
            std::swap(scope.label_prefix, prefix);
            QAICRT_CHECK(expanded);
        }
        return {};
    }

    Status call(const onnx::FunctionProto& function, const FlatNode& node, const Scope& outer) {
        const auto where = fmt::format("function {}", quoted(function.name()));
        for (const onnx::FunctionProto* caller : outer.callers) {
            if (caller == &function) {
                return Error(Errc::kFormat, where + " calls itself, which ONNX forbids");
            }
        }
        if (outer.callers.size() >= kMaxCallDepth) {
            return Error(Errc::kUnsupported,
                         fmt::format("{} is called more than {} calls deep", where, kMaxCallDepth));
        }
        if (static_cast<int>(node.inputs.size()) > function.input_size() ||
            static_cast<int>(node.outputs.size()) > function.output_size()) {
            return Error(Errc::kFormat,
                         fmt::format("node {} gives {} more inputs or outputs than it has",
                                     quoted(node.label), where));
        }
        QAICRT_TRY(const Opsets opsets, read_opsets(function.opset_import(), where));
        Scope scope;
        scope.opsets = &opsets;
        // The separator cannot collide: '\x1f' never starts a name that a file could hold legally.
        scope.prefix = fmt::format("{}\x1f{}/", node.label, calls_++);
        scope.label_prefix = node.label + "/";
        scope.branch_depth = outer.branch_depth;
        scope.callers = outer.callers;
        scope.callers.push_back(&function);
        bind(function, node, scope);
        return expand(function.node(), scope);
    }

    void bind(const onnx::FunctionProto& function, const FlatNode& node, Scope& scope) {
        for (int i = 0; i < function.input_size(); ++i) {
            const auto k = static_cast<std::size_t>(i);
            scope.names[function.input(i)] = k < node.inputs.size() ? node.inputs[k] : "";
        }
        for (int i = 0; i < function.output_size(); ++i) {
            const auto k = static_cast<std::size_t>(i);
            if (k < node.outputs.size() && !node.outputs[k].empty()) {
                scope.names[function.output(i)] = node.outputs[k];
            }
        }
        bind_defaults(function, scope);
        for (std::size_t i = 0; i < node.attributes.size(); ++i) {
            scope.attributes[node.attribute_names[i]] = node.attributes[i];
        }
    }

    /// Attributes with defaults are field 11 (IR version 9), newer than the schema this is built
    /// with.
    void bind_defaults(const onnx::FunctionProto& function, Scope& scope) {
        constexpr int kAttributeProtoField = 11;
        const auto& unknown = function.GetReflection()->GetUnknownFields(function);
        for (int i = 0; i < unknown.field_count(); ++i) {
            const auto& field = unknown.field(i);
            if (field.number() != kAttributeProtoField ||
                field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
                continue;
            }
            auto attribute = std::make_shared<onnx::AttributeProto>();
            if (attribute->ParseFromString(field.length_delimited())) {
                scope.attributes[attribute->name()] = attribute.get();
                defaults_.push_back(std::move(attribute));
            }
        }
    }

    Budget& budget_;
    std::map<FunctionKey, const onnx::FunctionProto*> functions_;
    std::vector<FlatNode> flat_;
    std::size_t calls_ = 0;

  public:
    std::vector<std::shared_ptr<onnx::AttributeProto>> defaults_;
};

}  // namespace

Result<FlatModel> flatten_nodes(const onnx::ModelProto& model, Budget& budget) {
    QAICRT_TRY(const Opsets opsets, read_opsets(model.opset_import(), "the model"));
    Flattener flattener(budget);
    QAICRT_CHECK(flattener.read_functions(model));
    Scope scope;
    scope.opsets = &opsets;
    QAICRT_CHECK(flattener.expand(model.graph().node(), scope));
    return FlatModel{flattener.take(), std::move(flattener.defaults_)};
}

std::string refused_attribute(const FlatNode& node) {
    for (std::size_t i = 0; i < node.attributes.size(); ++i) {
        const onnx::AttributeProto& a = *node.attributes[i];
        const std::string name = quoted(node.attribute_names[i]);
        const bool branch = i < node.graphs.size() && node.graphs[i] != nullptr;
        if ((a.has_g() && !branch) || a.graphs_size() != 0) {
            return fmt::format("its attribute {} is a subgraph, which is not supported", name);
        }
        if (a.has_sparse_tensor() || a.sparse_tensors_size() != 0) {
            return fmt::format("its attribute {} is a sparse tensor, which is not supported", name);
        }
        if (a.tensors_size() != 0 || a.has_tp() || a.type_protos_size() != 0) {
            return fmt::format(
                "its attribute {} is a list of tensors or a type, which is "
                "not supported",
                name);
        }
    }
    return "";
}

}  // namespace qaicnet
