// SPDX-License-Identifier: Apache-2.0
/// CRC-32/ISO-HDLC (zlib's crc32), the check of NNC messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace qaicrt {

std::uint32_t crc32(std::span<const std::byte> bytes) noexcept;

}  // namespace qaicrt
