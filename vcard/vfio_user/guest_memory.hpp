// SPDX-License-Identifier: Apache-2.0
/// The guest's memory as the card sees it: windows of bus addresses over files that the client
/// shares with us.
///
/// Nothing here trusts the client: a window is checked against the file's size when it is made, and
/// a file that shrinks later gives a failed access, not a crash.
#pragma once

#include "emu/ports.hpp"
#include "libqaicrt/support/owned.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <span>
#include <tuple>

namespace qaicvcard::vfio_user {

/// Thread safe. Accesses run side by side; map(), unmap() and clear() wait for those under way, so
/// no byte of a window is touched after unmap() has returned.
class GuestMemory final : public qaicemu::HostMemory {
  public:
    static constexpr std::size_t kMaxWindows = 65535;

    struct Window {
        std::uint64_t address = 0, size = 0;  ///< bus addresses
        std::uint64_t offset = 0;             ///< in the file
        bool readable = false, writeable = false;
    };

    GuestMemory();
    ~GuestMemory() override;
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;

    /// `file` below 0: a window that the card cannot reach (ROM, video memory). 0 or an errno:
    /// EINVAL (size 0, wraps, not in whole pages, outside the file, not a regular file), EEXIST
    /// (overlaps another), ENOSPC (too many), ENOMEM, EACCES.
    int map(const Window& window, int file);
    /// Windows inside the range go; true if there was one. Windows that only touch it stay.
    bool unmap(std::uint64_t address, std::uint64_t size);
    void clear();
    std::size_t windows() const;

    bool read(std::uint64_t addr, std::span<std::byte> out) override;
    bool write(std::uint64_t addr, std::span<const std::byte> in) override;
    bool write_u32_release(std::uint64_t addr, std::uint32_t value) override;

  private:
    class FileMapping;
    struct Mapped {
        std::uint64_t size = 0;
        std::byte* data = nullptr;  ///< null: out of reach
        bool readable = false, writeable = false;
        std::shared_ptr<FileMapping> file;
    };
    /// Device, inode, mapped for writing.
    using FileKey = std::tuple<std::uint64_t, std::uint64_t, bool>;

    int open_mapping(const Window& window, int file, std::shared_ptr<FileMapping>& out);
    bool overlaps(std::uint64_t address, std::uint64_t size) const;
    template <class Copy>
    bool walk(std::uint64_t addr, std::uint64_t size, bool write, Copy copy);

    mutable std::shared_mutex mutex_;
    std::map<std::uint64_t, Mapped> windows_;  ///< by first bus address; they never overlap
    std::map<FileKey, std::shared_ptr<FileMapping>> files_;
};

}  // namespace qaicvcard::vfio_user
