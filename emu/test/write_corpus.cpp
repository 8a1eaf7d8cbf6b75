// SPDX-License-Identifier: Apache-2.0
/// Writes the seeds of fuzz_nnc and fuzz_dbc: write_corpus DIR makes DIR/nnc and DIR/dbc. Their
/// bytes are committed; this program is how they came to be and how to make them again after a
/// change of format.
#include "emu/test/fuzz_layout.hpp"
#include "emu/test/programs.hpp"

#include <onnx/onnx_pb.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

using namespace qaicemu;
using namespace qaicemu::test;

struct Seed {
    Bytes bytes;
    template <class T>
    Seed& put(const T& value) {
        const Bytes more = to_bytes(value);
        bytes.insert(bytes.end(), more.begin(), more.end());
        return *this;
    }
    Seed& message(const MessageBuilder& builder, std::uint32_t handle = 1,
                  NncRecord kind = kNncFixed) {
        const Bytes wire = builder.build(static_cast<std::uint32_t>(bytes.size()), handle);
        put(kind).put(static_cast<std::uint16_t>(wire.size()));
        bytes.insert(bytes.end(), wire.begin(), wire.end());
        return *this;
    }
    Seed& reg(std::uint8_t dbc, std::uint8_t which, std::uint32_t value) {
        return put(kNncRegister).put(std::uint16_t{6}).put(dbc).put(which).put(value);
    }
};

void save(const std::filesystem::path& dir, const char* name, const Seed& seed) {
    std::filesystem::create_directories(dir);
    std::ofstream file(dir / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.bytes.data()),
               static_cast<std::streamsize>(seed.bytes.size()));
    std::printf("%s: %zu bytes\n", name, seed.bytes.size());
}

using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

MessageBuilder load_elf(std::uint64_t at, std::uint64_t bytes, std::uint32_t chunk = 0,
                        std::uint64_t now = 0) {
    aic100_cmd_load_elf in{};
    in.type = AIC100_CMD_LOAD_ELF;
    in.tag = AIC100_DMA_TAG_ELF;
    in.data_length = bytes;
    return MessageBuilder().command(in).dma(AIC100_DMA_TAG_ELF, chunk,
                                            Pairs{{at, now == 0 ? bytes : now}});
}

MessageBuilder activate(std::uint32_t elf, std::uint32_t constants,
                        std::uint32_t group = 0xFFFFFFFFu) {
    aic100_cmd_activate in{};
    in.type = AIC100_CMD_ACTIVATE;
    in.elf_id = elf;
    in.constants_id = constants;
    in.resource_res_id = group;
    in.vc_res_id = 0xFFFFFFFFu;
    in.opt_vc_setup = in.initial_state = 1;
    aic100_trans_activate_to_dev queues{};
    queues.req_q_addr = kFuzzQueue;
    queues.req_q_size = queues.rsp_q_size = 32;
    queues.buf_len = 4096;
    queues.rsp_q_addr = kFuzzQueue + 4096 - 32 * 4;
    return MessageBuilder().command(in).add(AIC100_TRANS_ACTIVATE_TO_DEV, queues);
}

template <class T>
MessageBuilder command(T in) {
    return MessageBuilder().command(in);
}

MessageBuilder deactivate(std::uint32_t id) {
    return command(aic100_cmd_deactivate{AIC100_CMD_DEACTIVATE, id, 1, 0});
}

MessageBuilder terminate(std::uint32_t handle) {
    aic100_trans_terminate_to_dev in{};
    in.handle = handle;
    return MessageBuilder().add(AIC100_TRANS_TERMINATE_TO_DEV, in);
}

MessageBuilder announce_constants(std::uint64_t bytes) {
    aic100_cmd_load_constants_ex in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_EX;
    in.descriptor_len = 24;
    Bytes all = to_bytes(in);
    const Bytes tail = to_bytes(aic100_constants_descriptor{bytes, 0, 0, 0, {}});
    all.insert(all.end(), tail.begin(), tail.end());
    return MessageBuilder().passthrough(all);
}

