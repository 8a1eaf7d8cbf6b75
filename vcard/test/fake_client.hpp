// SPDX-License-Identifier: Apache-2.0
/// The client's side of vfio-user for tests: says what it is told to, right or wrong.
#pragma once

#include "vcard/vfio_user/session.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace qaicvcard::vfio_user::test {

using Bytes = std::vector<std::byte>;

template <class... Payload>
Bytes bytes_of(const Payload&... payload) {
    Bytes out;
    const auto add = [&](std::span<const std::byte> piece) {
        out.insert(out.end(), piece.begin(), piece.end());
    };
    (add(std::as_bytes(std::span(&payload, 1))), ...);
    return out;
}

struct Reply {
    Header header;
    Bytes payload;
    int error() const { return static_cast<int>(header.error); }
};

class FakeClient {
  public:
    explicit FakeClient(int socket) : socket_(socket) {}

    void send_raw(std::span<const std::byte> bytes, const std::vector<int>& fds = {}) const {
        iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(64 * sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        if (!fds.empty()) {
            header.msg_control = control.data();
            header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr* c = CMSG_FIRSTHDR(&header);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
        }
        ASSERT_EQ(::sendmsg(socket_.get(), &header, MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }

    std::uint16_t send(unsigned command, const Bytes& payload, const std::vector<int>& fds = {},
                       std::uint32_t flags = 0) {
        Header header{++id_, static_cast<std::uint16_t>(command),
                      static_cast<std::uint32_t>(sizeof(Header) + payload.size()), flags, 0};
        Bytes message = bytes_of(header);
        message.insert(message.end(), payload.begin(), payload.end());
        send_raw(message, fds);
        return id_;
    }

    /// Nothing when the server has closed the connection, or says nothing for 5 s.
    std::optional<Reply> receive() const {
        Reply reply;
        if (!read_all(&reply.header, sizeof(reply.header))) {
            return std::nullopt;
        }
        reply.payload.resize(reply.header.size - sizeof(Header));
        if (!read_all(reply.payload.data(), reply.payload.size())) {
            return std::nullopt;
        }
        return reply;
    }

    /// A command and its answer.
    Reply call(Command command, const Bytes& payload, const std::vector<int>& fds = {}) {
        const std::uint16_t id = send(static_cast<unsigned>(command), payload, fds);
        auto reply = receive();
        EXPECT_TRUE(reply) << "no answer to command " << static_cast<int>(command);
        if (!reply) {
            return {};
        }
        EXPECT_EQ(reply->header.id, id);
        EXPECT_EQ(reply->header.command, static_cast<std::uint16_t>(command));
        EXPECT_EQ(reply->header.flags, reply->header.error == 0 ? 0x1U : 0x21U);
        return *std::move(reply);
    }

    static Bytes version(std::uint16_t major, std::string json) {
        Bytes payload = bytes_of(major, std::uint16_t{0});
        json.push_back('\0');
        const auto text = std::as_bytes(std::span(json));
        payload.insert(payload.end(), text.begin(), text.end());
        return payload;
    }
    void negotiate() {
        const Reply reply =
            call(Command::kVersion,
                 version(0, R"({"capabilities": {"pgsizes": 4096, "max_msg_fds": 16}})"));
        ASSERT_EQ(reply.error(), 0);
    }

    int map(std::uint64_t address, std::uint64_t size, int file, std::uint64_t offset = 0,
            std::uint32_t flags = kDmaReadable | kDmaWriteable) {
        const auto fds = file >= 0 ? std::vector<int>{file} : std::vector<int>{};
        return call(Command::kDmaMap,
                    bytes_of(DmaMap{sizeof(DmaMap), flags, offset, address, size}), fds)
            .error();
    }
    int unmap(std::uint64_t address, std::uint64_t size, std::uint32_t flags = 0) {
        return call(Command::kDmaUnmap, bytes_of(DmaUnmap{sizeof(DmaUnmap), flags, address, size}))
            .error();
    }
    int set_irqs(std::uint32_t index, std::uint32_t flags, std::uint32_t start, std::uint32_t count,
                 const std::vector<int>& fds = {}, const Bytes& data = {}) {
        Bytes payload = bytes_of(SetIrqs{sizeof(SetIrqs), flags, index, start, count});
        payload.insert(payload.end(), data.begin(), data.end());
        return call(Command::kSetIrqs, payload, fds).error();
    }
    Reply read(std::uint32_t region, std::uint64_t offset, std::uint32_t count) {
        return call(Command::kRegionRead, bytes_of(RegionAccess{offset, region, count}));
    }
    template <class Value>
    void post(std::uint32_t region, std::uint64_t offset, Value value) {
        send(static_cast<unsigned>(Command::kRegionWrite),
             bytes_of(RegionAccess{offset, region, sizeof(value)}, value), {}, kNoReply);
    }

    bool closed() const {
        pollfd fd{socket_.get(), POLLIN, 0};
        char byte = 0;
        return ::poll(&fd, 1, 5000) == 1 && ::recv(socket_.get(), &byte, 1, MSG_PEEK) <= 0;
    }
    void hang_up() { const qaicrt::OwnedFd gone = std::move(socket_); }
    int fd() const { return socket_.get(); }

  private:
    bool read_all(void* out, std::size_t bytes) const {
        auto* at = static_cast<char*>(out);
        while (bytes > 0) {
            pollfd fd{socket_.get(), POLLIN, 0};
            if (::poll(&fd, 1, 5000) != 1) {
                return false;
            }
            const ssize_t got = ::recv(socket_.get(), at, bytes, 0);
            if (got <= 0) {
                return false;
            }
            at += got;
            bytes -= static_cast<std::size_t>(got);
        }
        return true;
    }

    qaicrt::OwnedFd socket_;
    std::uint16_t id_ = 0;
};

/// A device of plain memory that counts its resets.
class MemoryDevice final : public Device {
  public:
    std::uint64_t region_size(unsigned region) const override {
        return region == 0 ? 0x1000 : region == 2 ? 0x200000 : region == kRegionConfig ? 4096 : 0;
    }
    void read(unsigned region, std::uint64_t offset, std::span<std::byte> out) override {
        const std::lock_guard lock(mutex_);
        auto& bytes = memory(region);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    }
    void write(unsigned region, std::uint64_t offset, std::span<const std::byte> in) override {
        const std::lock_guard lock(mutex_);
        std::copy(in.begin(), in.end(),
                  memory(region).begin() + static_cast<std::ptrdiff_t>(offset));
    }
    void reset() override {
        const std::lock_guard lock(mutex_);
        ++resets_;
        memory_.clear();
    }
    int resets() const {
        const std::lock_guard lock(mutex_);
        return resets_;
    }

  private:
    Bytes& memory(unsigned region) {
        auto& bytes = memory_[region];
        bytes.resize(region_size(region));
        return bytes;
    }
    mutable std::mutex mutex_;
    std::map<unsigned, Bytes> memory_;
    int resets_ = 0;
};

inline qaicrt::OwnedFd make_file(std::uint64_t bytes) {
    qaicrt::OwnedFd file{::memfd_create("guest", MFD_CLOEXEC)};
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
    return file;
}

inline std::uint64_t fired(int eventfd) {
    std::uint64_t count = 0;
    return ::read(eventfd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

}  // namespace qaicvcard::vfio_user::test
