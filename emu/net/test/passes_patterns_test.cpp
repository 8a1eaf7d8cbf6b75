// SPDX-License-Identifier: Apache-2.0
/// fuse_patterns: spellings of activations, norms, Softmax and Gemm.
#include "emu/net/test/pass_runner.hpp"

#include <chrono>
#include <functional>

namespace qaicnet::test {
namespace {

using Names = std::vector<std::string>;

const Passes kPasses{simplify_reshapes, fuse_patterns};

/// Writes formulas: each call adds a node and returns the name of its result.
class Formula {
  public:
    explicit Formula(const Dims& dims, ElemType type = ElemType::kFloat, std::int64_t opset = 17)
        : m(opset), type_(type) {
        m.input("x", type, dims);
        count_ = checked_count(dims).value_or(0);
    }
    std::string op(const std::string& op_type, const Names& inputs) {
        node(op_type, inputs);
        return last_;
    }
    NodeBuilder node(const std::string& op_type, const Names& inputs) {
        last_ = "v" + std::to_string(next_++);
        return m.node(op_type, inputs, {last_}, last_);
    }
    std::string c(float value, const Dims& dims = {}) {
        return c(Floats(checked_count(dims).value_or(1), value), dims);
    }
    std::string c(const Floats& values, const Dims& dims) {
        const std::string name = "c" + std::to_string(next_++);
        if (type_ == ElemType::kFloat16) {
            std::vector<Half> halves;
            for (const float value : values) {
                halves.push_back(float_to_half(value));
            }
            m.constant<Half>(name, dims, halves);
        } else {
            m.constant<float>(name, dims, values);
        }
        return name;
    }
    std::string reduce(const std::string& op_type, const std::string& x, std::int64_t axis,
                       int keep = 1) {
        if (op_type == "ReduceSum") {
            const std::string axes = "c" + std::to_string(next_++);
            m.constant<std::int64_t>(axes, {1}, {axis});
            node(op_type, {x, axes}).attr("keepdims", keep);
        } else {
            node(op_type, {x}).attr("axes", Dims{axis}).attr("keepdims", keep);
        }
        return last_;
    }
    std::string reshape(const std::string& x, const Dims& dims) {
        const std::string shape = "c" + std::to_string(next_++);
        m.constant<std::int64_t>(shape, {static_cast<std::int64_t>(dims.size())}, dims);
        return op("Reshape", {x, shape});
    }

    const std::string& last() const { return last_; }

    Names fused() {
        if (m.model.graph().output().empty() ||
            m.model.graph().output().rbegin()->name() != last_) {
            m.output(last_);
        }
        return Lowered(m, kPasses).ops();
    }
    float error(float low = -4, float high = 4) {
        return difference(m, kPasses, random_floats(count_, 7, low, high));
    }

    ModelBuilder m;

