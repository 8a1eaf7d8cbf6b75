// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/export_model.hpp"

#include "emu/net/op.hpp"
#include "emu/net/passes/export_functions.hpp"
#include "emu/net/passes/export_opset.hpp"
#include "emu/net/passes/export_refusal.hpp"
#include "emu/net/subgraph.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Names that are not taken yet. A branch sees the names around it, so all graphs share one set.
class Names {
  public:
    void take(const std::string& name) { taken_.insert(name); }

    /// `wanted` without control characters, with a number if need be.
    std::string fresh(std::string wanted) {
        std::replace_if(
            wanted.begin(), wanted.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; },
            '.');
        wanted = wanted.empty() ? "value" : wanted;
        std::string name = wanted;
        for (int number = 2; !taken_.insert(name).second; ++number) {
            name = fmt::format("{}_{}", wanted, number);
        }
        return name;
    }

  private:
    std::unordered_set<std::string> taken_;
};

/// What the graph and its branches share.
struct Export {
    std::int64_t opset;
    Budget& budget;
    FunctionWriter functions;
    Names values, nodes;
    std::size_t constant_bytes = 0;
};

void fill_tensor(onnx::TensorProto& proto, const TensorType& type, const Buffer& bytes) {
    proto.set_data_type(static_cast<std::int32_t>(type.type));
    for (const std::int64_t dim : type.dims) {
        proto.add_dims(dim);
    }
    proto.set_raw_data(bytes.data(), type.bytes());
}

class GraphWriter {
  public:
    GraphWriter(Export& shared, const Graph& graph, onnx::GraphProto& proto)
        : shared_(shared), graph_(graph), proto_(proto) {
        names_.resize(graph.values.size());
        made_.resize(graph.values.size(), false);
        for (const Node& node : graph.nodes) {
            for (const int output : node.outputs) {
                if (output >= 0) {
                    made_[static_cast<std::size_t>(output)] = true;
                }
            }
        }
    }

    Status write_model() {
        for (const auto* edge : {&graph_.inputs, &graph_.outputs}) {
            for (const int index : *edge) {
                name(index) = value(index).name;
                shared_.values.take(value(index).name);
            }
        }
        for (const int input : graph_.inputs) {
            describe(input, *proto_.add_input());
        }
        for (const int output : graph_.outputs) {
            describe(output, *proto_.add_output());
        }
        QAICRT_CHECK(write_constant_outputs());
        return write_nodes();
    }

    /// A branch inside `outer`; `captures` are inputs of `node` there.
    Status write_branch(GraphWriter& outer, const Node& node,
                        const std::vector<Capture>& captures) {
        outer_ = &outer;
        around_.assign(graph_.values.size(), -1);
        for (const Capture& capture : captures) {
            around_[static_cast<std::size_t>(capture.inner)] = node.inputs[capture.input];
        }
        QAICRT_CHECK(write_nodes());
        std::unordered_set<int> given;
        for (const int output : graph_.outputs) {
            QAICRT_TRY(std::string result, use(output));
            // ONNX wants results of a branch to be made in it, each under its own name.
            if (!made_[static_cast<std::size_t>(output)] || !given.insert(output).second) {
                result = write_identity(result, shared_.values.fresh(result));
            }
            auto& info = *proto_.add_output();
            describe(output, info);
            info.set_name(result);
        }
        return {};
    }

  private:
    const Value& value(int index) const { return graph_.values[static_cast<std::size_t>(index)]; }
    std::string& name(int index) { return names_[static_cast<std::size_t>(index)]; }

    void describe(int index, onnx::ValueInfoProto& info) {
        info.set_name(name(index));
        auto* type = info.mutable_type()->mutable_tensor_type();
        type->set_elem_type(static_cast<std::int32_t>(value(index).tensor.type));
        type->mutable_shape();  // rank 0 is a shape, too
        for (const std::int64_t dim : value(index).tensor.dims) {
            type->mutable_shape()->add_dim()->set_dim_value(dim);
        }
    }

    /// The name of a value that is read; constants become initializers here.
    Result<std::string> use(int index) {
        if (!name(index).empty()) {
            return name(index);
        }
        const int around = around_.empty() ? -1 : around_[static_cast<std::size_t>(index)];
        if (around >= 0) {
            QAICRT_TRY(name(index), outer_->use(around));
            return name(index);
        }
        if (made_[static_cast<std::size_t>(index)] || !value(index).constant) {
            return Error(Errc::kInternal,
                         fmt::format("the lowered graph reads {} before anything makes it",
                                     quoted(value(index).name)));
        }
        name(index) = shared_.values.fresh(value(index).name);
        QAICRT_CHECK(write_initializer(index, name(index)));
        return name(index);
    }

    Status write_initializer(int index, const std::string& called) {
        const Value& constant = value(index);
        QAICRT_CHECK(count_bytes(constant.tensor));
        auto& tensor = *proto_.add_initializer();
        tensor.set_name(called);
        fill_tensor(tensor, constant.tensor, *constant.constant);
        return {};
    }

    /// Before they are copied.
    Status count_bytes(const TensorType& tensor) {
        constexpr std::size_t kLimit = 0x7fffffff;
        shared_.constant_bytes += tensor.bytes();
        if (shared_.constant_bytes > kLimit) {
            return Error(Errc::kUnsupported,
                         "the lowered graph has more than 2 GiB of constants, which an ONNX file "
                         "cannot hold; write the graph of a smaller model");
        }
        return {};
    }

    std::string write_identity(const std::string& from, const std::string& to) {
        auto& node = *proto_.add_node();
        node.set_name(shared_.nodes.fresh(to));
        node.set_op_type("Identity");
        node.add_input(from);
        node.add_output(to);
        return to;
    }

