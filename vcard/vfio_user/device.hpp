// SPDX-License-Identifier: Apache-2.0
/// What a vfio-user server serves: a PCI device's regions, and what happens to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace qaicvcard::vfio_user {

/// Called by one thread at a time, the session's. No call may wait for the guest: its processor
/// stands still until the answer is there.
class Device {
  public:
    virtual ~Device() = default;

    /// Bytes of a region, 0 if the device has none with this number. A power of two for BARs.
    virtual std::uint64_t region_size(unsigned region) const = 0;
    /// Inside the region; the session has checked. Width and alignment are whatever the guest did.
    virtual void read(unsigned region, std::uint64_t offset, std::span<std::byte> out) = 0;
    virtual void write(unsigned region, std::uint64_t offset, std::span<const std::byte> in) = 0;
    /// Back to power-on; nothing reaches the guest's memory or interrupts of the old life after it
    /// returns.
    virtual void reset() = 0;
};

}  // namespace qaicvcard::vfio_user
