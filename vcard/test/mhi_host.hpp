// SPDX-License-Identifier: Apache-2.0
/// A host for the MHI endpoint: memory, rings, and the order of accesses that Linux uses.
#pragma once

#include "vcard/mhi/endpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace qaicvcard::mhi::test {

using Bytes = std::vector<std::byte>;

inline Bytes text(const std::string& words) {
    const auto bytes = std::as_bytes(std::span(words));
    return {bytes.begin(), bytes.end()};
}

class FlatMemory final : public qaicemu::HostMemory {
  public:
    explicit FlatMemory(std::size_t bytes) : bytes_(bytes) {}
    bool read(std::uint64_t addr, std::span<std::byte> out) override {
        const std::lock_guard lock(mutex_);
        if (gone || addr > bytes_.size() || out.size() > bytes_.size() - addr) {
            return false;
        }
        std::memcpy(out.data(), bytes_.data() + addr, out.size());
        return true;
    }
    bool write(std::uint64_t addr, std::span<const std::byte> in) override {
        const std::lock_guard lock(mutex_);
        if (gone || addr > bytes_.size() || in.size() > bytes_.size() - addr) {
            return false;
        }
        std::memcpy(bytes_.data() + addr, in.data(), in.size());
        return true;
    }
    bool write_u32_release(std::uint64_t addr, std::uint32_t value) override {
        return write(addr, std::as_bytes(std::span(&value, 1)));
    }
    template <class Value>
    void put(std::uint64_t addr, const Value& value) {
        ASSERT_TRUE(write(addr, std::as_bytes(std::span(&value, 1))));
    }
    template <class Value>
    Value get(std::uint64_t addr) {
        Value value{};
        EXPECT_TRUE(read(addr, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }
    bool gone = false;

  private:
    std::mutex mutex_;
    std::vector<std::byte> bytes_;
};

class CountingInterrupts final : public qaicemu::InterruptSink {
  public:
    void raise(unsigned vector) override {
        const std::lock_guard lock(mutex_);
        ++counts_[vector];
    }
    int taken(unsigned vector = 0) {
        const std::lock_guard lock(mutex_);
        return std::exchange(counts_[vector], 0);
    }

  private:
    std::mutex mutex_;
    std::map<unsigned, int> counts_;
};

class FixedClock final : public qaicemu::Clock {
  public:
    std::chrono::nanoseconds now() override { return time; }
    std::chrono::nanoseconds time{std::chrono::seconds(10)};
};

/// Firmware that writes down what happens; `on_message` may answer.
class RecordingFirmware final : public Firmware {
  public:
    bool accept_boot_image(std::span<const std::byte> image) override {
        image_.assign(image.begin(), image.end());
        return accept;
    }
    void started(ExecEnv environment) override {
        say("started " + std::to_string(static_cast<int>(environment)));
    }
    void channel_started(unsigned channel) override { say("+" + std::to_string(channel)); }
    void channel_stopped(unsigned channel) override { say("-" + std::to_string(channel)); }
    void received(unsigned channel, std::vector<std::byte> message) override {
        say("msg " + std::to_string(channel) + " " + std::to_string(message.size()));
        messages.push_back(std::move(message));
        if (on_message) {
            on_message(channel);
        }
    }
    void reset() override { say("reset"); }
    std::string taken() { return std::exchange(said_, {}); }

    bool accept = true;
    Bytes image_;
    std::vector<Bytes> messages;
    std::function<void(unsigned)> on_message;

  private:
    void say(const std::string& words) { said_ += (said_.empty() ? "" : ", ") + words; }
    std::string said_;
};

/// Addresses of the host's structures; every ring has 32 elements, as with Linux.
inline constexpr std::uint64_t kChannelContexts = 0x10000, kEventContexts = 0x12000,
                               kCommandContexts = 0x12100, kEventRing = 0x13000,
                               kCommandRing = 0x14000, kTransferRings = 0x20000,
                               kBuffers = 0x100000, kBootImage = 0x40000;
inline constexpr std::uint64_t kRingBytes = 32 * kElementBytes;

class HostTest : public ::testing::Test {
  protected:
    std::uint32_t read(std::uint32_t offset) { return endpoint.read(offset); }
    void write(std::uint32_t offset, std::uint32_t value) { endpoint.write(offset, value); }
    void write_pair(std::uint32_t low, std::uint64_t value) {
        write(low + 4, static_cast<std::uint32_t>(value >> 32));
        write(low, static_cast<std::uint32_t>(value));
    }
    void put_context(std::uint64_t at, std::array<std::uint32_t, 3> words, std::uint64_t base,
                     std::uint64_t bytes = kRingBytes) {
        memory.put(at, words);
        memory.put(at + 12, base);
        memory.put(at + 20, bytes);
        memory.put(at + 28, base);
        memory.put(at + 36, base);
    }

    void download(std::uint32_t bytes = 0x1000) {
        write(kBhiStatus, 0);
        write(kBhiImageHigh, 0);
        write(kBhiImageLow, kBootImage);
        write(kBhiImageSize, bytes);
        write(kBhiImageDoorbell, 0x2c3005);
    }
    /// What Linux does between READY and M0.
    void make_ready() {
        write_pair(kCcabap, kChannelContexts);
        write_pair(kEcabap, kEventContexts);
        write_pair(kCrcbap, kCommandContexts);
        write(kMhiCfg, read(kMhiCfg) | 1 << 16);
        put_context(kEventContexts, {0, 1, 0}, kEventRing);
        put_context(kCommandContexts, {0, 0, 0}, kCommandRing);
        event_rp_ = kEventRing;
        command_wp_ = kCommandRing;
        give_events(kEventRing + kRingBytes - kElementBytes);
    }
    void request(State state) { write(kMhiCtrl, static_cast<std::uint32_t>(state) << 8); }
    void boot_to_sbl() {
        download();
        make_ready();
        request(State::kM0);
        (void)events();
        (void)firmware.taken();
        (void)interrupts.taken();
    }
    void boot_to_amss() {
        boot_to_sbl();
        endpoint.enter(endpoint.life(), ExecEnv::kAmss);
        write(kChdb + 8 * kWakeDoorbell, 0);
        (void)events();
        (void)firmware.taken();
        (void)interrupts.taken();
    }

    void give_events(std::uint64_t wp) {
        memory.put(kEventContexts + 36, wp);
        write_pair(kErdb, wp);
    }
    /// Consumes all events in words: "M0", "EE 1", "cmd 18000 ok", "ch 2 @20000 EOT 48".
    std::vector<std::string> events(bool give_back = true) {
        std::vector<std::string> out;
        const auto rp = memory.get<std::uint64_t>(kEventContexts + 28);
        auto wp = memory.get<std::uint64_t>(kEventContexts + 36);
        while (event_rp_ != rp) {
            out.push_back(words(memory.get<Element>(event_rp_)));
            event_rp_ = next(event_rp_, kEventRing);
            wp = next(wp, kEventRing);
        }
        if (give_back && !out.empty()) {
            give_events(wp);
        }
        return out;
    }
    static std::uint64_t next(std::uint64_t at, std::uint64_t base) {
        return at + kElementBytes == base + kRingBytes ? base : at + kElementBytes;
    }
    static std::string words(const Element& e) {
        const unsigned code = e.word0 >> 24;
        const std::string number = std::to_string(code);
        switch (e.type()) {
            case kStateEvent:
                return "state " + number;
            case kExecEnvEvent:
                return "EE " + number;
            case kCommandEvent:
                return "cmd " + std::to_string((e.pointer - kCommandRing) / 16) +
                       (code == kSuccess ? " ok" : " failed");
            case kTransferEvent:
                return "ch " + std::to_string(e.channel()) + " #" +
                       std::to_string((e.pointer - ring_of(e.channel())) / 16) + " " +
                       (code == kEndOfTransfer ? "EOT"
                        : code == kOverflow    ? "OVERFLOW"
                                               : "EOB") +
                       " " + std::to_string(e.length());
            default:
                return "?";
        }
    }

    static std::uint64_t ring_of(unsigned channel) { return kTransferRings + channel * 0x1000ULL; }

    void command(ElementType type, unsigned channel, bool ring_doorbell = true) {
        memory.put(command_wp_, Element{0, 0, channel << 24 | std::uint32_t{type} << 16});
        command_wp_ = next(command_wp_, kCommandRing);
        if (ring_doorbell) {
            write_pair(kCrdb, command_wp_);
        }
    }
    void start(unsigned channel) {
        put_context(kChannelContexts + kContextBytes * channel,
                    {0x201, channel % 2 == 0 ? kToDevice : kFromDevice, 0}, ring_of(channel));
        transfer_wp_[channel] = ring_of(channel);
        command(kStartChannel, channel);
    }
    /// Queues one element and rings, as Linux does after each.
    void queue(unsigned channel, std::uint64_t buffer, std::uint32_t bytes,
               std::uint32_t flags = 0x200, bool ring_doorbell = true) {
        std::uint64_t& wp = transfer_wp_[channel];
        memory.put(wp, Element{buffer, bytes, std::uint32_t{kTransfer} << 16 | flags});
        wp = next(wp, ring_of(channel));
        if (ring_doorbell) {
            ring(channel);
        }
    }
    void ring(unsigned channel) { write_pair(kChdb + 8 * channel, transfer_wp_[channel]); }
    std::uint8_t context_state(unsigned channel) {
        return memory.get<std::uint8_t>(kChannelContexts + kContextBytes * channel);
    }

    FlatMemory memory{4U << 20};
    CountingInterrupts interrupts;
    FixedClock clock;
    RecordingFirmware firmware;
    std::vector<std::string> lines;
    Log log = [this](LogLevel, const std::string& line) { lines.push_back(line); };
    Endpoint endpoint{{&memory, &interrupts, &clock}, firmware, log};
    using Words = std::vector<std::string>;

  private:
    std::uint64_t event_rp_ = 0, command_wp_ = 0;
    std::map<unsigned, std::uint64_t> transfer_wp_;
};

}  // namespace qaicvcard::mhi::test
