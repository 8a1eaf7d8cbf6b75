// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/probes.hpp"
#include "tools/qaic-mx/tensor.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace qaicmxtool {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

/// NAME.npy, NAME.raw, NAME.bin, or NAME-activation-0-inf-0.bin as the runner writes it.
bool is_output_file(const std::string& file, const std::string& output) {
    if (!file.starts_with(output)) {
        return false;
    }
    const std::string rest = file.substr(output.size());
    return rest == ".npy" || rest == ".raw" || rest == ".bin" ||
           (rest.starts_with("-activation-") && (rest.ends_with(".bin") || rest.ends_with(".raw")));
}

/// The first matching file in the order of names; empty when there is none.
qaicrt::Result<std::string> find_output(const std::string& directory, const std::string& output) {
    std::error_code code;
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory, code)) {
        const std::string file = entry.path().filename().string();
        if (is_output_file(file, output)) {
            found.push_back(entry.path().string());
        }
    }
    if (code) {
        return Error(Errc::kIo,
                     "The directory '" + directory + "' cannot be read: " + code.message() + ".",
                     code.value());
    }
    if (found.empty()) {
        return Error(Errc::kNotFound, "There is no output " + output + " in '" + directory +
                                          "'; run the probe model with --write-output-dir.");
    }
    return *std::min_element(found.begin(), found.end());
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

/// FP32, or FP16 when the file is half as long.
qaicrt::Result<std::vector<float>> read_raw(const std::string& path, std::size_t count) {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        const int code = errno;
        return Error(Errc::kIo, "'" + path + "' cannot be opened: " + std::strerror(code) + ".",
                     code);
    }
    std::vector<unsigned char> bytes(count * sizeof(float) + 1);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
    std::vector<float> values(count);
    if (bytes.size() == count * sizeof(float)) {
        std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    }
    if (bytes.size() == count * sizeof(std::uint16_t)) {
        for (std::size_t i = 0; i < count; ++i) {
            values[i] = qaicmx::fp16_to_fp32(
                static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
        }
        return values;
    }
    return Error(Errc::kFormat, "'" + path + "' does not hold " + std::to_string(count) +
                                    " FP32 or FP16 numbers.");
}

qaicrt::Result<std::vector<float>> read_output(const std::string& path, std::size_t count) {
    if (!path.ends_with(".npy")) {
        return read_raw(path, count);
    }
    QAICRT_TRY(Tensor tensor, read_tensor(path));
    if (tensor.values.size() != count) {
        return Error(Errc::kFormat,
                     "'" + path + "' does not hold " + std::to_string(count) + " numbers.");
    }
    return std::move(tensor.values);
}

}  // namespace

qaicrt::Result<ProbeOutputs> read_probe_outputs(const ProbePlan& plan,
                                                const std::string& directory) {
    ProbeOutputs outputs;
    for (const ProbeLayer& layer : plan.layers) {
        QAICRT_TRY(const std::string path, find_output(directory, layer.output));
        const std::size_t count = plan.inputs[layer.input].rows.size() * layer.probe.outputs;
        QAICRT_TRY(std::vector<float> values, read_output(path, count));
        outputs.emplace(layer.output, std::move(values));
    }
    return outputs;
}

}  // namespace qaicmxtool
