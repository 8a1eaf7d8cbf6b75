// SPDX-License-Identifier: Apache-2.0
/// The card's MHI endpoint: BAR 0, boot ROM, states, commands, channels.
///
/// Data path: the guest's accesses come in through read() and write() on one thread and are worked
/// off before they return; what the card's software says comes in through send() and enter() on
/// any thread. Host memory is written before the event that announces it, the event before the
/// interrupt.
#pragma once

#include "emu/ports.hpp"
#include "vcard/log.hpp"
#include "vcard/mhi/channels.hpp"
#include "vcard/mhi/event_queue.hpp"
#include "vcard/mhi/firmware.hpp"
#include "vcard/mhi/layout.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

namespace qaicvcard::mhi {

struct Identity {
    std::uint32_t serial = 0x12345678;
    std::uint32_t soc_hw_version = 0x60110200;
    std::array<std::uint32_t, 6> hw_id{};
    std::array<std::uint32_t, 16> oem_pk_hash{};
};

/// Thread safe, but read(), write() and reset() belong to one thread.
class Endpoint {
  public:
    /// The largest second boot stage that the boot ROM takes.
    static constexpr std::uint32_t kMaxBootImage = 64U << 20;

    /// Everything given outlives the endpoint.
    Endpoint(const qaicemu::Ports& ports, Firmware& firmware, const Log& log,
             const Identity& identity = {});

    // --- front end ---
    /// 32 bits, aligned. Never 0xffffffff, which the host takes for a card that is gone.
    std::uint32_t read(std::uint32_t offset) const;
    void write(std::uint32_t offset, std::uint32_t value);
    /// Power-on: boot ROM, nothing of the old life left.
    void reset();

    // --- the card's software ---
    /// The number of the present life; it changes with every reset. What was computed for an older
    /// one is dropped.
    std::uint64_t life() const;
    /// Queues a message from the device; false when the channel does not run or is full, or `life`
    /// is over.
    bool send(std::uint64_t life, unsigned channel, std::span<const std::byte> message);
    /// The boot loader is done: its channels go, the next environment begins. (Firmware::started()
    /// comes with the guest's next write, as does reset() after crash().)
    void enter(std::uint64_t life, ExecEnv environment);
    /// Something broke: the host sees SYS_ERR and starts over; from the boot ROM when `reboot`.
    void crash(std::uint64_t life, bool reboot);
    /// The card would like to sleep (M1); the host decides.
    void idle(std::uint64_t life);

    ExecEnv exec_env() const;
    State state() const;

  private:
    struct Notice {
        enum class Kind : std::uint8_t {
            kStarted,
            kChannelStarted,
            kChannelStopped,
            kReceived,
            kReset,
        } kind;
        unsigned channel = 0;
        std::vector<std::byte> message;
    };
    using Lock = std::unique_lock<std::mutex>;

    // All of these need mutex_.
    std::uint32_t status() const;
    std::uint64_t pair(std::uint32_t low) const;
    std::uint32_t read_bhi(std::uint32_t offset) const;
    void write_plain(std::uint32_t offset, std::uint32_t value);
    void control(std::uint32_t value);
    void request_m0();
    void request_suspend();
    void mhi_reset();
    void soc_reset();
    void sys_err(const char* why);
    void power_on();
    void forget_rings();
    void command_doorbell(std::uint64_t wp);
    void run_commands();
    void run_command(const Element& element, std::uint64_t at);
    void channel_doorbell(unsigned channel, std::uint64_t wp);
    void wake();
    bool transfers() const { return state_ == State::kM0 || state_ == State::kM1; }
    void work_and_drain();
    Channels::Deliver deliver();
    void raise_state_interrupt();

    /// Gives the lock back around the copy of the image and around the firmware's judgement.
    void load_boot_image(Lock& lock, std::uint32_t session);
    void dispatch(Lock& lock);

    const qaicemu::Ports ports_;
    Firmware& firmware_;
    const Identity identity_;
    Complaints complaints_;

    mutable std::mutex mutex_;
    std::array<std::uint32_t, kBarBytes / 4> registers_{};  ///< what the host wrote
    ExecEnv environment_ = ExecEnv::kPbl;
    State state_ = State::kReset;
    bool fresh_ready_ = false;  ///< READY was reached and no environment announced since
    std::uint32_t bhi_status_ = 0;
    std::uint64_t life_ = 1;
    EventQueue events_;
    Channels channels_;
    Ring commands_;
    std::deque<Notice> notices_;
};

}  // namespace qaicvcard::mhi
