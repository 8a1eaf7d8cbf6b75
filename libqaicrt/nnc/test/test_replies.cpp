// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/nnc/commands.hpp"
#include "libqaicrt/support/wire_struct.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

namespace qaicrt::nnc {
namespace {

template <class T>
Bytes bytes_of(const T& reply) {
    Bytes bytes;
    append_struct(bytes, reply);
    return bytes;
}

aic100_cmd_status_resp good_status() {
    aic100_cmd_status_resp reply{};
    reply.type = AIC100_CMD_STATUS_RESP;
    reply.info.format_version = 12;
    reply.info.metadata_major = 1;
    reply.info.nnc_cmd_major = 17;
    reply.info.hw_version = 0x20000;
    reply.info.resources.nsp_total = 16;
    reply.info.resources.nsp_free = 5;
    reply.info.resources.dram_free_mb = 123;
    reply.info.resources.sem_total = 32;
    std::memcpy(reply.info.fw_image_variant, "QAIC.EMU.1", 10);
    return reply;
}

TEST(Replies, status_fields_arrive) {
    const auto status = parse_status(bytes_of(good_status()));
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->fw_variant, kEmulatedVariant);
    EXPECT_EQ(status->resources.nsp_total, 16U);
    EXPECT_EQ(status->resources.nsp_free, 5U);
    EXPECT_EQ(status->resources.dram_free_mib, 123U);
    EXPECT_EQ(status->resources.semaphore_total, 32U);
    EXPECT_EQ(status->hw_version, 0x20000U);
    EXPECT_TRUE(check_versions(*status));
}

TEST(Replies, text_without_an_end_stops_at_its_field) {
    auto reply = good_status();
    std::memset(reply.info.fw_image_variant, 'V', sizeof(reply.info.fw_image_variant));
    std::memset(reply.info.serial, 'S', sizeof(reply.info.serial));
    reply.info.serial[3] = '\x1b';
    const auto status = parse_status(bytes_of(reply));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->fw_variant, std::string(16, 'V'));
    EXPECT_EQ(status->serial, "SSS?" + std::string(12, 'S'));
}

TEST(Replies, a_status_of_another_version_is_refused_by_name) {
    const auto message = [](auto change) {
        auto reply = good_status();
        change(reply.info);
        const auto status = parse_status(bytes_of(reply));
        const auto checked = check_versions(*status);
        return checked ? std::string() : checked.error().message;
    };
    EXPECT_NE(message([](auto& i) { i.format_version = 11; }).find("status format 11"),
              std::string::npos);
    EXPECT_NE(message([](auto& i) { i.nnc_cmd_major = 16; }).find("command protocol 16"),
              std::string::npos);
    EXPECT_NE(message([](auto& i) { i.metadata_major = 2; }).find("metadata version 2"),
              std::string::npos);
    EXPECT_NE(message([](auto& i) { i.metadata_minor = 1; }).find("metadata minor version 1"),
              std::string::npos);
    EXPECT_EQ(message([](auto& i) { i.nnc_cmd_minor = 3; }), "");
}

/// Every parser, so that each meets the same hostile answers.
struct Parser {
    const char* name;
    std::uint32_t type;
    std::size_t bytes;
    std::size_t status_offset;
    Error (*error)(std::span<const std::byte>);
};

template <auto Function>
Error error_of(std::span<const std::byte> reply) {
    auto result = Function(reply);
    return result ? Error{Errc::kOk, ""} : std::move(result).error();
}

const Parser kParsers[] = {
    {"status", 14, 504, 4, error_of<parse_status>},
    {"constants_ex", 2, 16, 8, error_of<parse_load_constants_ex>},
    {"constants_payload", 2, 16, 8, error_of<parse_load_constants_payload>},
    {"elf", 4, 16, 8, error_of<parse_load_elf>},
    {"unload_constants", 6, 8, 4, error_of<parse_unload_constants>},
    {"unload_elf", 8, 8, 4, error_of<parse_unload_elf>},
    {"activate", 10, 88, 4, error_of<parse_activate>},
    {"deactivate", 12, 8, 4, error_of<parse_deactivate>},
    {"resources", 33, 56, 48, error_of<parse_resource_info>},
    {"performance", 35, 64, 4, error_of<parse_performance_info>},
};

Bytes reply_of(const Parser& parser, std::int32_t status) {
    Bytes bytes(parser.bytes);
    std::memcpy(bytes.data(), &parser.type, 4);
    std::memcpy(bytes.data() + parser.status_offset, &status, 4);
    if (parser.type == 2) {
        bytes[4] = std::byte{1};  // a constants id
    }
    return bytes;
}

