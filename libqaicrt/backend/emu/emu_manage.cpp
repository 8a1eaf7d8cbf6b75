// SPDX-License-Identifier: Apache-2.0
/// manage(): one message to QSM, from user transactions to the wire and back, as the kernel's
/// control path does it.
#include "libqaicrt/backend/emu/emu_backend.hpp"
#include "libqaicrt/support/sys_error.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace qaicrt::backend::emu {
namespace {

/// Length of a transaction in the kernel's interface.
std::size_t user_bytes(const UserTransaction& transaction) {
    struct Visitor {
        std::size_t operator()(const Passthrough& t) const { return 8 + t.command.size(); }
        std::size_t operator()(const DmaTransfer&) const { return 32; }
        std::size_t operator()(const ActivateRequest&) const { return 24; }
        std::size_t operator()(const DeactivateRequest&) const { return 16; }
        std::size_t operator()(const StatusRequest&) const { return 8; }
    };
    return std::visit(Visitor{}, transaction);
}

Status check_message(std::span<const UserTransaction> message) {
    if (message.empty() || message.size() > kMaxUserMessage / 8) {
        return sys_error(EINVAL, "a message has 1 to 512 transactions");
    }
    std::size_t bytes = 0;
    std::size_t transfers = 0;
    std::size_t activations = 0;
    for (const UserTransaction& transaction : message) {
        bytes += user_bytes(transaction);
        transfers += std::holds_alternative<DmaTransfer>(transaction) ? 1 : 0;
        activations += std::holds_alternative<ActivateRequest>(transaction) ? 1 : 0;
    }
    if (bytes > kMaxUserMessage) {
        return sys_error(EINVAL, "a message of " + std::to_string(bytes) +
                                     " bytes is too long; at most 4096 are allowed");
    }
    // The kernel keeps one of each per call and mixes a second one up with the first.
    if (transfers > 1 || activations > 1) {
        return sys_error(EINVAL, "a message may hold one DMA transfer and one activation");
    }
    return {};
}

Error bad_reply(int sys_errno, const char* what) {
    return sys_error(sys_errno, std::string("the card's reply does not fit the request: ") + what);
}

}  // namespace

/// State of one call: what must be undone when it fails.
class EmuBackend::ManageCall {
  public:
    ManageCall(EmuBackend& backend, std::vector<ReplyTransaction>* refused)
        : backend_(backend), card_(*backend.card_), refused_(refused) {}
    ~ManageCall() { unmap(); }
    ManageCall(const ManageCall&) = delete;
    ManageCall& operator=(const ManageCall&) = delete;

    Result<std::vector<ReplyTransaction>> run(std::span<const UserTransaction> message);

  private:
    Status encode(const UserTransaction& transaction, WireMessage& wire);
    Status encode_dma(const DmaTransfer& transfer, WireMessage& wire);
    Status encode_activate(const ActivateRequest& request, WireMessage& wire);
    Result<std::vector<std::byte>> transact(WireMessage& wire);
    Result<std::vector<ReplyTransaction>> decode(std::span<const std::byte> bytes);
    Status decode_one(const WireTransaction& transaction);
    Status decode_activate(std::span<const std::byte> bytes);
    Status decode_deactivate(std::span<const std::byte> bytes);
    Status decode_status(std::span<const std::byte> bytes);
    Error refuse(std::uint32_t status, const char* what);
    void unmap();

    EmuBackend& backend_;
    EmuCard& card_;
    std::vector<ReplyTransaction>* refused_;
    std::vector<ReplyTransaction> replies_;
    std::size_t reply_bytes_ = 0;

    DmaTransfer transfer_;
    std::uint64_t transfer_done_ = 0;      ///< bytes that were in messages so far
    std::uint32_t chunk_ = 0;              ///< not 0 once the transfer needs several messages
    std::vector<BusSegment> mapped_;       ///< of the message under way
    std::shared_ptr<DbcQueue> new_queue_;  ///< of an activation whose reply is not decoded yet
};