    /// An output that is known already is a copy of an initializer, made before anyone reads it.
    Status write_constant_outputs() {
        for (const int output : graph_.outputs) {
            if (!made_[static_cast<std::size_t>(output)] && value(output).constant) {
                const std::string from = shared_.values.fresh(value(output).name + "/constant");
                QAICRT_CHECK(write_initializer(output, from));
                write_identity(from, name(output));
            }
        }
        return {};
    }

    Status write_nodes() {
        for (const Node& node : graph_.nodes) {
            QAICRT_CHECK(write_node(node));
        }
        return {};
    }

    Status write_node(const Node& node) {
        onnx::NodeProto proto;
        proto.set_name(shared_.nodes.fresh(node.label));
        proto.set_op_type(node.op_type);
        proto.set_domain(node.domain);
        const bool branches = node.domain.empty() && node.op_type == "If";
        const std::size_t inputs = branches ? 1 : node.inputs.size();  // the rest is captured
        for (std::size_t i = 0; i < inputs; ++i) {
            std::string read;
            if (node.inputs[i] >= 0) {
                QAICRT_TRY(read, use(node.inputs[i]));
            }
            proto.add_input(read);
        }
        for (const Attribute& attribute : node.attributes) {
            QAICRT_CHECK(write_attribute(node, attribute, *proto.add_attribute()));
        }
        for (const int output : node.outputs) {
            proto.add_output(output >= 0 ? make(output) : std::string());
        }
        if (!node.domain.empty()) {
            QAICRT_CHECK(shared_.functions.write_call(graph_, node, proto));
        }
        *proto_.add_node() = std::move(proto);
        return {};
    }

    /// The name of a node's result.
    std::string make(int output) {
        if (name(output).empty()) {
            name(output) = shared_.values.fresh(value(output).name);
        }
        const bool described =
            std::find(graph_.outputs.begin(), graph_.outputs.end(), output) != graph_.outputs.end();
        if (!described) {
            describe(output, *proto_.add_value_info());
        }
        return name(output);
    }

    Status write_attribute(const Node& node, const Attribute& attribute,
                           onnx::AttributeProto& proto) {
        using Kind = Attribute::Kind;
        proto.set_name(attribute.name);
        switch (attribute.kind) {
            case Kind::kInt:
                proto.set_type(onnx::AttributeProto::INT);
                proto.set_i(attribute.i);
                return {};
            case Kind::kFloat:
                proto.set_type(onnx::AttributeProto::FLOAT);
                proto.set_f(attribute.f);
                return {};
            case Kind::kString:
                proto.set_type(onnx::AttributeProto::STRING);
                proto.set_s(attribute.s);
                return {};
            case Kind::kInts:
                proto.set_type(onnx::AttributeProto::INTS);
                proto.mutable_ints()->Add(attribute.ints.begin(), attribute.ints.end());
                return {};
            case Kind::kFloats:
                proto.set_type(onnx::AttributeProto::FLOATS);
                proto.mutable_floats()->Add(attribute.floats.begin(), attribute.floats.end());
                return {};
            case Kind::kStrings:
                proto.set_type(onnx::AttributeProto::STRINGS);
                for (const std::string& text : attribute.strings) {
                    proto.add_strings(text);
                }
                return {};
            case Kind::kTensor:
                proto.set_type(onnx::AttributeProto::TENSOR);
                QAICRT_CHECK(count_bytes(attribute.tensor.tensor));
                fill_tensor(*proto.mutable_t(), attribute.tensor.tensor, *attribute.tensor.bytes);
                return {};
            case Kind::kGraph:
                proto.set_type(onnx::AttributeProto::GRAPH);
                return write_graph(node, attribute, *proto.mutable_g());
            case Kind::kOther:
                break;
        }
        return Error(Errc::kInternal, fmt::format("{}: its attribute {} cannot be written",
                                                  node_text(node), quoted(attribute.name)));
    }

    Status write_graph(const Node& node, const Attribute& attribute, onnx::GraphProto& proto) {
        const Subgraph& branch = *attribute.graph;
        proto.set_name(attribute.name);
        if (branch.lowered == nullptr) {
            QAICRT_TRY(const Subgraph refused,
                       refused_branch(graph_, node, attribute.name == "then_branch", shared_.opset,
                                      shared_.budget));
            return GraphWriter(shared_, refused.graph, proto)
                .write_branch(*this, node, refused.captures);
        }
        QAICRT_TRY(const Graph graph, with_opset(*branch.lowered, shared_.opset, shared_.budget));
        return GraphWriter(shared_, graph, proto).write_branch(*this, node, branch.captures);
    }

    Export& shared_;
    const Graph& graph_;
    onnx::GraphProto& proto_;
    GraphWriter* outer_ = nullptr;
    std::vector<std::string> names_;  ///< by value, "" until it has one
    std::vector<bool> made_;          ///< by value: a node's result
    std::vector<int> around_;         ///< of a branch, by value: the captured one, or -1
};

}  // namespace

Status export_model(const Graph& graph, Budget& budget, onnx::ModelProto& model) {
    const std::int64_t opset = common_opset(graph);
    QAICRT_TRY(const Graph raised, with_opset(graph, opset, budget));
    Export shared{opset, budget, FunctionWriter(opset), {}, {}, 0};
    model.Clear();
    model.set_ir_version(8);  // the first one with functions
    model.add_opset_import()->set_version(opset);
    model.mutable_graph()->set_name("lowered");
    QAICRT_CHECK(GraphWriter(shared, raised, *model.mutable_graph()).write_model());
    shared.functions.finish(model);
    return {};
}

}  // namespace qaicnet
