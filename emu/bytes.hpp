// SPDX-License-Identifier: Apache-2.0
/// Checked access to structures inside byte spans. Wire structures are little endian and so are the
/// hosts that we support; nothing is ever read through a cast pointer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace qaicemu {

static_assert(std::endian::native == std::endian::little, "wire fields are used without swapping");

/// The T at `offset`, or nothing when it does not lie inside `bytes`.
template <class T>
std::optional<T> load(std::span<const std::byte> bytes, std::size_t offset = 0) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
        return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// Overwrites the bytes at `offset`; the caller guarantees that they exist.
template <class T>
void store(std::span<std::byte> bytes, std::size_t offset, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

template <class T>
std::vector<std::byte> to_bytes(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<std::byte> out(sizeof(T));
    std::memcpy(out.data(), &value, sizeof(T));
    return out;
}

/// Copies text into a fixed field, always NUL-terminated; the rest of the field must be zero
/// already.
template <std::size_t N>
void set_text(char (&field)[N], std::string_view text) {
    std::memcpy(field, text.data(), text.size() < N ? text.size() : N - 1);
}

}  // namespace qaicemu
