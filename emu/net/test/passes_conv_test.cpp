// SPDX-License-Identifier: Apache-2.0
/// fuse_batch_norm and fuse_bias_and_activation.
#include "emu/net/test/pass_runner.hpp"

#include <functional>

namespace qaicnet::test {
namespace {

using Names = std::vector<std::string>;

const Passes kFold{fuse_batch_norm};
const Passes kFuse{fuse_bias_and_activation};

/// x [2,4,5,6] through one convolution with the result "a", and what a test adds.
class ConvModel {
  public:
    explicit ConvModel(const std::string& op = "Conv", std::int64_t groups = 1, int pad = 1)
        : m(14) {
        m.input("x", ElemType::kFloat, {2, 4, 5, 6});
        add_conv(op, "x", "a", groups, pad);
    }
    NodeBuilder add_conv(const std::string& op, const std::string& from, const std::string& to,
                         std::int64_t groups = 1, int pad = 1) {
        const Dims dims = op == "Conv" ? Dims{6, 4 / groups, 3, 3} : Dims{4, 6 / groups, 3, 3};
        m.constant<float>("w_" + to, dims,
                          random_floats(checked_count(dims).value_or(0), 5, -1, 1));
        m.constant<float>("b_" + to, {6}, random_floats(6, 6));
        auto node = m.node(op, {from, "w_" + to, "b_" + to}, {to}, to);
        node.attr("group", groups).attr("pads", Dims{pad, pad, pad, pad});
        return node;
    }
    void constant(const std::string& name, const Dims& dims, float low = 0.5F, float high = 2) {
        m.constant<float>(name, dims,
                          random_floats(checked_count(dims).value_or(0), next_++, low, high));
    }
    void batch_norm(const std::string& from, const std::string& to) {
        for (const char* name : {"gamma", "beta", "mean", "variance"}) {
            constant(name, {6});
        }
        m.node("BatchNormalization", {from, "gamma", "beta", "mean", "variance"}, {to});
    }
    Names ops(const Passes& passes) { return Lowered(m, passes).ops(); }
    float error(const Passes& passes) {
        return difference(m, passes, random_floats(240, 9, -1, 1));
    }

    ModelBuilder m;

