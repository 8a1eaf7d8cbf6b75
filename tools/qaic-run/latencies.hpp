// SPDX-License-Identifier: Apache-2.0
/// Latencies of a run of any length in fixed memory.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace qaicrun {

/// A histogram with 256 steps per power of two: a percentile is at most 0.4 % above the true value;
/// the smallest and the largest are exact. One thread at a time.
class Latencies {
  public:
    Latencies();
    void add(std::chrono::nanoseconds latency);
    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t min_ns() const noexcept { return count_ != 0 ? min_ : 0; }
    std::uint64_t max_ns() const noexcept { return max_; }
    double mean_ns() const noexcept;
    /// Smallest recorded time that at least `percent` of the inferences stay within; 0 without any.
    std::uint64_t percentile_ns(double percent) const noexcept;

    struct Row {
        std::uint64_t from_ns = 0, to_ns = 0, count = 0;
    };
    /// From the smallest to the largest in `rows` steps of equal ratio (latencies have long tails);
    /// one row when all are equal, none without any.
    std::vector<Row> rows(std::size_t rows) const;

  private:
    static std::size_t slot_of(std::uint64_t ns) noexcept;
    static std::uint64_t slot_end(std::size_t slot) noexcept;
    std::vector<std::uint64_t> slots_;
    std::uint64_t count_ = 0, min_ = 0, max_ = 0;
    double sum_ = 0;
};

inline constexpr std::size_t kChartRows = 12;

/// The rows as text, one line each: range in microseconds, count, bar. `width` is the longest bar.
std::string chart_text(const Latencies& latencies, std::size_t width = 50);

}  // namespace qaicrun
