// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

using qaicrt::Errc;
using qaicrt::capi::copy_out;
using qaicrt::capi::copy_text;
using qaicrt::capi::fail;
using qaicrt::capi::guard;
using qaicrt::capi::hand_out;

namespace {

qaicrt_device_info to_c(const qaicrt::DeviceInfo& info) noexcept {
    qaicrt_device_info out = QAICRT_DEVICE_INFO_INIT;
    out.qid = info.qid;
    out.emulated = info.emulated ? 1 : 0;
    copy_text(out.name, info.name);
    copy_text(out.description, info.description);
    return out;
}

qaicrt_device_status to_c(const qaicrt::DeviceStatus& status) noexcept {
    qaicrt_device_status out = QAICRT_DEVICE_STATUS_INIT;
    out.emulated = status.emulated ? 1 : 0;
    out.hw_version = status.hw_version;
    out.nsp_total = status.nsp_total;
    out.nsp_free = status.nsp_free;
    out.dbc_total = status.dbc_total;
    out.dbc_free = status.dbc_free;
    out.mcid_total = status.mcid_total;
    out.mcid_free = status.mcid_free;
    out.semaphore_total = status.semaphore_total;
    out.semaphore_free = status.semaphore_free;
    out.networks_loaded = status.networks_loaded;
    out.networks_active = status.networks_active;
    out.constants_loaded = status.constants_loaded;
    out.constants_in_use = status.constants_in_use;
    out.dram_total_bytes = status.dram_total_bytes;
    out.dram_free_bytes = status.dram_free_bytes;
    copy_text(out.fw_version, status.fw_version);
    copy_text(out.fw_image_version, status.fw_image_version);
    copy_text(out.fw_variant, status.fw_variant);
    copy_text(out.serial, status.serial);
    copy_text(out.board_serial, status.board_serial);
    return out;
}

}  // namespace

int qaicrt_context_create(const char* devices, qaicrt_context** context) {
    QAICRT_REQUIRE(context);
    return guard([&] {
        qaicrt::ContextOptions options;
        options.devices = devices != nullptr ? devices : "";
        return hand_out(qaicrt::Context::create(options), context);
    });
}

void qaicrt_context_destroy(qaicrt_context* context) {
    delete context;
}

int qaicrt_context_device_count(const qaicrt_context* context, size_t* count) {
    QAICRT_REQUIRE(context);
    QAICRT_REQUIRE(count);
    return guard([&] {
        *count = context->value.devices().size();
        return 0;
    });
}

int qaicrt_context_device_info(const qaicrt_context* context, size_t index,
                               struct qaicrt_device_info* info) {
    QAICRT_REQUIRE(context);
    QAICRT_REQUIRE(info);
    return guard([&] {
        const auto devices = context->value.devices();
        if (index >= devices.size()) {
            return fail(Errc::kInvalidArgument, "device index " + std::to_string(index) +
                                                    " is not below the device count " +
                                                    std::to_string(devices.size()));
        }
        return copy_out(to_c(devices[index]), info, "qaicrt_context_device_info");
    });
}

int qaicrt_device_open(const qaicrt_context* context, int qid, qaicrt_device** device) {
    QAICRT_REQUIRE(context);
    QAICRT_REQUIRE(device);
    return guard([&] { return hand_out(context->value.open(qid), device); });
}

void qaicrt_device_close(qaicrt_device* device) {
    delete device;
}

int qaicrt_device_get_info(const qaicrt_device* device, struct qaicrt_device_info* info) {
    QAICRT_REQUIRE(device);
    QAICRT_REQUIRE(info);
    return copy_out(to_c(device->value.info()), info, __func__);
}

int qaicrt_device_get_status(const qaicrt_device* device, struct qaicrt_device_status* status) {
    QAICRT_REQUIRE(device);
    QAICRT_REQUIRE(status);
    return guard([&] {
        const auto answer = device->value.status();
        if (!answer) {
            return fail(answer.error());
        }
        return copy_out(to_c(*answer), status, "qaicrt_device_get_status");
    });
}
