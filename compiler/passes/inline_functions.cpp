// SPDX-License-Identifier: Apache-2.0
/// Calls of model-local functions are replaced by their bodies, so that every later pass sees plain
/// nodes.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::AttributeProto;
using onnx::FunctionProto;
using onnx::NodeProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;
using Nodes = google::protobuf::RepeatedPtrField<NodeProto>;
using Renames = std::unordered_map<std::string, std::string>;

/// A small model can expand without limit when functions call each other many times.
constexpr std::size_t kMaxExpansion = std::size_t{1} << 20;  ///< nodes and calls
constexpr std::size_t kMaxBytes = std::size_t{512} << 20;
constexpr int kMaxDepth = 32;

std::string plain_domain(const std::string& domain) {
    return domain == "ai.onnx" ? "" : domain;
}

class Inliner {
  public:
    explicit Inliner(Lowering& lowering) : lowering_(lowering), names_(lowering.model.graph()) {
        for (const auto& function : lowering.model.functions()) {
            functions_.emplace(std::pair(plain_domain(function.domain()), function.name()),
                               &function);
        }
    }

    Status run() {
        auto& nodes = *lowering_.model.mutable_graph()->mutable_node();
        Nodes out;
        for (auto& node : nodes) {
            QAICRT_CHECK(expand(node, out, 0));
        }
        nodes.Swap(&out);
        QAICRT_CHECK(import_opsets());
        lowering_.model.clear_functions();
        return {};
    }

  private:
    struct Hash {
        std::size_t operator()(const std::pair<std::string, std::string>& key) const {
            return std::hash<std::string>{}(key.first) * 31 + std::hash<std::string>{}(key.second);
        }
    };

    Status expand(NodeProto& node, Nodes& out, int depth) {
        bytes_ += depth > 0 ? node.ByteSizeLong() : 0;
        if (++expanded_ > kMaxExpansion || bytes_ > kMaxBytes) {
            return Error(Errc::kUnsupported,
                         fmt::format("The functions of {} expand to more than {} nodes or {} MiB; "
                                     "export the model without functions.",
                                     lowering_.source, kMaxExpansion, kMaxBytes >> 20));
        }
        const auto called = functions_.find({plain_domain(node.domain()), node.op_type()});
        if (called == functions_.end()) {
            out.Add()->Swap(&node);
            return {};
        }
        if (depth >= kMaxDepth) {
            return Error(Errc::kFormat,
                         fmt::format("The functions of {} call each other more than {} deep, "
                                     "'{}' among them.",
                                     lowering_.source, kMaxDepth, node.op_type()));
        }
        return expand_call(node, *called->second, out, depth);
    }

    Status expand_call(const NodeProto& call, const FunctionProto& function, Nodes& out,
                       int depth) {
        if (call.input_size() > function.input_size() ||
            call.output_size() > function.output_size()) {
            return Error(Errc::kFormat,
                         fmt::format("Node '{}' of {} calls the function '{}' with too many inputs "
                                     "or outputs.",
                                     call.name(), lowering_.source, function.name()));
        }
        used_.push_back(&function);
        Renames renames;
        for (int i = 0; i < function.input_size(); ++i) {
            renames[function.input(i)] = i < call.input_size() ? call.input(i) : "";
        }
        for (int i = 0; i < function.output_size(); ++i) {
            // An output that is also an input needs a node between them.
            if (renames.contains(function.output(i))) {
                if (i < call.output_size() && !call.output(i).empty()) {
                    NodeProto& copy = *out.Add();
                    copy.set_op_type("Identity");
                    copy.add_input(renames[function.output(i)]);
                    copy.add_output(call.output(i));
                }
            } else if (i < call.output_size() && !call.output(i).empty()) {
                renames[function.output(i)] = call.output(i);
            }
        }
        const std::string prefix = call.name().empty() ? function.name() : call.name();
        for (int i = 0; i < function.node_size(); ++i) {
            NodeProto node = function.node(i);
            node.set_name(node.name().empty() ? fmt::format("{}/#{}", prefix, i)
                                              : fmt::format("{}/{}", prefix, node.name()));
            rename(*node.mutable_input(), renames, prefix);
            rename(*node.mutable_output(), renames, prefix);
            bind_attributes(node, call, function);
            QAICRT_CHECK(expand(node, out, depth + 1));
        }
        return {};
    }

    void rename(google::protobuf::RepeatedPtrField<std::string>& tensors, Renames& renames,
                const std::string& prefix) {
        for (auto& tensor : tensors) {
            if (tensor.empty()) {
                continue;
            }
            auto renamed = renames.find(tensor);
            if (renamed == renames.end()) {
                renamed = renames.emplace(tensor, names_.fresh(prefix + "/" + tensor)).first;
            }
            tensor = renamed->second;
        }
    }

    /// Attributes of the body that refer to the call's; one that the call leaves out is left out.
    static void bind_attributes(NodeProto& node, const NodeProto& call,
                                const FunctionProto& function) {
        google::protobuf::RepeatedPtrField<AttributeProto> bound;
        for (const auto& attribute : node.attribute()) {
            if (attribute.ref_attr_name().empty()) {
                *bound.Add() = attribute;
            } else if (const auto* given = find_attribute(call, attribute.ref_attr_name())) {
                AttributeProto& copy = *bound.Add();
                copy = *given;
                copy.set_name(attribute.name());
            } else if (AttributeProto initial;
                       find_default(function, attribute.ref_attr_name(), initial)) {
                initial.set_name(attribute.name());
                bound.Add()->Swap(&initial);
            }
        }
        node.mutable_attribute()->Swap(&bound);
    }

    /// `attribute_proto` (field 11, IR version 9) is newer than the schema that we are built with.
    static bool find_default(const FunctionProto& function, const std::string& name,
                             AttributeProto& out) {
        constexpr int kAttributeProtoField = 11;
        const auto& unknown = function.GetReflection()->GetUnknownFields(function);
        for (int i = 0; i < unknown.field_count(); ++i) {
            const auto& field = unknown.field(i);
            if (field.number() == kAttributeProtoField &&
                field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
                out.ParseFromString(field.length_delimited()) && out.name() == name) {
                return true;
            }
        }
        return false;
    }

    /// A function brings its own opset versions; one graph has one version for each domain.
    Status import_opsets() {
        auto& model = lowering_.model;
        for (const auto* function : used_) {
            for (const auto& wanted : function->opset_import()) {
                const onnx::OperatorSetIdProto* known = nullptr;
                for (const auto& opset : model.opset_import()) {
                    if (plain_domain(opset.domain()) == plain_domain(wanted.domain())) {
                        known = &opset;
                    }
                }
                if (known == nullptr) {
                    *model.add_opset_import() = wanted;
                } else if (known->version() != wanted.version()) {
                    return Error(Errc::kUnsupported,
                                 fmt::format("Function '{}' of {} uses opset {} of '{}', the model "
                                             "{}; export both with one version.",
                                             function->name(), lowering_.source, wanted.version(),
                                             wanted.domain(), known->version()));
                }
            }
        }
        return {};
    }

    Lowering& lowering_;
    TensorNames names_;
    std::size_t expanded_ = 0, bytes_ = 0;
    std::unordered_map<std::pair<std::string, std::string>, const FunctionProto*, Hash> functions_;
    std::vector<const FunctionProto*> used_;
};

}  // namespace

Status inline_functions(Lowering& lowering) {
    if (lowering.model.functions_size() == 0) {
        return {};
    }
    return Inliner(lowering).run();
}

}  // namespace qaicc
