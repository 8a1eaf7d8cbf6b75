// SPDX-License-Identifier: Apache-2.0
/// Any bytes as a model: the compiler refuses them in a sentence or makes a program that every
/// check accepts.
#include "compiler/compile_model.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::uint64_t kMaxModelBytes = std::uint64_t{64} << 20;
    const auto model = std::as_bytes(std::span(data, size));
    qaicc::CompileOptions options;
    // The last byte chooses the passes, so that one corpus reaches all of them.
    const unsigned choice = size == 0 ? 0 : data[size - 1];
    options.convert_to_fp16 = (choice & 1) != 0;
    options.mxfp6_matmul = (choice & 2) != 0;
    options.mx_profile = (choice & 4) != 0 ? "aic100-mx6" : "aic100";
    options.symbols = {{"batch", 2}};
    if ((choice & 8) != 0) {
        options.batch_size = 2;
    }
    const auto program =
        qaicc::compile_model_bytes(model, "fuzzed.onnx", options, nullptr, kMaxModelBytes);
    if (!program) {
        const std::string& message = program.error().message;
        const bool one_line = !message.empty() && message.find('\n') == std::string::npos;
        if (!one_line || program.error().code == qaicrt::Errc::kInternal) {
            std::abort();
        }
        return 0;
    }
    if (!qaicrt::qpc::check_open_runtime_rules(*program).empty()) {
        std::abort();
    }
    return 0;
}
