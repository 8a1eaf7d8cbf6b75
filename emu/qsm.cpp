// SPDX-License-Identifier: Apache-2.0
/// QSM's message loop: decoding, multi-message transfers, transactions, the command table.
#include "emu/qsm.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace qaicemu {
namespace {

constexpr std::size_t kMaxPartialsPerUser = 4;
constexpr std::size_t kMaxRefusals = 256;

ResourceGrant whole_card(const CardConfig& config) {
    return {.nsp_mask = (1u << config.nsps) - 1,
            .channels = AIC100_DBC_COUNT,
            .semaphores = config.semaphores,
            .first_mcid = 0,
            .mcids = config.mcids,
            .ddr_bytes = config.ddr_bytes};
}

/// The transfer of a message that may go on in later ones, if it has one.
std::optional<aic100_trans_dma_xfer> transfer_of(const NncTransaction& transaction) {
    const auto header = load<aic100_trans_dma_xfer>(transaction.bytes);
    if (transaction.type != AIC100_TRANS_DMA_XFER_TO_DEV || !header ||
        header->count > (transaction.bytes.size() - sizeof(*header)) / sizeof(aic100_addr_size)) {
        return std::nullopt;
    }
    return header;
}

std::span<const std::byte> pairs_of(const NncTransaction& transaction,
                                    const aic100_trans_dma_xfer& header) {
    return transaction.bytes.subspan(sizeof(header), header.count * sizeof(aic100_addr_size));
}

}  // namespace

Qsm::Qsm(const CardConfig& config, HostMemory& memory, Ddr& ddr, Channels& channels)
    : config_(config),
      memory_(memory),
      ddr_(ddr),
      channels_(channels),
      device_(whole_card(config)) {}

Qsm::~Qsm() {
    reset();
}

std::vector<std::byte> Qsm::answer(std::span<const std::byte> message) {
    const std::lock_guard lock(mutex_);
    try {
        return answer_locked(message);
    } catch (const std::bad_alloc&) {
        return {};  // not even a reply can be built; the host's timeout tells
    }
}

std::vector<std::byte> Qsm::answer_locked(std::span<const std::byte> message) {
    const NncMessage decoded = decode_message(message, config_.crc_required);
    if (decoded.verdict == NncVerdict::kUnanswerable) {
        return {};
    }
    if (decoded.verdict == NncVerdict::kMalformed) {
        refuse(decoded.header.handle, AIC100_ST_CMD_LENGTH_ERROR,
               "The message's lengths and counts contradict each other.");
        return NncReply().finish(decoded.header, config_.crc_required);
    }
    if (decoded.transactions.size() == 1) {
        const auto transfer = transfer_of(decoded.transactions[0]);
        if (transfer && transfer->chunk_id != 0) {
            const auto at = partials_.find({decoded.header.handle, transfer->chunk_id});
            if (at != partials_.end()) {
                return continue_message(decoded, at);
            }
        }
    }
    return start_message(decoded, message);
}

std::vector<std::byte> Qsm::start_message(const NncMessage& decoded,
                                          std::span<const std::byte> raw) {
    const std::uint32_t handle = decoded.header.handle;
    std::vector<Load> loads = prepare_loads(decoded);
    for (const NncTransaction& transaction : decoded.transactions) {
        const auto transfer = transfer_of(transaction);
        const auto match = std::ranges::find_if(loads, [&](const Load& load) {
            return transfer && load.tag == transfer->tag && load.received == 0;
        });
        if (match == loads.end()) {
            continue;  // data that no command asks for is not fetched
        }
        pull(memory_, pairs_of(transaction, *transfer), *match);
        if (transfer->chunk_id == 0 || match->complete() || match->status != AIC100_ST_SUCCESS) {
            continue;
        }
        const std::uint64_t received = match->received;
        const auto mine = static_cast<std::size_t>(std::ranges::count_if(
            partials_, [&](const auto& entry) { return entry.first.first == handle; }));
        if (mine >= kMaxPartialsPerUser) {
            match->status = refuse(handle, AIC100_ST_MEM_ALLOC_ERROR,
                                   "This user has four unfinished transfers already.");
            continue;
        }
        PartialMessage partial{.message = {raw.begin(), raw.end()},
                               .loads = {},
                               .waiting = static_cast<std::size_t>(match - loads.begin())};
        partial.loads = std::move(loads);
        partials_.insert_or_assign({handle, transfer->chunk_id}, std::move(partial));
        return continuation_reply(decoded.header, transfer->chunk_id, received);
    }
    return finish_message(decoded, loads, decoded.header);
}

