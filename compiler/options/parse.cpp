// SPDX-License-Identifier: Apache-2.0
/// Arguments and keywords to a CommandLine, by the option table.
#include "compiler/options/option_table.hpp"
#include "emu/mx/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace qaicc {
namespace {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

/// How the option was written, for messages: "-mos" or "mos".
struct Spelling {
    std::string name;
    std::string_view prefix;  ///< "-", or "" for a keyword
    std::string shown() const { return fmt::format("{}{}", prefix, name); }
};

template <class Number>
bool parse_whole(std::string_view text, Number& out) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failure == std::errc{} && end == text.data() + text.size();
}

bool equal_no_case(std::string_view a, std::string_view lower) {
    return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
    });
}

Error bad_value(const Spelling& as, std::string_view value, std::string_view wanted) {
    return {Errc::kInvalidArgument,
            fmt::format("{}={} is not valid: give {}.", as.shown(), value, wanted)};
}

Result<OptionValue> parse_switch(const Spelling& as, std::string_view text) {
    OptionValue value;
    if (equal_no_case(text, "true") || text == "1") {
        value.on = true;
    } else if (equal_no_case(text, "false") || text == "0") {
        value.on = false;
    } else {
        return bad_value(as, text, "true, false, 1 or 0, or no value at all");
    }
    return value;
}

Result<OptionValue> parse_int(const OptionSpec& spec, const Spelling& as, std::string_view text) {
    OptionValue value;
    if (!parse_whole(text, value.number)) {
        return bad_value(as, text, "a whole number");
    }
    const auto number = static_cast<double>(value.number);
    // A rejected option has no range of its own.
    if (spec.policy != FlagPolicy::kRejected && (number < spec.low || number > spec.high)) {
        if (spec.high > 1e15) {
            return bad_value(as, text, fmt::format("a number of at least {:.0f}", spec.low));
        }
        return bad_value(as, text,
                         fmt::format("a number from {:.0f} to {:.0f}", spec.low, spec.high));
    }
    return value;
}

Result<OptionValue> parse_float(const OptionSpec& spec, const Spelling& as, std::string_view text) {
    double number = 0;
    const bool limited = spec.policy != FlagPolicy::kRejected;
    if (!parse_whole(text, number) || (limited && !(number >= spec.low && number <= spec.high))) {
        return bad_value(as, text,
                         limited ? fmt::format("a number from {:g} to {:g}", spec.low, spec.high)
                                 : std::string("a number"));
    }
    return OptionValue{};
}

Result<OptionValue> parse_symbol(const Spelling& as, std::string_view text) {
    OptionValue value;
    const std::size_t comma = text.rfind(',');
    if (comma == std::string_view::npos || comma == 0 ||
        !parse_whole(text.substr(comma + 1), value.number) || value.number < 1 ||
        value.number > 2147483647) {
        return bad_value(as, text, "NAME,INT with a number from 1 to 2147483647");
    }
    value.symbol = text.substr(0, comma);
    return value;
}

Result<OptionValue> parse_shape(const Spelling& as, std::string_view text) {
    OptionValue value;
    const std::size_t comma = text.rfind(',');
    bool good = comma != std::string_view::npos && comma != 0;
    std::string_view rest = good ? text.substr(comma + 1) : std::string_view();
    while (good) {
        const std::size_t times = rest.find('x');
        std::int64_t size = 0;
        good = parse_whole(rest.substr(0, times), size) && size >= 1 && size <= 2147483647;
        value.dims.push_back(size);
        if (times == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(times + 1);
    }
    if (!good) {
        return bad_value(as, text, "NAME,INTxINT..., as in x,1x3x48x192, with sizes of at least 1");
    }
    value.symbol = text.substr(0, comma);
    return value;
}

Result<OptionValue> parse_list(const OptionSpec& spec, const Spelling& as, std::string_view text) {
    std::string_view rest = text;
    while (true) {
        const std::size_t comma = rest.find(',');
        const std::string_view item = rest.substr(0, comma);
        std::int64_t number = 0;
        if (item.empty() || (spec.kind == ValueKind::kIntList && !parse_whole(item, number))) {
            return bad_value(as, text,
                             spec.kind == ValueKind::kIntList
                                 ? "whole numbers separated by commas, without blanks"
                                 : "names separated by commas");
        }
        if (comma == std::string_view::npos) {
            return OptionValue{};
        }
        rest.remove_prefix(comma + 1);
    }
}

Result<OptionValue> parse_choice(const OptionSpec& spec, const Spelling& as,
                                 std::string_view text) {
    std::string wanted = "one of ";
    std::string_view rest = spec.hint;
    while (!rest.empty()) {
        const std::size_t bar = rest.find('|');
        if (rest.substr(0, bar) == text) {
            return OptionValue{};
        }
        wanted += rest.substr(0, bar);
        wanted += bar == std::string_view::npos ? "" : ", ";
        rest.remove_prefix(bar == std::string_view::npos ? rest.size() : bar + 1);
    }
    return bad_value(as, text, wanted);
}

Result<OptionValue> parse_value(const OptionSpec& spec, const Spelling& as,
                                const std::optional<std::string>& text) {
    if (spec.kind == ValueKind::kSwitch) {
        return text ? parse_switch(as, *text) : OptionValue{};
    }
    if (!text || text->empty()) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("{} needs a value: {}={}.", as.shown(), as.shown(), spec.hint));
    }
    Result<OptionValue> value = OptionValue{};
    switch (spec.kind) {
        case ValueKind::kInt:
            value = parse_int(spec, as, *text);
            break;
        case ValueKind::kFloat:
            value = parse_float(spec, as, *text);
            break;
        case ValueKind::kSymbol:
            value = parse_symbol(as, *text);
            break;
        case ValueKind::kShape:
            value = parse_shape(as, *text);
            break;
        case ValueKind::kChoice:
            value = parse_choice(spec, as, *text);
            break;
        case ValueKind::kList:
        case ValueKind::kIntList:
            value = parse_list(spec, as, *text);
            break;
        case ValueKind::kText:
        case ValueKind::kSwitch:
            break;
    }
    if (value) {
        value->text = *text;
    }
    return value;
}

