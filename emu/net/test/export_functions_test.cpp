// SPDX-License-Identifier: Apache-2.0
/// Operators of ai.qaic.emu in a written graph: functions that say the same in ONNX's operators.
#include "emu/net/test/model_builder.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace qaicnet::test {
namespace {

using Floats = std::vector<float>;

Floats numbers(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> value(-2, 2);
    Floats values(count);
    std::generate(values.begin(), values.end(), [&] { return value(random); });
    return values;
}

onnx::ModelProto exported(const onnx::ModelProto& model, bool passes) {
    onnx::ModelProto lowered;
    LoadOptions options;
    options.passes = passes;
    options.lowered = &lowered;
    const auto network = Network::load(model, {}, options);
    EXPECT_TRUE(network) << network.error().message;
    return lowered;
}

Floats run_model(const onnx::ModelProto& model, const Floats& input, bool passes) {
    LoadOptions options;
    options.passes = passes;
    const auto network = Network::load(model, {}, options);
    EXPECT_TRUE(network) << network.error().message << "\n" << model.ShortDebugString();
    if (!network) {
        return {};
    }
    const auto outputs = run_bytes(**network, {bytes_of(input)});
    EXPECT_TRUE(outputs) << outputs.error().message;
    return outputs ? as_vector<float>((*outputs)[0]) : Floats{};
}

/// The function's convolution sums in another order than the operator's.
void expect_near(const Floats& got, const Floats& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], expected[i], 1e-5F * (1 + std::fabs(expected[i]))) << i;
    }
}

std::vector<std::string> function_names(const onnx::ModelProto& model) {
    std::vector<std::string> names;
    for (const auto& function : model.functions()) {
        names.push_back(function.name());
    }
    return names;
}

std::vector<std::string> body(const onnx::FunctionProto& function) {
    std::vector<std::string> types;
    for (const auto& node : function.node()) {
        types.push_back(node.op_type());
    }
    return types;
}

struct Convolution {
    bool transposed = false, bias = true, addend = false;
    const char* activation = "";
    float alpha = 0, beta = 0;
    std::int64_t opset = 17;
};

/// [1, 5, 4, 3] on channels last, 3 to 3 channels, a window of 3 x 3 that keeps the size.
ModelBuilder fused(const Convolution& conv) {
    ModelBuilder m(conv.opset);
    m.import_domain(kEmuDomain, 1);
    m.input("x", ElemType::kFloat, {1, 5, 4, 3});
    m.constant<float>("w", {3, 3, 3, 3}, numbers(81, 1));
    m.constant<float>("b", {3}, {0.5F, -0.25F, 1});
    std::vector<std::string> in{"x", "w", conv.bias ? "b" : "", conv.addend ? "x" : ""};
    NodeBuilder node = m.node("FusedConv", in, {"y"});
    node.attr("kernel_shape", Dims{3, 3}).attr("pads", Dims{1, 1, 1, 1}).attr("channels_last", 1);
    node.attr("activation", conv.activation).attr("alpha", conv.alpha).attr("beta", conv.beta);
    if (conv.transposed) {
        node.attr("transposed", 1);
    }
    node.proto()->set_domain(kEmuDomain);
    m.output("y");
    return m;
}

onnx::ModelProto expect_function(const Convolution& conv, const std::string& name) {
    SCOPED_TRACE(name);
    const ModelBuilder m = fused(conv);
    const onnx::ModelProto lowered = exported(m.model, false);
    EXPECT_EQ(function_names(lowered), std::vector<std::string>{name});
    EXPECT_EQ(lowered.graph().node(0).op_type(), name);
    EXPECT_EQ(lowered.graph().node(0).domain(), kEmuDomain);
    EXPECT_EQ(lowered.opset_import(1).domain(), kEmuDomain);
    EXPECT_EQ(lowered.functions(0).opset_import(0).version(), lowered.opset_import(0).version());
    const Floats x = numbers(60, 2);
    expect_near(run_model(lowered, x, false), run_model(m.model, x, false));
    // With passes the function becomes the operator again.
    EXPECT_EQ(run_model(lowered, x, true), run_model(m.model, x, true));
    EXPECT_EQ(exported(m.model, false).SerializeAsString(), lowered.SerializeAsString());
    return lowered;
}

TEST(ExportFunctions, EveryActivationIsSaidInOnnx) {
    const std::string last = "_ChannelsLast2d";
    expect_function({}, "FusedConv_Bias" + last);
    for (const char* name : {"Relu", "Sigmoid", "Tanh", "HardSwish", "Swish", "Gelu"}) {
        expect_function({.activation = name}, "FusedConv_Bias_" + std::string(name) + last);
    }
    expect_function({.activation = "LeakyRelu", .alpha = 0.2F}, "FusedConv_Bias_LeakyRelu" + last);
    expect_function({.activation = "Elu", .alpha = 0.7F}, "FusedConv_Bias_Elu" + last);
    expect_function({.activation = "HardSigmoid", .alpha = 0.25F, .beta = 0.4F},
                    "FusedConv_Bias_HardSigmoid" + last);
    expect_function({.activation = "Clip", .alpha = -0.5F, .beta = 2},
                    "FusedConv_Bias_Clip" + last);
    // Older opsets spell some of them otherwise.
    expect_function({.activation = "HardSwish", .opset = 11}, "FusedConv_Bias_HardSwish" + last);
    expect_function({.activation = "Clip", .alpha = -0.5F, .beta = 2, .opset = 10},
                    "FusedConv_Bias_Clip" + last);
    expect_function({.activation = "Gelu", .opset = 20}, "FusedConv_Bias_Gelu" + last);
}

