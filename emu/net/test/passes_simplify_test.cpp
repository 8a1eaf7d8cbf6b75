// SPDX-License-Identifier: Apache-2.0
/// simplify_reshapes: what goes, what becomes one view, what must stay.
#include "emu/net/test/pass_runner.hpp"

#include <functional>

namespace qaicnet::test {
namespace {

using Names = std::vector<std::string>;
using Ints = std::vector<std::int64_t>;

const Passes kPass{simplify_reshapes};

void ints(ModelBuilder& m, const std::string& name, const Ints& values) {
    m.constant<std::int64_t>(name, {static_cast<std::int64_t>(values.size())}, values);
}

/// One node on FLOAT x between two Relus, so that neither end is an input or output of the graph.
struct OneNode {
    ModelBuilder m{17};
    Dims dims;
    OneNode(const std::string& op, const Dims& shape, const Names& more,
            const std::function<void(ModelBuilder&, NodeBuilder&)>& complete = {})
        : dims(shape) {
        m.input("x", ElemType::kFloat, dims);
        m.node("Relu", {"x"}, {"a"}, "before");
        Names inputs{"a"};
        inputs.insert(inputs.end(), more.begin(), more.end());
        auto node = m.node(op, inputs, {"b"});
        if (complete) {
            complete(m, node);
        }
        m.node("Relu", {"b"}, {"y"}, "after");
        m.output("y");
    }
    Names left() { return Lowered(m, kPass).ops(); }
    bool keeps_bits() {
        const auto x = random_floats(checked_count(dims).value_or(0), 1);
        return same_bits(m, kPass, {bytes_of(x)});
    }
};

const Names kGone{"Relu", "Relu"};

TEST(SimplifyReshapes, DropoutGoesUnlessItsMaskIsWanted) {
    for (const bool mask : {false, true}) {
        ModelBuilder m(17);
        m.input("x", ElemType::kFloat, {2, 3});
        m.node("Relu", {"x"}, {"a"});
        m.node("Dropout", {"a"}, {"b", "mask"});
        m.node("Relu", {"b"}, {"y"});
        m.output("y");
        if (mask) {
            m.output("mask");
        }
        EXPECT_EQ(Lowered(m, kPass).ops(), mask ? (Names{"Relu", "Dropout", "Relu"}) : kGone);
        EXPECT_TRUE(same_bits(m, kPass, {bytes_of(random_floats(6, 1))}));
    }
}

TEST(SimplifyReshapes, ChainsBecomeOneView) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2, 3, 4});
    ints(m, "s", {6, 4});
    ints(m, "axes", {0});
    m.node("Relu", {"x"}, {"a"});
    m.node("Reshape", {"a", "s"}, {"b"});
    m.node("Unsqueeze", {"b", "axes"}, {"c"});
    m.node("Identity", {"c"}, {"d"});
    m.node("Flatten", {"d"}, {"e"}).attr("axis", 3);
    m.node("Relu", {"e"}, {"y"});
    m.output("y");
    EXPECT_EQ(Lowered(m, kPass).ops(), (Names{"Relu", "Reshape", "Relu"}));
    const auto x = random_floats(24, 1);
    EXPECT_TRUE(same_bits(m, kPass, {bytes_of(x)}));
}

TEST(SimplifyReshapes, ViewsThatComeBackGo) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2, 3});
    ints(m, "one", {1});
    m.node("Relu", {"x"}, {"a"});
    m.node("Unsqueeze", {"a", "one"}, {"b"});
    m.node("Squeeze", {"b", "one"}, {"c"});
    m.node("Relu", {"c"}, {"y"});
    m.output("y");
    EXPECT_EQ(Lowered(m, kPass).ops(), kGone);
}

TEST(SimplifyReshapes, EmptyTensorsKeepTheirShape) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2, 0, 3});
    ints(m, "axes", {0});
    m.node("Unsqueeze", {"x", "axes"}, {"a"});
    m.node("Flatten", {"a"}, {"b"}).attr("axis", 2);
    m.node("Relu", {"b"}, {"y"});
    m.output("y");
    Lowered lowered(m, kPass);
    EXPECT_EQ(lowered.ops(), (Names{"Reshape", "Relu"}));
    const std::vector<std::span<const std::byte>> nothing(1);
    EXPECT_TRUE(lowered.run(nothing).empty());
}

TEST(SimplifyReshapes, OutputsKeepTheirNames) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2, 3});
    m.node("Relu", {"x"}, {"a"});
    m.node("Identity", {"a"}, {"y"});
    m.node("Relu", {"y"}, {"z"});
    m.output("y").output("z");
    EXPECT_EQ(Lowered(m, kPass).ops(), (Names{"Relu", "Identity", "Relu"}));
    const auto x = random_floats(6, 1);
    EXPECT_TRUE(same_bits(m, kPass, {bytes_of(x)}));
}

