// SPDX-License-Identifier: Apache-2.0
/// Shared by the tests of the public API.
#pragma once

#include "libqaicrt/test/models.hpp"

#include <qaicrt/qaicrt.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace qaicrt::test {

inline std::vector<float> floats(std::span<const std::byte> bytes) {
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
    return out;
}

template <class T>
Errc code_of(const Result<T>& result) {
    return result ? Errc::kOk : result.error().code;
}

template <class T>
std::string message_of(const Result<T>& result) {
    return result ? std::string("success") : result.error().message;
}

/// The value of a Result that must have one.
template <class T>
T must(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << result.error().message;
        std::abort();
    }
    return std::move(result).value();
}

inline Device open_emu(const std::string& devices = "emu") {
    return must(must(Context::create({devices})).open(0));
}

/// What the card has free and loaded, in one comparable string.
inline std::string usage(const Device& device) {
    const DeviceStatus s = must(device.status());
    return "nsp " + std::to_string(s.nsp_free) + " dbc " + std::to_string(s.dbc_free) + " mcid " +
           std::to_string(s.mcid_free) + " sem " + std::to_string(s.semaphore_free) + " dram " +
           std::to_string(s.dram_free_bytes) + " nets " + std::to_string(s.networks_loaded) + "/" +
           std::to_string(s.networks_active) + " constants " + std::to_string(s.constants_loaded) +
           "/" + std::to_string(s.constants_in_use);
}

inline Status set_floats(Inference& inference, std::size_t index,
                         const std::vector<float>& values) {
    return inference.set_input(index, std::as_bytes(std::span(values)));
}

}  // namespace qaicrt::test
