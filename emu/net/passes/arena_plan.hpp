// SPDX-License-Identifier: Apache-2.0
/// Liveness → places in one arena: from where each tensor is made to where it is read last it has
/// memory of its own; views have none, and a result may take over the memory of an input that dies
/// with it.
#pragma once

#include "emu/net/memory_plan.hpp"
#include "emu/net/network_impl.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qaicnet {

/// For a graph whose kernels are prepared. `nodes` are those of the steps, in their order;
/// constants that nobody reads any more (`gone`, by value) have no place.
class ArenaPlan {
  public:
    ArenaPlan(Graph& graph, std::span<Node* const> nodes, std::span<const Step> steps,
              std::vector<bool> gone)
        : graph_(graph), nodes_(nodes), steps_(steps), gone_(std::move(gone)) {}

    /// Makes the plan, and views of the results that take over memory; the arena's size, nullopt
    /// when it does not fit in size_t.
    std::optional<std::size_t> make();

    /// Neither a constant nor left out.
    bool in_arena(int value);
    std::size_t offset_of(int value) { return storage(value)->offset; }
    std::size_t scratch_offset(std::size_t step) const {
        return storages_[scratch_of_[step]].offset;
    }

  private:
    Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
    int root(int index);
    Storage* storage(int index);
    void add_storage(int index, std::int64_t step);
    void touch(int index, std::int64_t step);
    void share_in_place();
    bool may_overwrite(std::size_t s, std::size_t i);

    Graph& graph_;
    std::span<Node* const> nodes_;
    std::span<const Step> steps_;
    std::vector<bool> gone_;
    std::vector<Storage> storages_;
    std::vector<int> storage_of_;  ///< by value; only roots have one
    std::vector<std::size_t> scratch_of_;
};

}  // namespace qaicnet
