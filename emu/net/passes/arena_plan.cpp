// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/arena_plan.hpp"

#include <algorithm>
#include <utility>

namespace qaicnet {

/// The value whose memory this one shares; itself unless it is a view.
int ArenaPlan::root(int index) {
    int found = index;
    while (value(found).view_of >= 0) {
        found = value(found).view_of;
    }
    while (index != found) {  // long chains are walked once
        index = std::exchange(value(index).view_of, found);
    }
    return found;
}

bool ArenaPlan::in_arena(int index) {
    return index >= 0 && !value(index).constant && !gone_[static_cast<std::size_t>(index)];
}

std::optional<std::size_t> ArenaPlan::make() {
    storage_of_.assign(graph_.values.size(), -1);
    const auto end = static_cast<std::int64_t>(nodes_.size());
    for (const int input : graph_.inputs) {
        add_storage(input, -1);
    }
    for (std::size_t s = 0; s < nodes_.size(); ++s) {
        for (const int output : nodes_[s]->outputs) {
            if (output >= 0) {
                add_storage(output, static_cast<std::int64_t>(s));
            }
        }
    }
    for (std::size_t s = 0; s < nodes_.size(); ++s) {
        for (std::size_t i = 0; i < nodes_[s]->inputs.size(); ++i) {
            touch(nodes_[s]->inputs[i], static_cast<std::int64_t>(s));
        }
    }
    for (const int output : graph_.outputs) {
        touch(output, end);
    }
    share_in_place();
    for (std::size_t s = 0; s < nodes_.size(); ++s) {
        const auto at = static_cast<std::int64_t>(s);
        scratch_of_.push_back(storages_.size());
        storages_.push_back({steps_[s].kernel->scratch_bytes(), at, at, 0});
    }
    return plan_memory(storages_);
}

void ArenaPlan::add_storage(int index, std::int64_t step) {
    storage_of_[static_cast<std::size_t>(index)] = static_cast<int>(storages_.size());
    storages_.push_back({value(index).tensor.bytes(), step, step, 0});
}

Storage* ArenaPlan::storage(int index) {
    return in_arena(index) ? &storages_[static_cast<std::size_t>(
                                 storage_of_[static_cast<std::size_t>(root(index))])]
                           : nullptr;
}

void ArenaPlan::touch(int index, std::int64_t step) {
    if (Storage* s = storage(index)) {
        s->last = std::max(s->last, step);
    }
}

/// Lets a result take over the memory of an input that nobody reads afterwards.
void ArenaPlan::share_in_place() {
    for (std::size_t s = 0; s < nodes_.size(); ++s) {
        const Node& node = *nodes_[s];
        const int output = node.outputs[0];
        for (std::size_t i = 0; i < node.inputs.size() && value(output).view_of < 0; ++i) {
            if (may_overwrite(s, i)) {
                Storage& taken = *storage(node.inputs[i]);
                Storage& result = *storage(output);
                taken.last = std::max(taken.last, result.last);
                result.bytes = 0;
                value(output).view_of = node.inputs[i];
            }
        }
    }
}

bool ArenaPlan::may_overwrite(std::size_t s, std::size_t i) {
    const Node& node = *nodes_[s];
    const Kernel& kernel = *steps_[s].kernel;
    const Storage* target = storage(node.inputs[i]);
    if (target == nullptr || !kernel.can_overwrite(i) ||
        target->last != static_cast<std::int64_t>(s) ||
        value(node.inputs[i]).tensor.bytes() != value(node.outputs[0]).tensor.bytes()) {
        return false;
    }
    for (std::size_t j = 0; j < node.inputs.size(); ++j) {
        if (node.inputs[j] >= 0 && storage(node.inputs[j]) == target && !kernel.can_overwrite(j)) {
            return false;
        }
    }
    return true;
}

}  // namespace qaicnet
