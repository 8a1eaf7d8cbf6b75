// SPDX-License-Identifier: Apache-2.0
/// One channel of the DMA bridge (DBC): registers, request and response FIFO, semaphores,
/// doorbells.
///
/// There is no DMA thread. Whoever makes progress possible does the work: the front end's register
/// write or the NSP's semaphore operation. When another thread is already at it, that thread is
/// told to look again and the caller returns at once.
///
/// Order of work for one request: fences and presync, transfer, postsyncs, doorbell, response,
/// RSPTP, MSI.
#pragma once

#include "emu/activation_memory.hpp"
#include "emu/pending_list.hpp"
#include "emu/ports.hpp"
#include "emu/semaphores.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace qaicemu {

/// FIFOs as ACTIVATE gave them. All values are checked by check_queues().
struct QueueSetup {
    std::uint64_t request_address = 0, response_address = 0;
    std::uint32_t elements = 0;
};

/// A word in the L2TCM of virtual NSP 0 that requests set.
struct Doorbell {
    std::uint64_t offset = 0;
    std::uint32_t armed_value = 1;  ///< what the request writes
};

class DmaChannel {
  public:
    /// Requests taken from the FIFO and not finished. When so many wait, the rest stays in the FIFO
    /// and the host sees a full queue.
    static constexpr std::size_t kMaxPending = 4096;
    /// A longer transfer is made in pieces of this size, and given up between two of them when the
    /// channel has to end.
    static constexpr std::size_t kChunkBytes = std::size_t{16} << 20;

    /// `vector`: MSI of this channel. The ports outlive the channel.
    DmaChannel(const Ports& ports, unsigned vector, bool force_msi_enabled);

    // --- QSM ---
    /// Programs the channel and sets its registers to zero. `memory` stays alive until stop().
    /// Throws std::bad_alloc, with the channel still stopped.
    void start(const QueueSetup& queues, ActivationMemory& memory,
               std::span<const std::uint32_t> semaphore_init, unsigned semaphores);
    /// Rings the exit doorbells and lets the NSP thread leave its waits. From here on the channel
    /// moves nothing: what is queued stays as it is until stop() forgets it. Returns after at most
    /// one chunk (kChunkBytes) of a copy that is under way, however much the host has queued.
    void request_exit();
    /// No host memory access, interrupt or card memory access happens after this returns.
    void stop();
    bool idle() const { return low_word(setup_) == 0; }
    /// Words about the last failure on this channel; kept after stop(), forgotten by start().
    void set_error(std::string text);
    /// As above for a place where memory may just have run out: keeps what it can, throws nothing.
    void set_error_text(const char* text, const char* detail = "") noexcept;
    std::string error() const;

    // --- front end ---
    std::uint32_t read_register(std::uint32_t reg) const;
    void write_register(std::uint32_t reg, std::uint32_t value);

    // --- NSP thread ---
    /// Waits until every doorbell has its value; false when the program has to end.
    bool wait_doorbells(std::span<const Doorbell> doorbells);
    /// Sets the doorbells to zero, executes a counting semaphore operation, and moves requests that
    /// this sets free.
    void signal(std::span<const Doorbell> doorbells, const SemCommand& command);
    /// True when a request that brings input has failed since the last call: what lies in the
    /// input buffers is not what the host sent. Read after the input doorbells have been seen.
    bool take_input_failure();
    /// While set, from-device requests are answered with AIC100_RSP_WORKLOAD and move nothing.
    void set_output_failed(bool failed);

    /// For tests: the present value of a semaphore.
    std::uint16_t semaphore(unsigned index) const;

  private:
    void wake_nsp();
    struct Pass;
    enum class Step : std::uint8_t { kHeld, kAdvanced, kDone, kStalled };
    /// A value with the number of the start() that it belongs to, in one atomic word: a write that
    /// was judged for one owner of the channel cannot land in the register of the next.
    using TaggedWord = std::atomic<std::uint64_t>;
    static constexpr std::uint32_t low_word(std::uint64_t word) {
        return static_cast<std::uint32_t>(word);
    }
    static constexpr std::uint64_t tagged(std::uint32_t generation, std::uint32_t value) {
        return std::uint64_t{generation} << 32 | value;
    }

    void set_registers(std::uint32_t elements);
    static bool store_index(TaggedWord& reg, std::uint64_t setup, std::uint32_t value);
    void kick() noexcept;
    void pump();
    bool fetch();
    void append(std::span<const std::byte, sizeof(aic100_request)> element);
    bool run_pass();
    Step step(PendingRequest& pending, Pass& pass);
    bool may_start(PendingRequest& pending, Pass& pass);
    std::uint16_t transfer(const Request& request);
    std::uint16_t to_device(const Request& request);
    bool read_host(std::uint64_t address, std::span<std::byte> out);
    bool write_host(std::uint64_t address, std::span<const std::byte> in);
    std::uint16_t from_device(const Request& request);
    std::uint16_t ring_doorbell(const Request& request);
    bool finish_postsyncs(PendingRequest& pending, bool& advanced);
    void note_failure(const PendingRequest& pending);
    Step respond(PendingRequest& pending);
    void carry_error(const PendingRequest& pending);
    std::uint16_t final_code(const PendingRequest& pending);
    bool response_slot_free();
    void push_response(const PendingRequest& pending);
    void fault(const char* text) noexcept;
    bool doorbells_ready(std::span<const Doorbell> doorbells) const;

    const Ports ports_;
    const unsigned vector_;
    const bool force_msi_enabled_;

    // Registers and flags that the front end touches without the lock. Sequentially consistent: the
    // RSPTP/RSPHP pair decides whether an interrupt is needed, and each side stores its own
    // register before it loads the other's.
    std::atomic<std::uint32_t> reqhp_{0}, rsptp_{0};  ///< written by the card only
    TaggedWord reqtp_{0}, rsphp_{0};                  ///< written by the host
    TaggedWord setup_{0};                             ///< FIFO elements; 0: stopped
    std::atomic<bool> response_stalled_{false};
    std::atomic<bool> exit_requested_{false};  ///< ends a pass at its next request or chunk
    std::atomic<std::uint32_t> kicks_{0};  ///< non-zero: somebody is in pump() and will look again

    mutable std::mutex mutex_;  ///< protects everything below and the NSP memories of memory_
    std::condition_variable nsp_wakeup_;
    std::atomic<std::uint32_t> nsp_wakeups_{0};  ///< how often, for a thread that has not slept yet
    QueueSetup queues_;
    ActivationMemory* memory_ = nullptr;  ///< null: stopped
    Semaphores semaphores_;
    unsigned semaphore_count_ = 0;
    PendingList pending_;
    std::uint32_t generation_ = 0;
    /// Last fetched request, as far as the next one may belong to its group.
    std::uint16_t group_id_ = 0;
    std::uint32_t group_presync_ = 0;
    bool group_open_ = false;
    /// By request id: the first error of requests without response, until the next response of that
    /// id tells it. One place for every id there is, so that no failure can push out another one.
    std::vector<std::uint16_t> carried_;
    bool faulted_ = false, input_failed_ = false, output_failed_ = false, wake_nsp_ = false;

    mutable std::mutex error_mutex_;  ///< innermost: protects error_
    std::string error_;
};

/// False when the FIFOs do not lie inside one buffer as the bridge needs it (alignment, order,
/// overflow).
bool check_queues(const QueueSetup& queues, std::uint32_t response_elements,
                  std::uint32_t buffer_bytes);

}  // namespace qaicemu
