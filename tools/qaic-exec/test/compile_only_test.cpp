// SPDX-License-Identifier: Apache-2.0
/// qaic-exec -compile-only as a user types it: what it prints, what it leaves, with which exit
/// status.
#include "compiler/test/model_builder.hpp"
#include "libqaicrt/qpc/program_image.hpp"
#include "tools/qaic-exec/test/run_tool.hpp"

#include <cstring>
#include <filesystem>

namespace qaicexec::test {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class CompileOnly : public ToolTest {};

TEST_F(CompileOnly, TheQuestionsCommandLineWorksVerbatim) {
    fs::copy_file(kModel, dir_ + "/my_model_a.onnx");
    const Outcome outcome = run({"-m=my_model_a.onnx", "-aic-hw", "-aic-hw-version=2.0",
                                 "-convert-to-fp16", "-mxfp6-matmul", "-aic-num-cores=4",
                                 "-compile-only", "-aic-binary-dir=qaic_my_modela"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out,
              "Reading ONNX Model from my_model_a.onnx\n"
              "Compile started ............... \n"
              "Compiling model with FP16 precision.\n"
              "Generated binary is present at qaic_my_modela\n");
    EXPECT_EQ(listing(),
              (Names{"my_model_a.onnx", "qaic_my_modela", "qaic_my_modela/programqpc.bin"}));
    const std::string program = read("qaic_my_modela/programqpc.bin");
    const auto bytes = std::as_bytes(std::span(program));
    EXPECT_EQ(qaicrt::qpc::check_open_runtime_rules(bytes), Names{});
    const auto image = qaicrt::qpc::parse_program(bytes);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_TRUE(image->made_for_emulator());
}

TEST_F(CompileOnly, CompilingAgainReplacesTheProgramWithEqualBytes) {
    const Names args = {std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=out",
                        "-mxfp6-matmul"};
    ASSERT_EQ(run(args).status, 0);
    const std::string first = read("out/programqpc.bin");
    ASSERT_EQ(run(args).status, 0);
    EXPECT_EQ(read("out/programqpc.bin"), first);
    EXPECT_FALSE(first.empty());
}

TEST_F(CompileOnly, QaicCompileIsTheSameProgramAndNeverRuns) {
    const Outcome outcome =
        run({std::string("--model=") + kModel, "--aic-binary-dir=out"}, "qaic-compile");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find("Stats"), std::string::npos);
    EXPECT_EQ(listing(), (Names{"out", "out/programqpc.bin"}));
}

TEST_F(CompileOnly, FlagsOfQEfficientWithoutRetainedStateAreTaken) {
    const Outcome outcome =
        run({"-aic-hw", "-aic-hw-version=ai100", std::string("-m=") + kModel, "-convert-to-fp16",
             "-aic-num-cores=16", "-mxfp6-matmul", "-mos=1", "-aic-enable-depth-first",
             "-allow-mxint8-mdp-io", "-aic-binary-dir=q/qpc"},
            "qaic-compile");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("INFO: -mos has no effect on the emulated card.\n"),
              std::string::npos);
    EXPECT_TRUE(fs::exists(dir_ + "/q/qpc/programqpc.bin"));
}

TEST_F(CompileOnly, BadCommandLinesExitWith2AndOneLine) {
    const std::string model = std::string("-m=") + kModel;
    const std::vector<Names> cases = {
        {},
        {"-compile-only"},
        {model, "-compile-only"},
        {model, "-compile-only", "-aic-binary-dir="},
        {model, "-compile-only", "-aic-binary-dir=o", "-bogus"},
        {model, "-compile-only", "-aic-binary-dir=o", "extra"},
        {model, "-compile-only", "-aic-binary-dir=o", "-aic-num-cores=17"},
        {model, "-compile-only", "-aic-binary-dir=o", "-aic-hw-version=ai200"},
        {model, "-compile-only", "-aic-binary-dir=o", "-retained-state"},
        {model, "-compile-only", "-aic-binary-dir=o", "-network-specialization-config=s.json"},
        {model, "-compile-only", "-aic-binary-dir=o", "-custom-IO-list-file=io.yaml"},
        {model, "-compile-only", "-aic-binary-dir=o", "-convert-to-quantize"},
        {model, "-compile-only", "-aic-binary-dir=o", "-mx-profile=unheard-of"},
        {model, "-compile-only", "-aic-binary-dir=o", "-onnx-define-symbol=batch"},
        {model, "-compile-only", "-aic-binary-dir=o", "-dump-graph"},
    };
    for (const Names& args : cases) {
        const Outcome outcome = run(args);
        EXPECT_EQ(outcome.status, 2) << (args.empty() ? "" : args.back());
        expect_one_sentence(outcome.err);
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(listing(), Names{});
    }
}

