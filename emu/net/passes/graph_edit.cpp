// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/graph_edit.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace qaicnet {

void GraphEdit::index() {
    producer_.assign(graph_.values.size(), -1);
    readers_.assign(graph_.values.size(), {});
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
        for (const int output : graph_.nodes[n].outputs) {
            if (output >= 0) {
                producer_[static_cast<std::size_t>(output)] = static_cast<int>(n);
            }
        }
        for (const int input : graph_.nodes[n].inputs) {
            if (input >= 0) {
                readers_[static_cast<std::size_t>(input)].push_back(static_cast<int>(n));
            }
        }
    }
}

Node* GraphEdit::producer(int value) {
    const int at = value >= 0 ? producer_[static_cast<std::size_t>(value)] : -1;
    return at >= 0 ? &node(at) : nullptr;
}

std::span<const int> GraphEdit::readers(int value) const {
    return readers_[static_cast<std::size_t>(value)];
}

Node* GraphEdit::only_reader(int index) {
    const auto all = readers(index);
    return all.size() == 1 && !value(index).is_output ? &node(all[0]) : nullptr;
}

int GraphEdit::add_value(std::string name, ElemType type, Shape dims) {
    Value& added = graph_.values.emplace_back();
    added.name = std::move(name);
    added.tensor = {type, std::move(dims)};
    producer_.push_back(-1);
    readers_.emplace_back();
    return static_cast<int>(graph_.values.size() - 1);
}

std::optional<int> GraphEdit::add_constant(std::string name, Shape dims,
                                           std::span<const float> data) {
    const auto bytes = Buffer::allocate(data.size_bytes(), budget_);
    if (!bytes) {
        return std::nullopt;
    }
    if (!data.empty()) {
        std::memcpy(bytes->owned(), data.data(), data.size_bytes());
    }
    const int added = add_value(std::move(name), ElemType::kFloat, std::move(dims));
    value(added).constant = bytes;
    return added;
}

std::optional<int> GraphEdit::add_constant(std::string name, std::span<const std::int64_t> data) {
    const auto bytes = Buffer::allocate(data.size_bytes(), budget_);
    if (!bytes) {
        return std::nullopt;
    }
    if (!data.empty()) {
        std::memcpy(bytes->owned(), data.data(), data.size_bytes());
    }
    const int added =
        add_value(std::move(name), ElemType::kInt64, Shape{static_cast<std::int64_t>(data.size())});
    value(added).constant = bytes;
    return added;
}

std::span<const float> GraphEdit::floats(int index) {
    if (!is_constant(index) || tensor(index).type != ElemType::kFloat) {
        return {};
    }
    return {as<float>(value(index).constant->data()), tensor(index).count()};
}

std::optional<float> GraphEdit::scalar(int index) {
    const auto data = floats(index);
    return data.size() == 1 ? std::optional(data[0]) : std::nullopt;
}

void GraphEdit::replace_value(int from, int to, std::int64_t opset) {
    std::vector<int> moved;
    moved.swap(readers_[static_cast<std::size_t>(from)]);
    for (const int reader : moved) {
        auto& inputs = node(reader).inputs;
        std::replace(inputs.begin(), inputs.end(), from, to);
    }
    auto& all = readers_[static_cast<std::size_t>(to)];
    all.insert(all.end(), moved.begin(), moved.end());
    const Node* const maker = producer(from);
    if (value(from).is_output && maker != nullptr) {
        replace_node(index_of(*maker),
                     make_node("", "Identity", opset, maker->label, {to}, {from}));
    }
}

