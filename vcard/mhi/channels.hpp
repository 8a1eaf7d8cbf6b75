// SPDX-License-Identifier: Apache-2.0
/// Transfer rings: whole messages to the device and from it.
#pragma once

#include "vcard/log.hpp"
#include "vcard/mhi/event_queue.hpp"
#include "vcard/mhi/ring.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace qaicvcard::mhi {

/// The environment in which the card has a channel; nothing if it has none with this number.
bool channel_exists(unsigned channel, ExecEnv environment);

/// Not thread safe: the endpoint's lock is around every call.
class Channels {
  public:
    /// A message that would be longer is nonsense; Sahara's largest is 512 KiB.
    static constexpr std::size_t kMaxMessage = std::size_t{8} << 20;
    /// What may wait for the host to give it buffers.
    static constexpr std::size_t kMaxQueued = std::size_t{16} << 20;

    using Deliver = std::function<void(unsigned channel, std::vector<std::byte> message)>;

    Channels(qaicemu::HostMemory& memory, EventQueue& events, Complaints& complaints)
        : memory_(memory), events_(events), complaints_(complaints) {}

    /// Host's commands. False: refused, nothing has changed.
    bool start(unsigned channel, std::uint64_t context);
    bool stop(unsigned channel);
    bool reset(unsigned channel);
    bool running(unsigned channel) const {
        return channels_[channel].state == ChannelState::kRunning;
    }
    void forget_all();

    void doorbell(unsigned channel, std::uint64_t wp);
    /// Moves what can move on every channel; `deliver` gets whole messages to the device.
    void work(const Deliver& deliver);
    void work(unsigned channel, const Deliver& deliver);

    /// False when the channel is not running or too much is waiting already.
    bool send(unsigned channel, std::span<const std::byte> message);

  private:
    struct Channel {
        ChannelState state = ChannelState::kDisabled;
        Ring ring;
        std::deque<std::vector<std::byte>> outgoing;
        std::size_t sent = 0;    ///< of the first outgoing message
        std::size_t queued = 0;  ///< bytes of all of them
    };
    enum class Gathered : std::uint8_t { kNothing, kMessage, kFailed };

    void receive(unsigned channel, const Deliver& deliver);
    Gathered gather(unsigned channel, std::vector<std::byte>& message);
    bool find_transfer(unsigned channel, bool& complete);
    void transmit(unsigned channel);
    void fail(unsigned channel, const char* why);
    bool write_state(const Channel& channel, ChannelState state);

    qaicemu::HostMemory& memory_;
    EventQueue& events_;
    Complaints& complaints_;
    std::array<Channel, kChannels> channels_;
    std::vector<Element> transfer_;  ///< elements of the transfer that is being gathered
};

}  // namespace qaicvcard::mhi