TEST_F(CompileOnly, BadInputExitsWith1OneLineAndNothingLeft) {
    const std::string whole = [] {
        std::string text(fs::file_size(kModel), '\0');
        std::FILE* file = std::fopen(kModel, "rbe");
        EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
        std::fclose(file);
        return text;
    }();
    write("half.onnx", whole.substr(0, whole.size() / 2));
    write("text.onnx", "no model\n");
    write("empty.onnx", "");
    write("model.pt", whole);
    fs::create_directory(dir_ + "/folder.onnx");
    const Names before = listing();
    for (const char* name :
         {"half.onnx", "text.onnx", "empty.onnx", "model.pt", "folder.onnx", "missing.onnx"}) {
        const Outcome outcome =
            run({std::string("-m=") + name, "-compile-only", "-aic-binary-dir=a/b"});
        EXPECT_EQ(outcome.status, 1) << name;
        expect_one_sentence(outcome.err);
        EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
        EXPECT_EQ(listing(), before) << name;
    }
}

TEST_F(CompileOnly, UnsupportedOperatorsAreListedThenSummedUp) {
    qaicc::test::ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("NoSuchOp", {"x"}, {"a"});
    b.node("NoSuchOp", {"a"}, {"y"});
    write("m.onnx", b.model().SerializeAsString());
    const Outcome outcome = run({"-m=m.onnx", "-compile-only", "-aic-binary-dir=a"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_TRUE(outcome.err.starts_with("QAIC_ERROR:\nError message:  [Operator-'")) << outcome.err;
    EXPECT_NE(outcome.err.find("QAICException:Unable to AddNodesToGraphFromModel\n"),
              std::string::npos);
    EXPECT_NE(outcome.err.find("has 2 nodes that cannot be run here: NoSuchOp (2: node_a, node_y)"),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(listing(), Names{"m.onnx"});
}

TEST_F(CompileOnly, AnOpenSymbolIsNamedWithTheOptionThatBindsIt) {
    qaicc::test::ModelBuilder b;
    b.input("x", {"batch", 4}).output("y", {"batch", 4});
    b.node("Relu", {"x"}, {"y"});
    write("m.onnx", b.model().SerializeAsString());
    const std::string model = "-m=m.onnx";
    const Outcome open = run({model, "-compile-only", "-aic-binary-dir=a"});
    EXPECT_EQ(open.status, 1);
    expect_one_sentence(open.err);
    EXPECT_NE(open.err.find("-onnx-define-symbol=batch,INT"), std::string::npos) << open.err;
    EXPECT_EQ(
        run({model, "-compile-only", "-aic-binary-dir=a", "-onnx-define-symbol=batch,3"}).status,
        0);
    EXPECT_EQ(run({model, "-compile-only", "-aic-binary-dir=b", "-batchsize=3"}).status, 0);
    const auto dims = [this](const std::string& file) {
        const std::string program = read(file);
        const auto image = qaicrt::qpc::parse_program(std::as_bytes(std::span(program)));
        EXPECT_TRUE(image);
        return image ? image->description.outputs.at(0).initial.dims : std::vector<std::int32_t>{};
    };
    EXPECT_EQ(dims("a/programqpc.bin"), (std::vector<std::int32_t>{3, 4}));
    EXPECT_EQ(dims("b/programqpc.bin"), (std::vector<std::int32_t>{3, 4}));
}

TEST_F(CompileOnly, OutputDirectoriesThatCannotBeUsedAreRefused) {
    write("file", "x");
    fs::create_directory(dir_ + "/full");
    write("full/notes.txt", "precious");
    const Names before = listing();
    const std::string model = std::string("-m=") + kModel;
    for (const char* dir : {"file", "file/sub", "full", "/proc/qaic-exec-test/out"}) {
        const Outcome outcome =
            run({model, "-compile-only", std::string("-aic-binary-dir=") + dir});
        EXPECT_EQ(outcome.status, 1) << dir;
        expect_one_sentence(outcome.err);
        EXPECT_EQ(listing(), before) << dir;
    }
}

TEST_F(CompileOnly, AFullDiskLeavesNothing) {
    const Outcome outcome = run(
        {std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=a/b/c"}, "qaic-exec", 8192);
    EXPECT_EQ(outcome.status, 1);
    expect_one_sentence(outcome.err);
    EXPECT_EQ(listing(), Names{});
}

TEST_F(CompileOnly, DumpGraphWritesOneFileMore) {
    write("old.onnx", "replaced");
    fs::create_symlink("old.onnx", dir_ + "/link.onnx");
    const Names args = {std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=out"};
    ASSERT_EQ(run(args).status, 0);
    const std::string program = read("out/programqpc.bin");
    Names dumping = args;
    dumping.emplace_back("-dump-graph=link.onnx");
    const Outcome outcome = run(dumping);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("Lowered graph is present at link.onnx\n"), std::string::npos);
    EXPECT_EQ(listing(), (Names{"link.onnx", "old.onnx", "out", "out/programqpc.bin"}));
    EXPECT_TRUE(fs::is_symlink(dir_ + "/link.onnx"));
    onnx::ModelProto lowered;
    ASSERT_TRUE(lowered.ParseFromString(read("old.onnx")));
    EXPECT_EQ(lowered.producer_name(), "qaic-exec");
    EXPECT_EQ(lowered.graph().input(0).name(), "input");
    EXPECT_EQ(lowered.graph().output(0).name(), "output");
    EXPECT_EQ(read("out/programqpc.bin"), program);
}

TEST_F(CompileOnly, PlacesWhereNoGraphCanBeWrittenAreRefused) {
    fs::copy_file(kModel, dir_ + "/model.onnx");
    fs::create_directory(dir_ + "/folder");
    fs::create_directory(dir_ + "/out");
    const Names before = listing();
    const std::string model = read("model.onnx");
    for (const char* place : {"model.onnx", "./folder/../model.onnx", "folder", "out/graph.onnx",
                              "missing/graph.onnx", "model.onnx/graph.onnx", "/dev/null"}) {
        const Outcome outcome = run({"-m=model.onnx", "-compile-only", "-aic-binary-dir=out",
                                     std::string("-dump-graph=") + place});
        EXPECT_EQ(outcome.status, 1) << place;
        expect_one_sentence(outcome.err);
        EXPECT_EQ(listing(), before) << place;
    }
    EXPECT_EQ(read("model.onnx"), model);
}

TEST_F(CompileOnly, AFullDiskLeavesNoPartOfTheGraph) {
    write("graph.onnx", "earlier");
    const Outcome outcome = run({std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=a",
                                 "-dump-graph=graph.onnx"},
                                "qaic-exec", 300);  // what it says has room, the graph has none
    EXPECT_EQ(outcome.status, 1);
    expect_one_sentence(outcome.err);
    EXPECT_NE(outcome.err.find("graph.onnx"), std::string::npos) << outcome.err;
    EXPECT_EQ(listing(), Names{"graph.onnx"});
    EXPECT_EQ(read("graph.onnx"), "earlier");
}

TEST_F(CompileOnly, HelpUsageAndVersionGoToStandardOutput) {
    for (const char* flag : {"-h", "-help", "--help"}) {
        const Outcome outcome = run({flag});
        EXPECT_EQ(outcome.status, 0);
        EXPECT_TRUE(outcome.out.starts_with("usage: qaic-exec ")) << flag;
        EXPECT_EQ(outcome.err, "");
    }
    for (const char* flag : {"--usage", "-u"}) {
        EXPECT_NE(run({flag}).out.find("-retained-state"), std::string::npos) << flag;
    }
    EXPECT_TRUE(run({"-version"}).out.starts_with("qaic-exec version "));
    const Outcome both =
        run({"-version", std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=o"});
    EXPECT_EQ(both.status, 0);
    EXPECT_TRUE(fs::exists(dir_ + "/o/programqpc.bin"));
}

TEST_F(CompileOnly, TheOperatorListIsWrittenToTheWorkingDirectory) {
    const Outcome outcome = run({"-operators-supported=onnx"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(listing(), Names{"OnnxSupportedOperators.txt"});
    EXPECT_NE(read("OnnxSupportedOperators.txt").find("MatMul "), std::string::npos);
}

TEST_F(CompileOnly, TheVariableForHiddenOptionsIsTakenAndIgnored) {
    ASSERT_EQ(::setenv("QAIC_COMPILER_OPTS_UNSUPPORTED",
                       "-loader-inline-all=0 -aic-op-stats-verbosity 2", 1),
              0);
    const Outcome outcome =
        run({std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=o"});
    ::unsetenv("QAIC_COMPILER_OPTS_UNSUPPORTED");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("INFO: QAIC_COMPILER_OPTS_UNSUPPORTED has no effect"),
              std::string::npos);
}

TEST_F(CompileOnly, VerboseTimesAndMetricsSayMore) {
    const Outcome outcome = run({std::string("-m=") + kModel, "-compile-only", "-aic-binary-dir=o",
                                 "-vvv", "-time-passes", "-aic-perf-metrics", "-mxfp6-matmul"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    for (const char* part :
         {"loading compiler from: ", "time: move constants",
          "step: ", "program: 1 inputs, 1 outputs, ", "Constants size: 192 (bytes)",
          "mx: 1 weights as codes", "mx: 'linear.weight' [1, 32] along axis 1 as aic100"}) {
        EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
    }
}

}  // namespace
}  // namespace qaicexec::test