void GraphEdit::replace_node(int index, Node replacement) {
    Node& place = node(index);
    // What it goes on reading keeps its entry: thousands of nodes may read the same weight.
    const auto reads_same = [&](std::size_t i) {
        return i < place.inputs.size() && i < replacement.inputs.size() &&
               place.inputs[i] == replacement.inputs[i];
    };
    for (std::size_t i = 0; i < place.inputs.size(); ++i) {
        const int input = place.inputs[i];
        if (input >= 0 && !reads_same(i)) {
            auto& all = readers_[static_cast<std::size_t>(input)];
            const auto entry = std::find(all.begin(), all.end(), index);
            if (entry != all.end()) {
                all.erase(entry);
            }
        }
    }
    for (const int output : place.outputs) {
        if (output >= 0 && producer_[static_cast<std::size_t>(output)] == index) {
            producer_[static_cast<std::size_t>(output)] = -1;
        }
    }
    for (std::size_t i = 0; i < replacement.inputs.size(); ++i) {
        const int input = replacement.inputs[i];
        if (input >= 0 && !reads_same(i)) {
            readers_[static_cast<std::size_t>(input)].push_back(index);
        }
    }
    place = std::move(replacement);
    for (const int output : place.outputs) {
        if (output >= 0) {
            producer_[static_cast<std::size_t>(output)] = index;
        }
    }
}

const Attribute* find_attribute(const Node& node, std::string_view name) {
    const auto found = std::find_if(node.attributes.begin(), node.attributes.end(),
                                    [&](const Attribute& a) { return a.name == name; });
    return found != node.attributes.end() ? &*found : nullptr;
}

std::int64_t int_attribute(const Node& node, std::string_view name, std::int64_t fallback) {
    const Attribute* a = find_attribute(node, name);
    return a != nullptr && a->kind == Attribute::Kind::kInt ? a->i : fallback;
}

float float_attribute(const Node& node, std::string_view name, float fallback) {
    const Attribute* a = find_attribute(node, name);
    return a != nullptr && a->kind == Attribute::Kind::kFloat ? a->f : fallback;
}

std::string string_attribute(const Node& node, std::string_view name, std::string_view fallback) {
    const Attribute* a = find_attribute(node, name);
    return a != nullptr && a->kind == Attribute::Kind::kString ? a->s : std::string(fallback);
}

std::vector<std::int64_t> ints_attribute(const Node& node, std::string_view name) {
    const Attribute* a = find_attribute(node, name);
    return a != nullptr && a->kind == Attribute::Kind::kInts ? a->ints
                                                             : std::vector<std::int64_t>();
}

namespace {

Attribute& fresh_attribute(Node& node, std::string_view name, Attribute::Kind kind,
                           const char* type_name) {
    remove_attribute(node, name);
    Attribute& a = node.attributes.emplace_back();
    a.name = name;
    a.kind = kind;
    a.type_name = type_name;
    return a;
}

}  // namespace

void remove_attribute(Node& node, std::string_view name) {
    std::erase_if(node.attributes, [&](const Attribute& a) { return a.name == name; });
}

void set_attribute(Node& node, std::string_view name, std::int64_t value) {
    fresh_attribute(node, name, Attribute::Kind::kInt, "INT").i = value;
}

void set_attribute(Node& node, std::string_view name, float value) {
    fresh_attribute(node, name, Attribute::Kind::kFloat, "FLOAT").f = value;
}

void set_attribute(Node& node, std::string_view name, std::string value) {
    fresh_attribute(node, name, Attribute::Kind::kString, "STRING").s = std::move(value);
}

void set_attribute(Node& node, std::string_view name, std::vector<std::int64_t> value) {
    fresh_attribute(node, name, Attribute::Kind::kInts, "INTS").ints = std::move(value);
}

Node make_node(std::string_view domain, std::string_view op_type, std::int64_t opset,
               std::string label, std::vector<int> inputs, std::vector<int> outputs) {
    Node node;
    node.domain = domain;
    node.op_type = op_type;
    node.opset = node.domain.empty() ? opset : 1;
    node.label = std::move(label);
    node.inputs = std::move(inputs);
    node.outputs = std::move(outputs);
    node.op = find_op(node.domain, node.op_type, node.opset);
    return node;
}

}  // namespace qaicnet