  private:
    unsigned next_ = 20;
};

TEST(FuseBatchNorm, BatchNormGoesIntoTheWeights) {
    for (const auto& [op, groups] : std::vector<std::pair<std::string, std::int64_t>>{
             {"Conv", 1}, {"Conv", 2}, {"ConvTranspose", 1}, {"ConvTranspose", 2}}) {
        ConvModel c(op, groups);
        c.batch_norm("a", "y");
        c.m.output("y");
        EXPECT_EQ(c.ops(kFold), Names{op}) << groups;
        EXPECT_LT(c.error(kFold), 1e-4F) << op << groups;
    }
}

TEST(FuseBatchNorm, ConvWithoutBiasGetsOne) {
    ConvModel c;
    c.m.model.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
    c.batch_norm("a", "y");
    c.m.output("y");
    Lowered lowered(c.m, kFold);
    EXPECT_EQ(lowered.node("Conv").inputs.size(), 3U);
    EXPECT_LT(c.error(kFold), 1e-4F);
}

TEST(FuseBatchNorm, ArithmeticByChannelGoesIntoTheWeights) {
    ConvModel c;
    c.constant("scale", {6, 1, 1});
    c.constant("shift", {1, 6, 1, 1});
    c.constant("divisor", {1});
    c.constant("from", {});
    c.m.node("Mul", {"scale", "a"}, {"b"});
    c.m.node("Add", {"b", "shift"}, {"d"});
    c.m.node("Div", {"d", "divisor"}, {"e"});
    c.m.node("Sub", {"from", "e"}, {"y"});
    c.m.output("y");
    EXPECT_EQ(c.ops(kFold), Names{"Conv"});
    EXPECT_LT(c.error(kFold), 1e-4F);
}

TEST(FuseBatchNorm, AViewThatKeepsChannelsIsNoObstacle) {
    ConvModel c;
    c.m.constant<std::int64_t>("rows", {3}, {2, 6, 30});
    c.constant("shift", {1, 6, 1});
    c.m.node("Reshape", {"a", "rows"}, {"b"});
    c.m.node("Add", {"b", "shift"}, {"y"});
    c.m.output("y");
    EXPECT_EQ(c.ops(kFold), (Names{"Conv", "Reshape"}));
    EXPECT_LT(c.error(kFold), 1e-5F);
}

TEST(FuseBatchNorm, WhatVariesByPositionOrHasOtherReadersStays) {
    ConvModel position;
    position.constant("c", {6});  // along the last axis
    position.m.node("Add", {"a", "c"}, {"y"});
    position.m.output("y");
    EXPECT_EQ(position.ops(kFold), (Names{"Conv", "Add"}));
    ConvModel readers;
    readers.batch_norm("a", "b");
    readers.m.node("Add", {"a", "b"}, {"y"});
    readers.m.output("y");
    EXPECT_EQ(readers.ops(kFold), (Names{"Conv", "BatchNormalization", "Add"}));
    ConvModel given;
    given.batch_norm("a", "y");
    given.m.output("y").output("a");
    EXPECT_EQ(given.ops(kFold), (Names{"Conv", "BatchNormalization"}));
    ConvModel inverse;
    inverse.constant("c", {1});
    inverse.m.node("Div", {"c", "a"}, {"y"});
    inverse.m.output("y");
    EXPECT_EQ(inverse.ops(kFold), (Names{"Conv", "Div"}));
}

TEST(FuseBatchNorm, FactorsWithoutAFiniteValueStay) {
    ConvModel zero;
    zero.m.constant<float>("c", {1}, {0});
    zero.m.node("Div", {"a", "c"}, {"y"});
    zero.m.output("y");
    EXPECT_EQ(zero.ops(kFold), (Names{"Conv", "Div"}));
    ConvModel variance;
    variance.batch_norm("a", "y");
    auto* graph = variance.m.model.mutable_graph();
    graph->mutable_initializer()->RemoveLast();
    variance.m.constant<float>("variance", {6}, Floats(6, -1));
    variance.m.output("y");
    EXPECT_EQ(variance.ops(kFold), (Names{"Conv", "BatchNormalization"}));
    ConvModel large;
    large.m.constant<float>("c", {1}, {3e38F});
    large.m.node("Mul", {"a", "c"}, {"b"});
    large.m.node("Mul", {"b", "c"}, {"y"});
    large.m.output("y");
    EXPECT_EQ(large.ops(kFold).back(), "Mul");
}

TEST(FuseBatchNorm, WhatComesBeforeGoesInWherePaddingAllowsIt) {
    for (const int pad : {0, 1}) {
        ConvModel c("Conv", 1, pad);
        auto* conv = c.m.model.mutable_graph()->mutable_node(0);
        conv->set_input(0, "scaled");
        conv->set_output(0, "y");
        c.constant("scale", {1});
        c.constant("shift", {4, 1, 1});
        c.m.node("Relu", {"x"}, {"r"});
        c.m.node("Mul", {"r", "scale"}, {"p"});
        c.m.node("Add", {"p", "shift"}, {"scaled"});
        c.m.output("y");
        EXPECT_EQ(c.ops(kFold),
                  pad == 0 ? (Names{"Relu", "Conv"}) : (Names{"Relu", "Add", "Conv"}));
        EXPECT_LT(c.error(kFold), 1e-4F);
    }
}

TEST(FuseBatchNorm, LongChainsAreLeftToTheirNodes) {
    ConvModel c;
    c.constant("k", {6, 1, 1});
    std::string last = "a";
    for (int i = 0; i < 40; ++i) {
        const std::string next = "s" + std::to_string(i);
        c.m.node("Add", {last, "k"}, {next});
        last = next;
    }
    c.m.output(last);
    EXPECT_EQ(Lowered(c.m, kFold).count("Add"), 40U - 16U);
    EXPECT_LT(c.error(kFold), 1e-4F);
}

TEST(FuseBatchNorm, OtherTypesAreLeftAlone) {
    ModelBuilder m(14);
    m.input("x", ElemType::kFloat16, {1, 1, 4});
    m.constant<Half>("w", {1, 1, 1}, {float_to_half(2)});
    m.constant<Half>("c", {1}, {float_to_half(3)});
    m.node("Conv", {"x", "w"}, {"a"});
    m.node("Mul", {"a", "c"}, {"y"});
    m.output("y");
    EXPECT_EQ(Lowered(m, kFold).ops(), (Names{"Conv", "Mul"}));
    // Folding would move a rounding; FusedConv rounds where Conv did.
    EXPECT_EQ(Lowered(m, kFuse).ops(), (Names{"FusedConv", "Mul"}));
}

// --- FusedConv

TEST(FuseBiasAndActivation, EveryFloatConvolutionIsFused) {
    ConvModel c("ConvTranspose", 2);
    c.m.model.mutable_graph()->mutable_node(0)->set_output(0, "y");
    c.m.output("y");
    Lowered lowered(c.m, kFuse);
    const Node& fused = lowered.node("FusedConv");
    EXPECT_EQ(lowered.ops(), Names{"FusedConv"});
    EXPECT_EQ(fused.domain, kEmuDomain);
    EXPECT_EQ(fused.label, "a");
    EXPECT_EQ(int_attribute(fused, "transposed", 0), 1);
    EXPECT_EQ(int_attribute(fused, "group", 0), 2);
    EXPECT_EQ(ints_attribute(fused, "pads"), (Dims{1, 1, 1, 1}));
    EXPECT_EQ(string_attribute(fused, "activation", ""), "");
}

struct Expected {
    const char* activation;
    float alpha, beta;
};
void expect_activation(const std::function<void(ModelBuilder&)>& add, const Expected& expected) {
    ConvModel c;
    add(c.m);
    c.m.output("y");
    Lowered lowered(c.m, kFuse);
    ASSERT_EQ(lowered.ops(), Names{"FusedConv"}) << expected.activation;
    const Node& fused = lowered.node("FusedConv");
    EXPECT_EQ(string_attribute(fused, "activation", ""), expected.activation);
    EXPECT_EQ(float_attribute(fused, "alpha", -1), expected.alpha) << expected.activation;
    EXPECT_EQ(float_attribute(fused, "beta", -1), expected.beta) << expected.activation;
    EXPECT_EQ(lowered.name_of(fused.outputs[0]), "y");
}

TEST(FuseBiasAndActivation, TakesActivationsIn) {
    const auto unary = [](const std::string& op) {
        return [op](ModelBuilder& m) { m.node(op, {"a"}, {"y"}); };
    };
    expect_activation(unary("Relu"), {"Relu", 0, 0});
    expect_activation(unary("Sigmoid"), {"Sigmoid", 0, 0});
    expect_activation(unary("Tanh"), {"Tanh", 0, 0});
    expect_activation(unary("HardSwish"), {"HardSwish", 0, 0});
    expect_activation(unary("LeakyRelu"), {"LeakyRelu", 0.01F, 0});
    expect_activation(unary("Elu"), {"Elu", 1, 0});
    expect_activation(unary("HardSigmoid"), {"HardSigmoid", 0.2F, 0.5F});
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    expect_activation(unary("Clip"), {"Clip", -kInfinity, kInfinity});
    expect_activation(
        [](ModelBuilder& m) {
            m.constant<float>("six", {}, {6});
            m.node("Clip", {"a", "", "six"}, {"y"});
        },
        {"Clip", -kInfinity, 6});
}

TEST(FuseBiasAndActivation, ComputedLimitsAndOtherActivationsStay) {
    ConvModel limit;
    limit.m.input("top", ElemType::kFloat, {});
    limit.m.node("Clip", {"a", "", "top"}, {"y"});
    limit.m.output("y");
    EXPECT_EQ(limit.ops(kFuse), (Names{"FusedConv", "Clip"}));
    ConvModel other;
    other.m.node("Softplus", {"a"}, {"y"});
    other.m.output("y");
    EXPECT_EQ(other.ops(kFuse), (Names{"FusedConv", "Softplus"}));
    ConvModel given;
    given.m.node("Relu", {"a"}, {"y"});
    given.m.output("y").output("a");
    EXPECT_EQ(given.ops(kFuse), (Names{"FusedConv", "Relu"}));
}

TEST(FuseBiasAndActivation, ASumGoesInFirstAndTheNodeMovesToItsPlace) {
    ConvModel c;
    c.m.input("z", ElemType::kFloat, {2, 6, 5, 6});
    c.m.node("Neg", {"z"}, {"n"});  // after the Conv
    c.m.node("Add", {"n", "a"}, {"s"});
    c.m.node("Relu", {"s"}, {"y"});
    c.m.output("y");
    Lowered lowered(c.m, kFuse);
    EXPECT_EQ(lowered.ops(), (Names{"Neg", "FusedConv"}));
    const Node& fused = lowered.node("FusedConv");
    ASSERT_EQ(fused.inputs.size(), 4U);
    EXPECT_EQ(lowered.name_of(fused.inputs[3]), "n");
    EXPECT_EQ(string_attribute(fused, "activation", ""), "Relu");
}

TEST(FuseBiasAndActivation, TwoConvolutionsOfOneSum) {
    ConvModel c;
    c.add_conv("Conv", "x", "b");
    c.m.node("Add", {"a", "b"}, {"y"});
    c.m.output("y");
    Lowered lowered(c.m, kFuse);
    EXPECT_EQ(lowered.ops(), (Names{"FusedConv", "FusedConv"}));
    EXPECT_EQ(lowered.node("FusedConv").inputs.size(), 3U);  // the first one is the addend
}

TEST(FuseBiasAndActivation, SumsOfOtherShapesStay) {
    ConvModel broadcast;
    broadcast.m.input("z", ElemType::kFloat, {2, 6, 1, 1});
    broadcast.m.node("Add", {"a", "z"}, {"y"});
    broadcast.m.output("y");
    EXPECT_EQ(broadcast.ops(kFuse), (Names{"FusedConv", "Add"}));
    ConvModel twice;
    twice.m.node("Add", {"a", "a"}, {"y"});
    twice.m.output("y");
    EXPECT_EQ(twice.ops(kFuse), (Names{"FusedConv", "Add"}));
    ConvModel constant;
    constant.constant("z", {2, 6, 5, 6});
    constant.m.node("Add", {"a", "z"}, {"y"});
    constant.m.output("y");
    EXPECT_EQ(constant.ops(kFuse), (Names{"FusedConv", "Add"}));
}

TEST(FuseBiasAndActivation, WeightsFromMxCodesKeepTheirConvolution) {
    ConvModel c;
    c.batch_norm("a", "y");
    c.m.output("y");
    Budget budget(std::uint64_t{1} << 30);
    auto graph = import_model(c.m.model, {}, {}, budget);
    ASSERT_TRUE(graph);
    for (Node& node : graph->nodes) {
        NodeContext context(*graph, node, budget);
        ASSERT_TRUE(node.op->infer(context));
    }
    for (Value& value : graph->values) {
        value.from_mx = value.name == "w_a";
    }
    GraphEdit edit(*graph, budget);
    for (const Pass pass : {fuse_batch_norm, fuse_bias_and_activation}) {
        const auto changed = pass(edit);
        ASSERT_TRUE(changed);
        EXPECT_FALSE(*changed);
    }
}

// --- all passes together

Floats outputs_of(const ModelBuilder& m, bool passes, std::vector<std::string>& steps) {
    LoadOptions options;
    options.passes = passes;
    auto network = load(m, options);
    EXPECT_TRUE(network) << network.error().message;
    if (!network) {
        return {};
    }
    steps = (*network)->steps();
    const auto x = random_floats(240, 1, -2, 2);
    const auto z = random_floats(360, 2, -2, 2);
    const auto out = run_bytes(**network, {bytes_of(x), bytes_of(z)});
    EXPECT_TRUE(out) << out.error().message;
    return out ? as_vector<float>((*out)[0]) : Floats();
}

TEST(GraphEdit, AReplacedNodeIsCountedOnceForEachInputThatItReads) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.input("y", ElemType::kFloat, {2});
    m.node("Max", {"x", "y", "x"}, {"a"});
    m.output("a");
    Budget budget(1 << 20);
    auto graph = import_model(m.model, {}, {}, budget);
    ASSERT_TRUE(graph) << graph.error().message;
    GraphEdit edit(*graph, budget);
    const int x = graph->inputs[0];
    const int y = graph->inputs[1];
    const std::vector<int> out = edit.node(0).outputs;
    const auto reads = [&](std::vector<int> inputs) {
        edit.replace_node(0, make_node("", "Max", kMaxOpset, "", std::move(inputs), out));
        return std::pair(edit.readers(x).size(), edit.readers(y).size());
    };
    EXPECT_EQ(reads({x, x, y}), (std::pair<std::size_t, std::size_t>(2, 1)));
    EXPECT_EQ(reads({x, y}), (std::pair<std::size_t, std::size_t>(1, 1)));
    EXPECT_EQ(reads({x, y, y}), (std::pair<std::size_t, std::size_t>(1, 2)));
    EXPECT_EQ(reads({y}), (std::pair<std::size_t, std::size_t>(0, 1)));
    EXPECT_EQ(reads({}), (std::pair<std::size_t, std::size_t>(0, 0)));
}

TEST(AllPasses, ConvolutionWithEverythingAroundItIsOneStep) {
    for (const char* activation :
         {"Relu", "Clip", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh"}) {
        ConvModel c("Conv", 2);
        c.m.input("z", ElemType::kFloat, {2, 6, 5, 6});
        c.batch_norm("a", "n");
        c.m.node("Add", {"z", "n"}, {"s"});
        c.m.node(activation, {"s"}, {"y"});
        c.m.output("y");
        std::vector<std::string> before;
        std::vector<std::string> after;
        const Floats plain = outputs_of(c.m, false, before);
        const Floats lowered = outputs_of(c.m, true, after);
        EXPECT_EQ(before.size(), 4U);
        EXPECT_EQ(std::count(after.begin(), after.end(), "FusedConv:a"), 1) << activation;
        EXPECT_TRUE(std::all_of(after.begin(), after.end(), [](const std::string& step) {
            return step.starts_with("FusedConv:") || step.starts_with("Transpose:");
        })) << activation;
        ASSERT_EQ(plain.size(), lowered.size());
        for (std::size_t i = 0; i < plain.size(); ++i) {
            ASSERT_NEAR(plain[i], lowered[i], 1e-4F) << activation << " at " << i;
        }
    }
}

}  // namespace
}  // namespace qaicnet::test
