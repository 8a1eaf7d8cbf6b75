// SPDX-License-Identifier: Apache-2.0
/// The order of the passes, and what they share.
#include "compiler/passes/passes.hpp"
#include "compiler/passes/runner_checks.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace qaicc {

using qaicrt::Status;

void Lowering::warn(std::string line) {
    if (std::find(warnings.begin(), warnings.end(), line) == warnings.end()) {
        say(0, line);
        warnings.push_back(std::move(line));
    }
}

void Lowering::warn_fp16_losses(const std::string& tensor, bool underflow, bool overflow) {
    const auto sentence = [&tensor](const char* what) {
        return fmt::format(
            "WARNING: {} contains value or values that will {} after conversion to "
            "16-bit floating point values.",
            tensor, what);
    };
    if (underflow) {
        warn(sentence("underflow"));
    }
    if (overflow) {
        warn(sentence("overflow"));
    }
}

namespace {

/// Runs one pass and, with -time-passes, says how long it took.
template <class Pass>
Status timed(Lowering& lowering, const char* name, Pass pass) {
    const auto start = std::chrono::steady_clock::now();
    QAICRT_CHECK(pass());
    if (lowering.options.print_times) {
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        lowering.say(0, fmt::format("time: {:<28} {:9.3f} ms", name, took.count()));
    }
    return {};
}

/// Messages call a node without a name by its place in the file, which later passes change.
void name_nodes(onnx::GraphProto& graph) {
    for (int i = 0; i < graph.node_size(); ++i) {
        if (graph.node(i).name().empty()) {
            graph.mutable_node(i)->set_name(fmt::format("#{}", i));
        }
    }
}

}  // namespace

Status run_passes(Lowering& lowering) {
    name_nodes(*lowering.model.mutable_graph());
    // Before dead code goes, and one of the two with it.
    QAICRT_CHECK(refuse_duplicates(lowering));
    QAICRT_CHECK(timed(lowering, "inline functions", [&] { return inline_functions(lowering); }));
    QAICRT_CHECK(timed(lowering, "select outputs", [&] { return select_outputs(lowering); }));
    QAICRT_CHECK(timed(lowering, "collect constants", [&] { return collect_constants(lowering); }));
    QAICRT_CHECK(timed(lowering, "remove dead code", [&] {
        remove_dead_code(lowering);
        return refuse_unsupported(lowering);
    }));
    QAICRT_CHECK(timed(lowering, "bind shapes", [&] { return bind_shapes(lowering); }));
    QAICRT_CHECK(timed(lowering, "type outputs", [&] { return type_outputs(lowering); }));
    // Before FP16: a profile may want the weights as the model has them, in FP32.
    if (lowering.options.mxfp6_matmul) {
        QAICRT_CHECK(timed(lowering, "quantise matmul weights",
                           [&] { return quantise_matmul_weights(lowering); }));
        // Originals that nobody reads any more must not be converted, nor warned about.
        remove_dead_code(lowering);
    }
    if (lowering.options.convert_to_fp16) {
        QAICRT_CHECK(timed(lowering, "convert to fp16", [&] { return convert_to_fp16(lowering); }));
        round_means_once(lowering);
    }
    strip_text(lowering);
    return timed(lowering, "move constants", [&] { return move_constants(lowering); });
}

}  // namespace qaicc
