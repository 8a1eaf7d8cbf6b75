// SPDX-License-Identifier: Apache-2.0
/// Registers, states, and the way to the firmware.
#include "vcard/mhi/endpoint.hpp"

#include <fmt/format.h>

#include <utility>

namespace qaicvcard::mhi {
namespace {

constexpr std::uint32_t kVersion = 0x01000000;
constexpr std::uint32_t kPowerOnConfig = kChannels;  // NCH; the host adds its event rings
constexpr std::uint64_t kQtimerHz = 19'200'000;
constexpr std::uint32_t kEventRings = 1;

bool in_block(std::uint32_t offset, std::uint32_t start, std::uint32_t bytes) {
    return offset >= start && offset - start < bytes;
}

}  // namespace

Endpoint::Endpoint(const qaicemu::Ports& ports, Firmware& firmware, const Log& log,
                   const Identity& identity)
    : ports_(ports),
      firmware_(firmware),
      identity_(identity),
      complaints_(log, "mhi"),
      events_(*ports.memory, *ports.interrupts),
      channels_(*ports.memory, events_, complaints_) {
    power_on();
}

std::uint32_t Endpoint::status() const {
    if (state_ == State::kSysErr) {
        return std::uint32_t{0xff} << 8 | kStatusSysErr;
    }
    const bool ready = state_ != State::kReset;
    return static_cast<std::uint32_t>(state_) << 8 | (ready ? kStatusReady : 0U);
}

std::uint32_t Endpoint::read(std::uint32_t offset) const {
    if (offset % 4 != 0 || offset >= kBarBytes) {
        return 0;
    }
    if (offset == kQtimer || offset == kQtimer + 4) {
        const auto now = static_cast<std::uint64_t>(ports_.clock->now().count());
        const std::uint64_t ticks =
            now / 1'000'000'000 * kQtimerHz + now % 1'000'000'000 * kQtimerHz / 1'000'000'000;
        return static_cast<std::uint32_t>(offset == kQtimer ? ticks : ticks >> 32) & ~1U;
    }
    const Lock lock(mutex_);
    if (in_block(offset, kBhi, kBhiBytes)) {
        return read_bhi(offset);
    }
    switch (offset) {
        case kMhiRegLen:
            return kBarBytes;
        case kMhiVer:
            return kVersion;
        case kChdbOff:
            return kChdb;
        case kErdbOff:
            return kErdb;
        case kBhiOff:
            return kBhi;
        case kBhieOff:
            return kBhie;
        case kMhiStatus:
            return status();
        case kSocHwVersion:
            return identity_.soc_hw_version;
        case kSocReset:
            return 0;
        default:
            break;
    }
    const std::uint32_t value = registers_[offset / 4];
    // The host takes all ones for a card that has gone. It writes them to its limits only.
    return value == ~0U ? 0U : value;
}

std::uint32_t Endpoint::read_bhi(std::uint32_t offset) const {
    if (in_block(offset, kBhiHwId, 4 * 6)) {
        return identity_.hw_id[(offset - kBhiHwId) / 4];
    }
    if (in_block(offset, kBhiOemPkHash, 4 * 16)) {
        return identity_.oem_pk_hash[(offset - kBhiOemPkHash) / 4];
    }
    switch (offset) {
        case kBhiExecEnv:
            return static_cast<std::uint32_t>(environment_);
        case kBhiStatus:
            return bhi_status_;
        case kBhiSerial:
            return identity_.serial;
        case kBhiIntVec:
            return registers_[kBhiIntVec / 4] & 0xff;
        default:
            return 0;
    }
}

/// A 64-bit value whose low half is at `low`; the host writes the high one first.
std::uint64_t Endpoint::pair(std::uint32_t low) const {
    return std::uint64_t{registers_[low / 4 + 1]} << 32 | registers_[low / 4];
}

void Endpoint::write(std::uint32_t offset, std::uint32_t value) {
    if (offset % 4 != 0 || offset >= kBarBytes) {
        complaints_.add(fmt::format("a write to BAR 0 + {:#x}, where no register is", offset));
        return;
    }
    Lock lock(mutex_);
    registers_[offset / 4] = value;
    if (offset == kBhiImageDoorbell) {
        load_boot_image(lock, value & kBhiSession);
    } else if (in_block(offset, kChdb, 8 * kChannels)) {
        if (offset % 8 == 0) {
            channel_doorbell((offset - kChdb) / 8, pair(offset));
        }
    } else if (offset == kErdb) {
        if (events_.running() && !events_.doorbell(pair(offset))) {
            complaints_.add("the event doorbell points outside of the event ring");
        }
        work_and_drain();
    } else {
        write_plain(offset, value);
    }
    dispatch(lock);
}

void Endpoint::write_plain(std::uint32_t offset, std::uint32_t value) {
    switch (offset) {
        case kMhiCtrl:
            control(value);
            break;
        case kCrdb:
            command_doorbell(pair(kCrdb));
            break;
        case kSocReset:
            if ((value & 1) != 0) {
                soc_reset();
            }
            break;
        case kBhiStatus:
            bhi_status_ = 0;
            break;
        default:
            break;
    }
}

void Endpoint::control(std::uint32_t value) {
    if ((value & kCtrlReset) != 0) {
        mhi_reset();
        return;
    }
    if (events_.congested()) {
        sys_err("the host asks for states and does not consume the events");
        return;
    }
    switch (static_cast<State>(value >> 8 & 0xff)) {
        case State::kM0:
            request_m0();
            break;
        case State::kM2:
            if (state_ == State::kM1) {
                state_ = State::kM2;
            }
            break;
        case State::kM3:
            request_suspend();
            break;
        case State::kSysErr:
            sys_err("the host asked for it");
            break;
        default:
            complaints_.add(fmt::format("the host asks for state {:#x}", value >> 8 & 0xff));
            break;
    }
}

void Endpoint::request_m0() {
    if (state_ == State::kM3) {
        state_ = State::kM0;
        events_.post_state(State::kM0);
        work_and_drain();
        return;
    }
    if (state_ != State::kReady) {
        complaints_.add(
            fmt::format("the host asks for M0 in state {:#x}", static_cast<unsigned>(state_)));
        return;
    }
    // The host publishes its first write pointer just before this, so the contexts are read now.
    const char* problem = (registers_[kMhiCfg / 4] >> 16 & 0xff) < kEventRings
                              ? "the host has no event ring"
                              : events_.load(pair(kEcabap));
    if (problem == nullptr) {
        problem = commands_.load(*ports_.memory, pair(kCrcbap));
    }
    if (problem != nullptr) {
        sys_err(problem);
        return;
    }
    state_ = State::kM0;
    events_.post_state(State::kM0);
    if (std::exchange(fresh_ready_, false)) {
        events_.post_exec_env(environment_);
        notices_.push_back({Notice::Kind::kStarted, 0, {}});
    }
    work_and_drain();
}

void Endpoint::request_suspend() {
    if (!transfers() && state_ != State::kM2) {
        complaints_.add(
            fmt::format("the host asks for M3 in state {:#x}", static_cast<unsigned>(state_)));
        return;
    }
    state_ = State::kM3;
    events_.post_state(State::kM3);
    if (!events_.drain()) {
        sys_err("the event ring cannot be written");
    }
}

void Endpoint::mhi_reset() {
    forget_rings();
    registers_[kMhiCtrl / 4] = 0;
    registers_[kBhiIntVec / 4] = 0;
    fresh_ready_ = environment_ != ExecEnv::kPbl;
    state_ = fresh_ready_ ? State::kReady : State::kReset;
    // The host's recovery may sleep until something happens.
    raise_state_interrupt();
}

/// A host that was using the card learns of its reset from SYS_ERR; one that only asked for a card
/// in the boot ROM finds it there.
void Endpoint::soc_reset() {
    const bool in_use = transfers() || state_ == State::kM2 || state_ == State::kM3;
    power_on();
    if (in_use) {
        state_ = State::kSysErr;
        raise_state_interrupt();
    }
}

void Endpoint::sys_err(const char* why) {
    complaints_.add(std::string("system error: ") + why);
    forget_rings();
    state_ = State::kSysErr;
    raise_state_interrupt();
}

void Endpoint::forget_rings() {
    ++life_;
    events_.forget();
    commands_.forget();
    channels_.forget_all();
    notices_.clear();
    notices_.push_back({Notice::Kind::kReset, 0, {}});
}

void Endpoint::power_on() {
    forget_rings();
    registers_.fill(0);
    registers_[kMhiCfg / 4] = kPowerOnConfig;
    environment_ = ExecEnv::kPbl;
    state_ = State::kReset;
    fresh_ready_ = false;
    bhi_status_ = 0;
}

void Endpoint::reset() {
    Lock lock(mutex_);
    complaints_.forget();
    power_on();
    dispatch(lock);
}

void Endpoint::raise_state_interrupt() {
    ports_.interrupts->raise(registers_[kBhiIntVec / 4] & 31);
}

std::uint64_t Endpoint::life() const {
    const Lock lock(mutex_);
    return life_;
}

ExecEnv Endpoint::exec_env() const {
    const Lock lock(mutex_);
    return environment_;
}

State Endpoint::state() const {
    const Lock lock(mutex_);
    return state_;
}

/// The firmware is called without the lock, so that it may answer at once.
void Endpoint::dispatch(Lock& lock) {
    while (!notices_.empty()) {
        Notice notice = std::move(notices_.front());
        notices_.pop_front();
        const ExecEnv environment = environment_;
        lock.unlock();
        switch (notice.kind) {
            case Notice::Kind::kStarted:
                firmware_.started(environment);
                break;
            case Notice::Kind::kChannelStarted:
                firmware_.channel_started(notice.channel);
                break;
            case Notice::Kind::kChannelStopped:
                firmware_.channel_stopped(notice.channel);
                break;
            case Notice::Kind::kReceived:
                firmware_.received(notice.channel, std::move(notice.message));
                break;
            case Notice::Kind::kReset:
                firmware_.reset();
                break;
        }
        lock.lock();
    }
}

}  // namespace qaicvcard::mhi
