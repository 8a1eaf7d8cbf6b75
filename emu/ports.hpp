// SPDX-License-Identifier: Apache-2.0
/// All that a card needs from outside: host memory, an interrupt line, time. Nothing in emu/ knows
/// PCIe, sockets or ioctls; a front end (in-process backend, virtual PCIe card) implements these
/// three.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace qaicemu {

/// Host memory as the card's DMA engines see it: bus addresses. Called from any thread of the card.
class HostMemory {
  public:
    virtual ~HostMemory() = default;
    /// Copies out.size() bytes from bus address `addr`; false when any byte is not readable.
    virtual bool read(std::uint64_t addr, std::span<std::byte> out) = 0;
    /// Copies to the host; false (and nothing guaranteed written) when any byte is not writable.
    virtual bool write(std::uint64_t addr, std::span<const std::byte> in) = 0;
    /// Stores 32 bits that the host may poll, after all earlier writes are visible (release).
    virtual bool write_u32_release(std::uint64_t addr, std::uint32_t value) = 0;
};

/// MSI vectors: 0 is MHI's, n + 1 is DBC n's. Called from any thread of the card; must not call
/// back into it.
class InterruptSink {
  public:
    virtual ~InterruptSink() = default;
    virtual void raise(unsigned vector) = 0;
};

class Clock {
  public:
    virtual ~Clock() = default;
    /// Monotonic time since an arbitrary origin.
    virtual std::chrono::nanoseconds now() = 0;
};

struct Ports {
    HostMemory* memory = nullptr;  ///< all three outlive the card
    InterruptSink* interrupts = nullptr;
    Clock* clock = nullptr;
};

}  // namespace qaicemu