  private:
    ElemType type_;
    std::string last_;
    std::size_t count_ = 0;
    int next_ = 0;
};

const Dims kDims{2, 3, 8};

TEST(FusePatterns, HardSwish) {
    using Build = std::function<void(Formula&)>;
    const auto gate = [](Formula& f) {
        return f.op("Clip", {f.op("Add", {"x", f.c(3, {1})}), f.c(0), f.c(6)});
    };
    const Build spellings[] = {
        [&](Formula& f) {
            f.op("Div", {f.op("Mul", {"x", gate(f)}), f.c(6, {1})});
        },
        [&](Formula& f) {
            f.op("Mul", {f.c(1.0F / 6), f.op("Mul", {gate(f), "x"})});
        },
        [&](Formula& f) {
            f.op("Mul", {"x", f.op("Div", {gate(f), f.c(6)})});
        },
        [&](Formula& f) {
            f.op("Mul", {f.op("Mul", {"x", f.c(1.0F / 6)}), gate(f)});
        },
        [](Formula& f) {
            const auto six = f.op("Min", {f.op("Relu", {f.op("Add", {f.c(3), "x"})}), f.c(6)});
            f.op("Div", {f.op("Mul", {"x", six}), f.c(6)});
        },
        [](Formula& f) {
            f.node("HardSigmoid", {"x"}).attr("alpha", 1.0F / 6).attr("beta", 0.5F);
            f.op("Mul", {"v0", "x"});
        },
    };
    for (const Build& build : spellings) {
        Formula f(kDims);
        build(f);
        EXPECT_EQ(f.fused(), Names{"HardSwish"}) << &build - spellings;
        EXPECT_LT(f.error(-5, 5), 2e-6F) << &build - spellings;
    }
}

TEST(FusePatterns, ClipsOldFormHasItsLimitsAsAttributes) {
    Formula f(kDims, ElemType::kFloat, 9);
    const auto sum = f.op("Add", {"x", f.c(3)});
    f.node("Clip", {sum}).attr("min", 0.0F).attr("max", 6.0F);
    f.op("Div", {f.op("Mul", {"x", "v2"}), f.c(6)});
    EXPECT_EQ(f.fused(), Names{"HardSwish"});
}

TEST(FusePatterns, HardSigmoid) {
    Formula six(kDims);
    six.op("Div", {six.op("Clip", {six.op("Add", {"x", six.c(3)}), six.c(0), six.c(6)}), six.c(6)});
    EXPECT_EQ(six.fused(), Names{"HardSigmoid"});
    EXPECT_LT(six.error(), 2e-7F);
    Formula one(kDims);
    const auto line = one.op("Add", {one.op("Mul", {"x", one.c(0.2F)}), one.c(0.5F)});
    one.op("Clip", {line, one.c(0), one.c(1)});
    Lowered lowered((one.fused(), one.m), kPasses);
    EXPECT_EQ(lowered.ops(), Names{"HardSigmoid"});
    EXPECT_EQ(float_attribute(lowered.node("HardSigmoid"), "alpha", 0), 0.2F);
    EXPECT_EQ(float_attribute(lowered.node("HardSigmoid"), "beta", 0), 0.5F);
}

TEST(FusePatterns, AlmostAHardSwishStays) {
    Formula limit(kDims);
    const auto seven =
        limit.op("Clip", {limit.op("Add", {"x", limit.c(3)}), limit.c(0), limit.c(7)});
    limit.op("Div", {limit.op("Mul", {"x", seven}), limit.c(6)});
    EXPECT_EQ(limit.fused(), (Names{"Add", "Clip", "Mul", "Div"}));
    Formula plain(kDims);
    plain.op("Clip", {"x", plain.c(0), plain.c(1)});
    EXPECT_EQ(plain.fused(), Names{"Clip"});
}

TEST(FusePatterns, InnerResultsThatOthersReadKeepTheirNodes) {
    Formula f(kDims);
    const auto clip = f.op("Clip", {f.op("Add", {"x", f.c(3)}), f.c(0), f.c(6)});
    const auto swish = f.op("Div", {f.op("Mul", {"x", clip}), f.c(6)});
    f.op("Add", {swish, clip});
    EXPECT_EQ(f.fused(), (Names{"Add", "Clip", "Mul", "Div", "Add"}));
    Formula out(kDims);
    const auto sum = out.op("Add", {"x", out.c(3)});
    out.m.output(sum);
    const auto gate = out.op("Clip", {sum, out.c(0), out.c(6)});
    out.op("Div", {out.op("Mul", {"x", gate}), out.c(6)});
    EXPECT_EQ(out.fused(), (Names{"Add", "Clip", "Mul", "Div"}));
}

TEST(FusePatterns, GeluInAllAssociations) {
    const auto half = [](Formula& f) { return f.c(0.5F); };
    const auto one = [](Formula& f) { return f.c(1); };
    const auto by_division = [&](Formula& f) {
        return f.op("Add", {f.op("Erf", {f.op("Div", {"x", f.c(1.41421356F)})}), one(f)});
    };
    const auto by_product = [&](Formula& f) {
        return f.op("Add", {one(f), f.op("Erf", {f.op("Mul", {f.c(0.70710678F), "x"})})});
    };
    using Build = std::function<void(Formula&)>;
    const Build spellings[] = {
        [&](Formula& f) {
            f.op("Mul", {f.op("Mul", {"x", by_division(f)}), half(f)});
        },
        [&](Formula& f) {
            f.op("Mul", {f.op("Mul", {"x", half(f)}), by_product(f)});
        },
        [&](Formula& f) {
            f.op("Mul", {"x", f.op("Mul", {by_product(f), half(f)})});
        },
        [&](Formula& f) {
            f.op("Mul", {half(f), f.op("Mul", {by_division(f), "x"})});
        },
        [&](Formula& f) {
            f.op("Div", {f.op("Mul", {"x", by_division(f)}), f.c(2)});
        },
    };
    for (const Build& build : spellings) {
        Formula f(kDims);
        build(f);
        EXPECT_EQ(f.fused(), Names{"Gelu"}) << &build - spellings;
        EXPECT_LT(f.error(), 1e-6F) << &build - spellings;
    }
}

TEST(FusePatterns, GeluOfTanh) {
    for (const bool powers : {false, true}) {
        Formula f(kDims);
        const auto cube =
            powers ? f.op("Pow", {"x", f.c(3)}) : f.op("Mul", {"x", f.op("Mul", {"x", "x"})});
        const auto sum = f.op("Add", {"x", f.op("Mul", {f.c(0.044715F), cube})});
        const auto tanh = f.op("Tanh", {f.op("Mul", {f.c(0.79788456F), sum})});
        f.op("Mul", {"x", f.op("Mul", {f.c(0.5F), f.op("Add", {f.c(1), tanh})})});
        f.fused();
        Lowered lowered(f.m, kPasses);
        EXPECT_EQ(lowered.ops(), Names{"Gelu"});
        EXPECT_EQ(string_attribute(lowered.node("Gelu"), "approximate", "none"), "tanh");
        EXPECT_LT(f.error(), 1e-6F);
    }
}

TEST(FusePatterns, SwishMishSoftplus) {
    Formula swish(kDims);
    swish.op("Mul", {"x", swish.op("Sigmoid", {swish.op("Mul", {"x", swish.c(1, {1})})})});
    EXPECT_EQ(swish.fused(), Names{"Swish"});
    EXPECT_LT(swish.error(), 1e-6F);
    Formula steep(kDims);
    steep.op("Mul", {steep.op("Sigmoid", {steep.op("Mul", {"x", steep.c(1.702F)})}), "x"});
    EXPECT_EQ(steep.fused(), Names{"Swish"});
    EXPECT_LT(steep.error(), 1e-6F);
    Formula mish(kDims);
    mish.op("Mul", {"x", mish.op("Tanh", {mish.op("Softplus", {"x"})})});
    EXPECT_EQ(mish.fused(), Names{"Mish"});
    EXPECT_LT(mish.error(), 1e-6F);
    Formula softplus(kDims);
    softplus.op("Log", {softplus.op("Add", {softplus.op("Exp", {"x"}), softplus.c(1)})});
    EXPECT_EQ(softplus.fused(), Names{"Softplus"});
    EXPECT_LT(softplus.error(), 1e-6F);
    Formula other(kDims);  // the gate of something else
    other.op("Mul", {"x", other.op("Sigmoid", {other.op("Relu", {"x"})})});
    EXPECT_EQ(other.fused(), (Names{"Relu", "Sigmoid", "Mul"}));
}

TEST(FusePatterns, OtherTypesAreLeftAlone) {
    Formula f(kDims, ElemType::kFloat16);
    const auto clip = f.op("Clip", {f.op("Add", {"x", f.c(3)}), f.c(0), f.c(6)});
    f.op("Div", {f.op("Mul", {"x", clip}), f.c(6)});
    EXPECT_EQ(f.fused(), (Names{"Add", "Clip", "Mul", "Div"}));
}

TEST(FusePatterns, LoadingRunsThePasses) {
    Formula f(kDims);
    const auto clip = f.op("Clip", {f.op("Add", {"x", f.c(3)}), f.c(0), f.c(6)});
    f.op("Div", {f.op("Mul", {"x", clip}), f.c(6)});
    f.m.output(f.last());
    LoadOptions plain;
    plain.passes = false;
    const auto before = load(f.m, plain);
    const auto after = load(f.m);
    ASSERT_TRUE(before && after);
    EXPECT_EQ((*before)->steps(), (Names{"Add:v1", "Clip:v4", "Mul:v5", "Div:v7"}));
    EXPECT_EQ((*after)->steps(), Names{"HardSwish:v7"});
}

// --- norms

/// x - mean; the mean by ReduceMean.
std::string centred(Formula& f, std::int64_t axis) {
    return f.op("Sub", {"x", f.reduce("ReduceMean", "x", axis)});
}
std::string deviation(Formula& f, const std::string& square, std::int64_t axis) {
    return f.op("Sqrt", {f.op("Add", {f.reduce("ReduceMean", square, axis), f.c(1e-5F)})});
}

TEST(FusePatterns, LayerNormOfPyTorchAndPaddle) {
    Formula f(kDims);
    const auto d = centred(f, -1);
    const auto n = f.op("Div", {d, deviation(f, f.op("Pow", {d, f.c(2)}), -1)});
    const auto gamma = f.c(random_floats(8, 2), {8});
    f.op("Add", {f.c(random_floats(8, 3), {8}), f.op("Mul", {n, gamma})});
    f.fused();
    Lowered lowered(f.m, kPasses);
    EXPECT_EQ(lowered.ops(), Names{"LayerNormalization"});
    EXPECT_EQ(float_attribute(lowered.node("LayerNormalization"), "epsilon", 0), 1e-5F);
    EXPECT_LT(f.error(), 1e-5F);
}

TEST(FusePatterns, LayerNormWithoutScaleAndShift) {
    Formula f(kDims);
    const auto d = centred(f, 2);
    const auto root = deviation(f, f.op("Mul", {d, d}), 2);
    f.op("Mul", {f.op("Reciprocal", {root}), d});
    EXPECT_EQ(f.fused(), Names{"LayerNormalization"});
    EXPECT_LT(f.error(), 1e-5F);
}

TEST(FusePatterns, LayerNormAlongTwoAxesWithTwoSubs) {
    Formula f(kDims);
    f.node("ReduceMean", {"x"}).attr("axes", Dims{1, 2});
    const auto a = f.op("Sub", {"x", "v0"});
    const auto b = f.op("Sub", {"x", "v0"});
    const auto square = f.op("Pow", {b, f.c(2)});
    f.node("ReduceMean", {square}).attr("axes", Dims{-2, -1});
    const auto root = f.op("Sqrt", {f.op("Add", {f.last(), f.c(1e-3F)})});
    f.op("Mul", {f.op("Div", {a, root}), f.c(random_floats(24, 2), {3, 8})});
    EXPECT_EQ(f.fused(), Names{"LayerNormalization"});
    EXPECT_LT(f.error(), 1e-5F);
}

/// jax through tf2onnx: sums without their axis, the variance as a difference of squares, the
/// scale multiplied into the inverse deviation.
void write_jax_norm(Formula& f, const Dims& dims, std::int64_t axis, const Dims& parameters) {
    Dims kept = dims;
    kept[static_cast<std::size_t>(axis)] = 1;
    const std::int64_t length = dims[static_cast<std::size_t>(axis)];
    const auto inverse_length = f.c(1.0F / static_cast<float>(length));
    const auto sum = f.reduce("ReduceSum", "x", axis, 0);
    const auto squares = f.reduce("ReduceSum", f.op("Mul", {"x", "x"}), axis, 0);
    const auto mean = f.op("Mul", {sum, inverse_length});
    const auto difference_of_squares =
        f.op("Sub", {f.op("Mul", {squares, inverse_length}), f.op("Mul", {mean, mean})});
    const auto variance = f.op("Max", {f.c(0), difference_of_squares});
    const auto root = f.op("Sqrt", {f.op("Add", {f.reshape(variance, kept), f.c(1e-6F)})});
    const auto count = static_cast<std::size_t>(length);
    const auto scale =
        f.op("Mul", {f.op("Reciprocal", {root}), f.c(random_floats(count, 2), parameters)});
    const auto d = f.op("Sub", {"x", f.reshape(mean, kept)});
    f.op("Add", {f.op("Mul", {d, scale}), f.c(random_floats(count, 3), parameters)});
}

TEST(FusePatterns, LayerNormOfJax) {
    Formula f({4, 8});
    write_jax_norm(f, {4, 8}, 1, {1, 8});
    EXPECT_EQ(f.fused(), Names{"LayerNormalization"});
    EXPECT_LT(f.error(), 2e-5F);
}

TEST(FusePatterns, LayerNormOfAnotherAxisIsMovedThereAndBack) {
    Formula f({2, 8, 3});
    write_jax_norm(f, {2, 8, 3}, 1, {1, 8, 1});
    EXPECT_EQ(f.fused(), (Names{"Transpose", "LayerNormalization", "Transpose"}));
    EXPECT_LT(f.error(), 2e-5F);
}

/// Of a chain, so that the parts of one norm stand between those of others.
TEST(FusePatterns, ManyMovedLayerNormsTakeLittleTime) {
    constexpr int kNorms = 2000;
    Formula f({2, 8, 3});
    std::string x = "x";
    for (int i = 0; i < kNorms; ++i) {
        const auto d = f.op("Sub", {x, f.reduce("ReduceMean", x, 1, 1)});
        const auto variance = f.reduce("ReduceMean", f.op("Mul", {d, d}), 1, 1);
        x = f.op("Div", {d, f.op("Sqrt", {f.op("Add", {variance, f.c(1e-3F)})})});
    }
    f.fused();
    const auto start = std::chrono::steady_clock::now();
    const Lowered lowered(f.m, kPasses);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
    EXPECT_EQ(lowered.count("LayerNormalization"), std::size_t{kNorms});
    EXPECT_EQ(lowered.ops().size(), std::size_t{3 * kNorms});
}

TEST(FusePatterns, RmsNorm) {
    for (const bool divides : {false, true}) {
        Formula f(kDims);
        const auto root = deviation(f, f.op("Pow", {"x", f.c(2)}), -1);
        const auto n =
            divides ? f.op("Div", {"x", root}) : f.op("Mul", {"x", f.op("Div", {f.c(1), root})});
        f.op("Mul", {f.c(random_floats(8, 2), {8}), n});
        EXPECT_EQ(f.fused(), Names{"RMSNormalization"});
        EXPECT_LT(f.error(), 1e-5F);
    }
}

TEST(FusePatterns, AlmostANormStays) {
    Formula axes(kDims);  // mean and variance along different axes
    const auto d = centred(axes, 1);
    axes.op("Div", {d, deviation(axes, axes.op("Mul", {d, d}), 2)});
    EXPECT_EQ(axes.fused().front(), "ReduceMean");
    EXPECT_EQ(axes.fused().size(), 3U);  // what is left is a norm of x - mean without a mean
    Formula shape(kDims);                // the scale varies along another axis
    const auto e = centred(shape, 2);
    const auto n = shape.op("Div", {e, deviation(shape, shape.op("Mul", {e, e}), 2)});
    shape.op("Mul", {n, shape.c(random_floats(3, 2), {3, 1})});
    EXPECT_EQ(shape.fused(), (Names{"LayerNormalization", "Mul"}));
    EXPECT_LT(shape.error(), 1e-5F);
}

// --- Softmax, Gemm

TEST(FusePatterns, SoftmaxOfJax) {
    Formula f({4, 8});
    const auto most = f.op(
        "Max", {f.c(-std::numeric_limits<float>::infinity()), f.reduce("ReduceMax", "x", 1, 0)});
    const auto e = f.op("Exp", {f.op("Sub", {"x", f.reshape(most, {4, 1})})});
    f.op("Div", {e, f.reshape(f.reduce("ReduceSum", e, 1, 0), {4, 1})});
    EXPECT_EQ(f.fused(), Names{"Softmax"});
    EXPECT_LT(f.error(), 1e-6F);
}

TEST(FusePatterns, SoftmaxNeedsTheSameAxis) {
    Formula f({8, 8});
    const auto e = f.op("Exp", {f.op("Sub", {"x", f.reduce("ReduceMax", "x", 1)})});
    f.op("Div", {e, f.reduce("ReduceSum", e, 0)});
    EXPECT_EQ(f.fused().size(), 5U);
}

TEST(FusePatterns, MatMulAndRowAreAGemm) {
    Formula f({3, 8});
    const auto product = f.op("MatMul", {"x", f.c(random_floats(40, 2), {8, 5})});
    f.op("Add", {f.c(random_floats(5, 3), {1, 5}), product});
    EXPECT_EQ(f.fused(), Names{"Gemm"});
    const auto x = random_floats(24, 4);
    EXPECT_TRUE(same_bits(f.m, kPasses, {bytes_of(x)}));
    Formula deep({2, 3, 8});
    const auto stack = deep.op("MatMul", {"x", deep.c(random_floats(40, 2), {8, 5})});
    deep.op("Add", {stack, deep.c(random_floats(5, 3), {5})});
    EXPECT_EQ(deep.fused(), (Names{"MatMul", "Add"}));
}

}  // namespace
}  // namespace qaicnet::test
