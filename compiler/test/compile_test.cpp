// SPDX-License-Identifier: Apache-2.0
/// Models through the whole compiler: what the program holds, and what it computes.
#include "compiler/compile.hpp"

#include "compiler/compile_model.hpp"
#include "compiler/test/model_builder.hpp"
#include "emu/mx/pack.hpp"
#include "emu/net/network.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

namespace qaicc::test {
namespace {

using qaicrt::DataType;
using qaicrt::Errc;
using Bytes = std::vector<std::byte>;

constexpr const char* kQuestion = QAIC_SOURCE_DIR "/tests/models/my_model_a.onnx";

/// A program that was checked against every rule and taken apart again.
struct Program {
    Bytes bytes;
    qaicrt::qpc::ProgramImage image;
    onnx::ModelProto graph;
    CompileReport report;
};

void open_program(Program& program) {
    EXPECT_EQ(qaicrt::qpc::check_open_runtime_rules(program.bytes), std::vector<std::string>{});
    auto image = qaicrt::qpc::parse_program(program.bytes);
    ASSERT_TRUE(image) << image.error().message;
    program.image = std::move(*image);
    ASSERT_TRUE(program.image.made_for_emulator());
    const auto section = program.image.emu_section;
    ASSERT_TRUE(program.graph.ParseFromArray(section.data(), static_cast<int>(section.size())));
}

Program compiled(ModelBuilder& builder, const CompileOptions& options = {}) {
    Program program;
    auto bytes = compile_model_bytes(builder.bytes(), "m.onnx", options, &program.report);
    EXPECT_TRUE(bytes) << bytes.error().message;
    if (bytes) {
        program.bytes = std::move(*bytes);
        open_program(program);
    }
    return program;
}

qaicrt::Error refused(ModelBuilder& builder, const CompileOptions& options = {}) {
    auto bytes = compile_model_bytes(builder.bytes(), "m.onnx", options);
    EXPECT_FALSE(bytes);
    if (bytes) {
        return {};
    }
    EXPECT_TRUE(bytes.error().message.ends_with('.')) << bytes.error().message;
    EXPECT_EQ(bytes.error().message.find('\n'), std::string::npos) << bytes.error().message;
    return std::move(bytes).error();
}

/// The first output, as floats, for inputs given as floats.
std::vector<float> run(const Program& program, const std::vector<std::vector<float>>& inputs) {
    auto network = qaicnet::Network::load(program.graph, program.image.static_constants);
    EXPECT_TRUE(network) << network.error().message;
    if (!network) {
        return {};
    }
    std::vector<std::span<const std::byte>> in;
    for (const auto& input : inputs) {
        in.push_back(std::as_bytes(std::span(input)));
    }
    std::vector<float> result((*network)->outputs()[0].bytes() / sizeof(float));
    const std::span<std::byte> out[] = {std::as_writable_bytes(std::span(result))};
    const auto workers = qaicnet::make_workers(1);
    const auto ran = (*network)->run(in, out, *workers);
    EXPECT_TRUE(ran) << ran.error().message;
    return result;
}

CompileOptions question_options(const char* profile = "aic100") {
    CompileOptions options;
    options.model_path = kQuestion;
    options.convert_to_fp16 = true;
    options.mxfp6_matmul = true;
    options.mx_profile = profile;
    options.num_cores = 4;
    return options;
}

Program question(const CompileOptions& options) {
    Program program;
    auto bytes = compile_model_to_bytes(options, &program.report);
    EXPECT_TRUE(bytes) << bytes.error().message;
    if (bytes) {
        program.bytes = std::move(*bytes);
        open_program(program);
    }
    return program;
}

TEST(TheQuestion, TheModelsAnswerDependsOnTheProfileAsReported) {
    const std::pair<const char*, float> answers[] = {
        {"aic100", 9.5F}, {"microxcaling", 9.75F}, {"ocp", 9.75F}, {"none", 9.984375F}};
    for (const auto& [profile, answer] : answers) {
        const Program program = question(question_options(profile));
        EXPECT_EQ(run(program, {std::vector<float>(32, 1.0F)}), std::vector<float>{answer})
            << profile;
    }
    CompileOptions current = question_options();  // newest IR version and opset, external data
    current.model_path = QAIC_SOURCE_DIR "/tests/models/my_model_a_current.onnx";
    EXPECT_EQ(run(question(current), {std::vector<float>(32, 1.0F)}), std::vector<float>{9.5F});
    CompileOptions plain;
    plain.model_path = kQuestion;
    EXPECT_EQ(run(question(plain), {std::vector<float>(32, 1.0F)}), std::vector<float>{9.984375F});
}

TEST(TheQuestion, ItsWeightsAreStoredAsTheseCodes) {
    const Program program = question(question_options());
    EXPECT_EQ(program.report.mx_weights, 1U);
    const auto* node = find_node(program.graph.graph(), "MxDequantize");
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->domain(), qaicnet::kEmuDomain);
    EXPECT_EQ(find_attribute(*node, "format")->s(), "fp6_e2m3");
    EXPECT_EQ(int_attribute(*node, "to", 0), onnx::TensorProto::FLOAT16);
    EXPECT_EQ(int_attribute(*node, "block_size", 0), 32);
    const auto* payload = find_tensor(program.graph.graph(), node->input(0));
    const auto* scales = find_tensor(program.graph.graph(), node->input(1));
    ASSERT_EQ(payload->data_location(), onnx::TensorProto::EXTERNAL);
    const auto offset_of = [](const onnx::TensorProto& tensor) {
        return static_cast<std::size_t>(std::stoul(tensor.external_data(1).value()));
    };
    const auto constants = program.image.static_constants;
    // Shared exponent floor(log2 8) - 1 = 2, so the step is 2^2 / 8 = 0.5: 0.25 is a tie and goes
    // to even, 0; 0.5 is 1, 1 is 2, and 8 is 2.0 * 2^2, the first code of the upper binade, 16.
    EXPECT_EQ(std::to_integer<int>(constants[offset_of(*scales)]), 127 + 2);
    std::vector<std::uint8_t> codes(32);
    const auto row = constants.subspan(offset_of(*payload), qaicmx::row_stride_bytes(32, 6));
    const auto* first = reinterpret_cast<const std::uint8_t*>(row.data());
    qaicmx::unpack_lsb({first, row.size()}, 6, codes);
    std::vector<std::uint8_t> wanted(32, 0);
    wanted[5] = 1;
    wanted[6] = 2;
    wanted[7] = 16;
    EXPECT_EQ(codes, wanted);
    for (std::size_t i = 24; i < row.size(); ++i) {
        EXPECT_EQ(row[i], std::byte{0}) << i;
    }
}

TEST(TheQuestion, EdgesAndDescriptionAreThoseOfTheReport) {
    const Program program = question(question_options());
    const auto& description = program.image.description;
    ASSERT_EQ(description.inputs.size(), 1U);
    EXPECT_EQ(description.inputs[0].name, "input");
    EXPECT_EQ(description.inputs[0].initial.type, DataType::kFloat);
    EXPECT_EQ(description.inputs[0].initial.dims, (std::vector<std::int32_t>{1, 32}));
    EXPECT_EQ(description.outputs[0].name, "output");
    EXPECT_EQ(description.outputs[0].initial.dims, (std::vector<std::int32_t>{1, 1}));
    EXPECT_EQ(description.num_cores, 4U);
    EXPECT_EQ(program.graph.producer_name(), "qaic-exec");
    std::string flags;
    for (const auto& property : program.graph.metadata_props()) {
        flags += property.key() == "flags" ? property.value() : "";
    }
    EXPECT_EQ(flags, "-aic-num-cores=4 -convert-to-fp16 -mxfp6-matmul -mx-profile=aic100");
}

TEST(Determinism, EqualInputAndOptionsGiveEqualBytes) {
    EXPECT_EQ(question(question_options()).bytes, question(question_options()).bytes);
    EXPECT_NE(question(question_options()).bytes, question(question_options("ocp")).bytes);
    const auto copy = std::filesystem::temp_directory_path() / "qaic-determinism.onnx";
    std::filesystem::copy_file(kQuestion, copy, std::filesystem::copy_options::overwrite_existing);
    CompileOptions elsewhere = question_options();
    elsewhere.model_path = copy.string();
    EXPECT_EQ(question(elsewhere).bytes, question(question_options()).bytes);
    std::filesystem::remove(copy);
}

TEST(Edges, EveryTypeHasItsNameOfTheVendor) {
    const std::pair<Type, DataType> types[] = {
        {kFloat, DataType::kFloat},
        {kHalf, DataType::kFloat16},
        {onnx::TensorProto::INT8, DataType::kInt8},
        {onnx::TensorProto::BOOL, DataType::kInt8},
        {onnx::TensorProto::UINT8, DataType::kUInt8Q},
        {onnx::TensorProto::INT32, DataType::kInt32I},
        {kInt64, DataType::kInt64I},
    };
    for (const auto& [onnx_type, edge] : types) {
        for (const bool fp16 : {false, true}) {
            ModelBuilder b;
            b.input("x", {3}, onnx_type).output("y", {3}, onnx_type);
            b.node("Identity", {"x"}, {"y"});
            CompileOptions options;
            options.convert_to_fp16 = fp16;
            const Program program = compiled(b, options);
            ASSERT_EQ(program.image.description.inputs.size(), 1U);
            EXPECT_EQ(program.image.description.inputs[0].initial.type, edge);
            EXPECT_EQ(program.image.description.outputs[0].initial.type, edge);
            if (edge == DataType::kUInt8Q) {
                EXPECT_EQ(program.image.description.inputs[0].initial.scale, 1.0F);
                EXPECT_EQ(program.image.description.inputs[0].initial.offset, 0);
            }
        }
    }
}

TEST(Edges, OtherTypesAreRefusedByTensorAndType) {
    const std::pair<Type, const char*> types[] = {{onnx::TensorProto::DOUBLE, "DOUBLE"},
                                                  {onnx::TensorProto::INT16, "INT16"},
                                                  {onnx::TensorProto::UINT32, "UINT32"},
                                                  {onnx::TensorProto::STRING, "STRING"},
                                                  {onnx::TensorProto::BFLOAT16, "BFLOAT16"}};
    for (const auto& [type, word] : types) {
        ModelBuilder b;
        b.input("odd", {3}, type).output("y", {3}, type);
        b.node("Identity", {"odd"}, {"y"});
        const std::string message = refused(b).message;
        EXPECT_NE(message.find("odd"), std::string::npos) << message;
        EXPECT_NE(message.find(word), std::string::npos) << message;
    }
}

TEST(Fp16, ResultsAreThoseOfFp16Arithmetic) {
    ModelBuilder b;
    b.input("x", {3}).output("y", {3});
    b.floats("w", {1}, {1.0F});
    b.node("Add", {"x", "w"}, {"y"});
    CompileOptions options;
    options.convert_to_fp16 = true;
    const std::vector<float> x = {2048.0F, 1.0F / 4096.0F, 65504.0F};
    EXPECT_EQ(run(compiled(b, options), {x}), (std::vector<float>{2048.0F, 1.0F, 65504.0F}));
    EXPECT_EQ(run(compiled(b), {x}),
              (std::vector<float>{2049.0F, 1.0F + 1.0F / 4096.0F, 65505.0F}));
}

TEST(Fp16, AnIntermediateOutputWithoutADeclaredTypeIsConvertedToo) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"a"});
    b.node("Tanh", {"a"}, {"y"});
    CompileOptions options;
    options.convert_to_fp16 = true;
    options.output_names = {"a"};
    const Program program = compiled(b, options);
    ASSERT_EQ(program.image.description.outputs.size(), 1U);
    EXPECT_EQ(program.image.description.outputs[0].name, "a");
    EXPECT_EQ(program.image.description.outputs[0].initial.type, DataType::kFloat);
    EXPECT_EQ(run(program, {{-1.0F, 2.0F}}), (std::vector<float>{0.0F, 2.0F}));
}

