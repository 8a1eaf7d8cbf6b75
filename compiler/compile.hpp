// SPDX-License-Identifier: Apache-2.0
/// ONNX to QPC, a library for qaic-exec and the Python module. libqaicrt never depends on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <qaicrt/result.hpp>

namespace qaicc {

struct CompileOptions {
    std::string model_path;
    std::string output_dir;  ///< programqpc.bin goes here; "" with compile_model_to_bytes
    bool convert_to_fp16 = false;
    bool mxfp6_matmul = false;
    std::string mx_profile = "aic100";  ///< qaicmx profile for mxfp6_matmul
    unsigned num_cores = 1;             ///< 1…16
    std::optional<std::int64_t> batch_size;        ///< replaces the leading dimension of every input
    std::optional<std::int64_t> stats_batch_size;  ///< recorded as the QPC's batch size
    std::vector<std::pair<std::string, std::int64_t>> symbols;
    std::vector<std::string> output_names;  ///< restrict or reorder; empty: the model's
    int verbosity = 0;
    /// Progress, info and warning lines as the vendor's compiler prints them; may be empty.
    std::function<void(const std::string&)> log;
};

struct CompileReport {
    std::string qpc_path;  ///< "" with compile_model_to_bytes
    std::size_t qpc_bytes = 0;
    std::size_t constants_bytes = 0;
    std::size_t mx_weights = 0;  ///< weights stored as MX codes
    std::vector<std::string> warnings;
};

/// Compiles and writes <output_dir>/programqpc.bin atomically; a failure leaves no partial file and removes
/// directories that it made. Errors are one sentence; unsupported nodes are all named, with counts.
qaicrt::Result<CompileReport> compile_model(const CompileOptions& options);
/// The same without touching the file system for output.
qaicrt::Result<std::vector<std::byte>> compile_model_to_bytes(const CompileOptions& options, CompileReport* report);

/// One option of the vendor's command line, as qaic-exec and Session(**kwargs) understand it.
enum class FlagPolicy : std::uint8_t { kHonoured, kIgnored, kRejected };
struct CommandLine {
    CompileOptions options;
    bool compile_only = false, show_help = false, show_version = false;
    std::optional<std::string> operators_supported;  ///< "onnx"
    int device_id = 0;
    std::vector<std::string> notes;  ///< info lines for flags that are known and meaningless here
};
/// Parses `-flag`, `-flag=value` (one or two dashes) as qaic-exec does. Errors: kInvalidArgument with the
/// vendor's sentence for an unknown flag.
qaicrt::Result<CommandLine> parse_command_line(const std::vector<std::string>& args);
std::string help_text();

}  // namespace qaicc
