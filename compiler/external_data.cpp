// SPDX-License-Identifier: Apache-2.0
#include "compiler/external_data.hpp"

#include "compiler/tensor_data.hpp"
#include "emu/net/network.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

namespace qaicc {
namespace {

namespace fs = std::filesystem;
using onnx::TensorProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

Error data_error(const TensorProto& tensor, Errc code, const std::string& what, int sys_errno = 0) {
    return {code, fmt::format("External data of tensor '{}' {}.", tensor.name(), what), sys_errno};
}

struct Place {
    std::string location;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
};

bool parse_number(std::string_view text, std::uint64_t& out) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failure == std::errc{} && end == text.data() + text.size();
}

Result<Place> read_place(const TensorProto& tensor) {
    Place place;
    for (const auto& entry : tensor.external_data()) {
        std::uint64_t number = 0;
        if (entry.key() == "location") {
            place.location = entry.value();
            continue;
        }
        if (entry.key() != "offset" && entry.key() != "length") {
            continue;  // "checksum" and whatever comes later
        }
        if (!parse_number(entry.value(), number)) {
            return data_error(tensor, Errc::kFormat, fmt::format("has a bad {}", entry.key()));
        }
        if (entry.key() == "offset") {
            place.offset = number;
        } else {
            place.length = number;
        }
    }
    if (place.location.empty()) {
        return data_error(tensor, Errc::kFormat, "names no file");
    }
    return place;
}

/// An open data file; several tensors read from the same one.
class DataFile {
  public:
    DataFile(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
    ~DataFile() { ::close(fd_); }
    DataFile(const DataFile&) = delete;
    DataFile& operator=(const DataFile&) = delete;
    int fd() const { return fd_; }
    std::uint64_t size() const { return size_; }

  private:
    int fd_;
    std::uint64_t size_;
};

class Loader {
  public:
    explicit Loader(const std::string& model_path) : folder_(fs::path(model_path).parent_path()) {
        if (folder_.empty()) {
            folder_ = ".";
        }
        std::error_code ignored;
        // Download caches keep links to a folder of files: the model's own real folder is as good.
        real_folders_[0] = fs::canonical(folder_, ignored);
        real_folders_[1] = fs::canonical(model_path, ignored).parent_path();
    }

    Status load(TensorProto& tensor) {
        const auto type = static_cast<qaicnet::ElemType>(tensor.data_type());
        if (tensor.data_location() != TensorProto::EXTERNAL || qaicnet::elem_bytes(type) == 0) {
            return {};  // a type that nothing can use is refused when something uses it
        }
        const auto count =
            element_count({tensor.dims().data(), static_cast<std::size_t>(tensor.dims_size())});
        if (!count || *count > SIZE_MAX / 16) {
            return data_error(tensor, Errc::kFormat,
                              "cannot be read: its dimensions are negative or too large");
        }
        const std::uint64_t bytes = *count * qaicnet::elem_bytes(type);
        QAICRT_TRY(const Place place, read_place(tensor));
        if (place.length && *place.length != bytes) {
            return data_error(tensor, Errc::kFormat,
                              fmt::format("has {} bytes where its type and dimensions need {}",
                                          *place.length, bytes));
        }
        QAICRT_TRY(const DataFile* file, open(tensor, place.location));
        if (place.offset > file->size() || bytes > file->size() - place.offset) {
            return data_error(
                tensor, Errc::kFormat,
                fmt::format("needs bytes {} to {} of '{}', which has {}: the file is truncated or "
                            "belongs to another model",
                            place.offset, place.offset + bytes, place.location, file->size()));
        }
        QAICRT_CHECK(read(tensor, *file, place, bytes));
        tensor.clear_external_data();
        tensor.clear_data_location();
        return {};
    }

  private:
    bool is_inside(const fs::path& file) const {
        for (const fs::path& folder : real_folders_) {
            const auto relative = file.lexically_relative(folder);
            if (!folder.empty() && !relative.empty() && *relative.begin() != "..") {
                return true;
            }
        }
        return false;
    }

    Result<const DataFile*> open(const TensorProto& tensor, const std::string& location) {
        if (const auto known = files_.find(location); known != files_.end()) {
            return known->second.get();
        }
        const fs::path relative(location);
        std::error_code failure;
        const fs::path real = fs::canonical(folder_ / relative, failure);
        if (failure) {
            return open_error(tensor, location, failure.value());
        }
        if (relative.is_absolute() || !is_inside(real)) {
            return data_error(
                tensor, Errc::kFormat,
                fmt::format("is in '{}', and only files in the model's folder are read", location));
        }
        const int fd = ::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
            return open_error(tensor, location, errno);
        }
        struct stat info = {};
        const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
        auto file =
            std::make_unique<DataFile>(fd, regular ? static_cast<std::uint64_t>(info.st_size) : 0);
        if (!regular) {
            return data_error(tensor, Errc::kFormat,
                              fmt::format("is in '{}', which is not a file", location));
        }
        return files_.emplace(location, std::move(file)).first->second.get();
    }

    static Error open_error(const TensorProto& tensor, const std::string& location, int code) {
        return data_error(
            tensor,
            code == ENOENT   ? Errc::kNotFound
            : code == EACCES ? Errc::kPermission
                             : Errc::kIo,
            fmt::format("is in '{}', which cannot be read ({}): put the file beside the model",
                        location, std::strerror(code)),
            code);
    }

    static Status read(TensorProto& tensor, const DataFile& file, const Place& place,
                       std::uint64_t bytes) {
        std::string& raw = *tensor.mutable_raw_data();
        raw.resize(bytes);
        std::uint64_t done = 0;
        while (done < bytes) {
            const ssize_t count = ::pread(file.fd(), raw.data() + done, bytes - done,
                                          static_cast<off_t>(place.offset + done));
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0) {
                return open_error(tensor, place.location, count < 0 ? errno : EIO);
            }
            done += static_cast<std::uint64_t>(count);
        }
        return {};
    }

    fs::path folder_;
    fs::path real_folders_[2];
    std::map<std::string, std::unique_ptr<DataFile>> files_;
};

template <class Nodes>
Status load_attributes(Loader& loader, Nodes& nodes) {
    for (auto& node : nodes) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_t()) {
                QAICRT_CHECK(loader.load(*attribute.mutable_t()));
            }
        }
    }
    return {};
}

}  // namespace

Status load_external_data(onnx::ModelProto& model, const std::string& model_path) {
    Loader loader(model_path);
    for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
        QAICRT_CHECK(loader.load(tensor));
    }
    QAICRT_CHECK(load_attributes(loader, *model.mutable_graph()->mutable_node()));
    for (auto& function : *model.mutable_functions()) {
        QAICRT_CHECK(load_attributes(loader, *function.mutable_node()));
    }
    return {};
}

}  // namespace qaicc
