// SPDX-License-Identifier: Apache-2.0
/// Activation: a program placed on NSPs, with its DMA bridge channel, and the inferences that run
/// on it.
///
///   Context -> Device -> Activation(Program) -> Inference -> submit / wait
///
/// The library starts no thread. Callbacks run inside poll() or wait() on the thread that called
/// it, without locks: they may submit, wait, poll, and destroy their own inference (not while
/// inside its own wait()). They should not throw; if one does, the call that ran it returns
/// kInternal.
#pragma once

#include <qaicrt/device.hpp>
#include <qaicrt/export.hpp>
#include <qaicrt/program.hpp>
#include <qaicrt/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace qaicrt {

struct ActivationOptions {
    /// Inferences that may be queued at once (depth). Sizes the DBC's queue.
    unsigned depth = 10;
    std::chrono::milliseconds activate_timeout{5000};
};

class Inference;

class QAICRT_API Activation {
  public:
    /// Loads the program on the card (constants, ELF) unless this Device already has it, and
    /// activates it. Errors: kUnsupported (a program for silicon on the emulator, or the other way:
    /// refused before anything is sent), kExhausted (NSPs, DBCs, DDR, …; device_status has the NNC
    /// status), kDevice, kProtocol.
    static Result<Activation> create(const Device& device, const Program& program,
                                     const ActivationOptions& options = {});

    const Program& program() const noexcept;
    unsigned depth() const noexcept;
    unsigned dbc() const noexcept;
    std::uint32_t nsp_mask() const noexcept;  ///< physical NSPs

    /// Allocates one BO per tensor and attaches its slices: nothing is allocated per run
    /// afterwards.
    Result<Inference> create_inference() const;

    /// Takes finished inferences and runs their callbacks; waits up to `timeout` for the first one
    /// (zero: does not wait). Returns how many finished.
    Result<std::size_t> poll(std::chrono::milliseconds timeout = std::chrono::milliseconds{
                                 0}) const;
    /// Readable (POLLIN) while poll() has something to take. Owned by the activation.
    Result<int> completion_fd() const;

    /// Ends the workload now: running inferences finish with kCancelled. Otherwise the last copy
    /// does it.
    Status deactivate();

    struct Impl;
    const std::shared_ptr<Impl>& impl() const noexcept { return impl_; }

  private:
    explicit Activation(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;  // shared by copies and by inferences made from it
};

struct InferenceTimes {
    std::uint32_t submit_us = 0;  ///< entry of submit() to the doorbell
    std::uint32_t device_us = 0;  ///< doorbell to the last completion
    std::uint32_t queue_level_before = 0;
};

/// One set of buffers. Move only; used by one thread at a time; different inferences may be used in
/// parallel.
class QAICRT_API Inference {
  public:
    Inference(Inference&&) noexcept;
    Inference& operator=(Inference&&) noexcept;
    ~Inference();  ///< waits for a run in flight (at most 5 s, then deactivates)

    /// The tensor's memory, shared with the card: write inputs before submit(), read outputs after
    /// wait(). Bytes are row-major, little endian. Valid as long as the inference.
    std::span<std::byte> input(std::size_t index) noexcept;
    std::span<const std::byte> output(std::size_t index) const noexcept;
    /// Copies into input(index); kInvalidArgument (with both sizes) unless data has exactly its
    /// size.
    Status set_input(std::size_t index, std::span<const std::byte> data);

    /// Queues the run. kBusy when `depth` runs are queued already or this one is still in flight.
    Status submit();
    /// As submit(); `done` gets the result of the run, once, inside a later poll() or wait() of the
    /// activation.
    Status submit(std::function<void(const Status&)> done);
    bool in_flight() const noexcept;
    /// Result of the last submitted run. kTimeout leaves it in flight. kDevice: the card's
    /// completion code is in device_status and the workload's own words, if any, in the message.
    Status wait(std::chrono::milliseconds timeout = std::chrono::milliseconds{60000});
    /// submit() and wait().
    Status run(std::chrono::milliseconds timeout = std::chrono::milliseconds{60000});
    Result<InferenceTimes> times() const;

    struct Impl;

  private:
    friend class Activation;
    friend struct InferenceAccess;  // internal
    explicit Inference(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace qaicrt
