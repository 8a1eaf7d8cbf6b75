// SPDX-License-Identifier: Apache-2.0
#include "compiler/options/option_table.hpp"

#include <array>
#include <cctype>

namespace qaicc {
namespace {

using Apply = void (*)(CommandLine&, const OptionValue&);
constexpr double kAnyInt = 9e15;

constexpr OptionSpec group(std::string_view title) {
    OptionSpec spec;
    spec.text = title;
    return spec;
}

constexpr OptionSpec use(std::string_view names, ValueKind kind, std::string_view hint,
                         std::string_view initial, std::string_view text, Apply apply,
                         double low = 0, double high = 0) {
    return {FlagPolicy::kHonoured, names, kind, hint, initial, text, low, high, apply};
}

constexpr OptionSpec ignore(std::string_view names, ValueKind kind, std::string_view hint,
                            std::string_view text, double low = -kAnyInt, double high = kAnyInt) {
    return {FlagPolicy::kIgnored, names, kind, hint, "", text, low, high, nullptr};
}

constexpr OptionSpec reject(std::string_view names, ValueKind kind, std::string_view hint,
                            std::string_view reason) {
    return {FlagPolicy::kRejected, names, kind, hint, "", reason, 0, 0, nullptr};
}

/// Comma separated names, blanks kept: tensor names may hold them.
void append_names(std::vector<std::string>& out, std::string_view list) {
    while (true) {
        const std::size_t comma = list.find(',');
        out.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) {
            return;
        }
        list.remove_prefix(comma + 1);
    }
}

constexpr auto kSwitch = ValueKind::kSwitch;
constexpr auto kInt = ValueKind::kInt;
constexpr auto kFloat = ValueKind::kFloat;
constexpr auto kText = ValueKind::kText;
constexpr auto kList = ValueKind::kList;
constexpr auto kIntList = ValueKind::kIntList;
constexpr auto kSymbol = ValueKind::kSymbol;
constexpr auto kShape = ValueKind::kShape;
constexpr auto kChoice = ValueKind::kChoice;

constexpr std::string_view kQuantising =
    "this version computes in FP32 or FP16 and does not quantise activations";
constexpr std::string_view kSchemas =
    "asymmetric|symmetric|symmetric_with_uint8|symmetric_with_power2_scale";

constexpr auto kTable = std::to_array<OptionSpec>({
    group("Model, target and output"),
    use("m model", kText, "FILE", "", "ONNX model (.onnx, external data in the model's folder)",
        [](CommandLine& c, const OptionValue& v) { c.options.model_path = v.text; }),
    use("output-node-name output-node-names", kList, "NAME,...", "the model's outputs",
        "keep only these outputs, in this order (tensor names, or node names)",
        [](CommandLine& c, const OptionValue& v) { append_names(c.options.output_names, v.text); }),
    use("onnx-define-symbol", kSymbol, "NAME,INT", "",
        "size of a symbolic dimension (repeat for more)",
        [](CommandLine& c, const OptionValue& v) {
            c.options.symbols.emplace_back(v.symbol, v.number);
        }),
    use("input-shape", kShape, "NAME,INTxINT...", "",
        "whole shape of an input, for dimensions without a usable symbol (an option of this "
        "compiler; repeat for more)",
        [](CommandLine& c, const OptionValue& v) {
            c.options.input_shapes.emplace_back(v.symbol, v.dims);
        }),
    use(
        "batchsize", kInt, "INT", "the model's", "replace the leading dimension of every input",
        [](CommandLine& c, const OptionValue& v) { c.options.batch_size = v.number; }, 1,
        2147483647),
    use(
        "stats-batchsize", kInt, "INT", "-batchsize, or 1",
        "batch size recorded in the program: statistics count so many per inference",
        [](CommandLine& c, const OptionValue& v) { c.options.stats_batch_size = v.number; }, 1,
        2147483647),
    use("aic-hw", kSwitch, "", "off", "compile for the card; with and without, the emulated card",
        [](CommandLine&, const OptionValue&) {}),
    use("aic-hw-version", kChoice, "2.0|ai100", "2.0", "generation of the card",
        [](CommandLine&, const OptionValue&) {}),
    use("aic-binary-dir @output-dir", kText, "DIR", "",
        "write DIR/programqpc.bin; DIR is made, and must be empty or hold our own earlier program",
        [](CommandLine& c, const OptionValue& v) { c.options.output_dir = v.text; }),
    use("compile-only", kSwitch, "", "off; always on as qaic-compile",
        "stop after writing the program; without it the program is run on random input",
        [](CommandLine& c, const OptionValue& v) { c.compile_only = v.on; }),
    use(
        "aic-num-cores", kInt, "INT", "1", "NSPs that the program takes, 1 to 16",
        [](CommandLine& c, const OptionValue& v) {
            c.options.num_cores = static_cast<unsigned>(v.number);
        },
        1, 16),
    use("operators-supported", kChoice, "onnx", "",
        "write OnnxSupportedOperators.txt in the working directory and stop",
        [](CommandLine& c, const OptionValue& v) { c.operators_supported = v.text; }),
    ignore("always-expand-onnx-functions", kSwitch, "", "expand ONNX function operators"),
    ignore("sub-functions", kSwitch, "", "keep model-local functions as sub-programs"),
    ignore("enable-debug", kSwitch, "", "debug mode of the compiler"),
    ignore("compile-threads", kInt, "INT", "threads of the compiler", 1, kAnyInt),
    reject("model-input @model-inputs", kText, "NAME,TYPE,[DIMS]",
           "it declares the inputs of TorchScript models, and an ONNX model carries its own; use "
           "-onnx-define-symbol, -input-shape or -batchsize to set sizes"),
    reject("register-custom-op", kText, "FILE", "custom operators cannot be loaded"),

    group("Precision"),
    use("convert-to-fp16", kSwitch, "", "off",
        "compute in FP16 (sums in FP32); inputs and outputs keep their types",
        [](CommandLine& c, const OptionValue& v) { c.options.convert_to_fp16 = v.on; }),
    use("mxfp6-matmul", kSwitch, "", "off",
        "store constant MatMul and Gemm weights as MXFP6, blocks of 32 along the reduction axis",
        [](CommandLine& c, const OptionValue& v) { c.options.mxfp6_matmul = v.on; }),
    use("mx-profile", kText, "NAME", "aic100",
        "rules of -mxfp6-matmul (an option of this compiler; qaic-mx explain compares them)",
        [](CommandLine& c, const OptionValue& v) { c.options.mx_profile = v.text; }),
    reject("convert-to-quantize", kSwitch, "", kQuantising),
    reject("use-random-input-data", kText, "KIND", kQuantising),
    reject("dump-profile", kText, "FILE", kQuantising),
    reject("load-profile", kText, "FILE", kQuantising),
    reject("external-quantization @external-quantization-file", kText, "FILE", kQuantising),
    reject("num-histogram-bins", kInt, "INT", kQuantising),
    reject("quantization-schema-activations", kChoice, kSchemas, kQuantising),
    reject("quantization-schema-constants", kChoice, kSchemas, kQuantising),
    reject("quantization-schema", kChoice, kSchemas, kQuantising),
    reject("quantization-calibration", kText, "NAME", kQuantising),
    reject("percentile-calibration-value", kFloat, "FLOAT", kQuantising),
    reject("quantization-precision", kChoice, "Int8|Int16", kQuantising),
    reject("quantization-precision-bias", kChoice, "Int8|Int32", kQuantising),
    reject("enable-channelwise", kSwitch, "", kQuantising),
    reject("enable-rowwise", kSwitch, "", kQuantising),
    reject("execute-nodes-in-fp16", kList, "TYPE,...", kQuantising),
    reject("keep-original-precision-for-nodes", kList, "TYPE,...", kQuantising),
    reject("node-precision-info @node-precision-info-file", kText, "FILE",
           "one precision holds for the whole graph"),
    reject("load-embedding-tables", kText, "FILE", "embedding table files are not read"),
    reject("dump-embedding-tables", kText, "FILE", "embedding table files are not written"),
    ignore("profiling-threads", kInt, "INT", "threads of quantisation profiling", 1, kAnyInt),

    group("Shapes, state, inputs and outputs"),
    reject("network-specialization-config", kText, "FILE",
           "a program holds one set of shapes; bind symbols with -onnx-define-symbol"),
    reject("retained-state", kSwitch, "", "tensors cannot stay on the card between inferences"),
    reject("split-retained-state-io", kSwitch, "",
           "tensors cannot stay on the card between inferences"),
    reject("split-model-io", kSwitch, "", "it belongs to programs with retained state"),
    reject("custom-IO-list-file custom-io-list-file", kText, "FILE",
           "inputs and outputs have the types of the ONNX graph"),
    reject("dump-custom-IO-config-template-file dump-custom-io-config-template-file", kText, "FILE",
           "inputs and outputs have the types of the ONNX graph"),
    reject("dynamic-shape-input", kList, "NAME,...",
           "shapes are fixed at compile time; bind symbols with -onnx-define-symbol"),
    reject("direct-api", kSwitch, "", "AI 100 cards do not have it"),
    ignore("combine-inputs", kSwitch, "", "pack inputs into fewer DMA buffers"),
    ignore("combine-outputs", kSwitch, "", "pack outputs into fewer DMA buffers"),
    ignore("host-preproc", kSwitch, "", "convert inputs and outputs on the host"),
    ignore("aic-preproc", kSwitch, "", "convert inputs and outputs on the card (always so here)"),
    ignore("io-crc", kSwitch, "", "check sums of inputs and outputs"),
    ignore("io-crc-stride", kInt, "INT", "stride of the check sums", 1, kAnyInt),

    group("Partitioning and scheduling"),
    reject("mdp-load-partition-config", kText, "FILE", "a program runs on one card"),
    reject("mdp-dump-partition-config", kText, "FILE", "a program runs on one card"),
    ignore("allow-mxint8-mdp-io", kSwitch, "", "MXINT8 between cards"),
    ignore("mdts-mos", kInt, "INT", "weight splitting across cards"),
    ignore("mos", kIntList, "INT,...", "effort to cut on-chip memory"),
    ignore("ols", kInt, "INT", "overlap split factor"),
    ignore("sdp-cluster-sizes", kIntList, "INT,...", "clusters of NSPs"),
    ignore("multicast-weights", kSwitch, "", "fetch shared weights once"),
    ignore("use-producer-dma", kSwitch, "", "the producing thread starts its DMA"),
    ignore("aic-enable-depth-first", kSwitch, "", "depth-first schedule"),
    ignore("aic-depth-first-mem", kInt, "INT", "memory of the depth-first schedule", 8, 32),
    ignore("allocator-dealloc-delay @allocator-dealloac-delay", kInt, "INT",
           "extends the life of buffers", 0, 10),
    ignore("size-split-granularity", kInt, "KIB", "tile size, 512 to 2048", 512, 2048),
    ignore("vtcm-working-set-limit-ratio", kFloat, "FLOAT", "share of fast memory, 0 to 1", 0, 1),
    ignore("user-tiled", kSwitch, "", "the graph is tiled already"),

    group("Diagnostics"),
    use("time-passes", kSwitch, "", "off", "print how long each stage of the compiler took",
        [](CommandLine& c, const OptionValue& v) { c.options.print_times = v.on; }),
    use("aic-perf-metrics", kSwitch, "", "off", "print sizes of constants, buffers and program",
        [](CommandLine& c, const OptionValue& v) { c.options.print_metrics = v.on; }),
    use("dump-graph", kText, "FILE", "",
        "write the graph as the card runs it to FILE, as ONNX (an option of this compiler)",
        [](CommandLine& c, const OptionValue& v) { c.options.dump_graph = v.text; }),
    ignore("aic-perf-warnings", kSwitch, "", "performance warnings"),
    ignore("ddr-stats", kSwitch, "", "DDR traffic for each NSP"),
    ignore("aic-pmu-recipe", kChoice, "AxiRd|AxiWr|AxiRdWr|KernelUtil|HmxMacs", "PMU preset"),
    ignore("aic-pmu-events", kIntList, "ID,...", "PMU events"),
    reject("stats-level", kInt, "INT", "programs carry no operator statistics"),
    reject("aic-op-stats", kSwitch, "", "programs carry no operator statistics"),
    reject("aic-profiling-type", kChoice, "stats|trace|latency", "programs carry no profiling"),
    use("v", kSwitch, "", "off", "say more (-vv, -vvv: still more)",
        [](CommandLine& c, const OptionValue& v) { c.options.verbosity = v.on ? 1 : 0; }),
    use("vv", kSwitch, "", "off", "list every pass and what it changed",
        [](CommandLine& c, const OptionValue& v) { c.options.verbosity = v.on ? 2 : 0; }),
    use("vvv", kSwitch, "", "off", "list every node and weight too",
        [](CommandLine& c, const OptionValue& v) { c.options.verbosity = v.on ? 3 : 0; }),
    use("version version-extended", kSwitch, "", "off", "print the version first",
        [](CommandLine& c, const OptionValue& v) { c.show_version = v.on; }),
    use("h help", kSwitch, "", "off", "this text",
        [](CommandLine& c, const OptionValue& v) { c.show_help = v.on; }),
    use("usage u", kSwitch, "", "off", "every known option, with defaults",
        [](CommandLine& c, const OptionValue& v) { c.show_usage = v.on; }),

    group("Running after compiling (without -compile-only)"),
    use(
        "device-id @dev-id", kInt, "INT", "0", "card to run on",
        [](CommandLine& c, const OptionValue& v) { c.run.device_id = static_cast<int>(v.number); },
        0, 65535),
    use(
        "num-iter", kInt, "INT", "1", "inferences for each instance",
        [](CommandLine& c, const OptionValue& v) { c.run.iterations = v.number; }, 1, 2147483647),
    use(
        "set-size", kInt, "INT", "10", "inferences in flight for each instance",
        [](CommandLine& c, const OptionValue& v) {
            c.run.set_size = static_cast<unsigned>(v.number);
        },
        1, 1000),
    use(
        "aic-num-of-instances", kInt, "INT", "1", "copies of the program that run side by side",
        [](CommandLine& c, const OptionValue& v) {
            c.run.instances = static_cast<unsigned>(v.number);
        },
        1, 16),
    use("input-list-file", kText, "FILE", "random input",
        "one inference for each line: comma separated raw files in the order of the inputs",
        [](CommandLine& c, const OptionValue& v) { c.run.input_list_file = v.text; }),
    use("write-output-dir", kText, "DIR", "", "write outputs as raw files to DIR",
        [](CommandLine& c, const OptionValue& v) { c.run.output_dir = v.text; }),
    use(
        "write-output-start-iter", kInt, "INT", "0", "first inference whose outputs are written",
        [](CommandLine& c, const OptionValue& v) { c.run.output_start = v.number; }, 0, 2147483647),
    use(
        "write-output-num-samples", kInt, "INT", "1", "how many inferences have outputs written",
        [](CommandLine& c, const OptionValue& v) { c.run.output_samples = v.number; }, 1,
        2147483647),
});

bool same_keyword(std::string_view spelled, std::string_view name) noexcept {
    if (spelled.size() != name.size()) {
        return false;
    }
    for (std::size_t i = 0; i < name.size(); ++i) {
        const int a =
            spelled[i] == '_' ? '-' : std::tolower(static_cast<unsigned char>(spelled[i]));
        if (a != std::tolower(static_cast<unsigned char>(name[i]))) {
            return false;
        }
    }
    return true;
}

template <class Match>
const OptionSpec* find_by(Match match) noexcept {
    for (const OptionSpec& spec : kTable) {
        std::string_view rest = spec.names;
        while (!rest.empty()) {
            const std::size_t blank = rest.find(' ');
            if (match(rest.substr(0, blank))) {
                return &spec;
            }
            rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
        }
    }
    return nullptr;
}

}  // namespace

std::span<const OptionSpec> option_table() noexcept {
    return kTable;
}

const OptionSpec* find_option(std::string_view name) noexcept {
    return find_by([name](std::string_view known) { return known == name && known[0] != '@'; });
}

const OptionSpec* find_keyword(std::string_view name) noexcept {
    return find_by([name](std::string_view known) {
        return same_keyword(name, known[0] == '@' ? known.substr(1) : known);
    });
}

}  // namespace qaicc
