// SPDX-License-Identifier: Apache-2.0
/// Commands to QSM and its answers (command protocol 17.0): pure functions on bytes.
///
/// A builder returns the bytes of one PASSTHROUGH transaction without its header: the command and
/// the eight zero bytes that the vendor's runtime sends behind every command, so that both clients
/// look alike to a card. Answers are untrusted: a parser checks length and type before anything
/// else.
#pragma once

#include <hw/aic100_nnc_cmd.h>
#include <qaicrt/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qaicrt::nnc {

using Bytes = std::vector<std::byte>;

/// Surplus zero bytes behind every command.
inline constexpr std::size_t kCommandTail = 8;

Bytes status_query();
/// `descriptor` is the content of constantsdesc.bin.
Bytes load_constants_ex(std::uint32_t process_id, std::span<const std::byte> descriptor);
Bytes load_constants_payload(std::uint32_t process_id, std::uint32_t constants_id,
                             std::uint64_t length, std::uint64_t offset);
Bytes load_elf(std::uint32_t process_id, std::uint64_t length);
Bytes unload_constants(std::uint32_t constants_id);
Bytes unload_elf(std::uint32_t elf_id);
/// Asks for a DBC of its own; state ready.
Bytes activate(std::uint32_t process_id, std::uint32_t constants_id, std::uint32_t elf_id);
Bytes deactivate(std::uint32_t activation_id);
Bytes resource_info(std::uint32_t process_id);
Bytes performance_info();

struct Activated {
    std::uint32_t activation_id = 0;
    std::uint32_t dbc = 0;
    std::uint64_t ddr_base = 0, dynamic_ddr_base = 0, mcid_base = 0;
    std::uint32_t nsp_mask = 0;
};

struct Resources {
    unsigned dram_total_mib = 0, dram_free_mib = 0;
    unsigned dbc_total = 0, dbc_free = 0, nsp_total = 0, nsp_free = 0;
    unsigned mcid_total = 0, mcid_free = 0, semaphore_total = 0, semaphore_free = 0;
};

struct CardStatus {
    unsigned format_version = 0;
    std::array<unsigned, 4> fw_version{};  ///< major, minor, patch, build
    std::string fw_image_version, fw_variant, serial, board_serial;
    std::uint32_t hw_version = 0;
    Resources resources;
    unsigned constants_loaded = 0, constants_in_use = 0, networks_loaded = 0, networks_active = 0;
    unsigned metadata_major = 0, metadata_minor = 0, command_major = 0, command_minor = 0;
};

struct Performance {
    std::uint32_t nsp_hz = 0, ddr_hz = 0;
    std::uint64_t peak_compute_ops = 0, dram_bandwidth_kbps = 0;
};

/// Errors of all parsers: kProtocol (too short, another command's answer), and the card's own
/// status as status_error() has it.
Result<CardStatus> parse_status(std::span<const std::byte> reply);
Result<std::uint32_t> parse_load_constants_ex(
    std::span<const std::byte> reply);  ///< the constants' id, not 0
Status parse_load_constants_payload(std::span<const std::byte> reply);
Result<std::uint32_t> parse_load_elf(std::span<const std::byte> reply);  ///< any id, 0 included
Status parse_unload_constants(std::span<const std::byte> reply);
Status parse_unload_elf(std::span<const std::byte> reply);
/// kProtocol also for a channel number of 16 and more.
Result<Activated> parse_activate(std::span<const std::byte> reply);
/// The id of an activation that the card made although its answer is not usable; nothing for a
/// refusal.
std::optional<std::uint32_t> activation_to_undo(std::span<const std::byte> reply);
Status parse_deactivate(std::span<const std::byte> reply);
Result<Resources> parse_resource_info(std::span<const std::byte> reply);
Result<Performance> parse_performance_info(std::span<const std::byte> reply);

/// Refuses a card whose status format, metadata version or command version is not ours
/// (kUnsupported).
Status check_versions(const CardStatus& status);

/// What fwImageVariantString says on an emulated card.
inline constexpr const char* kEmulatedVariant = "QAIC.EMU.1";

/// Text field of the card: up to the first NUL or the field's end, control characters as '?'.
std::string bounded_text(std::span<const char> field);

/// A non-zero status of the card as an error; `task` completes "the card refused to …".
Error status_error(std::int32_t status, const std::string& task);
/// The status in words, "" for a number without a known meaning.
const char* status_words(std::int32_t status) noexcept;

}  // namespace qaicrt::nnc
