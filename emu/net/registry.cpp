// SPDX-License-Identifier: Apache-2.0
/// One table made of the families' tables; everything that asks "can this run?" asks here.
#include "emu/net/import.hpp"
#include "emu/net/op.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>

namespace qaicnet {

namespace {

template <class F>
void for_each_op(F&& visit) {
    for (const auto table : {elementwise_ops(),
                             activation_ops(),
                             softmax_ops(),
                             cast_ops(),
                             matmul_ops(),
                             shape_ops(),
                             movement_ops(),
                             mx_ops(),
                             math_ops(),
                             variadic_ops(),
                             parametric_activation_ops(),
                             logic_ops(),
                             reduce_ops(),
                             order_ops(),
                             norm_ops(),
                             einsum_ops(),
                             conv_ops(),
                             pool_ops(),
                             pool_last_ops(),
                             gather_ops(),
                             pad_ops(),
                             resize_ops(),
                             generate_ops(),
                             quantize_ops(),
                             recurrent_ops(),
                             control_ops(),
                             one_hot_ops(),
                             response_norm_ops(),
                             integer_ops(),
                             sample_ops(),
                             select_ops()}) {
        for (const OpDef& op : table) {
            visit(op);
        }
    }
}

std::string why_unsupported(const FlatNode& node, bool& exists) {
    bool other_opset = false;
    const std::string& op_type = node.proto->op_type();
    exists = true;
    if (find_op(node.domain, op_type, node.opset, &other_opset) == nullptr) {
        exists = other_opset;
        return other_opset
                   ? fmt::format(
                         "this runner has it in other opsets than the model's {}; convert the "
                         "model with onnx.version_converter",
                         node.opset)
                   : std::string("no such operator in this runner");
    }
    return refused_attribute(node);
}

}  // namespace

const OpDef* find_op(const std::string& domain, const std::string& op_type, std::int64_t opset,
                     bool* other_opset) {
    const OpDef* found = nullptr;
    for_each_op([&](const OpDef& op) {
        if (domain == op.domain && op_type == op.op_type) {
            if (opset >= op.since && opset <= op.until) {
                found = &op;
            } else if (other_opset != nullptr) {
                *other_opset = true;
            }
        }
    });
    return found;
}

std::vector<UnsupportedNode> find_unsupported(const onnx::ModelProto& model) {
    Budget budget(std::uint64_t{1} << 30);
    const auto flat = flatten_nodes(model, budget);
    if (!flat) {
        return {};  // load() gives that error; there are no nodes to name
    }
    std::map<std::string, UnsupportedNode> by_type;
    for (const FlatNode& node : flat->nodes) {
        bool exists = false;
        std::string reason = why_unsupported(node, exists);
        if (reason.empty()) {
            continue;
        }
        UnsupportedNode& entry = by_type[node.domain + "." + node.proto->op_type()];
        entry.domain = node.domain;
        entry.op_type = node.proto->op_type();
        if (entry.count == 0) {
            entry.reason = std::move(reason);
            entry.exists = exists;
        }
        ++entry.count;
        entry.names.push_back(node.label);
    }
    std::vector<UnsupportedNode> out;
    for (auto& [key, entry] : by_type) {
        out.push_back(std::move(entry));
    }
    return out;
}

std::vector<std::string> supported_operators() {
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> ranges;
    for_each_op([&](const OpDef& op) {
        const std::string name =
            *op.domain == '\0' ? op.op_type : fmt::format("{}.{}", op.domain, op.op_type);
        const auto [entry, fresh] = ranges.try_emplace(name, op.since, op.until);
        if (!fresh) {
            entry->second.first = std::min(entry->second.first, op.since);
            entry->second.second = std::max(entry->second.second, op.until);
        }
    });
    std::vector<std::string> out;
    for (const auto& [name, range] : ranges) {
        out.push_back(range.first == range.second
                          ? fmt::format("{} {}", name, range.first)
                          : fmt::format("{} {}-{}", name, range.first, range.second));
    }
    return out;
}

}  // namespace qaicnet
