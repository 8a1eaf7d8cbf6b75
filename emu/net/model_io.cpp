// SPDX-License-Identifier: Apache-2.0
#include "emu/net/model_io.hpp"

#include "emu/net/tensor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

Result<std::unique_ptr<onnx::ModelProto>> parse_model(std::span<const std::byte> bytes) {
    constexpr int kMaxNesting = 64;
    if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(Errc::kFormat,
                     fmt::format("the model has {} bytes and protobuf allows 2 GiB; keep its "
                                 "weights in an external data file",
                                 bytes.size()));
    }
    try {
        const auto size = static_cast<int>(bytes.size());
        google::protobuf::io::ArrayInputStream stream(bytes.data(), size);
        google::protobuf::io::CodedInputStream coded(&stream);
        coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
        coded.SetRecursionLimit(kMaxNesting);
        auto model = std::make_unique<onnx::ModelProto>();
        if (!model->ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
            return Error(Errc::kFormat,
                         "the model is not a complete ONNX file: protobuf cannot parse it");
        }
        if (!model->has_graph()) {
            return Error(Errc::kFormat, "the model holds no graph, so it is not an ONNX model");
        }
        return model;
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "there is not enough memory to read the model");
    } catch (const std::exception& failure) {
        return Error(Errc::kFormat, fmt::format("the model cannot be parsed: {}", failure.what()));
    }
}

namespace {

namespace fs = std::filesystem;

/// A file descriptor that closes itself.
class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

struct Location {
    std::string path;  ///< as the model says, relative
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
};

class Resolver {
  public:
    explicit Resolver(fs::path folder) : folder_(std::move(folder)) {}

    Status resolve(onnx::TensorProto& tensor) {
        if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
            return {};
        }
        const std::string where = "tensor " + quoted(tensor.name());
        QAICRT_TRY(const Location location, read_location(tensor, where));
        QAICRT_TRY(const fs::path path, inside(location.path, where));
        QAICRT_CHECK(read(path, location, tensor, where));
        tensor.clear_external_data();
        tensor.set_data_location(onnx::TensorProto::DEFAULT);
        return {};
    }

  private:
    static Result<Location> read_location(const onnx::TensorProto& tensor,
                                          const std::string& where) {
        Location location;
        for (const auto& entry : tensor.external_data()) {
            if (entry.key() == "location") {
                location.path = entry.value();
            } else if (entry.key() == "offset" || entry.key() == "length") {
                std::uint64_t number = 0;
                const char* end = entry.value().data() + entry.value().size();
                const auto [stop, status] = std::from_chars(entry.value().data(), end, number);
                if (status != std::errc() || stop != end) {
                    return Error(Errc::kFormat,
                                 fmt::format("{}: external data {} {} is not a number", where,
                                             entry.key(), quoted(entry.value())));
                }
                (entry.key() == "offset" ? location.offset : location.length.emplace()) = number;
            }
        }
        return location;
    }

    /// The real path of the file, which must lie in the model's folder whatever links it goes
    /// through.
    Result<fs::path> inside(const std::string& text, const std::string& where) const {
        const fs::path relative(text);
        bool plain =
            !text.empty() && relative.is_relative() && text.find('\0') == std::string::npos;
        for (const fs::path& part : relative) {
            plain = plain && part != "..";
        }
        const Error outside(
            Errc::kFormat, fmt::format("{}: its data file {} is not inside the model's folder, and "
                                       "nothing else is read; move it there",
                                       where, quoted(text)));
        if (!plain) {
            return outside;
        }
        std::error_code failure;
        const fs::path root = fs::canonical(folder_, failure);
        const fs::path real = failure ? fs::path() : fs::canonical(folder_ / relative, failure);
        if (failure) {
            return Error(
                failure == std::errc::no_such_file_or_directory ? Errc::kNotFound : Errc::kIo,
                fmt::format("{}: its data file {} cannot be opened: {}", where,
                            quoted((folder_ / relative).string()), failure.message()),
                failure.value());
        }
        const fs::path back = real.lexically_relative(root);
        if (back.empty() || *back.begin() == "..") {
            return outside;
        }
        return real;
    }

    static Error io_error(const fs::path& path, const std::string& where, int code) {
        return {Errc::kIo,
                fmt::format("{}: its data file {} cannot be read: {}", where, quoted(path.string()),
                            std::error_code(code, std::generic_category()).message()),
                code};
    }

