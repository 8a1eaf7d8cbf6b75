// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/bus_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

namespace qaicrt::backend::emu {

std::vector<BusSegment> BusMemory::map(std::span<const std::byte> data, std::uint64_t segment_bytes,
                                       Access access) {
    std::vector<BusSegment> segments;
    std::uint64_t done = 0;
    // The in-page offset shows on the bus, as with real pages.
    std::uint64_t in_page = reinterpret_cast<std::uintptr_t>(data.data()) % kHostPageBytes;
    segments.reserve(data.size() / segment_bytes + 2);
    const std::unique_lock lock(mutex_);
    while (done < data.size()) {
        const std::uint64_t bytes =
            std::min<std::uint64_t>(data.size() - done, segment_bytes - in_page);
        const std::uint64_t address = next_page_ + in_page;
        // One unmapped page after each piece: a transfer that runs over its end is noticed.
        next_page_ += (in_page + bytes + 2 * kHostPageBytes - 1) / kHostPageBytes * kHostPageBytes;
        // const_cast: Piece::writable keeps read-only data read-only.
        pieces_.emplace(address, Piece{const_cast<std::byte*>(data.data()) + done, bytes,
                                       access == Access::kReadWrite});
        segments.push_back({address, bytes});
        done += bytes;
        in_page = 0;
    }
    return segments;
}

void BusMemory::unmap(std::span<const BusSegment> segments) {
    const std::unique_lock lock(mutex_);
    for (const BusSegment& segment : segments) {
        pieces_.erase(segment.address);
    }
}

std::size_t BusMemory::mapped_segments() const {
    const std::shared_lock lock(mutex_);
    return pieces_.size();
}

std::byte* BusMemory::resolve(std::uint64_t addr, std::size_t size, bool for_write) const {
    auto piece = pieces_.upper_bound(addr);
    if (piece == pieces_.begin()) {
        return nullptr;
    }
    --piece;
    const std::uint64_t offset = addr - piece->first;
    if (offset > piece->second.bytes || size > piece->second.bytes - offset ||
        (for_write && !piece->second.writable)) {
        return nullptr;
    }
    return piece->second.host + offset;
}

bool BusMemory::read(std::uint64_t addr, std::span<std::byte> out) {
    const std::shared_lock lock(mutex_);
    const std::byte* host = resolve(addr, out.size(), false);
    if (host == nullptr) {
        return false;
    }
    std::memcpy(out.data(), host, out.size());
    return true;
}

bool BusMemory::write(std::uint64_t addr, std::span<const std::byte> in) {
    const std::shared_lock lock(mutex_);
    std::byte* host = resolve(addr, in.size(), true);
    if (host == nullptr) {
        return false;
    }
    std::memcpy(host, in.data(), in.size());
    return true;
}

bool BusMemory::write_u32_release(std::uint64_t addr, std::uint32_t value) {
    const std::shared_lock lock(mutex_);
    std::byte* host = resolve(addr, sizeof(value), true);
    if (host == nullptr || addr % sizeof(value) != 0) {
        return false;
    }
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(host))
        .store(value, std::memory_order_release);
    return true;
}

}  // namespace qaicrt::backend::emu