TEST(SimplifyReshapes, NodesThatChangeNothingGo) {
    const auto slice = [](ModelBuilder& m, NodeBuilder&) {
        ints(m, "starts", {0, 0});
        ints(m, "ends", {100, 3});
        ints(m, "axes", {0, 1});
    };
    EXPECT_EQ(OneNode("Slice", {2, 3}, {"starts", "ends", "axes"}, slice).left(), kGone);
    const auto list = [](const Ints& values) {
        return [values](ModelBuilder& m, NodeBuilder&) { ints(m, "list", values); };
    };
    EXPECT_EQ(OneNode("Pad", {2, 3}, {"list"}, list({0, 0, 0, 0})).left(), kGone);
    EXPECT_EQ(OneNode("Expand", {2, 3}, {"list"}, list({1, 3})).left(), kGone);
    EXPECT_EQ(OneNode("Tile", {2, 3}, {"list"}, list({1, 1})).left(), kGone);
    const auto perm = [](ModelBuilder&, NodeBuilder& n) { n.attr("perm", Dims{0, 1}); };
    EXPECT_EQ(OneNode("Transpose", {2, 3}, {}, perm).left(), kGone);
    const auto cast = [](ModelBuilder&, NodeBuilder& n) { n.attr("to", 1); };
    EXPECT_EQ(OneNode("Cast", {2, 3}, {}, cast).left(), kGone);
    const auto axis = [](ModelBuilder&, NodeBuilder& n) { n.attr("axis", 0); };
    EXPECT_EQ(OneNode("Concat", {2, 3}, {}, axis).left(), kGone);
    for (const char* op : {"Sum", "Max", "Min", "Mean"}) {
        EXPECT_EQ(OneNode(op, {2, 3}, {}).left(), kGone) << op;
    }
}

TEST(SimplifyReshapes, NodesThatOnlyLookLikeItStay) {
    const auto reversed = [](ModelBuilder& m, NodeBuilder&) {
        ints(m, "starts", {-1});
        ints(m, "ends", {-100});
        ints(m, "axes", {0});
        ints(m, "steps", {-1});
    };
    OneNode slice("Slice", {2, 3}, {"starts", "ends", "axes", "steps"}, reversed);
    EXPECT_EQ(slice.left(), (Names{"Relu", "Slice", "Relu"}));
    EXPECT_TRUE(slice.keeps_bits());
    const auto shifted = [](ModelBuilder& m, NodeBuilder&) { ints(m, "list", {1, 0, -1, 0}); };
    OneNode pad("Pad", {2, 3}, {"list"}, shifted);
    EXPECT_EQ(pad.left(), (Names{"Relu", "Pad", "Relu"}));
    EXPECT_TRUE(pad.keeps_bits());
    EXPECT_EQ(OneNode("Transpose", {2, 3}, {}).left(), (Names{"Relu", "Transpose", "Relu"}));
}

TEST(SimplifyReshapes, TransposeOfSizeOneAxesIsAReshape) {
    const auto perm = [](ModelBuilder&, NodeBuilder& n) { n.attr("perm", Dims{0, 2, 1, 3}); };
    OneNode moved("Transpose", {2, 1, 3, 4}, {}, perm);
    EXPECT_EQ(moved.left(), (Names{"Relu", "Reshape", "Relu"}));
    EXPECT_TRUE(moved.keeps_bits());
}

Names left_after(const std::string& op, const Names& inputs, float constant, const Dims& dims) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2, 3});
    m.constant<float>("c", dims, Floats(checked_count(dims).value_or(0), constant));
    m.node("Relu", {"x"}, {"a"});
    m.node(op, inputs, {"b"});
    m.node("Relu", {"b"}, {"y"});
    m.output("y");
    return Lowered(m, kPass).ops();
}

TEST(SimplifyReshapes, ExactlyNeutralConstantsGo) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(left_after("Mul", {"a", "c"}, 1, {1}), kGone);
    EXPECT_EQ(left_after("Mul", {"c", "a"}, 1, {2, 3}), kGone);
    EXPECT_EQ(left_after("Div", {"a", "c"}, 1, {}), kGone);
    EXPECT_EQ(left_after("Add", {"a", "c"}, -0.0F, {3}), kGone);
    EXPECT_EQ(left_after("Sub", {"a", "c"}, 0, {3}), kGone);
    EXPECT_EQ(left_after("Max", {"c", "a"}, -kInfinity, {}), kGone);
    EXPECT_EQ(left_after("Min", {"a", "c"}, kInfinity, {}), kGone);
}

TEST(SimplifyReshapes, OtherConstantsStay) {
    const auto with = [](const std::string& op) { return Names{"Relu", op, "Relu"}; };
    EXPECT_EQ(left_after("Add", {"a", "c"}, 0, {1}), with("Add"));      // -0 + 0 is +0
    EXPECT_EQ(left_after("Sub", {"a", "c"}, -0.0F, {1}), with("Sub"));  // likewise
    EXPECT_EQ(left_after("Div", {"c", "a"}, 1, {1}), with("Div"));
    EXPECT_EQ(left_after("Sub", {"c", "a"}, 0, {1}), with("Sub"));
    EXPECT_EQ(left_after("Mul", {"a", "c"}, 1, {1, 2, 3}), with("Mul"));  // another axis
    EXPECT_EQ(left_after("Max", {"a", "c"}, 0, {}), with("Max"));
}

TEST(SimplifyReshapes, ServesEveryType) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat16, {2, 3});
    m.constant<Half>("one", {1}, {float_to_half(1)});
    m.node("Relu", {"x"}, {"a"});
    m.node("Mul", {"a", "one"}, {"b"});
    m.node("Identity", {"b"}, {"c"});
    m.node("Relu", {"c"}, {"y"});
    m.output("y");
    EXPECT_EQ(Lowered(m, kPass).ops(), kGone);
}

}  // namespace
}  // namespace qaicnet::test