std::vector<std::byte> Qsm::continue_message(const NncMessage& decoded,
                                             PartialMessages::iterator at) {
    const NncTransaction& transaction = decoded.transactions[0];
    const auto transfer = *transfer_of(transaction);
    PartialMessage& partial = at->second;
    Load& waiting = partial.loads[partial.waiting];
    if (transfer.count == 0 || transfer.tag != waiting.tag) {
        waiting.status = refuse(at->first.first, AIC100_ST_DMA_ERROR,
                                transfer.count == 0 ? "The host abandoned the transfer."
                                                    : "A continued transfer changed its tag.");
    } else {
        pull(memory_, pairs_of(transaction, transfer), waiting);
        if (!waiting.complete() && waiting.status == AIC100_ST_SUCCESS) {
            return continuation_reply(decoded.header, transfer.chunk_id, waiting.received);
        }
    }
    PartialMessage whole = std::move(partial);
    partials_.erase(at);
    const NncMessage first = decode_message(whole.message, false);
    return finish_message(first, whole.loads, decoded.header);
}

std::vector<std::byte> Qsm::continuation_reply(const aic100_nnc_msg_hdr& answer_to,
                                               std::uint32_t chunk, std::uint64_t received) const {
    NncReply reply;
    aic100_trans_dma_cont cont{};
    cont.chunk_id = chunk;
    cont.xferred_size = received;
    reply.add(AIC100_TRANS_DMA_XFER_CONT, cont);
    return reply.finish(answer_to, config_.crc_required);
}

std::vector<std::byte> Qsm::finish_message(const NncMessage& message, std::vector<Load>& loads,
                                           const aic100_nnc_msg_hdr& answer_to) {
    Job job{.message = message, .loads = loads, .reply = {}};
    for (std::size_t i = 0; i < message.transactions.size(); ++i) {
        run_transaction(job, i);
    }
    return job.reply.finish(answer_to, config_.crc_required);
}

void Qsm::run_transaction(Job& job, std::size_t index) {
    const NncTransaction& transaction = job.message.transactions[index];
    // A transaction whose answer would not fit any more is not executed: the host must be able to
    // see what happened.
    constexpr std::size_t kLargestDriverReply = sizeof(aic100_trans_activate_from_dev);
    if (!job.reply.has_room(kLargestDriverReply)) {
        return;
    }
    switch (transaction.type) {
        case AIC100_TRANS_PASSTHROUGH_TO_DEV:
            run_command(job, index);
            return;
        case AIC100_TRANS_STATUS_TO_DEV: {
            aic100_trans_status_from_dev out{};
            out.major = AIC100_NNC_MAJOR;
            out.minor = AIC100_NNC_MINOR;
            out.status_flags = config_.crc_required ? AIC100_NNC_STATUS_FLAG_CRC : 0;
            job.reply.add(AIC100_TRANS_STATUS_FROM_DEV, out);
            return;
        }
        case AIC100_TRANS_TERMINATE_TO_DEV: {
            aic100_trans_terminate_from_dev out{};
            if (const auto in = load<aic100_trans_terminate_to_dev>(transaction.bytes)) {
                job.loads.clear();  // they may aim at objects that go now
                release_user(in->handle);
            } else {
                out.status = static_cast<std::uint32_t>(AIC100_ST_CMD_LENGTH_ERROR);
            }
            job.reply.add(AIC100_TRANS_TERMINATE_FROM_DEV, out);
            return;
        }
        case AIC100_TRANS_VALIDATE_PARTITION_TO_DEV: {
            aic100_trans_validate_partition_from_dev out{};
            const auto in = load<aic100_trans_validate_partition_to_dev>(transaction.bytes);
            const std::int32_t found = in ? groups_.find(job.handle(), in->part_id).status
                                          : std::int32_t{AIC100_ST_CMD_LENGTH_ERROR};
            out.status = static_cast<std::uint32_t>(found);
            job.reply.add(AIC100_TRANS_VALIDATE_PARTITION_FROM_DEV, out);
            return;
        }
        default:
            return;  // ACTIVATE and DMA_XFER belong to a command; others ask for nothing
    }
}

