// SPDX-License-Identifier: Apache-2.0
/// The host's half of one activated DBC: queue memory, submission, completion matching.
///
/// A BO is queued by copying its prepared requests; nothing is allocated. BOs in flight and BOs
/// finished but not yet reaped are kept in two lists that run through the BOs themselves.
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/emu_card.hpp"
#include "libqaicrt/support/owned.hpp"

#include <hw/aic100_dbc.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace qaicrt::backend::emu {

class DbcQueue;

/// A buffer object. The attach fields change only under the backend's exclusive lock, the run
/// fields only under the lock of the queue that the BO is attached to.
struct Bo {
    BoHandle handle;
    HostPages pages;

    // Attach.
    bool sliced = false;
    std::uint32_t dbc = 0;
    std::uint32_t slice_count = 0;
    std::vector<BusSegment> segments;
    std::vector<aic100_request> requests;  ///< all slices in attach order, req_id put in at submit

    // Run.
    enum class State : std::uint8_t { kIdle, kInFlight, kFinished };
    State state = State::kIdle;
    std::uint16_t request_id = 0;
    std::uint32_t slices_done = 0;
    Completion completion;
    BoStats stats;
    std::chrono::steady_clock::time_point submitted;
    std::shared_ptr<Bo>
        keep;  ///< itself while in a list: a closed handle does not free memory under DMA
    Bo* previous = nullptr;
    Bo* next = nullptr;
};

/// Oldest first; the nodes are the BOs.
class BoList {
  public:
    bool empty() const noexcept { return first_ == nullptr; }
    Bo* first() const noexcept { return first_; }
    Bo* last() const noexcept { return last_; }
    void push_back(Bo& bo) noexcept;
    void remove(Bo& bo) noexcept;

  private:
    Bo* first_ = nullptr;
    Bo* last_ = nullptr;
};

/// Thread safe.
class DbcQueue final : public CompletionSource {
  public:
    /// Queue memory of `elements` requests. Errors: EINVAL (0, or sizes that do not fit 32 bits),
    /// ENOMEM.
    static Result<std::shared_ptr<DbcQueue>> create(EmuCard& card, std::uint32_t elements);
    ~DbcQueue() override;
    DbcQueue(const DbcQueue&) = delete;
    DbcQueue& operator=(const DbcQueue&) = delete;

    std::uint64_t request_fifo() const noexcept { return segments_.front().address; }
    std::uint64_t response_fifo() const noexcept { return request_fifo() + response_offset_; }
    std::uint32_t bytes() const noexcept {
        return static_cast<std::uint32_t>(pages_.data().size());
    }
    std::uint32_t elements() const noexcept { return elements_; }

    /// The card gave us channel `dbc`; the host's record of it is ours until release().
    void bind(std::uint32_t dbc);
    /// The card is done with the channel: BOs in flight finish with ECANCELED, queue memory goes
    /// away.
    void release();
    /// False refuses new work: the owner asked for deactivation.
    void set_open(bool open);

    /// Submission in steps, all or nothing; holds the queue's lock.
    class Batch {
      public:
        Batch(DbcQueue& queue, std::chrono::steady_clock::time_point entry);
        ~Batch();  ///< takes back what was not committed
        Batch(const Batch&) = delete;
        Batch& operator=(const Batch&) = delete;
        /// EPERM (closed), ENODEV or EIO (registers make no sense).
        Status start();
        /// EINVAL (in flight already), EAGAIN (no room).
        Status add(const std::shared_ptr<Bo>& bo);
        void commit();

      private:
        DbcQueue& queue_;
        std::unique_lock<std::mutex> lock_;
        std::chrono::steady_clock::time_point entry_;
        std::uint32_t tail_ = 0, free_ = 0, level_ = 0, added_ = 0;
    };

    Result<std::size_t> reap(std::span<Completion> out, std::chrono::milliseconds timeout) override;
    Result<int> fd() override { return signal_->fd(); }

    /// Under the backend's lock: the BO's stats as of now, whether it is in flight.
    BoStats stats(const Bo& bo);
    bool in_flight(const Bo& bo);

    std::vector<std::shared_ptr<Bo>> attached;  ///< under the backend's exclusive lock

  private:
    DbcQueue(EmuCard& card, std::uint32_t elements, HostPages pages,
             std::shared_ptr<DbcSignal> signal);
    Status drain();  // all of the following need mutex_
    void consume(std::uint16_t request_id, std::uint16_t code);
    void finish(Bo& bo, int sys_errno);
    std::size_t take(std::span<Completion> out);
    void write_requests(Bo& bo, std::uint32_t tail);

    EmuCard& card_;  // outlives: the backend that owns the queue owns a share of the card
    const std::uint32_t elements_;
    HostPages pages_;
    const std::uint32_t response_offset_;
    std::vector<BusSegment> segments_;
    const std::shared_ptr<DbcSignal> signal_;

    std::mutex mutex_;  // order: backend's lock, this, then the card's own and the signal's
    bool bound_ = false, open_ = false, released_ = false;
    std::uint32_t dbc_ = 0;
    std::uint32_t response_head_ = 0;
    BoList in_flight_, finished_;
};

}  // namespace qaicrt::backend::emu
