// SPDX-License-Identifier: Apache-2.0
/// Seeds for the targets that take ONNX models, from ONNX's backend test cases: each model with its
/// shape inputs bound as the conformance test binds them, values as raw bytes.
///
/// usage: onnx_seeds OUT_DIR CASES_DIR      e.g. build-fuzz/seeds/onnx …/libonnx-testdata/data/node
#include "tests/onnx_conformance/case_files.hpp"

#include <onnx/onnx_pb.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// Larger seeds make every run slow and hold the same nodes.
constexpr std::size_t kMaxSeed = 8192;

void use_raw_values(onnx::ModelProto& model) {
    for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
        if (tensor.data_type() == onnx::TensorProto::STRING) {
            continue;
        }
        const auto bytes = conformance::tensor_bytes(tensor);
        tensor.clear_float_data();
        tensor.clear_double_data();
        tensor.clear_int32_data();
        tensor.clear_int64_data();
        tensor.clear_uint64_data();
        tensor.set_raw_data(bytes.data(), bytes.size());
    }
}

/// "" when the case is of no use: sequences, or too large.
std::string seed_of(const fs::path& folder) {
    std::ifstream file(folder / "model.onnx", std::ios::binary);
    onnx::ModelProto model;
    if (!file || !model.ParseFromIstream(&file)) {
        return "";
    }
    try {
        const auto inputs = conformance::read_tensors(folder / "test_data_set_0", "input");
        std::vector<std::size_t> left;
        model = conformance::bind_shape_inputs(model, inputs, left);
    } catch (const conformance::Failure&) {
        return "";
    }
    use_raw_values(model);
    std::string bytes = model.SerializeAsString();
    return bytes.size() <= kMaxSeed ? bytes : "";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: onnx_seeds OUT_DIR CASES_DIR\n", stderr);
        return 2;
    }
    std::error_code failure;
    fs::create_directories(argv[1], failure);
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(argv[2], failure)) {
        const std::string seed = seed_of(entry.path());
        if (seed.empty()) {
            continue;
        }
        const fs::path path = fs::path(argv[1]) / (entry.path().filename().string() + ".onnx");
        if (!(std::ofstream(path, std::ios::binary) << seed)) {
            std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
            return 1;
        }
        ++count;
    }
    if (failure || count == 0) {
        std::fprintf(stderr, "%s: no test cases (Debian's libonnx-testdata has them)\n", argv[2]);
        return 1;
    }
    std::printf("%zu seeds\n", count);
    return 0;
}
