// SPDX-License-Identifier: Apache-2.0
/// The work of a DMA bridge channel: fetch, eligibility, transfer, synchronisation, responses.
#include "emu/bytes.hpp"
#include "emu/dma_channel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace qaicemu {

/// What a walk over the pending requests has seen so far, oldest first.
struct DmaChannel::Pass {
    std::uint32_t held_presyncs =
        0;  ///< semaphores on which an earlier request waits, before its transfer or behind it
    bool to_device_ahead = false, from_device_ahead = false;  ///< earlier transfers not finished
    bool progress = false;
};

void DmaChannel::kick() noexcept {
    if (kicks_.fetch_add(1) != 0) {
        return;  // the thread inside sees the raised count and looks again
    }
    std::uint32_t seen = 1;
    do {
        const std::lock_guard lock(mutex_);
        try {
            pump();
        } catch (...) {
            // Only a port can throw here. It must not end the NSP's thread, nor leave the count
            // raised, after which nobody would ever work for this channel again.
            fault("Host memory or the interrupt line failed; the channel has stopped.");
        }
        // On failure `seen` becomes the newer count: something happened meanwhile, one more round.
    } while (!kicks_.compare_exchange_strong(seen, 0));
}

void DmaChannel::pump() {
    wake_nsp_ = false;
    while (memory_ != nullptr && !faulted_ && !exit_requested_) {
        const bool fetched = fetch();
        if (response_stalled_ && !response_slot_free()) {
            break;
        }
        const bool moved = run_pass();
        if (!fetched && !moved) {
            break;
        }
    }
    if (wake_nsp_) {
        wake_nsp();
    }
}

/// Takes what is in the FIFO, several elements per read. Every element is read once.
bool DmaChannel::fetch() {
    constexpr std::uint32_t kBatch = 16;
    std::array<std::byte, kBatch * sizeof(aic100_request)> buffer;
    const std::uint32_t n = queues_.elements;
    const std::uint32_t tail = low_word(reqtp_);
    std::uint32_t head = reqhp_;
    bool any = false;
    while (head != tail && !pending_.full() && !exit_requested_) {
        const std::uint32_t run = std::min(
            {kBatch, (tail > head ? tail : n) - head, static_cast<std::uint32_t>(pending_.room())});
        const auto bytes = std::span(buffer).first(run * sizeof(aic100_request));
        const std::uint64_t address =
            queues_.request_address + std::uint64_t{head} * sizeof(aic100_request);
        if (!ports_.memory->read(address, bytes)) {
            fault("The request FIFO cannot be read in host memory; the channel has stopped.");
            return false;
        }
        for (std::uint32_t i = 0; i < run; ++i) {
            append(bytes.subspan(i * sizeof(aic100_request)).first<sizeof(aic100_request)>());
        }
        head = (head + run) % n;
        reqhp_ = head;
        any = true;
    }
    return any;
}

void DmaChannel::append(std::span<const std::byte, sizeof(aic100_request)> element) {
    PendingRequest pending;
    pending.request = decode_request(element, semaphore_count_);
    const Request& request = pending.request;
    pending.code = request.verdict;
    if (!request.synchronises) {
        note_failure(pending);
        pending.phase = PendingRequest::Phase::kResponding;
    }
    // A slice that the host memory scattered arrives as several requests with the same id and
    // presync, of which only the last wants a response. How many they are is the host's accident,
    // so their presync counts once.
    pending.follows_group = group_open_ && request.has_presync && request.id == group_id_ &&
                            request.presync_word == group_presync_;
    group_open_ = request.has_presync && !request.wants_response;
    group_id_ = request.id;
    group_presync_ = request.presync_word;
    pending_.append(pending);
}

/// One walk, oldest first. True when any request moved on, so that others may be able to now.
bool DmaChannel::run_pass() {
    Pass pass;
    auto before = PendingList::kEnd;
    for (auto slot = pending_.first();
         slot != PendingList::kEnd && !exit_requested_ && !faulted_;) {
        switch (step(pending_.at(slot), pass)) {
            case Step::kDone:
                pass.progress = true;
                slot = pending_.erase(slot, before);
                continue;
            case Step::kStalled:
                return false;  // the response FIFO is full, or the channel has to end
            case Step::kAdvanced:
                pass.progress = true;
                break;
            case Step::kHeld:
                break;
        }
        before = slot;
        slot = pending_.next(slot);
    }
    return pass.progress;
}