MessageBuilder fill_constants(std::uint32_t id, std::uint64_t bytes) {
    aic100_cmd_load_constants_payload in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    in.tag = AIC100_DMA_TAG_CONSTANTS;
    in.constants_id = id;
    in.data_length = bytes;
    return MessageBuilder().command(in).dma(AIC100_DMA_TAG_CONSTANTS, 0,
                                            Pairs{{kFuzzBuffer, bytes}});
}

void write_nnc(const std::filesystem::path& dir) {
    const std::uint64_t plain = elf_of(plain_metadata()).size();
    const std::uint64_t network = network_elf(relu_model(16), {{"x", {16}}}, {{"y", {16}}}).size();
    const auto queries = [] {
        aic100_cmd_resource_info info{};
        info.type = AIC100_CMD_RESOURCE_INFO;
        info.res_grp_id = 0xFFFFFFFFu;
        return MessageBuilder()
            .add_raw(to_bytes(aic100_trans_hdr{AIC100_TRANS_STATUS_TO_DEV, 8}))
            .command(aic100_cmd_status{AIC100_CMD_STATUS, 0, {}})
            .command(info)
            .command(aic100_cmd_performance_info{AIC100_CMD_PERFORMANCE_INFO, 0});
    };
    save(dir, "queries", Seed().message(queries(), 0).message(queries(), 0, kNncRaw));
    save(dir, "plain_run",
         Seed()
             .message(load_elf(kFuzzPlainElf, plain))
             .message(activate(1, 0))
             .reg(0, 4, 3)
             .reg(0, 8, 1)
             .message(deactivate(1))
             .message(command(aic100_cmd_unload{AIC100_CMD_UNLOAD_ELF, 1})));
    save(dir, "network_run",
         Seed()
             .message(announce_constants(512))
             .message(fill_constants(1, 512))
             .message(load_elf(kFuzzNetworkElf, network))
             .message(activate(1, 1))
             .reg(0, 4, 2)
             .message(deactivate(1))
             .message(terminate(1)));
    save(
        dir, "continued",
        Seed()
            .message(load_elf(kFuzzPlainElf, plain, 7, 100))
            .message(MessageBuilder().dma(AIC100_DMA_TAG_ELF, 7, Pairs{{kFuzzPlainElf + 100, 200}}))
            .message(MessageBuilder().dma(AIC100_DMA_TAG_ELF, 7,
                                          Pairs{{kFuzzPlainElf + 300, plain - 300}}))
            .message(activate(1, 0)));
    save(dir, "aborted",
         Seed()
             .message(load_elf(kFuzzPlainElf, plain, 9, 64))
             .message(MessageBuilder().dma(0, 9, Pairs{}))
             .message(load_elf(kFuzzPlainElf, plain, 9, 64))
             .message(terminate(1)));
    aic100_cmd_create_resource_group group{};
    group.type = AIC100_CMD_CREATE_RESOURCE_GROUP;
    group.source_grp_id = 0xFFFFFFFFu;
    group.num_nsp = group.num_vc = 1;
    group.num_sem = 8;
    group.num_mcid = 2;
    group.shddr_size = 1 << 20;
    aic100_trans_validate_partition_to_dev validate{};
    validate.part_id = 1;
    save(dir, "group",
         Seed()
             .message(command(group))
             .message(load_elf(kFuzzPlainElf, plain))
             .message(activate(1, 0, 1))
             .message(MessageBuilder().add(AIC100_TRANS_VALIDATE_PARTITION_TO_DEV, validate))
             .message(deactivate(1))
             .message(command(aic100_cmd_unload{AIC100_CMD_RELEASE_RESOURCE_GROUP, 1})));
    aic100_cmd_activate_state state{};
    state.type = AIC100_CMD_ACTIVATE_STATE;
    state.num_cmds = 1;
    state.cmds[0] = {1, 0};
    save(dir, "two_users",
         Seed()
             .message(load_elf(kFuzzPlainElf, plain), 1)
             .message(load_elf(kFuzzPlainElf, plain), 2)
             .message(activate(1, 0), 1)
             .message(activate(2, 0), 2)
             .message(activate(1, 0), 2)
             .message(command(state), 1)
             .message(terminate(1), 1)
             .message(deactivate(2), 2));
}

