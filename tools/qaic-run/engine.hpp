// SPDX-License-Identifier: Apache-2.0
/// Runs inferences on several activations from one thread: fills every queue, then sleeps until a
/// card completes something.
#pragma once

#include "tools/qaic-run/inputs.hpp"
#include "tools/qaic-run/latencies.hpp"
#include "tools/qaic-run/stop_signal.hpp"

#include <qaicrt/activation.hpp>
#include <qaicrt/queue.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace qaicrun {

struct EngineOptions {
    std::uint64_t iterations = 0;                      ///< per activation
    std::optional<std::chrono::nanoseconds> duration;  ///< instead of iterations
    std::chrono::milliseconds stall_limit{60000};  ///< give up when nothing completes for this long
    std::chrono::milliseconds tick{100};           ///< how often on_tick is called at most
    /// Called for every inference that succeeded; an error ends the run.
    std::function<qaicrt::Status(unsigned activation, std::uint64_t inference,
                                 std::span<const std::span<const std::byte>> outputs)>
        on_output;
    std::function<void(std::uint64_t done, std::chrono::nanoseconds elapsed)> on_tick;
};

struct RunResult {
    std::uint64_t inferences = 0;
    std::chrono::nanoseconds elapsed{0};  ///< first submit to last completion
    Latencies latencies;
    bool interrupted = false;
};

/// Runs until all is done, time is up or `stop` was requested; inferences in flight always finish
/// first. Errors: those of the queue, of an inference (with its number) and of on_output; kTimeout
/// after stall_limit.
qaicrt::Result<RunResult> run_inferences(std::span<const qaicrt::Activation> activations,
                                         const Inputs& inputs, const EngineOptions& options,
                                         const StopSignal& stop);

}  // namespace qaicrun
