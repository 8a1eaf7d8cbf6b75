// SPDX-License-Identifier: Apache-2.0
/// Operators whose form changed between opsets, and the shapes they give.
#include "emu/net/test/model_builder.hpp"

#include <cmath>

namespace qaicnet::test {
namespace {

using Attributes = std::vector<std::pair<std::string, Dims>>;
using Inputs = std::vector<std::pair<std::string, Dims>>;

/// One node on FLOAT x[dims] with INT64 list inputs; the result's shape, or {-1} when it does not
/// load.
Dims shape_of(std::int64_t opset, const std::string& op, const Dims& dims, const Inputs& lists,
              const Attributes& attributes = {},
              const std::vector<std::pair<std::string, int>>& ints = {}) {
    ModelBuilder m(opset);
    m.input("x", ElemType::kFloat, dims);
    std::vector<std::string> in{"x"};
    for (const auto& [name, values] : lists) {
        if (!name.empty()) {
            m.constant<std::int64_t>(name, {static_cast<std::int64_t>(values.size())}, values);
        }
        in.push_back(name);
    }
    auto node = m.node(op, in, {"y"});
    for (const auto& [name, values] : attributes) {
        node.attr(name, values);
    }
    for (const auto& [name, value] : ints) {
        node.attr(name, value);
    }
    m.output("y");
    auto network = load(m);
    return network ? (*network)->outputs()[0].dims : Dims{-1};
}

const Dims kRefused{-1};

TEST(Opsets, SqueezeTakesAxesAsAttributeThenAsInput) {
    EXPECT_EQ(shape_of(11, "Squeeze", {1, 2, 1}, {}, {{"axes", {-1}}}), (Dims{1, 2}));
    EXPECT_EQ(shape_of(11, "Squeeze", {1, 2, 1}, {}), (Dims{2}));
    EXPECT_EQ(shape_of(13, "Squeeze", {1, 2, 1}, {{"axes", {0}}}), (Dims{2, 1}));
    EXPECT_EQ(shape_of(13, "Squeeze", {1, 2, 1}, {}), (Dims{2}));
    EXPECT_EQ(shape_of(11, "Squeeze", {1, 2, 1}, {{"axes", {0}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Squeeze", {1, 2, 1}, {}, {{"axes", {0}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Squeeze", {1, 2, 1}, {{"axes", {1}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Squeeze", {1, 2, 1}, {{"axes", {0, -3}}}), kRefused);
}

TEST(Opsets, UnsqueezeCountsAxesInTheResult) {
    EXPECT_EQ(shape_of(9, "Unsqueeze", {2, 3}, {}, {{"axes", {0, 3}}}), (Dims{1, 2, 3, 1}));
    EXPECT_EQ(shape_of(13, "Unsqueeze", {2, 3}, {{"axes", {-1, 0}}}), (Dims{1, 2, 3, 1}));
    EXPECT_EQ(shape_of(13, "Unsqueeze", {2, 3}, {{"axes", {4}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Unsqueeze", {2, 3}, {{"axes", {0, -4}}}), kRefused);
}

TEST(Opsets, SliceTakesListsAsAttributesThenAsInputs) {
    EXPECT_EQ(shape_of(9, "Slice", {5, 6}, {}, {{"starts", {1}}, {"ends", {-1}}, {"axes", {1}}}),
              (Dims{5, 4}));
    EXPECT_EQ(shape_of(9, "Slice", {5, 6}, {}, {{"starts", {1, 2}}, {"ends", {100, 3}}}),
              (Dims{4, 1}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {-1}}, {"e", {-100}}, {"a", {0}}, {"t", {-2}}}),
              (Dims{3, 6}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {0}}, {"e", {INT64_MAX}}, {"", {}}, {"t", {2}}}),
              (Dims{3, 6}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {4}}, {"e", {2}}}), (Dims{0, 6}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6},
                       {{"s", {INT64_MIN}}, {"e", {INT64_MAX}}, {"a", {1}}, {"t", {INT64_MAX}}}),
              (Dims{5, 1}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6},
                       {{"s", {INT64_MAX}}, {"e", {INT64_MIN}}, {"a", {1}}, {"t", {INT64_MIN}}}),
              (Dims{5, 1}));
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {0}}, {"e", {1}}, {"a", {0}}, {"t", {0}}}),
              kRefused);
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {0, 0}}, {"e", {1, 1}}, {"a", {0, -2}}}),
              kRefused);
    EXPECT_EQ(shape_of(13, "Slice", {5, 6}, {{"s", {0}}, {"e", {1, 1}}}), kRefused);
}

