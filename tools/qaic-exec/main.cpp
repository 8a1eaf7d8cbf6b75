// SPDX-License-Identifier: Apache-2.0
/// qaic-exec, also installed as qaic-compile: ONNX to a program, and a run of it unless
/// -compile-only.
#include "compiler/compile.hpp"
#include "tools/qaic-exec/run_program.hpp"
#include "tools/qaic-exec/supported_operators.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kBadCommandLine = 2;

void print_line(const std::string& line) {
    fmt::print("{}\n", line);
    // A pipe's reader sees progress as it happens, and in order with what stderr gets.
    std::fflush(stdout);
}

void print_error_line(const std::string& line) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", line);
}

int fail(const qaicrt::Error& error, int status) {
    print_error_line(error.message);
    return status;
}

std::string_view base_name(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// The compiler's program, from the file that it wrote or, without an output directory, from
/// memory.
qaicrt::Result<qaicrt::Program> compile_program(const qaicc::CompileOptions& options) {
    if (options.output_dir.empty()) {
        QAICRT_TRY(auto bytes, qaicc::compile_model_to_bytes(options, nullptr));
        return qaicrt::Program::from_bytes(std::move(bytes));
    }
    QAICRT_TRY(const qaicc::CompileReport report, qaicc::compile_model(options));
    return qaicrt::Program::from_file(report.qpc_path);
}

int compile_and_run(const qaicc::CommandLine& line) {
    const auto program = compile_program(line.options);
    if (!program) {
        return fail(program.error(), kFailure);
    }
    const auto ran = qaicexec::run_program(*program, line.run, print_line);
    return ran ? kSuccess : fail(ran.error(), kFailure);
}

/// Options that print something and stop; -1 when there is work to do.
int answer(const qaicc::CommandLine& line) {
    if (line.show_help || line.show_usage) {
        fmt::print("{}", line.show_usage ? qaicc::usage_text() : qaicc::help_text());
        return kSuccess;
    }
    if (line.show_version) {
        print_line(fmt::format("qaic-exec version {} (programs for the emulated AI 100 card)",
                               qaicc::compiler_version()));
        if (line.options.model_path.empty()) {
            return kSuccess;
        }
    }
    if (line.operators_supported) {
        auto written = qaicexec::write_supported_operators(print_line);
        return written ? kSuccess : fail(written.error(), kFailure);
    }
    return -1;
}

int run(std::string_view program_name, const std::vector<std::string>& args) {
    auto parsed = qaicc::parse_command_line(args);
    if (!parsed) {
        return fail(parsed.error(), kBadCommandLine);
    }
    qaicc::CommandLine& line = *parsed;
    if (const int status = answer(line); status >= 0) {
        return status;
    }
    line.compile_only |= base_name(program_name) == "qaic-compile";
    if (line.options.model_path.empty()) {
        print_error_line("No model is given: add -m=FILE.onnx, or see -h.");
        return kBadCommandLine;
    }
    if (line.compile_only && line.options.output_dir.empty()) {
        print_error_line("No output directory is given: add -aic-binary-dir=DIR, or see -h.");
        return kBadCommandLine;
    }
    for (const std::string& note : line.notes) {
        print_line(note);
    }
    // The variable carries options of the vendor's scheduler; none of them changes a result here.
    if (const char* hidden = std::getenv("QAIC_COMPILER_OPTS_UNSUPPORTED");
        hidden != nullptr && *hidden != '\0') {
        print_line("INFO: QAIC_COMPILER_OPTS_UNSUPPORTED has no effect on the emulated card.");
    }
    line.options.log = print_line;
    line.options.log_error = print_error_line;
    if (line.options.verbosity > 0) {
        print_line(fmt::format("loading compiler from: {} (built in, version {})", program_name,
                               qaicc::compiler_version()));
    }
    if (!line.compile_only) {
        return compile_and_run(line);
    }
    auto report = qaicc::compile_model(line.options);
    return report ? kSuccess : fail(report.error(), kFailure);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
        const int status = run(argc > 0 ? argv[0] : "qaic-exec", args);
        if (std::fflush(stdout) != 0 && status == kSuccess) {
            fmt::print(stderr, "Cannot write to standard output ({}).\n", std::strerror(errno));
            return kFailure;
        }
        return status;
    } catch (const std::exception& failure) {
        std::fputs("qaic-exec stopped: ", stderr);
        std::fputs(failure.what(), stderr);
        std::fputs(".\n", stderr);
        return kFailure;
    }
}
