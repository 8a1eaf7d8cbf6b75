// SPDX-License-Identifier: Apache-2.0
/// Request elements and register writes against one channel with two NSPs behind it. Indices stay
/// in range, no response comes without a request, nothing outside the activation's memory changes,
/// stop() ends it.
#include "emu/bytes.hpp"
#include "emu/dma_channel.hpp"
#include "emu/test/fuzz_layout.hpp"

#include <hw/aic100_dbc.h>

#include <algorithm>
#include <cstdlib>

namespace {

using namespace qaicemu;
using namespace qaicemu::test;

constexpr std::uint64_t kDdr = std::uint64_t{1} << 35;
constexpr std::size_t kDdrBytes = 8192, kGuard = 4096;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

qaicrt::qpc::Metadata fuzz_metadata() {
    using qaicrt::qpc::TcmSpace;
    qaicrt::qpc::Metadata out;
    out.num_nsps = 2;
    out.num_semaphores = 8;
    out.l2tcm_size = 4096;
    out.vtcm_size = 4096;
    out.static_shared_ddr = kDdrBytes;
    out.host_multicast = {{.mask = 3, .size = 1124}, {.mask = 2, .size = 64}};
    out.nsp_multicast = {{{.size = 1124}, {}},
                         {{.base_offset = 64, .size = 1124},
                          {.base_offset = 128, .size = 64, .space = TcmSpace::kVtcm}}};
    return out;
}

struct Rig {
    explicit Rig(std::uint32_t n) : elements(n) {
        const QueueSetup queues{.request_address = kFuzzQueue,
                                .response_address = kFuzzQueue + 4096 - 4 * n,
                                .elements = n};
        require(check_queues(queues, n, 4096));
        std::ranges::fill(card_ddr, std::byte{0xA5});
        channel.start(queues, memory, initial, 8);
    }
    std::uint32_t reg(std::uint32_t which) { return channel.read_register(which); }
    void submit(const aic100_request& request) {
        const std::uint32_t tail = reg(AIC100_DBC_REQTP);
        host.put(kFuzzQueue + std::uint64_t{tail} * sizeof(request),
                 std::as_bytes(std::span(&request, 1)));
        channel.write_register(AIC100_DBC_REQTP, (tail + 1) % elements);
    }
    void check() {
        for (const auto which :
             {AIC100_DBC_REQHP, AIC100_DBC_REQTP, AIC100_DBC_RSPHP, AIC100_DBC_RSPTP}) {
            require(reg(which) < elements);
        }
    }

    FakeHost host{kFuzzHostBytes};
    std::uint32_t elements;
    std::vector<std::byte> card_ddr = std::vector<std::byte>(kGuard + kDdrBytes + kGuard);
    qaicrt::qpc::Metadata metadata = fuzz_metadata();
    ActivationMemory memory{metadata,
                            {.shared_ddr_address = kDdr,
                             .dynamic_ddr_address = 0,
                             .shared_ddr = std::span(card_ddr).subspan(kGuard, kDdrBytes),
                             .dynamic_ddr = {},
                             .mcid_base = kMcidBase,
                             .mcids = 2}};
    const std::uint32_t initial[3] = {0, 1, 4095};
    DmaChannel channel{host.ports(), 1, true};
};

aic100_request expand(const CompactRequest& in) {
    const std::uint64_t card[] = {kDdr, kDdr + kDdrBytes - 256, kMcidBase,
                                  kMcidBase + AIC100_MCID_WINDOW};
    const std::uint64_t host[] = {kFuzzBuffer, kHostBase + kFuzzHostBytes - 256, kFuzzQueue, 0};
    aic100_request out{};
    out.req_id = in.id;
    out.cmd = in.cmd;
    const std::uint64_t card_addr = card[in.places & 3] + in.offset;
    const std::uint64_t host_addr = host[in.places >> 2 & 3] + in.offset;
    const bool from = (in.cmd & 3) == AIC100_REQ_CMD_XFER_FROM_DEV;
    out.src_addr = from ? card_addr : host_addr;
    out.dst_addr = from ? host_addr : card_addr;
    out.len = in.length;
    out.db_attr = in.db_attr;
    out.db_addr = card[in.places >> 4 & 3] + in.offset;
    out.db_data = in.data;
    for (unsigned i = 0; i < 4; ++i) {
        const std::uint32_t op = in.ops[i];
        out.sem_cmd[i] = (op & 0x80) << 24 | (op & 0x40) << 16 |
                         (op >> 3 & 7) << AIC100_SEM_CMD_OP_SHIFT |
                         (op & 7) << AIC100_SEM_CMD_INDEX_SHIFT | (i < 2 ? in.values[i] : 0u) |
                         (in.fences >> i & 1u) << 30 | (in.fences >> (4 + i) & 1u) << 29;
    }
    return out;
}

/// Takes the payload of one record off the input; false at its end.
template <class T>
bool next(std::span<const std::byte>& input, T& out) {
    const auto value = load<T>(input);
    if (value) {
        out = *value;
        input = input.subspan(sizeof(T));
    }
    return value.has_value();
}

bool run_record(Rig& rig, std::span<const std::byte>& input) {
    std::uint8_t kind = 0, first = 0, second = 0;
    if (!next(input, kind)) {
        return false;
    }
    switch (kind % 6) {
        case kDbcRequest: {
            aic100_request request{};
            if (!next(input, request)) {
                return false;
            }
            rig.submit(request);
            return true;
        }
        case kDbcCompact: {
            CompactRequest request{};
            if (!next(input, request)) {
                return false;
            }
            rig.submit(expand(request));
            return true;
        }
        case kDbcRegister: {
            std::uint32_t value = 0;
            if (!next(input, first) || !next(input, value)) {
                return false;
            }
            rig.channel.write_register(first, value);
            return true;
        }
        case kDbcSignal: {
            if (!next(input, first) || !next(input, second)) {
                return false;
            }
            const Doorbell bell{.offset = 4u * (second >> 5)};
            rig.channel.signal(std::span(&bell, 1),
                               {.enabled = true,
                                .op = static_cast<std::uint8_t>(2 + first % 2),
                                .index = static_cast<std::uint8_t>(second % 32)});
            return true;
        }
        case kDbcDrain: {
            if (!next(input, first)) {
                return false;
            }
            for (unsigned i = 0;
                 i < first && rig.reg(AIC100_DBC_RSPHP) != rig.reg(AIC100_DBC_RSPTP); ++i) {
                rig.channel.write_register(AIC100_DBC_RSPHP,
                                           (rig.reg(AIC100_DBC_RSPHP) + 1) % rig.elements);
            }
            return true;
        }
        default:
            if (!next(input, first)) {
                return false;
            }
            rig.host.reachable = first != 0;
            return true;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = std::as_bytes(std::span(data, size));
    std::uint8_t elements = 0;
    if (!next(input, elements)) {
        return 0;
    }
    Rig rig(elements % 48 + 1);
    while (run_record(rig, input)) {
        rig.check();
    }
    rig.channel.request_exit();
    rig.channel.stop();
    const auto accesses = rig.host.accesses.load();
    rig.channel.write_register(AIC100_DBC_REQTP, 1 % rig.elements);
    require(rig.host.accesses.load() == accesses);
    const auto untouched = [](std::span<const std::byte> guard) {
        return std::ranges::all_of(guard, [](std::byte value) { return value == std::byte{0xA5}; });
    };
    require(untouched(std::span(rig.card_ddr).first(kGuard)));
    require(untouched(std::span(rig.card_ddr).last(kGuard)));
    return 0;
}