void Qsm::run_command(Job& job, std::size_t index) {
    const Command command{job, index, job.message.transactions[index].payload()};
    const std::uint32_t type = load<std::uint32_t>(command.bytes).value_or(0);
    const auto table = command_table();
    const auto entry = std::ranges::find(table, type, &CommandEntry::type);
    if (entry == table.end()) {
        aic100_cmd_status_only_resp out{};
        out.type = type + 1;
        out.status = static_cast<std::uint32_t>(
            refuse(job.handle(), AIC100_ST_UNDEFINED_REQUEST,
                   "The emulated card does not know command " + std::to_string(type) + "."));
        job.reply.add_passthrough(to_bytes(out));
        return;
    }
    constexpr std::size_t kLargestDriverReply = sizeof(aic100_trans_activate_from_dev);
    if (job.reply.has_room(sizeof(aic100_trans_hdr) + entry->reply_bytes + kLargestDriverReply)) {
        job.reply.add_passthrough(execute(*entry, command));
    }
}

/// Runs a command of the table. A refused command's reply holds its type and status, nothing else.
std::vector<std::byte> Qsm::execute(const CommandEntry& entry, const Command& command) {
    const auto blank = [&entry] {
        std::vector<std::byte> out(entry.reply_bytes);
        store(std::span(out), 0, entry.reply_type);
        return out;
    };
    std::vector<std::byte> reply = blank();
    std::int32_t result = AIC100_ST_SUCCESS;
    if (command.bytes.size() < entry.request_bytes) {
        result =
            refuse(command.job.handle(), AIC100_ST_CMD_LENGTH_ERROR,
                   "Command " + std::to_string(entry.type) + " is shorter than its structure.");
    } else {
        try {
            result = (this->*entry.run)(command, reply);
        } catch (const std::bad_alloc&) {
            result = refuse(command.job.handle(), AIC100_ST_MEM_ALLOC_ERROR,
                            "The host of the emulated card has no memory left.");
        }
    }
    if (result != AIC100_ST_SUCCESS) {
        reply = blank();
    }
    store(std::span(reply), entry.status_offset, result);
    return reply;
}

