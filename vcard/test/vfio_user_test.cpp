// SPDX-License-Identifier: Apache-2.0
/// What a well-behaved client gets.
#include "vcard/test/session_fixture.hpp"
#include "vcard/vfio_user/listener.hpp"

#include <sys/stat.h>
#include <sys/un.h>

namespace qaicvcard::vfio_user::test {
namespace {

template <class Payload>
Payload payload_of(const Reply& reply) {
    Payload out;
    EXPECT_EQ(reply.payload.size(), sizeof(out));
    std::memcpy(&out, reply.payload.data(), std::min(sizeof(out), reply.payload.size()));
    return out;
}

std::uint32_t word(const Reply& reply) {
    std::uint32_t value = 0;
    EXPECT_EQ(reply.payload.size(), sizeof(RegionAccess) + sizeof(value));
    std::memcpy(&value, reply.payload.data() + sizeof(RegionAccess), sizeof(value));
    return value;
}

class VfioUserTest : public SessionTest {
  protected:
    void SetUp() override {
        SessionTest::SetUp();
        client->negotiate();
    }
};

TEST_F(SessionTest, the_version_answer_fits_what_qemu_takes) {
    const Reply reply = client->call(Command::kVersion, FakeClient::version(0, "{}"));
    EXPECT_EQ(reply.error(), 0);
    EXPECT_LE(reply.header.size, 214U);
    EXPECT_EQ(reply.payload.back(), std::byte{0});
    EXPECT_EQ(reply.payload[0], std::byte{0}) << "major version";
}

TEST_F(VfioUserTest, the_device_describes_itself) {
    const auto info = payload_of<DeviceInfo>(
        client->call(Command::kGetInfo, bytes_of(DeviceInfo{sizeof(DeviceInfo), 0, 0, 0})));
    EXPECT_EQ(info.flags, 3U);
    EXPECT_EQ(info.regions, 9U);
    EXPECT_EQ(info.irqs, 5U);
    const std::uint64_t sizes[] = {0x1000, 0, 0x200000, 0, 0, 0, 0, 4096, 0};
    for (std::uint32_t i = 0; i < kRegions; ++i) {
        RegionInfo ask;
        ask.argsz = sizeof(ask);
        ask.index = i;
        const auto region =
            payload_of<RegionInfo>(client->call(Command::kGetRegionInfo, bytes_of(ask)));
        EXPECT_EQ(region.size, sizes[i]) << i;
        EXPECT_EQ(region.index, i);
        EXPECT_EQ(region.flags, sizes[i] > 0 ? 3U : 0U) << i;
    }
    const std::uint32_t counts[] = {0, 32, 0, 1, 1};
    for (std::uint32_t i = 0; i < kIrqCount; ++i) {
        const auto irq = payload_of<IrqInfo>(
            client->call(Command::kGetIrqInfo, bytes_of(IrqInfo{sizeof(IrqInfo), 0, i, 0})));
        EXPECT_EQ(irq.count, counts[i]) << i;
    }
}

TEST_F(VfioUserTest, posted_writes_are_seen_by_the_next_read_and_never_answered) {
    client->post<std::uint32_t>(0, 0x38, 0x200);
    client->post<std::uint64_t>(2, 0x1008, 0x0102030405060708);
    EXPECT_EQ(word(client->read(0, 0x38, 4)), 0x200U);
    EXPECT_EQ(word(client->read(2, 0x100c, 4)), 0x01020304U);
    const Reply written =
        client->call(Command::kRegionWrite,
                     bytes_of(RegionAccess{0x10, kRegionConfig, 2}, std::uint16_t{0xabcd}));
    EXPECT_EQ(written.error(), 0);
    EXPECT_EQ(written.header.size, 32U);
    EXPECT_EQ(client->read(kRegionConfig, 0, 4096).payload.size(), 16U + 4096U);
}

TEST_F(VfioUserTest, memory_is_read_and_written_across_windows) {
    const auto file = make_file(0x10000);
    // Two windows, neighbours on the bus and far apart in the file.
    ASSERT_EQ(client->map(0x100000, 0x1000, file.get(), 0x8000), 0);
    ASSERT_EQ(client->map(0x101000, 0x1000, file.get(), 0x2000), 0);
    Bytes sent(600);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        sent[i] = static_cast<std::byte>(i * 7);
    }
    ASSERT_TRUE(memory.write(0x100f00, sent));
    Bytes tail(344), got(600);
    ASSERT_EQ(::pread(file.get(), tail.data(), tail.size(), 0x2000), 344);
    EXPECT_TRUE(std::equal(tail.begin(), tail.end(), sent.begin() + 256));
    ASSERT_TRUE(memory.read(0x100f00, got));
    EXPECT_EQ(got, sent);
    EXPECT_FALSE(memory.read(0x101ff0, got)) << "leaves the last window";
    ASSERT_EQ(client->unmap(0x101000, 0x1000), 0);
    EXPECT_FALSE(memory.read(0x100f00, got));
    EXPECT_EQ(client->unmap(0, ~std::uint64_t{0}), 0) << "a range that holds the other window";
    EXPECT_EQ(memory.windows(), 0U);
    EXPECT_EQ(client->unmap(0x5000, 0x1000), 0) << "never mapped: no error";
}

TEST_F(VfioUserTest, windows_without_a_file_and_read_only_windows_fail_accesses) {
    const auto file = make_file(0x2000);
    ASSERT_EQ(client->map(0x0, 0x1000, file.get(), 0, kDmaReadable), 0);
    ASSERT_EQ(client->map(0x1000, 0x1000, -1), 0);
    Bytes bytes(16);
    EXPECT_TRUE(memory.read(0x10, bytes));
    EXPECT_FALSE(memory.write(0x10, bytes));
    EXPECT_FALSE(memory.read(0x1010, bytes));
    EXPECT_FALSE(memory.write_u32_release(0x20, 1));
}

TEST_F(VfioUserTest, interrupts_reach_the_eventfds_of_their_vectors) {
    std::vector<qaicrt::OwnedFd> fds;
    std::vector<int> raw;
    for (unsigned i = 0; i < MsiLines::kVectors; ++i) {
        fds.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        raw.push_back(fds.back().get());
    }
    const std::uint32_t trigger = kIrqDataEventFd | kIrqTrigger;
    msi.set_enabled(32);
    for (const unsigned start : {0U, 16U}) {
        const std::vector<int> part(raw.begin() + start, raw.begin() + start + 16);
        ASSERT_EQ(client->set_irqs(kIrqMsi, trigger, start, 16, part), 0);
    }
    msi.raise(0);
    msi.raise(17);
    EXPECT_EQ(fired(raw[0]), 1U);
    EXPECT_EQ(fired(raw[17]), 1U);
    EXPECT_EQ(fired(raw[16]), 0U);
    // One vector taken away keeps what is raised until it has an eventfd again.
    ASSERT_EQ(client->set_irqs(kIrqMsi, trigger, 17, 1), 0);
    msi.raise(17);
    ASSERT_EQ(client->set_irqs(kIrqMsi, trigger, 17, 1, {raw[17]}), 0);
    EXPECT_EQ(fired(raw[17]), 1U);
    // The client's own test of a vector.
    ASSERT_EQ(client->set_irqs(kIrqMsi, kIrqDataNone | kIrqTrigger, 3, 2), 0);
    ASSERT_EQ(client->set_irqs(kIrqMsi, kIrqDataBool | kIrqTrigger, 5, 2, {},
                               {std::byte{0}, std::byte{1}}),
              0);
    EXPECT_EQ(fired(raw[3]) + fired(raw[4]), 2U);
    EXPECT_EQ(fired(raw[5]), 0U);
    EXPECT_EQ(fired(raw[6]), 1U);
    ASSERT_EQ(client->set_irqs(kIrqMsi, kIrqDataNone | kIrqTrigger, 0, 0), 0) << "all off";
    msi.raise(1);
    EXPECT_EQ(fired(raw[1]), 0U);
}

TEST_F(VfioUserTest, with_one_vector_every_source_uses_it) {
    const qaicrt::OwnedFd fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    msi.raise(9);  // before the guest has MSI on: kept
    ASSERT_EQ(client->set_irqs(kIrqMsi, kIrqDataEventFd | kIrqTrigger, 0, 1, {fd.get()}), 0);
    EXPECT_EQ(fired(fd.get()), 0U);
    msi.set_enabled(1);
    EXPECT_EQ(fired(fd.get()), 1U);
    msi.raise(5);
    msi.raise(0);
    EXPECT_EQ(fired(fd.get()), 2U);
}

TEST_F(VfioUserTest, a_reset_reaches_the_device_and_keeps_windows) {
    const auto file = make_file(0x1000);
    ASSERT_EQ(client->map(0, 0x1000, file.get()), 0);
    client->post<std::uint32_t>(0, 0, 77);
    EXPECT_EQ(client->call(Command::kReset, {}).error(), 0);
    EXPECT_EQ(device.resets(), 1);
    EXPECT_EQ(word(client->read(0, 0, 4)), 0U);
    EXPECT_EQ(memory.windows(), 1U);
}

TEST_F(VfioUserTest, nothing_of_a_client_stays_when_it_leaves) {
    const auto file = make_file(0x1000);
    ASSERT_EQ(client->map(0, 0x1000, file.get()), 0);
    client->hang_up();
    wait_for_end();
    EXPECT_EQ(end, Session::End::kClientLeft);
    EXPECT_EQ(memory.windows(), 0U);
    EXPECT_EQ(device.resets(), 1);
}

TEST_F(VfioUserTest, a_stop_ends_the_session_in_the_middle_of_a_message) {
    const auto half = bytes_of(std::uint32_t{1});
    client->send_raw(half);
    stop();
    wait_for_end();
    EXPECT_EQ(end, Session::End::kStopped);
}

TEST_F(SessionTest, a_message_may_arrive_byte_by_byte) {
    const Bytes version = FakeClient::version(0, "{}");
    Bytes message =
        bytes_of(Header{1, 1, static_cast<std::uint32_t>(sizeof(Header) + version.size()), 0, 0});
    message.insert(message.end(), version.begin(), version.end());
    for (const std::byte byte : message) {
        client->send_raw({&byte, 1});
    }
    ASSERT_TRUE(client->receive());
}

class ListenerTest : public ::testing::Test {
  protected:
    std::string path = "/tmp/qaic-vcard-test-" + std::to_string(::getpid()) + ".sock";
    MemoryDevice device;
    GuestMemory memory;
    MsiLines msi;
    Log log = [](LogLevel, const std::string&) {};

