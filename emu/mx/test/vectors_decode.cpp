// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace golden {
namespace {

double decode(const std::string& format, std::uint32_t code) {
    if (format == "e8m0") {
        return qaicmx::decode_e8m0(static_cast<std::uint8_t>(code));
    }
    using enum qaicmx::ElementFormat;
    static const std::map<std::string, qaicmx::ElementFormat> kFormats = {
        {"e2m1", kE2M1}, {"e2m3", kE2M3}, {"e3m2", kE3M2},
        {"e4m3", kE4M3}, {"e5m2", kE5M2}, {"int8", kInt8}};
    const auto found = kFormats.find(format);
    EXPECT_NE(found, kFormats.end()) << format;
    return found == kFormats.end() ? 0 : qaicmx::decode_element(found->second, code);
}

std::string kind_of(const std::string& format, double value) {
    static const std::map<std::string, double> kMinNormal = {
        {"e2m1", 1.0}, {"e2m3", 1.0}, {"e3m2", 0.25}, {"e4m3", 0x1p-6}, {"e5m2", 0x1p-14}};
    if (std::isnan(value)) {
        return "nan";
    }
    if (std::isinf(value)) {
        return "inf";
    }
    if (format == "e8m0") {
        return "scale";
    }
    if (value == 0) {
        return "zero";
    }
    if (format == "int8") {
        return value == -2 ? "unused-by-default" : "int";
    }
    return std::fabs(value) < kMinNormal.at(format) ? "subnormal" : "normal";
}

}  // namespace

std::size_t compare_decode_tables(const Table& table) {
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const std::string& format = table.at(row, "format");
        const std::uint32_t code = bytes_from_hex(table.at(row, "code")).at(0);
        const double value = decode(format, code);
        const std::string where = format + " " + table.at(row, "code");
        EXPECT_TRUE(same_bits(static_cast<float>(value),
                              floats_from_hex(table.at(row, "value_f32_hex")).at(0)))
            << where << " is " << value;
        EXPECT_EQ(kind_of(format, value), table.at(row, "kind")) << where;
        const double decimal = std::strtod(table.at(row, "value_decimal").c_str(), nullptr);
        EXPECT_TRUE(value == decimal || (std::isnan(value) && std::isnan(decimal))) << where;
    }
    return table.rows.size();
}

}  // namespace golden
