// SPDX-License-Identifier: Apache-2.0
#include "compiler/output_file.hpp"

#include "libqaicrt/qpc/program_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace qaicc {
namespace {

namespace fs = std::filesystem;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

constexpr std::string_view kTemporaryPrefix = ".programqpc.bin.";
constexpr std::string_view kTemporaryGraphPrefix = ".qaic-graph.";

Error system_error(const std::string& what, const std::string& path, int code) {
    const bool denied = code == EACCES || code == EPERM || code == EROFS;
    const char* advice = denied           ? "choose a directory that you can write to"
                         : code == ENOSPC ? "free some space or choose another directory"
                         : code == EDQUOT ? "free some space or choose another directory"
                         : code == ENOTDIR
                             ? "a part of the path is a file; choose another directory"
                             : "choose another directory";
    return {denied ? Errc::kPermission : Errc::kIo,
            fmt::format("Cannot {} '{}' ({}): {}.", what, path, std::strerror(code), advice), code};
}

class FileHandle {
  public:
    explicit FileHandle(int fd) : fd_(fd) {}
    ~FileHandle() { close(); }
    FileHandle(const FileHandle&) = delete;
    FileHandle& operator=(const FileHandle&) = delete;
    int get() const { return fd_; }
    int close() {
        const int fd = std::exchange(fd_, -1);
        return fd < 0 ? 0 : ::close(fd);
    }

  private:
    int fd_;
};

/// True when the file is a program that this compiler wrote: only those are replaced.
bool is_our_program(const fs::path& path) {
    struct stat info = {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) {
        return false;
    }
    const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0) {
        return false;
    }
    const auto size = static_cast<std::size_t>(info.st_size);
    void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (bytes == MAP_FAILED) {
        return false;
    }
    const auto program = qaicrt::qpc::parse_program({static_cast<const std::byte*>(bytes), size});
    const bool ours = program && program->made_for_emulator();
    ::munmap(bytes, size);
    return ours;
}

/// Directories that exist only because of us; removed in reverse order unless kept.
class MadeDirectories {
  public:
    MadeDirectories() = default;
    MadeDirectories(const MadeDirectories&) = delete;
    MadeDirectories& operator=(const MadeDirectories&) = delete;
    ~MadeDirectories() {
        for (auto dir = made_.rbegin(); dir != made_.rend(); ++dir) {
            ::rmdir(dir->c_str());
        }
    }
    void keep() { made_.clear(); }

    Status make(const fs::path& path) {
        fs::path so_far;
        for (const fs::path& part : path) {
            so_far /= part;
            if (part.empty() || ::mkdir(so_far.c_str(), 0777) != 0) {
                const int code = part.empty() ? EEXIST : errno;
                std::error_code ignored;
                // A read-only parent says EROFS or EACCES even for a directory that is there.
                if (fs::is_directory(so_far, ignored)) {
                    continue;
                }
                return system_error("make the directory", so_far.string(),
                                    code == EEXIST ? ENOTDIR : code);
            }
            made_.push_back(so_far);
        }
        return {};
    }

  private:
    std::vector<fs::path> made_;
};

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t written =
            ::write(fd, bytes.data(), std::min(bytes.size(), std::size_t{1} << 30));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return system_error("write", path, errno);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

