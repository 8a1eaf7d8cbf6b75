// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

using qaicrt::capi::fail;
using qaicrt::capi::guard;

int qaicrt_buffer_create(const qaicrt_device* device, uint64_t bytes, qaicrt_buffer** buffer) {
    QAICRT_REQUIRE(device);
    QAICRT_REQUIRE(buffer);
    return guard([&] {
        return qaicrt::capi::hand_out(qaicrt::Buffer::create(device->value, bytes), buffer);
    });
}

void qaicrt_buffer_destroy(qaicrt_buffer* buffer) {
    delete buffer;
}

int qaicrt_buffer_data(qaicrt_buffer* buffer, void** data, size_t* bytes) {
    QAICRT_REQUIRE(buffer);
    QAICRT_REQUIRE(data);
    const auto memory = buffer->value.data();
    *data = memory.data();
    if (bytes != nullptr) {
        *bytes = memory.size();
    }
    return 0;
}

int qaicrt_buffer_export_dma_buf(const qaicrt_buffer* buffer, int* fd) {
    QAICRT_REQUIRE(buffer);
    QAICRT_REQUIRE(fd);
    return guard([&] {
        const auto descriptor = buffer->value.export_dma_buf();
        if (!descriptor) {
            return fail(descriptor.error());
        }
        *fd = *descriptor;
        return 0;
    });
}
