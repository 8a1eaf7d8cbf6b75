// SPDX-License-Identifier: Apache-2.0
#include "compiler/compile.hpp"

#include "compiler/bindings.hpp"
#include "compiler/compile_model.hpp"
#include "compiler/model_file.hpp"
#include "compiler/output_file.hpp"
#include "compiler/passes/passes.hpp"
#include "emu/net/network.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace qaicc {
namespace {

using onnx::ModelProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;
using Bytes = std::vector<std::byte>;

/// Nothing leaves the library as an exception: protobuf and the standard library throw when memory
/// runs out.
template <class Function>
auto guarded(const std::string& source, Function function) -> decltype(function()) {
    try {
        auto result = function();
        if (!result) {
            result.error().message = printable(std::move(result.error().message));
        }
        return result;
    } catch (const std::bad_alloc&) {
        return Error(
            Errc::kNoMemory,
            fmt::format("Not enough memory to compile {}: free some, or use a smaller model.",
                        source));
    } catch (const std::length_error&) {
        return Error(
            Errc::kNoMemory,
            fmt::format("Not enough memory to compile {}: free some, or use a smaller model.",
                        source));
    } catch (const std::exception& failure) {
        return Error(Errc::kInternal, fmt::format("Compiling {} failed inside the compiler: {}.",
                                                  source, failure.what()));
    }
}

void add_property(ModelProto& model, const char* key, std::string value) {
    auto* property = model.add_metadata_props();
    property->set_key(key);
    property->set_value(std::move(value));
}

/// The options that shape the program, in a fixed order and spelling, without paths: equal options
/// give equal bytes wherever files lie.
std::string canonical_flags(const CompileOptions& options) {
    std::string flags = fmt::format("-aic-num-cores={}", options.num_cores);
    flags += options.convert_to_fp16 ? " -convert-to-fp16" : "";
    if (options.mxfp6_matmul) {
        flags += fmt::format(" -mxfp6-matmul -mx-profile={}", options.mx_profile);
    }
    if (options.batch_size) {
        flags += fmt::format(" -batchsize={}", *options.batch_size);
    }
    if (options.stats_batch_size) {
        flags += fmt::format(" -stats-batchsize={}", *options.stats_batch_size);
    }
    for (const auto& [symbol, size] : options.symbols) {
        flags += fmt::format(" -onnx-define-symbol={},{}", symbol, size);
    }
    for (const auto& [input, shape] : options.input_shapes) {
        flags += fmt::format(" -input-shape={},{}", input, fmt::join(shape, "x"));
    }
    if (!options.output_names.empty()) {
        flags += fmt::format(" -output-node-names={}", fmt::join(options.output_names, ","));
    }
    return flags;
}

/// What a reader of `.qaic.emu` can learn about its origin.
void describe(ModelProto& model, const CompileOptions& options) {
    // Initializers stopped being inputs in version 4; 8 is what the tools of today read.
    model.set_ir_version(std::max<std::int64_t>(model.ir_version(), 8));
    add_property(model, "exporter",
                 model.producer_version().empty()
                     ? model.producer_name()
                     : fmt::format("{} {}", model.producer_name(), model.producer_version()));
    model.set_producer_name("qaic-exec");
    model.set_producer_version(compiler_version());
    add_property(model, "flags", canonical_flags(options));
    if (options.mxfp6_matmul) {
        add_property(model, "mx_profile", options.mx_profile);
    }
}

Status check_options(const CompileOptions& options) {
    if (options.num_cores < 1 || options.num_cores > 16) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("A program takes 1 to 16 NSPs, not {}: change -aic-num-cores.",
                                 options.num_cores));
    }
    const std::int64_t batch = options.stats_batch_size.value_or(options.batch_size.value_or(1));
    if (batch < 1 || batch > 2147483647) {
        return Error(
            Errc::kInvalidArgument,
            fmt::format("The batch size is {}: give a number from 1 to 2147483647.", batch));
    }
    return {};
}

/// With -batchsize, an output whose batch is written into the graph (a Reshape to fixed sizes)
/// keeps the old one.
Status check_batch(const ModelProto& model, std::span<const qaicnet::ValueInfo> inferred,
                   const CompileOptions& options) {
    if (!options.batch_size) {
        return {};
    }
    for (int i = 0; i < model.graph().output_size(); ++i) {
        const auto& declared = model.graph().output(i).type().tensor_type().shape();
        const auto& dims = inferred[static_cast<std::size_t>(i)].dims;
        if (declared.dim_size() > 0 && !dims.empty() && declared.dim(0).has_dim_value() &&
            declared.dim(0).dim_value() == *options.batch_size && dims[0] != *options.batch_size) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("-batchsize={} does not reach the output '{}', whose leading dimension "
                            "stays {}: the graph fixes it; export the model with a symbolic batch.",
                            *options.batch_size, model.graph().output(i).name(), dims[0]));
        }
    }
    return {};
}

