// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/json.hpp"

#include <fmt/format.h>

#include <cmath>

namespace qaicmxtool {
namespace {

std::string quote(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

template <class T>
std::string number_text(T value) {
    return std::isfinite(value) ? fmt::format("{}", value)
                                : quote(std::isnan(value) ? "nan" : (value > 0 ? "inf" : "-inf"));
}

}  // namespace

void JsonWriter::separate() {
    if (!after_key_ && !first_) {
        out_ += ", ";
    }
    first_ = false;
    after_key_ = false;
}

void JsonWriter::raw(std::string_view value) {
    separate();
    out_ += value;
}

void JsonWriter::open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
}

void JsonWriter::close(char bracket) {
    out_ += bracket;
    first_ = false;
}

void JsonWriter::key(std::string_view name) {
    raw(quote(name));
    out_ += ": ";
    after_key_ = true;
}

void JsonWriter::text(std::string_view value) {
    raw(quote(value));
}
void JsonWriter::number(double value) {
    raw(number_text(value));
}
void JsonWriter::number(float value) {
    raw(number_text(value));
}
void JsonWriter::integer(long long value) {
    raw(fmt::format("{}", value));
}
void JsonWriter::null() {
    raw("null");
}

std::string JsonWriter::take() {
    return std::move(out_) + "\n";
}

}  // namespace qaicmxtool