DmaChannel::Step DmaChannel::step(PendingRequest& pending, Pass& pass) {
    using Phase = PendingRequest::Phase;
    const Request& request = pending.request;
    bool advanced = false;
    if (pending.phase == Phase::kWaiting) {
        if (!may_start(pending, pass)) {
            pass.held_presyncs |= request.has_presync ? 1u << request.presync.index : 0u;
            pass.to_device_ahead |= request.transfer == Transfer::kToDevice;
            pass.from_device_ahead |= request.transfer == Transfer::kFromDevice;
            return Step::kHeld;
        }
        // A failed transfer still runs its postsyncs and doorbell: the response carries the error,
        // and one bad request does not leave a program waiting for ever.
        if (request.verdict == AIC100_RSP_OK) {
            pending.code = transfer(request);
        }
        if (exit_requested_) {
            return Step::kStalled;  // the transfer may have ended half way
        }
        pending.phase = Phase::kPostsync;
        advanced = true;
    }
    if (pending.phase == Phase::kPostsync) {
        if (!finish_postsyncs(pending, advanced)) {
            pass.held_presyncs |= request.has_presync ? 1u << request.presync.index : 0u;
            return advanced ? Step::kAdvanced : Step::kHeld;
        }
        if (const std::uint16_t code = ring_doorbell(request); pending.code == AIC100_RSP_OK) {
            pending.code = code;
        }
        note_failure(pending);
        pending.phase = Phase::kResponding;
    }
    return respond(pending);
}

/// Runs the postsyncs that are left; false when one has to wait.
bool DmaChannel::finish_postsyncs(PendingRequest& pending, bool& advanced) {
    for (; pending.next_postsync < pending.request.postsyncs.size(); ++pending.next_postsync) {
        const SemCommand& command = pending.request.postsyncs[pending.next_postsync];
        if (command.enabled && !semaphores_.try_run(command)) {
            return false;
        }
        advanced |= command.enabled;
    }
    return true;
}

/// The program must not compute from what an earlier inference left in its input buffers.
void DmaChannel::note_failure(const PendingRequest& pending) {
    input_failed_ |= pending.code != AIC100_RSP_OK && pending.request.is_input;
}

/// Fences and presync. Executes the presync when it passes.
bool DmaChannel::may_start(PendingRequest& pending, Pass& pass) {
    const Request& request = pending.request;
    if ((request.fence_to_device && pass.to_device_ahead) ||
        (request.fence_from_device && pass.from_device_ahead)) {
        return false;
    }
    if (!request.has_presync) {
        return true;
    }
    if ((pass.held_presyncs >> request.presync.index & 1) != 0) {
        return false;  // requests of one presync semaphore start in FIFO order
    }
    if (pending.follows_group && request.presync.changes_value()) {
        return true;  // its group's first request has done it
    }
    return semaphores_.try_run(request.presync);
}

std::uint16_t DmaChannel::transfer(const Request& request) {
    switch (request.transfer) {
        case Transfer::kToDevice:
            return to_device(request);
        case Transfer::kFromDevice:
            return from_device(request);
        default:
            return AIC100_RSP_OK;
    }
}

std::uint16_t DmaChannel::to_device(const Request& request) {
    if (request.length == 0) {
        return AIC100_RSP_OK;
    }
    ActivationMemory::Targets targets;
    if (!memory_->resolve_write(request.destination, request.length, targets)) {
        return AIC100_RSP_BAD_CARD_ADDR;
    }
    wake_nsp_ |= targets.nsp_memory;
    if (!read_host(request.source, targets.spans[0])) {
        return AIC100_RSP_BAD_HOST_ADDR;
    }
    for (unsigned i = 1; i < targets.count; ++i) {
        std::memcpy(targets.spans[i].data(), targets.spans[0].data(), request.length);
    }
    return AIC100_RSP_OK;
}

