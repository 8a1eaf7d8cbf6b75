// SPDX-License-Identifier: Apache-2.0
/// A session on a thread of its own, and the client that talks to it.
#pragma once

#include "vcard/test/fake_client.hpp"

#include <dirent.h>

namespace qaicvcard::vfio_user::test {

/// How many descriptors the process has open.
inline int open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    int count = 0;
    while (::readdir(directory) != nullptr) {
        ++count;
    }
    ::closedir(directory);
    return count;
}

class SessionTest : public ::testing::Test {
  protected:
    void SetUp() override {
        stop_ = qaicrt::OwnedFd{::eventfd(0, EFD_CLOEXEC)};
        connect();
    }
    void TearDown() override {
        client.reset();
        wait_for_end();
    }

    void connect() {
        std::array<int, 2> sockets{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
        client.emplace(sockets[0]);
        server_ = std::thread([this, socket = sockets[1]] {
            end = Session(qaicrt::OwnedFd{socket}, stop_.get(), {device, memory, msi, log}).run();
        });
    }
    void wait_for_end() {
        if (server_.joinable()) {
            server_.join();
        }
    }
    void stop() const {
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(stop_.get(), &one, sizeof(one)), 8);
    }
    std::size_t log_lines() {
        const std::lock_guard lock(log_mutex_);
        return lines_.size();
    }

    MemoryDevice device;
    GuestMemory memory;
    MsiLines msi;
    Log log = [this](LogLevel, const std::string& line) {
        const std::lock_guard lock(log_mutex_);
        lines_.push_back(line);
    };
    std::optional<FakeClient> client;
    Session::End end = Session::End::kStopped;

  private:
    qaicrt::OwnedFd stop_;
    std::thread server_;
    std::mutex log_mutex_;
    std::vector<std::string> lines_;
};

}  // namespace qaicvcard::vfio_user::test
