// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace qaicvcard::vfio_user {
namespace {

/// A client that does not read its replies for this long is given up, so that another can come.
constexpr int kSendTimeoutMs = 10'000;

}  // namespace

Connection::Wait Connection::wait(short events, int timeout_ms) const {
    while (true) {
        std::array<pollfd, 2> fds{{{socket_.get(), events, 0}, {stop_, POLLIN, 0}}};
        const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready == 0) {
            return Wait::kTimeout;
        }
        return fds[1].revents != 0 ? Wait::kStopped : Wait::kReady;
    }
}

Connection::Received Connection::receive(Message& message) {
    message.payload.clear();
    message.fds.clear();
    if (const Received got = receive_header(message); got != Received::kMessage) {
        return got;
    }
    if (message.header.size < sizeof(Header) || message.header.size > kMaxMessage) {
        problem_ = "a message has an impossible size";
        return Received::kNonsense;
    }
    return receive_payload(message);
}

/// Asks for exactly one header, so that the next message's descriptors are never swallowed.
Connection::Received Connection::receive_header(Message& message) {
    std::array<std::byte, sizeof(Header)> bytes;
    std::size_t have = 0;
    while (have < bytes.size()) {
        if (wait(POLLIN, -1) == Wait::kStopped) {
            return Received::kStopped;
        }
        iovec piece{bytes.data() + have, bytes.size() - have};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got <= 0) {
            return Received::kClosed;
        }
        have += static_cast<std::size_t>(got);
        if (!take_fds(header, message)) {
            problem_ = "a message brings more descriptors than were agreed";
            return Received::kNonsense;
        }
    }
    std::memcpy(&message.header, bytes.data(), sizeof(Header));
    return Received::kMessage;
}

bool Connection::take_fds(msghdr& header, Message& message) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            message.fds.emplace_back(fd);
        }
    }
    return (header.msg_flags & MSG_CTRUNC) == 0 && message.fds.size() <= kMaxFds;
}

Connection::Received Connection::receive_payload(Message& message) {
    message.payload.resize(message.header.size - sizeof(Header));
    std::size_t have = 0;
    while (have < message.payload.size()) {
        if (wait(POLLIN, -1) == Wait::kStopped) {
            return Received::kStopped;
        }
        const ssize_t got = ::recv(socket_.get(), message.payload.data() + have,
                                   message.payload.size() - have, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got <= 0) {
            return Received::kClosed;
        }
        have += static_cast<std::size_t>(got);
    }
    return Received::kMessage;
}

bool Connection::reply(const Header& to, std::span<const std::byte> first,
                       std::span<const std::byte> second) {
    const Header header{
        .id = to.id,
        .command = to.command,
        .size = static_cast<std::uint32_t>(sizeof(Header) + first.size() + second.size()),
        .flags = kTypeReply,
        .error = 0};
    return send(header, first, second);
}

bool Connection::reply_error(const Header& to, int error) {
    const Header header{.id = to.id,
                        .command = to.command,
                        .size = sizeof(Header),
                        .flags = kTypeReply | kErrorReply,
                        .error = static_cast<std::uint32_t>(error)};
    return send(header, {}, {});
}

/// One sendmsg() for the whole message: QEMU takes a short first read for a broken server.
bool Connection::send(const Header& header, std::span<const std::byte> first,
                      std::span<const std::byte> second) {
    const auto head = std::as_bytes(std::span(&header, 1));
    std::array<std::span<const std::byte>, 3> rest{head, first, second};
    while (true) {
        std::array<iovec, 3> pieces;
        std::size_t left = 0;
        for (std::size_t i = 0; i < rest.size(); ++i) {
            // sendmsg() takes a pointer to non-const and does not write.
            pieces[i] = {const_cast<std::byte*>(rest[i].data()), rest[i].size()};
            left += rest[i].size();
        }
        if (left == 0) {
            return true;
        }
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if ((errno == EAGAIN || errno == EWOULDBLOCK) &&
                wait(POLLOUT, kSendTimeoutMs) == Wait::kReady) {
                continue;
            }
            return false;
        }
        auto done = static_cast<std::size_t>(sent);
        for (auto& piece : rest) {
            const std::size_t here = std::min(done, piece.size());
            piece = piece.subspan(here);
            done -= here;
        }
    }
}

}  // namespace qaicvcard::vfio_user
