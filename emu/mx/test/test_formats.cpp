// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/encode.hpp"
#include "emu/mx/formats.hpp"
#include "emu/mx/pack.hpp"
#include "emu/mx/quantize.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace qaicmx {
namespace {

constexpr ElementFormat kAllFormats[] = {
    ElementFormat::kE5M2, ElementFormat::kE4M3, ElementFormat::kE3M2, ElementFormat::kE2M3,
    ElementFormat::kE2M1, ElementFormat::kInt8, ElementFormat::kInt4, ElementFormat::kSign1I4F};

/// The most negative two's complement code, which no quantiser produces unless asked.
bool is_unused_integer_code(ElementFormat format, std::uint32_t code) {
    const FormatInfo& info = format_info(format);
    return info.exponent_bits == 0 && format != ElementFormat::kSign1I4F &&
           code == 1U << (info.bits - 1);
}

TEST(Formats, NamesLeadBackToTheirFormat) {
    for (const ElementFormat format : kAllFormats) {
        EXPECT_EQ(format_from_name(format_info(format).name), format);
        EXPECT_EQ(format_info(format).format, format);
    }
    EXPECT_EQ(format_from_name("fp4"), ElementFormat::kE2M1);
    EXPECT_EQ(format_from_name("fp7"), std::nullopt);
    EXPECT_EQ(format_from_name(""), std::nullopt);
}

TEST(Formats, StatedFactsAgreeWithTheCodes) {
    for (const ElementFormat format : kAllFormats) {
        const FormatInfo& info = format_info(format);
        double largest = 0;
        bool inf = false;
        bool nan = false;
        for (std::uint32_t code = 0; code < 1U << info.bits; ++code) {
            const double value = decode_element(format, code);
            inf = inf || std::isinf(value);
            nan = nan || std::isnan(value);
            if (std::isfinite(value) && !is_unused_integer_code(format, code)) {
                largest = std::fmax(largest, std::fabs(value));
            }
        }
        EXPECT_EQ(largest, info.max_normal) << info.name;
        EXPECT_EQ(std::ilogb(largest), info.emax) << info.name;
        EXPECT_EQ(inf, info.has_inf) << info.name;
        EXPECT_EQ(nan, info.has_nan) << info.name;
    }
}

TEST(Formats, EncodingADecodedCodeGivesTheCode) {
    for (const ElementFormat format : kAllFormats) {
        const std::uint32_t count = 1U << format_info(format).bits;
        for (std::uint32_t code = 0; code < count; ++code) {
            const double value = decode_element(format, code);
            if (std::isfinite(value)) {
                EXPECT_EQ(encode_element(format, value), code)
                    << format_info(format).name << ' ' << code;
            }
        }
    }
}

/// A block with an anchor in the format's top binade, so that the OCP rule chooses the scale of the
/// byte.
void expect_identity(const Profile& rules, std::uint8_t byte, std::uint32_t code,
                     std::size_t& tested) {
    const FormatInfo& info = format_info(rules.format);
    const double scale = decode_e8m0(byte);
    const double anchor = std::ldexp(scale, info.emax);
    const double value = decode_element(rules.format, code) * scale;
    const bool in_fp32 = anchor <= std::numeric_limits<float>::max() &&
                         std::fabs(value) <= std::numeric_limits<float>::max();
    if (!in_fp32 || is_unused_integer_code(rules.format, code)) {
        return;
    }
    const float block[] = {static_cast<float>(anchor), static_cast<float>(value)};
    const auto quantized = quantize_rows(rules, block, 1, 2);
    ASSERT_TRUE(quantized) << quantized.error().message;
    EXPECT_EQ(quantized->scales[0], byte) << info.name << " code " << code;
    EXPECT_EQ(quantized->codes[1], code) << info.name << " scale byte " << int{byte};
    const float back = dequantize(rules, quantized->codes[1], quantized->scales[0]);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back), std::bit_cast<std::uint32_t>(block[1]))
        << info.name;
    ++tested;
}

TEST(Formats, EveryCodeUnderEveryScaleQuantisesToItself) {
    Profile rules = *profile_by_name("ocp");
    std::size_t tested = 0;
    for (const ElementFormat format : kAllFormats) {
        rules.format = format;
        const std::uint32_t count = 1U << format_info(format).bits;
        for (std::uint32_t code = 0; code < count; ++code) {
            if (!std::isfinite(decode_element(format, code))) {
                continue;
            }
            for (std::uint32_t byte = 0; byte < 255; ++byte) {
                expect_identity(rules, static_cast<std::uint8_t>(byte), code, tested);
            }
        }
    }
    // 246 + 252 + 64 + 64 + 16 + 255 + 15 + 64 finite codes that may occur, under nearly 255 scales
    // each.
    EXPECT_GT(tested, 970U * 240U);
}

