// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/wire.hpp"

#include "libqaicrt/support/crc32.hpp"
#include "libqaicrt/support/sys_error.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace qaicrt::backend::emu {
namespace {

constexpr std::size_t kMaxMessage = 65536;
static_assert(static_cast<unsigned>(kMaxMessage) == AIC100_NNC_MAX_TO_DEV);
constexpr std::size_t kSmallestDmaRoom = sizeof(aic100_trans_dma_xfer) + sizeof(aic100_addr_size);

Error damaged(const char* what) {
    return sys_error(EINVAL, std::string("the card's reply is damaged: ") + what);
}

}  // namespace

WireMessage::WireMessage(std::uint32_t handle, std::uint32_t partition)
    : bytes_(sizeof(aic100_nnc_msg_hdr)), handle_(handle), partition_(partition) {}

template <class T>
Status WireMessage::add(std::uint32_t type, T& transaction, std::span<const std::byte> tail) {
    const std::size_t bytes = sizeof(T) + tail.size();
    if (bytes > kMaxMessage - bytes_.size()) {
        return sys_error(ENOSPC, "a message to the card has at most 65536 bytes");
    }
    std::memcpy(&transaction,
                std::array<std::uint32_t, 2>{type, static_cast<std::uint32_t>(bytes)}.data(),
                sizeof(aic100_trans_hdr));
    append_struct(bytes_, transaction);
    append_bytes(bytes_, tail);
    ++count_;
    return {};
}

Status WireMessage::add_passthrough(std::span<const std::byte> command) {
    if (command.size() % 8 != 0) {
        return sys_error(EINVAL, "a command's length must be a multiple of 8 bytes");
    }
    aic100_trans_hdr header{};
    return add(AIC100_TRANS_PASSTHROUGH_TO_DEV, header, command);
}

Status WireMessage::add_status() {
    aic100_trans_hdr header{};
    return add(AIC100_TRANS_STATUS_TO_DEV, header);
}

Status WireMessage::add_activate(std::uint64_t request_fifo, std::uint64_t response_fifo,
                                 std::uint32_t elements, std::uint32_t bytes,
                                 std::uint32_t options) {
    aic100_trans_activate_to_dev activate{};
    activate.req_q_addr = request_fifo;
    activate.rsp_q_addr = response_fifo;
    activate.req_q_size = elements;
    activate.rsp_q_size = elements;
    activate.buf_len = bytes;
    activate.options = options;
    return add(AIC100_TRANS_ACTIVATE_TO_DEV, activate);
}

Status WireMessage::add_dma(std::uint32_t tag, std::uint32_t chunk,
                            std::span<const BusSegment> pairs) {
    std::vector<std::byte> list;
    list.reserve(pairs.size() * sizeof(aic100_addr_size));
    for (const BusSegment& pair : pairs) {
        append_struct(list, aic100_addr_size{pair.address, pair.bytes});
    }
    aic100_trans_dma_xfer transfer{};
    transfer.tag = tag;
    transfer.count = static_cast<std::uint32_t>(pairs.size());
    transfer.chunk_id = chunk;
    return add(AIC100_TRANS_DMA_XFER_TO_DEV, transfer, list);
}

Status WireMessage::add_terminate(std::uint32_t handle) {
    aic100_trans_terminate_to_dev terminate{};
    terminate.handle = handle;
    return add(AIC100_TRANS_TERMINATE_TO_DEV, terminate);
}

Result<std::size_t> WireMessage::dma_room() const {
    if (kMaxMessage - bytes_.size() < kSmallestDmaRoom + kDmaReserve) {
        return sys_error(ENOMEM, "the message has no room left for a DMA transfer");
    }
    return (kMaxMessage - kDmaReserve - bytes_.size() - sizeof(aic100_trans_dma_xfer)) /
           sizeof(aic100_addr_size);
}

std::span<const std::byte> WireMessage::seal(std::uint32_t sequence, bool with_crc) {
    aic100_nnc_msg_hdr header{};
    header.magic = AIC100_NNC_MAGIC;
    header.sequence = sequence;
    header.len = static_cast<std::uint32_t>(bytes_.size());
    header.count = count_;
    header.handle = handle_;
    header.partition_id = partition_;
    std::memcpy(bytes_.data(), &header, sizeof(header));
    if (with_crc) {
        const std::uint32_t crc = crc32(bytes_);
        std::memcpy(bytes_.data(), &crc, sizeof(crc));
    }
    return bytes_;
}

Result<WireReply> WireReply::open(std::span<const std::byte> bytes) {
    WireReply reply;
    if (!read_struct(bytes, 0, reply.header_) || reply.header_.magic != AIC100_NNC_MAGIC) {
        return damaged("it is too short or has no NNC header");
    }
    if (reply.header_.len < sizeof(aic100_nnc_msg_hdr) ||
        reply.header_.len > AIC100_NNC_MAX_FROM_DEV || reply.header_.len > bytes.size()) {
        return damaged("the length in its header is wrong");
    }
    reply.bytes_ = bytes.first(reply.header_.len);
    return reply;
}

bool WireReply::crc_matches() const {
    std::vector<std::byte> copy(bytes_.begin(), bytes_.end());
    std::memset(copy.data(), 0, sizeof(header_.crc32));
    return crc32(copy) == header_.crc32;
}

Result<bool> WireReply::next(WireTransaction& out) {
    if (seen_ == header_.count) {
        if (offset_ != bytes_.size()) {
            return damaged("bytes are left behind its last transaction");
        }
        return false;
    }
    aic100_trans_hdr header;
    if (!read_struct(bytes_, offset_, header) || header.len < sizeof(header) ||
        header.len > bytes_.size() - offset_) {
        return damaged("a transaction's length is wrong");
    }
    out = {header.type, bytes_.subspan(offset_, header.len)};
    offset_ += header.len;
    ++seen_;
    return true;
}

bool WireReply::is_continuation(aic100_trans_dma_cont& out) const {
    return header_.count == 1 && read_struct(bytes_, sizeof(header_), out) &&
           out.hdr.type == AIC100_TRANS_DMA_XFER_CONT && out.hdr.len == sizeof(out);
}

}  // namespace qaicrt::backend::emu
