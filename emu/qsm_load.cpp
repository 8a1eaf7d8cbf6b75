// SPDX-License-Identifier: Apache-2.0
/// QSM: loading and unloading of constants and ELF images.
#include "emu/qsm_load.hpp"

#include "emu/bytes.hpp"
#include "emu/qsm.hpp"
#include "libqaicrt/qpc/elf.hpp"

#include <algorithm>
#include <string>

namespace qaicemu {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::qpc::Metadata;

namespace {

/// Bounds on what one card remembers; the status payload counts networks in a byte.
constexpr std::size_t kMaxElfs = 255, kMaxConstants = 4096;
/// Execution context variables 0 .. 32 are those of published firmware headers.
constexpr std::uint32_t kLastKnownVariable = 32;
constexpr std::uint16_t kContextMajor = 5;
constexpr std::uint8_t kHardwareMajor = AIC100_HW_VERSION_2_0 >> 16;

qaicrt::Result<Metadata> metadata_of(std::span<const qaicrt::qpc::ElfSection> sections) {
    QAICRT_TRY(const auto bytes, qaicrt::qpc::find_metadata(sections));
    QAICRT_TRY(Metadata metadata, qaicrt::qpc::parse_metadata(bytes));
    QAICRT_CHECK(ActivationMemory::check(metadata));
    if (metadata.hw_version_major != kHardwareMajor) {
        return Error(Errc::kUnsupported, "The program is for hardware version " +
                                             std::to_string(metadata.hw_version_major) +
                                             "; this card is version 2.");
    }
    return metadata;
}

/// Everything that the program needs in its execution context and that nobody here could provide.
const qaicrt::qpc::ContextField* unknown_required(const Metadata& metadata) {
    const auto found = std::ranges::find_if(metadata.context_fields, [](const auto& field) {
        return field.required && field.variable > kLastKnownVariable &&
               field.variable != qaicrt::qpc::kEmulatorOnlyVariable;
    });
    return found == metadata.context_fields.end() ? nullptr : &*found;
}

}  // namespace

void pull(HostMemory& memory, std::span<const std::byte> pairs, Load& load) {
    for (std::size_t at = 0; at + sizeof(aic100_addr_size) <= pairs.size() && load.status == 0;
         at += sizeof(aic100_addr_size)) {
        const auto pair = *qaicemu::load<aic100_addr_size>(pairs, at);
        if (pair.size > load.target.size() - load.received) {
            load.status = AIC100_ST_DMA_ERROR;  // more than the command announced
            return;
        }
        if (pair.size > 0 &&
            !memory.read(pair.addr, load.target.subspan(load.received, pair.size))) {
            load.status = AIC100_ST_DMA_ERROR;
            return;
        }
        load.received += pair.size;
    }
}

std::vector<Load> Qsm::prepare_loads(const NncMessage& message) {
    std::vector<Load> loads;
    for (std::size_t i = 0; i < message.transactions.size(); ++i) {
        const NncTransaction& transaction = message.transactions[i];
        if (transaction.type != AIC100_TRANS_PASSTHROUGH_TO_DEV) {
            continue;
        }
        const std::uint32_t type = load<std::uint32_t>(transaction.payload()).value_or(0);
        if (type == AIC100_CMD_LOAD_CONSTANTS || type == AIC100_CMD_LOAD_CONSTANTS_PAYLOAD ||
            type == AIC100_CMD_LOAD_ELF) {
            loads.push_back(prepare_load(message.header.handle, i, transaction.payload()));
        }
    }
    return loads;
}

Load Qsm::prepare_load(std::uint32_t handle, std::size_t transaction,
                       std::span<const std::byte> command) {
    Load out;
    out.transaction = transaction;
    // A command that is too short keeps an empty target; the dispatcher refuses it.
    const std::uint32_t type = load<std::uint32_t>(command).value_or(0);
    if (type == AIC100_CMD_LOAD_ELF) {
        if (const auto in = load<aic100_cmd_load_elf>(command)) {
            out.tag = in->tag;
            reserve(out, handle, in->data_length);
        }
    } else if (type == AIC100_CMD_LOAD_CONSTANTS) {
        if (const auto in = load<aic100_cmd_load_constants>(command)) {
            out.tag = in->tag;
            reserve(out, handle, in->data_length);
        }
    } else if (const auto in = load<aic100_cmd_load_constants_payload>(command)) {
        out.tag = in->tag;
        aim_at_constants(out, handle, *in);
    }
    return out;
}

void Qsm::reserve(Load& out, std::uint32_t handle, std::uint64_t bytes) {
    const auto cost = Ddr::footprint(bytes);
    if (bytes == 0 || !cost) {
        out.status = refuse(handle, AIC100_ST_PARAMETER_ERROR, "The length to load is impossible.");
        return;
    }
    ResourceGrant grant;
    out.status = device_.take({.ddr_bytes = *cost}, grant);
    if (out.status != AIC100_ST_SUCCESS) {
        refuse(handle, out.status,
               "The card's DDR has no room for " + std::to_string(bytes) + " more bytes.");
        return;
    }
    out.budget = Holding(device_, grant);
    auto region = ddr_.allocate(bytes);
    if (!region) {
        out.status =
            refuse(handle, AIC100_ST_MEM_ALLOC_ERROR,
                   "The card's DDR is too fragmented for " + std::to_string(bytes) + " bytes.");
        return;
    }
    out.region = std::move(*region);
    out.target = out.region.bytes();
}

void Qsm::aim_at_constants(Load& out, std::uint32_t handle,
                           const aic100_cmd_load_constants_payload& command) {
    const auto found = constants_.find(handle, command.constants_id);
    if (found.object == nullptr) {
        out.status = refuse(handle, found.status, "There are no constants with this id.");
        return;
    }
    if (found.object->activations > 0) {
        out.status = refuse(handle, AIC100_ST_OPERATION_NOT_PERMITTED,
                            "Constants of an active program cannot be written.");
        return;
    }
    found.object->loads += 1;
    out.constants = found.object;
    const auto bytes = found.object->region.bytes();
    if (command.data_length == 0 || command.offset > bytes.size() ||
        command.data_length > bytes.size() - command.offset) {
        out.status = refuse(handle, AIC100_ST_PARAMETER_ERROR,
                            "The payload leaves the constants that were announced.");
        return;
    }
    out.target = bytes.subspan(command.offset, command.data_length);
}

Load* Qsm::load_of(const Command& command) {
    auto& loads = command.job.loads;
    const auto found = std::ranges::find(loads, command.transaction, &Load::transaction);
    return found == loads.end() ? nullptr : &*found;
}

std::int32_t Qsm::load_status(const Command& command, const Load* load) {
    if (load == nullptr) {
        return refuse(command.job.handle(), AIC100_ST_PARAMETER_ERROR, "The load was abandoned.");
    }
    if (load->status == AIC100_ST_SUCCESS && !load->complete()) {
        return refuse(command.job.handle(), AIC100_ST_DMA_ERROR,
                      "Only " + std::to_string(load->received) + " of " +
                          std::to_string(load->target.size()) + " bytes came with the command.");
    }
    return load->status;
}

std::int32_t Qsm::load_constants(const Command& command, std::span<std::byte> reply) {
    Load* load = load_of(command);
    if (const std::int32_t status = load_status(command, load); status != AIC100_ST_SUCCESS) {
        return status;
    }
    if (constants_.size() >= kMaxConstants) {
        return refuse(command.job.handle(), AIC100_ST_MEM_ALLOC_ERROR,
                      "Too many constants are loaded.");
    }
    auto constants = std::make_unique<Constants>();
    constants->handle = command.job.handle();
    constants->budget = std::move(load->budget);
    constants->region = std::move(load->region);
    const std::uint32_t id = constants_.add(std::move(constants));
    store(reply, offsetof(aic100_cmd_load_constants_resp, constants_id), id);
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::load_constants_ex(const Command& command, std::span<std::byte> reply) {
    const std::uint32_t handle = command.job.handle();
    const auto in = command.as<aic100_cmd_load_constants_ex>();
    const auto descriptor = load<aic100_constants_descriptor>(command.bytes, sizeof(in));
    if (in.descriptor_len < sizeof(*descriptor) || !descriptor ||
        in.descriptor_len > command.bytes.size() - sizeof(in)) {
        return refuse(handle, AIC100_ST_CMD_LENGTH_ERROR, "The constants descriptor is cut off.");
    }
    if (descriptor->static_size > UINT64_MAX - descriptor->dynamic_size) {
        return refuse(handle, AIC100_ST_PARAMETER_ERROR, "The constants' sizes overflow.");
    }
    if (constants_.size() >= kMaxConstants) {
        return refuse(handle, AIC100_ST_MEM_ALLOC_ERROR, "Too many constants are loaded.");
    }
    Load space;
    reserve(space, handle, descriptor->static_size + descriptor->dynamic_size);
    if (space.status != AIC100_ST_SUCCESS) {
        return space.status;
    }
    auto constants = std::make_unique<Constants>();
    constants->handle = handle;
    constants->budget = std::move(space.budget);
    constants->region = std::move(space.region);
    const std::uint32_t id = constants_.add(std::move(constants));
    store(reply, offsetof(aic100_cmd_load_constants_resp, constants_id), id);
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::load_constants_payload(const Command& command, std::span<std::byte> reply) {
    const auto in = command.as<aic100_cmd_load_constants_payload>();
    Load* load = load_of(command);
    const std::int32_t status = load_status(command, load);
    if (status == AIC100_ST_SUCCESS) {
        store(reply, offsetof(aic100_cmd_load_constants_resp, constants_id), in.constants_id);
        return status;
    }
    // A host does not unload constants whose payload failed, so they go here, unless another
    // transfer still fills them.
    if (load != nullptr && load->constants != nullptr && load->constants->loads == 1) {
        load->constants = nullptr;
        constants_.remove(in.constants_id);
    }
    return status;
}

std::int32_t Qsm::load_elf(const Command& command, std::span<std::byte> reply) {
    const std::uint32_t handle = command.job.handle();
    Load* load = load_of(command);
    if (const std::int32_t status = load_status(command, load); status != AIC100_ST_SUCCESS) {
        return status;
    }
    if (elfs_.size() >= kMaxElfs) {
        return refuse(handle, AIC100_ST_MEM_ALLOC_ERROR, "The card holds 255 programs already.");
    }
    auto sections = qaicrt::qpc::parse_elf_sections(load->region.bytes());
    if (!sections) {
        return refuse(handle, AIC100_ST_METADATA_ERROR, sections.error().message);
    }
    auto metadata = metadata_of(*sections);
    if (!metadata) {
        return refuse(handle, AIC100_ST_METADATA_ERROR, metadata.error().message);
    }
    if (const auto* field = unknown_required(*metadata)) {
        return refuse(handle, AIC100_ST_ERROR,
                      "The program requires execution context variable " +
                          std::to_string(field->variable) + ", which this firmware does not know.");
    }
    if (metadata->exec_context_major > kContextMajor) {
        return refuse(handle, AIC100_ST_VER_MISMATCH_ERROR,
                      "The program wants execution context version " +
                          std::to_string(metadata->exec_context_major) + "; this firmware has 5.");
    }
    auto elf = std::make_unique<ElfImage>();
    elf->handle = handle;
    elf->metadata = std::move(*metadata);
    if (const auto* emu = qaicrt::qpc::find_section(*sections, qaicrt::qpc::kEmuSection)) {
        elf->emu_section = emu->data;
    }
    elf->budget = std::move(load->budget);
    elf->region = std::move(load->region);
    store(reply, offsetof(aic100_cmd_load_elf_resp, elf_id), elfs_.add(std::move(elf)));
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::unload_constants(const Command& command, std::span<std::byte>) {
    const auto in = command.as<aic100_cmd_unload>();
    const auto found = constants_.find(command.job.handle(), in.id);
    if (found.object == nullptr) {
        return refuse(command.job.handle(), found.status, "There are no constants with this id.");
    }
    if (found.object->activations > 0 || found.object->loads > 0) {
        return refuse(command.job.handle(), AIC100_ST_OPERATION_NOT_PERMITTED,
                      "The constants are still in use.");
    }
    constants_.remove(in.id);
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::unload_elf(const Command& command, std::span<std::byte>) {
    const auto in = command.as<aic100_cmd_unload>();
    const auto found = elfs_.find(command.job.handle(), in.id);
    if (found.object == nullptr) {
        return refuse(command.job.handle(), found.status, "There is no program with this id.");
    }
    if (found.object->activations > 0) {
        return refuse(command.job.handle(), AIC100_ST_OPERATION_NOT_PERMITTED,
                      "The program is still active.");
    }
    elfs_.remove(in.id);
    return AIC100_ST_SUCCESS;
}

}  // namespace qaicemu
