// SPDX-License-Identifier: Apache-2.0
/// Places tensors in one arena so that only those alive at the same time take separate room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace qaicnet {

/// One piece of memory, needed from step `first` to step `last` (both inclusive).
struct Storage {
    std::size_t bytes = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::size_t offset = 0;  ///< result, a multiple of Buffer::kAlignment
};

/// Sets every offset and returns the size of the arena; nullopt when it does not fit in size_t.
/// Largest first, each at the lowest place that is free during its whole life; more than 16384
/// pieces in the order of time instead, which takes longer arenas and no quadratic time.
/// Deterministic.
std::optional<std::size_t> plan_memory(std::vector<Storage>& storages);

}  // namespace qaicnet
