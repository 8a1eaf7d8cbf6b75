// SPDX-License-Identifier: Apache-2.0
/// The command line and Session keywords, by the option table.
#include "compiler/options/option_table.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace qaicc {
namespace {

using qaicrt::Errc;
using Args = std::vector<std::string>;

CommandLine parsed(const Args& args) {
    auto line = parse_command_line(args);
    EXPECT_TRUE(line) << line.error().message;
    return line ? std::move(*line) : CommandLine{};
}

std::string refusal(const Args& args) {
    const auto line = parse_command_line(args);
    EXPECT_FALSE(line);
    return line ? "" : line.error().message;
}

/// A value that the option takes, "" for a switch.
std::string valid_value(const OptionSpec& spec) {
    switch (spec.kind) {
        case ValueKind::kSwitch:
            return "";
        case ValueKind::kInt:
            return std::to_string(static_cast<long>(std::max(spec.low, 1.0)));
        case ValueKind::kFloat:
            return "0.5";
        case ValueKind::kText:
            return spec.name() == "mx-profile" ? "ocp" : "some/path";
        case ValueKind::kList:
            return "A,B";
        case ValueKind::kIntList:
            return "1,7";
        case ValueKind::kSymbol:
            return "batch,2";
        case ValueKind::kShape:
            return "x,1x3x48x192";
        case ValueKind::kChoice:
            return std::string(spec.hint.substr(0, spec.hint.find('|')));
    }
    return "";
}

std::string as_argument(const OptionSpec& spec, const std::string& dash) {
    const std::string value = valid_value(spec);
    return dash + std::string(spec.name()) + (value.empty() ? "" : "=" + value);
}

TEST(CommandLineOptions, TheQuestionsCommandLineIsUnderstood) {
    const CommandLine line = parsed({"-m=my_model_a.onnx", "-aic-hw", "-aic-hw-version=2.0",
                                     "-convert-to-fp16", "-mxfp6-matmul", "-aic-num-cores=4",
                                     "-compile-only", "-aic-binary-dir=qaic_my_modela"});
    EXPECT_EQ(line.options.model_path, "my_model_a.onnx");
    EXPECT_EQ(line.options.output_dir, "qaic_my_modela");
    EXPECT_TRUE(line.options.convert_to_fp16);
    EXPECT_TRUE(line.options.mxfp6_matmul);
    EXPECT_EQ(line.options.num_cores, 4U);
    EXPECT_EQ(line.options.mx_profile, "aic100");
    EXPECT_TRUE(line.compile_only);
    EXPECT_TRUE(line.notes.empty());
}

TEST(CommandLineOptions, EveryOptionOfTheTableFollowsItsPolicy) {
    int honoured = 0;
    int ignored = 0;
    int rejected = 0;
    for (const OptionSpec& spec : option_table()) {
        if (spec.policy == FlagPolicy::kHeading) {
            continue;
        }
        for (const std::string dash : {"-", "--"}) {
            Args args = {as_argument(spec, dash)};
            if (spec.name() == "mx-profile") {
                args.emplace_back("-mxfp6-matmul");
            }
            const auto line = parse_command_line(args);
            if (spec.policy == FlagPolicy::kRejected) {
                ASSERT_FALSE(line) << args[0];
                EXPECT_EQ(line.error().code, Errc::kUnsupported) << args[0];
                EXPECT_NE(
                    line.error().message.find("-" + std::string(spec.name()) + " cannot be used"),
                    std::string::npos);
                ++rejected;
            } else {
                ASSERT_TRUE(line) << args[0] << ": " << line.error().message;
                EXPECT_EQ(line->notes.size(), spec.policy == FlagPolicy::kIgnored ? 1U : 0U)
                    << args[0];
                ++(spec.policy == FlagPolicy::kIgnored ? ignored : honoured);
            }
        }
    }
    EXPECT_GT(honoured, 40);
    EXPECT_GT(ignored, 40);
    EXPECT_GT(rejected, 40);
}

TEST(CommandLineOptions, NamesAreUniqueAndEveryRowIsComplete) {
    std::set<std::string> names;
    for (const OptionSpec& spec : option_table()) {
        EXPECT_FALSE(spec.text.empty()) << spec.names;
        EXPECT_EQ(spec.apply != nullptr, spec.policy == FlagPolicy::kHonoured) << spec.names;
        if (spec.policy == FlagPolicy::kHeading) {
            continue;
        }
        EXPECT_EQ(spec.hint.empty(), spec.kind == ValueKind::kSwitch) << spec.names;
        std::istringstream words{std::string(spec.names)};
        for (std::string name; words >> name;) {
            EXPECT_TRUE(names.insert(name).second) << name;
        }
    }
}

TEST(CommandLineOptions, SwitchesTakeTheFourValuesOfTheVendor) {
    for (const char* on : {"", "=true", "=1"}) {
        EXPECT_TRUE(parsed({std::string("-convert-to-fp16") + on}).options.convert_to_fp16) << on;
    }
    for (const char* off : {"=false", "=0"}) {
        EXPECT_FALSE(parsed({std::string("-convert-to-fp16") + off}).options.convert_to_fp16)
            << off;
    }
    EXPECT_NE(refusal({"-convert-to-fp16=maybe"}).find("true, false, 1 or 0"), std::string::npos);
}

TEST(CommandLineOptions, ARejectedSwitchMayBeTurnedOff) {
    EXPECT_TRUE(parse_command_line({"-retained-state=false"}));
    EXPECT_FALSE(parse_command_line({"-retained-state=true"}));
}

TEST(CommandLineOptions, UnknownOptionsGetTheVendorsSentence) {
    const std::string tail = " Use -h, -help, or --help for list of options.";
    EXPECT_EQ(refusal({"-no-such-thing-at-all"}), "Invalid option -no-such-thing-at-all." + tail);
    EXPECT_EQ(refusal({"--no-such-thing-at-all=3"}),
              "Invalid option --no-such-thing-at-all." + tail);
    EXPECT_EQ(refusal({"model.onnx"}), "Invalid option model.onnx." + tail);
    EXPECT_EQ(refusal({"-"}), "Invalid option -." + tail);
    EXPECT_EQ(refusal({"---m=x"}), "Invalid option ---m." + tail);
    EXPECT_EQ(refusal({"-output-dir=x"}),
              "Invalid option -output-dir." + tail);  // a keyword of Session()
    EXPECT_EQ(refusal({"-convert-to-fp-16"}),
              "Invalid option -convert-to-fp-16." + tail + " Did you mean -convert-to-fp16?");
}

TEST(CommandLineOptions, BadValuesSayWhatIsWanted) {
    const std::pair<const char*, const char*> cases[] = {
        {"-m", "-m needs a value: -m=FILE."},
        {"-m=", "-m needs a value: -m=FILE."},
        {"-aic-num-cores=0", "-aic-num-cores=0 is not valid: give a number from 1 to 16."},
        {"-aic-num-cores=17", "-aic-num-cores=17 is not valid: give a number from 1 to 16."},
        {"-aic-num-cores=4x", "-aic-num-cores=4x is not valid: give a whole number."},
        {"-aic-hw-version=ai200", "-aic-hw-version=ai200 is not valid: give one of 2.0, ai100."},
        {"-mos=1,,2",
         "-mos=1,,2 is not valid: give whole numbers separated by commas, without blanks."},
        {"-output-node-names=a,,b",
         "-output-node-names=a,,b is not valid: give names separated by commas."},
        {"-operators-supported=caffe",
         "-operators-supported=caffe is not valid: give one of onnx."},
        {"-vtcm-working-set-limit-ratio=1.5",
         "-vtcm-working-set-limit-ratio=1.5 is not valid: give a number from 0 to 1."},
    };
    for (const auto& [argument, sentence] : cases) {
        EXPECT_EQ(refusal({argument}), sentence);
    }
    for (const char* symbol :
         {"batch", "batch,", ",4", "batch,0", "batch,-1", "batch,4.0", "batch,99999999999"}) {
        EXPECT_NE(refusal({std::string("-onnx-define-symbol=") + symbol}).find("NAME,INT"),
                  std::string::npos);
    }
    for (const char* shape : {"x", "x,", ",4", "x,0", "x,1x", "x,1xx2", "x,-1", "x,1X2", "x,1x2.0",
                              "x,1x99999999999"}) {
        EXPECT_NE(refusal({std::string("-input-shape=") + shape}).find("NAME,INTxINT"),
                  std::string::npos)
            << shape;
    }
    EXPECT_FALSE(parse_command_line({"-mx-profile=unheard-of"}));
}

TEST(CommandLineOptions, ListsAndRepetitionsCollect) {
    const CommandLine line = parsed({"-onnx-define-symbol=batch,2", "-onnx-define-symbol=a,b,3",
                                     "-output-node-name=x,y", "-output-node-names=z"});
    EXPECT_EQ(line.options.output_names, (Args{"x", "y", "z"}));
    ASSERT_EQ(line.options.symbols.size(), 2U);
    EXPECT_EQ(line.options.symbols[1].first, "a,b");
    EXPECT_EQ(line.options.symbols[1].second, 3);
}

TEST(CommandLineOptions, OneSymbolHasOneSize) {
    EXPECT_TRUE(parse_command_line({"-onnx-define-symbol=b,2", "-onnx-define-symbol=b,2"}));
    EXPECT_FALSE(parse_command_line({"-onnx-define-symbol=b,2", "-onnx-define-symbol=b,3"}));
}

TEST(CommandLineOptions, OneInputHasOneShape) {
    const CommandLine line =
        parsed({"-input-shape=x,1x3", "-input-shape=a,b,7", "-input-shape=x,1x3"});
    ASSERT_EQ(line.options.input_shapes.size(), 3U);
    EXPECT_EQ(line.options.input_shapes[0].second, (std::vector<std::int64_t>{1, 3}));
    EXPECT_EQ(line.options.input_shapes[1].first, "a,b");
    EXPECT_EQ(refusal({"-input-shape=x,1x3", "-input-shape=y,1", "-input-shape=x,2x3"}),
              "-input-shape gives 'x' two shapes, 1x3 and 2x3: give it one.");
}

TEST(CommandLineOptions, OptionsThatChangeNothingSaySo) {
    EXPECT_EQ(parsed({"-mx-profile=ocp"}).notes.size(), 1U);
    EXPECT_EQ(parsed({"-mx-profile=ocp", "-mxfp6-matmul"}).notes.size(), 0U);
    EXPECT_EQ(parsed({"-compile-only", "-input-list-file=l"}).notes.size(), 1U);
    EXPECT_EQ(parsed({"-mos=1", "-ols=2"}).notes,
              (Args{"INFO: -mos has no effect on the emulated card.",
                    "INFO: -ols has no effect on the emulated card."}));
}

TEST(CommandLineOptions, VerbosityHasThreeLevels) {
    EXPECT_EQ(parsed({}).options.verbosity, 0);
    EXPECT_EQ(parsed({"-v"}).options.verbosity, 1);
    EXPECT_EQ(parsed({"-vv"}).options.verbosity, 2);
    EXPECT_EQ(parsed({"--vvv"}).options.verbosity, 3);
}

TEST(Keywords, PythonsNamesAndValuesAreUnderstood) {
    std::vector<std::string> notes;
    const auto options = options_from_keywords({{"convert_to_fp16", "True"},
                                                {"mxfp6_matmul", "true"},
                                                {"mx_profile", "microxcaling"},
                                                {"aic_num_cores", "4"},
                                                {"onnx_define_symbol", "batch,2"},
                                                {"onnx_define_symbol", "seq,8"},
                                                {"input_shape", "x,1x8"},
                                                {"batchsize", "3"},
                                                {"stats-batchsize", "6"},
                                                {"output_dir", "out"},
                                                {"dump_graph", "graph.onnx"},
                                                {"output_node_names", "a,b"},
                                                {"retained_state", "False"},
                                                {"allocator_dealloac_delay", "2"},
                                                {"mos", "1"},
                                                {"time_passes", "True"},
                                                {"aic_perf_metrics", "True"}},
                                               &notes);
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_TRUE(options->convert_to_fp16);
    EXPECT_TRUE(options->mxfp6_matmul);
    EXPECT_EQ(options->mx_profile, "microxcaling");
    EXPECT_EQ(options->num_cores, 4U);
    EXPECT_EQ(options->symbols.size(), 2U);
    EXPECT_EQ(options->input_shapes.size(), 1U);
    EXPECT_EQ(options->batch_size, 3);
    EXPECT_EQ(options->stats_batch_size, 6);
    EXPECT_EQ(options->output_dir, "out");
    EXPECT_EQ(options->dump_graph, "graph.onnx");
    EXPECT_EQ(options->output_names, (Args{"a", "b"}));
    EXPECT_EQ(notes.size(), 2U);
}

TEST(Keywords, UnknownRejectedAndBadOnesAreNamedAsWritten) {
    const auto message = [](const char* name, const char* value) {
        const auto options = options_from_keywords({{name, value}});
        return options ? std::string() : options.error().message;
    };
    EXPECT_NE(message("no_such", "1").find("'no_such'"), std::string::npos);
    EXPECT_EQ(
        message("custom_io_list_file", "io.yaml"),
        "custom_io_list_file cannot be used: inputs and outputs have the types of the ONNX graph.");
    EXPECT_NE(message("aic_num_cores", "99").find("aic_num_cores=99"), std::string::npos);
}

std::string file_text(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Run with QAIC_UPDATE_DOCS=1 to bring the document up to date.
TEST(Documentation, TheTableOfTheDocumentIsTheOptionTable) {
    const std::string path = QAIC_SOURCE_DIR "/docs/qaic-exec.md";
    const std::string begin = "<!-- options: begin -->\n";
    const std::string end = "<!-- options: end -->\n";
    const std::string text = file_text(path);
    const std::size_t from = text.find(begin);
    const std::size_t to = text.find(end);
    ASSERT_NE(from, std::string::npos);
    ASSERT_NE(to, std::string::npos);
    if (std::getenv("QAIC_UPDATE_DOCS") != nullptr) {
        std::ofstream(path) << text.substr(0, from + begin.size()) << option_table_markdown()
                            << text.substr(to);
        return;
    }
    EXPECT_EQ(text.substr(from + begin.size(), to - from - begin.size()), option_table_markdown());
}

TEST(Documentation, HelpNamesWhatWorksAndUsageEverything) {
    const std::string help = help_text();
    const std::string usage = usage_text();
    EXPECT_NE(help.find("emulated AI 100 card; a real card needs"), std::string::npos);
    for (const OptionSpec& spec : option_table()) {
        if (spec.policy == FlagPolicy::kHeading) {
            continue;
        }
        const std::string shown = "  -" + std::string(spec.name());
        EXPECT_NE(usage.find(shown), std::string::npos) << shown;
        if (spec.policy == FlagPolicy::kHonoured) {
            EXPECT_NE(help.find(shown), std::string::npos) << shown;
        }
    }
}

}  // namespace
}  // namespace qaicc