TEST(Replies, a_good_answer_passes_every_parser) {
    for (const Parser& parser : kParsers) {
        EXPECT_EQ(parser.error(reply_of(parser, 0)).code, Errc::kOk) << parser.name;
        Bytes longer = reply_of(parser, 0);
        longer.resize(longer.size() + 8);
        EXPECT_EQ(parser.error(longer).code, Errc::kOk)
            << parser.name << ": a longer answer is fine";
    }
}

TEST(Replies, every_shorter_answer_is_a_protocol_error) {
    for (const Parser& parser : kParsers) {
        const Bytes whole = reply_of(parser, 0);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            EXPECT_EQ(parser.error(std::span(whole).first(size)).code, Errc::kProtocol)
                << parser.name << " " << size;
        }
    }
}

TEST(Replies, an_answer_to_another_command_is_a_protocol_error) {
    for (const Parser& parser : kParsers) {
        for (std::uint32_t type = 0; type < 64; ++type) {
            Bytes bytes = reply_of(parser, 0);
            std::memcpy(bytes.data(), &type, 4);
            EXPECT_EQ(parser.error(bytes).code, type == parser.type ? Errc::kOk : Errc::kProtocol)
                << parser.name << " " << type;
        }
    }
}

TEST(Replies, a_refusal_keeps_the_cards_status) {
    for (const Parser& parser : kParsers) {
        const Error error = parser.error(reply_of(parser, -13));
        EXPECT_EQ(error.code, Errc::kExhausted) << parser.name;
        EXPECT_EQ(error.device_status, -13) << parser.name;
        EXPECT_NE(error.message.find("NNC status -13"), std::string::npos) << error.message;
    }
}

TEST(Replies, a_short_refusal_of_an_activation_is_still_a_refusal) {
    const Bytes bytes = bytes_of(aic100_cmd_status_only_resp{10, static_cast<__le32>(-36)});
    const auto result = parse_activate(bytes);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().device_status, -36);
    EXPECT_EQ(result.error().code, Errc::kBusy);
}

TEST(Replies, absurd_numbers_of_an_activation_are_refused) {
    aic100_cmd_activate_resp reply{};
    reply.type = 10;
    reply.virtual_channel_id = 16;
    EXPECT_EQ(error_of<parse_activate>(bytes_of(reply)).code, Errc::kProtocol);
    reply.virtual_channel_id = 0xFFFFFFFF;
    EXPECT_EQ(error_of<parse_activate>(bytes_of(reply)).code, Errc::kProtocol);
    reply.virtual_channel_id = 15;
    reply.ddr_base = 0x1000;
    reply.mcid_base = 0x2000;
    reply.dynamic_ddr_base = 0x3000;
    const std::uint32_t mask = 0x00FF00F1;
    std::memcpy(reply.nsp_mask, &mask, 4);
    const auto good = parse_activate(bytes_of(reply));
    ASSERT_TRUE(good);
    EXPECT_EQ(good->dbc, 15U);
    EXPECT_EQ(good->nsp_mask, mask);
    EXPECT_EQ(good->ddr_base, 0x1000U);
    EXPECT_EQ(good->mcid_base, 0x2000U);
    EXPECT_EQ(good->dynamic_ddr_base, 0x3000U);
}

TEST(Replies, constants_id_zero_with_success_is_a_protocol_error) {
    aic100_cmd_load_constants_resp reply{};
    reply.type = 2;
    EXPECT_EQ(error_of<parse_load_constants_ex>(bytes_of(reply)).code, Errc::kProtocol);
    EXPECT_EQ(error_of<parse_load_constants_payload>(bytes_of(reply)).code, Errc::kOk);
}

TEST(Status, every_known_number_has_words_and_unknown_ones_keep_the_number) {
    std::set<std::string> words;
    int known = 0;
    for (int status = -130; status < 0; ++status) {
        const std::string text = status_words(status);
        if (!text.empty()) {
            ++known;
            EXPECT_TRUE(words.insert(text).second) << status << " repeats: " << text;
        }
        const Error error = status_error(status, "do it");
        EXPECT_EQ(error.device_status, status);
        EXPECT_NE(error.message.find(std::to_string(status)), std::string::npos);
    }
    EXPECT_EQ(known, 73);
    EXPECT_EQ(status_error(-13, "x").code, Errc::kExhausted);
    EXPECT_EQ(status_error(-9, "x").code, Errc::kPermission);
    EXPECT_EQ(status_error(-5, "x").code, Errc::kFormat);
    EXPECT_EQ(status_error(-77, "x").code, Errc::kDevice);
    EXPECT_EQ(status_error(5, "x").code, Errc::kDevice);
}

}  // namespace
}  // namespace qaicrt::nnc
