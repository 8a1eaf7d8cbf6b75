// SPDX-License-Identifier: Apache-2.0
/// A node whose inputs are constants → its results as constants. Runs while shapes are inferred,
/// since shapes may be computed.
#pragma once

#include "emu/net/op.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <memory>

namespace qaicnet {

/// What is said when the budget or the machine's memory is used up.
qaicrt::Error out_of_memory(const Budget& budget);
/// a + b, or the largest number.
std::size_t saturating_add(std::size_t a, std::size_t b) noexcept;

/// For one graph. Keeps count, so that a small file cannot make load() compute for long or hold
/// many times what the file holds: such results are left to run().
class ConstantFolder {
  public:
    ConstantFolder(Graph& graph, Budget& budget);
    /// After the node's infer. Leaves a node alone that cannot or should not be folded.
    qaicrt::Status fold(Node& node, NodeContext& context);

  private:
    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
    bool can_fold(const Node& node);

    Graph& graph_;
    Budget& budget_;
    std::unique_ptr<Workers> workers_;
    std::size_t given_ = 0;   ///< bytes of the constants that the model holds
    std::size_t made_ = 0;    ///< bytes of the results of folding
    std::size_t folded_ = 0;  ///< bytes and elementary steps of folding so far
};

}  // namespace qaicnet
