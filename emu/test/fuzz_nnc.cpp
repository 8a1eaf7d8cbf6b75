// SPDX-License-Identifier: Apache-2.0
/// Control messages to a fresh card, several in a row, with register writes between them. Every
/// reply must be well formed, and after a reset the card must own everything again.
#include "emu/test/fuzz_layout.hpp"
#include "emu/test/programs.hpp"

#include <onnx/onnx_pb.h>

#include <cstdlib>
#include <cstring>

namespace {

using namespace qaicemu;
using namespace qaicemu::test;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

CardConfig fuzz_card() {
    CardConfig config = small_card();
    config.ddr_bytes = 4 << 20;
    return config;
}

/// The same two programs for every input, where the seeds expect them.
void fill_host(FakeHost& host) {
    static const Bytes plain = elf_of(plain_metadata());
    static const Bytes network = network_elf(relu_model(16), {{"x", {16}}}, {{"y", {16}}});
    require(plain.size() <= kFuzzNetworkElf - kFuzzPlainElf);
    require(network.size() <= kFuzzQueue - kFuzzNetworkElf);
    host.put(kFuzzPlainElf, plain);
    host.put(kFuzzNetworkElf, network);
}

aic100_resource_info resources(Card& card) {
    aic100_cmd_resource_info ask{};
    ask.type = AIC100_CMD_RESOURCE_INFO;
    ask.res_grp_id = 0xFFFFFFFFu;
    const auto reply = split_reply(card.control(MessageBuilder().command(ask).build(1, 0)));
    require(reply && reply->size() == 1);
    return (*reply)[0].command<aic100_cmd_resource_info_resp>().info;
}

void send(Card& card, std::span<const std::byte> record, bool fix_header) {
    Bytes message(record.begin(), record.end());
    if (fix_header && message.size() >= sizeof(aic100_nnc_msg_hdr)) {
        store(std::span(message), 4, AIC100_NNC_MAGIC);
        store(std::span(message), 12, static_cast<std::uint32_t>(message.size()));
    }
    const Bytes reply = card.control(message);
    if (reply.empty()) {
        require(!fix_header || message.size() < sizeof(aic100_nnc_msg_hdr));
        return;
    }
    require(split_reply(reply).has_value());
    require(std::memcmp(reply.data() + 8, message.data() + 8, 4) == 0);  // sequence
}

void write_register(Card& card, std::span<const std::byte> record) {
    if (record.size() >= 6) {
        card.dbc_write(static_cast<unsigned>(record[0]), static_cast<std::uint32_t>(record[1]),
                       *load<std::uint32_t>(record, 2));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FakeHost host(kFuzzHostBytes);
    fill_host(host);
    const auto card = Card::create(fuzz_card(), host.ports());
    require(card.has_value());
    const auto before = resources(**card);
    auto rest = std::as_bytes(std::span(data, size));
    while (rest.size() >= 3) {
        const auto kind = static_cast<std::uint8_t>(rest[0]);
        const std::size_t length =
            std::min<std::size_t>(*load<std::uint16_t>(rest, 1), rest.size() - 3);
        const auto record = rest.subspan(3, length);
        if (kind % 3 == kNncRegister) {
            write_register(**card, record);
        } else {
            send(**card, record, kind % 3 == kNncFixed);
        }
        rest = rest.subspan(3 + length);
    }
    (*card)->reset();
    const auto accesses = host.accesses.load();
    const auto after = resources(**card);
    require(std::memcmp(&before, &after, sizeof(before)) == 0);
    require(host.accesses.load() == accesses);
    return 0;
}
