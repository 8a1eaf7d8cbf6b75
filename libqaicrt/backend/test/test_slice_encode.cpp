// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/slice_encode.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace qaicrt::backend::emu {
namespace {

constexpr std::uint64_t kCard = 0x40000;
// Three pages that are not neighbours on the bus.
const std::vector<BusSegment> kPages = {{0x10000, 4096}, {0x20000, 4096}, {0x30000, 4096}};

std::vector<aic100_request> encode(const Slice& slice, Direction direction,
                                   std::span<const BusSegment> segments = kPages) {
    std::vector<aic100_request> requests;
    const auto status = encode_slice(slice, direction, segments, requests);
    EXPECT_TRUE(status) << status.error().message;
    return requests;
}

Slice plain(std::uint64_t offset, std::uint64_t size) {
    Slice slice;
    slice.offset = offset;
    slice.size = size;
    slice.device_address = kCard;
    return slice;
}

TEST(SliceEncode, one_piece_gives_one_request_with_everything) {
    Slice slice = plain(16, 100);
    slice.doorbell_address = 0x800000;
    slice.doorbell_bits = 16;
    slice.doorbell_data = 77;
    slice.semaphores[0] = {5, 3, AIC100_SEM_WAIT_EQUAL, true, false, false};
    slice.semaphores[1] = {0xFFF, 31, AIC100_SEM_INIT, false, true, true};
    const auto requests = encode(slice, Direction::kToDevice);
    ASSERT_EQ(requests.size(), 1U);
    const aic100_request& r = requests[0];
    EXPECT_EQ(r.cmd, 0x19);
    EXPECT_EQ(r.src_addr, 0x10010U);
    EXPECT_EQ(r.dst_addr, kCard);
    EXPECT_EQ(r.len, 100U);
    EXPECT_EQ(r.db_addr, 0x800000U);
    EXPECT_EQ(r.db_attr, 0x81);
    EXPECT_EQ(r.db_data, 77U);
    EXPECT_EQ(r.sem_cmd[0], 0x84430005U);  // enabled, wait ==, presync, semaphore 3, value 5
    EXPECT_EQ(r.sem_cmd[1], 0xE11F0FFFU);  // enabled, both fences, init, semaphore 31, value 4095
    EXPECT_EQ(r.sem_cmd[2], 0U);
    EXPECT_EQ(r.seq_id, 0);
}

TEST(SliceEncode, from_the_card_swaps_the_addresses) {
    const auto requests = encode(plain(0, 8), Direction::kFromDevice);
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].cmd, 0x1A);
    EXPECT_EQ(requests[0].src_addr, kCard);
    EXPECT_EQ(requests[0].dst_addr, 0x10000U);
}

TEST(SliceEncode, doorbell_width_is_encoded) {
    for (const auto& [bits, attributes] :
         {std::pair{0U, 0x00}, {8U, 0x82}, {16U, 0x81}, {32U, 0x80}}) {
        Slice slice = plain(0, 4);
        slice.doorbell_bits = bits;
        EXPECT_EQ(encode(slice, Direction::kToDevice)[0].db_attr, attributes) << bits;
    }
}

TEST(SliceEncode, several_pieces_repeat_the_presync_and_end_with_the_rest) {
    Slice slice = plain(4000, 5000);
    slice.doorbell_bits = 32;
    slice.semaphores[2] = {1, 0, AIC100_SEM_WAIT_EQUAL, true, false, false};
    slice.semaphores[3] = {0, 0, AIC100_SEM_INIT, false, false, false};
    const auto requests = encode(slice, Direction::kToDevice);
    ASSERT_EQ(requests.size(), 3U);
    EXPECT_EQ(requests[0].cmd, 0x09);
    EXPECT_EQ(requests[1].cmd, 0x09);
    EXPECT_EQ(requests[2].cmd, 0x19);
    EXPECT_EQ(requests[0].src_addr, 0x10000U + 4000);
    EXPECT_EQ(requests[0].len, 96U);
    EXPECT_EQ(requests[1].src_addr, 0x20000U);
    EXPECT_EQ(requests[1].len, 4096U);
    EXPECT_EQ(requests[2].src_addr, 0x30000U);
    EXPECT_EQ(requests[2].len, 5000U - 96 - 4096);
    EXPECT_EQ(requests[0].dst_addr, kCard);
    EXPECT_EQ(requests[1].dst_addr, kCard + 96);
    EXPECT_EQ(requests[2].dst_addr, kCard + 96 + 4096);
    for (const aic100_request& r : requests) {
        EXPECT_EQ(r.sem_cmd[2], 0x84400001U);
        EXPECT_EQ(r.sem_cmd[0], 0U) << "no fence: the presync keeps the order";
    }
    EXPECT_EQ(requests[0].sem_cmd[3], 0U);
    EXPECT_EQ(requests[2].sem_cmd[3], 0x81000000U);
    EXPECT_EQ(requests[1].db_attr, 0);
    EXPECT_EQ(requests[2].db_attr, 0x80);
}