TEST(Mx, ThroughFp16AndBlocksTheProductIsThatOfTheDecodedWeights) {
    constexpr std::int64_t kRows = 70;  // two whole blocks and a padded one
    std::vector<float> weights(kRows * 2);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = static_cast<float>(i % 8 + 1) * (i % 3 == 0 ? -0.5F : 0.5F);  // exact as codes
    }
    ModelBuilder b;
    b.input("x", {1, kRows}).output("y", {1, 2});
    b.floats("w", {kRows, 2}, weights);
    b.node("MatMul", {"x", "w"}, {"y"});
    CompileOptions options;
    options.mxfp6_matmul = true;
    float sums[2] = {0, 0};
    for (std::size_t i = 0; i < weights.size(); ++i) {
        sums[i % 2] += weights[i];
    }
    for (const bool fp16 : {false, true}) {
        options.convert_to_fp16 = fp16;
        EXPECT_EQ(run(compiled(b, options), {std::vector<float>(kRows, 1.0F)}),
                  (std::vector<float>{sums[0], sums[1]}));
    }
}

TEST(Shapes, BatchsizeReachesTheOutputs) {
    ModelBuilder b;
    b.input("x", {1, 2}).output("y", {1, 2});
    b.node("Relu", {"x"}, {"y"});
    CompileOptions options;
    options.batch_size = 5;
    const Program program = compiled(b, options);
    EXPECT_EQ(program.image.description.outputs[0].initial.dims, (std::vector<std::int32_t>{5, 2}));
    EXPECT_EQ(program.image.description.batch_size, 5);
    options.stats_batch_size = 10;
    EXPECT_EQ(compiled(b, options).image.description.batch_size, 10);
}

