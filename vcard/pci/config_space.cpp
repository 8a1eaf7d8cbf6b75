// SPDX-License-Identifier: Apache-2.0
#include "vcard/pci/config_space.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace qaicvcard {
namespace {

// Offsets of the type 0 header and of our capabilities.
constexpr std::size_t kVendor = 0x00, kDevice = 0x02, kCommand = 0x04, kStatus = 0x06;
constexpr std::size_t kClass = 0x09, kCacheLine = 0x0c, kBar0 = 0x10;
constexpr std::size_t kSubsystemVendor = 0x2c, kSubsystem = 0x2e, kFirstCapability = 0x34;
constexpr std::size_t kInterruptLine = 0x3c;
constexpr std::size_t kPm = 0x40, kMsi = 0x50, kExpress = 0x70;

constexpr std::uint16_t kCommandWritable = 0x0547;  // I/O, memory, bus master, parity, SERR, INTx
constexpr std::uint16_t kCommandBusMaster = 0x0004;
constexpr std::uint16_t kMsiEnable = 0x0001;

}  // namespace

ConfigSpace::ConfigSpace(const PciIdentity& identity) : identity_(identity) {
    reset();
}

template <class Value>
void ConfigSpace::set(std::size_t offset, Value value, Value writable) {
    std::memcpy(value_.data() + offset, &value, sizeof(value));
    std::memcpy(writable_.data() + offset, &writable, sizeof(writable));
}

template <class Value>
Value ConfigSpace::get(std::size_t offset) const {
    Value value{};
    std::memcpy(&value, value_.data() + offset, sizeof(value));
    return value;
}

void ConfigSpace::reset() {
    value_.fill(std::byte{0});
    writable_.fill(std::byte{0});
    set<std::uint16_t>(kVendor, identity_.vendor);
    set<std::uint16_t>(kDevice, identity_.device);
    set<std::uint16_t>(kCommand, 0, kCommandWritable);
    set<std::uint16_t>(kStatus, 0x0010);                // there is a list of capabilities
    set<std::uint8_t>(kClass + 2, std::uint8_t{0x12});  // processing accelerator
    set<std::uint8_t>(kCacheLine, 0, 0xff);
    set<std::uint16_t>(kSubsystemVendor, identity_.vendor);
    set<std::uint16_t>(kSubsystem, identity_.device);
    set<std::uint8_t>(kFirstCapability, kPm);
    // No interrupt pin: with one, QEMU would route INTx whenever MSI is off.
    set<std::uint8_t>(kInterruptLine, 0, 0xff);
    for (std::size_t i = 0; i < identity_.bar_bytes.size(); ++i) {
        const std::uint64_t mask = ~(std::uint64_t{identity_.bar_bytes[i]} - 1);
        set<std::uint64_t>(kBar0 + 8 * i, 0x4, mask);  // 64-bit memory, not prefetchable
    }
    add_capabilities();
}

void ConfigSpace::add_capabilities() {
    set<std::uint16_t>(kPm, static_cast<std::uint16_t>(0x01 | kMsi << 8));
    set<std::uint16_t>(kPm + 2, 0x0003);
    set<std::uint16_t>(kPm + 4, 0, 0x0103);

    const auto vectors_log2 = static_cast<std::uint16_t>(std::bit_width(identity_.msi_vectors) - 1);
    set<std::uint16_t>(kMsi, static_cast<std::uint16_t>(0x05 | kExpress << 8));
    set<std::uint16_t>(kMsi + 2, static_cast<std::uint16_t>(0x0080 | vectors_log2 << 1), 0x0071);
    set<std::uint32_t>(kMsi + 4, 0, 0xfffffffc);
    set<std::uint32_t>(kMsi + 8, 0, 0xffffffff);
    set<std::uint16_t>(kMsi + 12, 0, 0xffff);

    set<std::uint16_t>(kExpress, 0x0010);
    set<std::uint16_t>(kExpress + 2, 0x0002);      // version 2, endpoint
    set<std::uint32_t>(kExpress + 4, 0x00008fc2);  // no function level reset
    set<std::uint16_t>(kExpress + 8, 0x2810, 0x7fff);
    set<std::uint32_t>(kExpress + 12, 0x00437884);  // 16 GT/s x8
    set<std::uint16_t>(kExpress + 16, 0, 0x0fff);
    set<std::uint16_t>(kExpress + 18, 0x1084);
    set<std::uint16_t>(kExpress + 40, 0, 0xffff);
    set<std::uint32_t>(kExpress + 44, 0x0000001e);
    set<std::uint16_t>(kExpress + 48, 4, 0xffff);
}

void ConfigSpace::read(std::size_t offset, std::span<std::byte> out) const {
    std::copy_n(value_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
}

void ConfigSpace::write(std::size_t offset, std::span<const std::byte> in) {
    for (std::size_t i = 0; i < in.size(); ++i) {
        const std::byte mask = writable_[offset + i];
        value_[offset + i] = (value_[offset + i] & ~mask) | (in[i] & mask);
    }
}

unsigned ConfigSpace::msi_enabled() const {
    const auto control = get<std::uint16_t>(kMsi + 2);
    if ((control & kMsiEnable) == 0) {
        return 0;
    }
    // A guest may ask for more than the card offers; it gets what there is.
    return std::min(1U << std::min(control >> 4 & 7, 5), identity_.msi_vectors);
}

bool ConfigSpace::bus_master() const {
    return (get<std::uint16_t>(kCommand) & kCommandBusMaster) != 0;
}

unsigned ConfigSpace::power_state() const {
    return get<std::uint16_t>(kPm + 4) & 3U;
}

}  // namespace qaicvcard
