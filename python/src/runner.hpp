// SPDX-License-Identifier: Apache-2.0
/// Runner: a program active on a card with a pool of inference slots that threads take turns with.
///
///   run(): take an idle slot -> copy inputs into its BOs -> submit, wait -> copy outputs out ->
///   give it back
///
/// Knows nothing of Python apart from the `check_interrupt` hook, which its waits call ten times a
/// second.
#pragma once

#include <qaicrt/activation.hpp>
#include <qaicrt/device.hpp>
#include <qaicrt/program.hpp>
#include <qaicrt/result.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace qaicpy {

struct RunnerOptions {
    int dev_id = 0;
    unsigned num_activations = 1;
    unsigned set_size = 10;  ///< slots per activation; made when first needed
};

struct BenchmarkResult {
    std::size_t completed = 0;
    std::chrono::nanoseconds elapsed{0};
    std::vector<double> latencies;  ///< seconds, submit to completion seen
};

/// Thread safe. An error of one run leaves the others untouched.
class Runner {
  public:
    using Bytes = std::span<const std::byte>;
    using MutableBytes = std::span<std::byte>;
    /// Returns false to give up waiting (a signal handler of the caller raised).
    using CheckInterrupt = std::function<bool()>;

    static qaicrt::Result<std::unique_ptr<Runner>> create(const qaicrt::Context& context,
                                                          const qaicrt::Program& program,
                                                          const RunnerOptions& options);

    /// inputs[i] and outputs[i] have the exact size of tensor i. kCancelled when check_interrupt
    /// gave up.
    qaicrt::Status run(std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                       const CheckInterrupt& check_interrupt);

    /// Keeps every slot busy, one host thread per activation: until `count` inferences are done, or
    /// for `duration`.
    qaicrt::Result<BenchmarkResult> benchmark(std::span<const Bytes> inputs,
                                              std::optional<std::size_t> count,
                                              std::chrono::nanoseconds duration,
                                              const CheckInterrupt& check_interrupt);

  private:
    struct Lane {
        qaicrt::Activation activation;
        std::vector<std::unique_ptr<qaicrt::Inference>> idle;
        unsigned busy = 0;  ///< slots taken, never more than set_size
    };
    struct Slot {
        std::size_t lane = 0;
        std::unique_ptr<qaicrt::Inference> inference;
    };
    struct BenchmarkPlan;

    Runner(qaicrt::Device device, const RunnerOptions& options)
        : options_(options), device_(std::move(device)) {}
    qaicrt::Result<Slot> take_slot(const CheckInterrupt& check_interrupt);
    std::optional<std::size_t> free_lane() const;
    void give_back(Slot slot, bool usable);
    qaicrt::Status run_in(qaicrt::Inference& inference, std::span<const Bytes> inputs,
                          std::span<const MutableBytes> outputs,
                          const CheckInterrupt& check_interrupt);
    qaicrt::Status benchmark_lane(BenchmarkPlan& plan, std::size_t lane,
                                  const CheckInterrupt& check_interrupt,
                                  std::vector<double>& latencies);
    qaicrt::Status fill_lane(std::size_t lane, std::span<const Bytes> inputs, std::size_t wanted,
                             std::vector<Slot>& slots);

    RunnerOptions options_;
    qaicrt::Device device_;
    std::mutex mutex_;
    std::condition_variable slot_freed_;
    std::vector<Lane> lanes_;
};

}  // namespace qaicpy
