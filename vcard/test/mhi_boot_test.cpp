// SPDX-License-Identifier: Apache-2.0
/// From power-on to mission mode, and back by every kind of reset.
#include "vcard/test/mhi_host.hpp"

namespace qaicvcard::mhi::test {
namespace {

using BootTest = HostTest;

TEST_F(BootTest, at_power_on_the_boot_rom_waits) {
    EXPECT_EQ(read(kBhiOff), kBhi);
    EXPECT_EQ(read(kBhiExecEnv), 0U);
    EXPECT_EQ(read(kMhiStatus), 0U) << "a stale READY would make the host go on too early";
    EXPECT_EQ(read(kMhiCtrl), 0U);
    EXPECT_LT(read(kChdbOff), 0xc08U);
    EXPECT_LT(read(kErdbOff), 0xff8U);
    for (std::uint32_t offset = 0; offset < kBarBytes; offset += 4) {
        EXPECT_NE(read(offset), ~0U) << offset;
    }
}

TEST_F(BootTest, the_host_boots_the_card_as_linux_does) {
    const Bytes image = text(std::string(0x1000, 'S'));
    ASSERT_TRUE(memory.write(kBootImage, image));
    download();
    EXPECT_EQ(firmware.image_, image);
    EXPECT_EQ(read(kBhiStatus), 0x802c3005U) << "success, with the host's session";
    EXPECT_EQ(interrupts.taken(), 1);
    EXPECT_EQ(read(kMhiStatus), 0x101U);
    EXPECT_EQ(read(kBhiExecEnv), 1U);
    EXPECT_EQ(read(kMhiCfg), 0x80U);
    make_ready();
    EXPECT_EQ(read(kMhiCfg), 0x10080U);
    request(State::kM0);
    EXPECT_EQ(read(kMhiStatus), 0x201U);
    EXPECT_EQ(read(kMhiCtrl), 0x200U) << "reads back";
    EXPECT_EQ(interrupts.taken(), 1) << "one interrupt for both events";
    EXPECT_EQ(events(), (Words{"state 2", "EE 1"}));
    EXPECT_EQ(firmware.taken(), "reset, started 1");

    start(2);
    start(3);
    EXPECT_EQ(events(), (Words{"cmd 0 ok", "cmd 1 ok"}));
    EXPECT_EQ(context_state(2), 2U) << "running";
    EXPECT_EQ(firmware.taken(), "+2, +3");
    endpoint.enter(endpoint.life(), ExecEnv::kAmss);
    EXPECT_EQ(read(kBhiExecEnv), 2U);
    EXPECT_EQ(events(), (Words{"EE 2"})) << "no second M0";
    EXPECT_EQ(firmware.taken(), "started 2");
    EXPECT_FALSE(endpoint.send(endpoint.life(), 3, text("late"))) << "the loader's channels go";
    start(10);
    start(11);
    EXPECT_EQ(events(), (Words{"cmd 2 ok", "cmd 3 ok"})) << "the command ring stays in use";
}

TEST_F(BootTest, images_that_cannot_be_are_refused) {
    const std::uint32_t error = 0xc02c3005;
    for (const std::uint32_t bytes : {0U, Endpoint::kMaxBootImage + 1, ~0U, 8U << 20}) {
        download(bytes);
        EXPECT_EQ(read(kBhiStatus), error) << bytes;
        EXPECT_EQ(read(kBhiExecEnv), 0U);
        EXPECT_EQ(interrupts.taken(), 1);
    }
    firmware.accept = false;
    download();
    EXPECT_EQ(read(kBhiStatus), error);
    EXPECT_EQ(read(kMhiStatus), 0U);
    firmware.accept = true;
    download();
    EXPECT_EQ(read(kMhiStatus), 0x101U) << "after all that a good one boots";
    download();
    EXPECT_EQ(read(kBhiExecEnv), 1U) << "the loader takes no boot image";
    EXPECT_FALSE(lines.empty());
}

TEST_F(BootTest, unload_and_load_again_in_mission_mode) {
    boot_to_amss();
    start(22);
    (void)events();
    write(kMhiCtrl, 0x202);
    EXPECT_EQ(read(kMhiCtrl), 0U) << "cleared at once";
    EXPECT_EQ(read(kMhiStatus), 0x101U) << "READY again, or the host complains";
    EXPECT_EQ(read(kBhiExecEnv), 2U);
    EXPECT_EQ(firmware.taken(), "+22, reset");
    make_ready();
    request(State::kM0);
    EXPECT_EQ(events(), (Words{"state 2", "EE 2"}));
    EXPECT_EQ(firmware.taken(), "started 2");
}

TEST_F(BootTest, a_reset_in_the_boot_rom_stays_there) {
    write(kMhiCtrl, kCtrlReset);
    EXPECT_EQ(read(kMhiStatus), 0U);
    download();
    EXPECT_EQ(read(kMhiStatus), 0x101U);
}

TEST_F(BootTest, a_crash_is_seen_as_sys_err_until_the_host_resets) {
    boot_to_amss();
    const std::uint64_t life = endpoint.life();
    endpoint.crash(life, false);
    EXPECT_EQ(read(kMhiStatus), 0xff04U);
    EXPECT_EQ(read(kBhiExecEnv), 2U);
    EXPECT_EQ(interrupts.taken(), 1);
    EXPECT_TRUE(events().empty()) << "register and interrupt only";
    EXPECT_FALSE(endpoint.send(life, 23, text("of the old life")));
    request(State::kM0);
    EXPECT_EQ(read(kMhiStatus), 0xff04U) << "not without a reset";
    write(kMhiCtrl, kCtrlReset);
    EXPECT_EQ(read(kMhiStatus), 0x101U);

    boot_to_sbl();  // refused parts of it do no harm
    endpoint.reset();
    boot_to_amss();
    endpoint.crash(endpoint.life(), true);
    EXPECT_EQ(read(kBhiExecEnv), 0U);
    write(kMhiCtrl, kCtrlReset);
    EXPECT_EQ(read(kMhiStatus), 0U) << "the boot ROM waits for an image";
}

TEST_F(BootTest, a_soc_reset_ends_in_the_boot_rom) {
    boot_to_amss();
    write(kSocReset, 1);
    EXPECT_EQ(read(kBhiExecEnv), 0U);
    EXPECT_EQ(read(kMhiStatus), 0xff04U) << "a host that uses the card has to be told";
    EXPECT_EQ(interrupts.taken(), 1);
    EXPECT_EQ(read(kSocReset), 0U);
    write(kMhiCtrl, kCtrlReset);
    EXPECT_EQ(read(kMhiStatus), 0U);
    download();
    write(kSocReset, 1);  // found in the loader, not in use
    EXPECT_EQ(read(kBhiExecEnv), 0U);
    EXPECT_EQ(read(kMhiStatus), 0U);
}

TEST_F(BootTest, suspend_and_resume) {
    boot_to_amss();
    start(23);
    (void)events();
    request(State::kM3);
    EXPECT_EQ(read(kMhiStatus), 0x501U);
    EXPECT_EQ(events(false), (Words{"state 5"}));
    queue(23, kBuffers, 64);
    EXPECT_TRUE(endpoint.send(endpoint.life(), 23, text("while asleep")));
    EXPECT_TRUE(events().empty()) << "nothing moves in M3";
    request(State::kM0);
    EXPECT_EQ(events(), (Words{"state 2", "ch 23 #0 EOT 12"}));
}

TEST_F(BootTest, sleep_when_idle_ends_with_a_doorbell) {
    boot_to_amss();
    endpoint.idle(endpoint.life());
    EXPECT_EQ(events(), (Words{"state 3"}));
    request(State::kM2);
    EXPECT_EQ(read(kMhiStatus), 0x401U);
    start(22);
    EXPECT_EQ(events(), (Words{"state 2", "cmd 0 ok"})) << "no EE event";
    EXPECT_EQ(read(kMhiStatus), 0x201U);
    request(State::kM2);
    EXPECT_EQ(read(kMhiStatus), 0x201U) << "M2 only after M1";
}

TEST_F(BootTest, contexts_that_make_no_sense_are_a_system_error) {
    const auto spoil = [this](std::uint64_t at, auto value) {
        endpoint.reset();
        download();
        make_ready();
        memory.put(at, value);
        request(State::kM0);
        EXPECT_EQ(read(kMhiStatus), 0xff04U) << at;
    };
    for (const std::uint64_t context : {kEventContexts, kCommandContexts}) {
        spoil(context + 12, std::uint64_t{0x13001});              // base
        spoil(context + 12, ~std::uint64_t{0xf});                 // wraps
        spoil(context + 20, std::uint64_t{0});                    // length
        spoil(context + 20, std::uint64_t{24});                   //
        spoil(context + 20, std::uint64_t{1} << 40);              //
        spoil(context + 28, std::uint64_t{0});                    // rp
        spoil(context + 36, std::uint64_t{kEventRing + 0x2000});  // wp
    }
    spoil(kEventContexts + 8, std::uint32_t{32});  // vector
    endpoint.reset();
    download();
    request(State::kM0);
    EXPECT_EQ(read(kMhiStatus), 0xff04U) << "no event ring at all";
    endpoint.reset();
    EXPECT_EQ(read(kMhiStatus), 0U);
}

TEST_F(BootTest, the_host_s_memory_may_go_away) {
    boot_to_amss();
    memory.gone = true;
    write_pair(kCrdb, kCommandRing + 16);
    EXPECT_EQ(read(kMhiStatus), 0xff04U);
    memory.gone = false;
    write(kMhiCtrl, kCtrlReset);
    make_ready();
    request(State::kM0);
    EXPECT_EQ(events(), (Words{"state 2", "EE 2"}));
}

TEST_F(BootTest, the_timer_runs_at_19_2_mhz) {
    EXPECT_EQ(read(kQtimer), 192'000'000U);
    clock.time += std::chrono::hours(24);
    const std::uint64_t ticks = std::uint64_t{read(kQtimer + 4)} << 32 | read(kQtimer);
    EXPECT_EQ(ticks, 192'000'000ULL + 86'400ULL * 19'200'000);
}

TEST_F(BootTest, nonsense_in_any_register_does_no_harm) {
    const std::uint32_t values[] = {0, 1, 2, 0x200, 0x202, 0x500, 0xff00, 0x7fffffff, ~0U};
    for (int round = 0; round < 3; ++round) {
        for (std::uint32_t offset = 0; offset < 0x1010; offset += 2) {
            for (const std::uint32_t value : values) {
                write(offset, value);
                ASSERT_NE(read(offset), ~0U);
            }
        }
        endpoint.reset();
        boot_to_amss();
    }
    start(22);
    EXPECT_NE(read(kMhiStatus), ~0U);
}

}  // namespace
}  // namespace qaicvcard::mhi::test
