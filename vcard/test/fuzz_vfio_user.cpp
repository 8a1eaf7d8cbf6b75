// SPDX-License-Identifier: Apache-2.0
/// A client that sends whatever the fuzzer likes, over a real socket.
///
/// Input: after an introduction that is right, records of {command, flags, descriptors, 16 bits of
/// payload length, payload}. A command byte of 0xff sends the rest as it is, without a header.
#include "vcard/log.hpp"
#include "vcard/vfio_user/session.hpp"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

using namespace qaicvcard::vfio_user;

/// Regions of an AI 100; remembers nothing, so that a crash is never the device's.
class NullDevice final : public Device {
  public:
    std::uint64_t region_size(unsigned region) const override {
        constexpr std::array<std::uint64_t, kRegions> kSizes{0x1000, 0, 0x200000, 0, 0x10000,
                                                             0,      0, 4096,     0};
        return kSizes[region];
    }
    void read(unsigned, std::uint64_t, std::span<std::byte> out) override {
        std::fill(out.begin(), out.end(), std::byte{0x5a});
    }
    void write(unsigned, std::uint64_t, std::span<const std::byte> in) override {
        // Every byte is touched, so that the sanitizer sees one that is not there.
        for (const std::byte byte : in) {
            sum_ += std::to_integer<unsigned>(byte);
        }
    }
    void reset() override { sum_ = 0; }

  private:
    unsigned sum_ = 0;
};

class Feeder {
  public:
    Feeder(int socket, std::span<const std::byte> input)
        : socket_(socket),
          input_(input),
          file_(::memfd_create("guest", MFD_CLOEXEC)),
          event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (::ftruncate(file_.get(), 0x10000) != 0) {
            std::abort();
        }
    }

    void run() {
        static constexpr char kJson[] = "\0\0\0\0{}";
        send(1, 0, 0, std::as_bytes(std::span(kJson)));
        while (input_.size() >= 5) {
            const auto command = std::to_integer<std::uint16_t>(input_[0]);
            const auto flags = std::to_integer<std::uint32_t>(input_[1]);
            const auto fds = std::to_integer<unsigned>(input_[2]);
            std::uint16_t length = 0;
            std::memcpy(&length, input_.data() + 3, sizeof(length));
            input_ = input_.subspan(5);
            if (command == 0xff) {
                (void)::send(socket_, input_.data(), input_.size(), MSG_NOSIGNAL);
                break;
            }
            const auto payload = input_.first(std::min<std::size_t>(length, input_.size()));
            input_ = input_.subspan(payload.size());
            send(command, flags, fds, payload);
        }
        ::shutdown(socket_, SHUT_WR);
    }

  private:
    void send(std::uint16_t command, std::uint32_t flags, unsigned fds,
              std::span<const std::byte> payload) {
        Header header{1, command, static_cast<std::uint32_t>(sizeof(Header) + payload.size()),
                      flags, 0};
        std::array<iovec, 2> pieces{
            {{&header, sizeof(header)}, {const_cast<std::byte*>(payload.data()), payload.size()}}};
        // Low bits: how many; bit 7: the guest's memory instead of eventfds.
        std::array<int, 32> list;
        list.fill((fds & 0x80) != 0 ? file_.get() : event_.get());
        const std::size_t count = fds & 0x1f;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(list))> control{};
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        if (count > 0) {
            message.msg_control = control.data();
            message.msg_controllen = CMSG_SPACE(count * sizeof(int));
            cmsghdr* c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(count * sizeof(int));
            std::memcpy(CMSG_DATA(c), list.data(), count * sizeof(int));
        }
        (void)::sendmsg(socket_, &message, MSG_NOSIGNAL);
    }

    int socket_;
    std::span<const std::byte> input_;
    qaicrt::OwnedFd file_, event_;
};

void drain(int socket) {
    std::array<char, 65536> sink;
    while (::recv(socket, sink.data(), sink.size(), 0) > 0) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::array<int, 2> sockets{};
    if (size > 65536 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
        return 0;
    }
    const qaicrt::OwnedFd client{sockets[0]};
    const qaicrt::OwnedFd stop{::eventfd(0, EFD_CLOEXEC)};
    NullDevice device;
    GuestMemory memory;
    MsiLines msi;
    const qaicvcard::Log log = [](qaicvcard::LogLevel, const std::string&) {};
    {
        Feeder feeder(client.get(), std::as_bytes(std::span(data, size)));
        std::thread writer([&] { feeder.run(); });
        std::thread reader([&] { drain(client.get()); });
        Session(qaicrt::OwnedFd{sockets[1]}, stop.get(), {device, memory, msi, log}).run();
        ::shutdown(client.get(), SHUT_RDWR);
        writer.join();
        reader.join();
    }
    if (memory.windows() != 0) {
        std::abort();  // a client must not leave anything behind
    }
    return 0;
}
