// SPDX-License-Identifier: Apache-2.0
/// The card's DDR: one sparse mapping, so that a 32 GiB card costs only the pages that are in use.
#pragma once

#include "emu/range_allocator.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

namespace qaicemu {

class Ddr;

/// Memory of one owner; released, and its content dropped, on destruction. Reads as zero when
/// handed out.
class DdrRegion {
  public:
    DdrRegion() = default;
    DdrRegion(DdrRegion&& other) noexcept;
    DdrRegion& operator=(DdrRegion&& other) noexcept;
    DdrRegion(const DdrRegion&) = delete;
    DdrRegion& operator=(const DdrRegion&) = delete;
    ~DdrRegion();

    std::uint64_t address() const {
        return address_;
    }  ///< as the card's engines and the host's requests see it
    std::span<std::byte> bytes() const { return bytes_; }

  private:
    friend class Ddr;
    Ddr* owner_ = nullptr;
    std::uint64_t address_ = 0;
    std::span<std::byte> bytes_;
};

/// Thread safe. Outlives its regions.
class Ddr {
  public:
    /// Card address of the first byte.
    static constexpr std::uint64_t kBase = std::uint64_t{1} << 35;
    static constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 39;
    /// Allocation unit: a page, so that freed content can be dropped; also satisfies the 2048-byte
    /// rule for shared DDR.
    static constexpr std::uint64_t kUnit = 4096;

    /// Errors: kInvalidArgument (no or too much memory), kNoMemory (the mapping cannot be had).
    static qaicrt::Result<std::unique_ptr<Ddr>> create(std::uint64_t bytes);
    ~Ddr();
    Ddr(const Ddr&) = delete;
    Ddr& operator=(const Ddr&) = delete;

    /// A region of exactly `bytes` bytes on a page of its own; nothing when DDR is exhausted. 0
    /// bytes give an empty region at address 0.
    std::optional<DdrRegion> allocate(std::uint64_t bytes);
    /// What `bytes` cost: rounded up to whole units; nothing when that overflows.
    static std::optional<std::uint64_t> footprint(std::uint64_t bytes);

    std::uint64_t total_bytes() const { return size_; }
    /// 0 = all free memory is one piece, 100 = hopelessly scattered.
    unsigned fragmentation() const;

  private:
    friend class DdrRegion;
    Ddr(std::byte* memory, std::uint64_t size);
    void release(const DdrRegion& region);

    std::byte* memory_;
    std::uint64_t size_;
    mutable std::mutex mutex_;  ///< protects ranges_; innermost lock
    RangeAllocator ranges_;
};

}  // namespace qaicemu
