// SPDX-License-Identifier: Apache-2.0
/// Nodes with attributes and inputs at the ends of their types: refused with the node's name and
/// the cause, or run like any other.
#include "emu/net/test/model_builder.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <limits>

namespace qaicnet::test {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
using Values = std::vector<std::int64_t>;
using Reals = std::vector<float>;

/// One sentence that names the node (all of them are called "culprit") and says `reason`.
void expect_refused(const ModelBuilder& m, const std::string& reason, const std::string& what) {
    const std::string error = load_error(m);
    EXPECT_NE(error.find("'culprit'"), std::string::npos) << what << ": " << error;
    EXPECT_NE(error.find(reason), std::string::npos) << what << ": " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << what;
}

/// y = op(x, lists…), x FLOAT of these sizes, lists INT64 constants.
ModelBuilder with_lists(const std::string& op, const Dims& dims, const std::vector<Values>& lists,
                        std::int64_t opset = 18) {
    ModelBuilder m(opset);
    m.input("x", ElemType::kFloat, dims);
    std::vector<std::string> inputs{"x"};
    for (std::size_t i = 0; i < lists.size(); ++i) {
        inputs.push_back("list" + std::to_string(i));
        m.constant<std::int64_t>(inputs.back(), {static_cast<std::int64_t>(lists[i].size())},
                                 lists[i]);
    }
    m.node(op, inputs, {"y"}, "culprit");
    m.output("y");
    return m;
}

NodeBuilder culprit(ModelBuilder& m) {
    return NodeBuilder(m.model.mutable_graph()->mutable_node(0));
}

TEST(Hostile, SamplesAndWindowsThatNobodyWouldWaitFor) {
    ModelBuilder roi(16);
    roi.input("x", ElemType::kFloat, {1, 64, 8, 8});
    roi.input("r", ElemType::kFloat, {64, 4});
    roi.input("i", ElemType::kInt64, {64});
    roi.node("RoiAlign", {"x", "r", "i"}, {"y"}, "culprit").attr("sampling_ratio", 1 << 20);
    roi.output("y");
    expect_refused(roi, "hours", "RoiAlign");
    for (const std::int64_t size : {std::int64_t{0}, kLeast}) {
        ModelBuilder m = with_lists("LRN", {1, 2, 3}, {});
        culprit(m).attr("size", size);
        expect_refused(m, "window", "LRN");
    }
    for (const std::int64_t depth : {std::int64_t{0}, kLeast, kMost}) {
        ModelBuilder m(18);
        m.input("x", ElemType::kInt64, {4});
        m.constant<std::int64_t>("d", {1}, {depth});
        m.constant<float>("v", {2}, {0, 1});
        m.node("OneHot", {"x", "d", "v"}, {"y"}, "culprit");
        m.output("y");
        expect_refused(m, depth == kMost ? "limit" : "depth", "OneHot");
    }
}

TEST(Hostile, AxesOutsideTheRank) {
    for (const std::int64_t axis : {std::int64_t{3}, std::int64_t{-4}, kMost, kLeast}) {
        for (const char* op : {"Softmax", "LogSoftmax", "ArgMax", "Concat", "Split"}) {
            ModelBuilder m = with_lists(op, {2, 3, 4}, {});
            culprit(m).attr("axis", axis);
            if (op == std::string("Split")) {
                culprit(m).attr("num_outputs", 1);
            }
            expect_refused(m, "axis", op);
        }
        for (const char* op : {"ReduceSum", "Squeeze", "Unsqueeze", "CumSum"}) {
            expect_refused(with_lists(op, {2, 3, 4}, {{axis == 3 ? 4 : axis - (axis == -4)}}),
                           "axis", op);
        }
    }
    expect_refused(with_lists("Unsqueeze", {2, 3}, {{1, 1}}), "twice", "an axis added twice");
}

TEST(Hostile, Permutations) {
    for (const Values& perm : {Values{0, 0}, {0, -1}, {2, 0}, {0}, {0, 1, 2}, {kLeast, kMost}}) {
        ModelBuilder m = with_lists("Transpose", {2, 3}, {});
        culprit(m).attr("perm", perm);
        expect_refused(m, "not a permutation", "perm");
    }
}

TEST(Hostile, Windows) {
    const std::vector<std::pair<const char*, Values>> bad = {
        {"pads", {-1, 0, 0, 0}},    {"pads", {kLeast, 0, 0, 0}}, {"pads", {0, 0}},
        {"strides", {0, 1}},        {"strides", {-1, 1}},        {"strides", {kLeast, 1}},
        {"dilations", {0, 1}},      {"dilations", {kMost, 1}},   {"kernel_shape", {0, 3}},
        {"kernel_shape", {-3, 3}},  {"kernel_shape", {3}},       {"kernel_shape", {kMost, kMost}},
        {"kernel_shape", {99, 99}},
    };
    for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) {
        for (const auto& [name, list] : bad) {
            ModelBuilder m = with_lists(op, {1, 1, 8, 8}, {}, 19);
            if (name != std::string("kernel_shape")) {
                culprit(m).attr("kernel_shape", Values{3, 3});
            }
            culprit(m).attr(name, list);
            expect_refused(m, "", std::string(op) + " " + name);
        }
    }
    // 2^90 positions, all of them padding.
    ModelBuilder huge = with_lists("MaxPool", {1, 1, 1, 1, 1}, {});
    constexpr std::int64_t k = std::int64_t{1} << 30;
    culprit(huge).attr("kernel_shape", Values{k, k, k}).attr("pads", Values{k, k, k, k, k, k});
    expect_refused(huge, "makes no sense", "a kernel of 2^90");
}