std::uint16_t DmaChannel::from_device(const Request& request) {
    if (output_failed_) {
        return AIC100_RSP_WORKLOAD;
    }
    if (request.length == 0) {
        return AIC100_RSP_OK;
    }
    const auto source = memory_->resolve_read(request.source, request.length);
    if (!source) {
        return AIC100_RSP_BAD_CARD_ADDR;
    }
    return write_host(request.destination, *source) ? AIC100_RSP_OK : AIC100_RSP_BAD_HOST_ADDR;
}

/// In chunks. True as well when the channel has to end before the last one; the caller looks.
bool DmaChannel::read_host(std::uint64_t address, std::span<std::byte> out) {
    if (out.size() > UINT64_MAX - address) {
        return false;
    }
    while (!out.empty() && !exit_requested_) {
        const auto chunk = out.first(std::min(out.size(), kChunkBytes));
        if (!ports_.memory->read(address, chunk)) {
            return false;
        }
        address += chunk.size();
        out = out.subspan(chunk.size());
    }
    return true;
}

/// As read_host().
bool DmaChannel::write_host(std::uint64_t address, std::span<const std::byte> in) {
    if (in.size() > UINT64_MAX - address) {
        return false;
    }
    while (!in.empty() && !exit_requested_) {
        const auto chunk = in.first(std::min(in.size(), kChunkBytes));
        if (!ports_.memory->write(address, chunk)) {
            return false;
        }
        address += chunk.size();
        in = in.subspan(chunk.size());
    }
    return true;
}

std::uint16_t DmaChannel::ring_doorbell(const Request& request) {
    if (request.doorbell_bytes == 0) {
        return AIC100_RSP_OK;
    }
    ActivationMemory::Targets targets;
    if (!memory_->resolve_write(request.doorbell_address, request.doorbell_bytes, targets)) {
        return AIC100_RSP_BAD_CARD_ADDR;
    }
    for (unsigned i = 0; i < targets.count; ++i) {
        std::memcpy(targets.spans[i].data(), &request.doorbell_data, request.doorbell_bytes);
    }
    wake_nsp_ |= targets.nsp_memory;
    return AIC100_RSP_OK;
}

DmaChannel::Step DmaChannel::respond(PendingRequest& pending) {
    if (!pending.request.wants_response) {
        carry_error(pending);
        return Step::kDone;
    }
    if (!response_slot_free()) {
        return Step::kStalled;
    }
    push_response(pending);
    return Step::kDone;
}

/// An error of a request without response is told by the next response of the same id.
void DmaChannel::carry_error(const PendingRequest& pending) {
    std::uint16_t& carried = carried_[pending.request.id];
    if (carried == AIC100_RSP_OK) {
        carried = pending.code;
    }
}

std::uint16_t DmaChannel::final_code(const PendingRequest& pending) {
    const std::uint16_t carried = std::exchange(carried_[pending.request.id], AIC100_RSP_OK);
    return pending.code == AIC100_RSP_OK ? carried : pending.code;
}

bool DmaChannel::response_slot_free() {
    const std::uint32_t after = (rsptp_ + 1) % queues_.elements;
    if (after != low_word(rsphp_)) {
        return true;
    }
    // Announce the stall, then look again: an RSPHP write between the two would otherwise see no
    // stall and wake nobody.
    response_stalled_ = true;
    if (after == low_word(rsphp_)) {
        return false;
    }
    response_stalled_ = false;
    return true;
}

void DmaChannel::push_response(const PendingRequest& pending) {
    response_stalled_ = false;
    const std::uint32_t tail = rsptp_;
    const std::uint32_t word = pending.request.id | static_cast<std::uint32_t>(final_code(pending))
                                                        << 16;
    const std::uint64_t address =
        queues_.response_address + std::uint64_t{tail} * sizeof(aic100_response);
    if (!ports_.memory->write_u32_release(address, word)) {
        fault("The response FIFO cannot be written in host memory; the channel has stopped.");
        return;
    }
    rsptp_ = (tail + 1) % queues_.elements;
    // Judged after the store: if the host drained everything before, it may already have found the
    // FIFO empty and gone to sleep.
    const bool was_empty = low_word(rsphp_) == tail;
    if (was_empty || (pending.request.force_msi && force_msi_enabled_)) {
        ports_.interrupts->raise(vector_);
    }
}

void DmaChannel::fault(const char* text) noexcept {
    faulted_ = true;
    set_error_text(text);
}

}  // namespace qaicemu
