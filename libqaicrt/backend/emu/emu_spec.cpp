// SPDX-License-Identifier: Apache-2.0
/// From a specification in text to cards. Emulated ones are the only kind so far; the second kind
/// brings a registry of schemes.
#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/emu_card.hpp"
#include "libqaicrt/support/text.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace qaicrt::backend {
namespace {

constexpr std::string_view kEmuHelp =
    "use emu, emu:INDEX or emu:KEY=NUMBER,… with the keys nsp (1-16), threads (1-256), ddr (GiB, "
    "1-64), "
    "cards (1-16), crc (0-1)";

struct EmuSpec {
    emu::EmuOptions options;
    unsigned cards = 1;
    std::optional<unsigned> only;  ///< the one index asked for
};

std::optional<unsigned> parse_number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

Error bad_option(std::string_view option) {
    return Error{Errc::kInvalidArgument, "the emulated card's option " + quoted(option) +
                                             " is not understood; " + std::string(kEmuHelp)};
}

bool in_range(unsigned value, unsigned low, unsigned high) {
    return value >= low && value <= high;
}

Status apply(std::string_view option, EmuSpec& spec) {
    const std::size_t equals = option.find('=');
    if (equals == std::string_view::npos) {
        spec.only = parse_number(option);
        return spec.only ? Status{} : Status{bad_option(option)};
    }
    const std::string_view key = option.substr(0, equals);
    const auto value = parse_number(option.substr(equals + 1));
    if (!value) {
        return bad_option(option);
    }
    if (key == "nsp" && in_range(*value, 1, 16)) {
        spec.options.card.nsps = *value;
    } else if (key == "threads" && in_range(*value, 1, 256)) {
        spec.options.card.threads_per_nsp = *value;
    } else if (key == "ddr" && in_range(*value, 1, 64)) {
        spec.options.card.ddr_bytes = std::uint64_t{*value} << 30;
    } else if (key == "cards" && in_range(*value, 1, 16)) {
        spec.cards = *value;
    } else if (key == "crc" && in_range(*value, 0, 1)) {
        spec.options.card.crc_required = *value != 0;
    } else {
        return bad_option(option);
    }
    return {};
}

Result<EmuSpec> parse_emu(std::string_view options) {
    EmuSpec spec;
    while (true) {
        const std::size_t comma = options.find(',');
        QAICRT_CHECK(apply(options.substr(0, comma), spec));
        if (comma == std::string_view::npos) {
            return spec;
        }
        options.remove_prefix(comma + 1);
    }
}

}  // namespace

Result<std::vector<std::shared_ptr<CardHandle>>> enumerate_cards(const std::string& specification) {
    const std::string_view text = specification;
    const std::size_t colon = text.find(':');
    if (text.substr(0, colon) != "emu") {
        return Error{Errc::kNotFound, "there is no kind of card named " +
                                          quoted(text.substr(0, colon)) + "; " +
                                          std::string(kEmuHelp)};
    }
    EmuSpec spec;
    if (colon != std::string_view::npos) {
        QAICRT_TRY(spec, parse_emu(text.substr(colon + 1)));
    }
    std::vector<std::shared_ptr<CardHandle>> cards;
    for (unsigned index = 0; index < spec.cards; ++index) {
        if (spec.only && *spec.only != index) {
            continue;
        }
        spec.options.index = index;
        spec.options.card.serial = "0xemu0000" + std::string(1, "0123456789abcdef"[index]);
        cards.push_back(emu::make_card_handle(spec.options));
    }
    if (cards.empty()) {
        return Error{Errc::kNotFound, "there is no card emu:" + std::to_string(*spec.only) + "; " +
                                          std::to_string(spec.cards) + " emulated card exists"};
    }
    return cards;
}

}  // namespace qaicrt::backend
