// SPDX-License-Identifier: Apache-2.0
// What one inference costs the host besides arithmetic: heap allocations, and (under strace, see
// inference.sh) system calls. Runs a program N times after a warm-up and prints the allocations of
// the N runs, those of C libraries included.
#include "bench/count_allocations.hpp"
#include "compiler/compile.hpp"

#include <qaicrt/qaicrt.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

Result<qaicrt::Program> load(const std::string& path, const qaicc::CommandLine& line) {
    if (!path.ends_with(".onnx")) {
        return qaicrt::Program::from_file(path);
    }
    qaicc::CompileOptions options = line.options;
    options.model_path = path;
    QAICRT_TRY(auto bytes, qaicc::compile_model_to_bytes(options, nullptr));
    return qaicrt::Program::from_bytes(std::move(bytes));
}

/// `list`: raw files in the order of the inputs, separated by commas.
Status fill_inputs(qaicrt::Inference& inference, std::size_t count, std::string list) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t comma = list.find(',');
        const std::string path = list.substr(0, comma);
        list = comma == std::string::npos ? "" : list.substr(comma + 1);
        std::ifstream file(path, std::ios::binary);
        if (!file) {
            return Error(Errc::kNotFound, fmt::format("Input {}: '{}' cannot be read.", i, path));
        }
        const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
        QAICRT_CHECK(inference.set_input(i, std::as_bytes(std::span(bytes))));
    }
    return {};
}

Result<long> allocations_of(const std::string& path, int runs, const qaicc::CommandLine& line) {
    QAICRT_TRY(const auto program, load(path, line));
    QAICRT_TRY(const auto context, qaicrt::Context::create());
    QAICRT_TRY(const auto device, context.open(0));
    QAICRT_TRY(const auto activation, qaicrt::Activation::create(device, program));
    QAICRT_TRY(auto inference, activation.create_inference());
    if (!line.run.input_list_file.empty()) {
        std::string list;
        std::getline(std::ifstream(line.run.input_list_file), list);
        QAICRT_CHECK(fill_inputs(inference, program.inputs().size(), list));
    }
    for (int i = 0; i < 10; ++i) {
        QAICRT_CHECK(inference.run());
    }
    const long before = heap_allocations();
    if (before == 0) {
        return Error(Errc::kInternal,
                     "Loading a program without an allocation: they are not counted.");
    }
    for (int i = 0; i < runs; ++i) {
        QAICRT_CHECK(inference.run());
    }
    return heap_allocations() - before;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        fmt::print(
            stderr,
            "usage: bench_inference_counts MODEL.onnx|PROGRAM RUNS [options of qaic-exec]\n");
        return 2;
    }
    const auto line = qaicc::parse_command_line({argv + 3, argv + argc});
    const auto count =
        line ? allocations_of(argv[1], std::atoi(argv[2]), *line) : Result<long>(line.error());
    if (!count) {
        fmt::print(stderr, "bench_inference_counts: {}\n", count.error().message);
        return 1;
    }
    fmt::print("{}\n", *count);
    return 0;
}
