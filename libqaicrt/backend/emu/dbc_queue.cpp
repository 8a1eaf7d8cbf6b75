// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/dbc_queue.hpp"

#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/sys_error.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace qaicrt::backend::emu {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint32_t kGone = 0xFFFFFFFFU;  // what a register of a lost card reads
constexpr std::uint32_t kResponseBatch = 128;
constexpr std::uint64_t kRequestBytes = sizeof(aic100_request);
constexpr std::uint64_t kResponseBytes = sizeof(aic100_response);

std::uint64_t queue_bytes(std::uint64_t elements) {
    return align_up(elements * (kRequestBytes + kResponseBytes) + AIC100_DBC_QUEUE_GAP,
                    AIC100_DBC_QUEUE_ALIGN);
}

std::uint32_t microseconds(Clock::duration duration) {
    const auto value = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    return static_cast<std::uint32_t>(std::clamp<long long>(value, 0, 0xFFFFFFFFLL));
}

/// Short enough for std::string to hold without the heap: a full queue is an everyday event.
Error queue_full() {
    return sys_error(EAGAIN, "queue full");
}

}  // namespace

void BoList::push_back(Bo& bo) noexcept {
    bo.previous = last_;
    bo.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &bo;
    last_ = &bo;
}

void BoList::remove(Bo& bo) noexcept {
    (bo.previous == nullptr ? first_ : bo.previous->next) = bo.next;
    (bo.next == nullptr ? last_ : bo.next->previous) = bo.previous;
    bo.previous = bo.next = nullptr;
}

Result<std::shared_ptr<DbcQueue>> DbcQueue::create(EmuCard& card, std::uint32_t elements) {
    if (elements == 0) {
        return sys_error(EINVAL, "a channel's queue needs at least one element");
    }
    // The kernel counts in 32 bits, with one page of rounding on top.
    if (elements > (0xFFFFFFFFULL - AIC100_DBC_QUEUE_GAP - AIC100_DBC_QUEUE_ALIGN) /
                       (kRequestBytes + kResponseBytes)) {
        return sys_error(EINVAL, "a channel's queue of " + std::to_string(elements) +
                                     " elements does not fit in 4 GiB");
    }
    QAICRT_TRY(HostPages pages, HostPages::create(queue_bytes(elements)));
    QAICRT_TRY(auto signal, DbcSignal::create());
    return std::shared_ptr<DbcQueue>(
        new DbcQueue(card, elements, std::move(pages), std::move(signal)));
}

DbcQueue::DbcQueue(EmuCard& card, std::uint32_t elements, HostPages pages,
                   std::shared_ptr<DbcSignal> signal)
    : card_(card),
      elements_(elements),
      pages_(std::move(pages)),
      response_offset_(
          static_cast<std::uint32_t>(pages_.data().size() - elements * kResponseBytes)),
      segments_(
          card.memory().map(pages_.data(), pages_.data().size(), BusMemory::Access::kReadWrite)),
      signal_(std::move(signal)) {}

DbcQueue::~DbcQueue() {
    release();
    while (Bo* bo = finished_.first()) {
        finished_.remove(*bo);
        bo->state = Bo::State::kIdle;
        const auto last_use = std::move(bo->keep);
    }
}

void DbcQueue::bind(std::uint32_t dbc) {
    const std::lock_guard lock(mutex_);
    dbc_ = dbc;
    bound_ = open_ = true;
    card_.interrupts().connect(dbc, signal_);
}

void DbcQueue::set_open(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open && bound_ && !released_;
}

void DbcQueue::release() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(released_, true)) {
        return;
    }
    open_ = false;
    card_.memory().unmap(segments_);
    pages_ = HostPages{};
    if (bound_) {
        card_.interrupts().disconnect(dbc_);
        card_.release_dbc(dbc_);
    }
    while (Bo* bo = in_flight_.first()) {
        bo->stats = {};
        finish(*bo, ECANCELED);
    }
    signal_->set();  // whoever waits finds out, even with nothing in flight
}

DbcQueue::Batch::Batch(DbcQueue& queue, Clock::time_point entry)
    : queue_(queue), lock_(queue.mutex_), entry_(entry) {}

DbcQueue::Batch::~Batch() {
    while (added_ > 0) {
        Bo* bo = queue_.in_flight_.last();
        queue_.in_flight_.remove(*bo);
        bo->state = Bo::State::kIdle;
        bo->keep.reset();
        --added_;
    }
}

Status DbcQueue::Batch::start() {
    if (!queue_.open_) {
        return sys_error(EPERM, "the channel is not active");
    }
    qaicemu::Card& card = queue_.card_.card();
    const std::uint32_t head = card.dbc_read(queue_.dbc_, AIC100_DBC_REQHP);
    tail_ = card.dbc_read(queue_.dbc_, AIC100_DBC_REQTP);
    if (head == kGone || tail_ == kGone) {
        return sys_error(ENODEV, "the card is gone");
    }
    if (head >= queue_.elements_ || tail_ >= queue_.elements_) {
        return sys_error(EIO, "the channel's registers point outside its queue");
    }
    level_ = (tail_ + queue_.elements_ - head) % queue_.elements_;
    free_ = queue_.elements_ - 1 - level_;
    return {};
}

