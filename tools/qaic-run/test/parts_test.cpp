// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/inputs.hpp"
#include "tools/qaic-run/latencies.hpp"
#include "tools/qaic-run/output_files.hpp"
#include "tools/qaic-run/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qaicrun {
namespace {

using qaicrt::DataType;
using qaicrt::TensorInfo;
using std::chrono::nanoseconds;

TensorInfo tensor(DataType type, std::int64_t elements, const std::string& name = "x") {
    TensorInfo info;
    info.name = name;
    info.type = type;
    info.dims = {elements};
    info.bytes = static_cast<std::size_t>(elements) * qaicrt::data_type_bytes(type);
    return info;
}

template <class T>
std::vector<T> values_of(const std::vector<std::byte>& bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
}

TEST(Latencies, PercentilesAreWithinTheStepOfTheTrueValue) {
    Latencies latencies;
    for (int i = 1; i <= 100000; ++i) {
        latencies.add(nanoseconds(i * 37));
    }
    EXPECT_EQ(latencies.count(), 100000U);
    EXPECT_EQ(latencies.min_ns(), 37U);
    EXPECT_EQ(latencies.max_ns(), 3700000U);
    EXPECT_DOUBLE_EQ(latencies.mean_ns(), 37 * 50000.5);
    for (const double percent : {1.0, 50.0, 90.0, 99.0, 100.0}) {
        const double exact = percent * 1000 * 37;
        const auto found = static_cast<double>(latencies.percentile_ns(percent));
        EXPECT_GE(found, exact) << percent;
        EXPECT_LE(found, exact * (1 + 1.0 / 256)) << percent;
    }
}

TEST(Latencies, SmallCountsAndExtremesAreExact) {
    Latencies latencies;
    EXPECT_EQ(latencies.percentile_ns(50), 0U);
    EXPECT_TRUE(latencies.rows(12).empty());
    latencies.add(nanoseconds(5));
    EXPECT_EQ(latencies.percentile_ns(50), 5U);
    latencies.add(nanoseconds(-3));
    latencies.add(nanoseconds::max());
    EXPECT_EQ(latencies.min_ns(), 0U);
    EXPECT_EQ(latencies.percentile_ns(100), static_cast<std::uint64_t>(nanoseconds::max().count()));
}

TEST(Latencies, RowsHoldEveryInference) {
    Latencies latencies;
    for (int i = 0; i < 1000; ++i) {
        latencies.add(nanoseconds(1000 + i * i * i));
    }
    std::uint64_t sum = 0;
    std::uint64_t last = latencies.min_ns();
    for (const auto& row : latencies.rows(12)) {
        EXPECT_EQ(row.from_ns, last);
        EXPECT_GT(row.to_ns, row.from_ns);
        last = row.to_ns;
        sum += row.count;
    }
    EXPECT_EQ(sum, 1000U);
    EXPECT_EQ(last, latencies.max_ns());
    const std::string chart = chart_text(latencies);
    EXPECT_EQ(std::count(chart.begin(), chart.end(), '\n'), 12);
}

TEST(RandomInputs, AreBoundedByTypeAndTheSameForASeed) {
    const auto floats = random_input(tensor(DataType::kFloat, 1000), 1, false);
    EXPECT_EQ(floats, random_input(tensor(DataType::kFloat, 1000), 1, false));
    EXPECT_NE(floats, random_input(tensor(DataType::kFloat, 1000), 2, false));
    float low = 0;
    float high = 0;
    for (const float value : values_of<float>(floats)) {
        ASSERT_TRUE(value >= -1 && value < 1) << value;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    EXPECT_LT(low, -0.9F);
    EXPECT_GT(high, 0.9F);
    for (const auto index :
         values_of<std::int64_t>(random_input(tensor(DataType::kInt64I, 500), 1, false))) {
        ASSERT_TRUE(index == 0 || index == 1);
    }
    for (const auto code :
         values_of<std::uint8_t>(random_input(tensor(DataType::kUInt8Q, 500), 1, false))) {
        ASSERT_LT(code, 128);
    }
}

TEST(RandomInputs, HalvesAreNumbersBetweenMinusOneAndOne) {
    std::size_t negative = 0;
    for (const auto bits :
         values_of<std::uint16_t>(random_input(tensor(DataType::kFloat16, 4000), 3, false))) {
        const unsigned exponent = bits >> 10 & 0x1f;
        ASSERT_TRUE(exponent <= 14 || (bits & 0x7fff) == 0x3c00) << std::hex << bits;
        ASSERT_TRUE(exponent > 0 || (bits & 0x3ff) == 0)
            << std::hex << bits;  // k/1024 is never subnormal
        negative += bits >> 15;
    }
    EXPECT_NEAR(static_cast<double>(negative), 2000, 200);
}

TEST(RandomInputs, UnboundedOnesUseAllBytes) {
    std::vector<bool> seen(256);
    for (const auto byte : random_input(tensor(DataType::kInt64I, 1000), 1, true)) {
        seen[std::to_integer<std::size_t>(byte)] = true;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 256);
}

TEST(FileNames, CannotLeaveTheDirectoryOrMeet) {
    EXPECT_EQ(flat_name("../../etc/x"), ".._.._etc_x");
    EXPECT_EQ(flat_name(std::string("a\0b\n\x7f", 5)), "a_b__");
    const std::vector<TensorInfo> tensors = {tensor(DataType::kFloat, 1, "a/b"),
                                             tensor(DataType::kFloat, 1, "c"),
                                             tensor(DataType::kFloat, 1, "a_b")};
    EXPECT_EQ(flat_names(tensors), (std::vector<std::string>{"a_b.0", "c", "a_b.2"}));
}

TEST(Report, StatisticsHaveTheVendorsForm) {
    RunResult result;
    result.inferences = 21961;
    result.elapsed = std::chrono::microseconds(20063118);
    result.latencies.add(std::chrono::microseconds(12));
    const std::string text = stats_text(result, 4);
    EXPECT_EQ(text.substr(0, text.find("Latency")),
              " ---- Stats ----\n"
              "InferenceCnt 21961 TotalDuration 20063118us BatchSize 4 Inf/Sec 4378.382\n");
    EXPECT_NE(text.find("Latency P50 12.0us P90 12.0us P99 12.0us Max 12.0us\n"),
              std::string::npos);
    EXPECT_EQ(inferences_per_second(5, 1, nanoseconds(0)), 0);
}

TEST(Report, JsonEscapesNames) {
    const std::string json = stats_json({}, {"a\"b\\c\n\x80", "emu:0", 1, 10, 1}, false);
    EXPECT_NE(json.find(R"("program": "a\"b\\c\u000a\u0080")"), std::string::npos) << json;
}

TEST(Report, ProgressNamesTheTotalWhenItIsKnown) {
    EXPECT_EQ(progress_text(50, 100, std::chrono::seconds(2), 1),
              "  50/100 inferences, 25.0 inf/s");
    EXPECT_EQ(progress_text(50, 0, std::chrono::seconds(2), 2), "  50 inferences, 50.0 inf/s");
}

}  // namespace
}  // namespace qaicrun
