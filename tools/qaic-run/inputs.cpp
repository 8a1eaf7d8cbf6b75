// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/inputs.hpp"

#include "tools/common/npy.hpp"
#include "tools/qaic-run/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

namespace qaicrun {
namespace {

using qaicrt::DataType;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::TensorInfo;

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

constexpr unsigned char kNpyMagic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

Error file_error(const std::string& path, int number) {
    const Errc code = number == ENOENT ? Errc::kNotFound : Errc::kIo;
    return {code, "cannot read input file " + shown(path) + ": " + std::strerror(number), number};
}

std::string shape_text(std::span<const std::int64_t> dims) {
    return fmt::format("[{}]", fmt::join(dims, ", "));
}

/// The dtypes that a tensor takes; the first is its own.
std::vector<std::string> dtypes_of(DataType type) {
    switch (type) {
        case DataType::kFloat:
            return {"<f4"};
        case DataType::kFloat16:
            return {"<f2"};
        case DataType::kUInt8Q:
            return {"|u1"};
        case DataType::kInt8Q:
            return {"|i1"};
        case DataType::kInt8:
            return {"|i1", "|b1"};
        case DataType::kInt16Q:
            return {"<i2"};
        case DataType::kInt32Q:
        case DataType::kInt32I:
            return {"<i4"};
        case DataType::kInt64I:
            return {"<i8"};
    }
    return {};
}

qaicrt::Result<std::vector<std::byte>> from_npy(const std::string& path, const TensorInfo& tensor) {
    QAICRT_TRY(qaictools::NpyArray array, qaictools::read_npy(path));
    const auto dtypes = dtypes_of(tensor.type);
    if (std::find(dtypes.begin(), dtypes.end(), array.dtype) == dtypes.end()) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("input file {} has dtype {}, but input {} is {} ({}); convert it",
                                 shown(path), shown(array.dtype), shown(tensor.name),
                                 qaicrt::data_type_name(tensor.type),
                                 dtypes.empty() ? "no dtype fits" : dtypes.front()));
    }
    if (array.dims != tensor.dims || array.data.size() != tensor.bytes) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("input file {} has shape {}, but input {} needs {}; reshape it",
                                 shown(path), shape_text(array.dims), shown(tensor.name),
                                 shape_text(tensor.dims)));
    }
    return std::move(array.data);
}

/// The whole file, but never more than one byte beyond what is wanted: a device or a pipe may not
/// end. `begun` is what was read of it already.
qaicrt::Result<std::vector<std::byte>> from_raw(std::FILE* file,
                                                std::span<const unsigned char> begun,
                                                const std::string& path, const TensorInfo& tensor) {
    std::vector<std::byte> bytes(std::max(tensor.bytes, begun.size()) + 1);
    std::memcpy(bytes.data(), begun.data(), begun.size());
    const std::size_t count = begun.size() + std::fread(bytes.data() + begun.size(), 1,
                                                        bytes.size() - begun.size(), file);
    if (std::ferror(file) != 0) {
        return file_error(path, errno);
    }
    if (count != tensor.bytes) {
        std::error_code unknown;
        const auto size = std::filesystem::file_size(path, unknown);
        const auto actual = unknown ? fmt::format("{}{}", count > tensor.bytes ? "more than " : "",
                                                  std::min(count, tensor.bytes))
                                    : std::to_string(size);
        return Error(
            Errc::kInvalidArgument,
            fmt::format("input file {} has {} bytes, but input {} needs exactly {} ({} {})",
                        shown(path), actual, shown(tensor.name), tensor.bytes,
                        qaicrt::data_type_name(tensor.type), shape_text(tensor.dims)));
    }
    bytes.resize(count);
    return bytes;
}

/// SplitMix64: small, and the same on every host.
std::uint64_t next_random(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/// FP16 bits of k/1024 for k in -1024 … 1023: every one is exact in FP16.
std::uint16_t half_of(std::int64_t k) {
    const std::uint16_t sign = k < 0 ? 0x8000 : 0;
    auto magnitude = static_cast<std::uint64_t>(k < 0 ? -k : k);
    if (magnitude == 0) {
        return sign;
    }
    std::uint16_t exponent = 15;  // of 1024/1024
    while (magnitude < 1024) {
        magnitude <<= 1;
        --exponent;
    }
    return static_cast<std::uint16_t>(sign | exponent << 10 | (magnitude & 0x3ff));
}

std::uint64_t bounded_bits(DataType type, std::uint64_t random) {
    switch (type) {
        case DataType::kFloat: {
            const auto value =
                static_cast<float>(static_cast<std::int64_t>(random >> 40) - (1 << 23)) /
                static_cast<float>(1 << 23);
            std::uint32_t bits = 0;
            std::memcpy(&bits, &value, sizeof(bits));
            return bits;
        }
        case DataType::kFloat16:
            return half_of(static_cast<std::int64_t>(random >> 53) - 1024);
        case DataType::kInt8Q:
        case DataType::kUInt8Q:
        case DataType::kInt16Q:
        case DataType::kInt32Q:
            return random >> 57;
        case DataType::kInt32I:
        case DataType::kInt64I:
        case DataType::kInt8:
            break;
    }
    return random >> 63;
}

std::vector<std::string> split_commas(const std::string& line) {
    std::vector<std::string> parts;
    std::size_t from = 0;
    while (from <= line.size()) {
        const auto end = std::min(line.find(',', from), line.size());
        auto part = line.substr(from, end - from);
        part.erase(0, part.find_first_not_of(" \t"));
        part.erase(part.find_last_not_of(" \t\r") + 1);
        parts.push_back(std::move(part));
        from = end + 1;
    }
    return parts;
}

qaicrt::Result<std::string> read_text(const std::string& path, std::size_t limit) {
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        return file_error(path, errno);
    }
    std::string text;
    char chunk[4096];
    while (const std::size_t count = std::fread(chunk, 1, sizeof(chunk), file.get())) {
        text.append(chunk, count);
        if (text.size() > limit) {
            return Error(Errc::kInvalidArgument,
                         "list " + shown(path) + " is larger than 64 MiB; is it a list of files?");
        }
    }
    if (std::ferror(file.get()) != 0) {
        return file_error(path, errno);
    }
    return text;
}

