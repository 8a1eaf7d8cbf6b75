// SPDX-License-Identifier: Apache-2.0
/// Channels last: which nodes change, which Transposes are left, and that results stay the same.
/// Dead nodes and folded constants before and after.
#include "emu/net/passes/layout.hpp"
#include "emu/net/test/pass_runner.hpp"

namespace qaicnet::test {
namespace {

using Names = std::vector<std::string>;

const Passes kChoose{fuse_bias_and_activation, choose_layout};
const Passes kBoth{fuse_bias_and_activation, choose_layout, simplify_transposes};

TEST(Layout, PermutationsUndoEachOther) {
    for (const std::size_t rank : {3u, 4u, 5u}) {
        const Permutation both = compose(to_channels_last(rank), to_channels_first(rank));
        EXPECT_TRUE(is_identity(both));
        EXPECT_EQ(inverse(to_channels_last(rank)), to_channels_first(rank));
    }
    EXPECT_EQ(permuted({2, 3, 5, 7}, to_channels_last(4)), (Shape{2, 5, 7, 3}));
}

TEST(RemoveDeadNodes, OnlyWhatAnOutputNeedsStays) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {4});
    m.node("Relu", {"x"}, {"a"});
    m.node("Exp", {"a"}, {"unread"});
    m.node("Neg", {"a"}, {"y"});
    m.output("y");
    EXPECT_EQ(Lowered(m, {}).ops(), (Names{"Relu", "Exp", "Neg"}));
    const Pass nothing = [](GraphEdit&) -> qaicrt::Result<bool> { return true; };
    EXPECT_EQ(Lowered(m, {nothing}).ops(), (Names{"Relu", "Neg"}));
}

TEST(FoldConstants, ANodeOfConstantsIsItsResult) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {2});
    m.constant<float>("a", {2}, {1, 2});
    m.constant<float>("b", {2}, {3, 4});
    m.node("Mul", {"a", "b"}, {"ab"});
    m.node("Add", {"x", "ab"}, {"y"}, "sum");
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->steps(), (Names{"Add:sum"}));
    const Floats x{10, 20};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (Floats{13, 28}));
}

/// Conv, `middle`, Conv: on channels last throughout when the middle can.
class Sandwich {
  public:
    explicit Sandwich(std::int64_t opset = 18, Dims x = {2, 3, 6, 5})
        : m(opset), dims(std::move(x)) {
        m.input("x", ElemType::kFloat, dims);
        conv("x", "a", dims[1], 4);
    }
    void conv(const std::string& in, const std::string& out, std::int64_t from, std::int64_t to) {
        const auto name = "w_" + out;
        const auto count = static_cast<std::size_t>(from * to);
        m.constant<float>(name, {to, from, 1, 1}, random_floats(count, ++seed, -1, 1));
        m.node("Conv", {in, name}, {out}, "conv_" + out);
    }
    /// The result of the middle, `channels` of them, goes through another Conv to the output.
    void close(const std::string& in, std::int64_t channels) {
        conv(in, "y", channels, 2);
        m.output("y");
    }
    std::size_t transposes() const { return Lowered(m, kBoth).count("Transpose"); }
    float error() const {
        std::size_t count = 1;
        for (const auto dim : dims) {
            count *= static_cast<std::size_t>(dim);
        }
        return difference(m, kBoth, random_floats(count, 99));
    }

    ModelBuilder m;
    Dims dims;
    unsigned seed = 0;
};

TEST(ChooseLayout, ConvolutionsAndPoolsGetTransposesAround) {
    Sandwich s;
    s.m.node("MaxPool", {"a"}, {"p"}).attr("kernel_shape", Dims{2, 2});
    s.m.node("GlobalAveragePool", {"p"}, {"y"});
    s.m.output("y");
    const Lowered lowered(s.m, kChoose);
    EXPECT_EQ(lowered.ops(), (Names{"Transpose", "FusedConv", "Transpose", "Transpose", "MaxPool",
                                    "Transpose", "Transpose", "AveragePool", "Transpose"}));
    EXPECT_EQ(int_attribute(lowered.node("FusedConv"), "channels_last", 0), 1);
    EXPECT_EQ(lowered.node("MaxPool").domain, kEmuDomain);
    EXPECT_EQ(ints_attribute(lowered.node("AveragePool"), "kernel_shape"), (Dims{5, 4}));
    EXPECT_EQ(Lowered(s.m, kBoth).ops(), (Names{"Transpose", "FusedConv", "Identity", "MaxPool",
                                                "Identity", "AveragePool", "Transpose"}));
    EXPECT_LT(s.error(), 1e-5F);
}

TEST(ChooseLayout, DoubleAndPoolsWithIndicesStay) {
    ModelBuilder m(17);
    m.input("x", ElemType::kFloat, {1, 2, 4, 4});
    m.node("MaxPool", {"x"}, {"y", "i"}).attr("kernel_shape", Dims{2, 2});
    m.output("y").output("i");
    EXPECT_EQ(Lowered(m, kChoose).ops(), (Names{"MaxPool"}));
    ModelBuilder d(17);
    d.input("x", ElemType::kDouble, {1, 2, 4, 4});
    d.node("AveragePool", {"x"}, {"y"}).attr("kernel_shape", Dims{2, 2});
    d.output("y");
    EXPECT_EQ(Lowered(d, kChoose).ops(), (Names{"AveragePool"}));
}

