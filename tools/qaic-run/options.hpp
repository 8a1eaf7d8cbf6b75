// SPDX-License-Identifier: Apache-2.0
/// qaic-run's command line: the options of the vendor's runner, with one or two dashes and with
/// `=`.
#pragma once

#include <qaicrt/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qaicrun {

struct Options {
    std::string test_data;                 ///< -t: a directory with programqpc.bin, or a QPC file
    std::vector<std::string> input_files;  ///< -i: one per input, in binding order
    std::string batch_directory;           ///< every file is one inference
    std::string batch_list;                ///< one inference per line, comma separated files
    std::uint64_t batch_max_bytes = std::uint64_t{1024} << 20;
    std::uint64_t iterations = 40;  ///< inferences per activation
    bool iterations_given = false;
    std::optional<double> seconds;  ///< --time: instead of a number
    unsigned activations = 1;
    unsigned set_size = 10;  ///< inferences in flight per activation
    std::optional<int> device;
    bool write_output = false;
    std::string output_dir = ".";
    std::uint64_t output_start = 0, output_samples = 1;
    bool unbound_random = false;
    bool dump_inputs = false;
    bool live = false;
    unsigned live_period_ms = 1000;
    unsigned submit_timeout_ms =
        10000;  ///< of one try; more patient than the kernel's 5 s, as the emulator is slower
    unsigned submit_retries = 5;
    bool chart = false, json = false;
    int verbosity = 0;
    bool help = false, version = false;
    std::vector<std::string> notes;  ///< info lines for options that mean nothing on this card
};

/// `arguments` is without the program's name. Errors: kInvalidArgument (unknown option, bad or
/// missing value, options that contradict each other), kUnsupported (known, but not in this
/// version).
qaicrt::Result<Options> parse_options(const std::vector<std::string>& arguments);

std::string help_text();

}  // namespace qaicrun
