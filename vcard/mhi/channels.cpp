// SPDX-License-Identifier: Apache-2.0
#include "vcard/mhi/channels.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace qaicvcard::mhi {
namespace {

constexpr std::uint32_t kConfigWord = 0, kTypeWord = 1;  // of a channel context

bool is_to_device(unsigned channel) {
    return channel % 2 == 0;
}

}  // namespace

bool channel_exists(unsigned channel, ExecEnv environment) {
    // Pairs: Sahara 2, logging 12 and time sync 20 belong to the boot loader.
    constexpr unsigned kPairs = 13;
    const unsigned pair = channel / 2;
    const bool boot = pair == 1 || pair == 6 || pair == 10;
    return pair < kPairs && environment == (boot ? ExecEnv::kSbl : ExecEnv::kAmss);
}

bool Channels::start(unsigned channel, std::uint64_t context) {
    Channel& c = channels_[channel];
    Channel fresh;
    const char* problem = fresh.ring.load(memory_, context);
    if (problem == nullptr &&
        fresh.ring.word(kTypeWord) != (is_to_device(channel) ? kToDevice : kFromDevice)) {
        problem = "its direction is not the channel's";
    }
    if (problem != nullptr || !write_state(fresh, ChannelState::kRunning)) {
        complaints_.add(
            fmt::format("channel {} cannot start: {}", channel,
                        problem != nullptr ? problem : "its context cannot be written"));
        return false;
    }
    fresh.state = ChannelState::kRunning;
    c = std::move(fresh);
    return true;
}

bool Channels::stop(unsigned channel) {
    Channel& c = channels_[channel];
    if (!c.ring.loaded() || !write_state(c, ChannelState::kStopped)) {
        return false;
    }
    c.state = ChannelState::kStopped;
    return true;
}

bool Channels::reset(unsigned channel) {
    Channel& c = channels_[channel];
    // A channel that never ran has no context of ours to write, and nothing to stop.
    const bool written = !c.ring.loaded() || write_state(c, ChannelState::kDisabled);
    c = Channel();
    return written;
}

void Channels::forget_all() {
    channels_.fill(Channel());
}

bool Channels::write_state(const Channel& channel, ChannelState state) {
    const std::uint32_t config =
        (channel.ring.word(kConfigWord) & ~0xffU) | static_cast<std::uint32_t>(state);
    return memory_.write_u32_release(channel.ring.context(), config);
}

void Channels::doorbell(unsigned channel, std::uint64_t wp) {
    Channel& c = channels_[channel];
    if (c.state == ChannelState::kRunning && !c.ring.set_wp(wp)) {
        complaints_.add(
            fmt::format("channel {}: the doorbell points outside of its ring", channel));
    }
}

void Channels::work(const Deliver& deliver) {
    for (unsigned channel = 0; channel < kChannels; ++channel) {
        if (running(channel)) {
            work(channel, deliver);
        }
    }
}

void Channels::work(unsigned channel, const Deliver& deliver) {
    if (!running(channel)) {
        return;
    }
    if (is_to_device(channel)) {
        receive(channel, deliver);
    } else {
        transmit(channel);
    }
}

void Channels::receive(unsigned channel, const Deliver& deliver) {
    while (!events_.congested()) {
        std::vector<std::byte> message;
        if (gather(channel, message) != Gathered::kMessage) {
            return;
        }
        deliver(channel, std::move(message));
    }
}

/// Collects the elements up to the first that is not chained. The host rings after each of them,
/// so a transfer may be there in part only.
bool Channels::find_transfer(unsigned channel, bool& complete) {
    const Ring& ring = channels_[channel].ring;
    transfer_.clear();
    complete = false;
    for (std::uint64_t at = ring.rp(); at != ring.wp() && !complete; at = ring.next(at)) {
        Element element;
        if (!Ring::read(memory_, at, element)) {
            fail(channel, "its ring cannot be read");
            return false;
        }
        if (element.type() != kTransfer || element.length() == 0) {
            fail(channel, "an element is not a transfer");
            return false;
        }
        transfer_.push_back(element);
        complete = !element.chained();
    }
    return true;
}

Channels::Gathered Channels::gather(unsigned channel, std::vector<std::byte>& message) {
    bool complete = false;
    if (!find_transfer(channel, complete)) {
        return Gathered::kFailed;
    }
    if (!complete) {
        return Gathered::kNothing;
    }
    std::size_t bytes = 0;
    for (const Element& element : transfer_) {
        bytes += element.length();
    }
    if (bytes > kMaxMessage) {
        fail(channel, "a transfer is longer than any message");
        return Gathered::kFailed;
    }
    message.resize(bytes);
    std::size_t done = 0;
    for (const Element& element : transfer_) {
        if (!memory_.read(element.pointer, std::span(message).subspan(done, element.length()))) {
            fail(channel, "a buffer is not in the host's memory");
            return Gathered::kFailed;
        }
        done += element.length();
    }
    // Only now: with the event the host takes its buffers back.
    Ring& ring = channels_[channel].ring;
    for (const Element& element : transfer_) {
        if (!element.chained() ? element.event_at_end() : element.event_at_block()) {
            events_.post_transfer(channel, ring.rp(),
                                  element.chained() ? kEndOfBlock : kEndOfTransfer,
                                  element.length());
        }
        ring.set_rp(ring.next(ring.rp()));
    }
    return Gathered::kMessage;
}

void Channels::transmit(unsigned channel) {
    Channel& c = channels_[channel];
    while (!c.outgoing.empty() && !c.ring.empty() && !events_.congested()) {
        Element element;
        if (!Ring::read(memory_, c.ring.rp(), element)) {
            return fail(channel, "its ring cannot be read");
        }
        if (element.type() != kTransfer || element.length() == 0) {
            return fail(channel, "an element is not a transfer");
        }
        const auto rest = std::span<const std::byte>(c.outgoing.front()).subspan(c.sent);
        const auto piece = rest.first(std::min<std::size_t>(rest.size(), element.length()));
        if (!memory_.write(element.pointer, piece)) {
            return fail(channel, "a buffer is not in the host's memory");
        }
        const bool last = piece.size() == rest.size();
        events_.post_transfer(channel, c.ring.rp(), last ? kEndOfTransfer : kOverflow,
                              static_cast<std::uint32_t>(piece.size()));
        c.ring.set_rp(c.ring.next(c.ring.rp()));
        c.sent += piece.size();
        if (last) {
            c.queued -= c.sent;
            c.sent = 0;
            c.outgoing.pop_front();
        }
    }
}

bool Channels::send(unsigned channel, std::span<const std::byte> message) {
    Channel& c = channels_[channel];
    if (c.state != ChannelState::kRunning || message.empty() ||
        message.size() > kMaxQueued - c.queued) {
        return false;
    }
    c.outgoing.emplace_back(message.begin(), message.end());
    c.queued += message.size();
    return true;
}

void Channels::fail(unsigned channel, const char* why) {
    Channel& c = channels_[channel];
    complaints_.add(fmt::format("channel {} stops: {}", channel, why));
    (void)write_state(c, ChannelState::kError);
    c = Channel();
    c.state = ChannelState::kError;
}

}  // namespace qaicvcard::mhi