    int connect() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        return fd;
    }
};

TEST_F(ListenerTest, clients_come_one_after_the_other_and_nothing_leaks) {
    auto listener = Listener::create(path);
    ASSERT_TRUE(listener) << listener.error().message;
    std::thread server([&] { EXPECT_TRUE((*listener)->serve({device, memory, msi, log})); });
    const int before = open_descriptors();
    for (int i = 0; i < 1000; ++i) {
        FakeClient client(connect());
        if (i % 2 == 0) {
            client.negotiate();
            const auto file = make_file(0x1000);
            ASSERT_EQ(client.map(0, 0x1000, file.get()), 0);
        }
    }
    // The last client is gone for us before it is for the server.
    FakeClient last(connect());
    last.negotiate();
    EXPECT_LE(open_descriptors(), before + 2);
    EXPECT_EQ(memory.windows(), 0U);
    (*listener)->stop();
    server.join();
    listener->reset();
    struct stat status {};
    EXPECT_NE(::stat(path.c_str(), &status), 0) << "the socket file is gone";
}

TEST_F(ListenerTest, a_path_in_use_is_refused_and_a_stale_one_is_taken_over) {
    auto first = Listener::create(path);
    ASSERT_TRUE(first);
    const auto second = Listener::create(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, qaicrt::Errc::kBusy);
    EXPECT_FALSE(Listener::create(std::string(200, 'x')));
    EXPECT_FALSE(Listener::create("/nonexistent/directory/card.sock"));
    first->reset();
    // A socket file whose server died.
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::close(fd);
    EXPECT_TRUE(Listener::create(path));
}

}  // namespace
}  // namespace qaicvcard::vfio_user::test