TEST(SliceEncode, several_pieces_without_presync_fence_the_last_in_their_direction) {
    const auto to = encode(plain(0, 8192), Direction::kToDevice);
    ASSERT_EQ(to.size(), 2U);
    EXPECT_EQ(to[0].sem_cmd[0], 0U);
    EXPECT_EQ(to[1].sem_cmd[0], AIC100_SEM_CMD_FENCE_TO_DEV);
    const auto from = encode(plain(0, 8192), Direction::kFromDevice);
    EXPECT_EQ(from[1].sem_cmd[0], AIC100_SEM_CMD_FENCE_FROM_DEV);
    EXPECT_EQ(encode(plain(0, 4096), Direction::kToDevice)[0].sem_cmd[0], 0U);
}

TEST(SliceEncode, size_zero_moves_nothing_but_needs_a_page) {
    const auto requests = encode(plain(4096, 0), Direction::kToDevice);
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].cmd, 0x18);
    const auto crossing = encode(plain(100, 0), Direction::kFromDevice);
    ASSERT_EQ(crossing.size(), 2U);
    EXPECT_EQ(crossing[0].cmd, 0x08);
    EXPECT_EQ(crossing[1].cmd, 0x18);
    std::vector<aic100_request> out;
    const auto status = encode_slice(plain(3 * 4096 - 8, 0), Direction::kToDevice, kPages, out);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().sys_errno, EINVAL);
}

int check_errno(const Slice& slice, std::uint64_t bo_bytes = 8192) {
    const auto status = check_slices(std::span(&slice, 1), bo_bytes);
    return status ? 0 : status.error().sys_errno;
}

TEST(SliceCheck, limits_are_those_of_the_kernel) {
    Slice good = plain(0, 8192);
    EXPECT_EQ(check_errno(good), 0);
    Slice slice = good;
    slice.doorbell_bits = 24;
    EXPECT_EQ(check_errno(slice), EINVAL);
    slice = good;
    slice.semaphores[3].value = 0x1000;
    EXPECT_EQ(check_errno(slice), EINVAL);
    slice = good;
    slice.semaphores[1].index = 32;
    EXPECT_EQ(check_errno(slice), EINVAL);
    slice = good;
    slice.semaphores[0].command = 7;
    EXPECT_EQ(check_errno(slice), EINVAL);
    slice = good;
    slice.offset = 1;
    EXPECT_EQ(check_errno(slice), EINVAL);
    slice.offset = ~0ULL;
    slice.size = 2;
    EXPECT_EQ(check_errno(slice), EINVAL) << "offset + size wraps";
}

TEST(SliceCheck, doorbell_alignment_and_single_presync) {
    Slice slice = plain(0, 4);
    slice.doorbell_bits = 32;
    slice.doorbell_address = 2;
    EXPECT_FALSE(check_encodable(slice));
    slice.doorbell_bits = 16;
    EXPECT_TRUE(check_encodable(slice));
    slice.semaphores[0].presync = true;
    EXPECT_TRUE(check_encodable(slice));
    slice.semaphores[2].presync = true;
    EXPECT_FALSE(check_encodable(slice));
}

}  // namespace
}  // namespace qaicrt::backend::emu