/// Shapes that the exporter wrote may be stale; the runner's are right.
void declare_outputs(ModelProto& model, std::span<const qaicnet::ValueInfo> inferred) {
    auto& outputs = *model.mutable_graph()->mutable_output();
    for (int i = 0; i < outputs.size(); ++i) {
        auto* type = outputs.Mutable(i)->mutable_type()->mutable_tensor_type();
        const auto& value = inferred[static_cast<std::size_t>(i)];
        type->set_elem_type(static_cast<std::int32_t>(value.type));
        type->clear_shape();
        for (const std::int64_t dim : value.dims) {
            type->mutable_shape()->add_dim()->set_dim_value(dim);
        }
    }
}

std::string program_name(const ModelProto& model) {
    std::string name;
    for (const char c : model.graph().name()) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.';
        name += plain ? c : '_';
    }
    return name.empty() ? "network" : name.substr(0, 64);
}

/// What is reported of a program, kept while the network itself makes room for the program's bytes.
struct Figures {
    std::size_t inputs = 0, outputs = 0, io_bytes = 0, arena_bytes = 0;
    std::vector<std::string> steps;

    explicit Figures(const qaicnet::Network& network)
        : inputs(network.inputs().size()),
          outputs(network.outputs().size()),
          arena_bytes(network.arena_bytes()),
          steps(network.steps()) {
        for (const auto values : {network.inputs(), network.outputs()}) {
            for (const auto& value : values) {
                io_bytes += value.bytes();
            }
        }
    }
};

/// -aic-perf-metrics.
void print_metrics(const Lowering& lowering, const qaicrt::qpc::ProgramSpec& spec,
                   const Figures& figures, std::size_t qpc_bytes) {
    const std::size_t constants = spec.constants.size();
    lowering.say(0, fmt::format("StaticConstantsSize: {} (bytes)", constants));
    lowering.say(0, "DynamicConstantsSize: 0 (bytes)");
    lowering.say(0, fmt::format("Constants size: {} (bytes)", constants));
    lowering.say(0, fmt::format("Inputs and outputs: {} (bytes)", figures.io_bytes));
    lowering.say(0, fmt::format("Activations memory: {} (bytes)", figures.arena_bytes));
    lowering.say(0, fmt::format("Graph: {} (bytes), {} steps", spec.emu_section.size(),
                                figures.steps.size()));
    lowering.say(0, fmt::format("Program: {} (bytes)", qpc_bytes));
}

/// -v and -vvv.
void print_summary(const Lowering& lowering, const Figures& figures, std::size_t constants_bytes,
                   std::size_t qpc_bytes) {
    for (const std::string& step : figures.steps) {
        lowering.say(3, fmt::format("step: {}", step));
    }
    lowering.say(1, fmt::format("program: {} inputs, {} outputs, {} steps, {} weights as MX codes, "
                                "{} bytes of constants, {} bytes in all",
                                figures.inputs, figures.outputs, figures.steps.size(),
                                lowering.mx_weights, constants_bytes, qpc_bytes));
}

/// `what` begins a sentence: "The graph of m.onnx without its weights".
Result<Bytes> serialise(const ModelProto& model, const std::string& what) {
    const std::size_t size = model.ByteSizeLong();
    if (size > 0x7fffffff) {
        return Error(Errc::kUnsupported,
                     fmt::format("{} takes {} bytes, and a protobuf message holds 2 GiB; split the "
                                 "model.",
                                 what, size));
    }
    Bytes bytes(size);
    if (!model.SerializeToArray(bytes.data(), static_cast<int>(size))) {
        return Error(Errc::kFormat,
                     fmt::format("{} cannot be written: a required field is missing; export the "
                                 "model again.",
                                 what));
    }
    return bytes;
}

/// -dump-graph.
Status dump_graph(ModelProto& lowered, const ModelProto& model, const Lowering& lowering) {
    lowered.set_producer_name(model.producer_name());
    lowered.set_producer_version(model.producer_version());
    *lowered.mutable_metadata_props() = model.metadata_props();
    lowered.mutable_graph()->set_name(program_name(model));
    QAICRT_TRY(const Bytes bytes, serialise(lowered, "The lowered graph of " + lowering.source));
    QAICRT_CHECK(write_graph_file(lowering.options.dump_graph, bytes));
    lowering.say(0, fmt::format("Lowered graph is present at {}", lowering.options.dump_graph));
    return {};
}

