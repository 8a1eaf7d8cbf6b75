// SPDX-License-Identifier: Apache-2.0
/// The golden files as tests/golden/README.md describes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace golden {

struct Table {
    std::string name;  ///< of the file
    std::vector<std::string> header;
    std::vector<std::vector<std::string>> rows;

    /// Field of a row by column name; a missing column ends the test program with a message.
    const std::string& at(std::size_t row, std::string_view column) const;
};

/// `name` inside tests/golden. Every row has as many fields as the header, or the program ends.
Table read_table(const std::string& name);

std::vector<std::uint8_t> bytes_from_hex(std::string_view hex);
std::vector<std::uint16_t> words_from_hex(std::string_view hex);
std::vector<float> floats_from_hex(std::string_view hex);
std::vector<double> doubles_from_hex(std::string_view hex);
std::vector<std::int64_t> shape_from_text(std::string_view text);  ///< "3x20x7"
std::vector<int> integers_from_text(std::string_view text);        ///< "-2 -1"

/// Same bits, or both NaN.
bool same_bits(float a, float b);
/// Index of the first difference, or npos.
std::size_t first_difference(std::span<const float> a, std::span<const float> b);
inline constexpr std::size_t kNone = static_cast<std::size_t>(-1);

}  // namespace golden
