// SPDX-License-Identifier: Apache-2.0
#include "compiler/passes/float_operands.hpp"

#include "compiler/graph_util.hpp"

#include <unordered_map>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;
using Names = std::vector<std::string>;

/// Operands that an operator reads as FLOAT whatever its data. Each row is one operator's operands
/// of equal type, -1 for none.
struct Row {
    const char* op_type;
    int inputs[2];
};
constexpr Row kRows[] = {{"BatchNormalization", {1, 2}},
                         {"BatchNormalization", {3, 4}},
                         {"OneHot", {1, -1}},
                         {"Resize", {1, -1}},
                         {"Resize", {2, -1}},
                         {"Upsample", {1, -1}}};

/// The operands of a node by the rows above.
std::vector<Names> groups_of(const NodeProto& node) {
    std::vector<Names> groups;
    for (const Row& row : kRows) {
        if (!is_onnx_op(node, row.op_type)) {
            continue;
        }
        Names& names = groups.emplace_back();
        for (const int input : row.inputs) {
            if (input >= 0 && input < node.input_size()) {
                names.push_back(node.input(input));
            }
        }
    }
    return groups;
}

/// Operands of equal type are kept together or not at all: what is not kept takes its partners with
/// it, and theirs.
void keep_whole_groups(const std::vector<Names>& groups, std::unordered_set<std::string>& kept) {
    std::unordered_map<std::string, std::vector<std::size_t>> member_of;
    std::vector<std::string> dropped;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        for (const std::string& name : groups[i]) {
            auto& places = member_of[name];
            if (places.empty() && !kept.contains(name)) {
                dropped.push_back(name);
            }
            places.push_back(i);
        }
    }
    while (!dropped.empty()) {
        const std::string name = std::move(dropped.back());
        dropped.pop_back();
        for (const std::size_t place : std::exchange(member_of[name], {})) {
            for (const std::string& partner : groups[place]) {
                if (kept.erase(partner) > 0) {
                    dropped.push_back(partner);
                }
            }
        }
    }
}

}  // namespace

std::unordered_set<std::string> float_operands(const GraphProto& graph) {
    std::vector<Names> groups;
    std::unordered_map<std::string, int> as_data;  // how often a tensor is read as anything else
    for (const auto& node : graph.node()) {
        Names read;
        add_names_read(node, read);
        for (const std::string& name : read) {
            ++as_data[name];
        }
        for (Names& group : groups_of(node)) {
            for (const std::string& name : group) {
                --as_data[name];
            }
            groups.push_back(std::move(group));
        }
    }
    for (const auto& output : graph.output()) {
        ++as_data[output.name()];
    }
    std::unordered_set<std::string> operands;
    for (const Names& group : groups) {
        operands.insert(group.begin(), group.end());
    }
    std::unordered_set<std::string> kept;
    for (const auto& tensor : graph.initializer()) {
        if (operands.contains(tensor.name()) && as_data[tensor.name()] == 0) {
            kept.insert(tensor.name());
        }
    }
    keep_whole_groups(groups, kept);
    return kept;
}

}  // namespace qaicc
