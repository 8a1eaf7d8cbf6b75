// SPDX-License-Identifier: Apache-2.0
// Opens the emulated card through the installed C++ API and asks how it is.
#include <qaicrt/qaicrt.hpp>

#include <cstdio>

int main() {
    const auto context = qaicrt::Context::create({.devices = "emu"});
    if (!context) {
        std::printf("%s\n", context.error().message.c_str());
        return 1;
    }
    const auto device = context->open(0);
    if (!device) {
        std::printf("%s\n", device.error().message.c_str());
        return 1;
    }
    const auto status = device->status();
    if (!status || !status->emulated || status->nsp_free != status->nsp_total) {
        std::puts("the idle emulated card does not report all NSPs as free");
        return 1;
    }
    const auto missing = qaicrt::Program::from_file("/nonexistent");
    if (missing || missing.error().code != qaicrt::Errc::kNotFound) {
        return 1;
    }
    std::printf("%s: %u NSPs, %s\n", device->info().name.c_str(), status->nsp_total,
                qaicrt::data_type_name(qaicrt::DataType::kFloat16));
}
