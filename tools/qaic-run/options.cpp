// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/options.hpp"

#include "tools/qaic-run/option_table.hpp"
#include "tools/qaic-run/text.hpp"

#include <charconv>
#include <cmath>
#include <string_view>

namespace qaicrun {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

/// Calls visit(name) for each of a row's names.
template <class Visit>
void for_each_name(const OptionRow& row, Visit&& visit) {
    std::string_view rest = row.names;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(' '), rest.size());
        visit(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
}

const OptionRow* find_row(std::string_view name) {
    const OptionRow* found = nullptr;
    for (const OptionRow& row : option_rows()) {
        for_each_name(row, [&](std::string_view candidate) {
            if (candidate == name) {
                found = &row;
            }
        });
    }
    return found;
}

std::string dashed(std::string_view name) {
    return (name.size() == 1 ? "-" : "--") + std::string(name);
}

std::string bound_text(double bound) {
    // 'fixed' keeps a count such as 1e15 readable.
    char text[40];
    const bool whole = bound == std::floor(bound);
    const auto end =
        std::to_chars(text, text + sizeof(text), bound, std::chars_format::fixed, whole ? 0 : 3);
    return {text, end.ptr};
}

Error out_of_range(const OptionRow& row, std::string_view name, std::string_view text) {
    const char* kind = row.value == Value::kInteger ? "a whole number" : "a number";
    return {Errc::kInvalidArgument, "option " + dashed(name) + " needs " + kind + " from " +
                                        bound_text(row.low) + " to " + bound_text(row.high) +
                                        ", not " + shown(text)};
}

bool is_choice(std::string_view choices, std::string_view text) {
    while (true) {
        const auto end = std::min(choices.find('|'), choices.size());
        if (choices.substr(0, end) == text) {
            return true;
        }
        if (end == choices.size()) {
            return false;
        }
        choices.remove_prefix(end + 1);
    }
}

template <class Number>
bool parse_whole(std::string_view text, Number& number) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

qaicrt::Result<Argument> check_value(const OptionRow& row, std::string_view name,
                                     std::string_view text) {
    Argument argument{.text = std::string(text)};
    bool good = true;
    switch (row.value) {
        case Value::kNone:
            break;
        case Value::kText:
            if (text.empty()) {
                return Error(Errc::kInvalidArgument,
                             "option " + dashed(name) + " needs a value: " + std::string(row.hint));
            }
            break;
        case Value::kInteger:
            good = parse_whole(text, argument.integer);
            argument.decimal = static_cast<double>(argument.integer);
            break;
        case Value::kDecimal:
            good = parse_whole(text, argument.decimal);
            break;
        case Value::kChoice:
            if (!is_choice(row.hint, text)) {
                return Error(Errc::kInvalidArgument, "option " + dashed(name) + " needs one of " +
                                                         std::string(row.hint) + ", not " +
                                                         shown(text));
            }
            break;
    }
    const bool number = row.value == Value::kInteger || row.value == Value::kDecimal;
    // Written so that a NaN is refused too.
    if (number && !(good && argument.decimal >= row.low && argument.decimal <= row.high)) {
        return out_of_range(row, name, text);
    }
    return argument;
}

qaicrt::Status apply_row(const OptionRow& row, std::string_view name, std::string_view text,
                         Options& options) {
    if (row.policy == Policy::kRejected) {
        return Error(Errc::kUnsupported, "option " + dashed(name) +
                                             " is not available in this version; " +
                                             std::string(row.text));
    }
    QAICRT_TRY(const Argument argument, check_value(row, name, text));
    if (row.policy == Policy::kIgnored) {
        options.notes.push_back("option " + dashed(name) +
                                " has no effect: " + std::string(row.text));
    } else {
        row.apply(options, argument);
    }
    return {};
}

/// One argument that begins with a dash, taken apart.
struct Spelled {
    const OptionRow* row = nullptr;
    std::string_view name;
    std::string_view value;
    bool has_value = false;
};

/// What may follow a letter without a blank: digits of a number, or the letter again. Anything else
/// is more likely a long name with a slip in it.
bool is_glued_value(const OptionRow& row, std::string_view name, std::string_view value) {
    if (row.value == Value::kNone) {
        return value.find_first_not_of(name[0]) == std::string_view::npos;
    }
    return row.value == Value::kInteger && value[0] >= '0' && value[0] <= '9';
}

/// -name, --name, -name=value, --name=value; then the short forms -n10 and -vvv.
qaicrt::Result<Spelled> spell(std::string_view argument) {
    const std::string_view body = argument.substr(argument.substr(0, 2) == "--" ? 2 : 1);
    const auto equals = body.find('=');
    Spelled spelled;
    spelled.name = body.substr(0, equals);
    spelled.row = find_row(spelled.name);
    if (spelled.row != nullptr) {
        spelled.has_value = equals != std::string_view::npos;
        spelled.value = spelled.has_value ? body.substr(equals + 1) : "";
    } else if (argument.substr(0, 2) != "--" && body.size() > 1) {
        spelled.name = body.substr(0, 1);
        spelled.row = find_row(spelled.name);
        spelled.value = body.substr(1);
        spelled.has_value = true;
        if (spelled.row != nullptr && !is_glued_value(*spelled.row, spelled.name, spelled.value)) {
            spelled.row = nullptr;
        }
    }
    if (spelled.row == nullptr) {
        return Error(Errc::kInvalidArgument,
                     "unknown option " + shown(argument) + "; qaic-run -h lists the options");
    }
    return spelled;
}

qaicrt::Status parse_one(const std::vector<std::string>& arguments, std::size_t& at,
                         Options& options) {
    const std::string& argument = arguments[at++];
    if (argument.size() < 2 || argument[0] != '-') {
        return Error(Errc::kInvalidArgument, "unexpected argument " + shown(argument) +
                                                 "; name the program's directory with -t");
    }
    QAICRT_TRY(Spelled spelled, spell(argument));
    if (spelled.row->value == Value::kNone) {
        // "-vvv" counts its letters; "--json=1" is a mistake.
        const bool letters = spelled.has_value && argument.find('=') == std::string::npos;
        if (spelled.has_value && !letters) {
            return Error(Errc::kInvalidArgument,
                         "option " + dashed(spelled.name) + " takes no value");
        }
        for (std::size_t i = 0; i <= (letters ? spelled.value.size() : 0); ++i) {
            QAICRT_CHECK(apply_row(*spelled.row, spelled.name, "", options));
        }
        return {};
    }
    if (!spelled.has_value) {
        if (at == arguments.size()) {
            return Error(Errc::kInvalidArgument,
                         "option " + dashed(spelled.name) +
                             " needs a value: " + std::string(spelled.row->hint));
        }
        spelled.value = arguments[at++];
    }
    return apply_row(*spelled.row, spelled.name, spelled.value, options);
}

qaicrt::Status check_together(const Options& options) {
    if (options.test_data.empty()) {
        return Error(
            Errc::kInvalidArgument,
            "missing test data path; name the directory that holds programqpc.bin with -t");
    }
    const int sources = int{!options.input_files.empty()} + int{!options.batch_directory.empty()} +
                        int{!options.batch_list.empty()};
    if (sources > 1) {
        return Error(Errc::kInvalidArgument,
                     "-i, --aic-batch-input-directory and --aic-batch-input-file-list exclude each "
                     "other; use one");
    }
    if (options.seconds && options.iterations_given) {
        return Error(Errc::kInvalidArgument, "-n and --time exclude each other; use one");
    }
    // Without -n a list of files sets the number; it is checked when the list is known.
    const bool known = options.iterations_given || (sources == 0 || !options.input_files.empty());
    if (options.write_output && !options.seconds && known &&
        (options.output_start > options.iterations ||
         options.output_samples > options.iterations - options.output_start)) {
        return Error(Errc::kInvalidArgument,
                     "the sum of write-output-start-iter(" + std::to_string(options.output_start) +
                         ") and write-output-num-samples(" +
                         std::to_string(options.output_samples) + ") should be <= numInf(" +
                         std::to_string(options.iterations) + ")");
    }
    return {};
}

}  // namespace

qaicrt::Result<Options> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t at = 0; at < arguments.size();) {
        QAICRT_CHECK(parse_one(arguments, at, options));
        if (options.help || options.version) {
            return options;
        }
    }
    QAICRT_CHECK(check_together(options));
    return options;
}

std::string help_text() {
    std::string help =
        "usage: qaic-run -t DIR [options]\n\n"
        "Runs a compiled program on a card and reports inferences per second and latencies.\n"
        "Options work with one or two dashes, and with a blank or '=' before the value.\n";
    for (const OptionRow& row : option_rows()) {
        if (row.policy == Policy::kHeading) {
            help += "\n" + std::string(row.text) + ":\n";
            continue;
        }
        std::string left = "  ";
        for_each_name(row, [&](std::string_view name) {
            left += (left.size() > 2 ? ", " : "") + dashed(name);
        });
        if (row.value != Value::kNone) {
            left += " " + std::string(row.hint);
        }
        constexpr std::size_t kColumn = 38;
        help += left;
        help += left.size() < kColumn ? std::string(kColumn - left.size(), ' ')
                                      : "\n" + std::string(kColumn, ' ');
        help += std::string(row.text) + "\n";
    }
    return help;
}

}  // namespace qaicrun
