// SPDX-License-Identifier: Apache-2.0
/// First-fit allocation of ranges out of [0, size): addresses of DDR, numbers of multicast windows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace qaicemu {

/// Not thread safe. `alignment` is a power of two.
class RangeAllocator {
  public:
    explicit RangeAllocator(std::uint64_t size);
    /// Start of a free range of `size` > 0 units, or nothing when no gap is large enough.
    std::optional<std::uint64_t> take(std::uint64_t size, std::uint64_t alignment = 1);
    /// Gives back exactly what take() returned.
    void give(std::uint64_t start, std::uint64_t size);
    std::uint64_t free_units() const { return free_units_; }
    std::uint64_t largest_gap() const;

  private:
    std::map<std::uint64_t, std::uint64_t> gaps_;  ///< start to size, never touching each other
    std::uint64_t free_units_;
};

}  // namespace qaicemu
