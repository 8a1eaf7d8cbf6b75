// SPDX-License-Identifier: Apache-2.0
#include "emu/net/memory_plan.hpp"

#include "emu/net/tensor.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <queue>
#include <set>
#include <utility>

namespace qaicnet {

namespace {

constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max() / 2;

std::size_t aligned(std::size_t bytes) {
    return (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
}

/// Pieces of the arena that are not in use; neighbours are merged.
class FreePieces {
  public:
    void add(std::size_t offset, std::size_t size) {
        auto next = by_offset_.lower_bound(offset);
        if (next != by_offset_.begin()) {
            const auto before = std::prev(next);
            if (before->first + before->second == offset) {
                offset = before->first;
                size += before->second;
                erase(before);
            }
        }
        if (next != by_offset_.end() && offset + size == next->first) {
            size += next->second;
            erase(next);
        }
        by_offset_.emplace(offset, size);
        by_size_.emplace(size, offset);
    }
    /// The smallest piece that is large enough.
    std::optional<std::size_t> take(std::size_t size) {
        const auto found = by_size_.lower_bound({size, 0});
        if (found == by_size_.end()) {
            return std::nullopt;
        }
        const auto [have, offset] = *found;
        erase(by_offset_.find(offset));
        if (have != size) {
            by_offset_.emplace(offset + size, have - size);
            by_size_.emplace(have - size, offset + size);
        }
        return offset;
    }

  private:
    void erase(std::map<std::size_t, std::size_t>::iterator piece) {
        by_size_.erase({piece->second, piece->first});
        by_offset_.erase(piece);
    }
    std::map<std::size_t, std::size_t> by_offset_;
    std::set<std::pair<std::size_t, std::size_t>> by_size_;
};

/// In the order of time: takes n log n steps, where comparing all pairs takes minutes, and more
/// memory than placing the largest first.
std::optional<std::size_t> plan_in_order(std::vector<Storage>& storages) {
    std::vector<std::size_t> order(storages.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return storages[a].first < storages[b].first;
    });
    using End = std::pair<std::int64_t, std::size_t>;
    std::priority_queue<End, std::vector<End>, std::greater<>> alive;
    FreePieces free;
    std::size_t arena = 0;
    for (const std::size_t index : order) {
        Storage& storage = storages[index];
        if (storage.bytes == 0) {
            continue;
        }
        while (!alive.empty() && alive.top().first < storage.first) {
            const Storage& ended = storages[alive.top().second];
            free.add(ended.offset, aligned(ended.bytes));
            alive.pop();
        }
        if (storage.bytes > kMax || arena > kMax - aligned(storage.bytes)) {
            return std::nullopt;
        }
        const std::size_t size = aligned(storage.bytes);
        const auto offset = free.take(size);
        storage.offset = offset.value_or(arena);
        arena = offset ? arena : arena + size;
        alive.emplace(storage.last, index);
    }
    return arena;
}

}  // namespace

std::optional<std::size_t> plan_memory(std::vector<Storage>& storages) {
    constexpr std::size_t kMany = 16384;
    if (storages.size() > kMany) {
        return plan_in_order(storages);
    }
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
        const std::size_t size = aligned(storage.bytes);
        std::size_t offset = 0;
        for (const std::size_t other_index : placed) {
            const Storage& other = storages[other_index];
            if (other.last < storage.first || other.first > storage.last) {
                continue;
            }
            if (other.offset >= offset && other.offset - offset >= size) {
                break;  // the gap before `other` is large enough
            }
            offset = std::max(offset, other.offset + aligned(other.bytes));
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