TEST(Shapes, ABatchThatTheGraphFixesIsRefusedNotMiscomputed) {
    ModelBuilder b;
    b.input("x", {1, 4}).output("y", {1, 2, 2});
    b.ints("shape", {3}, {1, -1, 2});
    b.node("Reshape", {"x", "shape"}, {"y"});
    CompileOptions options;
    options.batch_size = 2;
    EXPECT_NE(refused(b, options).message.find("'y'"), std::string::npos);
}

TEST(Shapes, ZeroSizeTensorsAreRefused) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {0});
    b.ints("zero", {1}, {0}).ints("axis", {1}, {0});
    b.node("Slice", {"x", "zero", "zero", "axis"}, {"y"});
    EXPECT_NE(refused(b).message.find("'y'"), std::string::npos);
}

TEST(Errors, EveryUnsupportedNodeIsNamedWithCounts) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("NoSuchOp", {"x"}, {"a"});
    b.node("NoSuchOp", {"a"}, {"b"});
    b.node("Relu", {"b"}, {"c"});
    b.node("Special", {"c"}, {"y"}).set_domain("com.example");
    CompileOptions options;
    std::vector<std::string> frame;
    options.log_error = [&frame](const std::string& line) { frame.push_back(line); };
    const auto error = refused(b, options);
    EXPECT_EQ(error.code, Errc::kUnsupported);
    EXPECT_NE(error.message.find("3 nodes"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("NoSuchOp (2: node_a, node_b)"), std::string::npos)
        << error.message;
    EXPECT_NE(error.message.find("com.example.Special (1: node_y)"), std::string::npos)
        << error.message;
    ASSERT_EQ(frame.size(), 5U);
    EXPECT_EQ(frame.front(), "QAIC_ERROR:");
    EXPECT_TRUE(frame[1].starts_with("Error message:  [Operator-'")) << frame[1];
    EXPECT_NE(frame[1].find("opset_version-17, ir_version-8]"), std::string::npos) << frame[1];
    EXPECT_EQ(frame.back(), "QAICException:Unable to AddNodesToGraphFromModel");
}

