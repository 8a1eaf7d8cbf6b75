// SPDX-License-Identifier: Apache-2.0
/// The seam (private): the kernel's verbs, completion-shaped. The in-process card implements it
/// here; the kernel driver behind /dev/accel does in a later backend. No call says whether hardware
/// is real.
#pragma once

#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace qaicrt::backend {

/// User transactions of one MANAGE message, and what comes back. Same facts as the uAPI.
struct Passthrough {
    std::vector<std::byte> command;  ///< multiple of 8 bytes
};
struct DmaTransfer {
    std::uint32_t tag = 0;
    std::span<const std::byte> data;  ///< read by the card before manage() returns
};
struct ActivateRequest {
    std::uint32_t queue_size = 0;  ///< elements
    std::uint32_t options = 0;
};
struct DeactivateRequest {
    std::uint32_t dbc = 0;
};
struct StatusRequest {};
using UserTransaction =
    std::variant<Passthrough, DmaTransfer, ActivateRequest, DeactivateRequest, StatusRequest>;

struct ActivateReply {
    std::uint32_t status = 0, dbc = 0;
    std::uint64_t options = 0;
};
struct StatusReply {
    std::uint16_t major = 0, minor = 0;
    std::uint32_t status = 0;
    std::uint64_t flags = 0;
};
using ReplyTransaction = std::variant<Passthrough, ActivateReply, StatusReply>;

struct BoHandle {
    std::uint32_t value = 0;
    friend bool operator==(BoHandle, BoHandle) = default;
};

/// qaic_sem and qaic_attach_slice_entry in our own words (limits as in the uAPI; checked by the
/// backend).
struct SliceSemaphore {
    std::uint16_t value = 0;
    std::uint8_t index = 0, command = 0;
    bool presync = false, fence_to_device = false, fence_from_device = false;
};
struct Slice {
    std::uint64_t offset = 0, size = 0;
    std::uint64_t device_address = 0;
    std::uint64_t doorbell_address = 0;
    std::uint32_t doorbell_data = 0;
    std::uint32_t doorbell_bits = 0;  ///< 0, 8, 16 or 32
    SliceSemaphore semaphores[4];
};

struct ExecuteEntry {
    BoHandle bo;
    Direction direction = Direction::kToDevice;
};

/// A BO whose slices are all done. `status` is the first non-zero completion code, 0 for success.
struct Completion {
    BoHandle bo;
    std::int32_t status = 0;
    int sys_errno = 0;  ///< ECANCELED when the channel went away
};

struct BoStats {
    std::uint32_t queue_level_before = 0, elements = 0, submit_us = 0, device_us = 0;
};

struct BackendInfo {
    std::string name;         ///< "emu:0"
    std::string description;  ///< for people
    bool pci = false;
    /// A BO is cut into pieces of at least this size (but its first and last); 4096 where nothing
    /// is known. Each piece of a slice costs one element of the queue.
    std::uint64_t segment_bytes = 4096;
};

/// The finished BOs of one activation of one channel. Stands for the activation, not for the
/// channel's number: the card gives the number to the next program as soon as this one has ended,
/// while somebody may still be about to ask for what this one did. Thread safe. Must not outlive
/// its Backend.
class CompletionSource {
  public:
    virtual ~CompletionSource() = default;

    /// Takes finished BOs in the order they finished; waits up to `timeout` for the first (0: does
    /// not wait). Returns how many were stored; 0 on timeout. After a deactivation it still gives
    /// the BOs that were finished or cancelled, then EPERM. Errors: EPERM, ENODEV, EIO (the card
    /// lies).
    virtual Result<std::size_t> reap(std::span<Completion> out,
                                     std::chrono::milliseconds timeout) = 0;
    /// Readable while reap() would return something (now and then when it would not: reap() then
    /// stores nothing and the descriptor is quiet again). Valid as long as this object.
    virtual Result<int> fd() = 0;
};

/// One open of one card (a "user" in the protocol's sense). Thread safe unless a call says
/// otherwise.
class Backend {
  public:
    virtual ~Backend() = default;  ///< closes: TERMINATE, then everything still held is released

    virtual const BackendInfo& info() const noexcept = 0;

    /// One message to QSM. Errors keep the errno (EINVAL, ENOSPC, ETIMEDOUT, ECANCELED, ENODEV …).
    /// When the card refuses (ECANCELED) and `refused` is given, the reply decoded so far is stored
    /// there.
    virtual Result<std::vector<ReplyTransaction>> manage(
        std::span<const UserTransaction> message,
        std::vector<ReplyTransaction>* refused = nullptr) = 0;

    virtual Result<BoHandle> bo_create(std::uint64_t bytes) = 0;
    virtual Result<std::span<std::byte>> bo_map(BoHandle bo) = 0;  ///< stays valid until bo_close
    virtual Result<BoHandle> bo_import(
        int dma_buf_fd) = 0;                         ///< kUnsupported where there is no dma-buf
    virtual Result<int> bo_export(BoHandle bo) = 0;  ///< caller closes the fd
    virtual Status bo_close(BoHandle bo) = 0;

    virtual Status slices_attach(BoHandle bo, std::uint32_t dbc, Direction direction,
                                 std::span<const Slice> slices) = 0;
    virtual Status slices_detach(BoHandle bo) = 0;

    /// Queues all entries or none (kBusy with EAGAIN when the queue is full). Never blocks, never
    /// allocates.
    virtual Status submit(std::uint32_t dbc, std::span<const ExecuteEntry> batch) = 0;
    /// Where the BOs of this channel's present activation finish. EPERM: not this user's channel.
    virtual Result<std::shared_ptr<CompletionSource>> completions(std::uint32_t dbc) = 0;

    virtual Result<BoStats> stats(std::uint32_t dbc, BoHandle bo) = 0;
    /// Words of the card about the last failed workload of a channel, "" if it has none.
    virtual std::string workload_error(std::uint32_t dbc) const = 0;
    /// Words of the card about the command that it last refused this user, "" if it has none.
    virtual std::string refusal_words() const { return {}; }
};

/// A card that can be opened many times; opens of one CardHandle share the card.
class CardHandle {
  public:
    virtual ~CardHandle() = default;
    virtual const BackendInfo& info() const noexcept = 0;
    virtual Result<std::unique_ptr<Backend>> open() = 0;
};

/// Cards of a specification: "emu", "emu:0", "emu:nsp=8,threads=2". kNotFound for an unknown
/// scheme.
Result<std::vector<std::shared_ptr<CardHandle>>> enumerate_cards(const std::string& specification);

}  // namespace qaicrt::backend
