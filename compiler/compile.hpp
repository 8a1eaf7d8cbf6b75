// SPDX-License-Identifier: Apache-2.0
/// ONNX to QPC, a library for qaic-exec and the Python module. libqaicrt never depends on it.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qaicc {

struct CompileOptions {
    std::string model_path;
    std::string output_dir;  ///< programqpc.bin goes here; "" with compile_model_to_bytes
    bool convert_to_fp16 = false;
    bool mxfp6_matmul = false;
    std::string mx_profile = "aic100";       ///< qaicmx profile for mxfp6_matmul
    unsigned num_cores = 1;                  ///< 1…16
    std::optional<std::int64_t> batch_size;  ///< replaces the leading dimension of every input
    std::optional<std::int64_t> stats_batch_size;  ///< recorded as the QPC's batch size
    std::vector<std::pair<std::string, std::int64_t>> symbols;
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> input_shapes;  ///< by input name
    std::vector<std::string> output_names;  ///< restrict or reorder; empty: the model's
    /// The lowered graph is written here as ONNX, before the program; "": nowhere.
    std::string dump_graph;
    int verbosity = 0;
    bool print_times = false;    ///< log how long each stage took
    bool print_metrics = false;  ///< log sizes of constants, I/O and program
    /// Progress, info and warning lines as the vendor's compiler prints them; may be empty.
    std::function<void(const std::string&)> log;
    /// Lines of the vendor's error frame, before the error is returned (unsupported nodes); may be
    /// empty.
    std::function<void(const std::string&)> log_error;
};

struct CompileReport {
    std::string qpc_path;  ///< "" with compile_model_to_bytes
    std::size_t qpc_bytes = 0;
    std::size_t constants_bytes = 0;
    std::size_t mx_weights = 0;  ///< weights stored as MX codes
    std::vector<std::string> warnings;
};

/// Compiles and writes <output_dir>/programqpc.bin atomically; a failure leaves no partial file and
/// removes directories that it made. Errors are one sentence; unsupported nodes are all named, with
/// counts.
qaicrt::Result<CompileReport> compile_model(const CompileOptions& options);
/// The same; the only file that it may write is options.dump_graph.
qaicrt::Result<std::vector<std::byte>> compile_model_to_bytes(const CompileOptions& options,
                                                              CompileReport* report);

/// Random or given data that qaic-exec runs after compiling (without -compile-only).
struct RunOptions {
    int device_id = 0;
    std::int64_t iterations = 1;  ///< inferences per activation without an input list
    unsigned set_size = 10;       ///< inferences in flight per activation
    unsigned instances = 1;       ///< activations
    std::string
        input_list_file;     ///< one inference per line: comma separated raw files in input order
    std::string output_dir;  ///< outputs are written here as raw files; "": not written
    std::int64_t output_start = 0, output_samples = 1;
};

struct CommandLine {
    CompileOptions options;
    RunOptions run;
    bool compile_only = false, show_help = false, show_usage = false, show_version = false;
    std::optional<std::string> operators_supported;  ///< "onnx"
    std::vector<std::string> notes;  ///< info lines for flags that are known and meaningless here
};

/// Parses `-flag`, `-flag=value` (one or two dashes) as qaic-exec does; the list is without the
/// program's name. Errors: kInvalidArgument for an unknown flag (the vendor's sentence) or a bad
/// value, kUnsupported for a flag that needs what this version does not have.
qaicrt::Result<CommandLine> parse_command_line(const std::vector<std::string>& args);

/// The same table for Session(**kwargs): names with underscores or dashes, values as Python's str()
/// gives them
/// ("True", "False", "4"; repeat an option by repeating its pair). `output_dir` means
/// -aic-binary-dir. `notes`, if not null, gets the info lines. Errors as parse_command_line.
qaicrt::Result<CompileOptions> options_from_keywords(
    const std::vector<std::pair<std::string, std::string>>& keywords,
    std::vector<std::string>* notes = nullptr);

/// The text of OnnxSupportedOperators.txt: one "Name first-last" opset range a line, sorted.
std::string supported_operators_text();

std::string help_text();              ///< -h: the options that do something
std::string usage_text();             ///< --usage: every known option with its default
std::string option_table_markdown();  ///< the table of docs/qaic-exec.md
const char* compiler_version() noexcept;

}  // namespace qaicc
