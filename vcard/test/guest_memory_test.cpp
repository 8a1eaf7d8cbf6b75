// SPDX-License-Identifier: Apache-2.0
#include "vcard/test/fake_client.hpp"

#include <atomic>

namespace qaicvcard::vfio_user::test {
namespace {

GuestMemory::Window window(std::uint64_t address, std::uint64_t size, std::uint64_t offset = 0) {
    return {address, size, offset, true, true};
}

TEST(GuestMemory, a_file_is_mapped_once_however_many_windows_show_it) {
    GuestMemory memory;
    const auto file = make_file(0x100000);
    for (std::uint64_t i = 0; i < 0x100; ++i) {
        // Pages in reverse: neighbours on the bus are not neighbours in the file.
        ASSERT_EQ(memory.map(window(i * 0x1000, 0x1000, (0xff - i) * 0x1000), file.get()), 0);
    }
    Bytes all(0x100000), one(0x1000);
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = static_cast<std::byte>(i >> 12);
    }
    ASSERT_TRUE(memory.write(0, all));
    for (const std::uint64_t page : {0U, 1U, 0x80U, 0xffU}) {
        ASSERT_EQ(
            ::pread(file.get(), one.data(), one.size(), static_cast<off_t>((0xff - page) * 0x1000)),
            0x1000);
        EXPECT_EQ(one, Bytes(0x1000, static_cast<std::byte>(page)));
    }
}

TEST(GuestMemory, a_file_that_grew_can_be_mapped_further) {
    GuestMemory memory;
    const auto file = make_file(0x1000);
    ASSERT_EQ(memory.map(window(0, 0x1000), file.get()), 0);
    ASSERT_EQ(::ftruncate(file.get(), 0x3000), 0);
    ASSERT_EQ(memory.map(window(0x1000, 0x2000, 0x1000), file.get()), 0);
    Bytes bytes(0x3000, std::byte{7});
    EXPECT_TRUE(memory.write(0, bytes));
    EXPECT_TRUE(memory.read(0, bytes));
}

TEST(GuestMemory, the_top_of_the_address_space) {
    GuestMemory memory;
    const auto file = make_file(0x1000);
    const std::uint64_t top = ~std::uint64_t{0xfff};
    ASSERT_EQ(memory.map(window(top, 0x1000), file.get()), 0);
    Bytes bytes(0x1000), more(0x1001);
    EXPECT_TRUE(memory.read(top, bytes));
    EXPECT_FALSE(memory.read(top, more)) << "does not wrap around to 0";
    EXPECT_FALSE(memory.read(0, bytes));
    EXPECT_TRUE(memory.read(top, {})) << "nothing is always there";
}

TEST(GuestMemory, a_word_that_the_guest_polls_is_stored_whole) {
    GuestMemory memory;
    const auto file = make_file(0x2000);
    ASSERT_EQ(memory.map(window(0, 0x1000), file.get()), 0);
    ASSERT_EQ(memory.map(window(0x1000, 0x1000, 0x1000), file.get()), 0);
    std::uint32_t word = 0;
    ASSERT_TRUE(memory.write_u32_release(0x10, 0xdeadbeef));
    ASSERT_EQ(::pread(file.get(), &word, 4, 0x10), 4);
    EXPECT_EQ(word, 0xdeadbeefU);
    EXPECT_TRUE(memory.write_u32_release(0xffe, 0x01020304)) << "not aligned, over a border";
    ASSERT_EQ(::pread(file.get(), &word, 4, 0xffe), 4);
    EXPECT_EQ(word, 0x01020304U);
    EXPECT_FALSE(memory.write_u32_release(0x2000, 1));
}

TEST(GuestMemory, a_file_opened_for_reading_cannot_become_a_writeable_window) {
    GuestMemory memory;
    const auto file = make_file(0x1000);
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    const qaicrt::OwnedFd read_only{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    EXPECT_EQ(memory.map(window(0, 0x1000), read_only.get()), EACCES);
    EXPECT_EQ(memory.map({0, 0x1000, 0, true, false}, read_only.get()), 0);
}

}  // namespace
}  // namespace qaicvcard::vfio_user::test
