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
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    int number = failed ? failed.value() : 0;
    if (number == 0 && !std::filesystem::is_directory(directory, failed)) {
        number = ENOTDIR;
    }
    if (number == 0 && ::access(directory.c_str(), W_OK | X_OK) != 0) {
        number = errno;
    }
    if (number != 0) {
        return Error(Errc::kIo,
                     "cannot write outputs to " + shown(directory) + ": " + std::strerror(number) +
                         "; choose another directory with --write-output-dir",
                     number);
    }
    OutputFiles files;
    files.directory_ = directory;
    files.names_ = flat_names(outputs);
    files.say_ = std::move(say);
    return files;
}

qaicrt::Status OutputFiles::write_file(const std::string& name, std::span<const std::byte> bytes) {
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
