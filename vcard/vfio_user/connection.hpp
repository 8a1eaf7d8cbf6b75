// SPDX-License-Identifier: Apache-2.0
/// One client's socket: whole messages in, with the descriptors that came along, and whole messages
/// out. Knows nothing of what they mean.
#pragma once

#include "libqaicrt/support/owned.hpp"
#include "vcard/vfio_user/wire.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <vector>

namespace qaicvcard::vfio_user {

/// A message as received. Descriptors that nobody takes are closed with it.
struct Message {
    Header header;
    std::vector<std::byte> payload;
    std::vector<qaicrt::OwnedFd> fds;
};

/// Used by one thread. Ends waiting when the descriptor `stop` becomes readable.
class Connection {
  public:
    Connection(qaicrt::OwnedFd socket, int stop) noexcept
        : socket_(std::move(socket)), stop_(stop) {}

    enum class Received : std::uint8_t {
        kMessage,
        kClosed,    ///< the client went away, orderly or not
        kStopped,   ///< somebody set `stop`
        kNonsense,  ///< the stream cannot be trusted any more; the words are in problem()
    };
    /// Reuses the memory of `message`.
    Received receive(Message& message);

    /// Reply with a payload in one or two pieces; false when the client is gone or does not read.
    bool reply(const Header& to, std::span<const std::byte> first,
               std::span<const std::byte> second = {});
    bool reply_error(const Header& to, int error);

    const char* problem() const noexcept { return problem_; }

  private:
    enum class Wait : std::uint8_t { kReady, kStopped, kTimeout };
    Wait wait(short events, int timeout_ms) const;
    Received receive_header(Message& message);
    Received receive_payload(Message& message);
    bool take_fds(::msghdr& header, Message& message);
    bool send(const Header& header, std::span<const std::byte> first,
              std::span<const std::byte> second);

    qaicrt::OwnedFd socket_;
    int stop_;
    const char* problem_ = "";
};

}  // namespace qaicvcard::vfio_user
