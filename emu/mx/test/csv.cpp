// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/test/csv.hpp"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace golden {
namespace {

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(2);
}

std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> fields;
    std::size_t start = 0;
    for (;;) {
        const std::size_t end = line.find(separator, start);
        fields.push_back(line.substr(start, end - start));
        if (end == std::string::npos) {
            return fields;
        }
        start = end + 1;
    }
}

std::uint64_t hex_number(std::string_view digits) {
    std::uint64_t value = 0;
    for (const char c : digits) {
        const int digit =
            c >= '0' && c <= '9' ? c - '0' : (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
        if (digit < 0) {
            give_up("not hexadecimal: " + std::string(digits));
        }
        value = value << 4 | static_cast<std::uint64_t>(digit);
    }
    return value;
}

template <class T>
std::vector<T> numbers_from_hex(std::string_view hex) {
    constexpr std::size_t kDigits = 2 * sizeof(T);
    if (hex.size() % kDigits != 0) {
        give_up("odd number of hexadecimal digits");
    }
    std::vector<T> numbers;
    for (std::size_t at = 0; at < hex.size(); at += kDigits) {
        numbers.push_back(static_cast<T>(hex_number(hex.substr(at, kDigits))));
    }
    return numbers;
}

}  // namespace

const std::string& Table::at(std::size_t row, std::string_view column) const {
    for (std::size_t i = 0; i < header.size(); ++i) {
        if (header[i] == column) {
            return rows[row][i];
        }
    }
    give_up("no column " + std::string(column));
}

Table read_table(const std::string& name) {
    std::ifstream file(std::string(QAIC_SOURCE_DIR "/tests/golden/") + name);
    std::string line;
    if (!std::getline(file, line)) {
        give_up("cannot read tests/golden/" + name);
    }
    Table table{name, split(line, ','), {}};
    while (std::getline(file, line)) {
        table.rows.push_back(split(line, ','));
        if (table.rows.back().size() != table.header.size()) {
            give_up("a row with another number of fields in " + name);
        }
    }
    return table;
}

std::vector<std::uint8_t> bytes_from_hex(std::string_view hex) {
    return numbers_from_hex<std::uint8_t>(hex);
}
std::vector<std::uint16_t> words_from_hex(std::string_view hex) {
    return numbers_from_hex<std::uint16_t>(hex);
}

std::vector<float> floats_from_hex(std::string_view hex) {
    std::vector<float> values;
    for (const std::uint32_t bits : numbers_from_hex<std::uint32_t>(hex)) {
        values.push_back(std::bit_cast<float>(bits));
    }
    return values;
}

std::vector<double> doubles_from_hex(std::string_view hex) {
    std::vector<double> values;
    for (const std::uint64_t bits : numbers_from_hex<std::uint64_t>(hex)) {
        values.push_back(std::bit_cast<double>(bits));
    }
    return values;
}

std::vector<std::int64_t> shape_from_text(std::string_view text) {
    std::vector<std::int64_t> shape;
    for (const std::string& extent : split(std::string(text), 'x')) {
        shape.push_back(std::stoll(extent));
    }
    return shape;
}

std::vector<int> integers_from_text(std::string_view text) {
    std::vector<int> values;
    for (const std::string& number : split(std::string(text), ' ')) {
        values.push_back(std::stoi(number));
    }
    return values;
}

bool same_bits(float a, float b) {
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

std::size_t first_difference(std::span<const float> a, std::span<const float> b) {
    if (a.size() != b.size()) {
        return 0;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!same_bits(a[i], b[i])) {
            return i;
        }
    }
    return kNone;
}

}  // namespace golden
