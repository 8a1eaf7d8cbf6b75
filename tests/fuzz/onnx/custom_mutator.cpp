// SPDX-License-Identifier: Apache-2.0
/// libFuzzer's hooks for targets whose input is an ONNX model: changes of the model, and now and
/// then of its bytes. The last byte stays the target's own (see fuzz_onnx_compile.cpp): it is the
/// end of an unknown field.
#include "emu/net/model_io.hpp"
#include "tests/fuzz/onnx/mutate_model.hpp"

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Model = std::unique_ptr<onnx::ModelProto>;

Model parse(const std::uint8_t* data, std::size_t size) {
    auto model = qaicnet::parse_model(std::as_bytes(std::span(data, size)));
    if (!model) {
        return nullptr;
    }
    (*model)->DiscardUnknownFields();
    return *std::move(model);
}

/// 0 when the model does not fit.
std::size_t write(const onnx::ModelProto& model, std::uint8_t choice, std::uint8_t* out,
                  std::size_t max_size) {
    std::string bytes = model.SerializePartialAsString();
    // Field 100, a varint below 128.
    bytes += {'\xa0', '\x06', static_cast<char>(choice & 0x7f)};
    if (bytes.size() > max_size) {
        return 0;
    }
    std::memcpy(out, bytes.data(), bytes.size());
    return bytes.size();
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
    fuzzing::Random random(seed);
    const Model model = random.one_in(16) ? nullptr : parse(data, size);
    if (model == nullptr) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    fuzzing::mutate(*model, random);
    const auto choice =
        static_cast<std::uint8_t>(random.one_in(8) ? random.next() : data[size - 1]);
    const std::size_t written = write(*model, choice, data, max_size);
    return written != 0 ? written : LLVMFuzzerMutate(data, size, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_size, unsigned seed) {
    fuzzing::Random random(seed);
    const Model model = parse(first, first_size);
    const Model other = parse(second, second_size);
    if (model == nullptr || other == nullptr) {
        return 0;
    }
    fuzzing::append(*model, *other, random);
    return write(*model, first[first_size - 1], out, max_size);
}
