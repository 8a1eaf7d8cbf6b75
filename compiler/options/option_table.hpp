// SPDX-License-Identifier: Apache-2.0
/// The one table of qaic-exec's options: parsing, help, documentation and Session(**kwargs) read
/// it.
#pragma once

#include "compiler/compile.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicc {

enum class FlagPolicy : std::uint8_t {
    kHeading,   ///< not an option: a group's title in `text`
    kHonoured,  ///< does what it says
    kIgnored,   ///< known, checked, and without effect on the emulated card
    kRejected,  ///< known, and needs what this version does not have; `text` says what
};

enum class ValueKind : std::uint8_t {
    kSwitch,   ///< -flag, or -flag=true|false|1|0
    kInt,      ///< within [low, high]
    kFloat,    ///< within [low, high]
    kText,     ///< any non-empty text
    kList,     ///< comma separated, non-empty texts
    kIntList,  ///< comma separated integers
    kSymbol,   ///< name,int
    kShape,    ///< name,intxintx…
    kChoice,   ///< one of `choices`
};

/// A checked value. `text` is what the user wrote; the others are set as the kind says.
struct OptionValue {
    std::string text;
    bool on = true;
    std::int64_t number = 0;
    std::string symbol;  ///< the name of kSymbol and kShape
    std::vector<std::int64_t> dims;
};

struct OptionSpec {
    FlagPolicy policy = FlagPolicy::kHeading;
    /// Blank separated; the first is the one shown. A name with '@' is a keyword of Session() only.
    std::string_view names;
    ValueKind kind = ValueKind::kSwitch;
    std::string_view hint;     ///< what follows '=' in the help; for kChoice the choices, with '|'
    std::string_view initial;  ///< default as shown by --usage; "" for none
    std::string_view text;     ///< what it does; for kRejected why it cannot be used
    double low = 0, high = 0;
    void (*apply)(CommandLine&, const OptionValue&) = nullptr;  ///< kHonoured only

    std::string_view name() const noexcept { return names.substr(0, names.find(' ')); }
};

std::span<const OptionSpec> option_table() noexcept;

/// By name, without dashes. Keywords may spell '-' as '_' and in any case.
const OptionSpec* find_option(std::string_view name) noexcept;
const OptionSpec* find_keyword(std::string_view name) noexcept;

}  // namespace qaicc
