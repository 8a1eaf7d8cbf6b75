// SPDX-License-Identifier: Apache-2.0
/// Commands, transfers and events.
#include "vcard/test/mhi_host.hpp"

#include <numeric>

namespace qaicvcard::mhi::test {
namespace {

class ChannelsTest : public HostTest {
  protected:
    void SetUp() override {
        boot_to_amss();
        start(22);
        start(23);
        (void)events();
        (void)firmware.taken();
        (void)interrupts.taken();
    }
    bool send(unsigned channel, const std::string& words) {
        return endpoint.send(endpoint.life(), channel, text(words));
    }
};

TEST_F(ChannelsTest, a_message_to_the_device) {
    ASSERT_TRUE(memory.write(kBuffers, text("hello")));
    queue(22, kBuffers, 5);
    EXPECT_EQ(events(), (Words{"ch 22 #0 EOT 5"}));
    EXPECT_EQ(interrupts.taken(), 1);
    ASSERT_EQ(firmware.messages.size(), 1U);
    EXPECT_EQ(firmware.messages[0], text("hello"));
    ring(22);
    EXPECT_TRUE(events().empty()) << "the same doorbell again means nothing to do";
}

TEST_F(ChannelsTest, a_chained_message_arrives_whole_though_its_doorbells_come_one_by_one) {
    Bytes all(3 * 1000);
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = static_cast<std::byte>(i * 13);
    }
    ASSERT_TRUE(memory.write(kBuffers, all));
    queue(22, kBuffers, 1000, 0x001);
    queue(22, kBuffers + 1000, 1000, 0x101);  // wants an event of its own
    EXPECT_TRUE(events().empty());
    EXPECT_TRUE(firmware.messages.empty());
    queue(22, kBuffers + 2000, 1000);
    EXPECT_EQ(events(), (Words{"ch 22 #1 EOB 1000", "ch 22 #2 EOT 1000"}));
    ASSERT_EQ(firmware.messages.size(), 1U);
    EXPECT_EQ(firmware.messages[0], all);
}

TEST_F(ChannelsTest, transfers_wrap_around_the_ring) {
    for (int i = 0; i < 100; ++i) {
        const std::string words = "message " + std::to_string(i);
        ASSERT_TRUE(memory.write(kBuffers, text(words)));
        queue(22, kBuffers, 4, 0x001);
        queue(22, kBuffers + 4, static_cast<std::uint32_t>(words.size() - 4));
        ASSERT_EQ(events().size(), 1U);
        ASSERT_EQ(firmware.messages.back(), text(words));
    }
}

TEST_F(ChannelsTest, messages_from_the_device_wait_for_buffers) {
    ASSERT_TRUE(send(23, "one"));
    ASSERT_TRUE(send(23, "two"));
    EXPECT_TRUE(events().empty());
    queue(23, kBuffers, 64);
    EXPECT_EQ(events(), (Words{"ch 23 #0 EOT 3"}));
    queue(23, kBuffers + 64, 64);
    EXPECT_EQ(events(), (Words{"ch 23 #1 EOT 3"}));
    Bytes got(3);
    ASSERT_TRUE(memory.read(kBuffers + 64, got));
    EXPECT_EQ(got, text("two"));
}

TEST_F(ChannelsTest, a_message_longer_than_its_buffer_overflows_into_the_next) {
    queue(23, kBuffers, 4);
    queue(23, kBuffers + 64, 4);
    ASSERT_TRUE(send(23, "abcdefgh!"));
    EXPECT_EQ(events(), (Words{"ch 23 #0 OVERFLOW 4", "ch 23 #1 OVERFLOW 4"}));
    queue(23, kBuffers + 128, 4);
    EXPECT_EQ(events(), (Words{"ch 23 #2 EOT 1"}));
}

TEST_F(ChannelsTest, the_firmware_may_answer_from_inside_a_message) {
    queue(23, kBuffers, 64);
    firmware.on_message = [this](unsigned) { EXPECT_TRUE(send(23, "answer")); };
    queue(22, kBuffers + 64, 8);
    EXPECT_EQ(events(), (Words{"ch 22 #0 EOT 8", "ch 23 #0 EOT 6"}));
}

TEST_F(ChannelsTest, commands_complete_in_order_and_wrap) {
    for (int i = 0; i < 70; ++i) {
        command(i % 7 == 6 ? kStartChannel : kNoop, 200);
        const auto seen = events();
        ASSERT_EQ(seen.size(), 1U);
        // 2 commands were given before.
        EXPECT_EQ(seen[0],
                  "cmd " + std::to_string((i + 2) % 32) + (i % 7 == 6 ? " failed" : " ok"));
    }
}

TEST_F(ChannelsTest, several_commands_with_one_doorbell) {
    command(kResetChannel, 23, false);
    command(kResetChannel, 22, false);
    command(kNoop, 0);
    EXPECT_EQ(events(), (Words{"cmd 2 ok", "cmd 3 ok", "cmd 4 ok"}));
    EXPECT_EQ(interrupts.taken(), 1);
    EXPECT_EQ(context_state(22), 0U);
    EXPECT_EQ(firmware.taken(), "-23, -22");
    EXPECT_FALSE(send(23, "gone"));
    queue(22, kBuffers, 8);
    EXPECT_TRUE(events().empty()) << "a doorbell of a channel that does not run is ignored";
}

TEST_F(ChannelsTest, a_channel_starts_again_with_another_ring) {
    ASSERT_TRUE(send(23, "never delivered"));
    command(kResetChannel, 23);
    start(23);
    queue(23, kBuffers, 64);
    EXPECT_EQ(events(), (Words{"cmd 2 ok", "cmd 3 ok"})) << "what was queued before is gone";
    ASSERT_TRUE(send(23, "new"));
    EXPECT_EQ(events(), (Words{"ch 23 #0 EOT 3"}));
}

TEST_F(ChannelsTest, a_stopped_channel_keeps_its_ring) {
    command(kStopChannel, 22);
    EXPECT_EQ(events(), (Words{"cmd 2 ok"}));
    EXPECT_EQ(context_state(22), 4U);
    queue(22, kBuffers, 8);
    EXPECT_TRUE(events().empty());
}

TEST_F(ChannelsTest, channels_of_another_environment_do_not_start) {
    for (const unsigned channel : {2U, 3U, 12U, 13U, 20U, 21U, 26U, 126U}) {
        start(channel);
        EXPECT_EQ(events().front().substr(7), "ailed") << channel;
    }
    for (const unsigned channel : {0U, 1U, 10U, 11U, 14U, 25U}) {
        start(channel);
        const auto seen = events();
        EXPECT_EQ(seen.front().substr(seen.front().size() - 2), "ok") << channel;
    }
}

TEST_F(ChannelsTest, channel_contexts_that_make_no_sense) {
    const std::uint64_t context = kChannelContexts + kContextBytes * 10;
    const auto spoiled = [&](std::uint64_t at, auto value) {
        put_context(context, {0x201, kToDevice, 0}, ring_of(10));
        memory.put(context + at, value);
        command(kStartChannel, 10);
        const auto seen = events();
        return seen.size() == 1 && seen[0].ends_with("failed");
    };
    EXPECT_TRUE(spoiled(4, kFromDevice)) << "direction";
    EXPECT_TRUE(spoiled(12, std::uint64_t{3}));
    EXPECT_TRUE(spoiled(20, ~std::uint64_t{0}));
    EXPECT_TRUE(spoiled(28, std::uint64_t{8}));
    EXPECT_TRUE(spoiled(36, ring_of(10) + kRingBytes));
    EXPECT_FALSE(spoiled(0, std::uint32_t{0x201})) << "nothing wrong with this one";
}

TEST_F(ChannelsTest, a_broken_element_stops_its_channel_and_no_other) {
    queue(22, 0xffff'ffff'0000, 8);
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(context_state(22), 5U) << "error";
    ASSERT_TRUE(send(23, "still here"));
    queue(23, kBuffers, 64);
    EXPECT_EQ(events(), (Words{"ch 23 #0 EOT 10"}));
    EXPECT_EQ(lines.size(), 1U);
    command(kResetChannel, 22);
    start(22);
    queue(22, kBuffers, 8, 0x200);
    EXPECT_EQ(events().back(), "ch 22 #0 EOT 8") << "and starts again";
    memory.put(ring_of(22) + 16, Element{kBuffers, 0, 0x20200});  // no length
    write_pair(kChdb + 8 * 22, ring_of(22) + 32);
    EXPECT_EQ(context_state(22), 5U);
    write_pair(kChdb + 8 * 23, 0x1234);
    EXPECT_EQ(lines.size(), 3U) << "a doorbell outside of the ring is only told";
}

TEST_F(ChannelsTest, a_full_event_ring_loses_nothing) {
    // 31 elements belong to the device; more than that are completed with one doorbell each.
    for (int i = 0; i < 31; ++i) {
        queue(22, kBuffers, 1);
    }
    for (int i = 0; i < 31; ++i) {
        queue(23, kBuffers, 16);
    }
    for (int i = 0; i < 31; ++i) {
        ASSERT_TRUE(send(23, "x"));
    }
    Words all;
    for (int batch = 0; batch < 10; ++batch) {
        const auto some = events();
        all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all.size(), 62U);
    EXPECT_EQ(std::count_if(all.begin(), all.end(),
                            [](const std::string& e) { return e.starts_with("ch 22"); }),
              31);
    EXPECT_EQ(all.back(), "ch 23 #30 EOT 1");
}

TEST_F(ChannelsTest, a_host_that_never_reads_events_is_held_not_served_for_ever) {
    for (int i = 0; i < 5000; ++i) {
        command(kNoop, 0);
    }
    // The command ring was overrun many times; whatever that host gets, it gets bounded memory.
    std::size_t seen = 0;
    for (int batch = 0; batch < 500; ++batch) {
        seen += events().size();
    }
    EXPECT_GE(seen, EventQueue::kMostWaiting);
    EXPECT_LE(seen, EventQueue::kMostWaiting + 200);
}

TEST_F(ChannelsTest, too_much_in_the_queue_is_refused) {
    const Bytes large(4U << 20);
    int accepted = 0;
    while (accepted < 100 && endpoint.send(endpoint.life(), 23, large)) {
        ++accepted;
    }
    EXPECT_EQ(accepted, 4) << "16 MiB";
    EXPECT_FALSE(endpoint.send(endpoint.life(), 23, {})) << "an empty message is none";
}

TEST_F(ChannelsTest, messages_of_an_older_life_are_dropped) {
    const std::uint64_t life = endpoint.life();
    write(kMhiCtrl, kCtrlReset);
    make_ready();
    request(State::kM0);
    start(23);
    queue(23, kBuffers, 64);
    (void)events();
    EXPECT_FALSE(endpoint.send(life, 23, text("stale")));
    endpoint.crash(life, true);
    endpoint.enter(life, ExecEnv::kPbl);
    EXPECT_EQ(read(kMhiStatus), 0x201U);
    EXPECT_TRUE(send(23, "fresh"));
}

}  // namespace
}  // namespace qaicvcard::mhi::test
