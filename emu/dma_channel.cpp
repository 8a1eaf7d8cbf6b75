// SPDX-License-Identifier: Apache-2.0
/// Life cycle, registers and the NSP's side of a channel; the work itself is in dma_pump.cpp.
#include "emu/dma_channel.hpp"

#include "emu/net/spin.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace qaicemu {

bool check_queues(const QueueSetup& queues, std::uint32_t response_elements,
                  std::uint32_t buffer_bytes) {
    const std::uint64_t n = queues.elements;
    const std::uint64_t request_bytes = n * sizeof(aic100_request);
    const std::uint64_t response_bytes = n * sizeof(aic100_response);
    const std::uint64_t start = queues.request_address;
    if (n == 0 || response_elements != n || start % AIC100_DBC_QUEUE_ALIGN != 0 ||
        queues.response_address % sizeof(aic100_response) != 0 ||
        start > UINT64_MAX - buffer_bytes) {
        return false;
    }
    return request_bytes <= buffer_bytes && queues.response_address >= start + request_bytes &&
           response_bytes <= buffer_bytes - request_bytes &&
           queues.response_address - start <= buffer_bytes - response_bytes;
}

DmaChannel::DmaChannel(const Ports& ports, unsigned vector, bool force_msi_enabled)
    : ports_(ports), vector_(vector), force_msi_enabled_(force_msi_enabled) {}

void DmaChannel::start(const QueueSetup& queues, ActivationMemory& memory,
                       std::span<const std::uint32_t> semaphore_init, unsigned semaphores) {
    const std::lock_guard lock(mutex_);
    pending_.reset(std::min<std::size_t>(kMaxPending, std::max<std::size_t>(queues.elements, 64)));
    carried_.assign(std::size_t{UINT16_MAX} + 1, AIC100_RSP_OK);
    set_error({});
    queues_ = queues;
    semaphores_.reset(semaphore_init);
    semaphore_count_ = semaphores;
    group_open_ = false;
    faulted_ = input_failed_ = output_failed_ = wake_nsp_ = false;
    response_stalled_ = exit_requested_ = false;
    memory_ = &memory;
    set_registers(queues.elements);
}

/// All registers to zero under a new generation. The size of the FIFO comes last: until then nobody
/// can write an index.
void DmaChannel::set_registers(std::uint32_t elements) {
    ++generation_;
    setup_ = tagged(generation_, 0);
    reqhp_ = rsptp_ = 0;
    reqtp_ = rsphp_ = tagged(generation_, 0);
    setup_ = tagged(generation_, elements);
}

void DmaChannel::request_exit() {
    // Set before the lock is asked for: a pass under way ends at its next request or chunk.
    exit_requested_ = true;
    const std::lock_guard lock(mutex_);
    if (memory_ != nullptr) {
        memory_->ring_exit();
    }
    wake_nsp();
}

void DmaChannel::stop() {
    exit_requested_ = true;
    const std::lock_guard lock(mutex_);
    set_registers(0);
    memory_ = nullptr;
    pending_.reset(0);
    response_stalled_ = false;
    wake_nsp();
}

void DmaChannel::set_error(std::string text) {
    const std::lock_guard lock(error_mutex_);
    error_ = std::move(text);
}

void DmaChannel::set_error_text(const char* text, const char* detail) noexcept {
    try {
        set_error(std::string(text) + detail);
    } catch (const std::bad_alloc&) {
        return;  // the completion code still tells that it failed
    }
}

std::string DmaChannel::error() const {
    const std::lock_guard lock(error_mutex_);
    return error_;
}

std::uint32_t DmaChannel::read_register(std::uint32_t reg) const {
    if (idle()) {
        return 0;
    }
    switch (reg) {
        case AIC100_DBC_REQHP:
            return reqhp_;
        case AIC100_DBC_REQTP:
            return low_word(reqtp_);
        case AIC100_DBC_RSPHP:
            return low_word(rsphp_);
        case AIC100_DBC_RSPTP:
            return rsptp_;
        default:
            return 0;
    }
}

void DmaChannel::write_register(std::uint32_t reg, std::uint32_t value) {
    // An index outside the FIFO is ignored: the register keeps what it had. Head of requests and
    // tail of responses belong to the card.
    const std::uint64_t setup = setup_;
    if (value >= low_word(setup)) {
        return;
    }
    // A channel that has to end is left alone, or a host that keeps writing could hold the thread
    // that is in kick() for ever.
    if (reg == AIC100_DBC_REQTP) {
        if (store_index(reqtp_, setup, value) && !exit_requested_) {
            kick();
        }
    } else if (reg == AIC100_DBC_RSPHP) {
        if (store_index(rsphp_, setup, value) && response_stalled_ && !exit_requested_) {
            kick();
        }
    }
}

/// Stores `value`, which has been checked against `setup`; false when the channel has been stopped
/// or started again since.
bool DmaChannel::store_index(TaggedWord& reg, std::uint64_t setup, std::uint32_t value) {
    const auto generation = static_cast<std::uint32_t>(setup >> 32);
    std::uint64_t now = reg;
    do {
        if (now >> 32 != generation) {
            return false;
        }
    } while (!reg.compare_exchange_weak(now, tagged(generation, value)));
    return true;
}

bool DmaChannel::doorbells_ready(std::span<const Doorbell> doorbells) const {
    return std::ranges::all_of(doorbells, [this](const Doorbell& bell) {
        return memory_->l2tcm_word(0, bell.offset) == bell.armed_value;
    });
}

void DmaChannel::wake_nsp() {
    nsp_wakeups_.fetch_add(1, std::memory_order_release);
    nsp_wakeup_.notify_all();
}

bool DmaChannel::wait_doorbells(std::span<const Doorbell> doorbells) {
    std::unique_lock lock(mutex_);
    const auto must_exit = [this] {
        return exit_requested_ || memory_ == nullptr || memory_->exit_rung(0);
    };
    const auto ready = [&] { return must_exit() || doorbells_ready(doorbells); };
    if (!ready()) {
        const std::uint32_t seen = nsp_wakeups_.load(std::memory_order_acquire);
        lock.unlock();
        qaicnet::spin_until([&] { return nsp_wakeups_.load(std::memory_order_acquire) != seen; });
        lock.lock();
    }
    nsp_wakeup_.wait(lock, ready);
    return !must_exit();
}

void DmaChannel::signal(std::span<const Doorbell> doorbells, const SemCommand& command) {
    {
        const std::lock_guard lock(mutex_);
        if (memory_ == nullptr) {
            return;
        }
        for (const Doorbell& bell : doorbells) {
            memory_->set_l2tcm_word(0, bell.offset, 0);
        }
        semaphores_.try_run(command);
    }
    kick();
}

bool DmaChannel::take_input_failure() {
    const std::lock_guard lock(mutex_);
    return std::exchange(input_failed_, false);
}

void DmaChannel::set_output_failed(bool failed) {
    const std::lock_guard lock(mutex_);
    output_failed_ = failed;
}

std::uint16_t DmaChannel::semaphore(unsigned index) const {
    const std::lock_guard lock(mutex_);
    return index < AIC100_SEM_PER_DBC ? semaphores_.value(index) : std::uint16_t{0};
}

}  // namespace qaicemu
