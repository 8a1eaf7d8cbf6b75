// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/onnx/mutate_model.hpp"

#include "emu/net/network.hpp"
#include "tests/fuzz/onnx/mutate_values.hpp"

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace fuzzing {
namespace {

using Names = std::vector<std::string>;

/// Every graph of the model: the main one and the branches in its nodes.
void collect(onnx::GraphProto& graph, std::vector<onnx::GraphProto*>& out) {
    out.push_back(&graph);
    for (auto& node : *graph.mutable_node()) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_g()) {
                collect(*attribute.mutable_g(), out);
            }
        }
    }
}

Names known_names(const onnx::GraphProto& graph) {
    Names names;
    for (const auto& input : graph.input()) {
        names.push_back(input.name());
    }
    for (const auto& tensor : graph.initializer()) {
        names.push_back(tensor.name());
    }
    for (const auto& node : graph.node()) {
        names.insert(names.end(), node.output().begin(), node.output().end());
    }
    return names;
}

/// A name that the main graph does not have yet.
std::string fresh(const onnx::GraphProto& graph, const std::string& stem) {
    const Names names = known_names(graph);
    const std::set<std::string> taken(names.begin(), names.end());
    for (int i = 0;; ++i) {
        std::string name = stem.substr(0, 24) + "_" + std::to_string(i);
        if (taken.count(name) == 0) {
            return name;
        }
    }
}

/// "Add 7-28" → domain and operator.
std::pair<std::string, std::string> random_operator(Random& random) {
    static const Names lines = qaicnet::supported_operators();
    std::string name = random.pick(std::span<const std::string>(lines));
    name.erase(name.find(' '));
    const std::string emu = std::string(qaicnet::kEmuDomain) + ".";
    return name.starts_with(emu)
               ? std::pair{std::string(qaicnet::kEmuDomain), name.substr(emu.size())}
               : std::pair{std::string(), name};
}

/// The changes; each works on one graph (of a branch or the main one) and one node of it.
class Mutation {
  public:
    Mutation(onnx::ModelProto& model, Random& random) : model_(model), random_(random) {
        std::vector<onnx::GraphProto*> graphs;
        collect(*model.mutable_graph(), graphs);
        graph_ = random_.one_in(2) ? graphs[0] : graphs[random_.below(graphs.size())];
        if (graph_->node_size() > 0) {
            node_ = graph_->mutable_node(any(graph_->node_size()));
        }
    }

    void apply() {
        const std::size_t choice = random_.below(24);
        if (choice < 7 && node_ != nullptr) {
            change_attribute();
        } else if (choice < 10) {
            change_tensor();
        } else if (choice < 13) {
            change_input();
        } else if (choice < 16 && node_ != nullptr) {
            change_connection();
        } else if (choice < 21 && node_ != nullptr) {
            change_nodes(choice - 16);
        } else if (choice == 21) {
            change_every_type();
        } else if (choice == 22) {
            swap_input_and_constant();
        } else {
            change_rest();
        }
    }

  private:
    int any(int count) { return static_cast<int>(random_.below(static_cast<std::size_t>(count))); }

    void change_attribute() {
        if (node_->attribute_size() == 0 || random_.one_in(8)) {
            add_attribute(*node_, random_);
        } else if (random_.one_in(10)) {
            node_->mutable_attribute()->DeleteSubrange(any(node_->attribute_size()), 1);
        } else {
            mutate_attribute(*node_->mutable_attribute(any(node_->attribute_size())), random_);
        }
    }

    void change_tensor() {
        if (graph_->initializer_size() > 0) {
            mutate_tensor(*graph_->mutable_initializer(any(graph_->initializer_size())), random_);
        } else {
            change_input();
        }
    }

    void change_input() {
        if (model_.graph().input_size() == 0) {
            return;
        }
        auto& input = *model_.mutable_graph()->mutable_input(any(model_.graph().input_size()));
        auto& type = *input.mutable_type()->mutable_tensor_type();
        if (random_.one_in(4)) {
            type.set_elem_type(other_type(random_));
        } else {
            mutate_shape(*type.mutable_shape(), random_);
        }
    }

