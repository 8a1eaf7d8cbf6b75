// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/report.hpp"

#include <fmt/format.h>

namespace qaicrun {
namespace {

std::int64_t whole_us(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

double us(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e3;
}

std::string json_text(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (code < 0x20 || code >= 0x7f) {
            // Names in a QPC need not be UTF-8; as Latin-1 the object is always valid.
            out += fmt::format("\\u{:04x}", code);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string json_chart(const Latencies& latencies) {
    std::string out;
    for (const auto& row : latencies.rows(kChartRows)) {
        out += fmt::format("{}{{\"from_us\": {:.1f}, \"to_us\": {:.1f}, \"count\": {}}}",
                           out.empty() ? "" : ", ", us(row.from_ns), us(row.to_ns), row.count);
    }
    return ", \"histogram\": [" + out + "]";
}

}  // namespace

double inferences_per_second(std::uint64_t inferences, std::int32_t batch_size,
                             std::chrono::nanoseconds elapsed) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    return seconds > 0 ? static_cast<double>(inferences) * batch_size / seconds : 0;
}

std::string stats_text(const RunResult& result, std::int32_t batch_size) {
    const Latencies& l = result.latencies;
    return fmt::format(
        " ---- Stats ----\n"
        "InferenceCnt {} TotalDuration {}us BatchSize {} Inf/Sec {:.3f}\n"
        "Latency P50 {:.1f}us P90 {:.1f}us P99 {:.1f}us Max {:.1f}us\n",
        result.inferences, whole_us(result.elapsed), batch_size,
        inferences_per_second(result.inferences, batch_size, result.elapsed),
        us(l.percentile_ns(50)), us(l.percentile_ns(90)), us(l.percentile_ns(99)), us(l.max_ns()));
}

std::string stats_json(const RunResult& result, const RunSummary& summary, bool with_chart) {
    const Latencies& l = result.latencies;
    return fmt::format(
        "{{\"program\": {}, \"device\": {}, \"activations\": {}, \"set_size\": {}, \"batch_size\": "
        "{}, "
        "\"inferences\": {}, \"duration_us\": {}, \"inferences_per_second\": {:.3f}, "
        "\"interrupted\": {}, "
        "\"latency_us\": {{\"min\": {:.1f}, \"mean\": {:.1f}, \"p50\": {:.1f}, \"p90\": {:.1f}, "
        "\"p99\": {:.1f}, \"max\": {:.1f}}}{}}}\n",
        json_text(summary.program), json_text(summary.device), summary.activations,
        summary.set_size, summary.batch_size, result.inferences, whole_us(result.elapsed),
        inferences_per_second(result.inferences, summary.batch_size, result.elapsed),
        result.interrupted, us(l.min_ns()), l.mean_ns() / 1e3, us(l.percentile_ns(50)),
        us(l.percentile_ns(90)), us(l.percentile_ns(99)), us(l.max_ns()),
        with_chart ? json_chart(l) : "");
}

std::string progress_text(std::uint64_t done, std::uint64_t total, std::chrono::nanoseconds elapsed,
                          std::int32_t batch_size) {
    const std::string of = total != 0 ? fmt::format("/{}", total) : "";
    return fmt::format("  {}{} inferences, {:.1f} inf/s", done, of,
                       inferences_per_second(done, batch_size, elapsed));
}

}  // namespace qaicrun
