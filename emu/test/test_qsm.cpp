// SPDX-License-Identifier: Apache-2.0
// QSM's commands: status payload, lengths, loading, resources and groups.
#include "emu/test/programs.hpp"
#include "libqaicrt/qpc/elf.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace qaicemu::test {
namespace {

struct Qsm : testing::Test {
    Bench bench;
    Client& user = bench.user;
    Bytes elf = elf_of(plain_metadata());
    std::uint32_t loaded() {
        const auto [status, id] = user.load_elf(elf);
        EXPECT_EQ(status, 0) << bench.card->last_refusal(1);
        return id;
    }
};
struct QsmStatus : Qsm {};
struct QsmLoad : Qsm {};
struct QsmActivate : Qsm {};
struct QsmGroups : Qsm {};

TEST_F(QsmStatus, PayloadIsCompleteAndSaysThatTheCardIsEmulated) {
    const auto reply =
        user.send(MessageBuilder().command(aic100_cmd_status{AIC100_CMD_STATUS, 0, {}}));
    ASSERT_EQ(reply.size(), 1u);
    ASSERT_EQ(reply[0].bytes.size(), 512u);
    const auto out = reply[0].command<aic100_cmd_status_resp>();
    EXPECT_EQ(out.type, 14u);
    EXPECT_EQ(out.status, 0u);
    const auto& info = out.info;
    EXPECT_EQ(info.format_version, 12);
    EXPECT_EQ(info.hw_version, 0x00020000u);
    EXPECT_EQ(std::string_view(info.fw_image_variant), kEmuVariant);
    EXPECT_EQ(std::string_view(info.serial), "0xemu00000");
    EXPECT_EQ(info.metadata_major, 1);
    EXPECT_EQ(info.metadata_minor, 0);
    EXPECT_EQ(info.nnc_cmd_major, 17);
    EXPECT_EQ(info.nnc_cmd_minor, 0);
    EXPECT_LT(info.sku_type, 10);
    EXPECT_EQ(info.resources.nsp_total, 4);
    EXPECT_EQ(info.resources.vc_total, 16);
    EXPECT_EQ(info.resources.sem_total, 32u);
    EXPECT_EQ(info.resources.mcid_total, 64u);
    EXPECT_EQ(info.resources.dram_total_mb, 256u);
    EXPECT_EQ(info.sbl_image_name[23], '\0');
}

TEST_F(QsmStatus, CountsFollowWhatIsLoadedAndActive) {
    const auto counts = [&] {
        return user.ask<aic100_cmd_status_resp>(aic100_cmd_status{13, 0, {}}).info;
    };
    const auto id = loaded();
    const auto [status, constants] = user.load_constants(Bytes(100, std::byte{1}));
    ASSERT_EQ(status, 0);
    EXPECT_EQ(counts().loaded_networks, 1);
    EXPECT_EQ(counts().loaded_constants, 1u);
    EXPECT_EQ(counts().constants_in_use, 0u);
    const Active active = user.activate(id, constants);
    ASSERT_EQ(active.status, 0);
    EXPECT_EQ(counts().active_networks, 1);
    EXPECT_EQ(counts().constants_in_use, 1u);
    EXPECT_EQ(user.deactivate(active), 0);
    EXPECT_EQ(user.unload_elf(id), 0);
    EXPECT_EQ(user.unload_constants(constants), 0);
    EXPECT_EQ(counts().loaded_networks, 0);
    EXPECT_EQ(counts().loaded_constants, 0u);
}

TEST_F(QsmStatus, VersionQueryAnswersFiveZero) {
    const auto reply = user.send(MessageBuilder().add_raw(to_bytes(aic100_trans_hdr{15, 8})));
    ASSERT_EQ(reply.size(), 1u);
    const auto out = reply[0].whole<aic100_trans_status_from_dev>();
    EXPECT_EQ(out.major, 5);
    EXPECT_EQ(out.minor, 0);
    EXPECT_EQ(out.status, 0u);
}

TEST_F(QsmStatus, UnknownCommandsAreAnsweredWithTheNextNumberAndMinusThree) {
    for (const std::uint32_t type : {0u, 17u, 38u, 50u, 0xFFFFFFFFu}) {
        const auto out = user.ask<aic100_cmd_status_only_resp>(aic100_cmd_unload{type, 0});
        EXPECT_EQ(out.type, type + 1);
        EXPECT_EQ(static_cast<std::int32_t>(out.status), AIC100_ST_UNDEFINED_REQUEST);
    }
}

TEST_F(QsmStatus, EveryCommandRefusesToBeShorterThanItsStructure) {
    struct Case {
        std::uint32_t type, reply;
        std::size_t bytes, status_at;
    };
    const Case cases[] = {{1, 2, 88, 8},  {3, 4, 96, 8},   {5, 6, 8, 4},   {7, 8, 8, 4},
                          {9, 10, 48, 4}, {11, 12, 16, 4}, {13, 14, 8, 4}, {15, 2, 80, 8},
                          {16, 2, 32, 8}, {28, 29, 64, 4}, {30, 31, 8, 4}, {32, 33, 16, 48},
                          {34, 35, 8, 4}, {36, 37, 72, 4}};
    for (const auto& c : cases) {
        Bytes command(c.bytes - 4);
        store(std::span(command), 0, c.type);
        const auto reply = user.send(MessageBuilder().passthrough(command, 4 - 4));
        // Passthrough lengths on the wire are multiples of 8; the card itself only looks at what is
        // there.
        ASSERT_EQ(reply.size(), 1u) << c.type;
        EXPECT_EQ(*load<std::uint32_t>(reply[0].bytes, 8), c.reply) << c.type;
        EXPECT_EQ(*load<std::int32_t>(reply[0].bytes, 8 + c.status_at), AIC100_ST_CMD_LENGTH_ERROR)
            << c.type;
    }
}

TEST_F(QsmStatus, CommandsMayBeLongerThanTheirStructure) {
    for (const std::size_t surplus : {0u, 8u, 64u}) {
        const auto out =
            user.ask<aic100_cmd_status_resp>(aic100_cmd_status{AIC100_CMD_STATUS, 0, {}}, surplus);
        EXPECT_EQ(out.status, 0u);
    }
}

TEST_F(QsmStatus, PerformanceInfoIsAnswered) {
    const auto out = user.ask<aic100_cmd_performance_info_resp>(aic100_cmd_performance_info{34, 0});
    EXPECT_EQ(out.type, 35u);
    EXPECT_EQ(out.status, 0u);
}

TEST_F(QsmLoad, DamagedElfsAreMetadataErrorsWithWords) {
    const auto expect_metadata_error = [&](const Bytes& image, const char* what) {
        const auto free_before = user.resources().dram_free_mb;
        const auto [status, id] = user.load_elf(image);
        EXPECT_EQ(status, AIC100_ST_METADATA_ERROR) << what;
        EXPECT_EQ(id, 0u) << what;
        EXPECT_NE(bench.card->last_refusal(1), "") << what;
        EXPECT_EQ(user.resources().dram_free_mb, free_before) << what;
    };
    expect_metadata_error(Bytes(100, std::byte{0x7F}), "no ELF");
    expect_metadata_error(Bytes(elf.begin(), elf.begin() + 60), "cut off");
    expect_metadata_error(qaicrt::qpc::write_elf({}), "no metadata section");
    auto metadata = plain_metadata();
    metadata.num_nsps = 17;
    expect_metadata_error(elf_of(metadata), "17 NSPs");
    metadata = plain_metadata();
    metadata.l2tcm_size = 2 << 20;
    expect_metadata_error(elf_of(metadata), "L2TCM of 2 MiB");
    metadata = plain_metadata();
    metadata.vtcm_size = 9 << 20;
    expect_metadata_error(elf_of(metadata), "VTCM of 9 MiB");
    metadata = plain_metadata();
    metadata.exit_doorbell_offset = ~std::uint64_t{0} - 2;
    expect_metadata_error(elf_of(metadata), "exit doorbell nowhere");
    metadata = plain_metadata();
    metadata.hw_version_major = 3;
    expect_metadata_error(elf_of(metadata), "other hardware");
}

TEST_F(QsmLoad, BitFlipsAllOverTheElfAreSurvivedAndLeaveNothingBehind) {
    const auto before = user.resources();
    for (std::size_t bit = 0; bit < elf.size() * 8; bit += 37) {
        Bytes image = elf;
        image[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
        const auto [status, id] = user.load_elf(image);
        if (status == 0) {
            const Active active = user.activate(id);
            if (active.status == 0) {
                EXPECT_EQ(user.deactivate(active), 0);
            }
        }
        user.terminate();
        bench.host.forget_allocations();
    }
    const auto after = user.resources();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
}

TEST_F(QsmLoad, RequiredContextVariables) {
    auto metadata = plain_metadata();
    metadata.context_size = 144;
    metadata.context_fields = {{.variable = 0, .size = 2, .offset = 0, .required = true},
                               {.variable = qaicrt::qpc::kEmulatorOnlyVariable,
                                .size = 4,
                                .offset = 140,
                                .required = true},
                               {.variable = 0x1234, .size = 4, .offset = 136, .required = false}};
    EXPECT_EQ(user.load_elf(elf_of(metadata)).first, 0) << bench.card->last_refusal(1);
    metadata.context_fields[2].required = true;
    EXPECT_EQ(user.load_elf(elf_of(metadata)).first, AIC100_ST_ERROR);
}

TEST_F(QsmLoad, TheDataMustBeAllThereAndNoMore) {
    const std::uint64_t at = bench.host.allocate(elf.size() + 64);
    bench.host.put(at, elf);
    aic100_cmd_load_elf in{};
    in.type = AIC100_CMD_LOAD_ELF;
    in.tag = AIC100_DMA_TAG_ELF;
    in.data_length = elf.size();
    const auto status_with = [&](std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs,
                                 std::uint32_t tag) {
        const auto reply = user.send(MessageBuilder().command(in).dma(tag, 0, pairs));
        return static_cast<std::int32_t>(reply.at(0).command<aic100_cmd_load_elf_resp>().status);
    };
    EXPECT_EQ(status_with({{at, elf.size()}}, 100), 0);
    EXPECT_EQ(status_with({{at, 10}, {at + 10, 0}, {at + 10, elf.size() - 10}}, 100), 0);
    EXPECT_EQ(status_with({{at, elf.size() - 1}}, 100), AIC100_ST_DMA_ERROR);
    EXPECT_EQ(status_with({{at, elf.size() + 1}}, 100), AIC100_ST_DMA_ERROR);
    EXPECT_EQ(status_with({{at, ~std::uint64_t{0}}}, 100), AIC100_ST_DMA_ERROR);
    EXPECT_EQ(status_with({{0, elf.size()}}, 100), AIC100_ST_DMA_ERROR);
    EXPECT_EQ(status_with({{at, elf.size()}}, 300), AIC100_ST_DMA_ERROR) << "another object's tag";
    in.data_length = 0;
    EXPECT_EQ(status_with({{at, 0}}, 100), AIC100_ST_PARAMETER_ERROR);
    in.data_length = ~std::uint64_t{0};
    EXPECT_EQ(status_with({{at, 8}}, 100), AIC100_ST_PARAMETER_ERROR);
    in.data_length = std::uint64_t{1} << 40;
    EXPECT_EQ(status_with({{at, 8}}, 100), AIC100_ST_MEM_ALLOC_ERROR);
}

TEST_F(QsmLoad, LegacyConstantsComeInOneCommand) {
    const std::uint64_t at = bench.host.allocate(64);
    aic100_cmd_load_constants in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS;
    in.tag = AIC100_DMA_TAG_CONSTANTS;
    in.data_length = 64;
    const std::pair<std::uint64_t, std::uint64_t> pair{at, 64};
    const auto reply = user.send(MessageBuilder().command(in).dma(300, 0, std::span(&pair, 1)));
    const auto out = reply.at(0).command<aic100_cmd_load_constants_resp>();
    EXPECT_EQ(out.type, 2u);
    EXPECT_EQ(out.status, 0u);
    EXPECT_NE(out.constants_id, 0u);
    EXPECT_EQ(user.unload_constants(out.constants_id), 0);
    EXPECT_EQ(user.unload_constants(out.constants_id), AIC100_ST_RESOURCE_NOT_FOUND);
}

TEST_F(QsmLoad, APayloadOutsideTheConstantsFreesThem) {
    const auto [status, id] = user.load_constants(Bytes(64));
    ASSERT_EQ(status, 0);
    aic100_cmd_load_constants_payload in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    in.tag = 300;
    in.constants_id = id;
    in.data_length = 8;
    in.offset = 60;
    const std::pair<std::uint64_t, std::uint64_t> pair{bench.host.allocate(8), 8};
    const auto reply = user.send(MessageBuilder().command(in).dma(300, 0, std::span(&pair, 1)));
    EXPECT_EQ(
        static_cast<std::int32_t>(reply.at(0).command<aic100_cmd_load_constants_resp>().status),
        AIC100_ST_PARAMETER_ERROR);
    EXPECT_EQ(user.unload_constants(id), AIC100_ST_RESOURCE_NOT_FOUND);
}

TEST_F(QsmLoad, WhatIsInUseCannotBeUnloaded) {
    const auto id = loaded();
    const auto constants = user.load_constants(Bytes(64)).second;
    const Active active = user.activate(id, constants);
    ASSERT_EQ(active.status, 0);
    EXPECT_EQ(user.unload_elf(id), AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(user.unload_constants(constants), AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(user.deactivate(active), 0);
    EXPECT_EQ(user.unload_elf(id), 0);
    EXPECT_EQ(user.unload_constants(constants), 0);
}

TEST_F(QsmActivate, ResourcesDropAndReturn) {
    auto metadata = plain_metadata(3);
    elf = elf_of(metadata);
    const auto id = loaded();
    const auto before = user.resources();
    const Active active = user.activate(id);
    ASSERT_EQ(active.status, 0);
    EXPECT_EQ(std::popcount(active.nsp_mask), 3);
    const auto during = user.resources();
    EXPECT_EQ(during.nsp_free, before.nsp_free - 3);
    EXPECT_EQ(during.vc_free, before.vc_free - 1);
    EXPECT_EQ(during.sem_free, before.sem_free - 8);
    EXPECT_EQ(during.mcid_free, before.mcid_free - 1);
    EXPECT_EQ(user.deactivate(active), 0);
    const auto after = user.resources();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
    EXPECT_EQ(user.deactivate(active), AIC100_ST_NO_NW_TO_DEACTIVATE);
}

TEST_F(QsmActivate, EachExhaustedResourceHasItsStatus) {
    const auto expect = [&](qaicrt::qpc::Metadata metadata, std::int32_t status) {
        const auto [loaded_status, id] = user.load_elf(elf_of(metadata));
        ASSERT_EQ(loaded_status, 0);
        const auto before = user.resources();
        const Active active = user.activate(id);
        EXPECT_EQ(active.status, status);
        EXPECT_EQ(active.transactions, 1u) << "a refusal is the passthrough reply alone";
        const auto after = user.resources();
        EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
    };
    expect(plain_metadata(5), AIC100_ST_NSP_ALLOC_ERROR);
    auto metadata = plain_metadata();
    metadata.host_multicast.resize(65, {.mask = 1, .size = 4});
    metadata.nsp_multicast[0].resize(65);
    expect(metadata, AIC100_ST_MCID_ALLOC_ERROR);
    metadata = plain_metadata();
    metadata.static_shared_ddr = std::uint64_t{1} << 40;
    expect(metadata, AIC100_ST_MEM_ALLOC_ERROR);
    metadata.static_shared_ddr = ~std::uint64_t{0};
    expect(metadata, AIC100_ST_MEM_ALLOC_ERROR);
    metadata = plain_metadata();
    metadata.num_semaphores = 20;
    metadata.semaphore_init.resize(20);
    const auto twenty = user.load_elf(elf_of(metadata)).second;
    ASSERT_EQ(user.activate(twenty).status, 0);
    expect(metadata, AIC100_ST_SEM_ALLOC_ERROR);
}

TEST_F(QsmActivate, ChannelsRunOutAtSixteen) {
    CardConfig config = small_card();
    config.nsps = 16;
    config.semaphores = 1024;
    config.mcids = 3072;
    Bench own(config);
    auto metadata = plain_metadata(1);
    const auto id = own.user.load_elf(elf_of(metadata)).second;
    for (unsigned i = 0; i < 16; ++i) {
        const Active active = own.user.activate(id);
        ASSERT_EQ(active.status, 0);
        EXPECT_EQ(active.dbc, i);
    }
    EXPECT_EQ(own.user.activate(id).status, AIC100_ST_NSP_ALLOC_ERROR);
    EXPECT_EQ(own.user.resources().vc_free, 0);
}

TEST_F(QsmActivate, QueuesThatDoNotFitTheirBufferAreRefused) {
    const auto id = loaded();
    struct Case {
        std::uint64_t request, response;
        std::uint32_t elements, response_elements, bytes;
    };
    constexpr std::uint64_t kBase = 0x200000;
    const Case cases[] = {
        {kBase, kBase + 4096 - 64, 16, 16, 0},                     // no buffer
        {kBase + 64, kBase + 4096 - 64, 16, 16, 4096},             // not page aligned
        {kBase, kBase + 4096 - 62, 16, 16, 4096},                  // response FIFO misaligned
        {kBase, kBase + 4096 - 60, 16, 16, 4096},                  // ends behind the buffer
        {kBase, kBase + 512, 16, 16, 4096},                        // FIFOs overlap
        {kBase, kBase + 4096 - 64, 0, 0, 4096},                    // no elements
        {kBase, kBase + 4096 - 64, 16, 15, 4096},                  // sizes differ
        {kBase, kBase + 4096 - 64, 0xFFFFFFFF, 0xFFFFFFFF, 4096},  // multiplication would overflow
        {0xFFFFFFFFFFFFF000, 0xFFFFFFFFFFFFFFC0, 16, 16, 8192},    // address would overflow
    };
    for (const auto& c : cases) {
        aic100_cmd_activate in{};
        in.type = AIC100_CMD_ACTIVATE;
        in.elf_id = id;
        in.resource_res_id = 0xFFFFFFFFu;
        aic100_trans_activate_to_dev queues{};
        queues.req_q_addr = c.request;
        queues.rsp_q_addr = c.response;
        queues.req_q_size = c.elements;
        queues.rsp_q_size = c.response_elements;
        queues.buf_len = c.bytes;
        const auto reply =
            user.send(MessageBuilder().command(in).add(AIC100_TRANS_ACTIVATE_TO_DEV, queues));
        ASSERT_EQ(reply.size(), 1u);
        EXPECT_EQ(static_cast<std::int32_t>(reply[0].command<aic100_cmd_activate_resp>().status),
                  AIC100_ST_PARAMETER_ERROR)
            << &c - cases;
    }
    aic100_cmd_activate alone{};
    alone.type = AIC100_CMD_ACTIVATE;
    alone.elf_id = id;
    alone.resource_res_id = 0xFFFFFFFFu;
    EXPECT_EQ(static_cast<std::int32_t>(user.ask<aic100_cmd_activate_resp>(alone).status),
              AIC100_ST_PARAMETER_ERROR);
}

TEST_F(QsmActivate, UnknownIdsAreNotFound) {
    EXPECT_EQ(user.activate(77).status, AIC100_ST_RESOURCE_NOT_FOUND);
    const auto id = loaded();
    EXPECT_EQ(user.activate(id, 77).status, AIC100_ST_RESOURCE_NOT_FOUND);
    EXPECT_EQ(user.activate(id, 0, 64, 77).status, AIC100_ST_RESOURCE_NOT_FOUND);
}

TEST_F(QsmActivate, StatesAreAcceptedAndChecked) {
    const Active active = user.activate(loaded());
    aic100_cmd_activate_state in{};
    in.type = AIC100_CMD_ACTIVATE_STATE;
    in.num_cmds = 1;
    in.cmds[0].activation_id = active.id;
    const auto status = [&] {
        return static_cast<std::int32_t>(user.ask<aic100_cmd_status_only_resp>(in).status);
    };
    for (const std::uint32_t state : {0u, 1u, 2u}) {
        in.cmds[0].cmd = state;
        EXPECT_EQ(status(), 0);
    }
    in.cmds[0].cmd = 3;
    EXPECT_EQ(status(), AIC100_ST_SWITCH_PARAM_ERROR);
    in.num_cmds = 9;
    EXPECT_EQ(status(), AIC100_ST_SWITCH_PARAM_ERROR);
    in.num_cmds = 1;
    in.cmds[0] = {999, 1};
    EXPECT_EQ(status(), AIC100_ST_RESOURCE_NOT_FOUND);
}

TEST_F(QsmActivate, WithoutEmulatorSectionTheChannelStillWorks) {
    // The test is the program: it operates the semaphores that the NSPs would.
    auto metadata = plain_metadata();
    metadata.semaphore_init = {1, 0, 3};
    metadata.num_semaphores = 3;
    elf = elf_of(metadata);
    const Active active = user.activate(loaded());
    ASSERT_EQ(active.status, 0);
    Ring ring(user, active);
    auto a = no_transfer(1), b = no_transfer(2), c = no_transfer(3);
    a.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
    b.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 2, 3);
    c.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 1, 1);
    ring.submit({a, b, c});
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{1, 0}, {2, 0}}));
    EXPECT_EQ(user.deactivate(active), 0) << "idle NSPs stop at once, whatever waits";
}

