// SPDX-License-Identifier: Apache-2.0
/// The smallest front end: host memory as one checked block, counted interrupts, a clock that
/// stands still.
#pragma once

#include "emu/ports.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace qaicemu::test {

/// Bus address of the first byte of host memory: nothing at 0, so that a zero address is an error.
inline constexpr std::uint64_t kHostBase = 0x10'0000;

class FakeHost final : public HostMemory, public InterruptSink, public Clock {
  public:
    explicit FakeHost(std::size_t bytes);

    bool read(std::uint64_t addr, std::span<std::byte> out) override;
    bool write(std::uint64_t addr, std::span<const std::byte> in) override;
    bool write_u32_release(std::uint64_t addr, std::uint32_t value) override;
    void raise(unsigned vector) override;
    std::chrono::nanoseconds now() override { return std::chrono::nanoseconds(0); }

    Ports ports() { return {this, this, this}; }
    /// Bump allocation of host memory; ends the test program when there is no more.
    std::uint64_t allocate(std::size_t bytes, std::size_t alignment = 64);
    /// Everything allocated so far may be handed out again; the card must not use it any more.
    void forget_allocations() { next_ = kHostBase; }
    /// Direct access for the test's own side of a buffer.
    std::span<std::byte> at(std::uint64_t addr, std::size_t bytes);
    std::uint32_t load_u32(std::uint64_t addr);
    void put(std::uint64_t addr, std::span<const std::byte> bytes);

    std::size_t interrupts(unsigned vector) const { return counts_.at(vector); }
    /// Waits until `vector` has been raised `count` times in all; false after ten seconds.
    bool wait_interrupts(unsigned vector, std::size_t count);
    /// While false, every access by the card fails, as behind an IOMMU that lost its mapping.
    std::atomic<bool> reachable{true};
    /// Called in front of every read by the card, on the card's thread, with the number of bytes;
    /// set while the card is idle.
    std::function<void(std::size_t)> before_read;
    /// Accesses by the card, counted.
    std::atomic<std::uint64_t> accesses{0};

  private:
    bool inside(std::uint64_t addr, std::size_t bytes) const;
    std::vector<std::byte> memory_;
    std::uint64_t next_ = kHostBase;
    std::array<std::atomic<std::size_t>, 17> counts_{};
    std::mutex mutex_;
    std::condition_variable raised_;
};

}  // namespace qaicemu::test