TEST(Opsets, SliceWithNegativeStepsReverses) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 3});
    m.constant<std::int32_t>("s", {2}, {-1, -1});
    m.constant<std::int32_t>("e", {2}, {-10, -10});
    m.constant<std::int32_t>("a", {2}, {0, 1});
    m.constant<std::int32_t>("t", {2}, {-1, -2});
    m.node("Slice", {"x", "s", "e", "a", "t"}, {"y"});
    m.output("y");
    const std::vector<float> x{0, 1, 2, 3, 4, 5};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (std::vector<float>{5, 3, 2, 0}));
}

TEST(Opsets, ReshapeKeepsZerosUnlessAllowzero) {
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3, 4}, {{"s", {0, -1}}}), (Dims{2, 12}));
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {1, 1}, {{"s", {}}}), (Dims{}));
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {-1, -1}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {4, -1}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {2, 3, 0}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {-2, -3}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {2, 3}, {{"s", {INT64_MAX, INT64_MAX}}}), kRefused);
    EXPECT_EQ(shape_of(14, "Reshape", {0, 3}, {{"s", {3, 0}}}, {}, {{"allowzero", 1}}),
              (Dims{3, 0}));
    EXPECT_EQ(shape_of(14, "Reshape", {0, 3}, {{"s", {3, 0}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Reshape", {0, 3}, {{"s", {3, 0}}}, {}, {{"allowzero", 1}}), kRefused);
}

TEST(Opsets, FlattenTakesNegativeAxesAndTheRank) {
    EXPECT_EQ(shape_of(11, "Flatten", {2, 3, 4}, {}), (Dims{2, 12}));
    EXPECT_EQ(shape_of(11, "Flatten", {2, 3, 4}, {}, {}, {{"axis", 0}}), (Dims{1, 24}));
    EXPECT_EQ(shape_of(11, "Flatten", {2, 3, 4}, {}, {}, {{"axis", 3}}), (Dims{24, 1}));
    EXPECT_EQ(shape_of(11, "Flatten", {2, 3, 4}, {}, {}, {{"axis", -1}}), (Dims{6, 4}));
    EXPECT_EQ(shape_of(11, "Flatten", {2, 3, 4}, {}, {}, {{"axis", 4}}), kRefused);
}

TEST(Opsets, SoftmaxCoercesToTwoAxesBeforeOpset13) {
    const std::vector<float> zeros(12);
    const auto first = [&](std::int64_t opset, int axis) {
        ModelBuilder m(opset);
        m.input("x", ElemType::kFloat, {2, 2, 3});
        auto node = m.node("Softmax", {"x"}, {"y"});
        if (axis < 9) {
            node.attr("axis", axis);
        }
        m.output("y");
        return run<float>(m, {bytes_of(zeros)})[0];
    };
    EXPECT_FLOAT_EQ(first(11, 9), 1.0f / 6);  // default 1: axes 1 and 2 together
    EXPECT_FLOAT_EQ(first(13, 9), 1.0f / 3);  // default -1: the last axis
    EXPECT_FLOAT_EQ(first(11, 0), 1.0f / 12);
    EXPECT_FLOAT_EQ(first(13, 0), 1.0f / 2);
    EXPECT_FLOAT_EQ(first(13, 1), 1.0f / 2);
}

TEST(Opsets, ClipTakesLimitsAsAttributesThenAsInputs) {
    const std::vector<float> x{-5, 0, 5};
    ModelBuilder old(6 + 1);
    old.input("x", ElemType::kFloat, {3});
    old.node("Clip", {"x"}, {"y"}).attr("min", -1.0f).attr("max", 2.0f);
    old.output("y");
    EXPECT_EQ(run<float>(old, {bytes_of(x)}), (std::vector<float>{-1, 0, 2}));
    ModelBuilder next(11);
    next.input("x", ElemType::kFloat, {3});
    next.input("max", ElemType::kFloat, {});
    next.node("Clip", {"x", "", "max"}, {"y"});
    next.output("y");
    const std::vector<float> max{1};
    EXPECT_EQ(run<float>(next, {bytes_of(x), bytes_of(max)}), (std::vector<float>{-5, 0, 1}));
    ModelBuilder mixed(11);
    mixed.input("x", ElemType::kFloat, {3});
    mixed.node("Clip", {"x"}, {"y"}).attr("min", -1.0f);
    mixed.output("y");
    EXPECT_NE(load_error(mixed), "");
}

TEST(Opsets, GemmMayLeaveOutCFromOpset11) {
    for (const std::int64_t opset : {9, 11}) {
        ModelBuilder m(opset);
        m.input("x", ElemType::kFloat, {1, 2});
        m.constant<float>("w", {2, 1}, {1, 2});
        m.node("Gemm", {"x", "w"}, {"y"});
        m.output("y");
        EXPECT_EQ(load_error(m).empty(), opset == 11) << opset;
    }
}

TEST(Opsets, TransposeReversesByDefaultAndChecksPerm) {
    EXPECT_EQ(shape_of(13, "Transpose", {2, 3, 4}, {}), (Dims{4, 3, 2}));
    EXPECT_EQ(shape_of(13, "Transpose", {2, 3, 4}, {}, {{"perm", {1, 0, 2}}}), (Dims{3, 2, 4}));
    EXPECT_EQ(shape_of(13, "Transpose", {2, 3, 4}, {}, {{"perm", {1, 1, 2}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Transpose", {2, 3, 4}, {}, {{"perm", {0, 1}}}), kRefused);
    EXPECT_EQ(shape_of(13, "Transpose", {2, 3, 4}, {}, {{"perm", {0, 1, -1}}}), kRefused);
}

TEST(Opsets, AxesOfSizeOneMoveWithoutAStep) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 1, 3});
    m.node("Transpose", {"x"}, {"y"}).attr("perm", Dims{1, 0, 2});
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network);
    EXPECT_TRUE((*network)->steps().empty());
    EXPECT_EQ((*network)->outputs()[0].dims, (Dims{1, 2, 3}));
}

TEST(Opsets, ConcatChecksShapesAndTakesNegativeAxes) {
    const auto concat = [](const Dims& a, const Dims& b, int axis) {
        ModelBuilder m;
        m.input("a", ElemType::kFloat, a);
        m.input("b", ElemType::kFloat, b);
        m.node("Concat", {"a", "b"}, {"y"}).attr("axis", axis);
        m.output("y");
        auto network = load(m);
        return network ? (*network)->outputs()[0].dims : kRefused;
    };
    EXPECT_EQ(concat({2, 3}, {2, 5}, -1), (Dims{2, 8}));
    EXPECT_EQ(concat({2, 0}, {2, 5}, 1), (Dims{2, 5}));
    EXPECT_EQ(concat({2, 3}, {3, 5}, 1), kRefused);
    EXPECT_EQ(concat({2, 3}, {2, 3, 1}, 1), kRefused);
    EXPECT_EQ(concat({2, 3}, {2, 3}, 2), kRefused);
}

TEST(Opsets, GatherGivesTheIndicesShape) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 3, 4});
    m.constant<std::int32_t>("i", {2, 2}, {0, -1, 1, 2});
    m.node("Gather", {"x", "i"}, {"y"}).attr("axis", 1);
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->outputs()[0].dims, (Dims{2, 2, 2, 4}));
}

