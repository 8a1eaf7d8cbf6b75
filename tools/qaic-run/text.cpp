// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/text.hpp"

namespace qaicrun {

std::string shown(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        result += code < 0x20 || code == 0x7f ? '?' : c;
    }
    return result + "'";
}

}  // namespace qaicrun
