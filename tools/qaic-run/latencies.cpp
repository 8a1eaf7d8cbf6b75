// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/latencies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace qaicrun {
namespace {

constexpr unsigned kStepBits = 8;
constexpr std::uint64_t kSteps = 1U << kStepBits;
// Below kSteps every nanosecond has a slot; above, each power of two up to 2^63 has kSteps of them.
constexpr std::size_t kSlots = kSteps * (64 - kStepBits + 1);

}  // namespace

Latencies::Latencies() : slots_(kSlots) {}

std::size_t Latencies::slot_of(std::uint64_t ns) noexcept {
    if (ns < kSteps) {
        return static_cast<std::size_t>(ns);
    }
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kStepBits;
    return static_cast<std::size_t>((std::uint64_t{shift} + 1) * kSteps + ((ns >> shift) - kSteps));
}

std::uint64_t Latencies::slot_end(std::size_t slot) noexcept {
    if (slot < kSteps) {
        return slot;
    }
    const auto shift = static_cast<unsigned>(slot / kSteps - 1);
    return ((slot % kSteps + kSteps) << shift) + ((std::uint64_t{1} << shift) - 1);
}

void Latencies::add(std::chrono::nanoseconds latency) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, latency.count()));
    ++slots_[slot_of(ns)];
    min_ = count_ == 0 ? ns : std::min(min_, ns);
    max_ = std::max(max_, ns);
    sum_ += static_cast<double>(ns);
    ++count_;
}

double Latencies::mean_ns() const noexcept {
    return count_ != 0 ? sum_ / static_cast<double>(count_) : 0;
}

std::uint64_t Latencies::percentile_ns(double percent) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(
        std::max(1.0, std::ceil(percent / 100 * static_cast<double>(count_))));
    std::uint64_t seen = 0;
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
        seen += slots_[slot];
        if (seen >= wanted) {
            return std::clamp(slot_end(slot), min_, max_);
        }
    }
    return max_;
}

std::vector<Latencies::Row> Latencies::rows(std::size_t rows) const {
    if (count_ == 0 || rows == 0) {
        return {};
    }
    if (min_ == max_) {
        return {{min_, max_, count_}};
    }
    const double low = std::max(1.0, static_cast<double>(min_));
    const double step = std::log(static_cast<double>(max_) / low) / static_cast<double>(rows);
    const auto edge = [&](std::size_t i) {
        return static_cast<std::uint64_t>(low * std::exp(step * static_cast<double>(i)));
    };
    std::vector<Row> result(rows);
    for (std::size_t i = 0; i < rows; ++i) {
        result[i] = {i == 0 ? min_ : edge(i), i + 1 == rows ? max_ : edge(i + 1), 0};
    }
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
        if (slots_[slot] != 0) {
            const auto at = static_cast<double>(std::clamp(slot_end(slot), min_, max_));
            const double row = std::max(0.0, std::log(std::max(at, low) / low) / step);
            result[std::min(static_cast<std::size_t>(row), rows - 1)].count += slots_[slot];
        }
    }
    return result;
}

std::string chart_text(const Latencies& latencies, std::size_t width) {
    const auto rows = latencies.rows(kChartRows);
    std::uint64_t most = 1;
    for (const auto& row : rows) {
        most = std::max(most, row.count);
    }
    std::string text;
    for (const auto& row : rows) {
        const double share = static_cast<double>(row.count) / static_cast<double>(most);
        // A row with anything in it shows at least a dot.
        const auto bar = static_cast<std::size_t>(share * static_cast<double>(width));
        text += fmt::format("{:>10.1f} .. {:>10.1f} us {:>9} {}\n",
                            static_cast<double>(row.from_ns) / 1e3,
                            static_cast<double>(row.to_ns) / 1e3, row.count,
                            bar != 0         ? std::string(bar, '#')
                            : row.count != 0 ? "."
                                             : "");
    }
    return text;
}

}  // namespace qaicrun
