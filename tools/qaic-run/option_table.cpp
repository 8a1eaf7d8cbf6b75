// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/option_table.hpp"

#include <type_traits>

namespace qaicrun {
namespace {

using enum Policy;
using enum Value;

constexpr double kMaxCount = 1e15;
constexpr double kMaxMs = 86'400'000;
constexpr std::string_view kNoProfiling =
    "the emulated card has no device profile; use --chart or --json for latencies";

template <auto Member>
void set_text(Options& o, const Argument& a) {
    o.*Member = a.text;
}
template <auto Member>
void set_number(Options& o, const Argument& a) {
    o.*Member = static_cast<std::remove_reference_t<decltype(o.*Member)>>(a.integer);
}
template <auto Member>
void set_flag(Options& o, const Argument&) {
    o.*Member = true;
}

void add_input(Options& o, const Argument& a) {
    o.input_files.push_back(a.text);
}
void set_iterations(Options& o, const Argument& a) {
    o.iterations = static_cast<std::uint64_t>(a.integer);
    o.iterations_given = true;
}
void set_seconds(Options& o, const Argument& a) {
    o.seconds = a.decimal;
}
void set_device(Options& o, const Argument& a) {
    o.device = static_cast<int>(a.integer);
}
void set_batch_memory(Options& o, const Argument& a) {
    o.batch_max_bytes = static_cast<std::uint64_t>(a.integer) << 20;
}
void set_output_dir(Options& o, const Argument& a) {
    o.output_dir = a.text;
    o.write_output = true;
}
void set_output_start(Options& o, const Argument& a) {
    o.output_start = static_cast<std::uint64_t>(a.integer);
    o.write_output = true;
}
void set_output_samples(Options& o, const Argument& a) {
    o.output_samples = static_cast<std::uint64_t>(a.integer);
    o.write_output = true;
}
void more_verbose(Options& o, const Argument&) {
    ++o.verbosity;
}

const OptionRow kRows[] = {
    {kHeading, "", kNone, "", "What to run"},
    {kHonoured, "t test-data", kText, "PATH", "directory that holds programqpc.bin (required)", 0,
     0, set_text<&Options::test_data>},
    {kHonoured, "i input-file", kText, "FILE",
     "raw bytes or .npy; once per input, in the program's order (default: random data)", 0, 0,
     add_input},
    {kHonoured, "n num-iter", kInteger, "N", "inferences per activation (default 40)", 1, kMaxCount,
     set_iterations},
    {kHonoured, "time", kDecimal, "SECONDS", "run for this long instead of -n", 1e-3, 1e7,
     set_seconds},
    {kHonoured, "a aic-num-of-activations", kInteger, "N",
     "activations that run in parallel (default 1)", 1, 16, set_number<&Options::activations>},
    {kHonoured, "S set-size", kInteger, "N", "inferences in flight per activation (default 10)", 1,
     4096, set_number<&Options::set_size>},
    {kHonoured, "d aic-device-id dev", kInteger, "QID",
     "card (default: the first with enough free NSPs)", 0, 1e6, set_device},

    {kHeading, "", kNone, "", "Outputs"},
    {kHonoured, "write-output-dir", kText, "DIR",
     "write outputs as <tensor>-activation-<a>-inf-<i>.bin (default .)", 0, 0, set_output_dir},
    {kHonoured, "write-output-start-iter", kInteger, "N", "first inference to write (default 0)", 0,
     kMaxCount, set_output_start},
    {kHonoured, "write-output-num-samples", kInteger, "N",
     "how many inferences to write (default 1)", 1, kMaxCount, set_output_samples},

    {kHeading, "", kNone, "", "Inputs"},
    {kHonoured, "aic-batch-input-directory", kText, "DIR",
     "every file is one inference, by name; programs with one input", 0, 0,
     set_text<&Options::batch_directory>},
    {kHonoured, "aic-batch-input-file-list", kText, "FILE",
     "one inference per line: comma separated files in the program's order", 0, 0,
     set_text<&Options::batch_list>},
    {kHonoured, "aic-batch-max-memory", kInteger, "MB",
     "limit for the files of a batch (default 1024)", 1, 1e6, set_batch_memory},
    {kHonoured, "unbound-random", kNone, "", "random bytes 0-255, whatever the type", 0, 0,
     set_flag<&Options::unbound_random>},
    {kHonoured, "dump-input-buffers", kNone, "",
     "write the generated inputs as <tensor>-input.bin into the output directory", 0, 0,
     set_flag<&Options::dump_inputs>},

    {kHeading, "", kNone, "", "Reports"},
    {kHonoured, "chart", kNone, "", "histogram of the latencies", 0, 0, set_flag<&Options::chart>},
    {kHonoured, "json", kNone, "", "the statistics as one JSON object, nothing else on stdout", 0,
     0, set_flag<&Options::json>},
    {kHonoured, "l live-reporting", kNone, "", "a line with the rate every period", 0, 0,
     set_flag<&Options::live>},
    {kHonoured, "r live-reporting-period", kInteger, "MS", "period of -l (default 1000)", 1, kMaxMs,
     set_number<&Options::live_period_ms>},
    {kHonoured, "submit-timeout", kInteger, "MS",
     "give up when nothing finishes for this long, times retries + 1 (default 10000)", 1, kMaxMs,
     set_number<&Options::submit_timeout_ms>},
    {kHonoured, "submit-retry-count", kInteger, "N", "see --submit-timeout (default 5)", 0, 1000,
     set_number<&Options::submit_retries>},
    {kHonoured, "v verbose", kNone, "", "say more; repeat for still more", 0, 0, more_verbose},
    {kHonoured, "h help", kNone, "", "this text", 0, 0, set_flag<&Options::help>},
    {kHonoured, "version", kNone, "", "version", 0, 0, set_flag<&Options::version>},

    {kHeading, "", kNone, "", "Known to the vendor's runner, without effect here"},
    {kIgnored, "T aic-threads-per-queue", kInteger, "N", "one thread serves all queues", 1, 1024},
    {kIgnored, "p pre-post-processing", kChoice, "on|off", "conversions happen on the card"},
    {kIgnored, "c", kNone, "", "its meaning is not published"},
    {kIgnored, "s stats", kNone, "", kNoProfiling},
    {kIgnored, "aic-profiling-type", kChoice,
     "stats|trace|latency|trace_stream|latency_stream|raw_device_stats", kNoProfiling},
    {kIgnored, "aic-profiling-format", kChoice,
     "stats|trace|latency|trace_stream|latency_stream|raw_device_stats|DEF", kNoProfiling},
    {kIgnored, "aic-profiling-start-iter", kInteger, "N", kNoProfiling, 0, kMaxCount},
    {kIgnored, "aic-profiling-start-delay", kInteger, "MS", kNoProfiling, 0, kMaxMs},
    {kIgnored, "aic-profiling-num-samples", kInteger, "N", kNoProfiling, 0, kMaxCount},
    {kIgnored, "aic-profiling-duration", kInteger, "MS", kNoProfiling, 0, kMaxMs},
    {kIgnored, "aic-profiling-sampling-rate", kChoice, "full|half|fourth|eighth|sixteenth",
     kNoProfiling},
    {kIgnored, "aic-profiling-reporting-rate", kChoice, "500|1000|2000|4000", kNoProfiling},
    {kIgnored, "aic-profiling-out-dir", kText, "DIR", kNoProfiling},
    {kIgnored, "aic-lib-path", kText, "PATH", "the runtime is linked in"},

    {kHeading, "", kNone, "", "Known to the vendor's runner, not in this version"},
    {kRejected, "D dev-list aic-device-map", kText, "QIDS", "use -d with one card"},
    {kRejected, "aic-batch-json-input", kText, "FILE",
     "programs have one shape here; use -i or --aic-batch-input-file-list"},
    {kRejected, "auto-batch-input", kNone, "", "give inputs of the program's own batch size"},
};

}  // namespace

std::span<const OptionRow> option_rows() noexcept {
    return kRows;
}

}  // namespace qaicrun
