// SPDX-License-Identifier: Apache-2.0
/// qaic-run: runs a compiled program on a card and reports rate and latencies (docs/qaic-run.md).
#include "tools/qaic-run/engine.hpp"
#include "tools/qaic-run/options.hpp"
#include "tools/qaic-run/output_files.hpp"
#include "tools/qaic-run/report.hpp"
#include "tools/qaic-run/text.hpp"

#include <qaicrt/qaicrt.hpp>

#include <unistd.h>

#include <cstdio>
#include <new>

namespace qaicrun {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

constexpr int kExitFailure = 1, kExitUsage = 2, kExitSignal = 128;  // + its number: 130 for Ctrl-C

int fail(const Error& error, int exit_code) {
    std::fflush(stdout);
    std::fprintf(stderr, "qaic-run: %s\n", error.message.c_str());
    return exit_code;
}

/// Text for people: stdout, or stderr when stdout belongs to JSON.
class Printer {
  public:
    explicit Printer(const Options& options) : out_(options.json ? stderr : stdout) {}
    void line(const std::string& text) const {
        std::fprintf(out_, "%s\n", text.c_str());
        std::fflush(out_);  // whoever reads a pipe wants to know now
    }

  private:
    std::FILE* out_;
};

/// The progress line on a terminal and the periodic report of -l.
class Progress {
  public:
    Progress(const Options& options, const Printer& printer, std::uint64_t total,
             std::int32_t batch)
        : printer_(printer),
          total_(total),
          batch_(batch),
          live_(options.live),
          period_(options.live_period_ms),
          terminal_(isatty(STDERR_FILENO) != 0 && !options.json) {}

    void tick(std::uint64_t done, std::chrono::nanoseconds elapsed) {
        const std::string text = progress_text(done, total_, elapsed, batch_);
        if (terminal_) {
            std::fprintf(stderr, "\r\033[K%s", text.c_str());
            std::fflush(stderr);
            drawn_ = true;
        }
        if (live_ && elapsed - reported_ >= period_) {
            reported_ = elapsed;
            clear();
            printer_.line("Live:" + text);
        }
    }
    void clear() {
        if (drawn_) {
            std::fputs("\r\033[K", stderr);
            drawn_ = false;
        }
    }

