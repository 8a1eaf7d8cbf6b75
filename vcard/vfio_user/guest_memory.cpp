// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/guest_memory.hpp"

#include "vcard/vfio_user/fault_guard.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace qaicvcard::vfio_user {
namespace {

constexpr std::uint64_t kPage = qaicrt::kHostPageBytes;

}  // namespace

/// A whole file, mapped once however many windows show parts of it: firmware cuts the same memory
/// into new windows dozens of times while a machine starts.
class GuestMemory::FileMapping {
  public:
    static std::shared_ptr<FileMapping> create(int file, std::uint64_t size, bool writeable) {
        const int access = PROT_READ | (writeable ? PROT_WRITE : 0);
        void* data = ::mmap(nullptr, size, access, MAP_SHARED, file, 0);
        if (data == MAP_FAILED) {
            return nullptr;
        }
        return std::make_shared<FileMapping>(static_cast<std::byte*>(data), size);
    }
    FileMapping(std::byte* data, std::uint64_t size) noexcept : data_(data), size_(size) {}
    ~FileMapping() { ::munmap(data_, size_); }
    FileMapping(const FileMapping&) = delete;
    FileMapping& operator=(const FileMapping&) = delete;

    std::byte* data() const noexcept { return data_; }
    std::uint64_t size() const noexcept { return size_; }

  private:
    std::byte* data_;
    std::uint64_t size_;
};

GuestMemory::GuestMemory() {
    install_fault_guard();
}
GuestMemory::~GuestMemory() = default;

int GuestMemory::map(const Window& window, int file) {
    if (window.size == 0 || window.address % kPage != 0 || window.size % kPage != 0 ||
        window.size - 1 > UINT64_MAX - window.address) {
        return EINVAL;
    }
    const std::unique_lock lock(mutex_);
    if (overlaps(window.address, window.size)) {
        return EEXIST;
    }
    if (windows_.size() >= kMaxWindows) {
        return ENOSPC;
    }
    Mapped mapped{window.size, nullptr, window.readable, window.writeable, nullptr};
    if (file >= 0) {
        if (const int error = open_mapping(window, file, mapped.file); error != 0) {
            return error;
        }
        mapped.data = mapped.file->data() + window.offset;
    }
    windows_.emplace(window.address, std::move(mapped));
    return 0;
}

int GuestMemory::open_mapping(const Window& window, int file, std::shared_ptr<FileMapping>& out) {
    struct stat status {};
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || window.offset % kPage != 0) {
        return EINVAL;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (window.offset > size || window.size > size - window.offset) {
        return EINVAL;
    }
    const FileKey key{status.st_dev, status.st_ino, window.writeable};
    auto& known = files_[key];
    // A file that has grown is mapped anew; windows over the old mapping keep it.
    if (known == nullptr || known->size() < window.offset + window.size) {
        auto fresh = FileMapping::create(file, size, window.writeable);
        if (fresh == nullptr) {
            const int error = errno;
            if (known == nullptr) {
                files_.erase(key);
            }
            return error;
        }
        known = std::move(fresh);
    }
    out = known;
    return 0;
}

bool GuestMemory::overlaps(std::uint64_t address, std::uint64_t size) const {
    const auto next = windows_.lower_bound(address);
    if (next != windows_.end() && next->first - address < size) {
        return true;
    }
    if (next == windows_.begin()) {
        return false;
    }
    const auto before = std::prev(next);
    return address - before->first < before->second.size;
}

bool GuestMemory::unmap(std::uint64_t address, std::uint64_t size) {
    const std::unique_lock lock(mutex_);
    bool any = false;
    auto window = windows_.lower_bound(address);
    while (window != windows_.end() && window->first - address < size &&
           window->second.size <= size - (window->first - address)) {
        window = windows_.erase(window);
        any = true;
    }
    return any;
}

void GuestMemory::clear() {
    const std::unique_lock lock(mutex_);
    windows_.clear();
    files_.clear();
}

std::size_t GuestMemory::windows() const {
    const std::shared_lock lock(mutex_);
    return windows_.size();
}

/// Calls copy(piece in our memory, offset in the access) for each window that the access crosses.
template <class Copy>
bool GuestMemory::walk(std::uint64_t addr, std::uint64_t size, bool write, Copy copy) {
    const std::shared_lock lock(mutex_);
    std::uint64_t done = 0;
    while (done < size) {
        const std::uint64_t at = addr + done;
        auto window = windows_.upper_bound(at);
        if (at < addr || window == windows_.begin()) {
            return false;  // wraps around, or below every window
        }
        --window;
        const std::uint64_t inside = at - window->first;
        const Mapped& mapped = window->second;
        if (inside >= mapped.size || mapped.data == nullptr ||
            !(write ? mapped.writeable : mapped.readable)) {
            return false;
        }
        const std::uint64_t piece = std::min(size - done, mapped.size - inside);
        if (!copy(mapped.data + inside, done, piece)) {
            return false;
        }
        done += piece;
    }
    return true;
}

bool GuestMemory::read(std::uint64_t addr, std::span<std::byte> out) {
    return walk(addr, out.size(), false,
                [&](const std::byte* guest, std::uint64_t at, std::uint64_t bytes) {
                    return guarded_copy(out.data() + at, guest, bytes);
                });
}

bool GuestMemory::write(std::uint64_t addr, std::span<const std::byte> in) {
    return walk(addr, in.size(), true,
                [&](std::byte* guest, std::uint64_t at, std::uint64_t bytes) {
                    return guarded_copy(guest, in.data() + at, bytes);
                });
}

bool GuestMemory::write_u32_release(std::uint64_t addr, std::uint32_t value) {
    // Nothing polls a word that is not aligned.
    if (addr % sizeof(value) != 0) {
        return write(addr, std::as_bytes(std::span(&value, 1)));
    }
    return walk(addr, sizeof(value), true, [&](std::byte* guest, std::uint64_t, std::uint64_t) {
        return guarded_store_u32(guest, value);
    });
}

}  // namespace qaicvcard::vfio_user