Result<std::vector<ReplyTransaction>> EmuBackend::manage(std::span<const UserTransaction> message,
                                                         std::vector<ReplyTransaction>* refused) {
    QAICRT_CHECK(check_message(message));
    ManageCall call(*this, refused);
    return call.run(message);
}

Result<std::vector<ReplyTransaction>> EmuBackend::ManageCall::run(
    std::span<const UserTransaction> message) {
    WireMessage wire(backend_.handle_, kWholeDevice);
    for (const UserTransaction& transaction : message) {
        QAICRT_CHECK(encode(transaction, wire));
    }
    QAICRT_TRY(auto bytes, transact(wire));
    // A transfer that did not fit continues for as long as the card asks for more.
    while (transfer_done_ < transfer_.data.size()) {
        QAICRT_TRY(const auto reply, WireReply::open(bytes));
        aic100_trans_dma_cont more;
        if (!reply.is_continuation(more)) {
            break;
        }
        if (more.chunk_id != chunk_ || more.xferred_size != transfer_done_) {
            return bad_reply(EINVAL, "it continues another transfer");
        }
        WireMessage part(backend_.handle_, kWholeDevice);
        QAICRT_CHECK(encode_dma(transfer_, part));
        QAICRT_TRY(bytes, transact(part));
    }
    return decode(bytes);
}

Status EmuBackend::ManageCall::encode(const UserTransaction& transaction, WireMessage& wire) {
    if (const auto* command = std::get_if<Passthrough>(&transaction)) {
        return wire.add_passthrough(command->command);
    }
    if (const auto* transfer = std::get_if<DmaTransfer>(&transaction)) {
        if (transfer->data.empty()) {
            return sys_error(EINVAL, "a DMA transfer of 0 bytes");
        }
        transfer_ = *transfer;
        return encode_dma(*transfer, wire);
    }
    if (const auto* request = std::get_if<ActivateRequest>(&transaction)) {
        return encode_activate(*request, wire);
    }
    if (const auto* request = std::get_if<DeactivateRequest>(&transaction)) {
        // Nothing goes out: the command that ends the workload is in a passthrough transaction.
        return backend_.detach_from_user(request->dbc);
    }
    return wire.add_status();
}

Status EmuBackend::ManageCall::encode_dma(const DmaTransfer& transfer, WireMessage& wire) {
    QAICRT_TRY(const std::size_t room, wire.dma_room());
    const std::uint64_t segment = card_.options().transfer_segment_bytes;
    // The first piece may start in mid page, so `room` pieces hold at least this much.
    const std::uint64_t fits = segment * (room - 1) + 1;
    const auto rest = transfer.data.subspan(transfer_done_);
    std::uint64_t bytes = rest.size();
    if (bytes > fits) {
        const auto in_page = reinterpret_cast<std::uintptr_t>(rest.data()) % kHostPageBytes;
        bytes = std::min<std::uint64_t>(bytes, segment * room - in_page);
    }
    if (bytes < rest.size() && chunk_ == 0) {
        chunk_ = backend_.next_chunk_++;
        chunk_ = chunk_ == 0 ? backend_.next_chunk_++ : chunk_;
    }
    mapped_ = card_.memory().map(rest.first(bytes), segment, BusMemory::Access::kReadOnly);
    transfer_done_ += bytes;
    return wire.add_dma(transfer.tag, chunk_, mapped_);
}

Status EmuBackend::ManageCall::encode_activate(const ActivateRequest& request, WireMessage& wire) {
    QAICRT_TRY(new_queue_, DbcQueue::create(card_, request.queue_size));
    return wire.add_activate(new_queue_->request_fifo(), new_queue_->response_fifo(),
                             new_queue_->elements(), new_queue_->bytes(), request.options);
}

Result<std::vector<std::byte>> EmuBackend::ManageCall::transact(WireMessage& wire) {
    auto reply = card_.exchange(wire);
    unmap();  // the card has read all of it before it answers
    return reply;
}

void EmuBackend::ManageCall::unmap() {
    card_.memory().unmap(mapped_);
    mapped_.clear();
}

