// SPDX-License-Identifier: Apache-2.0
#include "tools/common/npy.hpp"

#include "libqaicrt/support/text.hpp"
#include "tools/common/atomic_file.hpp"
#include "tools/common/npy_header.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>

namespace qaictools {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

constexpr std::size_t kMaxHeader = 1U << 20;
constexpr std::size_t kReadStep =
    16U << 20;  // so that memory grows with the data, not with what a header claims

/// Closes on every path.
class FileDescriptor {
  public:
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

Error damaged(const std::string& path, const std::string& what) {
    return Error(Errc::kFormat, "'" + path + "' is not a usable .npy file: " + what + ".");
}

/// Reads up to `size` bytes and appends them; fewer only at the end of the file.
qaicrt::Status read_up_to(int fd, const std::string& path, std::size_t size,
                          std::vector<std::byte>& out) {
    while (size > 0) {
        const std::size_t old_size = out.size();
        const std::size_t step = std::min(size, kReadStep);
        out.resize(old_size + step);
        const ssize_t got = ::read(fd, out.data() + old_size, step);
        out.resize(old_size + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got == 0) {
            return {};
        }
        if (got < 0 && errno != EINTR) {
            const int code = errno;
            return Error(Errc::kIo, "'" + path + "' cannot be read: " + std::strerror(code) + ".",
                         code);
        }
        size -= got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return {};
}

/// Exactly `size` bytes, or kFormat naming what was cut off.
qaicrt::Result<std::vector<std::byte>> read_exactly(int fd, const std::string& path,
                                                    std::size_t size, const char* what) {
    std::vector<std::byte> bytes;
    QAICRT_CHECK(read_up_to(fd, path, size, bytes));
    if (bytes.size() != size) {
        return damaged(path, std::string("it ends within its ") + what + ", after " +
                                 std::to_string(bytes.size()) + " of " + std::to_string(size) +
                                 " bytes");
    }
    return bytes;
}

qaicrt::Result<std::size_t> read_header_size(int fd, const std::string& path) {
    QAICRT_TRY(const auto magic, read_exactly(fd, path, 8, "first 8 bytes"));
    if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) {
        return damaged(path, "it does not start with the .npy signature");
    }
    const auto version = std::to_integer<unsigned>(magic[6]);
    if (version < 1 || version > 3) {
        return damaged(path, "its version is " + std::to_string(version) + ", known are 1 to 3");
    }
    QAICRT_TRY(const auto length, read_exactly(fd, path, version == 1 ? 2 : 4, "header length"));
    std::size_t size = 0;
    for (std::size_t i = length.size(); i-- > 0;) {
        size = size << 8 | std::to_integer<std::size_t>(length[i]);
    }
    if (size > kMaxHeader) {
        return damaged(path, "its header claims " + std::to_string(size) + " bytes");
    }
    return size;
}

/// Our name of a dtype and whether the file's bytes are the other way round; nullopt for other
/// types.
struct Dtype {
    std::string name;
    bool swapped;
};

std::optional<Dtype> known_dtype(const std::string& descr) {
    if (descr.size() != 3 || std::strchr("<>=|", descr[0]) == nullptr) {
        return std::nullopt;
    }
    std::string name = descr;
    name[0] = descr[2] == '1' ? '|' : '<';
    if (npy_item_size(name) == 0) {
        return std::nullopt;
    }
    return Dtype{name, descr[0] == '>' && descr[2] != '1'};
}

/// Bytes of an array, or nullopt when they cannot be counted.
std::optional<std::size_t> total_bytes(const std::vector<std::int64_t>& dims, std::size_t item) {
    std::size_t total = item;
    for (const std::int64_t dim : dims) {
        const auto extent = static_cast<std::size_t>(dim);
        const bool countable =
            dim >= 0 &&
            (extent == 0 || total <= std::numeric_limits<std::ptrdiff_t>::max() / extent);
        if (!countable) {
            return std::nullopt;
        }
        total *= extent;
    }
    return total;
}

void swap_items(std::vector<std::byte>& data, std::size_t item) {
    for (std::size_t at = 0; at + item <= data.size(); at += item) {
        const auto first = data.begin() + static_cast<std::ptrdiff_t>(at);
        std::reverse(first, first + static_cast<std::ptrdiff_t>(item));
    }
}

/// First dimension fastest to last dimension fastest.
std::vector<std::byte> to_c_order(const std::vector<std::byte>& fortran,
                                  const std::vector<std::int64_t>& dims, std::size_t item) {
    std::vector<std::byte> out(fortran.size());
    std::vector<std::size_t> index(dims.size(), 0);
    for (std::size_t at = 0; at < out.size(); at += item) {
        std::size_t offset = 0;
        for (std::size_t d = dims.size(); d-- > 0;) {
            offset = offset * static_cast<std::size_t>(dims[d]) + index[d];
        }
        std::memcpy(out.data() + at, fortran.data() + offset * item, item);
        for (std::size_t d = dims.size(); d-- > 0;) {
            if (++index[d] < static_cast<std::size_t>(dims[d])) {
                break;
            }
            index[d] = 0;
        }
    }
    return out;
}

qaicrt::Result<NpyArray> read_open_file(int fd, const std::string& path) {
    QAICRT_TRY(const std::size_t header_size, read_header_size(fd, path));
    QAICRT_TRY(const auto text, read_exactly(fd, path, header_size, "header"));
    auto header =
        detail::parse_npy_header({reinterpret_cast<const char*>(text.data()), text.size()});
    if (!header) {
        return Error(header.error().code, damaged(path, header.error().message).message);
    }
    const std::optional<Dtype> dtype = known_dtype(header->descr);
    if (!dtype) {
        return Error(Errc::kUnsupported,
                     "'" + path + "' holds numbers of the NumPy type " +
                         qaicrt::quoted(header->descr) +
                         ", which is not supported; convert it, for example with astype.");
    }
    const std::size_t item = npy_item_size(dtype->name);
    const std::optional<std::size_t> size = total_bytes(header->shape, item);
    if (!size) {
        return damaged(path, "its shape is too large");
    }
    NpyArray array{dtype->name, header->shape, {}};
    QAICRT_TRY(array.data, read_exactly(fd, path, *size, "data"));
    std::vector<std::byte> beyond;
    QAICRT_CHECK(read_up_to(fd, path, 1, beyond));
    if (!beyond.empty()) {
        return damaged(path, "it has more data than its header says");
    }
    if (dtype->swapped) {
        swap_items(array.data, item);
    }
    if (header->fortran_order && array.dims.size() > 1) {
        array.data = to_c_order(array.data, array.dims, item);
    }
    return array;
}

std::string header_text(const NpyArray& array) {
    std::string shape;
    for (std::size_t d = 0; d < array.dims.size(); ++d) {
        shape += (d == 0 ? "" : ", ") + std::to_string(array.dims[d]);
    }
    if (array.dims.size() == 1) {
        shape += ',';
    }
    return "{'descr': '" + array.dtype + "', 'fortran_order': False, 'shape': (" + shape + "), }";
}

/// Signature, version, length and text, padded so that the data starts at a multiple of 64.
std::string header_bytes(const NpyArray& array) {
    std::string text = header_text(array);
    const bool wide = text.size() + 64 > 0xFFFF;
    const std::size_t prefix = wide ? 12 : 10;
    text.append(63 - (prefix + text.size()) % 64, ' ').push_back('\n');
    std::string out("\x93NUMPY");
    out.push_back(wide ? '\x03' : '\x01');
    out.push_back('\0');
    for (std::size_t i = 0; i < (wide ? 4U : 2U); ++i) {
        out.push_back(static_cast<char>(text.size() >> (8 * i) & 0xFF));
    }
    return out + text;
}

}  // namespace

std::size_t npy_item_size(const std::string& dtype) noexcept {
    static constexpr const char* kKnown[] = {"<f2", "<f4", "<f8", "|i1", "<i2", "<i4",
                                             "<i8", "|u1", "<u2", "<u4", "<u8", "|b1"};
    const bool known = std::find(std::begin(kKnown), std::end(kKnown), dtype) != std::end(kKnown);
    return known ? static_cast<std::size_t>(dtype[2] - '0') : 0;
}

qaicrt::Result<NpyArray> read_npy(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) {
        const int code = errno;
        return Error(code == ENOENT ? Errc::kNotFound : Errc::kIo,
                     "'" + path + "' cannot be opened: " + std::strerror(code) + ".", code);
    }
    try {
        return read_open_file(file.get(), path);
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "There is not enough memory to read '" + path + "'.");
    }
}

qaicrt::Status write_npy(const std::string& path, const NpyArray& array) {
    const std::size_t item = npy_item_size(array.dtype);
    const std::optional<std::size_t> size = total_bytes(array.dims, item);
    if (item == 0 || !size || *size != array.data.size()) {
        return Error(Errc::kInvalidArgument, "The array for '" + path + "' has " +
                                                 std::to_string(array.data.size()) +
                                                 " bytes, which do not fit its type and shape.");
    }
    const std::string header = header_bytes(array);
    return write_file_atomically(path, {std::as_bytes(std::span(header)), std::span(array.data)});
}

}  // namespace qaictools
