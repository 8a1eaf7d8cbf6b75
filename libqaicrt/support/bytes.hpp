// SPDX-License-Identifier: Apache-2.0
/// Little-endian loads from untrusted spans and arithmetic that cannot wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace qaicrt {

/// True when [offset, offset + size) lies inside `total` bytes.
constexpr bool range_fits(std::uint64_t offset, std::uint64_t size, std::uint64_t total) noexcept {
    return offset <= total && size <= total - offset;
}

constexpr bool add_overflows(std::uint64_t a, std::uint64_t b, std::uint64_t* sum) noexcept {
    return __builtin_add_overflow(a, b, sum);
}

constexpr bool mul_overflows(std::uint64_t a, std::uint64_t b, std::uint64_t* product) noexcept {
    return __builtin_mul_overflow(a, b, product);
}

/// Next multiple of `alignment` (a power of two); the caller knows that it does not wrap.
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) noexcept {
    return (value + alignment - 1) & ~(alignment - 1);
}

/// Unsigned little-endian number at `offset`; the caller has checked the range. No alignment
/// needed.
template <class T>
T load_le(std::span<const std::byte> bytes, std::size_t offset) noexcept {
    static_assert(std::is_unsigned_v<T>);
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value =
            static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[offset + i]) << (8 * i)));
    }
    return value;
}

template <class T>
void store_le(std::span<std::byte> bytes, std::size_t offset, T value) noexcept {
    static_assert(std::is_unsigned_v<T>);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes[offset + i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
    }
}

}  // namespace qaicrt
