// SPDX-License-Identifier: Apache-2.0
/// Plain types that the runtime shares with its callers.
#pragma once

#include <qaicrt/export.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qaicrt {

/// Element type at a program's edge. Numbers are those of networkdesc.bin (`dataType`).
enum class DataType : std::uint8_t {
    kFloat = 0,    ///< FloatTy: IEEE binary32
    kFloat16 = 1,  ///< Float16Ty
    kInt8Q = 2,    ///< Int8QTy
    kUInt8Q = 3,   ///< UInt8QTy
    kInt16Q = 4,   ///< Int16QTy
    kInt32Q = 5,   ///< Int32QTy
    kInt32I = 6,   ///< Int32ITy: index
    kInt64I = 7,   ///< Int64ITy: index
    kInt8 = 8,     ///< Int8Ty: plain int8, also bool
};

/// Bytes of one element; 0 for a number outside the enum.
constexpr std::size_t data_type_bytes(DataType type) noexcept {
    constexpr std::size_t kBytes[] = {4, 2, 1, 1, 2, 4, 4, 8, 1};
    const auto index = static_cast<std::size_t>(type);
    return index < sizeof(kBytes) / sizeof(kBytes[0]) ? kBytes[index] : 0;
}

/// The vendor's name ("FloatTy" …); "InvalidTy" for a number outside the enum. A static string.
QAICRT_API const char* data_type_name(DataType type) noexcept;

/// Seen from the card. Numbers as in the kernel's user ABI (networkdesc.bin counts from 0).
enum class Direction : std::uint8_t { kToDevice = 1, kFromDevice = 2 };

/// One input or output of a program.
struct TensorInfo {
    std::string name;
    DataType type = DataType::kFloat;
    std::vector<std::int64_t> dims;  ///< row-major, empty for a scalar
    std::size_t bytes = 0;           ///< product(dims) * data_type_bytes(type)
    float scale = 1.0F;              ///< quantised types: value = (code - offset) * scale
    std::int32_t offset = 0;
    Direction direction = Direction::kToDevice;
};

}  // namespace qaicrt
