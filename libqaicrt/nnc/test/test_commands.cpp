// SPDX-License-Identifier: Apache-2.0
/// Commands byte for byte as a public client of the card sends them (typed here from the captured
/// sequences, not from our structures).
#include "libqaicrt/nnc/commands.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qaicrt::nnc {
namespace {

/// Bytes of a message, written field by field.
class Expect {
  public:
    Expect& u32(std::uint32_t value) { return number(value, 4); }
    Expect& u64(std::uint64_t value) { return number(value, 8); }
    Expect& text(const std::string& words, std::size_t field) {
        for (std::size_t i = 0; i < field; ++i) {
            bytes_.push_back(static_cast<std::byte>(i < words.size() ? words[i] : 0));
        }
        return *this;
    }
    Expect& zeros(std::size_t count) { return text("", count); }
    operator Bytes() const { return bytes_; }  // NOLINT(google-explicit-constructor)

  private:
    Expect& number(std::uint64_t value, int size) {
        for (int i = 0; i < size; ++i) {
            bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
        }
        return *this;
    }
    Bytes bytes_;
};

constexpr std::uint32_t kPid = 4711;

TEST(Commands, status_query_is_its_number_and_twelve_zero_bytes) {
    EXPECT_EQ(status_query(), Bytes(Expect().u32(13).zeros(12)));
}

TEST(Commands, constants_descriptor_message_has_112_bytes) {
    Bytes descriptor(24);
    descriptor[0] = std::byte{5};
    descriptor[8] = std::byte{3};
    const Bytes expected = Expect()
                               .u32(15)
                               .u32(kPid)
                               .text("ConstantsDescriptor", 64)
                               .u32(24)
                               .u32(0)
                               .u64(5)
                               .u64(3)
                               .zeros(8)
                               .zeros(8);
    EXPECT_EQ(load_constants_ex(kPid, descriptor), expected);
    EXPECT_EQ(expected.size(), 120U - 8U);
}

TEST(Commands, constants_payload_names_tag_300_length_and_offset) {
    EXPECT_EQ(load_constants_payload(kPid, 9, 3, 5),
              Bytes(Expect().u32(16).u32(kPid).u32(300).u32(9).u64(3).u64(5).zeros(8)));
}

TEST(Commands, elf_message_puts_the_tag_before_the_process) {
    EXPECT_EQ(load_elf(kPid, 0x123456789AULL), Bytes(Expect()
                                                         .u32(3)
                                                         .u32(100)
                                                         .u32(kPid)
                                                         .u32(0)
                                                         .text("NetworkImage", 64)
                                                         .u64(0x123456789AULL)
                                                         .u32(0)
                                                         .u32(0)
                                                         .zeros(8)));
}

TEST(Commands, activation_asks_for_a_channel_and_the_ready_state) {
    EXPECT_EQ(activate(kPid, 7, 8), Bytes(Expect()
                                              .u32(9)
                                              .u32(kPid)
                                              .u32(7)
                                              .u32(8)
                                              .u32(0)
                                              .u32(0xFFFFFFFF)
                                              .u32(1)
                                              .u32(0xFFFFFFFF)
                                              .u32(1)
                                              .u32(0)
                                              .zeros(8)
                                              .zeros(8)));
}

TEST(Commands, short_commands) {
    EXPECT_EQ(deactivate(6), Bytes(Expect().u32(11).u32(6).u32(1).u32(0).zeros(8)));
    EXPECT_EQ(unload_elf(8), Bytes(Expect().u32(7).u32(8).zeros(8)));
    EXPECT_EQ(unload_constants(9), Bytes(Expect().u32(5).u32(9).zeros(8)));
    EXPECT_EQ(performance_info(), Bytes(Expect().u32(34).u32(0).zeros(8)));
    EXPECT_EQ(resource_info(kPid),
              Bytes(Expect().u32(32).u32(kPid).u32(0xFFFFFFFF).u32(0).zeros(8)));
}

TEST(Commands, every_command_is_a_multiple_of_eight_bytes) {
    EXPECT_EQ(load_constants_ex(1, Bytes(21)).size() % 8, 0U);
    for (const Bytes& command : {status_query(), load_elf(1, 1), activate(1, 1, 1), deactivate(1),
                                 unload_elf(1), resource_info(1), performance_info()}) {
        EXPECT_EQ(command.size() % 8, 0U);
    }
}

}  // namespace
}  // namespace qaicrt::nnc
