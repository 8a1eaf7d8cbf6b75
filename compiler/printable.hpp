// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qaicrt/result.hpp>

#include <string>
#include <utility>

namespace qaicc {

/// Control characters become '?': names in a model must neither break a line nor steer a terminal.
inline std::string printable(std::string text) {
    for (char& c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20 || code == 0x7f) {
            c = '?';
        }
    }
    return text;
}

/// The libraries below speak of "the model"; our sentences start with which one.
inline qaicrt::Error about(qaicrt::Error error, const std::string& source) {
    error.message = source + ": " + error.message + (error.message.ends_with('.') ? "" : ".");
    return error;
}

}  // namespace qaicc
