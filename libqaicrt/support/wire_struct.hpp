// SPDX-License-Identifier: Apache-2.0
/// Structures of include/hw to and from bytes by copying: never a cast in place.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace qaicrt {

// The structures of include/hw hold little-endian numbers and are copied as they are.
static_assert(std::endian::native == std::endian::little, "only little-endian hosts");

/// Copies a T out of bytes[offset…]; false when it does not fit.
template <class T>
bool read_struct(std::span<const std::byte> bytes, std::size_t offset, T& out) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
        return false;
    }
    std::memcpy(&out, bytes.data() + offset, sizeof(T));
    return true;
}

template <class T>
void append_struct(std::vector<std::byte>& bytes, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t offset = bytes.size();
    bytes.resize(offset + sizeof(T));
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

inline void append_bytes(std::vector<std::byte>& bytes, std::span<const std::byte> data) {
    bytes.insert(bytes.end(), data.begin(), data.end());
}

}  // namespace qaicrt
