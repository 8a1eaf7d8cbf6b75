// SPDX-License-Identifier: Apache-2.0
/// Loads and runs models of a file on inputs of zeros: one line of JSON for each.
///
/// usage: onnx_load FILE      FILE is a row of models, each after its length in 4 bytes (little
/// endian)
///
/// A line is {"outputs":[[type, [dims…]], …]} or {"refused":"why"}.
#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace {

std::string refusal(const std::string& text) {
    std::string quoted;
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        }
        quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return "{\"refused\":\"" + quoted + "\"}";
}

std::string run_on_zeros(qaicnet::Network& network) {
    std::vector<std::vector<std::byte>> in, out;
    for (const auto& input : network.inputs()) {
        in.emplace_back(input.bytes());
    }
    for (const auto& output : network.outputs()) {
        out.emplace_back(output.bytes());
    }
    const std::vector<std::span<const std::byte>> in_spans(in.begin(), in.end());
    const std::vector<std::span<std::byte>> out_spans(out.begin(), out.end());
    const auto workers = qaicnet::make_workers(1);
    const auto status = network.run(in_spans, out_spans, *workers);
    return status ? std::string() : status.error().message;
}

std::string answer(const std::string& bytes) {
    onnx::ModelProto model;
    if (!model.ParseFromString(bytes)) {
        return refusal("the model cannot be parsed");
    }
    auto network = qaicnet::Network::load(model, {});
    if (!network) {
        return refusal(network.error().message);
    }
    if (const auto error = run_on_zeros(**network); !error.empty()) {
        return refusal(error);
    }
    std::vector<std::string> outputs;
    for (const auto& output : (*network)->outputs()) {
        outputs.push_back(
            fmt::format("[{},[{}]]", static_cast<int>(output.type), fmt::join(output.dims, ",")));
    }
    return fmt::format("{{\"outputs\":[{}]}}", fmt::join(outputs, ","));
}

}  // namespace

int main(int argc, char** argv) {
    std::ifstream file(argc == 2 ? argv[1] : "", std::ios::binary);
    if (!file) {
        fmt::print(stderr, "onnx_load: give one file of models that can be read\n");
        return 2;
    }
    for (std::uint32_t size = 0; file.read(reinterpret_cast<char*>(&size), sizeof(size));) {
        std::string bytes(size, '\0');
        if (!file.read(bytes.data(), size)) {
            fmt::print(stderr, "onnx_load: {} ends inside a model\n", argv[1]);
            return 2;
        }
        fmt::print("{}\n", answer(bytes));
        std::fflush(stdout);
    }
    return 0;
}
