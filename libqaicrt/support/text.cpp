// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/support/text.hpp"

#include <cstddef>

namespace qaicrt {

std::string quoted(std::string_view text) {
    constexpr std::size_t kMax = 64;
    std::string out = "'";
    for (const char c : text.substr(0, kMax)) {
        out += (c >= 0x20 && c <= 0x7e) ? c : '?';
    }
    if (text.size() > kMax) {
        out += "...";
    }
    return out + "'";
}

}  // namespace qaicrt