    void change_outputs() {
        const int count = node_->output_size();
        if (count > 1 && random_.one_in(3)) {
            node_->mutable_output()->RemoveLast();
        } else if (count > 0 && random_.one_in(2)) {
            node_->set_output(any(count), "");
        } else {
            node_->add_output(fresh(*graph_, "o"));
        }
    }

    void change_connection() {
        if (random_.one_in(8)) {
            return change_outputs();
        }
        const Names names = known_names(random_.one_in(2) ? *graph_ : model_.graph());
        const int count = node_->input_size();
        if (count == 0 || (random_.one_in(4) && count < 12)) {
            node_->add_input(names.empty() ? "" : names[random_.below(names.size())]);
        } else if (random_.one_in(5)) {
            node_->mutable_input()->RemoveLast();
        } else if (random_.one_in(5)) {
            node_->set_input(any(count), random_.one_in(4) ? "nobody" : "");
        } else if (random_.one_in(3) || names.empty()) {
            node_->mutable_input()->SwapElements(any(count), any(count));
        } else {
            node_->set_input(any(count), names[random_.below(names.size())]);
        }
    }

    void change_nodes(std::size_t choice) {
        constexpr int kMostNodes = 64;
        if (choice == 0 && graph_->node_size() < kMostNodes) {
            copy_node();
        } else if (choice == 1) {
            graph_->mutable_node()->DeleteSubrange(any(graph_->node_size()), 1);
        } else if (choice == 2) {
            std::tie(*node_->mutable_domain(), *node_->mutable_op_type()) =
                random_operator(random_);
        } else if (choice == 3 && graph_->node_size() < kMostNodes) {
            follow_output();
        } else if (choice == 4) {
            move_into_branch();
        }
    }

    /// The same node once more; its results replace the originals as outputs, or are new ones.
    void copy_node() {
        onnx::NodeProto copy = *node_;
        for (auto& output : *copy.mutable_output()) {
            output = output.empty() ? output : fresh(*graph_, output);
        }
        if (copy.output_size() > 0 && !copy.output(0).empty()) {
            graph_->add_output()->set_name(copy.output(0));
        }
        *graph_->add_node() = std::move(copy);
    }

    /// Another operator reads an output of the graph and gives the output instead.
    void follow_output() {
        if (graph_->output_size() == 0) {
            return;
        }
        auto& output = *graph_->mutable_output(any(graph_->output_size()));
        const std::string result = fresh(*graph_, "f");
        const Names names = known_names(*graph_);
        auto& node = *graph_->add_node();
        std::tie(*node.mutable_domain(), *node.mutable_op_type()) = random_operator(random_);
        node.add_input(output.name());
        while (random_.one_in(2) && node.input_size() < 6 && !names.empty()) {
            node.add_input(names[random_.below(names.size())]);
        }
        node.add_output(result);
        output.Clear();
        output.set_name(result);
    }

    /// The node becomes the one node of both branches of an If.
    void move_into_branch() {
        const Names names = known_names(*graph_);
        if (node_->output_size() == 0 || node_->op_type() == "If" || names.empty()) {
            return;
        }
        const onnx::NodeProto inner = *node_;
        node_->Clear();
        node_->set_op_type("If");
        node_->add_input(names[random_.below(names.size())]);
        for (const char* name : {"then_branch", "else_branch"}) {
            auto& attribute = *node_->add_attribute();
            attribute.set_name(name);
            attribute.set_type(onnx::AttributeProto::GRAPH);
            auto& body = *attribute.mutable_g()->add_node();
            body = inner;
            for (auto& output : *body.mutable_output()) {
                output += output.empty() ? "" : "_b";
            }
            for (const auto& output : body.output()) {
                attribute.mutable_g()->add_output()->set_name(output);
            }
        }
        *node_->mutable_output() = inner.output();
    }