Status take_option(const OptionSpec& spec, const Spelling& as,
                   const std::optional<std::string>& text, CommandLine& out) {
    QAICRT_TRY(const OptionValue value, parse_value(spec, as, text));
    switch (spec.policy) {
        case FlagPolicy::kHonoured:
            spec.apply(out, value);
            break;
        case FlagPolicy::kIgnored:
            if (value.on) {
                out.notes.push_back(
                    fmt::format("INFO: {} has no effect on the emulated card.", as.shown()));
            }
            break;
        case FlagPolicy::kRejected:
            if (spec.kind != ValueKind::kSwitch || value.on) {
                return Error(Errc::kUnsupported,
                             fmt::format("{} cannot be used: {}.", as.shown(), spec.text));
            }
            break;
        case FlagPolicy::kHeading:
            break;
    }
    return {};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
        }
    }
    return row[b.size()];
}

/// The known option that the user most likely meant, or "".
std::string_view nearest_option(std::string_view name) {
    std::string_view best;
    std::size_t best_distance = 3;
    if (name.size() < 4 || name.size() > 64) {
        return best;
    }
    for (const OptionSpec& spec : option_table()) {
        if (spec.policy == FlagPolicy::kHeading) {
            continue;
        }
        const std::size_t distance = edit_distance(name, spec.name());
        if (distance < best_distance) {
            best_distance = distance;
            best = spec.name();
        }
    }
    return best;
}

Error unknown_option(std::string_view argument, std::string_view name) {
    std::string text =
        fmt::format("Invalid option {}. Use -h, -help, or --help for list of options.", argument);
    if (const std::string_view near = nearest_option(name); !near.empty()) {
        text += fmt::format(" Did you mean -{}?", near);
    }
    return {Errc::kInvalidArgument, std::move(text)};
}

Status take_argument(const std::string& argument, CommandLine& out) {
    const std::size_t equals = argument.find('=');
    const std::string spelled = argument.substr(0, equals);
    const std::size_t dashes = spelled.starts_with("--") ? 2 : spelled.starts_with("-") ? 1 : 0;
    const std::string name = spelled.substr(dashes);
    const OptionSpec* spec = dashes == 0 || name.empty() ? nullptr : find_option(name);
    if (spec == nullptr) {
        return unknown_option(spelled, name);
    }
    std::optional<std::string> text;
    if (equals != std::string::npos) {
        text = argument.substr(equals + 1);
    }
    return take_option(*spec, {name, "-"}, text, out);
}

/// Rules that concern several options.
Status check_together(CommandLine& line) {
    auto& options = line.options;
    if (auto profile = qaicmx::profile_by_name(options.mx_profile); !profile) {
        return std::move(profile).error();
    }
    const auto& shapes = options.input_shapes;
    for (auto given = shapes.begin(); given != shapes.end(); ++given) {
        const auto same = [&](const auto& other) { return other.first == given->first; };
        const auto earlier = std::find_if(shapes.begin(), given, same);
        if (earlier != given && earlier->second != given->second) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("-input-shape gives '{}' two shapes, {} and {}: give it one.",
                                     given->first, fmt::join(earlier->second, "x"),
                                     fmt::join(given->second, "x")));
        }
    }
    auto& symbols = options.symbols;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        for (std::size_t j = i + 1; j < symbols.size(); ++j) {
            if (symbols[i].first == symbols[j].first && symbols[i].second != symbols[j].second) {
                return Error(Errc::kInvalidArgument,
                             fmt::format("-onnx-define-symbol gives '{}' two sizes, {} and {}: "
                                         "give it one.",
                                         symbols[i].first, symbols[i].second, symbols[j].second));
            }
        }
    }
    return {};
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& args) {
    CommandLine line;
    bool profile_given = false;
    for (const std::string& argument : args) {
        QAICRT_CHECK(take_argument(argument, line));
        profile_given |= argument.find("mx-profile=") != std::string::npos;
    }
    QAICRT_CHECK(check_together(line));
    if (profile_given && !line.options.mxfp6_matmul) {
        line.notes.emplace_back("INFO: -mx-profile has no effect without -mxfp6-matmul.");
    }
    if (line.compile_only && !line.run.input_list_file.empty()) {
        line.notes.emplace_back("INFO: -input-list-file has no effect with -compile-only.");
    }
    return line;
}

Result<CompileOptions> options_from_keywords(
    const std::vector<std::pair<std::string, std::string>>& keywords,
    std::vector<std::string>* notes) {
    CommandLine line;
    for (const auto& [name, text] : keywords) {
        const OptionSpec* spec = find_keyword(name);
        if (spec == nullptr) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("'{}' is not an option of the compiler; qaic-exec --usage "
                                     "lists them.",
                                     name));
        }
        QAICRT_CHECK(take_option(*spec, {name, ""}, text, line));
    }
    QAICRT_CHECK(check_together(line));
    if (notes != nullptr) {
        notes->insert(notes->end(), line.notes.begin(), line.notes.end());
    }
    return std::move(line.options);
}

}  // namespace qaicc
