// SPDX-License-Identifier: Apache-2.0
/// What qaic-run prints at the end: the vendor's statistics block, our percentiles, or both as
/// JSON.
#pragma once

#include "tools/qaic-run/engine.hpp"

#include <qaicrt/program.hpp>

#include <cstdint>
#include <string>

namespace qaicrun {

/// InferenceCnt x BatchSize per second; 0 when no time has passed.
double inferences_per_second(std::uint64_t inferences, std::int32_t batch_size,
                             std::chrono::nanoseconds elapsed);

/// " ---- Stats ----" and its line, as scripts around the vendor's runner read them, then the
/// percentiles.
std::string stats_text(const RunResult& result, std::int32_t batch_size);

struct RunSummary {
    std::string program, device;
    unsigned activations = 0, set_size = 0;
    std::int32_t batch_size = 1;
};
/// One JSON object, one line; with_chart adds the histogram.
std::string stats_json(const RunResult& result, const RunSummary& summary, bool with_chart);

/// A rate for people on a terminal: "  120/400 inferences, 35.1 inf/s". total 0: unknown.
std::string progress_text(std::uint64_t done, std::uint64_t total, std::chrono::nanoseconds elapsed,
                          std::int32_t batch_size);

}  // namespace qaicrun
