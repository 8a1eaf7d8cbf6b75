// SPDX-License-Identifier: Apache-2.0
/// FusedConv and the pools on channels last: chains of fused multiply-adds bit for bit, and the
/// same results as ONNX's operators on channels first.
#include "emu/net/fma_tile.hpp"
#include "emu/net/test/model_builder.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace qaicnet::test {
namespace {

std::vector<float> numbers(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(count);
    std::generate(out.begin(), out.end(), [&] { return normal(random); });
    return out;
}

std::size_t count_of(const Dims& dims) {
    std::size_t count = 1;
    for (const auto dim : dims) {
        count *= static_cast<std::size_t>(dim);
    }
    return count;
}

TEST(FmaTile, HasTheDocumentedOrder) {
    for (const std::size_t length : {0u, 1u, 3u, 16u, 33u, 70u}) {
        const std::size_t runs = 3;
        const auto a = numbers(runs * kMaxFmaRows * (length + 1), 1);
        const auto panel = numbers((runs * length + 1) * kPanelColumns, 2);
        std::vector<FmaRun> table(runs);
        for (std::size_t t = 0; t < runs; ++t) {
            table[t].weights = t * length * kPanelColumns;
            for (std::size_t r = 0; r < kMaxFmaRows; ++r) {
                table[t].rows[r] = &a[(t * kMaxFmaRows + r) * (length + 1)];
            }
        }
        for (std::size_t rows = 1; rows <= fma_rows(); ++rows) {
            for (const bool add : {false, true}) {
                auto fast = numbers(kMaxFmaRows * kPanelColumns, 3);
                auto plain = fast;
                const auto bias = numbers(kPanelColumns, 5);
                fma_tile(table.data(), runs, length, rows, panel.data(),
                         {add ? fast.data() : nullptr, add ? nullptr : bias.data(), fast.data(),
                          kPanelColumns});
                fma_tile_reference(table.data(), runs, length, rows, panel.data(),
                                   {add ? plain.data() : nullptr, add ? nullptr : bias.data(),
                                    plain.data(), kPanelColumns});
                EXPECT_EQ(std::memcmp(fast.data(), plain.data(), fast.size() * sizeof(float)), 0)
                    << length << " " << rows;
            }
        }
        for (std::size_t rows = 1; rows <= fma_rows(); ++rows) {
            const auto before = numbers(kMaxFmaRows * kPanelColumns, 3);
            auto half = before;
            auto whole = before;
            fma_half_tile(table.data(), runs, length, rows, panel.data(),
                          {half.data(), nullptr, half.data(), kPanelColumns});
            fma_tile_reference(table.data(), runs, length, rows, panel.data(),
                               {whole.data(), nullptr, whole.data(), kPanelColumns});
            for (std::size_t i = 0; i < half.size(); ++i) {
                const bool written = i % kPanelColumns < 8 && i < rows * kPanelColumns;
                EXPECT_EQ(half[i], (written ? whole : before)[i]) << i;
            }
        }
        std::vector<float> row(5 * kPanelColumns, 0.5F);
        const auto panels = numbers(5 * (length + 1) * kPanelColumns, 4);
        auto expected = row;
        for (std::size_t p = 0; p < 5; ++p) {
            const FmaRun run{0, {a.data()}};
            fma_tile_reference(&run, 1, length, 1, panels.data() + p * (length + 1) * kPanelColumns,
                               {nullptr, nullptr, expected.data() + p * kPanelColumns, 0});
        }
        fma_row(a.data(), length, panels.data(), (length + 1) * kPanelColumns, 5, row.data());
        EXPECT_EQ(row, expected) << length;
    }
}

TEST(FmaTile, DepthwiseIsAChainToo) {
    for (const std::size_t channels : {1u, 3u, 8u, 21u, 50u, 101u}) {
        const std::size_t taps = 4;
        const std::size_t width = 9;
        const std::size_t step = 2 * channels;
        const auto in = numbers(taps * width * step, 5);
        const auto weights = numbers(taps * channels, 6);
        const auto bias = numbers(channels, 7);
        const float* from[taps];
        const float* factors[taps];
        for (std::size_t t = 0; t < taps; ++t) {
            from[t] = &in[(taps - 1 - t) * width * step];
            factors[t] = &weights[t * channels];
        }
        for (const bool add : {false, true}) {
            std::vector<float> out(width * channels, -1);
            fma_depthwise({from, factors, taps, step, add, add ? nullptr : bias.data(), channels,
                           width, out.data(), channels});
            for (std::size_t i = 0; i < out.size(); ++i) {
                const std::size_t c = i % channels;
                float part = 0;
                for (std::size_t t = 0; t < taps; ++t) {
                    part = std::fma(from[t][i / channels * step + c], factors[t][c], part);
                }
                ASSERT_EQ(out[i], add ? -1.0F + part : part + bias[c]) << channels << " " << i;
            }
        }
    }
}

struct ConvCase {
    Dims x, w;
    std::int64_t group = 1;
    Dims strides{}, dilations{}, pads{}, output_padding{};
    bool transposed = false;
    bool addend = false;
    const char* activation = "";
};

void add_attributes(NodeBuilder node, const ConvCase& c) {
    node.attr("group", c.group);
    for (const auto& [name, list] : {std::pair{"strides", c.strides},
                                     {"dilations", c.dilations},
                                     {"pads", c.pads},
                                     {"output_padding", c.output_padding}}) {
        if (!list.empty()) {
            node.attr(name, list);
        }
    }
}

Dims turn(std::size_t rank, bool to_last) {
    Dims perm{0};
    if (!to_last) {
        perm.push_back(static_cast<std::int64_t>(rank - 1));
    }
    for (std::size_t i = to_last ? 2 : 1; i < (to_last ? rank : rank - 1); ++i) {
        perm.push_back(static_cast<std::int64_t>(i));
    }
    if (to_last) {
        perm.push_back(1);
    }
    return perm;
}

/// Inputs x and, with an addend, z (the result's shape, made from x's result by the reference).
ModelBuilder reference_model(const ConvCase& c, const std::vector<float>& w,
                             const std::vector<float>& b) {
    ModelBuilder m(24);
    m.input("x", ElemType::kFloat, c.x);
    m.constant<float>("w", c.w, w);
    m.constant<float>("b", {static_cast<std::int64_t>(b.size())}, b);
    add_attributes(m.node(c.transposed ? "ConvTranspose" : "Conv", {"x", "w", "b"}, {"y"}), c);
    std::string at = "y";
    if (c.addend) {
        m.node("Sin", {"y"}, {"z"});
        m.node("Add", {"y", "z"}, {"s"});
        at = "s";
    }
    if (*c.activation != '\0') {
        m.node(c.activation, {at}, {"a"});
        at = "a";
    }
    m.output(at);
    return m;
}

ModelBuilder fused_model(const ConvCase& c, const std::vector<float>& w,
                         const std::vector<float>& b, bool constant) {
    ModelBuilder m(24);
    m.import_domain(kEmuDomain, 1);
    m.input("x", ElemType::kFloat, c.x);
    if (constant) {
        m.constant<float>("w", c.w, w);
    } else {
        m.input("w", ElemType::kFloat, c.w);
    }
    m.constant<float>("b", {static_cast<std::int64_t>(b.size())}, b);
    std::vector<std::string> in{"xl", "w", "b"};
    m.node("Transpose", {"x"}, {"xl"}).attr("perm", turn(c.x.size(), true));
    if (c.addend) {
        add_attributes(m.node(c.transposed ? "ConvTranspose" : "Conv", {"x", "w", "b"}, {"y"}), c);
        m.node("Sin", {"y"}, {"z"});
        m.node("Transpose", {"z"}, {"zl"}).attr("perm", turn(c.x.size(), true));
        in.emplace_back("zl");
    }
    auto fused = m.node("FusedConv", in, {"ol"});
    fused.proto()->set_domain(kEmuDomain);
    fused.attr("channels_last", 1).attr("transposed", c.transposed ? 1 : 0);
    fused.attr("activation", c.activation);
    add_attributes(fused, c);
    m.node("Transpose", {"ol"}, {"o"}).attr("perm", turn(c.x.size(), false));
    m.output("o");
    return m;
}

std::vector<float> run_case(const ModelBuilder& model,
                            const std::vector<std::span<const std::byte>>& inputs,
                            unsigned threads) {
    LoadOptions options;
    options.passes = false;
    auto network = load(model, options);
    if (!network) {
        ADD_FAILURE() << network.error().message;
        return {};
    }
    auto outputs = run_bytes(**network, inputs, threads);
    EXPECT_TRUE(outputs);
    return outputs ? as_vector<float>((*outputs)[0]) : std::vector<float>();
}

void check(const ConvCase& c, unsigned seed) {
    const auto x = numbers(count_of(c.x), seed);
    const auto w = numbers(count_of(c.w), seed + 1);
    const auto b =
        numbers(static_cast<std::size_t>(c.transposed ? c.w[1] * c.group : c.w[0]), seed + 2);
    const auto expected = run_case(reference_model(c, w, b), {bytes_of(x)}, 1);
    const auto got = run_case(fused_model(c, w, b, true), {bytes_of(x)}, 1);
    ASSERT_EQ(got.size(), expected.size());
    float largest = 1;
    for (const float y : expected) {
        largest = std::max(largest, std::fabs(y));
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], expected[i], 2e-5F * largest) << i;
    }
    EXPECT_EQ(run_case(fused_model(c, w, b, true), {bytes_of(x)}, 3), got);
    EXPECT_EQ(run_case(fused_model(c, w, b, false), {bytes_of(x), bytes_of(w)}, 2), got);
}

