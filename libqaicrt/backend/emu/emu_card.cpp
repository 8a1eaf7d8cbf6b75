// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/emu_card.hpp"

#include "libqaicrt/support/sys_error.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <cerrno>
#include <string>

namespace qaicrt::backend::emu {
namespace {

constexpr std::chrono::seconds kClaimTimeout{5};

}  // namespace

std::chrono::nanoseconds EmuCard::SteadyClock::now() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

EmuCard::~EmuCard() {
    if (card_ != nullptr) {
        card_->reset();
    }
}

Result<std::shared_ptr<EmuCard>> EmuCard::create(const EmuOptions& options) {
    std::shared_ptr<EmuCard> self(new EmuCard(options));
    const qaicemu::Ports ports{&self->memory_, &self->interrupts_, &self->clock_};
    QAICRT_TRY(self->card_, qaicemu::Card::create(options.card, ports));
    QAICRT_CHECK(self->exchange_versions());
    return self;
}

Status EmuCard::exchange_versions() {
    WireMessage message(0, kWholeDevice);
    QAICRT_CHECK(message.add_status());
    QAICRT_TRY(const auto bytes, exchange(message));
    QAICRT_TRY(auto reply, WireReply::open(bytes));
    WireTransaction transaction;
    QAICRT_TRY(const bool any, reply.next(transaction));
    aic100_trans_status_from_dev status;
    if (!any || transaction.type != AIC100_TRANS_STATUS_FROM_DEV ||
        !read_struct(transaction.bytes, 0, status)) {
        return sys_error(EPROTO, "the card did not answer the version query");
    }
    if (status.status != 0) {
        return Error{Errc::kDevice, "the card refused the version query", ECANCELED,
                     static_cast<std::int32_t>(status.status)};
    }
    if (status.major != AIC100_NNC_MAJOR || status.minor != AIC100_NNC_MINOR) {
        return Error{Errc::kUnsupported,
                     "the card speaks NNC " + std::to_string(status.major) + "." +
                         std::to_string(status.minor) + " and this library 5.0",
                     EINVAL};
    }
    const bool crc = (status.status_flags & AIC100_NNC_STATUS_FLAG_CRC) != 0;
    if (crc && !reply.crc_matches()) {
        return sys_error(EPIPE, "the checksum of the card's version answer is wrong");
    }
    generate_crc_ = crc;
    verify_replies_ = crc;
    return {};
}

Result<std::vector<std::byte>> EmuCard::exchange(WireMessage& message) {
    const std::uint32_t sequence = next_sequence_++;
    std::vector<std::byte> reply = card_->control(message.seal(sequence, generate_crc_));
    aic100_nnc_msg_hdr header;
    // A reply that nobody waits for is dropped; the one who asked then runs into the time limit.
    if (!read_struct(reply, 0, header) || header.magic != AIC100_NNC_MAGIC ||
        header.sequence != sequence) {
        return sys_error(ETIMEDOUT, "the card did not answer the message; it may need a reset");
    }
    return reply;
}

std::uint32_t EmuCard::take_handle() {
    const std::lock_guard lock(mutex_);
    std::uint32_t handle = 0;
    for (const std::uint32_t used : handles_) {
        if (used != handle) {
            break;
        }
        ++handle;
    }
    handles_.insert(handle);
    return handle;
}

void EmuCard::give_handle(std::uint32_t handle) {
    const std::lock_guard lock(mutex_);
    handles_.erase(handle);
}

Status EmuCard::claim_dbc(unsigned dbc) {
    std::unique_lock lock(mutex_);
    if (!dbc_released_.wait_for(lock, kClaimTimeout, [&] { return !dbc_claimed_[dbc]; })) {
        return sys_error(ETIMEDOUT, "the card gave out channel " + std::to_string(dbc) +
                                        ", which still has an owner");
    }
    dbc_claimed_[dbc] = true;
    return {};
}

void EmuCard::release_dbc(unsigned dbc) {
    {
        const std::lock_guard lock(mutex_);
        dbc_claimed_[dbc] = false;
    }
    dbc_released_.notify_all();
}

}  // namespace qaicrt::backend::emu
