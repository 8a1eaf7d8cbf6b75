// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/pack.hpp"

namespace qaicmx {

void pack_lsb(std::span<const std::uint8_t> codes, int bits, std::span<std::uint8_t> out) noexcept {
    const std::uint32_t mask = (1U << bits) - 1;
    std::uint32_t pending = 0;  // bits not yet written, the oldest lowest
    int pending_bits = 0;
    std::size_t at = 0;
    for (const std::uint8_t code : codes) {
        pending |= (code & mask) << pending_bits;
        pending_bits += bits;
        while (pending_bits >= 8) {
            out[at++] = static_cast<std::uint8_t>(pending);
            pending >>= 8;
            pending_bits -= 8;
        }
    }
    if (pending_bits > 0) {
        out[at] = static_cast<std::uint8_t>(pending);
    }
}

void unpack_lsb(std::span<const std::uint8_t> packed, int bits,
                std::span<std::uint8_t> codes) noexcept {
    const std::uint32_t mask = (1U << bits) - 1;
    std::uint32_t pending = 0;
    int pending_bits = 0;
    std::size_t at = 0;
    for (std::uint8_t& code : codes) {
        while (pending_bits < bits) {
            pending |= static_cast<std::uint32_t>(packed[at++]) << pending_bits;
            pending_bits += 8;
        }
        code = static_cast<std::uint8_t>(pending & mask);
        pending >>= bits;
        pending_bits -= bits;
    }
}

}  // namespace qaicmx
