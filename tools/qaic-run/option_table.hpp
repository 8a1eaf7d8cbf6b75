// SPDX-License-Identifier: Apache-2.0
/// The one table of qaic-run's options: the parser and the help read it.
#pragma once

#include "tools/qaic-run/options.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace qaicrun {

enum class Policy : std::uint8_t {
    kHeading,   ///< a group's title, in `text`
    kHonoured,  ///< does what it says
    kIgnored,   ///< known and checked; says in an info line why it has no effect (`text`)
    kRejected,  ///< known, and not in this version (`text` says what to do instead)
};

enum class Value : std::uint8_t { kNone, kText, kInteger, kDecimal, kChoice };

/// A checked value of an option.
struct Argument {
    std::string text;
    std::int64_t integer = 0;
    double decimal = 0;
};

struct OptionRow {
    Policy policy = Policy::kHeading;
    /// Blank separated, without dashes; the first two are shown. One letter also works as -n10.
    std::string_view names;
    Value value = Value::kNone;
    std::string_view hint;  ///< what the value is; for kChoice the choices with '|'
    std::string_view text;
    double low = 0, high = 0;  ///< bounds of a number
    void (*apply)(Options&, const Argument&) = nullptr;
};

std::span<const OptionRow> option_rows() noexcept;

}  // namespace qaicrun
