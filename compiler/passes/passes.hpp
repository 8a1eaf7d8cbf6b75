// SPDX-License-Identifier: Apache-2.0
/// The steps from a model as exported to a graph that the emulated card runs. Each changes the
/// graph in place and leaves it valid; lower.cpp has their order.
#pragma once

#include "compiler/compile.hpp"
#include "compiler/printable.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace qaicc {

/// A model on its way through the passes.
struct Lowering {
    onnx::ModelProto& model;
    const CompileOptions& options;
    std::string source;  ///< the model's file name, for messages

    std::vector<std::byte> constants;  ///< constants.bin, filled by move_constants
    std::size_t mx_weights = 0;
    std::vector<std::string> warnings;
    /// Tensors that a pass made, and the model's tensor that they stand for.
    std::map<std::string, std::string> made_from;
    std::uint64_t max_bytes = std::uint64_t{64} << 30;  ///< of the network, when a pass loads it

    /// Prints at verbosity >= level.
    void say(int level, const std::string& line) const {
        if (options.log && options.verbosity >= level) {
            options.log(printable(line));
        }
    }
    /// Prints and records, each line once.
    void warn(std::string line);
    /// The vendor's sentence for a tensor that FP16 cannot hold.
    void warn_fp16_losses(const std::string& tensor, bool underflow, bool overflow);
};

/// Replaces calls of model-local functions by their bodies. Errors: kFormat (recursion),
/// kUnsupported (opset versions that differ, too many nodes).
qaicrt::Status inline_functions(Lowering& lowering);

/// Keeps options.output_names (tensor or node names) as the graph's outputs, in that order.
/// Errors: kNotFound naming what exists.
qaicrt::Status select_outputs(Lowering& lowering);

/// Dense Constant nodes become initializers; values move to raw_data; initializers leave the
/// graph's inputs. Errors: kFormat (a damaged tensor), kUnsupported (sparse initializers).
qaicrt::Status collect_constants(Lowering& lowering);

/// Drops nodes and initializers on which no output depends. Inputs stay: callers feed them.
void remove_dead_code(Lowering& lowering);

/// Fixes the shape of every graph input from -onnx-define-symbol and -batchsize; drops shapes
/// elsewhere, because the runner infers them. Errors: kInvalidArgument naming open or conflicting
/// dimensions.
qaicrt::Status bind_shapes(Lowering& lowering);

/// Constant operands of MatMul and Gemm become MX codes and an MxDequantize node (or, for profiles
/// without codes, their decoded values), decoded to FLOAT.
qaicrt::Status quantise_matmul_weights(Lowering& lowering);

/// FLOAT becomes FLOAT16 inside the graph; its inputs and outputs keep their types through Casts.
qaicrt::Status convert_to_fp16(Lowering& lowering);

/// After convert_to_fp16: a ReduceSum that is only divided by constants is rounded after the
/// division.
void round_means_once(Lowering& lowering);

/// Removes texts and annotations that running does not need.
void strip_text(Lowering& lowering);

/// Moves the values of initializers to `constants`, each 64-byte aligned; small integer tensors
/// stay. Errors: kUnsupported naming a tensor of a type that cannot be stored.
qaicrt::Status move_constants(Lowering& lowering);

/// All of the above in order.
qaicrt::Status run_passes(Lowering& lowering);

}  // namespace qaicc