TEST(Errors, NodesWithoutANameAreCalledByTheirPlaceInTheFile) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"dead"}).clear_name();
    b.node("Relu", {"x"}, {"a"}).clear_name();
    b.node("NoSuchOp", {"a"}, {"y"}).clear_name();
    const std::string message = refused(b).message;
    EXPECT_NE(message.find("NoSuchOp (1: #2)"), std::string::npos) << message;
}

TEST(Errors, UnsupportedNodesThatNoOutputNeedsAreNoError) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"a"});
    b.node("NoSuchOp", {"a"}, {"y"});
    CompileOptions options;
    options.output_names = {"node_a"};
    EXPECT_EQ(compiled(b, options).image.description.outputs[0].name, "a");
}

TEST(Errors, NamesWithControlCharactersStayOnOneLine) {
    ModelBuilder b;
    b.input("x\n\x1b[31m", {"bat\nch"}).output("y", {2});
    b.node("Relu", {"x\n\x1b[31m"}, {"y"});
    EXPECT_EQ(refused(b).message.find('\x1b'), std::string::npos);
}

TEST(Errors, NumberOfCoresIsChecked) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"y"});
    for (const unsigned cores : {0U, 17U}) {
        CompileOptions options;
        options.num_cores = cores;
        EXPECT_EQ(refused(b, options).code, Errc::kInvalidArgument);
    }
    CompileOptions options;
    options.num_cores = 16;
    EXPECT_EQ(compiled(b, options).image.description.num_cores, 16U);
}