TEST(Formats, EveryScaleByteIsAPowerOfTwoOrNan) {
    for (int byte = 0; byte < 255; ++byte) {
        EXPECT_EQ(decode_e8m0(static_cast<std::uint8_t>(byte)), std::ldexp(1.0, byte - 127));
    }
    EXPECT_TRUE(std::isnan(decode_e8m0(0xFF)));
    const Profile rules = *profile_by_name("ocp");
    EXPECT_TRUE(std::isnan(dequantize(rules, 0, 0xFF)));
    EXPECT_EQ(dequantize(rules, 0x08, 0x00), 0x1p-127F);  // an FP32 subnormal
}

TEST(Formats, Fp16ConvertsToFp32AndBack) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = fp16_to_fp32(half);
        const bool nan = (bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0;
        EXPECT_EQ(std::isnan(value), nan);
        EXPECT_EQ(fp32_to_fp16(value), nan ? half | 0x200 : half);
        if (!nan && (bits & 0x7C00) != 0x7C00) {
            const int exponent = static_cast<int>(bits >> 10 & 0x1F);
            const double mantissa = bits & 0x3FF;
            const double magnitude =
                exponent == 0 ? mantissa * 0x1p-24 : std::ldexp(1024 + mantissa, exponent - 25);
            EXPECT_EQ(std::fabs(value), magnitude);
            EXPECT_EQ(std::signbit(value), bits >= 0x8000);
        }
    }
}

TEST(Formats, Fp16RoundsToNearestEvenBetweenAllNeighbours) {
    for (std::uint16_t low = 0; low < 0x7C00; ++low) {
        const auto high = static_cast<std::uint16_t>(low + 1);
        // Beyond the largest number the next step would be 65536.
        const double upper = high == 0x7C00 ? 65536.0 : fp16_to_fp32(high);
        const auto middle = static_cast<float>((fp16_to_fp32(low) + upper) / 2);
        const std::uint16_t even = (low & 1) == 0 ? low : high;
        EXPECT_EQ(fp32_to_fp16(middle), even) << low;
        EXPECT_EQ(fp32_to_fp16(std::nextafter(middle, 0.0F)), low);
        EXPECT_EQ(fp32_to_fp16(std::nextafter(middle, INFINITY)), high);
        EXPECT_EQ(fp32_to_fp16(-middle), even | 0x8000);
    }
    EXPECT_EQ(fp32_to_fp16(std::numeric_limits<float>::max()), 0x7C00);
    EXPECT_EQ(fp32_to_fp16(-std::numeric_limits<float>::infinity()), 0xFC00);
    EXPECT_EQ(fp32_to_fp16(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_EQ(fp32_to_fp16(-0.0F), 0x8000);
    EXPECT_EQ(fp32_to_fp16(std::bit_cast<float>(0x7F800001U)),
              0x7E00);  // a signalling NaN becomes quiet
}

TEST(Formats, PackingIsTheLsbFirstStream) {
    const std::uint8_t codes[] = {0x01, 0x02, 0x03, 0x3F};
    std::uint8_t packed[3] = {};
    pack_lsb(codes, 6, packed);
    const std::uint32_t word = 0x01U | 0x02U << 6 | 0x03U << 12 | 0x3FU << 18;
    EXPECT_EQ(packed[0], word & 0xFF);
    EXPECT_EQ(packed[1], word >> 8 & 0xFF);
    EXPECT_EQ(packed[2], word >> 16 & 0xFF);
}

TEST(Formats, PackingOfAnyWidthAndCountCanBeUndone) {
    for (int bits = 1; bits <= 8; ++bits) {
        for (std::size_t count = 0; count <= 70; ++count) {
            std::vector<std::uint8_t> codes(count);
            for (std::size_t i = 0; i < count; ++i) {
                codes[i] = static_cast<std::uint8_t>((i * 37 + 11) & ((1U << bits) - 1));
            }
            std::vector<std::uint8_t> packed(packed_bytes(count, bits));
            pack_lsb(codes, bits, packed);
            std::vector<std::uint8_t> back(count);
            unpack_lsb(packed, bits, back);
            EXPECT_EQ(back, codes) << bits << " bits, " << count << " codes";
        }
    }
    EXPECT_EQ(packed_bytes(32, 6), 24U);
    EXPECT_EQ(row_stride_bytes(32, 6), 64U);
    EXPECT_EQ(row_stride_bytes(64, 6), 64U);
    EXPECT_EQ(row_stride_bytes(65, 6), 128U);
}

}  // namespace
}  // namespace qaicmx
