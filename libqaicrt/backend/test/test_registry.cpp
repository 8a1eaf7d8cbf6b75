// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/backend.hpp"

#include <gtest/gtest.h>

namespace qaicrt::backend {
namespace {

TEST(Registry, emu_is_one_card_with_sixteen_nsps) {
    const auto cards = enumerate_cards("emu");
    ASSERT_TRUE(cards);
    ASSERT_EQ(cards->size(), 1U);
    EXPECT_EQ((*cards)[0]->info().name, "emu:0");
    EXPECT_NE((*cards)[0]->info().description.find("16 NSPs"), std::string::npos);
    EXPECT_FALSE((*cards)[0]->info().pci);
}

TEST(Registry, options_are_understood) {
    const auto cards = enumerate_cards("emu:nsp=8,threads=2,ddr=4,cards=3,crc=1");
    ASSERT_TRUE(cards) << cards.error().message;
    ASSERT_EQ(cards->size(), 3U);
    EXPECT_EQ((*cards)[2]->info().name, "emu:2");
    EXPECT_NE((*cards)[2]->info().description.find("8 NSPs"), std::string::npos);
    EXPECT_EQ(enumerate_cards("emu:cards=3,2")->at(0)->info().name, "emu:2");
    EXPECT_TRUE(enumerate_cards("emu:0"));
}

TEST(Registry, anything_else_is_refused_with_help) {
    for (const char* text :
         {"emu:", "emu:nsp", "emu:nsp=", "emu:nsp=0", "emu:nsp=17", "emu:nsp=8,", "emu:nsp=8x",
          "emu:nsp= 8", "emu:nsp=-1", "emu:threads=0", "emu:bogus=1",
          "emu:nsp=99999999999999999999", "emu:crc=2", "emu:cards=0", "emu:,nsp=8"}) {
        const auto cards = enumerate_cards(text);
        ASSERT_FALSE(cards) << text;
        EXPECT_EQ(cards.error().code, Errc::kInvalidArgument) << text;
        EXPECT_NE(cards.error().message.find("nsp (1-16)"), std::string::npos) << text;
    }
    for (const char* text : {"", "kernel", "emux", "EMU", "pci:0000", "emu:1"}) {
        const auto cards = enumerate_cards(text);
        ASSERT_FALSE(cards) << text;
        EXPECT_EQ(cards.error().code, Errc::kNotFound) << text;
    }
}

}  // namespace
}  // namespace qaicrt::backend