TEST(Errors, OpsetsOutOfRangeAreRefused) {
    for (const std::int64_t opset : {std::int64_t{6}, std::int64_t{9999}}) {
        ModelBuilder b(opset);
        b.input("x", {2}).output("y", {2});
        b.node("Relu", {"x"}, {"y"});
        EXPECT_EQ(refused(b).code, Errc::kUnsupported);
    }
}

TEST(Models, EveryIrVersionAndOpsetCompiles) {
    for (std::int64_t opset = 7; opset <= 22; ++opset) {
        for (const std::int64_t ir : {3, 4, 8, 10, 13}) {
            ModelBuilder b(opset, ir);
            b.input("x", {1, 4}).output("y", {1, 2});
            if (ir == 3) {
                b.input("w", {2, 4}).input("bias", {2});
            }
            b.floats("w", {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}).floats("bias", {2}, {10, 20});
            set_int(b.node("Gemm", {"x", "w", "bias"}, {"y"}), "transB", 1);
            EXPECT_EQ(run(compiled(b), {{1, 1, 1, 1}}), (std::vector<float>{20, 46}))
                << opset << " " << ir;
        }
    }
}

TEST(Models, FunctionsAndConstantsInsideThemAreLowered) {
    ModelBuilder b;
    b.input("x", {1, 32}).output("y", {1, 1});
    auto& function = *b.model().add_functions();
    function.set_name("Weigh");
    function.set_domain("local");
    function.add_input("a");
    function.add_output("r");
    auto* import = function.add_opset_import();
    import->set_domain("");
    import->set_version(17);
    auto& weight = *function.add_node();
    weight.set_op_type("Constant");
    weight.add_output("w");
    auto* value = weight.add_attribute();
    value->set_name("value");
    value->set_type(onnx::AttributeProto::TENSOR);
    value->mutable_t()->set_data_type(kFloat);
    value->mutable_t()->add_dims(32);
    value->mutable_t()->add_dims(1);
    for (int i = 0; i < 32; ++i) {
        value->mutable_t()->add_float_data(i == 0 ? 8.0F : i == 1 ? 0.25F : 0.0F);
    }
    auto& product = *function.add_node();
    product.set_op_type("MatMul");
    product.add_input("a");
    product.add_input("w");
    product.add_output("r");
    b.node("Weigh", {"x"}, {"y"}).set_domain("local");
    auto* local = b.model().add_opset_import();
    local->set_domain("local");
    local->set_version(1);
    CompileOptions options;
    options.mxfp6_matmul = true;
    const Program program = compiled(b, options);
    EXPECT_EQ(program.report.mx_weights, 1U);
    EXPECT_EQ(run(program, {std::vector<float>(32, 1.0F)}), std::vector<float>{8.0F});
}

TEST(Writing, CompileModelWritesTheProgramAndSaysSo) {
    std::string pattern = (std::filesystem::temp_directory_path() / "qaic-compile-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    CompileOptions options = question_options();
    options.output_dir = pattern + "/new/dir";
    std::vector<std::string> said;
    options.log = [&said](const std::string& line) { said.push_back(line); };
    const auto report = compile_model(options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(said, (std::vector<std::string>{
                        std::string("Reading ONNX Model from ") + kQuestion,
                        "Compile started ............... ", "Compiling model with FP16 precision.",
                        "Generated binary is present at " + options.output_dir}));
    EXPECT_EQ(std::filesystem::file_size(report->qpc_path), report->qpc_bytes);
    std::filesystem::remove_all(pattern);
}

TEST(Operators, TheListHasTheOperatorsOfTheRunner) {
    const std::string text = supported_operators_text();
    for (const char* name :
         {"Add ",     "Cast ",    "Clip ",      "Concat ",   "Constant ", "Div ",
          "Flatten ", "Gather ",  "Gemm ",      "Identity ", "MatMul ",   "Mul ",
          "Relu ",    "Reshape ", "Sigmoid ",   "Slice ",    "Softmax ",  "Squeeze ",
          "Sub ",     "Tanh ",    "Transpose ", "Unsqueeze "}) {
        EXPECT_NE(("\n" + text).find(std::string("\n") + name), std::string::npos) << name;
    }
}

}  // namespace
}  // namespace qaicc::test
