// SPDX-License-Identifier: Apache-2.0
/// LSTM, GRU and RNN beyond ONNX's node tests: types, lengths, threads, results left out, bad
/// forms.
#include "emu/net/test/model_builder.hpp"

#include <cmath>
#include <random>

namespace qaicnet::test {
namespace {

using Floats = std::vector<float>;

struct Sizes {
    std::int64_t steps, batch, input, hidden, directions;
};

Floats random_values(std::size_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<float> range(-0.5F, 0.5F);
    Floats values(count);
    for (float& value : values) {
        // Exact in FP16, so that all types are given the same numbers.
        value = half_to_float(float_to_half(range(engine)));
    }
    return values;
}

template <class T>
std::vector<T> converted(const Floats& values) {
    std::vector<T> out;
    for (const float value : values) {
        if constexpr (std::is_same_v<T, Half>) {
            out.push_back(float_to_half(value));
        } else {
            out.push_back(static_cast<T>(value));
        }
    }
    return out;
}

int gates_of(const std::string& op) {
    return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
}

template <class T>
ModelBuilder model_of(const std::string& op, const Sizes& s,
                      const std::vector<std::string>& outputs) {
    ModelBuilder m;
    const std::int64_t rows = gates_of(op) * s.hidden;
    m.input("x", elem_type_of<T>(), {s.steps, s.batch, s.input});
    m.input("lengths", ElemType::kInt32, {s.batch});
    const auto count = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    const auto w = random_values(count(s.directions * rows * s.input), 1);
    const auto r = random_values(count(s.directions * rows * s.hidden), 2);
    m.constant<T>("w", {s.directions, rows, s.input}, converted<T>(w));
    m.constant<T>("r", {s.directions, rows, s.hidden}, converted<T>(r));
    m.constant<T>("b", {s.directions, 2 * rows},
                  converted<T>(random_values(count(s.directions * 2 * rows), 3)));
    auto node = m.node(op, {"x", "w", "r", "b", "lengths"}, outputs, "cell");
    node.attr("hidden_size", s.hidden);
    if (s.directions == 2) {
        node.attr("direction", "bidirectional");
    }
    for (const auto& output : outputs) {
        if (!output.empty()) {
            m.output(output);
        }
    }
    return m;
}

TEST(Recurrent, Fp16IsTheFp32ResultRoundedAndFp64IsClose) {
    for (const std::string op : {"LSTM", "GRU", "RNN"}) {
        for (const Sizes& s :
             {Sizes{5, 2, 7, 17, 2}, Sizes{1, 1, 3, 1, 1}, Sizes{3, 9, 1, 16, 1}}) {
            const auto x = random_values(static_cast<std::size_t>(s.steps * s.batch * s.input), 4);
            const std::vector<std::int32_t> lengths(static_cast<std::size_t>(s.batch),
                                                    static_cast<std::int32_t>(s.steps));
            const auto half_x = converted<Half>(x);
            const auto double_x = converted<double>(x);
            const auto wide =
                run<float>(model_of<float>(op, s, {"y"}), {bytes_of(x), bytes_of(lengths)});
            const auto half =
                run<Half>(model_of<Half>(op, s, {"y"}), {bytes_of(half_x), bytes_of(lengths)});
            const auto twice = run<double>(model_of<double>(op, s, {"y"}),
                                           {bytes_of(double_x), bytes_of(lengths)});
            ASSERT_EQ(wide.size(), half.size());
            ASSERT_EQ(wide.size(), twice.size());
            for (std::size_t i = 0; i < wide.size(); ++i) {
                EXPECT_EQ(half[i].bits, float_to_half(wide[i]).bits) << op << " " << i;
                EXPECT_NEAR(twice[i], static_cast<double>(wide[i]), 2e-6) << op << " " << i;
            }
        }
    }
}

TEST(Recurrent, AShorterSequenceEqualsTheCutInput) {
    for (const std::string op : {"LSTM", "GRU", "RNN"}) {
        const Sizes s{4, 1, 3, 5, 2};
        const auto x = random_values(12, 5);
        const Floats cut(x.begin(), x.begin() + 6);
        const std::vector<std::int32_t> two{2};
        const auto whole = run<float>(model_of<float>(op, s, {"y"}), {bytes_of(x), bytes_of(two)});
        const auto part =
            run<float>(model_of<float>(op, {2, 1, 3, 5, 2}, {"y"}), {bytes_of(cut), bytes_of(two)});
        ASSERT_EQ(whole.size(), 40U);
        EXPECT_EQ(Floats(whole.begin(), whole.begin() + 20), part) << op;
        EXPECT_EQ(Floats(whole.begin() + 20, whole.end()), Floats(20, 0.0F)) << op;
    }
}

TEST(Recurrent, ThreadsAndResultsLeftOutChangeNoBit) {
    const Sizes s{3, 4, 64, 200, 2};
    const auto x = random_values(3 * 4 * 64, 6);
    const std::vector<std::int32_t> lengths{3, 2, 0, 1};
    for (const std::string op : {"LSTM", "GRU", "RNN"}) {
        auto all = load(model_of<float>(op, s, {"y", "last"}));
        auto last = load(model_of<float>(op, s, {"", "last"}));
        ASSERT_TRUE(all) << all.error().message;
        ASSERT_TRUE(last) << last.error().message;
        const auto one = run_bytes(**all, {bytes_of(x), bytes_of(lengths)}, 1);
        const auto three = run_bytes(**all, {bytes_of(x), bytes_of(lengths)}, 3);
        const auto only = run_bytes(**last, {bytes_of(x), bytes_of(lengths)}, 1);
        ASSERT_TRUE(one && three && only);
        EXPECT_EQ(*one, *three) << op;
        EXPECT_EQ((*one)[1], (*only)[0]) << op;
    }
}

TEST(Recurrent, LengthsOutsideTheInputAreRefusedAtRun) {
    for (const std::int32_t length : {-1, 4, 2147483647}) {
        auto network = load(model_of<float>("GRU", {3, 1, 2, 2, 1}, {"y"}));
        ASSERT_TRUE(network) << network.error().message;
        const auto x = random_values(6, 7);
        const std::vector<std::int32_t> lengths{length};
        const auto result = run_bytes(**network, {bytes_of(x), bytes_of(lengths)});
        ASSERT_FALSE(result);
        EXPECT_NE(result.error().message.find("node 'cell' (GRU): sequence_lens[0]"),
                  std::string::npos)
            << result.error().message;
    }
}

TEST(Recurrent, WrongFormsNameTheNode) {
    const auto error_with = [](auto change) {
        auto m = model_of<float>("LSTM", {3, 1, 2, 2, 1}, {"y"});
        change(m, *m.model.mutable_graph()->mutable_node(0));
        return load_error(m);
    };
    const auto says = [](const std::string& message, const char* part) {
        EXPECT_NE(message.find("node 'cell' (LSTM)"), std::string::npos) << message;
        EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
    };
    says(error_with([](auto&, auto& node) { NodeBuilder(&node).attr("direction", "sideways"); }),
         "'sideways'");
    says(error_with([](auto&, auto& node) { NodeBuilder(&node).attr("clip", -1.0F); }), "clip");
    says(error_with([](auto&, auto& node) { NodeBuilder(&node).attr("layout", 2); }), "layout");
    says(error_with([](auto&, auto& node) { node.mutable_attribute(0)->set_i(INT64_MAX); }),
         "hidden_size");
    says(error_with([](auto&, auto& node) {
             auto* list = NodeBuilder(&node).add("activations", onnx::AttributeProto::STRINGS);
             list->add_strings("Sigmoid");
         }),
         "names 1 activations");
    says(error_with([](auto&, auto& node) {
             auto* list = NodeBuilder(&node).add("activations", onnx::AttributeProto::STRINGS);
             for (int i = 0; i < 3; ++i) {
                 list->add_strings("Mystery");
             }
         }),
         "'Mystery'");
    says(error_with([](auto& m, auto& node) {
             m.template constant<float>("odd", {1, 7, 2}, Floats(14));
             node.set_input(2, "odd");
         }),
         "R has the shape [1,7,2]");
    says(error_with([](auto& m, auto& node) {
             m.template constant<float>("flat", {8}, Floats(8));
             node.set_input(1, "flat");
         }),
         "'W' has the shape [8]");
}

}  // namespace
}  // namespace qaicnet::test
