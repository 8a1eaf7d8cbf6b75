// SPDX-License-Identifier: Apache-2.0
/// A model file from outside: parsed, loaded under a small memory limit, run on whatever inputs it
/// asks for.
#include "emu/net/model_io.hpp"
#include "emu/net/network.hpp"

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

constexpr std::uint64_t kMaxBytes = 128 << 10;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void run(qaicnet::Network& network) {
    std::vector<std::vector<std::byte>> memory;
    std::vector<std::span<const std::byte>> inputs;
    std::vector<std::span<std::byte>> outputs;
    memory.reserve(network.inputs().size() + network.outputs().size());
    for (const auto& info : network.inputs()) {
        inputs.emplace_back(memory.emplace_back(info.bytes(), std::byte{1}));
    }
    for (const auto& info : network.outputs()) {
        outputs.emplace_back(memory.emplace_back(info.bytes()));
    }
    const auto workers = qaicnet::make_workers(1);
    if (const auto status = network.run(inputs, outputs, *workers); !status) {
        require(!status.error().message.empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto model = qaicnet::parse_model(std::as_bytes(std::span(data, size)));
    if (!model) {
        require(!model.error().message.empty());
        return 0;
    }
    static const std::vector<std::byte> constants(4096, std::byte{0x3c});
    qaicnet::LoadOptions options;
    options.max_bytes = kMaxBytes;
    options.symbols = {{"N", 2}, {"batch", 1}};
    (void)qaicnet::find_unsupported(**model);
    const auto network = qaicnet::Network::load(**model, constants, options);
    if (!network) {
        require(!network.error().message.empty());
        require(network.error().code != qaicrt::Errc::kInternal);
        return 0;
    }
    require((*network)->arena_bytes() <= kMaxBytes);
    run(**network);
    return 0;
}