  private:
    const Printer& printer_;
    std::uint64_t total_;
    std::int32_t batch_;
    bool live_;
    std::chrono::milliseconds period_;
    std::chrono::nanoseconds reported_{0};
    bool terminal_, drawn_ = false;
};

/// The device that was asked for, or the first with room for all activations.
qaicrt::Result<qaicrt::Device> choose_device(const Options& options,
                                             const qaicrt::Program& program) {
    QAICRT_TRY(const qaicrt::Context context, qaicrt::Context::create());
    if (options.device) {
        return context.open(*options.device);
    }
    const auto devices = context.devices();
    if (devices.empty()) {
        return Error(Errc::kNotFound, "no card found; set QAIC_DEVICES=emu for the emulated one");
    }
    for (const auto& info : devices) {
        auto device = context.open(info.qid);
        if (!device) {
            continue;
        }
        const auto status = device->status();
        if (status && status->nsp_free >= program.num_nsps() * options.activations) {
            return device;
        }
    }
    return context.open(devices.front().qid);  // its refusal says what is missing
}

void describe(const Printer& printer, const qaicrt::Device& device, const qaicrt::Program& program,
              const Options& options) {
    if (options.verbosity < 1) {
        return;
    }
    printer.line("Device: ID " + std::to_string(device.info().qid) + " (" +
                 device.info().description + ")");
    printer.line("Test path: " + options.test_data);
    const auto list = [&](const char* kind, std::span<const qaicrt::TensorInfo> tensors) {
        for (const auto& tensor : tensors) {
            std::string dims;
            for (const auto dim : tensor.dims) {
                dims += (dims.empty() ? "" : ", ") + std::to_string(dim);
            }
            printer.line(std::string(kind) + " " + shown(tensor.name) + " " +
                         qaicrt::data_type_name(tensor.type) + " [" + dims + "], " +
                         std::to_string(tensor.bytes) + " bytes");
        }
    };
    list("Input", program.inputs());
    list("Output", program.outputs());
}

qaicrt::Result<std::vector<qaicrt::Activation>> activate(const Options& options,
                                                         const qaicrt::Device& device,
                                                         const qaicrt::Program& program) {
    std::vector<qaicrt::Activation> activations;
    for (unsigned i = 0; i < options.activations; ++i) {
        auto activation = qaicrt::Activation::create(device, program, {.depth = options.set_size});
        if (!activation) {
            Error error = std::move(activation).error();
            if (i > 0) {
                error.message = "activation " + std::to_string(i) + " of " +
                                std::to_string(options.activations) + ": " + error.message;
            }
            return error;
        }
        activations.push_back(std::move(activation).value());
    }
    return activations;
}

void announce_inputs(const Printer& printer, const Inputs& inputs, bool unbounded) {
    if (inputs.random) {
        printer.line(unbounded ? "Using random inputs" : "Using bounded random inputs");
    } else if (inputs.batch) {
        printer.line("Number of Files(as per batch input):" + std::to_string(inputs.sets.size()));
    }
    if (!inputs.batch) {
        for (const auto& file : inputs.files) {
            printer.line("Input file: " + file);
        }
    }
}

qaicrt::Status dump_inputs(const Inputs& inputs, const qaicrt::Program& program,
                           OutputFiles& files) {
    const auto names = flat_names(program.inputs());
    const auto views = inputs.sets.front().views();
    for (std::size_t i = 0; i < views.size(); ++i) {
        QAICRT_CHECK(files.write_file(names[i] + "-input.bin", views[i]));
    }
    return {};
}

EngineOptions engine_options(const Options& options) {
    EngineOptions engine;
    engine.iterations = options.iterations;
    if (options.seconds) {
        engine.duration =
            std::chrono::nanoseconds(static_cast<std::int64_t>(*options.seconds * 1e9));
    }
    engine.stall_limit = std::chrono::milliseconds(std::uint64_t{options.submit_timeout_ms} *
                                                   (std::uint64_t{options.submit_retries} + 1));
    return engine;
}

void print_result(const Options& options, const Printer& printer, const RunResult& result,
                  const qaicrt::Program& program, const qaicrt::Device& device) {
    if (options.json) {
        const std::string json =
            stats_json(result,
                       {program.name(), device.info().name, options.activations, options.set_size,
                        program.batch_size()},
                       options.chart);
        std::fputs(json.c_str(), stdout);
        return;
    }
    if (options.verbosity >= 1 && !result.interrupted) {
        printer.line("Inference run completed successfully!");
    }
    std::fputs(stats_text(result, program.batch_size()).c_str(), stdout);
    if (options.chart) {
        std::fputs(chart_text(result.latencies).c_str(), stdout);
    }
}

/// The commonest wrong file deserves a better answer than what its first bytes are not.
qaicrt::Status refuse_model(const std::string& path) {
    if (path.ends_with(".onnx")) {
        return Error(qaicrt::Errc::kFormat,
                     "'" + path +
                         "' is an ONNX model, not a program; compile it first: qaic-exec -m=" +
                         path + " -compile-only -aic-binary-dir=DIR, then qaic-run -t DIR");
    }
    return {};
}

qaicrt::Result<int> run(Options options) {
    const Printer printer(options);
    for (const auto& note : options.notes) {
        printer.line("info: " + note);
    }
    const StopSignal stop;  // before the card makes threads
    QAICRT_CHECK(refuse_model(options.test_data));
    QAICRT_TRY(const qaicrt::Program program, qaicrt::Program::from_file(options.test_data));
    QAICRT_TRY(const Inputs inputs, collect_inputs(options, program.inputs()));
    if (inputs.batch && !options.iterations_given) {
        options.iterations = inputs.sets.size();
    }
    std::optional<OutputFiles> files;
    Progress progress(options, printer,
                      options.seconds ? 0 : options.iterations * options.activations,
                      program.batch_size());
    if (options.write_output || options.dump_inputs) {
        QAICRT_TRY(files, OutputFiles::open(options.output_dir, program.outputs(),
                                            [&](const std::string& text) {
                                                progress.clear();
                                                printer.line(text);
                                            }));
    }
    QAICRT_TRY(const qaicrt::Device device, choose_device(options, program));
    describe(printer, device, program, options);
    QAICRT_TRY(const auto activations, activate(options, device, program));
    announce_inputs(printer, inputs, options.unbound_random);
    if (options.dump_inputs) {
        QAICRT_CHECK(dump_inputs(inputs, program, *files));
    }

    EngineOptions engine = engine_options(options);
    engine.on_tick = [&](std::uint64_t done, std::chrono::nanoseconds elapsed) {
        progress.tick(done, elapsed);
    };
    if (options.write_output) {
        engine.on_output = [&](unsigned activation, std::uint64_t inference, auto outputs) {
            const bool wanted = inference >= options.output_start &&
                                inference - options.output_start < options.output_samples;
            return wanted ? files->write(activation, inference, outputs) : qaicrt::Status();
        };
    }
    auto result = run_inferences(activations, inputs, engine, stop);
    progress.clear();
    if (!result) {
        return std::move(result).error();
    }
    print_result(options, printer, *result, program, device);
    return result->interrupted ? kExitSignal + stop.requested() : 0;
}

int main_checked(const std::vector<std::string>& arguments) {
    auto options = parse_options(arguments);
    if (!options) {
        return fail(options.error(), kExitUsage);
    }
    if (options->help) {
        std::fputs(help_text().c_str(), stdout);
        return 0;
    }
    if (options->version) {
        std::puts("qaic-run " QAIC_VERSION);
        return 0;
    }
    const auto exit_code = run(std::move(options).value());
    if (!exit_code) {
        return fail(exit_code.error(), kExitFailure);
    }
    if (std::fflush(stdout) != 0) {
        return fail(Error(Errc::kIo, "cannot write to standard output"), kExitFailure);
    }
    return *exit_code;
}

}  // namespace
}  // namespace qaicrun

int main(int argc, char** argv) {
    // Exceptions can only be the standard library's own, out of memory above all.
    try {
        return qaicrun::main_checked({argv + 1, argv + argc});
    } catch (const std::bad_alloc&) {
        std::fputs("qaic-run: out of memory; run fewer activations or a smaller set size\n",
                   stderr);
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "qaic-run: %s\n", exception.what());
    }
    return qaicrun::kExitFailure;
}