TEST(ExportFunctions, InputsThatAreLeftOutAreNoInputsOfTheFunction) {
    const auto plain = expect_function({.bias = false}, "FusedConv_ChannelsLast2d");
    EXPECT_EQ(plain.functions(0).input_size(), 2);
    const auto sum = expect_function({.bias = false, .addend = true, .activation = "Relu"},
                                     "FusedConv_Add_Relu_ChannelsLast2d");
    EXPECT_EQ(sum.functions(0).input(2), "Z");
    EXPECT_EQ(sum.graph().node(0).input(2), "x");
    EXPECT_EQ(body(sum.functions(0)), (std::vector<std::string>{"Transpose", "Conv", "Transpose",
                                                                "Add", "Relu", "Transpose"}));
    expect_function({.transposed = true, .addend = true},
                    "FusedConvTranspose_Bias_Add_ChannelsLast2d");
}

TEST(ExportFunctions, AttributesStayOnTheNode) {
    const auto model = exported(fused({.activation = "LeakyRelu", .alpha = 0.2F}).model, false);
    std::vector<std::string> names;
    for (const auto& attribute : model.graph().node(0).attribute()) {
        names.push_back(attribute.name());
    }
    EXPECT_EQ(names, (std::vector<std::string>{"kernel_shape", "pads", "alpha"}));
    EXPECT_EQ(model.functions(0).attribute_size(), 3);
}

TEST(ExportFunctions, OneFunctionServesAllNodesThatDifferInAttributesOnly) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {1, 3, 8, 8});
    std::string at = "x";
    const std::pair<float, std::int64_t> layers[] = {{6, 1}, {6, 2}, {3, 1}};
    for (std::size_t i = 0; i < 3; ++i) {
        const std::string n = std::to_string(i);
        m.constant<float>("w" + n, {3, 3, 1, 1}, numbers(9, static_cast<unsigned>(i)));
        m.constant<float>("low" + n, {}, {0});
        m.constant<float>("high" + n, {}, {layers[i].first});
        m.node("Conv", {at, "w" + n}, {"c" + n})
            .attr("strides", Dims{layers[i].second, layers[i].second});
        at = "y" + n;
        m.node("Clip", {"c" + n, "low" + n, "high" + n}, {at});
    }
    m.output(at);
    const auto lowered = exported(m.model, true);
    EXPECT_EQ(function_names(lowered),
              (std::vector<std::string>{"FusedConv_Clip_ChannelsLast2d",
                                        "FusedConv_Clip_ChannelsLast2d_2"}));
    const Floats x = numbers(192, 9);
    EXPECT_EQ(run_model(lowered, x, true), run_model(m.model, x, true));
    expect_near(run_model(lowered, x, false), run_model(m.model, x, false));
}

TEST(ExportFunctions, PoolsOnChannelsLast) {
    for (const char* op : {"MaxPool", "AveragePool"}) {
        ModelBuilder m(17);
        m.input("x", ElemType::kFloat, {1, 3, 8, 8});
        NodeBuilder node = m.node(op, {"x"}, {"pool"});
        node.attr("kernel_shape", Dims{3, 3}).attr("strides", Dims{2, 2}).attr("ceil_mode", 1);
        m.node("GlobalAveragePool", {"pool"}, {"y"});
        m.output("y");
        const auto lowered = exported(m.model, true);
        const auto names = function_names(lowered);
        ASSERT_FALSE(names.empty());
        EXPECT_EQ(names[0], std::string(op) + "_ChannelsLast2d");
        const Floats x = numbers(192, 3);
        EXPECT_EQ(run_model(lowered, x, true), run_model(m.model, x, true));
        EXPECT_EQ(run_model(lowered, x, false), run_model(m.model, x, false));
    }
}

TEST(ExportFunctions, ModelsOfOpset9KeepTheirOpsetThroughThePasses) {
    ModelBuilder m(9);
    m.input("x", ElemType::kFloat, {1, 3, 8, 8});
    m.constant<float>("w", {4, 3, 3, 3}, numbers(108, 4));
    m.node("Conv", {"x", "w"}, {"c"});
    m.node("Clip", {"c"}, {"r"}).attr("min", 0.0F).attr("max", 6.0F);
    m.node("Softmax", {"r"}, {"s"}).attr("axis", 1);
    m.node("Unsqueeze", {"s"}, {"y"}).attr("axes", Dims{0});
    m.output("y");
    const auto lowered = exported(m.model, true);
    EXPECT_EQ(lowered.opset_import(0).version(), 9);
    const Floats x = numbers(192, 5);
    EXPECT_EQ(run_model(lowered, x, true), run_model(m.model, x, true));
}

}  // namespace
}  // namespace qaicnet::test
