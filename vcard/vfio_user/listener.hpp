// SPDX-License-Identifier: Apache-2.0
/// The socket that clients of one card connect to, one after the other.
#pragma once

#include "libqaicrt/support/owned.hpp"
#include "vcard/vfio_user/session.hpp"

#include <memory>
#include <string>

namespace qaicvcard::vfio_user {

/// serve() on one thread; stop() from any, also from a signal handler.
class Listener {
  public:
    /// Binds and listens before `path` appears, so that whoever waits for the file can connect at
    /// once. Errors: kInvalidArgument (path too long), kBusy (a server answers there), kIo.
    static qaicrt::Result<std::unique_ptr<Listener>> create(const std::string& path);
    ~Listener();  ///< removes the socket file
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Serves clients until stop(), or until the first one has left when `once`. kIo when the
    /// socket itself fails.
    qaicrt::Status serve(const Served& served, bool once = false);
    void stop() noexcept;

  private:
    Listener(std::string path, qaicrt::OwnedFd socket, qaicrt::OwnedFd stop);

    std::string path_;
    qaicrt::OwnedFd socket_, stop_;
};

}  // namespace qaicvcard::vfio_user
