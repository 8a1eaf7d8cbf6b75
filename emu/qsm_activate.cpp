// SPDX-License-Identifier: Apache-2.0
/// QSM: activation, deactivation and activation states.
#include "emu/qsm.hpp"

#include <algorithm>
#include <string>
#include <thread>

namespace qaicemu {

using qaicrt::Errc;

namespace {

constexpr std::uint32_t kStateDeactivated =
    2;  ///< highest state on the wire: standby, ready, deactivated
constexpr std::uint32_t kNoReservation = 0xFFFFFFFFu;

std::uint64_t shared_cost(const qaicrt::qpc::Metadata& metadata, bool& possible) {
    const auto fixed = Ddr::footprint(metadata.static_shared_ddr);
    const auto dynamic = Ddr::footprint(metadata.dynamic_shared_ddr);
    possible = fixed && dynamic && *fixed <= Ddr::kMaxBytes && *dynamic <= Ddr::kMaxBytes;
    return possible ? *fixed + *dynamic : 0;
}

}  // namespace

/// The FIFOs of the message's ACTIVATE transaction; each serves one command.
std::optional<QueueSetup> Qsm::queues_of(Job& job) {
    const auto& transactions = job.message.transactions;
    const auto found =
        std::ranges::find(transactions, static_cast<std::uint32_t>(AIC100_TRANS_ACTIVATE_TO_DEV),
                          &NncTransaction::type);
    if (job.queues_used || found == transactions.end()) {
        return std::nullopt;
    }
    job.queues_used = true;
    const auto in = load<aic100_trans_activate_to_dev>(found->bytes);
    if (!in) {
        return std::nullopt;
    }
    const QueueSetup queues{.request_address = in->req_q_addr,
                            .response_address = in->rsp_q_addr,
                            .elements = in->req_q_size};
    return check_queues(queues, in->rsp_q_size, in->buf_len) ? std::optional(queues) : std::nullopt;
}

std::int32_t Qsm::find_programs(const Command& command, Activation& activation) {
    const auto in = command.as<aic100_cmd_activate>();
    const std::uint32_t handle = command.job.handle();
    const auto elf = elfs_.find(handle, in.elf_id);
    if (elf.object == nullptr) {
        return refuse(handle, elf.status, "There is no program with this id to activate.");
    }
    activation.elf = elf.object;
    if (in.constants_id == 0) {
        return AIC100_ST_SUCCESS;
    }
    const auto constants = constants_.find(handle, in.constants_id);
    if (constants.object == nullptr) {
        return refuse(handle, constants.status, "There are no constants with this id to activate.");
    }
    if (constants.object->loads > 0) {
        return refuse(handle, AIC100_ST_OPERATION_NOT_PERMITTED,
                      "The constants are still being loaded.");
    }
    activation.constants = constants.object;
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::take_resources(const Command& command, Activation& activation) {
    const auto in = command.as<aic100_cmd_activate>();
    const std::uint32_t handle = command.job.handle();
    const auto& metadata = activation.elf->metadata;
    ResourcePool* pool = &device_;
    ResourcePool* ddr_pool = &device_;
    if (in.resource_res_id != kNoReservation) {
        const auto group = groups_.find(handle, in.resource_res_id);
        if (group.object == nullptr) {
            return refuse(handle, group.status, "There is no resource group with this id.");
        }
        pool = &group.object->pool;
        // A group made without DDR leaves memory to the whole card.
        ddr_pool = group.object->holding.grant().ddr_bytes > 0 ? pool : &device_;
    }
    ResourceGrant grant;
    std::int32_t status = pool->take({.nsps = metadata.num_nsps,
                                      .channels = 1,
                                      .semaphores = metadata.num_semaphores,
                                      .mcids = mcids_of(metadata)},
                                     grant);
    if (status == AIC100_ST_NSP_ALLOC_ERROR) {
        const auto have = pool->info(0);
        return refuse(handle, status,
                      "The program needs " + std::to_string(metadata.num_nsps) + " NSPs, and " +
                          std::to_string(have.nsp_free) + " of " + std::to_string(have.nsp_total) +
                          " are free.");
    }
    if (status != AIC100_ST_SUCCESS) {
        return refuse(handle, status, "Channels, semaphores or multicast ids are used up for now.");
    }
    activation.engines = Holding(*pool, grant);
    bool possible = false;
    const std::uint64_t cost = shared_cost(metadata, possible);
    status = possible ? ddr_pool->take({.ddr_bytes = cost}, grant)
                      : std::int32_t{AIC100_ST_MEM_ALLOC_ERROR};
    if (status == AIC100_ST_SUCCESS) {
        activation.budget = Holding(*ddr_pool, grant);
        auto fixed = ddr_.allocate(metadata.static_shared_ddr);
        auto dynamic = ddr_.allocate(metadata.dynamic_shared_ddr);
        if (fixed && dynamic) {
            activation.shared_ddr = std::move(*fixed);
            activation.dynamic_ddr = std::move(*dynamic);
            return AIC100_ST_SUCCESS;
        }
    }
    return refuse(handle, AIC100_ST_MEM_ALLOC_ERROR,
                  "The card's DDR has no room for the program's shared memory.");
}

std::int32_t Qsm::start_program(const Command& command, const QueueSetup& queues,
                                Activation& activation) {
    const std::uint32_t handle = command.job.handle();
    const auto& metadata = activation.elf->metadata;
    const MemoryPlacement placement{
        .shared_ddr_address = activation.shared_ddr.address(),
        .dynamic_ddr_address = activation.dynamic_ddr.address(),
        .shared_ddr = activation.shared_ddr.bytes(),
        .dynamic_ddr = activation.dynamic_ddr.bytes(),
        .mcid_base = kMcidBase + activation.engines.grant().first_mcid * AIC100_MCID_WINDOW,
        .mcids = activation.engines.grant().mcids};
    activation.memory = std::make_unique<ActivationMemory>(metadata, placement);
    if (activation.elf->emu_section.data() != nullptr) {
        const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
        const WorkloadSpec spec{
            .model = activation.elf->emu_section,
            .constants = activation.constants != nullptr
                             ? std::span<const std::byte>(activation.constants->region.bytes())
                             : std::span<const std::byte>(),
            .shared_ddr = activation.shared_ddr.bytes(),
            .threads = std::min(metadata.num_nsps * config_.threads_per_nsp, cores)};
        auto workload = Workload::create(metadata, spec);
        if (!workload) {
            const bool memory = workload.error().code == Errc::kNoMemory;
            return refuse(handle, memory ? AIC100_ST_MEM_ALLOC_ERROR : AIC100_ST_METADATA_ERROR,
                          workload.error().message);
        }
        activation.workload = std::move(*workload);
    }
    DmaChannel& channel = *channels_[activation.dbc];
    channel.start(queues, *activation.memory, metadata.semaphore_init, metadata.num_semaphores);
    activation.channel = &channel;
    activation.elf->activations += 1;
    if (activation.constants != nullptr) {
        activation.constants->activations += 1;
    }
    if (activation.workload != nullptr) {
        if (const auto started = activation.workload->start(channel); !started) {
            return refuse(handle, AIC100_ST_NSP_RESPONSE_ERROR, started.error().message);
        }
    }
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::activate(const Command& command, std::span<std::byte> reply) {
    const auto in = command.as<aic100_cmd_activate>();
    const std::uint32_t handle = command.job.handle();
    auto activation = std::make_unique<Activation>();
    activation->handle = handle;
    activation->state = in.initial_state;
    if (const std::int32_t status = find_programs(command, *activation); status != 0) {
        return status;
    }
    const auto queues = queues_of(command.job);
    if (!queues || in.initial_state > kStateDeactivated) {
        return refuse(handle, AIC100_ST_PARAMETER_ERROR,
                      queues ? "The initial activation state is unknown."
                             : "The message brings no usable request and response FIFO.");
    }
    if (const std::int32_t status = take_resources(command, *activation); status != 0) {
        return status;
    }
    const auto idle =
        std::ranges::find_if(channels_, [](const auto& channel) { return channel->idle(); });
    if (idle == channels_.end()) {
        return refuse(handle, AIC100_ST_VC_ALLOC_ERROR, "No channel is free.");
    }
    activation->dbc = static_cast<unsigned>(idle - channels_.begin());
    if (const std::int32_t status = start_program(command, *queues, *activation); status != 0) {
        return status;
    }
    aic100_cmd_activate_resp out{};
    out.type = AIC100_CMD_ACTIVATE_RESP;
    out.virtual_channel_id = activation->dbc;
    out.ddr_base = activation->shared_ddr.address();
    out.dynamic_ddr_base = activation->dynamic_ddr.address();
    out.mcid_base = kMcidBase + activation->engines.grant().first_mcid * AIC100_MCID_WINDOW;
    out.mcid_base_dma_cmd = out.mcid_base;
    const std::uint32_t nsps = activation->engines.grant().nsp_mask;
    std::memcpy(out.nsp_mask, &nsps, sizeof(nsps));
    aic100_trans_activate_from_dev driver_part{};
    driver_part.dbc_id = activation->dbc;
    // Nothing may fail once the program is in the books: the host would see a refusal and never
    // deactivate it.
    command.job.reply.reserve(sizeof(driver_part));
    out.activation_id = activations_.add(std::move(activation));
    store(reply, 0, out);
    command.job.reply.add(AIC100_TRANS_ACTIVATE_FROM_DEV, driver_part);
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::deactivate(const Command& command, std::span<std::byte>) {
    const auto in = command.as<aic100_cmd_deactivate>();
    const auto found = activations_.find(command.job.handle(), in.activation_id);
    if (found.object == nullptr) {
        const bool unknown = found.status == AIC100_ST_RESOURCE_NOT_FOUND;
        return refuse(command.job.handle(),
                      unknown ? std::int32_t{AIC100_ST_NO_NW_TO_DEACTIVATE} : found.status,
                      "There is no activation with this id.");
    }
    aic100_trans_deactivate_from_dev driver_part{};
    driver_part.dbc_id = found.object->dbc;
    command.job.reply.reserve(sizeof(driver_part));
    activations_.remove(in.activation_id);
    command.job.reply.add(AIC100_TRANS_DEACTIVATE_FROM_DEV, driver_part);
    return AIC100_ST_SUCCESS;
}

/// States raise and lower clocks on silicon; the emulated NSPs have none, so they are only
/// remembered.
std::int32_t Qsm::activate_state(const Command& command, std::span<std::byte>) {
    const auto in = command.as<aic100_cmd_activate_state>();
    const std::uint32_t handle = command.job.handle();
    if (in.num_cmds == 0 || in.num_cmds > std::size(in.cmds)) {
        return refuse(handle, AIC100_ST_SWITCH_PARAM_ERROR, "A switch command has 1 to 8 entries.");
    }
    for (std::uint32_t i = 0; i < in.num_cmds; ++i) {
        const auto found = activations_.find(handle, in.cmds[i].activation_id);
        if (found.object == nullptr) {
            return refuse(handle, found.status, "There is no activation with this id.");
        }
        if (in.cmds[i].cmd > kStateDeactivated) {
            return refuse(handle, AIC100_ST_SWITCH_PARAM_ERROR, "The activation state is unknown.");
        }
    }
    for (std::uint32_t i = 0; i < in.num_cmds; ++i) {
        activations_.find(handle, in.cmds[i].activation_id).object->state = in.cmds[i].cmd;
    }
    return AIC100_ST_SUCCESS;
}

}  // namespace qaicemu
