// SPDX-License-Identifier: Apache-2.0
#include "emu/ddr.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace qaicemu {

using qaicrt::Errc;
using qaicrt::Error;

DdrRegion::DdrRegion(DdrRegion&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      address_(std::exchange(other.address_, 0)),
      bytes_(std::exchange(other.bytes_, {})) {}

DdrRegion& DdrRegion::operator=(DdrRegion&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

DdrRegion::~DdrRegion() {
    if (owner_ != nullptr) {
        owner_->release(*this);
    }
}

qaicrt::Result<std::unique_ptr<Ddr>> Ddr::create(std::uint64_t bytes) {
    if (bytes == 0 || bytes > kMaxBytes || bytes % kUnit != 0) {
        return Error(Errc::kInvalidArgument,
                     "The card's DDR size of " + std::to_string(bytes) +
                         " bytes is not a multiple of 4096 between 4 KiB and 512 GiB.");
    }
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return Error(Errc::kNoMemory,
                     "The host does not give " + std::to_string(bytes >> 20) +
                         " MiB of address space for the card's DDR; configure a smaller card.",
                     errno);
    }
    return std::unique_ptr<Ddr>(new Ddr(static_cast<std::byte*>(memory), bytes));
}

Ddr::Ddr(std::byte* memory, std::uint64_t size)
    : memory_(memory), size_(size), ranges_(size / kUnit) {}

Ddr::~Ddr() {
    ::munmap(memory_, size_);
}

std::optional<std::uint64_t> Ddr::footprint(std::uint64_t bytes) {
    if (bytes > std::numeric_limits<std::uint64_t>::max() - (kUnit - 1)) {
        return std::nullopt;
    }
    return (bytes + kUnit - 1) / kUnit * kUnit;
}

std::optional<DdrRegion> Ddr::allocate(std::uint64_t bytes) {
    DdrRegion region;
    if (bytes == 0) {
        return region;
    }
    const auto cost = footprint(bytes);
    if (!cost) {
        return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    const auto unit = ranges_.take(*cost / kUnit);
    if (!unit) {
        return std::nullopt;
    }
    region.owner_ = this;
    region.address_ = kBase + *unit * kUnit;
    region.bytes_ = {memory_ + *unit * kUnit, bytes};
    return region;
}

void Ddr::release(const DdrRegion& region) {
    const std::uint64_t offset = region.address_ - kBase;
    const std::uint64_t cost = *footprint(region.bytes_.size());
    const std::lock_guard lock(mutex_);
    // The next owner must read zeros, and the host gets its pages back. Before give(): nobody else
    // may receive the range while it is being dropped.
    if (::madvise(memory_ + offset, cost, MADV_DONTNEED) != 0) {
        std::memset(memory_ + offset, 0, cost);  // locked pages cannot be dropped
    }
    ranges_.give(offset / kUnit, cost / kUnit);
}

unsigned Ddr::fragmentation() const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t free = ranges_.free_units();
    return free == 0 ? 0 : static_cast<unsigned>(100 - ranges_.largest_gap() * 100 / free);
}

}  // namespace qaicemu