Result<Bytes> compile_parsed(ModelProto& model, const std::string& source,
                             const CompileOptions& options, CompileReport& report,
                             std::uint64_t max_bytes) {
    QAICRT_CHECK(check_options(options));
    if (!options.dump_graph.empty()) {
        QAICRT_CHECK(check_graph_file(options.dump_graph, options.model_path, options.output_dir));
    }
    Lowering lowering{model, options, source, {}, 0, {}, {}, max_bytes};
    lowering.say(0, "Compile started ............... ");
    if (options.convert_to_fp16) {
        lowering.say(0, "Compiling model with FP16 precision.");
    }
    if (auto passed = run_passes(lowering); !passed) {
        return std::move(passed).error();
    }
    describe(model, options);

    qaicrt::qpc::ProgramSpec spec;
    spec.constants = std::move(lowering.constants);
    // The card will load exactly this graph: what it would refuse there is refused here.
    qaicnet::LoadOptions limits;
    limits.max_bytes = max_bytes;
    ModelProto lowered;
    limits.lowered = options.dump_graph.empty() ? nullptr : &lowered;
    auto network = qaicnet::Network::load(model, spec.constants, limits);
    if (!network) {
        return about(std::move(network).error(), source);
    }
    QAICRT_CHECK(check_batch(model, (*network)->outputs(), options));
    declare_outputs(model, (*network)->outputs());
    QAICRT_TRY(spec.inputs, make_bindings((*network)->inputs(), "Input"));
    QAICRT_TRY(spec.outputs, make_bindings((*network)->outputs(), "Output"));
    spec.name = program_name(model);
    spec.num_nsps = static_cast<std::uint16_t>(options.num_cores);
    spec.batch_size = static_cast<std::int32_t>(
        options.stats_batch_size.value_or(options.batch_size.value_or(1)));
    QAICRT_TRY(spec.emu_section,
               serialise(model, fmt::format("The graph of {} without its weights", source)));
    const Figures figures(**network);
    network->reset();
    QAICRT_TRY(Bytes qpc, qaicrt::qpc::build_program(spec));
    if (!options.dump_graph.empty()) {
        QAICRT_CHECK(dump_graph(lowered, model, lowering));
    }

    if (options.print_metrics) {
        print_metrics(lowering, spec, figures, qpc.size());
    }
    print_summary(lowering, figures, spec.constants.size(), qpc.size());
    report.qpc_bytes = qpc.size();
    report.constants_bytes = spec.constants.size();
    report.mx_weights = lowering.mx_weights;
    report.warnings = std::move(lowering.warnings);
    return qpc;
}

void log_line(const CompileOptions& options, const std::string& line) {
    if (options.log) {
        options.log(printable(line));
    }
}

Result<Bytes> compile_file(const CompileOptions& options, CompileReport& report) {
    log_line(options, fmt::format("Reading ONNX Model from {}", options.model_path));
    QAICRT_TRY(const auto model, read_model_file(options.model_path));
    return compile_parsed(*model, options.model_path, options, report,
                          qaicnet::LoadOptions{}.max_bytes);
}

}  // namespace

std::string supported_operators_text() {
    std::string text;
    for (const std::string& name : qaicnet::supported_operators()) {
        text += name + "\n";
    }
    return text;
}

Result<Bytes> compile_model_bytes(std::span<const std::byte> bytes, const std::string& source,
                                  const CompileOptions& options, CompileReport* report,
                                  std::uint64_t max_bytes) {
    return guarded(source, [&]() -> Result<Bytes> {
        CompileReport local;
        QAICRT_TRY(const auto model, parse_model_bytes(bytes, source));
        return compile_parsed(*model, source, options, report != nullptr ? *report : local,
                              max_bytes);
    });
}

Result<Bytes> compile_model_to_bytes(const CompileOptions& options, CompileReport* report) {
    return guarded(options.model_path, [&]() -> Result<Bytes> {
        CompileReport local;
        return compile_file(options, report != nullptr ? *report : local);
    });
}

Result<CompileReport> compile_model(const CompileOptions& options) {
    return guarded(options.model_path, [&]() -> Result<CompileReport> {
        if (options.output_dir.empty()) {
            return Error(Errc::kInvalidArgument,
                         "No output directory is given: add -aic-binary-dir=DIR.");
        }
        QAICRT_CHECK(check_output_dir(options.output_dir));
        CompileReport report;
        QAICRT_TRY(const Bytes qpc, compile_file(options, report));
        QAICRT_TRY(report.qpc_path, write_program(options.output_dir, qpc));
        log_line(options, fmt::format("Generated binary is present at {}", options.output_dir));
        return report;
    });
}

}  // namespace qaicc
