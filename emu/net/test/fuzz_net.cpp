// SPDX-License-Identifier: Apache-2.0
/// A model file from outside: parsed, loaded under a small memory limit with the passes on and off,
/// run on values that the file's own documentation string chooses.
#include "emu/net/half.hpp"
#include "emu/net/model_io.hpp"
#include "emu/net/network.hpp"

#include <onnx/onnx_pb.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace {

using qaicnet::ElemType;

/// Products of so many elements end quickly, sanitizers included.
constexpr std::uint64_t kMaxBytes = 128 << 10;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <class T>
void put(std::byte* to, T value) {
    std::memcpy(to, &value, sizeof(T));
}

/// One element from one byte: small numbers, now and then one at which arithmetic goes wrong.
void put_element(std::byte* to, ElemType type, std::uint8_t choice) {
    constexpr std::array<float, 8> kFloats = {std::numeric_limits<float>::quiet_NaN(),
                                              std::numeric_limits<float>::infinity(),
                                              -std::numeric_limits<float>::infinity(),
                                              3e38F,
                                              -3e38F,
                                              1e-40F,
                                              -0.F,
                                              1e10F};
    constexpr std::array<std::int64_t, 8> kInts = {std::numeric_limits<std::int64_t>::max(),
                                                   std::numeric_limits<std::int64_t>::min(),
                                                   0x7fffffff,
                                                   -0x7fffffff - 1,
                                                   0x80,
                                                   0x7fff,
                                                   1 << 20,
                                                   -(1 << 20)};
    const bool edge = choice >= 0xf0;
    const float real = edge ? kFloats[choice & 7] : static_cast<float>(choice) / 16.F - 7.F;
    const std::int64_t whole = edge ? kInts[choice & 7] : choice % 8 - (choice >= 0xc0 ? 6 : 0);
    switch (type) {
        case ElemType::kFloat:
            return put(to, real);
        case ElemType::kDouble:
            return put(to, double{real});
        case ElemType::kFloat16:
            return put(to, qaicnet::float_to_half(real));
        default:
            std::memcpy(to, &whole, qaicnet::elem_bytes(type));  // the low bytes
    }
}

void fill(std::vector<std::byte>& bytes, ElemType type, const std::string& text, std::size_t from) {
    const std::size_t size = qaicnet::elem_bytes(type);
    for (std::size_t i = 0; i < bytes.size() / size; ++i) {
        const char choice = text.empty() ? static_cast<char>(i) : text[(from + i) % text.size()];
        put_element(bytes.data() + i * size, type, static_cast<std::uint8_t>(choice));
    }
}

void run(qaicnet::Network& network, const std::string& text) {
    std::vector<std::vector<std::byte>> memory;
    std::vector<std::span<const std::byte>> inputs;
    std::vector<std::span<std::byte>> outputs;
    memory.reserve(network.inputs().size() + network.outputs().size());
    for (const auto& info : network.inputs()) {
        fill(memory.emplace_back(info.bytes()), info.type, text, inputs.size());
        inputs.emplace_back(memory.back());
    }
    for (const auto& info : network.outputs()) {
        outputs.emplace_back(memory.emplace_back(info.bytes()));
    }
    const auto workers = qaicnet::make_workers(1);
    if (const auto status = network.run(inputs, outputs, *workers); !status) {
        require(!status.error().message.empty());
        require(status.error().code != qaicrt::Errc::kInternal);
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
    for (const bool passes : {true, false}) {
        options.passes = passes;
        const auto network = qaicnet::Network::load(**model, constants, options);
        if (!network) {
            const std::string& message = network.error().message;
            require(!message.empty() && message.find('\n') == std::string::npos);
            require(network.error().code != qaicrt::Errc::kInternal);
            continue;
        }
        require((*network)->arena_bytes() <= kMaxBytes);
        run(**network, (*model)->doc_string());
    }
    return 0;
}
