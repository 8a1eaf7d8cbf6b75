// SPDX-License-Identifier: Apache-2.0
/// What a client gets that breaks the rules: an error or the end of its connection, nothing worse.
#include "vcard/test/session_fixture.hpp"

namespace qaicvcard::vfio_user::test {
namespace {

class HostileTest : public SessionTest {
  protected:
    void expect_alive() {
        const Reply reply = client->read(0, 0, 4);
        EXPECT_EQ(reply.error(), 0) << "the session goes on";
    }
};

TEST_F(HostileTest, a_client_that_does_not_introduce_itself_is_dropped) {
    client->send(4, bytes_of(DeviceInfo{16, 0, 0, 0}));
    EXPECT_TRUE(client->closed());
    wait_for_end();
    EXPECT_EQ(end, Session::End::kDropped);
}

TEST_F(HostileTest, bad_version_messages_are_dropped) {
    Bytes no_nul = bytes_of(std::uint32_t{0});
    no_nul.push_back(std::byte{'{'});
    const Bytes bad[] = {
        FakeClient::version(1, "{}"),
        FakeClient::version(0, "null"),
        FakeClient::version(0, "{"),
        FakeClient::version(0, ""),
        FakeClient::version(0, "[[[["),
        FakeClient::version(0, std::string(500'000, '[')),
        no_nul,
        Bytes{},
    };
    for (const Bytes& payload : bad) {
        client->send(1, payload);
        while (client->receive()) {
        }
        EXPECT_TRUE(client->closed());
        wait_for_end();
        EXPECT_EQ(end, Session::End::kDropped);
        connect();
    }
}

TEST_F(HostileTest, impossible_sizes_end_the_connection) {
    for (const std::uint32_t size : {0U, 15U, kMaxMessage + 1, 1U << 31, ~0U}) {
        client->negotiate();
        client->send_raw(bytes_of(Header{1, 9, size, 0, 0}));
        EXPECT_TRUE(client->closed()) << size;
        wait_for_end();
        EXPECT_EQ(end, Session::End::kDropped);
        connect();
    }
}

TEST_F(HostileTest, wrong_payloads_get_einval_and_the_session_goes_on) {
    client->negotiate();
    for (const unsigned command : {2U, 3U, 4U, 5U, 7U, 8U, 9U, 10U, 13U}) {
        for (const std::size_t bytes : {1U, 7U, 15U, 33U, 100'000U}) {
            client->send(command, Bytes(bytes));
            const auto reply = client->receive();
            ASSERT_TRUE(reply);
            EXPECT_EQ(reply->error(), EINVAL) << command << " with " << bytes;
            EXPECT_EQ(reply->header.size, sizeof(Header));
        }
    }
    expect_alive();
    EXPECT_GT(log_lines(), 10U);
    EXPECT_LE(log_lines(), 101U);
}

TEST_F(HostileTest, unknown_commands_and_replies_to_nothing) {
    client->negotiate();
    for (const unsigned command : {0U, 6U, 11U, 12U, 14U, 15U, 16U, 17U, 99U, 65535U}) {
        client->send(command, Bytes(8));
        const auto reply = client->receive();
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->error(), ENOTSUP) << command;
        client->send(command, Bytes(8), {}, kTypeReply);      // not answered
        client->send(command, Bytes(8), {}, kNoReply);        // neither
        client->send(command, Bytes(8), {}, kNoReply | 0xF);  // nor this
    }
    client->send(1, FakeClient::version(0, "{}"));
    EXPECT_EQ(client->receive()->error(), EINVAL) << "a second version message";
    expect_alive();
}

TEST_F(HostileTest, accesses_outside_regions) {
    client->negotiate();
    const RegionAccess bad[] = {
        {0x1000, 0, 4},
        {0xffd, 0, 4},
        {~0ULL, 0, 4},
        {~0ULL - 2, 0, 4},
        {0, 0, 0},
        {0, 1, 4},
        {0, 8, 4},
        {0, 9, 4},
        {0, ~0U, 4},
        {0, 2, ~0U},
        {0, 2, kMaxTransfer + 1},
        {0x1ffffe, 2, 4},
        {4095, kRegionConfig, 2},
    };
    for (const RegionAccess& access : bad) {
        EXPECT_EQ(client->call(Command::kRegionRead, bytes_of(access)).error(), EINVAL)
            << access.offset << " " << access.region << " " << access.count;
        EXPECT_EQ(client->call(Command::kRegionWrite, bytes_of(access, std::uint32_t{0})).error(),
                  EINVAL);
    }
    // As many bytes as it says, no more and no fewer.
    EXPECT_EQ(client->call(Command::kRegionWrite, bytes_of(RegionAccess{0, 0, 8}, 1)).error(),
              EINVAL);
    EXPECT_EQ(client->call(Command::kRegionWrite, bytes_of(RegionAccess{0, 0, 2}, 1)).error(),
              EINVAL);
    expect_alive();
}

TEST_F(HostileTest, windows_that_cannot_be) {
    client->negotiate();
    const auto file = make_file(0x4000);
    EXPECT_EQ(client->map(0, 0, file.get()), EINVAL);
    EXPECT_EQ(client->map(0x800, 0x1000, file.get()), EINVAL) << "not in pages";
    EXPECT_EQ(client->map(0, 0x800, file.get()), EINVAL);
    EXPECT_EQ(client->map(0, 0x1000, file.get(), 0x800), EINVAL);
    EXPECT_EQ(client->map(~0xfffULL, 0x2000, -1), EINVAL) << "wraps around";
    EXPECT_EQ(client->map(0, 0x5000, file.get()), EINVAL) << "longer than the file";
    EXPECT_EQ(client->map(0, 0x1000, file.get(), 0x4000), EINVAL);
    EXPECT_EQ(client->map(0, 0x1000, file.get(), ~0xfffULL), EINVAL);
    const qaicrt::OwnedFd event{::eventfd(0, EFD_CLOEXEC)};
    EXPECT_EQ(client->map(0, 0x1000, event.get()), EINVAL) << "not a file";
    ASSERT_EQ(client->map(0x1000, 0x2000, file.get()), 0);
    for (const std::uint64_t address : {0x1000U, 0x2000U, 0x0U}) {
        EXPECT_EQ(client->map(address, 0x2000, file.get()), EEXIST) << address;
    }
    EXPECT_EQ(client->map(0x0, 0x4000, -1), EEXIST);
    EXPECT_EQ(client->map(0x3000, 0x1000, file.get()), 0) << "a neighbour is none of that";
    EXPECT_EQ(client->unmap(0x1000, 0x1000), 0);
    EXPECT_EQ(memory.windows(), 2U) << "half a window stays whole";
}

TEST_F(HostileTest, a_file_that_shrinks_fails_the_access_and_nothing_else) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not let a SIGBUS handler leave by a jump";
#endif
    client->negotiate();
    const auto file = make_file(0x4000);
    ASSERT_EQ(client->map(0, 0x4000, file.get()), 0);
    ASSERT_EQ(::ftruncate(file.get(), 0x1000), 0);
    Bytes bytes(64);
    EXPECT_TRUE(memory.read(0x100, bytes));
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(memory.read(0x2000, bytes));
        EXPECT_FALSE(memory.write(0x2000, bytes));
        EXPECT_FALSE(memory.write_u32_release(0x3000, 1));
    }
    expect_alive();
}

TEST_F(HostileTest, interrupt_requests_that_cannot_be) {
    client->negotiate();
    const qaicrt::OwnedFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const auto file = make_file(0x1000);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const qaicrt::OwnedFd reader{pipe[0]}, writer{pipe[1]};
    const std::uint32_t connect_flags = kIrqDataEventFd | kIrqTrigger;
    EXPECT_EQ(client->set_irqs(5, connect_flags, 0, 1, {event.get()}), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, 32, 1, {event.get()}), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, 31, 2), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, ~0U, ~0U), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, 0, 2, {event.get()}), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, kIrqActionBits | kIrqDataNone, 0, 1), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, kIrqTrigger, 0, 1), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, kIrqDataBool | kIrqTrigger, 0, 3), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqIntx, connect_flags, 0, 1, {event.get()}), EINVAL);
    // Descriptors on which a write could wait for ever.
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, 0, 1, {writer.get()}), EINVAL);
    EXPECT_EQ(client->set_irqs(kIrqMsi, connect_flags, 0, 1, {file.get()}), EINVAL);
    expect_alive();
}

