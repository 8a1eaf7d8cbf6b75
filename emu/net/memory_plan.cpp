// SPDX-License-Identifier: Apache-2.0
#include "emu/net/memory_plan.hpp"

#include "emu/net/tensor.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace qaicnet {

std::optional<std::size_t> plan_memory(std::vector<Storage>& storages) {
    constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max() / 2;
    std::vector<std::size_t> order(storages.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return storages[a].bytes > storages[b].bytes;
    });
    std::vector<std::size_t> placed;  // by offset
    std::size_t arena = 0;
    for (const std::size_t index : order) {
        Storage& storage = storages[index];
        if (storage.bytes == 0) {
            continue;
        }
        if (storage.bytes > kMax) {
            return std::nullopt;
        }
        const std::size_t size =
            (storage.bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
        std::size_t offset = 0;
        for (const std::size_t other_index : placed) {
            const Storage& other = storages[other_index];
            if (other.last < storage.first || other.first > storage.last) {
                continue;
            }
            if (other.offset >= offset && other.offset - offset >= size) {
                break;  // the gap before `other` is large enough
            }
            const std::size_t end = other.offset + other.bytes;
            const std::size_t next =
                (end + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
            offset = std::max(offset, next);
        }
        if (offset > kMax - size) {
            return std::nullopt;
        }
        storage.offset = offset;
        arena = std::max(arena, offset + size);
        const auto place = std::upper_bound(
            placed.begin(), placed.end(), offset,
            [&](std::size_t value, std::size_t other) { return value < storages[other].offset; });
        placed.insert(place, index);
    }
    return arena;
}

}  // namespace qaicnet
