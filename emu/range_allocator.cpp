// SPDX-License-Identifier: Apache-2.0
#include "emu/range_allocator.hpp"

#include <algorithm>
#include <iterator>

namespace qaicemu {

RangeAllocator::RangeAllocator(std::uint64_t size) : free_units_(size) {
    if (size > 0) {
        gaps_.emplace(0, size);
    }
}

std::optional<std::uint64_t> RangeAllocator::take(std::uint64_t size, std::uint64_t alignment) {
    if (size == 0 || size > free_units_) {
        return std::nullopt;
    }
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
        const std::uint64_t skip = (alignment - gap->first % alignment) % alignment;
        if (gap->second < skip || gap->second - skip < size) {
            continue;
        }
        const std::uint64_t start = gap->first + skip;
        const std::uint64_t rest = gap->second - skip - size;
        if (rest > 0) {
            gaps_.emplace(start + size, rest);
        }
        if (skip > 0) {
            gap->second = skip;
        } else {
            gaps_.erase(gap);
        }
        free_units_ -= size;
        return start;
    }
    return std::nullopt;
}

void RangeAllocator::give(std::uint64_t start, std::uint64_t size) {
    if (size == 0) {
        return;
    }
    free_units_ += size;
    auto gap = gaps_.emplace(start, size).first;
    if (const auto next = std::next(gap); next != gaps_.end() && start + size == next->first) {
        gap->second += next->second;
        gaps_.erase(next);
    }
    if (gap != gaps_.begin()) {
        if (const auto before = std::prev(gap); before->first + before->second == start) {
            before->second += gap->second;
            gaps_.erase(gap);
        }
    }
}

std::uint64_t RangeAllocator::largest_gap() const {
    std::uint64_t largest = 0;
    for (const auto& [start, size] : gaps_) {
        largest = std::max(largest, size);
    }
    return largest;
}

}  // namespace qaicemu