/// Before opset 11: rounded down where an axis grows, up where it shrinks.
TEST(Opsets, NearestResizeOfOpset10FollowsTheScale) {
    const auto resized = [](float scale) {
        ModelBuilder m(10);
        m.input("x", ElemType::kFloat, {1, 1, 1, 5});
        m.constant<float>("scales", {4}, {1, 1, 1, scale});
        m.node("Resize", {"x", "scales"}, {"y"});
        m.output("y");
        const std::vector<float> x{0, 1, 2, 3, 4};
        return run<float>(m, {bytes_of(x)});
    };
    EXPECT_EQ(resized(1.6F), (std::vector<float>{0, 0, 1, 1, 2, 3, 3, 4}));
    EXPECT_EQ(resized(0.6F), (std::vector<float>{0, 2, 4}));
}

/// The card's compiler marks unused places with INT32_MAX; other places out of range are errors.
TEST(Opsets, ScatterNdDropsUpdatesAtInt32Max) {
    ModelBuilder m(18);
    m.input("x", ElemType::kFloat, {3, 2});
    m.input("i", ElemType::kInt64, {3, 1});
    m.constant<float>("u", {3, 2}, {10, 11, 20, 21, 30, 31});
    m.node("ScatterND", {"x", "i", "u"}, {"y"});
    m.output("y");
    const std::vector<float> x{0, 1, 2, 3, 4, 5};
    const std::vector<std::int64_t> places{INT32_MAX, -1, INT32_MAX};
    EXPECT_EQ(run<float>(m, {bytes_of(x), bytes_of(places)}),
              (std::vector<float>{0, 1, 2, 3, 20, 21}));
}

