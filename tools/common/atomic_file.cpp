// SPDX-License-Identifier: Apache-2.0
#include "tools/common/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace qaictools {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

Error io_error(const std::string& path, int code) {
    return Error(Errc::kIo, "'" + path + "' cannot be written: " + std::strerror(code) + ".", code);
}

/// 0 or errno.
int write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        bytes = bytes.subspan(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return 0;
}

/// Writes and closes; 0 or errno.
int write_and_close(int fd, std::initializer_list<std::span<const std::byte>> parts) {
    int code = 0;
    for (const std::span<const std::byte> part : parts) {
        code = code != 0 ? code : write_all(fd, part);
    }
    // A full file system may show only here.
    return ::close(fd) != 0 && code == 0 ? errno : code;
}

std::string follow_links(const std::string& path) {
    char* resolved = ::realpath(path.c_str(), nullptr);
    std::string target = resolved != nullptr ? resolved : path;
    std::free(resolved);
    return target;
}

}  // namespace

qaicrt::Status write_file_atomically(const std::string& path,
                                     std::initializer_list<std::span<const std::byte>> parts) {
    struct stat info {};
    const bool exists = ::stat(path.c_str(), &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        const int code = fd < 0 ? errno : write_and_close(fd, parts);
        return code == 0 ? qaicrt::Status() : io_error(path, code);
    }
    if (exists && ::access(path.c_str(), W_OK) != 0) {
        return io_error(path, errno);  // renaming over it would get around its write protection
    }
    const std::string target = follow_links(path);
    const std::string temporary = target + ".tmp-" + std::to_string(::getpid());
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return io_error(path, errno);
    }
    int code = write_and_close(fd, parts);
    if (code == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) {
        code = errno;
    }
    if (code != 0) {
        ::unlink(temporary.c_str());
        return io_error(path, code);
    }
    return {};
}

}  // namespace qaictools