ModelBuilder convolution(const char* op, const Dims& weights) {
    ModelBuilder m = with_lists(op, {1, 4, 8, 8}, {});
    std::size_t count = 1;
    for (const std::int64_t dim : weights) {
        count *= static_cast<std::size_t>(dim);
    }
    m.constant<float>("w", weights, Reals(count));
    m.model.mutable_graph()->mutable_node(0)->add_input("w");
    return m;
}

TEST(Hostile, Convolutions) {
    for (const std::int64_t group : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3}, kLeast}) {
        for (const char* op : {"Conv", "ConvTranspose"}) {
            ModelBuilder m = convolution(op, {4, 4, 3, 3});
            culprit(m).attr("group", group);
            expect_refused(m, "groups", op);
        }
    }
    expect_refused(convolution("Conv", {4, 3, 3, 3}), "weights [4,3,3,3]", "channels");
    expect_refused(convolution("Conv", {4, 4, 3}), "weights [4,4,3]", "axes");
    expect_refused(convolution("Conv", {4, 4, 9, 9}), "does not fit an axis of 8", "kernel");
    expect_refused(convolution("Conv", {4, 4, 0, 3}), "kernel of 0", "an empty kernel");
    const std::vector<std::pair<const char*, Values>> bad = {
        {"output_padding", {kMost, 0}}, {"output_padding", {-1, 0}},
        {"output_shape", {kLeast, 1}},  {"output_shape", {kMost, kMost}},
        {"output_shape", {1}},          {"strides", {kMost, 1}},
        {"pads", {99, 99, 99, 99}},
    };
    for (const auto& [name, list] : bad) {
        ModelBuilder m = convolution("ConvTranspose", {4, 4, 3, 3});
        culprit(m).attr(name, list);
        expect_refused(m, "", name);
    }
    ModelBuilder large = convolution("ConvTranspose", {4, 4, 3, 3});
    culprit(large).attr("output_padding", Values{2000000000, 2000000000});
    expect_refused(large, "needs more than the limit", "output_padding");
}

TEST(Hostile, Pads) {
    for (const Values& pads : {Values{kLeast, kMost}, {kMost, kMost}, {-4, 0}, {kMost, kLeast}}) {
        expect_refused(with_lists("Pad", {3}, {pads}), "padded", "pads");
    }
    expect_refused(with_lists("Pad", {3}, {{1}}), "1 pads for 1 axes", "half of the pads");
    ModelBuilder mode = with_lists("Pad", {3}, {{1, 1}});
    culprit(mode).attr("mode", "sideways");
    expect_refused(mode, "'sideways'", "mode");
}

ModelBuilder resize(const Reals& scales, const Values& sizes) {
    ModelBuilder m(18);
    m.input("x", ElemType::kFloat, {1, 4});
    m.constant<float>("scales", {static_cast<std::int64_t>(scales.size())}, scales);
    m.constant<std::int64_t>("sizes", {static_cast<std::int64_t>(sizes.size())}, sizes);
    m.node("Resize", {"x", "", scales.empty() ? "" : "scales", sizes.empty() ? "" : "sizes"}, {"y"},
           "culprit");
    m.output("y");
    return m;
}

