// SPDX-License-Identifier: Apache-2.0
/// Help, usage and documentation, all made from the option table.
#include "compiler/options/option_table.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace qaicc {
namespace {

constexpr std::string_view kIntro =
    "usage: qaic-exec -m=FILE.onnx -aic-binary-dir=DIR -compile-only [options]\n"
    "       qaic-exec -m=FILE.onnx [options]          compile, then run on random input\n"
    "       qaic-compile ...                            the same as qaic-exec -compile-only ...\n"
    "\n"
    "Compiles an ONNX model to DIR/programqpc.bin, a program for the emulated AI 100 card; a real "
    "card needs\nthe vendor's compiler.\n"
    "Options have one or two dashes, a value follows '='; a switch may be written -switch=true or "
    "-switch=false.\n";

constexpr std::string_view kOutro =
    "\nExit status: 0 success, 1 the model or the output cannot be used, 2 a bad command line.\n";

/// "-m=FILE, -model=FILE"
std::string shown_names(const OptionSpec& spec) {
    std::string out;
    std::string_view rest = spec.names;
    while (!rest.empty()) {
        const std::size_t blank = rest.find(' ');
        const std::string_view name = rest.substr(0, blank);
        if (name[0] != '@') {
            out += fmt::format("{}-{}{}{}", out.empty() ? "" : ", ", name,
                               spec.hint.empty() ? "" : "=", spec.hint);
        }
        rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
    }
    return out;
}

std::string_view policy_word(FlagPolicy policy) {
    switch (policy) {
        case FlagPolicy::kHonoured:
            return "honoured";
        case FlagPolicy::kIgnored:
            return "no effect";
        case FlagPolicy::kRejected:
            return "refused";
        case FlagPolicy::kHeading:
            break;
    }
    return "";
}

std::string entry(const OptionSpec& spec, bool with_default) {
    std::string text(spec.text);
    if (spec.policy == FlagPolicy::kIgnored) {
        text = fmt::format("no effect here: {}", text);
    } else if (spec.policy == FlagPolicy::kRejected) {
        text = fmt::format("refused: {}", text);
    } else if (with_default && !spec.initial.empty()) {
        text += fmt::format(" (default: {})", spec.initial);
    }
    const std::string names = shown_names(spec);
    if (names.size() > 36) {
        return fmt::format("  {}\n{:40}{}\n", names, "", text);
    }
    return fmt::format("  {:<36}  {}\n", names, text);
}

std::string listing(bool everything) {
    std::string out;
    std::string_view title;  // printed with the first option of its group
    for (const OptionSpec& spec : option_table()) {
        if (spec.policy == FlagPolicy::kHeading) {
            title = spec.text;
        } else if (everything || spec.policy == FlagPolicy::kHonoured) {
            out += title.empty() ? "" : fmt::format("\n{}:\n", title);
            title = {};
            out += entry(spec, everything);
        }
    }
    return out;
}

/// A '|' would end a table cell.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += c == '|' ? std::string("\\|") : std::string(1, c);
    }
    return out;
}

}  // namespace

std::string help_text() {
    std::string out = fmt::format("{}{}", kIntro, listing(false));
    out += "\nThe vendor's other options are known too: --usage lists them with defaults.\n";
    out += kOutro;
    return out;
}

std::string usage_text() {
    return fmt::format("{}{}{}", kIntro, listing(true), kOutro);
}

std::string option_table_markdown() {
    std::string out;
    for (const OptionSpec& spec : option_table()) {
        if (spec.policy == FlagPolicy::kHeading) {
            out += fmt::format(
                "{}### {}\n\n| option | here | meaning | default |\n|---|---|---|---|\n",
                out.empty() ? "" : "\n", spec.text);
            continue;
        }
        out += fmt::format("| `{}` | {} | {} | {} |\n", cell(shown_names(spec)),
                           policy_word(spec.policy), cell(spec.text), cell(spec.initial));
    }
    return out;
}

const char* compiler_version() noexcept {
    return QAIC_VERSION_STRING;
}

}  // namespace qaicc