struct DbcSeed : Seed {
    DbcSeed& compact(const CompactRequest& request) {
        put(kDbcCompact).put(request);
        return *this;
    }
    DbcSeed& raw(const aic100_request& request) {
        put(kDbcRequest).put(request);
        return *this;
    }
    DbcSeed& drain(std::uint8_t count) {
        put(kDbcDrain).put(count);
        return *this;
    }
};

/// bit 7 enable, 6 presync, 5:3 operation, 2:0 semaphore
constexpr std::uint8_t op(unsigned code, unsigned index, bool before = false) {
    return static_cast<std::uint8_t>(0x80 | (before ? 0x40 : 0) | code << 3 | index);
}

void write_dbc(const std::filesystem::path& dir) {
    const auto start = [](std::uint8_t elements) {
        DbcSeed seed;
        seed.put(static_cast<std::uint8_t>(elements - 1));
        return seed;
    };
    const CompactRequest in{
        .id = 1,
        .cmd = 0x19,
        .places = 0x20,
        .length = 64,
        .db_attr = 0x80,
        .offset = 0,
        .ops = {op(AIC100_SEM_WAIT_EQUAL, 0, true), op(AIC100_SEM_INIT, 0), 0, 0},
        .values = {1, 0},
        .fences = 0,
        .data = 1};
    CompactRequest out = in;
    out.id = 2;
    out.cmd = 0x1A;
    out.ops[0] = op(AIC100_SEM_WAIT_EQUAL, 1, true);
    out.ops[1] = op(AIC100_SEM_INIT, 1);
    out.values[0] = 0;
    out.values[1] = 1;
    auto loop = start(8);
    for (int i = 0; i < 3; ++i) {
        loop.compact(out).compact(in);
        loop.put(kDbcSignal).put(std::uint8_t{0}).put(std::uint8_t{0});
        loop.put(kDbcSignal).put(std::uint8_t{1}).put(std::uint8_t{1 | 1 << 5});
        loop.drain(255);
    }
    save(dir, "nsp_loop", loop);

    auto fences = start(32);
    CompactRequest fenced = in;
    fenced.fences = 0x21;
    CompactRequest consuming = in;
    consuming.cmd = 0x09;
    consuming.ops[0] = op(AIC100_SEM_WAIT_GT_0, 2, true);
    CompactRequest last = consuming;
    last.cmd = 0x19;
    fences.compact(in).compact(fenced).compact(consuming).compact(consuming).compact(last);
    save(dir, "fences_and_groups", fences);

    auto full = start(3);
    for (std::uint8_t i = 0; i < 6; ++i) {
        CompactRequest plain{};
        plain.id = i;
        plain.cmd = 0x98;
        full.compact(plain);
    }
    full.drain(1).drain(2).drain(9);
    save(dir, "full_fifo", full);

    auto bad = start(16);
    for (unsigned places = 0; places < 64; places += 5) {
        CompactRequest request = in;
        request.ops[0] = request.ops[1] = 0;
        request.places = static_cast<std::uint8_t>(places);
        request.cmd = places % 2 == 0 ? 0x19 : 0x1A;
        request.length = 200;
        request.offset = 252;
        bad.compact(request).drain(1);
    }
    aic100_request wild{};
    wild.cmd = 0x1B;
    wild.dst_addr = ~std::uint64_t{0};
    wild.db_attr = 0xFF;
    bad.raw(wild);
    bad.put(kDbcReach)
        .put(std::uint8_t{0})
        .put(kDbcRegister)
        .put(std::uint8_t{4})
        .put(std::uint32_t{7});
    save(dir, "bad_addresses", bad);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: write_corpus DIR\n");
        return 2;
    }
    write_nnc(std::filesystem::path(argv[1]) / "nnc");
    write_dbc(std::filesystem::path(argv[1]) / "dbc");
    return 0;
}