fs::path folder_of(const fs::path& file) {
    return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/// Not mkstemp: the file should have the permissions that the user's umask gives to new files.
int make_temporary(const fs::path& dir, std::string_view prefix, std::string& path) {
    for (int number = 0;; ++number) {
        path = (dir / fmt::format("{}{}.{}", prefix, ::getpid(), number)).string();
        const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
}

Status try_to_write(const std::string& temporary, int fd, std::span<const std::byte> bytes,
                    const fs::path& target) {
    FileHandle file(fd);
    QAICRT_CHECK(write_all(file.get(), bytes, target.string()));
    if (::fsync(file.get()) != 0 || file.close() != 0) {
        return system_error("write", target.string(), errno);
    }
    if (::rename(temporary.c_str(), target.c_str()) != 0) {
        return system_error("write", target.string(), errno);
    }
    return {};
}

/// All of `bytes` under the name `target`, or nothing.
Status write_and_rename(const fs::path& target, std::string_view prefix,
                        std::span<const std::byte> bytes) {
    const fs::path dir = folder_of(target);
    std::string temporary;
    const int fd = make_temporary(dir, prefix, temporary);
    if (fd < 0) {
        return system_error("write to the directory", dir.string(), errno);
    }
    if (auto written = try_to_write(temporary, fd, bytes, target); !written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return {};
}

/// The file is complete either way; this makes its name durable.
void sync_folder(const fs::path& dir) {
    const FileHandle directory(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) {
        ::fsync(directory.get());
    }
}

Error bad_graph_file(const std::string& path, std::string_view why, int code) {
    return {Errc::kInvalidArgument, fmt::format("-dump-graph '{}' {}.", path, why), code};
}

bool same_folder(const fs::path& a, const std::string& b) {
    std::error_code failure;
    return !b.empty() && fs::weakly_canonical(a, failure) == fs::weakly_canonical(b, failure);
}

}  // namespace

Status check_output_dir(const std::string& dir) {
    struct stat info = {};
    if (::stat(dir.c_str(), &info) != 0) {
        // A part of the path that is a file or may not be searched is reported now, the rest is
        // made later.
        return errno == ENOENT ? Status{} : system_error("use", dir, errno);
    }
    if (!S_ISDIR(info.st_mode)) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("-aic-binary-dir '{}' is a file: give a directory.", dir),
                     ENOTDIR);
    }
    std::error_code failure;
    fs::directory_iterator entries(dir, failure);
    for (const fs::directory_iterator end; !failure && entries != end; entries.increment(failure)) {
        const std::string name = entries->path().filename().string();
        if (name.starts_with(kTemporaryPrefix)) {
            continue;  // left by a compiler that was killed
        }
        if (name != kProgramFile || !is_our_program(entries->path())) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("-aic-binary-dir '{}' holds '{}', which this compiler did not "
                                     "write: remove it or give another directory.",
                                     dir, name),
                         ENOTEMPTY);
        }
    }
    return failure ? Status(system_error("read the directory", dir, failure.value())) : Status{};
}

Result<std::string> write_program(const std::string& dir, std::span<const std::byte> bytes) {
    QAICRT_CHECK(check_output_dir(dir));
    MadeDirectories made;
    QAICRT_CHECK(made.make(dir));
    const fs::path target = fs::path(dir) / kProgramFile;
    QAICRT_CHECK(write_and_rename(target, kTemporaryPrefix, bytes));
    made.keep();
    sync_folder(dir);
    return target.string();
}

Status check_graph_file(const std::string& path, const std::string& model_path,
                        const std::string& output_dir) {
    const fs::path folder = folder_of(path);
    if (same_folder(folder, output_dir)) {
        return bad_graph_file(path,
                              "lies in the directory of the program, which holds nothing else: "
                              "choose another one",
                              EEXIST);
    }
    struct stat info = {};
    if (::stat(folder.c_str(), &info) != 0) {
        return system_error("write to the directory", folder.string(), errno);
    }
    if (::stat(path.c_str(), &info) != 0) {
        return errno == ENOENT ? Status{} : system_error("write", path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return bad_graph_file(path, "is not a file: give the path of one",
                              S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
    }
    struct stat model = {};
    if (::stat(model_path.c_str(), &model) == 0 && model.st_dev == info.st_dev &&
        model.st_ino == info.st_ino) {
        return bad_graph_file(path, "is the model itself: give another file", EEXIST);
    }
    // Renaming over it would get around its write protection.
    return ::access(path.c_str(), W_OK) == 0 ? Status{} : system_error("write", path, errno);
}

Status write_graph_file(const std::string& path, std::span<const std::byte> bytes) {
    std::error_code failure;
    const bool link = fs::is_symlink(path, failure);
    const fs::path resolved = link ? fs::canonical(path, failure) : fs::path(path);
    const fs::path target = failure ? fs::path(path) : resolved;
    QAICRT_CHECK(write_and_rename(target, kTemporaryGraphPrefix, bytes));
    sync_folder(folder_of(target));
    return {};
}

}  // namespace qaicc
