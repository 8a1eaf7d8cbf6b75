// SPDX-License-Identifier: Apache-2.0
#include "vcard/pci/config_space.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace qaicvcard {
namespace {

template <class Value>
Value get(const ConfigSpace& space, std::size_t offset) {
    Value value{};
    space.read(offset, std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

template <class Value>
void put(ConfigSpace& space, std::size_t offset, Value value) {
    space.write(offset, std::as_bytes(std::span(&value, 1)));
}

TEST(ConfigSpace, the_identity_is_an_ai_100) {
    const ConfigSpace space({});
    EXPECT_EQ(get<std::uint32_t>(space, 0x00), 0xa10017cbU);
    EXPECT_EQ(get<std::uint32_t>(space, 0x08), 0x12000000U) << "processing accelerator";
    EXPECT_EQ(get<std::uint32_t>(space, 0x2c), 0xa10017cbU);
    EXPECT_EQ(get<std::uint8_t>(space, 0x0e), 0U);
    EXPECT_EQ(get<std::uint8_t>(space, 0x3d), 0U) << "no interrupt pin";
    EXPECT_EQ(get<std::uint32_t>(space, 0x30), 0U) << "no ROM";
}

TEST(ConfigSpace, the_capabilities_form_one_list) {
    const ConfigSpace space({});
    ASSERT_NE(get<std::uint16_t>(space, 0x06) & 0x10, 0);
    std::vector<unsigned> ids;
    for (unsigned at = get<std::uint8_t>(space, 0x34); at != 0 && ids.size() < 10;
         at = get<std::uint8_t>(space, at + 1)) {
        ids.push_back(get<std::uint8_t>(space, at));
    }
    EXPECT_EQ(ids, (std::vector<unsigned>{0x01, 0x05, 0x10}));
    EXPECT_EQ(get<std::uint32_t>(space, 0x100), 0U) << "no extended ones";
}

TEST(ConfigSpace, bars_are_sized_the_usual_way) {
    ConfigSpace space({});
    const std::uint64_t sizes[] = {0x1000, 0x200000, 0x10000};
    for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t at = 0x10 + 8 * i;
        put(space, at, ~std::uint32_t{0});
        put(space, at + 4, ~std::uint32_t{0});
        const auto probe = get<std::uint64_t>(space, at);
        EXPECT_EQ(~(probe & ~std::uint64_t{0xf}) + 1, sizes[i]) << i;
        EXPECT_EQ(probe & 0xf, 4U) << "64-bit memory";
        put<std::uint32_t>(space, at, 0xfe800000);
        put<std::uint32_t>(space, at + 4, 1);
        EXPECT_EQ(get<std::uint64_t>(space, at), 0x1fe800004U);
    }
}

TEST(ConfigSpace, only_what_is_writable_changes_byte_by_byte) {
    ConfigSpace space({});
    for (std::size_t offset = 0; offset < ConfigSpace::kBytes; ++offset) {
        put<std::uint8_t>(space, offset, 0xff);
    }
    EXPECT_EQ(get<std::uint32_t>(space, 0x00), 0xa10017cbU);
    EXPECT_EQ(get<std::uint16_t>(space, 0x04), 0x0547U);
    EXPECT_EQ(get<std::uint16_t>(space, 0x52), 0x00fbU);
    EXPECT_EQ(get<std::uint16_t>(space, 0x78), 0x7fffU) << "no function level reset";
    EXPECT_EQ(get<std::uint8_t>(space, 0x200), 0U);
    space.reset();
    EXPECT_EQ(get<std::uint16_t>(space, 0x04), 0U);
    EXPECT_EQ(get<std::uint32_t>(space, 0x10), 4U);
}

TEST(ConfigSpace, msi_follows_what_the_guest_writes) {
    ConfigSpace space({});
    EXPECT_EQ(get<std::uint16_t>(space, 0x52), 0x008aU) << "32 vectors, 64-bit";
    EXPECT_EQ(space.msi_enabled(), 0U);
    put<std::uint16_t>(space, 0x52, 0x008b);
    EXPECT_EQ(space.msi_enabled(), 1U);
    put<std::uint16_t>(space, 0x52, 0x00da);
    EXPECT_EQ(space.msi_enabled(), 0U);
    put<std::uint16_t>(space, 0x52, 0x00db);
    EXPECT_EQ(space.msi_enabled(), 32U);
    put<std::uint16_t>(space, 0x52, 0x00fb);
    EXPECT_EQ(space.msi_enabled(), 32U) << "128 do not exist";
    ConfigSpace one({.msi_vectors = 1});
    EXPECT_EQ(get<std::uint16_t>(one, 0x52), 0x0080U);
    put<std::uint16_t>(one, 0x52, 0x00db);
    EXPECT_EQ(one.msi_enabled(), 1U);
}

TEST(ConfigSpace, bus_mastering_and_power_state) {
    ConfigSpace space({});
    EXPECT_FALSE(space.bus_master());
    put<std::uint16_t>(space, 0x04, 0x0507);
    EXPECT_TRUE(space.bus_master());
    EXPECT_EQ(space.power_state(), 0U);
    put<std::uint16_t>(space, 0x44, 3);
    EXPECT_EQ(space.power_state(), 3U);
}

}  // namespace
}  // namespace qaicvcard
