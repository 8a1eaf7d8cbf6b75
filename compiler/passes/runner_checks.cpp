// SPDX-License-Identifier: Apache-2.0
#include "compiler/passes/runner_checks.hpp"

#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string>
#include <unordered_map>

namespace qaicc {
namespace {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

std::int64_t opset_version(const onnx::ModelProto& model, const std::string& domain) {
    for (const auto& opset : model.opset_import()) {
        const bool both_default = (opset.domain().empty() || opset.domain() == "ai.onnx") &&
                                  (domain.empty() || domain == "ai.onnx");
        if (both_default || opset.domain() == domain) {
            return opset.version();
        }
    }
    return 0;
}

std::string shown_type(const qaicnet::UnsupportedNode& type) {
    return type.domain.empty() ? type.op_type : fmt::format("{}.{}", type.domain, type.op_type);
}

}  // namespace

Status refuse_duplicates(const Lowering& lowering) {
    const auto& graph = lowering.model.graph();
    std::unordered_map<std::string, std::string> made_by;
    for (const auto& input : graph.input()) {
        made_by.emplace(input.name(), "an input of the model");
    }
    for (const auto& tensor : graph.initializer()) {
        made_by.emplace(tensor.name(), "an initializer");
    }
    for (const auto& node : graph.node()) {
        const std::string maker = fmt::format("node '{}' ({})", node.name(), node.op_type());
        for (const auto& output : node.output()) {
            const auto [first, fresh] = made_by.emplace(output, maker);
            if (!fresh && !output.empty()) {
                return Error(Errc::kFormat,
                             fmt::format("{}: the name '{}' is that of {} and of a result of {}; "
                                         "every tensor needs a name of its own.",
                                         lowering.source, output, first->second, maker));
            }
        }
    }
    return {};
}

Status refuse_unsupported(Lowering& lowering) {
    const auto& model = lowering.model;
    const auto types = qaicnet::find_unsupported(model);
    if (types.empty()) {
        return {};
    }
    const auto frame = [&](const std::string& line) {
        if (lowering.options.log_error) {
            lowering.options.log_error(printable(line));
        }
    };
    frame("QAIC_ERROR:");
    std::size_t count = 0;
    std::string list;
    bool all_exist = true;
    for (const auto& type : types) {
        count += type.count;
        all_exist = all_exist && type.exists;
        list +=
            fmt::format("{}{} ({}: {}){}", list.empty() ? "" : "; ", shown_type(type), type.count,
                        fmt::join(type.names, ", "), type.exists ? ", " + type.reason : "");
        for (const std::string& name : type.names) {
            frame(fmt::format(
                "Error message:  [Operator-'{}', opset_version-{}, ir_version-{}] : {}", name,
                opset_version(model, type.domain), model.ir_version(), type.reason));
        }
    }
    frame("QAICException:Unable to AddNodesToGraphFromModel");
    return Error(
        Errc::kUnsupported,
        fmt::format("{} has {} node{} that cannot be run here: {}{}.", lowering.source, count,
                    count == 1 ? "" : "s", list,
                    all_exist ? "" : "; qaic-exec -operators-supported=onnx lists what can"));
}

Status type_outputs(Lowering& lowering) {
    auto& outputs = *lowering.model.mutable_graph()->mutable_output();
    const bool typed = std::all_of(outputs.begin(), outputs.end(), [](const auto& output) {
        return output.type().tensor_type().elem_type() != 0;
    });
    if (typed) {
        return {};
    }
    qaicnet::LoadOptions limits;
    limits.max_bytes = lowering.max_bytes;
    const auto network = qaicnet::Network::load(lowering.model, {}, limits);
    if (!network) {
        auto error = network.error();
        return about(std::move(error), lowering.source);
    }
    const auto inferred = (*network)->outputs();
    for (int i = 0; i < outputs.size() && static_cast<std::size_t>(i) < inferred.size(); ++i) {
        outputs.Mutable(i)->mutable_type()->mutable_tensor_type()->set_elem_type(
            static_cast<std::int32_t>(inferred[static_cast<std::size_t>(i)].type));
    }
    return {};
}

}  // namespace qaicc