Result<std::vector<ReplyTransaction>> EmuBackend::ManageCall::decode(
    std::span<const std::byte> bytes) {
    QAICRT_TRY(auto reply, WireReply::open(bytes));
    if (card_.verify_replies() && !reply.crc_matches()) {
        return sys_error(EPIPE, "the checksum of the card's reply is wrong");
    }
    WireTransaction transaction;
    while (true) {
        QAICRT_TRY(const bool more, reply.next(transaction));
        if (!more) {
            return std::move(replies_);
        }
        if (auto status = decode_one(transaction); !status) {
            if (status.error().sys_errno == ECANCELED && refused_ != nullptr) {
                *refused_ = std::move(replies_);
            }
            return std::move(status).error();
        }
    }
}

Status EmuBackend::ManageCall::decode_one(const WireTransaction& transaction) {
    switch (transaction.type) {
        case AIC100_TRANS_PASSTHROUGH_FROM_DEV: {
            if (transaction.bytes.size() % 8 != 0) {
                return bad_reply(EINVAL, "a command answer's length is not a multiple of 8");
            }
            reply_bytes_ += transaction.bytes.size();
            if (reply_bytes_ > kMaxUserMessage) {
                return bad_reply(ENOSPC, "it is longer than 4096 bytes");
            }
            const auto command = transaction.bytes.subspan(sizeof(aic100_trans_hdr));
            replies_.emplace_back(Passthrough{{command.begin(), command.end()}});
            return {};
        }
        case AIC100_TRANS_ACTIVATE_FROM_DEV:
            return decode_activate(transaction.bytes);
        case AIC100_TRANS_DEACTIVATE_FROM_DEV:
            return decode_deactivate(transaction.bytes);
        case AIC100_TRANS_STATUS_FROM_DEV:
            return decode_status(transaction.bytes);
        default:
            return bad_reply(EINVAL, "it has a transaction that nobody asked for");
    }
}

Error EmuBackend::ManageCall::refuse(std::uint32_t status, const char* what) {
    return Error{Errc::kDevice,
                 std::string("the card refused to ") + what + " (status " +
                     std::to_string(static_cast<std::int32_t>(status)) + ")",
                 ECANCELED, static_cast<std::int32_t>(status)};
}

Status EmuBackend::ManageCall::decode_activate(std::span<const std::byte> bytes) {
    aic100_trans_activate_from_dev answer;
    if (new_queue_ == nullptr || !read_struct(bytes, 0, answer)) {
        return bad_reply(EINVAL, "an activation that nobody asked for");
    }
    if (answer.dbc_id >= AIC100_DBC_COUNT) {
        return bad_reply(ENODEV, "it names a channel that does not exist");
    }
    replies_.emplace_back(ActivateReply{answer.status, answer.dbc_id, answer.options});
    reply_bytes_ += sizeof(answer);
    if (answer.status != 0) {
        return refuse(answer.status, "activate a channel");
    }
    QAICRT_CHECK(card_.claim_dbc(answer.dbc_id));
    backend_.install(answer.dbc_id, std::exchange(new_queue_, nullptr));
    return {};
}

Status EmuBackend::ManageCall::decode_deactivate(std::span<const std::byte> bytes) {
    aic100_trans_deactivate_from_dev answer;
    if (!read_struct(bytes, 0, answer)) {
        return bad_reply(EINVAL, "a deactivation is too short");
    }
    if (answer.dbc_id >= AIC100_DBC_COUNT) {
        return bad_reply(ENODEV, "it names a channel that does not exist");
    }
    if (answer.status != 0) {
        backend_.give_back(answer.dbc_id);
        return refuse(answer.status, "deactivate a channel");
    }
    backend_.release_channel(answer.dbc_id);
    return {};
}

Status EmuBackend::ManageCall::decode_status(std::span<const std::byte> bytes) {
    aic100_trans_status_from_dev answer;
    if (!read_struct(bytes, 0, answer)) {
        return bad_reply(EINVAL, "a status is too short");
    }
    replies_.emplace_back(
        StatusReply{answer.major, answer.minor, answer.status, answer.status_flags});
    reply_bytes_ += sizeof(answer);
    return answer.status == 0 ? Status{} : Status{refuse(answer.status, "tell its version")};
}

}  // namespace qaicrt::backend::emu
