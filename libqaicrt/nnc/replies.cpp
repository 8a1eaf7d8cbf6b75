// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/nnc/commands.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <hw/aic100_dbc.h>

#include <cstring>
#include <string>

namespace qaicrt::nnc {
namespace {

Error protocol_error(const char* command, const std::string& what) {
    return Error{Errc::kProtocol, std::string("the card's answer to the ") + command + " command " +
                                      what +
                                      "; the card or its firmware does not follow the protocol"};
}

/// Length and type of an answer; only then is the structure looked at.
template <class T>
Result<T> open_reply(std::span<const std::byte> reply, std::uint32_t type, const char* command) {
    T answer;
    if (!read_struct(reply, 0, answer)) {
        return protocol_error(command, "has " + std::to_string(reply.size()) +
                                           " bytes instead of " + std::to_string(sizeof(T)));
    }
    if (answer.type != type) {
        return protocol_error(command, "has the number " + std::to_string(answer.type) +
                                           " instead of " + std::to_string(type));
    }
    return answer;
}

Status check_status(std::uint32_t status, const char* task) {
    if (status != 0) {
        return status_error(static_cast<std::int32_t>(status), task);
    }
    return {};
}

Status parse_status_only(std::span<const std::byte> reply, std::uint32_t type, const char* command,
                         const char* task) {
    QAICRT_TRY(const auto answer, open_reply<aic100_cmd_status_only_resp>(reply, type, command));
    return check_status(answer.status, task);
}

Resources resources_of(const aic100_resource_info& info) {
    Resources out;
    out.dram_total_mib = info.dram_total_mb;
    out.dram_free_mib = info.dram_free_mb;
    out.dbc_total = info.vc_total;
    out.dbc_free = info.vc_free;
    out.nsp_total = info.nsp_total;
    out.nsp_free = info.nsp_free;
    out.mcid_total = info.mcid_total;
    out.mcid_free = info.mcid_free;
    out.semaphore_total = info.sem_total;
    out.semaphore_free = info.sem_free;
    return out;
}

}  // namespace

std::string bounded_text(std::span<const char> field) {
    std::string text;
    for (const char c : field) {
        if (c == '\0') {
            break;
        }
        text += (c >= 0x20 && c < 0x7f) ? c : '?';
    }
    return text;
}

Result<CardStatus> parse_status(std::span<const std::byte> reply) {
    QAICRT_TRY(const auto answer,
               open_reply<aic100_cmd_status_resp>(reply, AIC100_CMD_STATUS_RESP, "status"));
    QAICRT_CHECK(check_status(answer.status, "tell its status"));
    const aic100_status_info& info = answer.info;
    CardStatus out;
    out.format_version = info.format_version;
    out.fw_version = {info.fw_major, info.fw_minor, info.fw_patch, info.fw_build};
    out.fw_image_version = bounded_text(info.fw_qc_image_version);
    out.fw_variant = bounded_text(info.fw_image_variant);
    out.serial = bounded_text(info.serial);
    out.board_serial = bounded_text(info.board_serial);
    out.hw_version = info.hw_version;
    out.resources = resources_of(info.resources);
    out.constants_loaded = info.loaded_constants;
    out.constants_in_use = info.constants_in_use;
    out.networks_loaded = info.loaded_networks;
    out.networks_active = info.active_networks;
    out.metadata_major = info.metadata_major;
    out.metadata_minor = info.metadata_minor;
    out.command_major = info.nnc_cmd_major;
    out.command_minor = info.nnc_cmd_minor;
    return out;
}

Result<std::uint32_t> parse_load_constants_ex(std::span<const std::byte> reply) {
    constexpr const char* kCommand = "load-constants";
    QAICRT_TRY(const auto answer, open_reply<aic100_cmd_load_constants_resp>(
                                      reply, AIC100_CMD_LOAD_CONSTANTS_RESP, kCommand));
    QAICRT_CHECK(check_status(answer.status, "make room for the program's constants"));
    if (answer.constants_id == 0) {
        return protocol_error(kCommand, "reports success with constants id 0, which means none");
    }
    return std::uint32_t{answer.constants_id};
}

Status parse_load_constants_payload(std::span<const std::byte> reply) {
    QAICRT_TRY(const auto answer,
               open_reply<aic100_cmd_load_constants_resp>(reply, AIC100_CMD_LOAD_CONSTANTS_RESP,
                                                          "load-constants-payload"));
    return check_status(answer.status, "take the program's constants");
}

Result<std::uint32_t> parse_load_elf(std::span<const std::byte> reply) {
    QAICRT_TRY(const auto answer,
               open_reply<aic100_cmd_load_elf_resp>(reply, AIC100_CMD_LOAD_ELF_RESP, "load-ELF"));
    QAICRT_CHECK(check_status(answer.status, "load the program"));
    return std::uint32_t{answer.elf_id};
}

Status parse_unload_constants(std::span<const std::byte> reply) {
    return parse_status_only(reply, AIC100_CMD_UNLOAD_CONSTANTS_RESP, "unload-constants",
                             "unload the program's constants");
}

Status parse_unload_elf(std::span<const std::byte> reply) {
    return parse_status_only(reply, AIC100_CMD_UNLOAD_ELF_RESP, "unload-ELF", "unload the program");
}

Result<Activated> parse_activate(std::span<const std::byte> reply) {
    constexpr const char* kCommand = "activate";
    // A refusal needs no more than type and status.
    QAICRT_TRY(const auto head,
               open_reply<aic100_cmd_status_only_resp>(reply, AIC100_CMD_ACTIVATE_RESP, kCommand));
    QAICRT_CHECK(check_status(head.status, "activate the program"));
    QAICRT_TRY(const auto answer,
               open_reply<aic100_cmd_activate_resp>(reply, AIC100_CMD_ACTIVATE_RESP, kCommand));
    if (answer.virtual_channel_id >= AIC100_DBC_COUNT) {
        return protocol_error(
            kCommand, "names channel " + std::to_string(answer.virtual_channel_id) + " of 16");
    }
    Activated out;
    out.activation_id = answer.activation_id;
    out.dbc = answer.virtual_channel_id;
    out.ddr_base = answer.ddr_base;
    out.dynamic_ddr_base = answer.dynamic_ddr_base;
    out.mcid_base = answer.mcid_base;
    std::memcpy(&out.nsp_mask, answer.nsp_mask, sizeof(out.nsp_mask));
    return out;
}

std::optional<std::uint32_t> activation_to_undo(std::span<const std::byte> reply) {
    const auto answer =
        open_reply<aic100_cmd_activate_resp>(reply, AIC100_CMD_ACTIVATE_RESP, "activate");
    if (!answer || answer->status != 0) {
        return std::nullopt;
    }
    return answer->activation_id;
}

Status parse_deactivate(std::span<const std::byte> reply) {
    return parse_status_only(reply, AIC100_CMD_DEACTIVATE_RESP, "deactivate", "end the activation");
}

Result<Resources> parse_resource_info(std::span<const std::byte> reply) {
    QAICRT_TRY(const auto answer, open_reply<aic100_cmd_resource_info_resp>(
                                      reply, AIC100_CMD_RESOURCE_INFO_RESP, "resource-info"));
    QAICRT_CHECK(check_status(answer.status, "tell its free resources"));
    return resources_of(answer.info);
}

Result<Performance> parse_performance_info(std::span<const std::byte> reply) {
    QAICRT_TRY(const auto answer, open_reply<aic100_cmd_performance_info_resp>(
                                      reply, AIC100_CMD_PERFORMANCE_INFO_RESP, "performance-info"));
    QAICRT_CHECK(check_status(answer.status, "tell its clocks"));
    Performance out;
    out.nsp_hz = answer.info.nsp_hz;
    out.ddr_hz = answer.info.ddr_hz;
    out.peak_compute_ops = answer.info.peak_compute_ops;
    out.dram_bandwidth_kbps = answer.info.dram_bw_kbps;
    return out;
}

Status check_versions(const CardStatus& status) {
    const auto refuse = [](const std::string& what, unsigned has, unsigned ours) {
        return Error{Errc::kUnsupported, "the card speaks " + what + " " + std::to_string(has) +
                                             " and this library " + std::to_string(ours) +
                                             "; use a firmware that fits"};
    };
    if (status.format_version != AIC100_STATUS_FORMAT_VERSION) {
        return refuse("status format", status.format_version, AIC100_STATUS_FORMAT_VERSION);
    }
    if (status.command_major != AIC100_CMD_PROTOCOL_MAJOR) {
        return refuse("command protocol", status.command_major, AIC100_CMD_PROTOCOL_MAJOR);
    }
    if (status.metadata_major != AIC100_METADATA_MAJOR) {
        return refuse("metadata version", status.metadata_major, AIC100_METADATA_MAJOR);
    }
    if (status.metadata_minor != AIC100_METADATA_MINOR) {
        return refuse("metadata minor version", status.metadata_minor, AIC100_METADATA_MINOR);
    }
    return {};
}

}  // namespace qaicrt::nnc
