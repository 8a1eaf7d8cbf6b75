// SPDX-License-Identifier: Apache-2.0
/// Boot image, commands, doorbells, and what the card's software says.
#include "vcard/mhi/endpoint.hpp"

#include <fmt/format.h>

#include <utility>

namespace qaicvcard::mhi {

/// The whole image is copied before the status changes: the host frees it as soon as it sees that.
void Endpoint::load_boot_image(Lock& lock, std::uint32_t session) {
    const std::uint32_t bytes = registers_[kBhiImageSize / 4];
    if (environment_ != ExecEnv::kPbl) {
        complaints_.add("a boot image arrives outside of the boot ROM");
        return;
    }
    const char* problem = nullptr;
    std::vector<std::byte> image;
    if (bytes == 0 || bytes > kMaxBootImage) {
        problem = "its size makes no sense";
    } else {
        image.resize(bytes);
        if (!ports_.memory->read(pair(kBhiImageLow), image)) {
            problem = "it is not in the host's memory";
        }
    }
    if (problem == nullptr) {
        const std::uint64_t life = life_;
        lock.unlock();
        const bool accepted = firmware_.accept_boot_image(image);
        lock.lock();
        if (life != life_) {
            return;
        }
        problem = accepted ? nullptr : "it is not the one that was expected";
    }
    if (problem != nullptr) {
        complaints_.add(std::string("the boot image is refused: ") + problem);
        bhi_status_ = kBhiError | session;
    } else {
        bhi_status_ = kBhiSuccess | session;
        environment_ = ExecEnv::kSbl;
        state_ = State::kReady;
        fresh_ready_ = true;
    }
    raise_state_interrupt();
}

void Endpoint::command_doorbell(std::uint64_t wp) {
    if (!commands_.loaded()) {
        return;
    }
    if (!commands_.set_wp(wp)) {
        complaints_.add("the command doorbell points outside of the command ring");
        return;
    }
    wake();
    work_and_drain();
}

void Endpoint::run_commands() {
    while (commands_.loaded() && !commands_.empty() && !events_.congested()) {
        Element element;
        const std::uint64_t at = commands_.rp();
        if (!Ring::read(*ports_.memory, at, element)) {
            sys_err("the command ring cannot be read");
            return;
        }
        commands_.set_rp(commands_.next(at));
        run_command(element, at);
    }
}

void Endpoint::run_command(const Element& element, std::uint64_t at) {
    const unsigned channel = element.channel();
    const bool exists = channel < kWakeDoorbell && channel_exists(channel, environment_);
    bool done = false;
    switch (element.type()) {
        case kNoop:
            done = true;
            break;
        case kStartChannel:
            done = exists && channels_.start(channel, pair(kCcabap) + kContextBytes * channel);
            if (done) {
                notices_.push_back({Notice::Kind::kChannelStarted, channel, {}});
            }
            break;
        case kStopChannel:
            done = exists && channels_.stop(channel);
            break;
        case kResetChannel:
            done = exists && channels_.reset(channel);
            if (done) {
                notices_.push_back({Notice::Kind::kChannelStopped, channel, {}});
            }
            break;
        default:
            complaints_.add(fmt::format("a command of type {:#x}", element.type()));
            break;
    }
    events_.post_command(at, done ? kSuccess : kUndefined);
}

void Endpoint::channel_doorbell(unsigned channel, std::uint64_t wp) {
    if (channel == kWakeDoorbell) {
        if (wp != 0) {
            wake();
            work_and_drain();
        }
        return;
    }
    wake();
    channels_.doorbell(channel, wp);
    work_and_drain();
}

/// A doorbell ends the card's sleep.
void Endpoint::wake() {
    if (state_ == State::kM2 || state_ == State::kM1) {
        state_ = State::kM0;
        events_.post_state(State::kM0);
    }
}

Channels::Deliver Endpoint::deliver() {
    return [this](unsigned channel, std::vector<std::byte> message) {
        notices_.push_back({Notice::Kind::kReceived, channel, std::move(message)});
    };
}

/// Everything that can move. What had to wait for room in the event ring goes on as soon as there
/// is some.
void Endpoint::work_and_drain() {
    bool held = true;
    while (held && transfers()) {
        if (!events_.drain()) {
            sys_err("the event ring cannot be written");
            return;
        }
        run_commands();
        if (!transfers()) {
            return;  // a system error meanwhile
        }
        channels_.work(deliver());
        held = events_.congested();
        if (!events_.drain()) {
            sys_err("the event ring cannot be written");
            return;
        }
        held = held && !events_.congested();
    }
}

bool Endpoint::send(std::uint64_t life, unsigned channel, std::span<const std::byte> message) {
    const Lock lock(mutex_);
    if (life != life_ || channel >= kWakeDoorbell || !channels_.send(channel, message)) {
        return false;
    }
    wake();
    if (transfers()) {
        channels_.work(channel, deliver());
        if (!events_.drain()) {
            sys_err("the event ring cannot be written");
        }
    }
    return true;
}

void Endpoint::enter(std::uint64_t life, ExecEnv environment) {
    const Lock lock(mutex_);
    if (life != life_ || !transfers()) {
        return;
    }
    // The host sends no reset for the channels of the old environment. The register changes before
    // the event: a host that reads the old one after it gives the card up.
    channels_.forget_all();
    environment_ = environment;
    events_.post_exec_env(environment);
    notices_.push_back({Notice::Kind::kStarted, 0, {}});
    if (!events_.drain()) {
        sys_err("the event ring cannot be written");
    }
}

void Endpoint::crash(std::uint64_t life, bool reboot) {
    const Lock lock(mutex_);
    if (life != life_) {
        return;
    }
    if (reboot) {
        environment_ = ExecEnv::kPbl;
    }
    sys_err("the card's software failed");
}

void Endpoint::idle(std::uint64_t life) {
    const Lock lock(mutex_);
    if (life != life_ || state_ != State::kM0) {
        return;
    }
    state_ = State::kM1;
    events_.post_state(State::kM1);
    if (!events_.drain()) {
        sys_err("the event ring cannot be written");
    }
}

}  // namespace qaicvcard::mhi
