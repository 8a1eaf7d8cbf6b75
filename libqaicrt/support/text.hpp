// SPDX-License-Identifier: Apache-2.0
/// Untrusted text inside our sentences.
#pragma once

#include <string>
#include <string_view>

namespace qaicrt {

/// 'text' in single quotes, at most 64 characters of it, control characters and bytes above 0x7e as
/// '?': a damaged file must not write escape sequences into a terminal.
std::string quoted(std::string_view text);

}  // namespace qaicrt