/// One Transpose before the first Conv and one behind the last are all that is left.
void expect_sunk(Sandwich& s, const std::string& result, std::int64_t channels) {
    s.close(result, channels);
    EXPECT_EQ(s.transposes(), 2u);
    EXPECT_LT(s.error(), 1e-4F);
}

TEST(SimplifyTransposes, SinkThroughElementwiseOperators) {
    Sandwich s;
    s.m.node("Abs", {"a"}, {"b"});
    s.m.node("Sqrt", {"b"}, {"c"});
    expect_sunk(s, "c", 4);
}

TEST(SimplifyTransposes, ConstantsAndSmallValuesTurnWithThem) {
    Sandwich s;
    s.m.constant<float>("by_channel", {4, 1, 1}, {1, -2, 3, 4});
    s.m.constant<float>("by_column", {5}, {1, 2, 3, 4, 5});
    s.m.constant<float>("one", {}, {0.5F});
    s.m.node("Mul", {"a", "by_channel"}, {"b"});
    s.m.node("Add", {"by_column", "b"}, {"c"});
    s.m.node("Sub", {"one", "c"}, {"d"});
    s.m.node("ReduceMax", {"d"}, {"gate"}).attr("keepdims", 1);
    s.m.node("Sub", {"d", "gate"}, {"e"});
    s.close("e", 4);
    // Besides the two at the ends: two of constants, which loading folds, and one for ReduceMax,
    // which names no axes.
    EXPECT_EQ(s.transposes(), 5u);
    EXPECT_LT(s.error(), 1e-4F);
}

TEST(SimplifyTransposes, ResidualsJoinBranches) {
    Sandwich s;
    s.conv("a", "b", 4, 4);
    s.m.node("Tanh", {"b"}, {"t"});
    s.m.node("Add", {"a", "t"}, {"c"});
    expect_sunk(s, "c", 4);
}

TEST(SimplifyTransposes, AxesAreRenamed) {
    {
        Sandwich s;
        s.m.node("Relu", {"a"}, {"r"});
        s.m.node("Concat", {"a", "r"}, {"c"}).attr("axis", 1);
        expect_sunk(s, "c", 8);
    }
    {
        Sandwich s;
        s.m.node("Split", {"a"}, {"b", "c"}).attr("axis", -3).attr("num_outputs", 2);
        s.m.node("Mul", {"b", "c"}, {"d"});
        expect_sunk(s, "d", 2);
    }
    {
        Sandwich s;
        s.m.node("Softmax", {"a"}, {"b"}).attr("axis", 1);
        expect_sunk(s, "b", 4);
    }
    {
        Sandwich s;
        s.m.constant<std::int64_t>("axes", {2}, {2, -1});
        s.m.node("ReduceMean", {"a", "axes"}, {"b"}).attr("keepdims", 1);
        s.m.node("Mul", {"a", "b"}, {"c"});
        expect_sunk(s, "c", 4);
    }
    {
        Sandwich s;
        s.m.constant<std::int64_t>("pads", {8}, {0, 1, 2, 0, 0, 0, 1, 3});
        s.m.node("Pad", {"a", "pads"}, {"b"});
        expect_sunk(s, "b", 5);
    }
    {
        Sandwich s;
        s.m.constant<float>("scales", {4}, {1, 1, 2, 3});
        s.m.node("Resize", {"a", "", "scales"}, {"b"}).attr("mode", "nearest");
        expect_sunk(s, "b", 4);
    }
    {
        Sandwich s;
        s.m.constant<std::int64_t>("starts", {2}, {1, 0});
        s.m.constant<std::int64_t>("ends", {2}, {3, 4});
        s.m.constant<std::int64_t>("axes", {2}, {1, -1});
        s.m.node("Slice", {"a", "starts", "ends", "axes"}, {"b"});
        expect_sunk(s, "b", 2);
    }
}

TEST(SimplifyTransposes, AReductionThatDropsThePlacesNeedsNoTransposeBehind) {
    Sandwich s;
    s.m.constant<std::int64_t>("axes", {2}, {2, 3});
    s.m.node("ReduceMean", {"a", "axes"}, {"y"}).attr("keepdims", 0);
    s.m.output("y");
    EXPECT_EQ(s.transposes(), 1u);
    EXPECT_LT(s.error(), 1e-5F);
}

TEST(SimplifyTransposes, OldSoftmaxAndReshapeWantChannelsFirst) {
    Sandwich s(12);
    s.m.node("Softmax", {"a"}, {"b"}).attr("axis", 1);
    s.close("b", 4);
    EXPECT_EQ(s.transposes(), 4u);
    EXPECT_LT(s.error(), 1e-5F);
    Sandwich r;
    r.m.constant<std::int64_t>("shape", {2}, {2, -1});
    r.m.node("Reshape", {"a", "shape"}, {"y"});
    r.m.output("y");
    EXPECT_EQ(r.transposes(), 2u);
    EXPECT_LT(r.error(), 1e-5F);
}

TEST(SimplifyTransposes, AValueThatTheGraphGivesOutKeepsItsOrder) {
    Sandwich s;
    s.m.node("Relu", {"a"}, {"r"});
    s.m.output("r");
    s.close("r", 4);
    EXPECT_EQ(s.transposes(), 3u);
    EXPECT_LT(s.error(), 1e-5F);
}

}  // namespace
}  // namespace qaicnet::test