TEST_F(HostileTest, an_eventfd_that_is_full_does_not_stop_the_card) {
    client->negotiate();
    const qaicrt::OwnedFd event{::eventfd(0, EFD_CLOEXEC)};  // blocking, as far as its owner cares
    const std::uint64_t full = ~std::uint64_t{0} - 1;
    ASSERT_EQ(::write(event.get(), &full, sizeof(full)), 8);
    ASSERT_EQ(client->set_irqs(kIrqMsi, kIrqDataEventFd | kIrqTrigger, 0, 1, {event.get()}), 0);
    msi.set_enabled(1);
    msi.raise(0);
    msi.raise(0);
    expect_alive();
}

TEST_F(HostileTest, too_many_descriptors_end_the_connection_and_none_is_kept) {
    client->negotiate();
    const int before = open_descriptors();
    const qaicrt::OwnedFd event{::eventfd(0, EFD_CLOEXEC)};
    const std::vector<int> many(40, event.get());
    client->send(13, {}, many);
    EXPECT_TRUE(client->closed());
    wait_for_end();
    EXPECT_EQ(end, Session::End::kDropped);
    EXPECT_LE(open_descriptors(), before + 1);
}

TEST_F(HostileTest, descriptors_that_a_command_does_not_take_are_closed) {
    client->negotiate();
    const qaicrt::OwnedFd event{::eventfd(0, EFD_CLOEXEC)};
    const int before = open_descriptors();
    for (int i = 0; i < 50; ++i) {
        client->send(13, {}, {event.get(), event.get()});
        ASSERT_TRUE(client->receive());
    }
    expect_alive();
    EXPECT_LE(open_descriptors(), before + 2) << "at most those of the last message";
}

TEST_F(HostileTest, unmapping_waits_for_copies_under_way) {
    client->negotiate();
    const auto file = make_file(0x400000);
    std::atomic<bool> over{false};
    std::thread copier([&] {
        Bytes bytes(0x400000);
        while (!over) {
            (void)memory.read(0, bytes);
        }
    });
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(client->map(0, 0x400000, file.get()), 0);
        ASSERT_EQ(client->unmap(0, 0x400000), 0);
    }
    over = true;
    copier.join();
    EXPECT_EQ(memory.windows(), 0U);
}

}  // namespace
}  // namespace qaicvcard::vfio_user::test
