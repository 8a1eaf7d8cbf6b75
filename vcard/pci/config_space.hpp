// SPDX-License-Identifier: Apache-2.0
/// The card's PCI configuration space: identity, three 64-bit BARs, power management, MSI, PCI
/// Express.
///
/// Identity of subsystem, revision and class, and the link, are choices that satisfy Linux; they
/// were not read from a real card.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace qaicvcard {

struct PciIdentity {
    std::uint16_t vendor = 0x17cb;
    std::uint16_t device = 0xa100;
    /// Bytes of BAR 0, 2 and 4: powers of two, 4 KiB or more.
    std::array<std::uint32_t, 3> bar_bytes{0x1000, 0x200000, 0x10000};
    unsigned msi_vectors = 32;  ///< 1, 2, 4 … 32
};

/// Not thread safe: one thread serves the guest's accesses.
class ConfigSpace {
  public:
    static constexpr std::size_t kBytes = 4096;

    explicit ConfigSpace(const PciIdentity& identity);

    /// Inside the space; the caller has checked.
    void read(std::size_t offset, std::span<std::byte> out) const;
    void write(std::size_t offset, std::span<const std::byte> in);
    /// Power-on values.
    void reset();

    /// Vectors that the guest has switched on, 0 while MSI is off.
    unsigned msi_enabled() const;
    /// The card may read and write the guest's memory.
    bool bus_master() const;
    /// Power state of the PM capability: 0 for D0, 3 for D3hot.
    unsigned power_state() const;

  private:
    template <class Value>
    void set(std::size_t offset, Value value, Value writable = 0);
    template <class Value>
    Value get(std::size_t offset) const;
    void add_capabilities();

    PciIdentity identity_;
    std::array<std::byte, kBytes> value_{}, writable_{};
};

}  // namespace qaicvcard
