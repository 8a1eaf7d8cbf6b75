// SPDX-License-Identifier: Apache-2.0
/// Bus addresses of host memory: what an IOMMU does for a real card.
#pragma once

#include "emu/ports.hpp"
#include "libqaicrt/support/owned.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <span>
#include <vector>

namespace qaicrt::backend::emu {

/// One piece of a mapping, contiguous on the bus.
struct BusSegment {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
};

/// Thread safe. unmap() returns only when no access to the range is under way and none can follow.
/// Addresses are never used twice, so an access after unmap() fails instead of hitting someone
/// else.
class BusMemory final : public qaicemu::HostMemory {
  public:
    enum class Access : std::uint8_t { kReadOnly, kReadWrite };

    /// Gives `data` bus addresses in pieces that end at multiples of `segment_bytes` (a multiple of
    /// 4096) counted from the page of its first byte. Pieces never touch each other on the bus.
    /// Data must stay alive until unmap(); with kReadOnly it is never written.
    std::vector<BusSegment> map(std::span<const std::byte> data, std::uint64_t segment_bytes,
                                Access access);
    void unmap(std::span<const BusSegment> segments);
    std::size_t mapped_segments() const;

    bool read(std::uint64_t addr, std::span<std::byte> out) override;
    bool write(std::uint64_t addr, std::span<const std::byte> in) override;
    bool write_u32_release(std::uint64_t addr, std::uint32_t value) override;

  private:
    struct Piece {
        std::byte* host = nullptr;
        std::uint64_t bytes = 0;
        bool writable = false;
    };
    /// Host memory of [addr, addr + size), null when not all of it lies in one piece. Needs the
    /// lock.
    std::byte* resolve(std::uint64_t addr, std::size_t size, bool for_write) const;

    mutable std::shared_mutex
        mutex_;  // shared while bytes are copied, exclusive to change the table
    std::map<std::uint64_t, Piece> pieces_;
    std::uint64_t next_page_ = std::uint64_t{1} << 32;  // low addresses stay free: 0 is never valid
};

}  // namespace qaicrt::backend::emu
