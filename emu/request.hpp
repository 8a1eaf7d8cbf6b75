// SPDX-License-Identifier: Apache-2.0
/// One request element of a DBC's FIFO, decoded and judged on its own.
#pragma once

#include "emu/semaphores.hpp"

#include <hw/aic100_dbc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace qaicemu {

enum class Transfer : std::uint8_t { kNone = 0, kToDevice = 1, kFromDevice = 2 };

struct Request {
    std::uint64_t source = 0, destination = 0, doorbell_address = 0;
    std::uint32_t length = 0, doorbell_data = 0;
    std::uint32_t presync_word = 0;  ///< raw word of the presync, 0 when there is none
    std::uint16_t id = 0;
    std::uint16_t verdict = AIC100_RSP_OK;  ///< not OK: nothing is moved
    /// False when its semaphore words are impossible: then it is only answered. Otherwise even a
    /// refused request waits, signals and rings, so that its program does not get out of step.
    bool synchronises = true;
    bool is_input = false;  ///< moves to the device, or is refused and nobody knows the direction
    Transfer transfer = Transfer::kNone;
    std::uint8_t doorbell_bytes = 0;  ///< 0: no doorbell
    bool wants_response = false, force_msi = false;
    bool fence_to_device = false, fence_from_device = false;
    bool has_presync = false;
    SemCommand presync;
    std::array<SemCommand, 4> postsyncs;  ///< in element order; not enabled where a word is none
};

/// Never fails: an impossible element becomes a request whose verdict is AIC100_RSP_BAD_REQUEST.
/// `semaphores`: how many the activation owns; operations on others are refused.
Request decode_request(std::span<const std::byte, sizeof(aic100_request)> bytes,
                       unsigned semaphores);

}  // namespace qaicemu
