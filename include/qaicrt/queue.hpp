// SPDX-License-Identifier: Apache-2.0
/// Queue: keeps up to `depth` inferences of one activation in flight, for callers who own their
/// tensors.
#pragma once

#include <qaicrt/activation.hpp>
#include <qaicrt/export.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace qaicrt {

/// One finished job: `outputs[i]` is valid until the callback returns.
struct QueueResult {
    std::uint64_t cookie = 0;
    Status status;
    std::span<const std::span<const std::byte>> outputs;
    std::chrono::nanoseconds latency{0};  ///< enqueue to completion seen
};

/// Used by one thread at a time. Results come in completion order.
class QAICRT_API Queue {
  public:
    using Callback = std::function<void(const QueueResult&)>;
    /// Makes activation.depth() inferences.
    static Result<Queue> create(const Activation& activation, Callback on_done);
    Queue(Queue&&) noexcept;
    Queue& operator=(Queue&&) noexcept;
    ~Queue();

    /// Copies the inputs and submits; waits for a free slot when `depth` jobs are in flight.
    /// inputs[i] must have the tensor's exact size (kInvalidArgument otherwise, nothing is queued).
    Status enqueue(std::uint64_t cookie, std::span<const std::span<const std::byte>> inputs);
    /// Delivers finished jobs; waits up to `timeout` for the first.
    Result<std::size_t> poll(std::chrono::milliseconds timeout);
    /// Waits for all jobs; every callback has run when it returns.
    Status drain(std::chrono::milliseconds timeout = std::chrono::milliseconds{60000});
    std::size_t in_flight() const noexcept;

    struct Impl;

  private:
    explicit Queue(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace qaicrt