TEST(Hostile, Resizing) {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    for (const float scale : {1e30F, -1.F, 0.F, kInf, kNan, 1e-30F, -0.F}) {
        expect_refused(resize({1, scale}, {}), "axis 1", "scale " + std::to_string(scale));
    }
    for (const std::int64_t size : {kMost, kLeast, std::int64_t{-5}, std::int64_t{5'000'000'000}}) {
        expect_refused(resize({}, {1, size}), "axis 1", "size");
        ModelBuilder larger = resize({}, {1, size});
        culprit(larger).attr("keep_aspect_ratio_policy", "not_smaller");
        EXPECT_EQ(load_error(larger).empty(), size < 0) << size;
    }
    expect_refused(resize({}, {kMost, kMost}), "axis 0", "sizes");
    expect_refused(resize({1}, {}), "lists do not fit", "one scale");
    expect_refused(resize({1, 1}, {1, 4}), "either scales or sizes", "both");
    // Antialiasing over 10^6 input coordinates for each of the 10^6 that a crop stretches to.
    ModelBuilder wide(18);
    wide.input("x", ElemType::kFloat, {4});
    wide.constant<float>("roi", {2}, {0, 4e5F});
    wide.constant<float>("scales", {1}, {1e-5F});
    wide.node("Resize", {"x", "roi", "scales"}, {"y"}, "culprit")
        .attr("mode", "linear")
        .attr("antialias", 1)
        .attr("coordinate_transformation_mode", "tf_crop_and_resize");
    wide.output("y");
    LoadOptions options;
    options.max_bytes = 1 << 20;
    EXPECT_NE(load_error(wide, options).find("memory limit"), std::string::npos)
        << load_error(wide, options);
}

TEST(Hostile, PartsAndShapes) {
    for (const Values& parts : {Values{1, 1}, {4, -1}, {kMost, kMost}, {3}, {1, 1, 1}, {0, 0}}) {
        ModelBuilder m = with_lists("Split", {3}, {parts}, 17);
        culprit(m).proto()->add_output("z");
        expect_refused(m, "do not make up an axis of 3", "split");
    }
    for (const Values& shape : {Values{-1, -1}, {-2}, {4}, {kMost, kMost}, {kLeast}, {0, 0, 0}}) {
        expect_refused(with_lists("Reshape", {3}, {shape}), "cannot reshape", "shape");
        if (shape.size() == 2) {
            expect_refused(with_lists("Expand", {3}, {shape}), "", "expand");
        }
    }
    for (const Values& repeats : {Values{-1}, {kMost}, {1, 1}, {kLeast}}) {
        expect_refused(with_lists("Tile", {3}, {repeats}), "", "repeats");
    }
    for (const Values& k : {Values{4}, {-1}, {kMost}, {1, 1}}) {
        ModelBuilder m = with_lists("TopK", {3}, {k});
        expect_refused(m, "K ", "top");
    }
    expect_refused(with_lists("Slice", {3}, {{0}, {3}, {0}, {0}}), "step 0", "step");
    expect_refused(with_lists("Slice", {3}, {{0, 0}, {3}}), "differ in length", "lists");
}

ModelBuilder fill(const Values& shape) {
    ModelBuilder m;
    m.constant<std::int64_t>("shape", {static_cast<std::int64_t>(shape.size())}, shape);
    m.node("ConstantOfShape", {"shape"}, {"y"}, "culprit");
    m.output("y");
    return m;
}

TEST(Hostile, ShapesThatAreTooLarge) {
    expect_refused(fill({kMost}), "", "2^63");
    expect_refused(fill({1 << 30, 1 << 30, 1 << 30}), "", "2^90");
    expect_refused(fill({1 << 20, 1 << 20}), "needs more than the limit", "2^40 floats");
    expect_refused(fill({-1}), "not one of a tensor", "-1");
    expect_refused(fill(Values(40, 1)), "", "40 axes");
    ModelBuilder range;
    range.constant<float>("start", {}, Reals{0});
    range.constant<float>("limit", {}, Reals{1e30F});
    range.constant<float>("delta", {}, Reals{1e-30F});
    range.node("Range", {"start", "limit", "delta"}, {"y"}, "culprit");
    range.output("y");
    expect_refused(range, "no finite range", "range");
}

ModelBuilder einsum(const char* equation) {
    ModelBuilder m;
    m.input("a", ElemType::kFloat, {2, 3});
    m.input("b", ElemType::kFloat, {3, 2});
    m.node("Einsum", {"a", "b"}, {"y"}, "culprit").attr("equation", equation);
    m.output("y");
    return m;
}

TEST(Hostile, Equations) {
    EXPECT_EQ(load_error(einsum("ij,jk->ik")), "");
    for (const char* equation :
         {"", "->", ",", "ij", "ij,jk,kl->il", "ij,jk->ii", "ij,jk->z", "i.j,jk->ik", "ij,ik->jk",
          "ijk,jk->i", "i1,1k->ik", "ij,jk->ik->ik", "..", "......,jk->", "\xf0\x9f\x92\xa5,jk->k",
          "ij,jk-ik", "i->j,jk"}) {
        expect_refused(einsum(equation), "", equation);
    }
    expect_refused(einsum(std::string(100000, 'i').c_str()), "terms", "a long equation");
}

TEST(Hostile, SumsThatNeverEndAreRefusedAtLoad) {
    ModelBuilder m;
    for (const char* name : {"a", "b", "c", "d"}) {
        m.input(name, ElemType::kFloat, {1 << 16});
    }
    m.node("Einsum", {"a", "b", "c", "d"}, {"y"}, "culprit").attr("equation", "i,j,k,l->");
    m.output("y");
    expect_refused(m, "its sums have", "2^64 terms");
    ModelBuilder conv;
    conv.input("x", ElemType::kFloat, {1, 1, 1 << 26});
    conv.input("w", ElemType::kFloat, {1, 1, 1 << 25});
    conv.node("Conv", {"x", "w"}, {"y"}, "culprit");
    conv.output("y");
    expect_refused(conv, "would take hours", "2^50 products");
}

/// A file of a few hundred bytes that asks for 2^37 products of constants: load() leaves it to
/// run().
TEST(Hostile, LoadDoesNotComputeForLong) {
    ModelBuilder m;
    m.constant<std::int64_t>("shape", {2}, {1 << 12, 1 << 12});
    m.node("ConstantOfShape", {"shape"}, {"a"});
    m.node("MatMul", {"a", "a"}, {"b"});
    m.node("MatMul", {"b", "a"}, {"c"});
    m.output("c");
    const auto begin = std::chrono::steady_clock::now();
    const auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps().size(), 2U);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(Hostile, EmptyTensorsWithLongAxesTakeNoTime) {
    constexpr std::int64_t kLong = std::int64_t{1} << 46;
    for (const char* op :
         {"Softmax", "CumSum", "Relu", "Transpose", "TopK", "LogSoftmax", "Trilu"}) {
        const bool has_list = op == std::string("CumSum") || op == std::string("TopK");
        const ModelBuilder m = with_lists(
            op, {kLong, 2, 0}, has_list ? std::vector<Values>{{0}} : std::vector<Values>{});
        auto network = load(m);
        ASSERT_TRUE(network) << op << ": " << network.error().message;
        EXPECT_EQ(run_bytes(**network, {{}})->at(0).size(), 0U) << op;
    }
    ModelBuilder more = with_lists("Relu", {kMost, 0}, {});
    EXPECT_NE(load_error(more).find("'x'"), std::string::npos) << load_error(more);
}

TEST(Hostile, ResultsThatANodeLeavesOutAreNotWritten) {
    ModelBuilder m = with_lists("TopK", {4}, {{2}});
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    const Reals x{1, 4, 2, 3};
    const auto outputs = run_bytes(**network, {bytes_of(x)});
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(as_vector<float>(outputs->at(0)), (Reals{4, 3}));
}

TEST(Hostile, ResultsThatATypeCannotHoldSaturate) {
    const auto reduced = [](const char* op, const std::vector<std::int32_t>& values) {
        ModelBuilder m(17);
        m.input("x", ElemType::kInt32, {static_cast<std::int64_t>(values.size())});
        m.node(op, {"x"}, {"y"});
        m.output("y");
        return run<std::int32_t>(m, {bytes_of(values)}).at(0);
    };
    constexpr std::int32_t kTop = std::numeric_limits<std::int32_t>::max();
    EXPECT_EQ(reduced("ReduceLogSumExp", {kTop, kTop}), kTop);
    EXPECT_EQ(reduced("ReduceL2", {46341, 0}), 0);  // the sum of squares wraps below 0
    EXPECT_EQ(reduced("ReduceMean", {kTop, 1}), std::numeric_limits<std::int32_t>::min() / 2);
    ModelBuilder m(18);
    m.input("x", ElemType::kInt8, {4});
    m.constant<float>("roi", {2}, Reals{-1, 2});
    m.constant<std::int64_t>("sizes", {1}, {4});
    m.node("Resize", {"x", "roi", "", "sizes"}, {"y"})
        .attr("coordinate_transformation_mode", "tf_crop_and_resize")
        .attr("extrapolation_value", 1e30F);
    m.output("y");
    const std::vector<std::int8_t> x{1, 2, 3, 4};
    EXPECT_EQ(run<std::int8_t>(m, {bytes_of(x)}), (std::vector<std::int8_t>{127, 1, 4, 127}));
}

TEST(Hostile, BlocksOfScales) {
    for (const std::int64_t block : {kMost, kLeast, std::int64_t{-1}, std::int64_t{2}}) {
        ModelBuilder m(21);
        m.input("x", ElemType::kFloat, {2, 4});
        m.constant<float>("scale", {2, 3}, Reals(6, 1));
        m.node("QuantizeLinear", {"x", "scale"}, {"y"}, "culprit").attr("block_size", block);
        m.output("y");
        expect_refused(m, "the scale [2,3] does not fit", "block_size");
    }
}

TEST(Hostile, RecurrentWeightsThatDoNotFit) {
    const std::vector<std::array<Dims, 2>> bad = {
        {Dims{1, 12, 2}, Dims{1, 12, 4}}, {Dims{2, 16, 2}, Dims{1, 16, 4}},
        {Dims{1, 16, 3}, Dims{1, 16, 4}}, {Dims{1, 16, 2}, Dims{1, 16}},
        {Dims{16, 2}, Dims{1, 16, 4}},    {Dims{1, 16, 2}, Dims{1, 16, 5}},
    };
    for (const auto& [w, r] : bad) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {3, 1, 2});
        m.input("w", ElemType::kFloat, w);
        m.input("r", ElemType::kFloat, r);
        m.node("LSTM", {"x", "w", "r"}, {"y"}, "culprit").attr("hidden_size", 4);
        m.output("y");
        expect_refused(m, "shape", "LSTM");
    }
}

