// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/listener.hpp"

#include "libqaicrt/support/sys_error.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace qaicvcard::vfio_user {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::OwnedFd;
using qaicrt::Result;
using qaicrt::Status;
using qaicrt::sys_error;

namespace {

constexpr const char* kUnfinished = ".new";

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

/// True if somebody accepts connections there now; a file left by a server that died refuses them.
bool is_served(const std::string& path) {
    const OwnedFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const sockaddr_un address = address_of(path);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(probe.get(), generic, sizeof(address)) == 0 || errno == EAGAIN;
}

}  // namespace

Listener::Listener(std::string path, OwnedFd socket, OwnedFd stop)
    : path_(std::move(path)), socket_(std::move(socket)), stop_(std::move(stop)) {}

Listener::~Listener() {
    ::unlink(path_.c_str());
}

Result<std::unique_ptr<Listener>> Listener::create(const std::string& path) {
    const std::string unfinished = path + kUnfinished;
    if (path.empty() || unfinished.size() >= sizeof(sockaddr_un::sun_path)) {
        return Error{
            Errc::kInvalidArgument,
            "the socket's path '" + path + "' has " + std::to_string(path.size()) +
                " characters; it needs 1 to " +
                std::to_string(sizeof(sockaddr_un::sun_path) - 1 - std::strlen(kUnfinished)),
            EINVAL};
    }
    if (is_served(path)) {
        return Error{Errc::kBusy,
                     "another process already serves a card at '" + path +
                         "'; end it or choose another path",
                     EADDRINUSE};
    }
    OwnedFd stop{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    OwnedFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (stop.get() < 0 || socket.get() < 0) {
        return sys_error(errno, "no descriptor is left for the card's socket");
    }
    ::unlink(unfinished.c_str());
    const sockaddr_un address = address_of(unfinished);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(socket.get(), generic, sizeof(address)) != 0 || ::listen(socket.get(), 4) != 0 ||
        ::rename(unfinished.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(unfinished.c_str());
        return sys_error(error, "the card's socket cannot be made at '" + path + "' (" +
                                    std::strerror(error) +
                                    "); choose a directory that exists and "
                                    "may be written");
    }
    return std::unique_ptr<Listener>(new Listener(path, std::move(socket), std::move(stop)));
}

Status Listener::serve(const Served& served, bool once) {
    while (true) {
        std::array<pollfd, 2> fds{{{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
            return sys_error(errno, "waiting for a client at '" + path_ + "' failed");
        }
        if (fds[1].revents != 0) {
            return {};
        }
        if (fds[0].revents == 0) {
            continue;
        }
        OwnedFd client{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (client.get() < 0) {
            if (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN) {
                continue;
            }
            return sys_error(errno, "a client cannot be accepted at '" + path_ + "'");
        }
        served.log(LogLevel::kInfo, "a client connected");
        const auto end = Session(std::move(client), stop_.get(), served).run();
        served.log(LogLevel::kInfo, end == Session::End::kDropped
                                        ? "the client was dropped: it does not speak the protocol"
                                        : "the client has left");
        if (end == Session::End::kStopped || once) {
            return {};
        }
    }
}

void Listener::stop() noexcept {
    const std::uint64_t one = 1;
    // The counter cannot run full, and a signal handler could do nothing about it.
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof(one));
}

}  // namespace qaicvcard::vfio_user