/// As ONNX's shape inference: the product is rounded to FP32, then down.
TEST(Opsets, ResizeMultipliesSizesInSinglePrecision) {
    const auto resized = [](std::int64_t size, float scale) {
        ModelBuilder m(18);
        m.input("x", ElemType::kFloat, {1, size});
        m.constant<float>("scales", {2}, {1, scale});
        m.node("Resize", {"x", "", "scales"}, {"y"});
        m.output("y");
        const auto network = load(m);
        return network ? (*network)->outputs()[0].dims.at(1) : -1;
    };
    EXPECT_EQ(resized(6, 5.0F / 6), 5);  // the scale is less than 5/6
    EXPECT_EQ(resized(56, 1 / 56.0F), 1);
    EXPECT_EQ(resized(6, 0.83F), 4);
    EXPECT_EQ(resized(7, 2), 14);
}

TEST(Opsets, ASingleZeroPointMayDifferFromTheScaleInRank) {
    const auto loads = [](const Dims& scale, const Dims& zero) {
        ModelBuilder m(18);
        m.input("x", ElemType::kInt8, {4});
        const auto count = [](const Dims& dims) {
            return dims.empty() ? std::size_t{1} : static_cast<std::size_t>(dims[0]);
        };
        m.constant<float>("s", scale, std::vector<float>(count(scale), 0.5F));
        m.constant<std::int8_t>("z", zero, std::vector<std::int8_t>(count(zero), 1));
        m.node("DequantizeLinear", {"x", "s", "z"}, {"y"}).attr("axis", 0);
        m.output("y");
        return static_cast<bool>(load(m));
    };
    EXPECT_TRUE(loads({}, {1}));
    EXPECT_TRUE(loads({1}, {}));
    EXPECT_TRUE(loads({4}, {4}));
    EXPECT_FALSE(loads({4}, {1}));
    EXPECT_FALSE(loads({}, {4}));
}

}  // namespace
}  // namespace qaicnet::test