TEST_F(QsmGroups, AGroupTakesItsResourcesOutOfTheCard) {
    aic100_cmd_create_resource_group in{};
    in.type = AIC100_CMD_CREATE_RESOURCE_GROUP;
    in.source_grp_id = 0xFFFFFFFFu;
    in.num_nsp = 2;
    in.num_mcid = 10;
    in.num_sem = 8;
    in.num_vc = 1;
    in.shddr_size = 16 << 20;
    in.mem_size = 12345;  // the field that clients mix up: tolerated
    const auto before = user.resources();
    const auto made = user.ask<aic100_cmd_create_resource_group_resp>(in);
    ASSERT_EQ(made.type, 29u);
    ASSERT_EQ(made.status, 0u);
    EXPECT_EQ(user.resources().nsp_free, before.nsp_free - 2);
    EXPECT_EQ(user.resources().dram_free_mb, before.dram_free_mb - 16);
    aic100_cmd_resource_info ask{};
    ask.type = AIC100_CMD_RESOURCE_INFO;
    ask.res_grp_id = made.res_grp_id;
    const auto info = user.ask<aic100_cmd_resource_info_resp>(ask);
    EXPECT_EQ(info.status, 0u);
    EXPECT_EQ(info.info.nsp_total, 2);
    EXPECT_EQ(info.info.mcid_total, 10u);
    const auto id = loaded();
    const Active active = user.activate(id, 0, 64, made.res_grp_id);
    ASSERT_EQ(active.status, 0);
    EXPECT_EQ(user.activate(id, 0, 64, made.res_grp_id).status, AIC100_ST_VC_ALLOC_ERROR)
        << "one channel only";
    const aic100_cmd_unload release{AIC100_CMD_RELEASE_RESOURCE_GROUP, made.res_grp_id};
    EXPECT_EQ(static_cast<std::int32_t>(user.ask<aic100_cmd_status_only_resp>(release).status),
              AIC100_ST_OPERATION_NOT_PERMITTED);
    EXPECT_EQ(user.deactivate(active), 0);
    EXPECT_EQ(user.ask<aic100_cmd_status_only_resp>(release).status, 0u);
    EXPECT_EQ(user.resources().nsp_free, before.nsp_free);
    EXPECT_EQ(static_cast<std::int32_t>(user.ask<aic100_cmd_status_only_resp>(release).status),
              AIC100_ST_RESOURCE_NOT_FOUND);
}

TEST_F(QsmGroups, PartitionsAreValidatedByGroup) {
    aic100_trans_validate_partition_to_dev in{};
    in.part_id = 1;
    const auto status = [&] {
        const auto reply =
            user.send(MessageBuilder().add(AIC100_TRANS_VALIDATE_PARTITION_TO_DEV, in));
        EXPECT_EQ(reply.at(0).type, AIC100_TRANS_VALIDATE_PARTITION_FROM_DEV);
        return static_cast<std::int32_t>(
            reply.at(0).whole<aic100_trans_validate_partition_from_dev>().status);
    };
    EXPECT_EQ(status(), AIC100_ST_RESOURCE_NOT_FOUND);
    aic100_cmd_create_resource_group make{};
    make.type = AIC100_CMD_CREATE_RESOURCE_GROUP;
    make.source_grp_id = 0xFFFFFFFFu;
    in.part_id = user.ask<aic100_cmd_create_resource_group_resp>(make).res_grp_id;
    EXPECT_EQ(status(), 0);
}

}  // namespace
}  // namespace qaicemu::test
