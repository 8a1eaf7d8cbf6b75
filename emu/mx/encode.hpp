// SPDX-License-Identifier: Apache-2.0
/// Value to code, the inverse of decode_element.
#pragma once

#include "emu/mx/formats.hpp"

#include <cstdint>

namespace qaicmx {

/// Code of a finite value that the format holds exactly (as the quantiser produces it). The sign of
/// zero is kept where the format has one. Any other value gives an unspecified code.
std::uint8_t encode_element(ElementFormat format, double value) noexcept;

}  // namespace qaicmx