using FileSets = std::vector<std::vector<std::string>>;

qaicrt::Result<FileSets> list_directory(const std::string& directory) {
    std::error_code failed;
    FileSets sets;
    for (std::filesystem::directory_iterator it(directory, failed), end; !failed && it != end;
         it.increment(failed)) {
        if (it->is_regular_file(failed)) {
            sets.push_back({it->path().string()});
        }
    }
    if (failed) {
        return file_error(directory, failed.value());
    }
    std::sort(sets.begin(), sets.end());
    return sets;
}

qaicrt::Result<FileSets> read_list(const std::string& path) {
    QAICRT_TRY(const std::string text, read_text(path, std::size_t{64} << 20));
    FileSets sets;
    std::size_t from = 0;
    while (from < text.size()) {
        const auto end = std::min(text.find('\n', from), text.size());
        const std::string line = text.substr(from, end - from);
        if (line.find_first_not_of(" \t\r") != std::string::npos) {
            sets.push_back(split_commas(line));
        }
        from = end + 1;
    }
    return sets;
}

qaicrt::Result<InputSet> read_set(const std::vector<std::string>& files,
                                  std::span<const TensorInfo> tensors) {
    if (files.size() != tensors.size()) {
        std::string names;
        for (const TensorInfo& tensor : tensors) {
            names += (names.empty() ? "" : ", ") + shown(tensor.name);
        }
        return Error(
            Errc::kInvalidArgument,
            fmt::format("{} input files given, but the program has {} inputs ({}); give one "
                        "file per input in this order",
                        files.size(), tensors.size(), names.empty() ? "none" : names));
    }
    InputSet set;
    for (std::size_t i = 0; i < files.size(); ++i) {
        QAICRT_TRY(auto bytes, read_input(files[i], tensors[i]));
        set.add(std::move(bytes));
    }
    return set;
}

qaicrt::Result<Inputs> read_batch(const Options& options, std::span<const TensorInfo> tensors) {
    const bool listed = !options.batch_list.empty();
    QAICRT_TRY(const FileSets sets,
               listed ? read_list(options.batch_list) : list_directory(options.batch_directory));
    if (sets.empty()) {
        return Error(
            Errc::kInvalidArgument,
            shown(listed ? options.batch_list : options.batch_directory) + " names no files");
    }
    std::uint64_t per_set = 0;
    for (const TensorInfo& tensor : tensors) {
        per_set += tensor.bytes;
    }
    if (per_set != 0 && sets.size() > options.batch_max_bytes / per_set) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("{} inferences of {} bytes exceed the limit of {} MB; raise "
                                 "--aic-batch-max-memory",
                                 sets.size(), per_set, options.batch_max_bytes >> 20));
    }
    Inputs inputs;
    inputs.batch = true;
    for (const auto& files : sets) {
        QAICRT_TRY(auto set, read_set(files, tensors));
        inputs.sets.push_back(std::move(set));
        inputs.files.insert(inputs.files.end(), files.begin(), files.end());
    }
    return inputs;
}

}  // namespace

qaicrt::Result<std::vector<std::byte>> read_input(const std::string& path,
                                                  const TensorInfo& tensor) {
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        return file_error(path, errno);
    }
    unsigned char magic[sizeof(kNpyMagic)];
    const std::size_t count = std::fread(magic, 1, sizeof(magic), file.get());
    if (std::ferror(file.get()) != 0) {
        return file_error(path, errno);
    }
    if (count == sizeof(magic) && std::memcmp(magic, kNpyMagic, sizeof(magic)) == 0) {
        return from_npy(path, tensor);
    }
    return from_raw(file.get(), {magic, count}, path, tensor);
}

std::vector<std::byte> random_input(const TensorInfo& tensor, std::uint64_t seed, bool unbounded) {
    std::vector<std::byte> bytes(tensor.bytes);
    std::uint64_t state = seed;
    const std::size_t width =
        unbounded ? 1 : std::max<std::size_t>(1, data_type_bytes(tensor.type));
    for (std::size_t at = 0; at + width <= bytes.size(); at += width) {
        const std::uint64_t random = next_random(state);
        const std::uint64_t bits = unbounded ? random >> 56 : bounded_bits(tensor.type, random);
        for (std::size_t i = 0; i < width; ++i) {
            bytes[at + i] = static_cast<std::byte>(bits >> (8 * i) & 0xff);
        }
    }
    return bytes;
}

qaicrt::Result<Inputs> collect_inputs(const Options& options, std::span<const TensorInfo> tensors) {
    if (!options.batch_directory.empty() || !options.batch_list.empty()) {
        return read_batch(options, tensors);
    }
    Inputs inputs;
    if (!options.input_files.empty()) {
        QAICRT_TRY(auto set, read_set(options.input_files, tensors));
        inputs.sets.push_back(std::move(set));
        inputs.files = options.input_files;
        return inputs;
    }
    inputs.random = true;
    InputSet set;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        set.add(random_input(tensors[i], i + 1, options.unbound_random));
    }
    inputs.sets.push_back(std::move(set));
    return inputs;
}

}  // namespace qaicrun