const std::vector<ConvCase>& conv_cases() {
    static const std::vector<ConvCase> kCases = {
        {.x = {1, 3, 17, 19}, .w = {16, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
        {.x = {2, 5, 9, 30}, .w = {7, 5, 3, 3}, .pads = {1, 1, 1, 1}, .activation = "Relu"},
        {.x = {2, 20, 5, 6}, .w = {40, 20, 1, 1}, .addend = true, .activation = "HardSwish"},
        {.x = {1, 8, 11, 40}, .w = {24, 8, 3, 5}, .dilations = {2, 3}, .pads = {2, 0, 1, 6}},
        {.x = {2, 12, 7, 9},
         .w = {18, 4, 3, 3},
         .group = 3,
         .pads = {1, 1, 1, 1},
         .activation = "Sigmoid"},
        {.x = {1, 37, 13, 15},
         .w = {37, 1, 5, 5},
         .group = 37,
         .pads = {2, 2, 2, 2},
         .activation = "HardSwish"},
        {.x = {2, 16, 13, 15},
         .w = {16, 1, 3, 3},
         .group = 16,
         .strides = {2, 1},
         .pads = {1, 1, 1, 1},
         .addend = true},
        {.x = {1, 6, 8, 8}, .w = {12, 1, 3, 3}, .group = 6, .activation = "LeakyRelu"},
        {.x = {2, 1, 600}, .w = {130, 1, 256}, .strides = {128}},
        {.x = {1, 1, 300}, .w = {3, 1, 250}, .pads = {60, 60}},
        {.x = {2, 4, 50}, .w = {6, 4, 3}, .pads = {1, 1}, .activation = "Tanh"},
        {.x = {1, 3, 5, 6, 7},
         .w = {10, 3, 2, 3, 3},
         .strides = {1, 2, 1},
         .pads = {1, 0, 1, 0, 1, 1}},
        {.x = {1, 70, 1, 1}, .w = {33, 70, 1, 1}, .activation = "HardSigmoid"},
        {.x = {1, 5, 6, 7},
         .w = {5, 9, 2, 2},
         .strides = {2, 2},
         .transposed = true,
         .activation = "Relu"},
        {.x = {2, 6, 5, 4},
         .w = {6, 3, 3, 4},
         .group = 2,
         .strides = {2, 3},
         .dilations = {1, 2},
         .pads = {1, 0, 0, 2},
         .output_padding = {1, 0},
         .transposed = true,
         .activation = "Gelu"},
        {.x = {1, 9, 6, 5}, .w = {9, 1, 3, 3}, .group = 9, .strides = {2, 2}, .transposed = true},
        {.x = {1, 4, 7}, .w = {4, 2, 2}, .strides = {3}, .transposed = true, .activation = "Elu"},
        {.x = {2, 24, 5, 6},
         .w = {24, 1, 2, 2},
         .strides = {2, 2},
         .transposed = true,
         .activation = "Sigmoid"},
        {.x = {2, 6, 3, 4, 5},
         .w = {6, 11, 2, 1, 3},
         .strides = {2, 1, 3},
         .transposed = true,
         .addend = true,
         .activation = "Relu"},
        {.x = {1, 16, 40, 1}, .w = {24, 16, 5, 1}, .pads = {2, 0, 2, 0}},
        {.x = {1, 20, 20, 3}, .w = {20, 1, 17, 17}, .group = 20, .pads = {8, 8, 8, 8}},
    };
    return kCases;
}

TEST(FusedConv, AgreesWithOnnxsConvolutions) {
    unsigned seed = 1;
    for (const ConvCase& c : conv_cases()) {
        SCOPED_TRACE(seed);
        check(c, 10 * seed++);
    }
}

/// Conv, Add and the activation in FLOAT16, with FLOAT at the edges.
ModelBuilder half_model(const ConvCase& c, const std::vector<float>& w,
                        const std::vector<float>& b) {
    ModelBuilder m = reference_model(c, w, b);
    auto* graph = m.model.mutable_graph();
    for (auto& node : *graph->mutable_node()) {
        for (auto& name : *node.mutable_input()) {
            name = name == "x" || name == "w" || name == "b" ? name + "16" : name;
        }
    }
    const std::string last = graph->output(0).name();
    graph->clear_output();
    for (const char* name : {"x", "w", "b"}) {
        m.node("Cast", {name}, {std::string(name) + "16"}, name).attr("to", 10);
    }
    m.node("Cast", {last}, {"edge"}, "edge").attr("to", 1);
    m.output("edge");
    return m;
}

/// Passes only change the order of a FLOAT16 convolution's FP32 sum, so single results may round to
/// the neighbour.
TEST(FusedConv, HalfRoundsWhereSeparateNodesWould) {
    unsigned seed = 1;
    std::size_t results = 0;
    std::size_t equal = 0;
    for (const ConvCase& c : conv_cases()) {
        SCOPED_TRACE(seed);
        const auto x = numbers(count_of(c.x), seed);
        const auto w = numbers(count_of(c.w), seed + 1);
        const auto b =
            numbers(static_cast<std::size_t>(c.transposed ? c.w[1] * c.group : c.w[0]), seed + 2);
        seed += 10;
        const ModelBuilder model = half_model(c, w, b);
        const auto expected = run_case(model, {bytes_of(x)}, 1);
        auto network = load(model);
        ASSERT_TRUE(network) << network.error().message;
        const auto steps = (*network)->steps();
        EXPECT_TRUE(std::any_of(steps.begin(), steps.end(), [](const std::string& step) {
            return step.starts_with("FusedConv:");
        }));
        const auto outputs = run_bytes(**network, {bytes_of(x)}, 2);
        ASSERT_TRUE(outputs);
        const auto got = as_vector<float>((*outputs)[0]);
        ASSERT_EQ(got.size(), expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
            ++results;
            equal += got[i] == expected[i] ? 1 : 0;
            ASSERT_NEAR(got[i], expected[i], 0.01F * std::max(1.0F, std::fabs(expected[i]))) << i;
        }
    }
    EXPECT_GT(equal, results * 99 / 100);
}

/// Passes off: ONNX's pool. Passes on: the pool on channels last, between Transposes.
TEST(PoolLast, HasTheBitsOfOnnxsPools) {
    const auto x = numbers(2 * 70 * 9 * 11, 1);
    for (const int half : {0, 1})
        for (const char* op : {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}) {
            for (const int padding : {0, 1}) {
                ModelBuilder m(19);
                m.input("x", ElemType::kFloat, {2, 70, 9, 11});
                m.node("Cast", {"x"}, {"v"}).attr("to", half == 1 ? 10 : 1);
                auto node = m.node(op, {"v"}, {"p"});
                m.node("Cast", {"p"}, {"y"}).attr("to", 1);
                const std::string name = op;
                if (!name.starts_with("Global")) {
                    node.attr("kernel_shape", Dims{3, 2}).attr("strides", Dims{2, 1});
                    node.attr("pads", Dims{1, 0, 1, 1}).attr("ceil_mode", padding);
                    node.attr("dilations", Dims{1, 2});
                }
                if (name == "AveragePool") {
                    node.attr("count_include_pad", padding);
                }
                m.output("y");
                LoadOptions off;
                off.passes = false;
                auto plain = load(m, off);
                auto lowered = load(m);
                ASSERT_TRUE(plain && lowered);
                EXPECT_NE((*plain)->steps(), (*lowered)->steps());
                const auto expected = run_bytes(**plain, {bytes_of(x)});
                EXPECT_EQ(*run_bytes(**lowered, {bytes_of(x)}, 3), *expected)
                    << op << padding << half;
            }
        }
}

}  // namespace
}  // namespace qaicnet::test