TEST(Hostile, TypesThatDoNotGoTogether) {
    const auto mixed = [](const char* op, ElemType other) {
        ModelBuilder m;
        m.input("x", ElemType::kFloat, {2, 2});
        m.input("z", other, {2, 2});
        m.node(op, {"x", "z"}, {"y"}, "culprit");
        m.output("y");
        return m;
    };
    for (const char* op :
         {"Add", "Mul", "MatMul", "Pow", "Less", "And", "Max", "Where", "Gather"}) {
        expect_refused(mixed(op, op == std::string("Pow") ? ElemType::kBool : ElemType::kDouble),
                       "", op);
    }
    ModelBuilder cast = with_lists("Cast", {2}, {});
    culprit(cast).attr("to", kMost);
    expect_refused(cast, "", "Cast");
    ModelBuilder kind = with_lists("Softmax", {2}, {});
    culprit(kind).attr("axis", "one");
    expect_refused(kind, "'axis'", "an axis that is a word");
}

TEST(Hostile, InputsThatAreMissing) {
    for (const char* op : {"Add", "Conv", "Gather", "Where", "LSTM", "Resize", "Pad", "Clip"}) {
        ModelBuilder m(10);
        m.input("x", ElemType::kFloat, {2});
        m.node(op, {}, {"y"}, "culprit");
        m.output("y");
        expect_refused(m, "", op);
        culprit(m).proto()->add_input("");
        culprit(m).proto()->add_input("x");
        expect_refused(m, "", op);
        culprit(m).proto()->set_input(0, "nobody");
        expect_refused(m, "'nobody'", op);
    }
}

TEST(Hostile, NamesStayOnOneLine) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2});
    m.node("Add", {"x", "gh\nost\x1b[31m"}, {"y"}, "cul\r\nprit\x07");
    m.output("y");
    const std::string error = load_error(m);
    EXPECT_NE(error.find("'cul?"
                         "?prit?'"),
              std::string::npos)
        << error;
    for (const char c : error) {
        EXPECT_GE(static_cast<unsigned char>(c), 0x20U) << error;
    }
}

}  // namespace
}  // namespace qaicnet::test