std::span<const Qsm::CommandEntry> Qsm::command_table() {
    static constexpr std::size_t kSecond = 4, kThird = 8;
    static constexpr std::size_t kAfterInfo = offsetof(aic100_cmd_resource_info_resp, status);
    static constexpr std::size_t kShort = sizeof(aic100_cmd_status_only_resp);
    static constexpr std::size_t kUnload = sizeof(aic100_cmd_unload);
    static constexpr CommandEntry kTable[] = {
        {AIC100_CMD_LOAD_CONSTANTS, AIC100_CMD_LOAD_CONSTANTS_RESP,
         sizeof(aic100_cmd_load_constants), sizeof(aic100_cmd_load_constants_resp), kThird,
         &Qsm::load_constants},
        {AIC100_CMD_LOAD_CONSTANTS_EX, AIC100_CMD_LOAD_CONSTANTS_RESP,
         sizeof(aic100_cmd_load_constants_ex), sizeof(aic100_cmd_load_constants_resp), kThird,
         &Qsm::load_constants_ex},
        {AIC100_CMD_LOAD_CONSTANTS_PAYLOAD, AIC100_CMD_LOAD_CONSTANTS_RESP,
         sizeof(aic100_cmd_load_constants_payload), sizeof(aic100_cmd_load_constants_resp), kThird,
         &Qsm::load_constants_payload},
        {AIC100_CMD_LOAD_ELF, AIC100_CMD_LOAD_ELF_RESP, sizeof(aic100_cmd_load_elf),
         sizeof(aic100_cmd_load_elf_resp), kThird, &Qsm::load_elf},
        {AIC100_CMD_UNLOAD_CONSTANTS, AIC100_CMD_UNLOAD_CONSTANTS_RESP, kUnload, kShort, kSecond,
         &Qsm::unload_constants},
        {AIC100_CMD_UNLOAD_ELF, AIC100_CMD_UNLOAD_ELF_RESP, kUnload, kShort, kSecond,
         &Qsm::unload_elf},
        {AIC100_CMD_ACTIVATE, AIC100_CMD_ACTIVATE_RESP, sizeof(aic100_cmd_activate),
         sizeof(aic100_cmd_activate_resp), kSecond, &Qsm::activate},
        {AIC100_CMD_DEACTIVATE, AIC100_CMD_DEACTIVATE_RESP, sizeof(aic100_cmd_deactivate), kShort,
         kSecond, &Qsm::deactivate},
        {AIC100_CMD_STATUS, AIC100_CMD_STATUS_RESP, sizeof(aic100_cmd_status),
         sizeof(aic100_cmd_status_resp), kSecond, &Qsm::status},
        {AIC100_CMD_CREATE_RESOURCE_GROUP, AIC100_CMD_CREATE_RESOURCE_GROUP_RESP,
         sizeof(aic100_cmd_create_resource_group), sizeof(aic100_cmd_create_resource_group_resp),
         kSecond, &Qsm::create_group},
        {AIC100_CMD_RELEASE_RESOURCE_GROUP, AIC100_CMD_RELEASE_RESOURCE_GROUP_RESP, kUnload, kShort,
         kSecond, &Qsm::release_group},
        {AIC100_CMD_RESOURCE_INFO, AIC100_CMD_RESOURCE_INFO_RESP, sizeof(aic100_cmd_resource_info),
         sizeof(aic100_cmd_resource_info_resp), kAfterInfo, &Qsm::resource_info},
        {AIC100_CMD_PERFORMANCE_INFO, AIC100_CMD_PERFORMANCE_INFO_RESP,
         sizeof(aic100_cmd_performance_info), sizeof(aic100_cmd_performance_info_resp), kSecond,
         &Qsm::performance_info},
        {AIC100_CMD_ACTIVATE_STATE, AIC100_CMD_ACTIVATE_STATE_RESP,
         sizeof(aic100_cmd_activate_state), kShort, kSecond, &Qsm::activate_state},
    };
    return kTable;
}

std::int32_t Qsm::refuse(std::uint32_t handle, std::int32_t status, std::string why) {
    const std::lock_guard lock(refusals_mutex_);
    if (refusals_.size() >= kMaxRefusals) {
        refusals_.clear();  // only a host that invents handles gets here
    }
    refusals_[handle] = std::move(why);
    return status;
}

std::string Qsm::last_refusal(std::uint32_t handle) const {
    const std::lock_guard lock(refusals_mutex_);
    const auto at = refusals_.find(handle);
    return at == refusals_.end() ? std::string() : at->second;
}

/// Order matters: transfers and programs use constants and images, programs use groups.
void Qsm::release_user(std::uint32_t handle) {
    std::erase_if(partials_, [&](const auto& entry) { return entry.first.first == handle; });
    activations_.remove_user(handle);
    elfs_.remove_user(handle);
    constants_.remove_user(handle);
    groups_.remove_user(handle);
    const std::lock_guard lock(refusals_mutex_);
    refusals_.erase(handle);
}

void Qsm::reset() {
    const std::lock_guard lock(mutex_);
    partials_.clear();
    activations_.clear();
    elfs_.clear();
    constants_.clear();
    groups_.clear();
    const std::lock_guard refusals_lock(refusals_mutex_);
    refusals_.clear();
}

}  // namespace qaicemu
