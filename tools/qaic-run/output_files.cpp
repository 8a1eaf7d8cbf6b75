// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/output_files.hpp"

#include "tools/common/atomic_file.hpp"
#include "tools/qaic-run/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace qaicrun {

using qaicrt::Errc;
using qaicrt::Error;

namespace {

Error cannot_write(const std::string& directory, int number) {
    return {Errc::kIo,
            "cannot write outputs to " + shown(directory) + ": " + std::strerror(number) +
                "; choose another directory with --write-output-dir",
            number};
}

}  // namespace

std::string flat_name(const std::string& tensor) {
    std::string flat = tensor;
    for (char& c : flat) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '/' || code < 0x20 || code == 0x7f) {
            c = '_';
        }
    }
    return flat;
}

std::vector<std::string> flat_names(std::span<const qaicrt::TensorInfo> tensors) {
    std::vector<std::string> names;
    names.reserve(tensors.size());
    for (const auto& tensor : tensors) {
        names.push_back(flat_name(tensor.name));
    }
    auto sorted = names;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), names[i]);
        if (last - first > 1) {
            names[i] += "." + std::to_string(i);
        }
    }
    return names;
}

qaicrt::Result<OutputFiles> OutputFiles::open(const std::string& directory,
                                              std::span<const qaicrt::TensorInfo> outputs,
                                              std::function<void(const std::string&)> say) {
    // The directory is made with the first file, so that a run that fails leaves none; what can be
    // known now is whether that will work.
    std::filesystem::path existing = std::filesystem::path(directory).lexically_normal();
    std::error_code failed;
    while (!std::filesystem::exists(existing, failed) && existing.has_relative_path()) {
        existing = existing.parent_path();
    }
    const std::string place = existing.empty() ? "." : existing.string();
    int number = 0;
    if (!std::filesystem::is_directory(place, failed)) {
        number = failed ? failed.value() : ENOTDIR;
    } else if (::access(place.c_str(), W_OK | X_OK) != 0) {
        number = errno;
    }
    if (number != 0) {
        return cannot_write(directory, number);
    }
    OutputFiles files;
    files.directory_ = directory;
    files.names_ = flat_names(outputs);
    files.say_ = std::move(say);
    return files;
}

qaicrt::Status OutputFiles::write_file(const std::string& name, std::span<const std::byte> bytes) {
    if (std::error_code failed; !made_ && !std::filesystem::is_directory(directory_, failed)) {
        std::filesystem::create_directories(directory_, failed);
        if (failed) {
            return cannot_write(directory_, failed.value());
        }
    }
    made_ = true;
    const std::string path = directory_ + "/" + name;
    if (std::error_code ignored; std::filesystem::exists(path, ignored)) {
        say_("Deleting previous file: " + path);
    }
    QAICRT_CHECK(qaictools::write_file_atomically(path, {bytes}));
    say_("Writing file:" + path);
    return {};
}

qaicrt::Status OutputFiles::write(unsigned activation, std::uint64_t inference,
                                  std::span<const std::span<const std::byte>> outputs) {
    for (std::size_t i = 0; i < outputs.size() && i < names_.size(); ++i) {
        QAICRT_CHECK(write_file(names_[i] + "-activation-" + std::to_string(activation) + "-inf-" +
                                    std::to_string(inference) + ".bin",
                                outputs[i]));
    }
    return {};
}

}  // namespace qaicrun