Status DbcQueue::Batch::add(const std::shared_ptr<Bo>& bo) {
    if (bo->state != Bo::State::kIdle) {
        return sys_error(EINVAL, "the buffer is already in flight");
    }
    const auto count = static_cast<std::uint32_t>(bo->requests.size());
    if (count > free_) {
        return queue_full();
    }
    bo->state = Bo::State::kInFlight;
    bo->request_id = queue_.card_.next_request_id(queue_.dbc_);
    bo->slices_done = 0;
    bo->completion = Completion{bo->handle, 0, 0};
    bo->stats = {level_, count, 0, 0};
    bo->keep = bo;
    queue_.write_requests(*bo, tail_);
    queue_.in_flight_.push_back(*bo);
    tail_ = (tail_ + count) % queue_.elements_;
    free_ -= count;
    level_ += count;
    ++added_;
    return {};
}

void DbcQueue::Batch::commit() {
    const Clock::time_point now = Clock::now();
    Bo* bo = queue_.in_flight_.last();
    for (; added_ > 0; --added_, bo = bo->previous) {
        bo->submitted = now;
        bo->stats.submit_us = microseconds(now - entry_);
    }
    queue_.card_.card().dbc_write(queue_.dbc_, AIC100_DBC_REQTP, tail_);
}

void DbcQueue::write_requests(Bo& bo, std::uint32_t tail) {
    std::byte* fifo = pages_.data().data();
    for (aic100_request& request : bo.requests) {
        request.req_id = bo.request_id;
    }
    const std::size_t until_wrap = std::min<std::size_t>(bo.requests.size(), elements_ - tail);
    std::memcpy(fifo + tail * kRequestBytes, bo.requests.data(), until_wrap * kRequestBytes);
    std::memcpy(fifo, bo.requests.data() + until_wrap,
                (bo.requests.size() - until_wrap) * kRequestBytes);
}

Status DbcQueue::drain() {
    if (!bound_ || released_) {
        return {};
    }
    qaicemu::Card& card = card_.card();
    while (true) {
        const std::uint32_t tail = card.dbc_read(dbc_, AIC100_DBC_RSPTP);
        if (tail == kGone) {
            return sys_error(ENODEV, "the card is gone");
        }
        if (tail >= elements_) {
            return sys_error(EIO, "the channel's response register points outside its queue");
        }
        if (tail == response_head_) {
            return {};
        }
        std::uint32_t batch = 0;
        for (; response_head_ != tail && batch < kResponseBatch; ++batch) {
            aic100_response response;
            std::memcpy(&response,
                        pages_.data().data() + response_offset_ + response_head_ * kResponseBytes,
                        sizeof(response));
            response_head_ = (response_head_ + 1) % elements_;
            consume(response.req_id, response.code);
        }
        card.dbc_write(dbc_, AIC100_DBC_RSPHP, response_head_);
    }
}

void DbcQueue::consume(std::uint16_t request_id, std::uint16_t code) {
    Bo* bo = in_flight_.first();
    while (bo != nullptr && bo->request_id != request_id) {
        bo = bo->next;
    }
    if (bo == nullptr) {
        return;  // as in the kernel: a response to nothing is dropped
    }
    if (code != 0 && bo->completion.status == 0) {
        bo->completion.status = code;
    }
    if (++bo->slices_done == bo->slice_count) {
        bo->stats.device_us = microseconds(Clock::now() - bo->submitted);
        finish(*bo, 0);
    }
}

void DbcQueue::finish(Bo& bo, int sys_errno) {
    in_flight_.remove(bo);
    bo.state = Bo::State::kFinished;
    bo.completion.sys_errno = sys_errno;
    finished_.push_back(bo);
}

std::size_t DbcQueue::take(std::span<Completion> out) {
    std::size_t taken = 0;
    while (taken < out.size() && !finished_.empty()) {
        Bo* bo = finished_.first();
        finished_.remove(*bo);
        bo->state = Bo::State::kIdle;
        out[taken++] = bo->completion;
        // Frees the BO here if its handle was closed meanwhile.
        const auto last_use = std::move(bo->keep);
    }
    if (!finished_.empty()) {
        signal_->set();
    }
    return taken;
}

Result<std::size_t> DbcQueue::reap(std::span<Completion> out, std::chrono::milliseconds timeout) {
    const Clock::time_point deadline = Clock::now() + timeout;
    while (true) {
        {
            const std::lock_guard lock(mutex_);
            if (!bound_ || (released_ && finished_.empty())) {
                return sys_error(EPERM, "the channel is not active");
            }
            // Cleared before the FIFO is read: a response that comes later sets it again. After the
            // release it stays set, so that every waiter finds out.
            if (!released_) {
                signal_->clear();
            }
            QAICRT_CHECK(drain());
            if (const std::size_t taken = take(out); taken > 0 || out.empty()) {
                return taken;
            }
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (timeout <= std::chrono::milliseconds{0} || left <= std::chrono::milliseconds{0}) {
            return std::size_t{0};
        }
        pollfd descriptor{signal_->fd(), POLLIN, 0};
        const auto wait_ms = std::min<long long>(left.count(), 1 << 30);
        ::poll(&descriptor, 1, static_cast<int>(wait_ms));
    }
}

BoStats DbcQueue::stats(const Bo& bo) {
    const std::lock_guard lock(mutex_);
    return bo.stats;
}

bool DbcQueue::in_flight(const Bo& bo) {
    const std::lock_guard lock(mutex_);
    return bo.state == Bo::State::kInFlight;
}

}  // namespace qaicrt::backend::emu
