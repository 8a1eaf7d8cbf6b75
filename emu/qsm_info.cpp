// SPDX-License-Identifier: Apache-2.0
/// QSM: status, counters and resource groups.
#include "emu/qsm.hpp"

#include <algorithm>

namespace qaicemu {
namespace {

constexpr std::uint32_t kWholeDevice = 0xFFFFFFFFu;
constexpr std::uint8_t kSkuPcie = 2;
constexpr std::size_t kMaxGroups = 16;

}  // namespace

/// Clocks, bandwidths and error counters are zero: the emulated card has none and does not pretend.
aic100_status_info Qsm::status_info() const {
    aic100_status_info out{};
    out.format_version = AIC100_STATUS_FORMAT_VERSION;
    out.fw_major = 1;
    out.fw_build = 255;  // "suppress in print-out"
    set_text(out.fw_qc_image_version, "QAIC emulated card");
    set_text(out.fw_oem_image_version, "QAIC emulated card");
    set_text(out.fw_image_variant, kEmuVariant);
    out.hw_version = AIC100_HW_VERSION_2_0;
    set_text(out.serial, config_.serial);
    set_text(out.board_serial, "emulated");
    out.resources = device_.info(ddr_.fragmentation());
    const auto in_use = [](const auto& object) { return object.activations > 0; };
    out.loaded_constants = static_cast<std::uint32_t>(constants_.size());
    out.constants_in_use = static_cast<std::uint32_t>(constants_.count_if(in_use));
    out.loaded_networks = static_cast<std::uint8_t>(std::min<std::size_t>(elfs_.size(), 255));
    out.active_networks =
        static_cast<std::uint8_t>(std::min<std::size_t>(activations_.size(), 255));
    out.metadata_major = AIC100_METADATA_MAJOR;
    out.metadata_minor = AIC100_METADATA_MINOR;
    out.nnc_cmd_major = AIC100_CMD_PROTOCOL_MAJOR;
    out.nnc_cmd_minor = AIC100_CMD_PROTOCOL_MINOR;
    set_text(out.sbl_image_name, "none");
    out.sku_type = kSkuPcie;
    out.nsp_fw_version[0] = 1;
    set_text(out.nsp_qc_image_version, "QAIC emulated NSP");
    set_text(out.nsp_oem_image_version, "QAIC emulated NSP");
    set_text(out.nsp_image_variant, kEmuVariant);
    return out;
}

std::int32_t Qsm::status(const Command&, std::span<std::byte> reply) {
    store(reply, offsetof(aic100_cmd_status_resp, info), status_info());
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::resource_info(const Command& command, std::span<std::byte> reply) {
    const auto in = command.as<aic100_cmd_resource_info>();
    const ResourcePool* pool = &device_;
    if (in.res_grp_id != kWholeDevice) {
        const auto group = groups_.find(command.job.handle(), in.res_grp_id);
        if (group.object == nullptr) {
            return refuse(command.job.handle(), group.status,
                          "There is no resource group with this id.");
        }
        pool = &group.object->pool;
    }
    store(reply, offsetof(aic100_cmd_resource_info_resp, res_grp_id), in.res_grp_id);
    store(reply, offsetof(aic100_cmd_resource_info_resp, info), pool->info(ddr_.fragmentation()));
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::performance_info(const Command&, std::span<std::byte> reply) {
    store(reply, offsetof(aic100_cmd_performance_info_resp, info), aic100_performance_info{});
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::create_group(const Command& command, std::span<std::byte> reply) {
    const auto in = command.as<aic100_cmd_create_resource_group>();
    const std::uint32_t handle = command.job.handle();
    if (in.source_grp_id != kWholeDevice) {
        return refuse(handle, AIC100_ST_PARAMETER_ERROR,
                      "Resource groups are cut out of the whole card only (source group -1).");
    }
    if (groups_.size() >= kMaxGroups) {
        return refuse(handle, AIC100_ST_RESERVATION_IDS_EXHAUSTED,
                      "The card has 16 groups already.");
    }
    // Only shddr_size is memory here: published clients mix up the two fields behind it.
    const auto ddr = Ddr::footprint(in.shddr_size);
    if (!ddr) {
        return refuse(handle, AIC100_ST_PARAMETER_ERROR, "The group's DDR size is impossible.");
    }
    ResourceGrant grant;
    const std::int32_t status = device_.take({.nsps = in.num_nsp,
                                              .channels = in.num_vc,
                                              .semaphores = in.num_sem,
                                              .mcids = in.num_mcid,
                                              .ddr_bytes = *ddr},
                                             grant);
    if (status != AIC100_ST_SUCCESS) {
        return refuse(handle, status, "The card has not enough free resources for the group.");
    }
    auto group = std::make_unique<ResourceGroup>(handle, Holding(device_, grant));
    store(reply, offsetof(aic100_cmd_create_resource_group_resp, res_grp_id),
          groups_.add(std::move(group)));
    return AIC100_ST_SUCCESS;
}

std::int32_t Qsm::release_group(const Command& command, std::span<std::byte>) {
    const auto in = command.as<aic100_cmd_unload>();
    const auto found = groups_.find(command.job.handle(), in.id);
    if (found.object == nullptr) {
        return refuse(command.job.handle(), found.status,
                      "There is no resource group with this id.");
    }
    if (!found.object->pool.idle()) {
        return refuse(command.job.handle(), AIC100_ST_OPERATION_NOT_PERMITTED,
                      "A program still runs in the resource group.");
    }
    groups_.remove(in.id);
    return AIC100_ST_SUCCESS;
}

}  // namespace qaicemu