    /// A file can be as long as one likes without taking room on a disk: only what the tensor
    /// declares is read, and only what this machine can hold.
    Status check_length(const onnx::TensorProto& tensor, std::uint64_t length,
                        const std::string& where) {
        const auto type = static_cast<ElemType>(tensor.data_type());
        // Types that the runner lacks are refused later, by name, if anybody reads them.
        constexpr std::uint64_t kWidest = 16;
        const auto count = checked_count(Shape(tensor.dims().begin(), tensor.dims().end()));
        const std::uint64_t width = elem_bytes(type);
        const bool fits =
            count && (width != 0 ? length == *count * width : length <= (*count + 1) * kWidest);
        if (!fits) {
            return Error(Errc::kFormat,
                         fmt::format("{}: its data file gives it {} bytes, which its dimensions "
                                     "{} of {} do not need; the model is damaged",
                                     where, length,
                                     dims_text(Shape(tensor.dims().begin(), tensor.dims().end())),
                                     onnx_type_name(tensor.data_type())));
        }
        const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                             static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
        if (length > machine - std::min(read_, machine)) {
            return Error(Errc::kNoMemory,
                         fmt::format("{}: its {} bytes and what is read already are more than the "
                                     "memory of this machine ({} bytes)",
                                     where, length, machine));
        }
        read_ += length;
        return {};
    }

    Status read(const fs::path& path, const Location& location, onnx::TensorProto& tensor,
                const std::string& where) {
        // The path is canonical, so a link here was put in place after the check.
        const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        struct stat info {};
        if (file.fd() < 0 || ::fstat(file.fd(), &info) != 0) {
            return io_error(path, where, errno);
        }
        if (!S_ISREG(info.st_mode)) {
            return Error(Errc::kFormat, fmt::format("{}: its data file {} is not a regular file",
                                                    where, quoted(path.string())));
        }
        const auto size = static_cast<std::uint64_t>(info.st_size);
        const std::uint64_t rest = location.offset <= size ? size - location.offset : 0;
        const std::uint64_t length = location.length.value_or(rest);
        if (location.offset > size || length > rest) {
            return Error(Errc::kFormat,
                         fmt::format("{}: bytes {}+{} lie outside its data file {} of {} bytes",
                                     where, location.offset, length, quoted(path.string()), size));
        }
        QAICRT_CHECK(check_length(tensor, length, where));
        std::string& out = *tensor.mutable_raw_data();
        try {
            out.resize(static_cast<std::size_t>(length));
        } catch (const std::exception&) {
            return Error(Errc::kNoMemory,
                         fmt::format("{}: there is no memory for its {} bytes", where, length));
        }
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t got = ::pread(file.fd(), out.data() + done, out.size() - done,
                                        static_cast<off_t>(location.offset + done));
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                return io_error(path, where, got < 0 ? errno : EIO);
            }
            done += static_cast<std::size_t>(got);
        }
        return {};
    }

    fs::path folder_;
    std::uint64_t read_ = 0;  ///< bytes of all tensors so far
};

Status resolve_nodes(Resolver& resolver,
                     google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes);

Status resolve_graph(Resolver& resolver, onnx::GraphProto& graph) {
    for (auto& tensor : *graph.mutable_initializer()) {
        QAICRT_CHECK(resolver.resolve(tensor));
    }
    return resolve_nodes(resolver, *graph.mutable_node());
}

/// Recursion ends where the parser's nesting limit ended.
Status resolve_nodes(Resolver& resolver,
                     google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) {
    for (auto& node : nodes) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_t()) {
                QAICRT_CHECK(resolver.resolve(*attribute.mutable_t()));
            }
            for (auto& tensor : *attribute.mutable_tensors()) {
                QAICRT_CHECK(resolver.resolve(tensor));
            }
            if (attribute.has_g()) {
                QAICRT_CHECK(resolve_graph(resolver, *attribute.mutable_g()));
            }
            for (auto& graph : *attribute.mutable_graphs()) {
                QAICRT_CHECK(resolve_graph(resolver, graph));
            }
        }
    }
    return {};
}

}  // namespace

Status resolve_external_data(onnx::ModelProto& model, const std::string& model_dir) {
    try {
        Resolver resolver(model_dir.empty() ? fs::path(".") : fs::path(model_dir));
        QAICRT_CHECK(resolve_graph(resolver, *model.mutable_graph()));
        for (auto& function : *model.mutable_functions()) {
            QAICRT_CHECK(resolve_nodes(resolver, *function.mutable_node()));
        }
        return {};
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "there is not enough memory for the model's external data");
    } catch (const std::exception& failure) {
        return Error(Errc::kIo,
                     fmt::format("the model's external data cannot be read: {}", failure.what()));
    }
}

}  // namespace qaicnet
