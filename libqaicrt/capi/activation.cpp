// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

#include <cerrno>

using qaicrt::Errc;
using qaicrt::capi::fail;
using qaicrt::capi::guard;
using qaicrt::capi::hand_out;

namespace {

/// Takes options of any age: unknown trailing bytes must be zero, missing ones keep their default.
int read_options(const qaicrt_activation_options* given, qaicrt::ActivationOptions& out) {
    if (given == nullptr) {
        return 0;
    }
    qaicrt_activation_options known = QAICRT_ACTIVATION_OPTIONS_INIT;
    const std::size_t size = given->size;
    if (size < sizeof(given->size)) {
        return qaicrt::capi::fail_size("qaicrt_activation_create");
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(given);
    for (std::size_t at = sizeof(known); at < size; ++at) {
        if (bytes[at] != 0) {
            qaicrt::Error error(Errc::kUnsupported,
                                "the activation options have a field that this library does not "
                                "know; set it to zero or use a newer libqaicrt");
            (void)fail(error);
            return -E2BIG;
        }
    }
    std::memcpy(&known, given, std::min(size, sizeof(known)));
    if (known.reserved != 0) {
        return fail(Errc::kInvalidArgument, "activation options: reserved must be 0");
    }
    if (known.depth != 0) {
        out.depth = known.depth;
    }
    if (known.activate_timeout_ms != 0) {
        out.activate_timeout = std::chrono::milliseconds{known.activate_timeout_ms};
    }
    return 0;
}

}  // namespace

int qaicrt_activation_create(const qaicrt_device* device, const qaicrt_program* program,
                             const struct qaicrt_activation_options* options,
                             qaicrt_activation** activation) {
    QAICRT_REQUIRE(device);
    QAICRT_REQUIRE(program);
    QAICRT_REQUIRE(activation);
    return guard([&] {
        qaicrt::ActivationOptions wanted;
        if (const int refused = read_options(options, wanted); refused != 0) {
            return refused;
        }
        return hand_out(qaicrt::Activation::create(device->value, program->value, wanted),
                        activation);
    });
}

void qaicrt_activation_destroy(qaicrt_activation* activation) {
    delete activation;
}

int qaicrt_activation_deactivate(qaicrt_activation* activation) {
    QAICRT_REQUIRE(activation);
    return guard([&] { return qaicrt::capi::finish(activation->value.deactivate()); });
}

uint32_t qaicrt_activation_depth(const qaicrt_activation* activation) {
    return activation != nullptr ? activation->value.depth() : 0;
}

uint32_t qaicrt_activation_dbc(const qaicrt_activation* activation) {
    return activation != nullptr ? activation->value.dbc() : 0;
}

uint32_t qaicrt_activation_nsp_mask(const qaicrt_activation* activation) {
    return activation != nullptr ? activation->value.nsp_mask() : 0;
}

int qaicrt_activation_poll(const qaicrt_activation* activation, int timeout_ms, size_t* finished) {
    QAICRT_REQUIRE(activation);
    return guard([&] {
        int status = 0;
        qaicrt::capi::with_timeout(timeout_ms, [&](std::chrono::milliseconds timeout) {
            const auto taken = activation->value.poll(timeout);
            if (!taken) {
                status = fail(taken.error());
                return false;
            }
            if (finished != nullptr) {
                *finished = *taken;
            }
            return *taken == 0;
        });
        return status;
    });
}

int qaicrt_activation_completion_fd(const qaicrt_activation* activation, int* fd) {
    QAICRT_REQUIRE(activation);
    QAICRT_REQUIRE(fd);
    return guard([&] {
        const auto descriptor = activation->value.completion_fd();
        if (!descriptor) {
            return fail(descriptor.error());
        }
        *fd = *descriptor;
        return 0;
    });
}
