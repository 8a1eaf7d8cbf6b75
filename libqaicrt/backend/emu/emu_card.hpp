// SPDX-License-Identifier: Apache-2.0
/// One emulated card in this process, and what a kernel driver keeps once per card: sequence
/// numbers, user handles, who owns which DBC.
#pragma once

#include "emu/card.hpp"
#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/bus_memory.hpp"
#include "libqaicrt/backend/emu/dbc_signal.hpp"
#include "libqaicrt/backend/emu/wire.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace qaicrt::backend::emu {

struct EmuOptions {
    qaicemu::CardConfig card;
    unsigned index = 0;  ///< "emu:<index>"
    /// Largest piece of a BO on the bus: the largest block of pages that the kernel asks for.
    /// Smaller values make slices of several requests.
    std::uint64_t bo_segment_bytes = std::uint64_t{4} << 20;
    /// Largest piece of a DMA transfer: small values make transfers that need several messages.
    std::uint64_t transfer_segment_bytes = std::uint64_t{64} << 10;
};

/// The card and its door to the control channel; shared by all its users. Thread safe.
class EmuCard {
  public:
    /// Makes the card and exchanges versions with it, as a driver does when the card has booted.
    static Result<std::shared_ptr<EmuCard>> create(const EmuOptions& options);
    ~EmuCard();
    EmuCard(const EmuCard&) = delete;
    EmuCard& operator=(const EmuCard&) = delete;

    /// Sends one message and returns its reply; ETIMEDOUT when none comes that fits.
    Result<std::vector<std::byte>> exchange(WireMessage& message);

    /// Smallest free user handle, from 0.
    std::uint32_t take_handle();
    void give_handle(std::uint32_t handle);

    /// Waits until the host's own record of the DBC is free, then takes it: the card may hand a
    /// channel out again before the last user's thread has read its deactivation. ETIMEDOUT after 5
    /// s.
    Status claim_dbc(unsigned dbc);
    void release_dbc(unsigned dbc);

    qaicemu::Card& card() noexcept { return *card_; }
    BusMemory& memory() noexcept { return memory_; }
    MsiRouter& interrupts() noexcept { return interrupts_; }
    const EmuOptions& options() const noexcept { return options_; }
    bool verify_replies() const noexcept { return verify_replies_; }
    std::uint16_t next_request_id(unsigned dbc) noexcept { return request_ids_[dbc]++; }

  private:
    class SteadyClock final : public qaicemu::Clock {
      public:
        std::chrono::nanoseconds now() override;
    };

    explicit EmuCard(const EmuOptions& options) : options_(options) {}
    Status exchange_versions();

    const EmuOptions options_;
    BusMemory memory_;
    MsiRouter interrupts_;
    SteadyClock clock_;
    std::unique_ptr<qaicemu::Card> card_;  // after its ports: dies first

    std::mutex mutex_;  // handles, DBC records
    std::condition_variable dbc_released_;
    std::set<std::uint32_t> handles_;
    std::array<bool, AIC100_DBC_COUNT> dbc_claimed_{};
    std::atomic<std::uint32_t> next_sequence_{0};
    std::atomic<bool> generate_crc_{true}, verify_replies_{false};
    std::array<std::atomic<std::uint16_t>, AIC100_DBC_COUNT> request_ids_{};
};

/// A card that starts at the first open.
std::shared_ptr<CardHandle> make_card_handle(const EmuOptions& options);

}  // namespace qaicrt::backend::emu
