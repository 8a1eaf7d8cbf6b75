// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/support/crc32.hpp"

#include <array>

namespace qaicrt {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0xEDB88320U;

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1) ^ ((value & 1U) != 0 ? kReflectedPolynomial : 0U);
        }
        table[byte] = value;
    }
    return table;
}

constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) noexcept {
    std::uint32_t value = 0xFFFFFFFFU;
    for (const std::byte byte : bytes) {
        value = kTable[(value ^ static_cast<std::uint32_t>(byte)) & 0xFFU] ^ (value >> 8);
    }
    return ~value;
}

}  // namespace qaicrt
