// SPDX-License-Identifier: Apache-2.0
#include "emu/test/client.hpp"

#include "emu/nnc_wire.hpp"

#include <hw/aic100_dbc.h>

#include <gtest/gtest.h>

namespace qaicemu::test {

MessageBuilder& MessageBuilder::add_raw(std::span<const std::byte> transaction) {
    body_.insert(body_.end(), transaction.begin(), transaction.end());
    ++count_;
    return *this;
}

MessageBuilder& MessageBuilder::passthrough(std::span<const std::byte> command,
                                            std::size_t surplus) {
    const aic100_trans_hdr header{
        AIC100_TRANS_PASSTHROUGH_TO_DEV,
        static_cast<std::uint32_t>(sizeof(header) + command.size() + surplus)};
    Bytes bytes = to_bytes(header);
    bytes.insert(bytes.end(), command.begin(), command.end());
    bytes.resize(header.len);
    return add_raw(bytes);
}

MessageBuilder& MessageBuilder::dma(
    std::uint32_t tag, std::uint32_t chunk,
    std::span<const std::pair<std::uint64_t, std::uint64_t>> pairs) {
    aic100_trans_dma_xfer header{};
    header.hdr = {AIC100_TRANS_DMA_XFER_TO_DEV,
                  static_cast<std::uint32_t>(sizeof(header) + 16 * pairs.size())};
    header.tag = tag;
    header.count = static_cast<std::uint32_t>(pairs.size());
    header.chunk_id = chunk;
    Bytes bytes = to_bytes(header);
    for (const auto& [addr, size] : pairs) {
        const Bytes pair = to_bytes(aic100_addr_size{addr, size});
        bytes.insert(bytes.end(), pair.begin(), pair.end());
    }
    return add_raw(bytes);
}

Bytes MessageBuilder::build(std::uint32_t sequence, std::uint32_t handle, bool with_crc) const {
    aic100_nnc_msg_hdr header{};
    header.magic = AIC100_NNC_MAGIC;
    header.sequence = sequence;
    header.len = static_cast<std::uint32_t>(sizeof(header) + body_.size());
    header.count = count_;
    header.handle = handle;
    header.partition_id = 0xFFFFFFFFu;
    Bytes out = to_bytes(header);
    out.insert(out.end(), body_.begin(), body_.end());
    if (with_crc) {
        store(std::span(out), 0, nnc_crc(out));
    }
    return out;
}

std::optional<std::vector<ReplyTransaction>> split_reply(std::span<const std::byte> reply) {
    const auto header = load<aic100_nnc_msg_hdr>(reply);
    if (!header || header->magic != AIC100_NNC_MAGIC || header->len != reply.size() ||
        reply.size() > AIC100_NNC_MAX_FROM_DEV) {
        return std::nullopt;
    }
    std::vector<ReplyTransaction> out;
    auto rest = reply.subspan(sizeof(*header));
    for (std::uint32_t i = 0; i < header->count; ++i) {
        const auto transaction = load<aic100_trans_hdr>(rest);
        if (!transaction || transaction->len < sizeof(*transaction) ||
            transaction->len > rest.size() || transaction->len % 8 != 0) {
            return std::nullopt;
        }
        const auto bytes = rest.first(transaction->len);
        out.push_back({transaction->type, {bytes.begin(), bytes.end()}});
        rest = rest.subspan(transaction->len);
    }
    return rest.empty() ? std::optional(std::move(out)) : std::nullopt;
}

std::vector<ReplyTransaction> Client::send(const MessageBuilder& message) {
    const std::uint32_t sequence = sequence_++;
    const Bytes reply = card_.control(message.build(sequence, handle_));
    const auto split = split_reply(reply);
    EXPECT_TRUE(split.has_value()) << "the reply is not a well-formed NNC message";
    if (!split) {
        return {};
    }
    const auto header = *load<aic100_nnc_msg_hdr>(reply);
    EXPECT_EQ(header.sequence, sequence);
    EXPECT_EQ(header.handle, handle_);
    return *split;
}

std::pair<std::int32_t, std::uint32_t> Client::load_elf(std::span<const std::byte> elf) {
    const std::uint64_t at = host_.allocate(elf.size(), 8);
    host_.put(at, elf);
    aic100_cmd_load_elf in{};
    in.type = AIC100_CMD_LOAD_ELF;
    in.tag = AIC100_DMA_TAG_ELF;
    in.data_length = elf.size();
    const std::pair<std::uint64_t, std::uint64_t> pair{at, elf.size()};
    const auto reply =
        send(MessageBuilder().command(in).dma(AIC100_DMA_TAG_ELF, 0, std::span(&pair, 1)));
    if (reply.size() != 1) {
        ADD_FAILURE() << "LOAD_ELF is answered by one transaction";
        return {AIC100_ST_ERROR, 0};
    }
    const auto out = reply[0].command<aic100_cmd_load_elf_resp>();
    EXPECT_EQ(out.type, AIC100_CMD_LOAD_ELF_RESP);
    return {static_cast<std::int32_t>(out.status), out.elf_id};
}

std::pair<std::int32_t, std::uint32_t> Client::load_constants(std::span<const std::byte> bytes) {
    const std::uint64_t at = host_.allocate(bytes.size(), 8);
    host_.put(at, bytes);
    aic100_cmd_load_constants_ex announce{};
    announce.type = AIC100_CMD_LOAD_CONSTANTS_EX;
    announce.descriptor_len = sizeof(aic100_constants_descriptor);
    aic100_constants_descriptor descriptor{};
    descriptor.static_size = bytes.size();
    Bytes command = to_bytes(announce);
    const Bytes tail = to_bytes(descriptor);
    command.insert(command.end(), tail.begin(), tail.end());
    const auto announced = send(MessageBuilder().passthrough(command));
    const auto id = announced.at(0).command<aic100_cmd_load_constants_resp>().constants_id;
    aic100_cmd_load_constants_payload in{};
    in.type = AIC100_CMD_LOAD_CONSTANTS_PAYLOAD;
    in.tag = AIC100_DMA_TAG_CONSTANTS;
    in.constants_id = id;
    in.data_length = bytes.size();
    const std::pair<std::uint64_t, std::uint64_t> pair{at, bytes.size()};
    const auto reply =
        send(MessageBuilder().command(in).dma(AIC100_DMA_TAG_CONSTANTS, 0, std::span(&pair, 1)));
    const auto out = reply.at(0).command<aic100_cmd_load_constants_resp>();
    EXPECT_EQ(out.type, AIC100_CMD_LOAD_CONSTANTS_RESP);
    return {static_cast<std::int32_t>(out.status), id};
}

Active Client::activate(std::uint32_t elf, std::uint32_t constants, std::uint32_t elements,
                        std::uint32_t group) {
    Active out;
    out.elements = elements;
    const std::uint32_t bytes = (elements * 68 + AIC100_DBC_QUEUE_GAP + 4095) / 4096 * 4096;
    out.requests = host_.allocate(bytes, AIC100_DBC_QUEUE_ALIGN);
    out.responses = out.requests + bytes - elements * 4;
    aic100_cmd_activate in{};
    in.type = AIC100_CMD_ACTIVATE;
    in.elf_id = elf;
    in.constants_id = constants;
    in.resource_res_id = group;
    in.opt_vc_setup = 1;
    in.vc_res_id = 0xFFFFFFFFu;
    in.initial_state = 1;
    aic100_trans_activate_to_dev queues{};
    queues.req_q_addr = out.requests;
    queues.rsp_q_addr = out.responses;
    queues.req_q_size = queues.rsp_q_size = elements;
    queues.buf_len = bytes;
    const auto reply = send(MessageBuilder().command(in).add(AIC100_TRANS_ACTIVATE_TO_DEV, queues));
    out.transactions = reply.size();
    if (reply.empty() || reply[0].type != AIC100_TRANS_PASSTHROUGH_FROM_DEV) {
        ADD_FAILURE() << "the passthrough reply comes first";
        out.status = AIC100_ST_ERROR;
        return out;
    }
    const auto answer = reply[0].command<aic100_cmd_activate_resp>();
    out.status = static_cast<std::int32_t>(answer.status);
    out.id = answer.activation_id;
    out.dbc = answer.virtual_channel_id;
    out.ddr_base = answer.ddr_base;
    out.mcid_base = answer.mcid_base;
    std::memcpy(&out.nsp_mask, answer.nsp_mask, sizeof(out.nsp_mask));
    if (reply.size() == 2) {
        EXPECT_EQ(reply[1].type, AIC100_TRANS_ACTIVATE_FROM_DEV);
        EXPECT_EQ(reply[1].whole<aic100_trans_activate_from_dev>().dbc_id, out.dbc);
        EXPECT_EQ(reply[1].whole<aic100_trans_activate_from_dev>().status, 0u);
    }
    return out;
}

std::int32_t Client::deactivate(const Active& active) {
    aic100_cmd_deactivate in{};
    in.type = AIC100_CMD_DEACTIVATE;
    in.activation_id = active.id;
    in.opt_vc_teardown = 1;
    const auto reply = send(MessageBuilder().command(in));
    const auto out = reply.at(0).command<aic100_cmd_status_only_resp>();
    EXPECT_EQ(out.type, AIC100_CMD_DEACTIVATE_RESP);
    if (out.status == 0) {
        EXPECT_EQ(reply.size(), 2u);
        EXPECT_EQ(reply.at(1).type, AIC100_TRANS_DEACTIVATE_FROM_DEV);
        EXPECT_EQ(reply.at(1).whole<aic100_trans_deactivate_from_dev>().dbc_id, active.dbc);
    }
    return static_cast<std::int32_t>(out.status);
}

std::int32_t Client::unload(std::uint32_t type, std::uint32_t id) {
    const auto out = ask<aic100_cmd_status_only_resp>(aic100_cmd_unload{type, id});
    EXPECT_EQ(out.type, type + 1);
    return static_cast<std::int32_t>(out.status);
}

void Client::terminate() {
    aic100_trans_terminate_to_dev in{};
    in.handle = handle_;
    const auto reply = send(MessageBuilder().add(AIC100_TRANS_TERMINATE_TO_DEV, in));
    ASSERT_EQ(reply.size(), 1u);
    EXPECT_EQ(reply[0].type, AIC100_TRANS_TERMINATE_FROM_DEV);
    EXPECT_EQ(reply[0].whole<aic100_trans_terminate_from_dev>().status, 0u);
}

aic100_resource_info Client::resources() {
    aic100_cmd_resource_info in{};
    in.type = AIC100_CMD_RESOURCE_INFO;
    in.res_grp_id = 0xFFFFFFFFu;
    const auto out = ask<aic100_cmd_resource_info_resp>(in);
    EXPECT_EQ(out.type, AIC100_CMD_RESOURCE_INFO_RESP);
    EXPECT_EQ(out.status, 0u);
    return out.info;
}

}  // namespace qaicemu::test
