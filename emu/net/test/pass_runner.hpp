// SPDX-License-Identifier: Apache-2.0
/// Runs chosen passes alone over a model: which nodes are left, and what the network then computes.
#pragma once

#include "emu/net/import.hpp"
#include "emu/net/network_impl.hpp"
#include "emu/net/passes/passes.hpp"
#include "emu/net/test/model_builder.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace qaicnet::test {

using Passes = std::vector<Pass>;
using Floats = std::vector<float>;

inline Floats random_floats(std::size_t count, unsigned seed, float low = -4, float high = 4) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> value(low, high);
    Floats values(count);
    std::generate(values.begin(), values.end(), [&] { return value(random); });
    return values;
}

/// A model after some passes.
class Lowered {
  public:
    Lowered(const ModelBuilder& builder, const Passes& passes) : network_(std::uint64_t{1} << 30) {
        auto graph = import_model(builder.model, {}, {}, network_.budget);
        EXPECT_TRUE(graph) << graph.error().message;
        if (graph) {
            network_.graph = std::move(*graph);
            for (const Pass pass : passes) {
                infer();
                run_pass(pass);
            }
            infer();
        }
    }

    /// Types of the nodes in their order, without those that only other shapes or names.
    std::vector<std::string> ops() const {
        std::vector<std::string> names;
        for (const Node& node : network_.graph.nodes) {
            names.push_back(node.op_type);
        }
        return names;
    }
    std::size_t count(const std::string& op_type) const {
        const auto names = ops();
        return static_cast<std::size_t>(std::count(names.begin(), names.end(), op_type));
    }
    const Node& node(const std::string& op_type) const {
        const auto& nodes = network_.graph.nodes;
        const auto found = std::find_if(nodes.begin(), nodes.end(),
                                        [&](const Node& n) { return n.op_type == op_type; });
        EXPECT_NE(found, nodes.end()) << "no " << op_type;
        static const Node kNone;
        return found != nodes.end() ? *found : kNone;
    }
    const std::string& name_of(int value) const {
        return network_.graph.values[static_cast<std::size_t>(value)].name;
    }

    /// Loads what is left, without any further pass, and runs it; the first output.
    std::vector<std::byte> run(const std::vector<std::span<const std::byte>>& inputs) {
        network_.graph.lower = false;
        const auto built = build_network(network_);
        EXPECT_TRUE(built) << built.error().message;
        if (!built) {
            return {};
        }
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (!inputs[i].empty()) {
                std::memcpy(network_.input_data[i], inputs[i].data(), inputs[i].size());
            }
        }
        const auto workers = make_workers(1);
        for (const Step& step : network_.steps) {
            EXPECT_TRUE(
                step.kernel->run({step.in.data(), step.out.data(), step.scratch, *workers}));
        }
        std::vector<std::byte> output(network_.outputs[0].bytes());
        if (!output.empty()) {
            std::memcpy(output.data(), network_.output_data[0], output.size());
        }
        return output;
    }

  private:
    void infer() {
        Graph& graph = network_.graph;
        for (Value& value : graph.values) {
            value.view_of = -1;
        }
        for (Node& node : graph.nodes) {
            NodeContext context(graph, node, network_.budget);
            const auto inferred = node.op->infer(context);
            EXPECT_TRUE(inferred) << inferred.error().message;
        }
    }

    void run_pass(Pass pass) {
        GraphEdit edit(network_.graph, network_.budget);
        const auto changed = pass(edit);
        EXPECT_TRUE(changed) << changed.error().message;
        remove_dead_nodes(network_.graph);
    }

    Network::Impl network_;
};

/// The greatest difference between the model as it is and after the passes, for one FLOAT input.
inline float difference(const ModelBuilder& builder, const Passes& passes, const Floats& input) {
    const std::vector<std::span<const std::byte>> in{bytes_of(input)};
    const auto plain = as_vector<float>(Lowered(builder, {}).run(in));
    const auto lowered = as_vector<float>(Lowered(builder, passes).run(in));
    EXPECT_EQ(plain.size(), lowered.size());
    float greatest = 0;
    for (std::size_t i = 0; i < std::min(plain.size(), lowered.size()); ++i) {
        const float d = std::fabs(plain[i] - lowered[i]);
        greatest = d <= greatest ? greatest : d;  // NaN comes through
    }
    return plain.size() == lowered.size() ? greatest : std::numeric_limits<float>::infinity();
}

/// The same, bit by bit, for inputs of any type.
inline bool same_bits(const ModelBuilder& builder, const Passes& passes,
                      const std::vector<std::span<const std::byte>>& inputs) {
    return Lowered(builder, {}).run(inputs) == Lowered(builder, passes).run(inputs);
}

}  // namespace qaicnet::test
