// SPDX-License-Identifier: Apache-2.0
#include "compiler/model_file.hpp"

#include "compiler/printable.hpp"
#include "emu/net/model_io.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

using onnx::ModelProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;
using ModelPtr = std::unique_ptr<ModelProto>;

constexpr std::int64_t kProtobufLimit = 0x7fffffff;

Error read_error(const std::string& path, int code) {
    const Errc kind = code == ENOENT || code == ENOTDIR ? Errc::kNotFound
                      : code == EACCES || code == EPERM ? Errc::kPermission
                                                        : Errc::kIo;
    return {kind,
            fmt::format("Cannot read the model '{}' ({}): check -m.", path, std::strerror(code)),
            code};
}

class OpenFile {
  public:
    explicit OpenFile(const std::string& path)
        // Without O_NONBLOCK a FIFO of that name would wait for a writer.
        : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~OpenFile() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

Result<std::vector<std::byte>> read_regular_file(const std::string& path) {
    const OpenFile file(path);
    struct stat info = {};
    if (file.fd() < 0 || ::fstat(file.fd(), &info) != 0) {
        return read_error(path, errno);
    }
    if (S_ISDIR(info.st_mode)) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("The model '{}' is a directory: give the .onnx file in it.", path),
                     EISDIR);
    }
    if (!S_ISREG(info.st_mode)) {
        return Error(Errc::kInvalidArgument, fmt::format("The model '{}' is not a file.", path),
                     EINVAL);
    }
    if (info.st_size > kProtobufLimit) {
        return Error(
            Errc::kUnsupported,
            fmt::format("The model '{}' has {} bytes, and an ONNX file holds less than 2 GiB: save "
                        "it with external data.",
                        path, info.st_size));
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(info.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::read(file.fd(), bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno != EINTR) {
            return read_error(path, errno);
        }
        if (count == 0) {
            bytes.resize(
                done);  // the file became shorter; the parser will say that it is truncated
        }
        done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    return bytes;
}

/// Kinds of models that the vendor's compiler reads and this one does not, by their ending.
Status check_ending(const std::string& path) {
    if (path.empty()) {
        return Error(Errc::kInvalidArgument, "No model is given: add -m=FILE.onnx.");
    }
    if (!path.ends_with(".onnx")) {
        return Error(
            Errc::kInvalidArgument,
            fmt::format(
                "The model '{}' does not end in .onnx, and only ONNX models can be compiled: "
                "export it as ONNX.",
                path));
    }
    return {};
}

/// What every ONNX file has; protobuf alone accepts almost any bytes.
Status check_model(const ModelProto& model, const std::string& source) {
    if (!model.has_graph() || model.opset_import_size() == 0) {
        return Error(
            Errc::kFormat,
            fmt::format(
                "'{}' is not a complete ONNX model (it has no {}): the file is truncated or of "
                "another kind.",
                source, model.has_graph() ? "operator set" : "graph"));
    }
    if (model.graph().output_size() == 0) {
        return Error(Errc::kFormat,
                     fmt::format("'{}' has no outputs, so there is nothing to compute.", source));
    }
    return {};
}

}  // namespace

Result<ModelPtr> parse_model_bytes(std::span<const std::byte> bytes, const std::string& source) {
    if (bytes.empty()) {
        return Error(Errc::kFormat, fmt::format("'{}' is not an ONNX model: it is empty.", source));
    }
    auto model = qaicnet::parse_model(bytes);
    if (!model) {
        return about(std::move(model).error(), source);
    }
    QAICRT_CHECK(check_model(**model, source));
    return model;
}

Result<ModelPtr> read_model_file(const std::string& path) {
    QAICRT_CHECK(check_ending(path));
    ModelPtr model;
    {
        QAICRT_TRY(const std::vector<std::byte> bytes, read_regular_file(path));
        QAICRT_TRY(model, parse_model_bytes(bytes, path));
    }
    const std::string folder = std::filesystem::path(path).parent_path().string();
    if (auto resolved = qaicnet::resolve_external_data(*model, folder); !resolved) {
        return about(std::move(resolved).error(), path);
    }
    return model;
}

}  // namespace qaicc
