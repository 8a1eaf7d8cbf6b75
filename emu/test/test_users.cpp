// SPDX-License-Identifier: Apache-2.0
// Two users of one card, and the end of one of them.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>

namespace qaicemu::test {
namespace {

struct TwoUsers : testing::Test {
    Bench bench;
    Client& alice = bench.user;
    Client bob{*bench.card, bench.host, 2};
    Bytes elf = elf_of(plain_metadata());
};

TEST_F(TwoUsers, ForeignObjectsAreNotPermitted) {
    const auto elf_id = alice.load_elf(elf).second;
    const auto constants = alice.load_constants(Bytes(64)).second;
    const Active active = alice.activate(elf_id, constants);
    ASSERT_EQ(active.status, 0);
    EXPECT_EQ(bob.activate(elf_id).status, AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(bob.unload_elf(elf_id), AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(bob.unload_constants(constants), AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(bob.deactivate(active), AIC100_ST_OPERATION_NOT_PERMITTED);
    const auto own = bob.load_elf(elf).second;
    EXPECT_EQ(bob.activate(own, constants).status, AIC100_ST_OPERATION_NOT_PERMITTED);
    aic100_cmd_activate_state state{};
    state.type = AIC100_CMD_ACTIVATE_STATE;
    state.num_cmds = 1;
    state.cmds[0] = {active.id, 0};
    EXPECT_EQ(static_cast<std::int32_t>(bob.ask<aic100_cmd_status_only_resp>(state).status),
              AIC100_ST_OPERATION_NOT_PERMITTED);
    aic100_cmd_load_constants_payload payload{};
    payload.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    payload.tag = 300;
    payload.constants_id = constants;
    payload.data_length = 8;
    const std::pair<std::uint64_t, std::uint64_t> pair{bench.host.allocate(8), 8};
    const auto reply = bob.send(MessageBuilder().command(payload).dma(300, 0, std::span(&pair, 1)));
    EXPECT_EQ(
        static_cast<std::int32_t>(reply.at(0).command<aic100_cmd_load_constants_resp>().status),
        AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(alice.deactivate(active), 0);
    EXPECT_EQ(alice.unload_constants(constants), 0) << "a foreign failure does not free them";
}

TEST_F(TwoUsers, ForeignGroupsAreNotPermitted) {
    aic100_cmd_create_resource_group make{};
    make.type = AIC100_CMD_CREATE_RESOURCE_GROUP;
    make.source_grp_id = 0xFFFFFFFFu;
    make.num_nsp = 1;
    make.num_vc = 1;
    make.num_sem = 8;
    make.num_mcid = 1;
    const auto group = alice.ask<aic100_cmd_create_resource_group_resp>(make).res_grp_id;
    const auto elf_id = bob.load_elf(elf).second;
    EXPECT_EQ(bob.activate(elf_id, 0, 64, group).status, AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(static_cast<std::int32_t>(
                  bob.ask<aic100_cmd_status_only_resp>(aic100_cmd_unload{30, group}).status),
              AIC100_ST_OPERATION_NOT_PERMITTED);
}

TEST_F(TwoUsers, TheirChannelsMemoryAndSemaphoresAreSeparate) {
    const Active a = alice.activate(alice.load_elf(elf).second);
    const Active b = bob.activate(bob.load_elf(elf).second);
    ASSERT_EQ(a.status, 0);
    ASSERT_EQ(b.status, 0);
    EXPECT_NE(a.dbc, b.dbc);
    EXPECT_EQ(a.nsp_mask & b.nsp_mask, 0u);
    EXPECT_GE(a.mcid_base > b.mcid_base ? a.mcid_base - b.mcid_base : b.mcid_base - a.mcid_base,
              AIC100_MCID_WINDOW);
    Ring ring_a(alice, a), ring_b(bob, b);
    // Same semaphore number, different counters.
    auto increment = no_transfer(1), wait = no_transfer(2);
    increment.sem_cmd[0] = sem(AIC100_SEM_INC, 3);
    wait.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 3, 1);
    ring_b.submit(wait);
    ring_a.submit(increment);
    EXPECT_TRUE(ring_b.drain().empty());
    const std::uint64_t buffer = bench.host.allocate(64);
    ring_a.submit(from_device(3, b.ddr_base, buffer, 64));
    EXPECT_EQ(ring_a.drain().back(), (Response{3, AIC100_RSP_BAD_CARD_ADDR}));
}

TEST_F(TwoUsers, TerminateFreesEverythingOfOneUserAndNothingOfTheOther) {
    const auto empty = alice.resources();
    const auto bobs_elf = bob.load_elf(elf).second;
    const Active bobs = bob.activate(bobs_elf);
    const auto with_bob = alice.resources();
    const auto elf_id = alice.load_elf(elf).second;
    const auto constants = alice.load_constants(Bytes(1 << 20)).second;
    const Active active = alice.activate(elf_id, constants);
    ASSERT_EQ(active.status, 0);
    Ring ring(alice, active);
    auto waiting = to_device(1, bench.host.allocate(64), active.ddr_base, 64);
    waiting.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
    ring.submit(waiting);
    alice.terminate();
    const auto accesses = bench.host.accesses.load();
    const auto after = alice.resources();
    EXPECT_EQ(std::memcmp(&after, &with_bob, sizeof(after)), 0);
    ring.set_reg(AIC100_DBC_REQTP, 2);
    EXPECT_EQ(ring.reg(AIC100_DBC_REQTP), 0u);
    EXPECT_EQ(bench.host.accesses.load(), accesses) << "no DMA after TERMINATE";
    EXPECT_EQ(alice.unload_elf(elf_id), AIC100_ST_RESOURCE_NOT_FOUND);
    Ring bobs_ring(bob, bobs);
    bobs_ring.submit(no_transfer(5));
    EXPECT_EQ(bobs_ring.drain(), (std::vector<Response>{{5, 0}}));
    bob.terminate();
    const auto all_free = bob.resources();
    EXPECT_EQ(std::memcmp(&all_free, &empty, sizeof(empty)), 0);
}

TEST_F(TwoUsers, TerminateOfAnUnknownUserSucceeds) {
    Client nobody(*bench.card, bench.host, 4711);
    nobody.terminate();
}

TEST_F(TwoUsers, ResetForgetsEverybody) {
    const auto before = alice.resources();
    const auto a = alice.load_elf(elf).second;
    const Active active = alice.activate(a);
    ASSERT_EQ(bob.activate(bob.load_elf(elf).second).status, 0);
    bench.card->reset();
    const auto after = alice.resources();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
    EXPECT_EQ(bench.card->dbc_read(active.dbc, AIC100_DBC_REQTP), 0u);
    EXPECT_EQ(alice.unload_elf(a), AIC100_ST_RESOURCE_NOT_FOUND);
    EXPECT_EQ(alice.activate(alice.load_elf(elf).second).status, 0);
}

}  // namespace
}  // namespace qaicemu::test
