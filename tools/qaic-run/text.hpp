// SPDX-License-Identifier: Apache-2.0
/// Names of files and tensors on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace qaicrun {

/// The whole text in single quotes, control characters as '?': a path is never cut, and never an
/// escape sequence.
std::string shown(std::string_view text);

}  // namespace qaicrun
