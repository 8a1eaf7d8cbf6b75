// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-exec/run_inputs.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string_view>

namespace qaicexec {
namespace {

using qaicrt::DataType;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Program;
using qaicrt::Result;
using qaicrt::TensorInfo;

constexpr std::uint32_t kSeed = 100;

template <class T>
void put(std::vector<std::byte>& out, std::size_t index, T value) {
    std::memcpy(out.data() + index * sizeof(T), &value, sizeof(T));
}

/// FP16 bits of (bits / 1024) - 1 for bits in [0, 2048): exact, no conversion needed.
std::uint16_t half_in_unit_range(std::uint32_t random) {
    const auto fraction = static_cast<std::uint16_t>(random & 0x3ff);
    const auto sign = static_cast<std::uint16_t>((random >> 10 & 1) << 15);
    constexpr std::uint16_t kHalf = 0x3800;  // 0.5 to 1 as the fraction grows
    return static_cast<std::uint16_t>(sign | kHalf | fraction);
}

std::vector<std::byte> random_tensor(const TensorInfo& tensor, std::mt19937& source) {
    std::vector<std::byte> out(tensor.bytes);
    const std::size_t count = tensor.bytes / std::max<std::size_t>(1, data_type_bytes(tensor.type));
    for (std::size_t i = 0; i < count; ++i) {
        const auto random = static_cast<std::uint32_t>(source());
        switch (tensor.type) {
            case DataType::kFloat:
                put(out, i, static_cast<float>(random >> 8) * 0x1p-23F - 1.0F);
                break;
            case DataType::kFloat16:
                put(out, i, half_in_unit_range(random));
                break;
            case DataType::kInt32I:
                put(out, i, static_cast<std::int32_t>(random & 1));
                break;
            case DataType::kInt64I:
                put(out, i, static_cast<std::int64_t>(random & 1));
                break;
            // Int8Ty is also bool, where only 0 and 1 are values.
            case DataType::kInt8:
                put(out, i, static_cast<std::int8_t>(random & 1));
                break;
            case DataType::kInt8Q:
            case DataType::kUInt8Q:
                put(out, i, static_cast<std::uint8_t>(random));
                break;
            case DataType::kInt16Q:
                put(out, i, static_cast<std::uint16_t>(random));
                break;
            case DataType::kInt32Q:
                put(out, i, random);
                break;
        }
    }
    return out;
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, CloseFile>;

Error read_error(const std::string& path, int code) {
    return {
        code == ENOENT ? Errc::kNotFound : Errc::kIo,
        fmt::format("Cannot read '{}' ({}): check -input-list-file.", path, std::strerror(code)),
        code};
}

/// At most `limit` bytes, so that a device or a wrong file cannot fill the memory.
Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t limit) {
    const FilePtr file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) {
        return read_error(path, errno);
    }
    std::vector<std::byte> bytes;
    std::byte buffer[65536];
    errno = 0;
    while (bytes.size() < limit) {
        const std::size_t wanted = std::min(sizeof(buffer), limit - bytes.size());
        const std::size_t count = std::fread(buffer, 1, wanted, file.get());
        bytes.insert(bytes.end(), buffer, buffer + count);
        if (count < wanted) {
            break;
        }
    }
    if (std::ferror(file.get()) != 0) {
        return read_error(path, errno);
    }
    return bytes;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r";
    const std::size_t first = text.find_first_not_of(kBlanks);
    return first == std::string_view::npos
               ? std::string_view{}
               : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Result<InputSet> read_set(const Program& program, std::string_view line, const std::string& where) {
    InputSet set;
    while (true) {
        const std::size_t comma = line.find(',');
        const std::string path(trimmed(line.substr(0, comma)));
        if (set.size() == program.inputs().size()) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("{} names more files than the program's {} inputs.", where,
                                     program.inputs().size()));
        }
        const TensorInfo& input = program.inputs()[set.size()];
        QAICRT_TRY(auto bytes, read_file(path, input.bytes + 1));
        if (bytes.size() != input.bytes) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("{}: '{}' has {} bytes, and input '{}' takes {}.", where, path,
                            bytes.size() > input.bytes ? "more" : std::to_string(bytes.size()),
                            input.name, input.bytes));
        }
        set.push_back(std::move(bytes));
        if (comma == std::string_view::npos) {
            break;
        }
        line.remove_prefix(comma + 1);
    }
    if (set.size() != program.inputs().size()) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("{} names {} files, and the program has {} inputs.", where,
                                 set.size(), program.inputs().size()));
    }
    return set;
}

}  // namespace

InputSet random_inputs(const Program& program) {
    std::mt19937 source(kSeed);
    InputSet set;
    for (const TensorInfo& input : program.inputs()) {
        set.push_back(random_tensor(input, source));
    }
    return set;
}

Result<std::vector<InputSet>> read_input_list(const Program& program, const std::string& path) {
    constexpr std::size_t kLongestList = std::size_t{64} << 20;
    QAICRT_TRY(const auto bytes, read_file(path, kLongestList));
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::vector<InputSet> sets;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (!line.empty()) {
            QAICRT_TRY(InputSet set, read_set(program, line, fmt::format("{}:{}", path, number)));
            sets.push_back(std::move(set));
        }
    }
    if (sets.empty()) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("The input list '{}' names no files.", path));
    }
    return sets;
}

}  // namespace qaicexec
