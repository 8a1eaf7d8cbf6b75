// SPDX-License-Identifier: Apache-2.0
// qaic-mx: numeric questions about MX formats and the card's weight compression, from a shell.
#include "tools/qaic-mx/commands.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <new>

namespace {

using namespace qaicmxtool;

constexpr int kFailed = 1;
constexpr int kBadCommandLine = 2;

void add_profile_options(CLI::App& command, ProfileOptions& options) {
    command.add_option("--format", options.format, "Element format: " + format_words());
    command.add_option("--block-size", options.block_size,
                       "Elements that share a scale; 0: the whole axis");
    command.add_option("--round", options.round, "Rounding: " + round_words());
    command.add_option("--scale-rule", options.scale_rule,
                       "Shared exponent: " + scale_rule_words());
    command.add_option("--scale-offset", options.scale_offset, "Added to the shared exponent");
    command.add_option("--scale-bits", options.scale_bits, "Width of the shared exponent, 2 to 8");
    command.add_flag("--flush-subnormals", options.flush_subnormals,
                     "Blocks whose largest value is subnormal: zero");
    command.add_option("--source", options.source, "Precision of the weights before: fp32, fp16");
    command.add_option("--result", options.result, "Precision of the values after: fp32, fp16");
    command.add_option("--inf", options.inf,
                       "An infinity makes its block nan, or it saturates: nan, saturate");
    command.add_option("--fp16-overflow", options.fp16_overflow,
                       "Values beyond FP16: inf, saturate");
    command.add_flag("--flush-fp16-subnormals", options.flush_fp16_subnormals,
                     "FP16-subnormal weights: zero");
    command.add_option("--negative-zero", options.negative_zero, "keep, drop");
    command.add_option("--seed", options.seed, "Seed of --round dither");
}

void add_explain(CLI::App& app, ExplainArguments& arguments) {
    CLI::App* command = app.add_subcommand(
        "explain", "What each profile makes of a few weights, and why they differ");
    command->add_option("weights", arguments.weights, "The weights (blocks start at the first)")
        ->required();
    command->add_option("--profile", arguments.profiles, "Only this profile (may be repeated)")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_profile_options(*command, arguments.options);
    command->add_flag("--chart", arguments.chart, "Draw the error of each weight");
    command->add_flag("--json", arguments.json, "Machine-readable output");
}

void add_quantize(CLI::App& app, QuantizeArguments& arguments) {
    CLI::App* command = app.add_subcommand("quantize", "Quantise and decode a float32 .npy file");
    command->add_option("--profile", arguments.profile, "Rules to start from")
        ->capture_default_str();
    command
        ->add_option("--axis", arguments.axes,
                     "Axis of the blocks, the last by default (repeat for tiles)")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_profile_options(*command, arguments.options);
    command->add_option("input", arguments.input, "float32 .npy file")->required();
    command->add_option("output", arguments.output, ".npy file to write")->required();
}

void add_compare(CLI::App& app, CompareArguments& arguments) {
    CLI::App* command =
        app.add_subcommand("compare", "Error statistics of all profiles on a float32 .npy file");
    command->add_option("input", arguments.input, "float32 .npy file")->required();
    command->add_option("--profile", arguments.profiles, "Only this profile (may be repeated)")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("--axis", arguments.axes,
                     "Axis of the blocks, the last by default (repeat for tiles)")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_profile_options(*command, arguments.options);
    command->add_flag("--chart", arguments.chart, "Draw the relative errors");
    command->add_flag("--json", arguments.json, "Machine-readable output");
}

void add_probes(CLI::App& app, ProbesArguments& arguments) {
    CLI::App* command = app.add_subcommand(
        "probes",
        "Write a model whose answers on a real card settle its rule, or read those answers");
    command
        ->add_option("directory", arguments.directory,
                     "Where the model, its inputs and the predictions go")
        ->required();
    command->add_option("--read", arguments.results,
                        "Directory with the outputs of a run; says which rules fit");
}

/// Arguments for CLI11, which wants them last first. It takes "-.5" for an option, so that becomes
/// "-0.5".
std::vector<std::string> reversed_arguments(int argc, char** argv) {
    std::vector<std::string> arguments;
    for (int i = argc - 1; i > 0; --i) {
        std::string argument = argv[i];
        if (argument.size() > 2 && argument[0] == '-' && argument[1] == '.') {
            argument.insert(1, "0");
        }
        arguments.push_back(std::move(argument));
    }
    return arguments;
}

int report(const Failure& failure) {
    std::fprintf(stderr, "qaic-mx: %s\n", failure.error.message.c_str());
    return failure.is_usage ? kBadCommandLine : kFailed;
}

int run(int argc, char** argv) {
    CLI::App app("Numeric questions about MX formats and the Cloud AI 100's -mxfp6-matmul",
                 "qaic-mx");
    app.require_subcommand(1);
    app.set_version_flag("--version", QAIC_VERSION);
    ExplainArguments explain;
    QuantizeArguments quantize;
    CompareArguments compare;
    ProbesArguments probes;
    add_explain(app, explain);
    add_quantize(app, quantize);
    add_compare(app, compare);
    add_probes(app, probes);
    try {
        app.parse(reversed_arguments(argc, argv));
    } catch (const CLI::ParseError& error) {
        const bool asked_for_help = error.get_exit_code() == 0;
        if (asked_for_help) {
            return app.exit(error);
        }
        std::fprintf(stderr, "qaic-mx: %s (see qaic-mx --help)\n", error.what());
        return kBadCommandLine;
    }
    const Outcome outcome = app.got_subcommand("explain")    ? run_explain(explain)
                            : app.got_subcommand("quantize") ? run_quantize(quantize)
                            : app.got_subcommand("compare")  ? run_compare(compare)
                                                             : run_probes(probes);
    if (outcome) {
        return report(*outcome);
    }
    if (std::fflush(stdout) != 0) {
        std::fprintf(stderr, "qaic-mx: The result cannot be written to standard output.\n");
        return kFailed;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "qaic-mx: There is not enough memory for this.\n");
        return kFailed;
    }
}