    /// One element type becomes another one everywhere, which is how other kernels are reached.
    void change_every_type() {
        const int to = other_type(random_);
        int from = 0;
        for (auto& input : *model_.mutable_graph()->mutable_input()) {
            auto& type = *input.mutable_type()->mutable_tensor_type();
            from = from == 0 ? type.elem_type() : from;
            type.set_elem_type(type.elem_type() == from ? to : type.elem_type());
        }
        for (auto& tensor : *model_.mutable_graph()->mutable_initializer()) {
            if (tensor.data_type() == from) {
                tensor.set_data_type(to);
                refill(tensor, random_);
            }
        }
        for (auto& output : *model_.mutable_graph()->mutable_output()) {
            output.clear_type();
        }
    }

    void swap_input_and_constant() {
        auto& graph = *model_.mutable_graph();
        if (graph.input_size() > 0 && random_.one_in(2)) {
            const int at = any(graph.input_size());
            auto& tensor = *graph.add_initializer();
            tensor.set_name(graph.input(at).name());
            tensor.set_data_type(graph.input(at).type().tensor_type().elem_type());
            for (const auto& dim : graph.input(at).type().tensor_type().shape().dim()) {
                tensor.add_dims(dim.dim_value());
            }
            refill(tensor, random_);
            graph.mutable_input()->DeleteSubrange(at, 1);
        } else if (graph.initializer_size() > 0) {
            const int at = any(graph.initializer_size());
            auto& input = *graph.add_input();
            input.set_name(graph.initializer(at).name());
            auto& type = *input.mutable_type()->mutable_tensor_type();
            type.set_elem_type(graph.initializer(at).data_type());
            type.mutable_shape();
            for (const std::int64_t dim : graph.initializer(at).dims()) {
                type.mutable_shape()->add_dim()->set_dim_value(dim);
            }
            graph.mutable_initializer()->DeleteSubrange(at, 1);
        }
    }

    /// Versions, outputs, and the text that the target takes input values from.
    void change_rest() {
        switch (random_.below(4)) {
            case 0:
                if (model_.opset_import_size() > 0) {
                    model_.mutable_opset_import(any(model_.opset_import_size()))
                        ->set_version(7 + static_cast<std::int64_t>(random_.below(22)));
                }
                break;
            case 1:
                if (const Names names = known_names(*graph_); !names.empty()) {
                    graph_->add_output()->set_name(names[random_.below(names.size())]);
                }
                break;
            default: {
                std::string& text = *model_.mutable_doc_string();
                if (text.size() < 64 || random_.one_in(4)) {
                    text.push_back(static_cast<char>(random_.next()));
                } else {
                    text[random_.below(text.size())] = static_cast<char>(random_.next());
                }
            }
        }
    }

    onnx::ModelProto& model_;
    Random& random_;
    onnx::GraphProto* graph_ = nullptr;
    onnx::NodeProto* node_ = nullptr;  ///< null when the graph has none
};

}  // namespace

void mutate(onnx::ModelProto& model, Random& random) {
    do {
        Mutation(model, random).apply();
    } while (random.one_in(2));
}

void append(onnx::ModelProto& model, const onnx::ModelProto& other, Random& random) {
    constexpr int kMostNodes = 64;
    onnx::GraphProto added = other.graph();
    auto& graph = *model.mutable_graph();
    if (added.node_size() + graph.node_size() > kMostNodes) {
        return;
    }
    const Names before = known_names(graph);
    const std::string prefix = fresh(graph, "a") + "/";
    const auto rename = [&](std::string& name) { name = name.empty() ? name : prefix + name; };
    for (auto& input : *added.mutable_input()) {
        rename(*input.mutable_name());
        if (!before.empty() && random.one_in(2)) {
            auto& bridge = *graph.add_node();
            bridge.set_op_type("Identity");
            bridge.add_input(before[random.below(before.size())]);
            bridge.add_output(input.name());
        } else {
            *graph.add_input() = input;
        }
    }
    for (auto& tensor : *added.mutable_initializer()) {
        rename(*tensor.mutable_name());
        *graph.add_initializer() = tensor;
    }
    for (auto& node : *added.mutable_node()) {
        for (auto* names : {node.mutable_input(), node.mutable_output()}) {
            for (auto& name : *names) {
                rename(name);
            }
        }
        *graph.add_node() = node;
    }
    for (auto& output : *added.mutable_output()) {
        rename(*output.mutable_name());
        *graph.add_output() = output;
    }
}

}  // namespace fuzzing
