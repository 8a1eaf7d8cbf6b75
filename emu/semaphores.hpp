// SPDX-License-Identifier: Apache-2.0
/// The semaphores of one DBC: 12-bit counters, operated by requests and by NSPs.
#pragma once

#include <hw/aic100_dbc.h>

#include <array>
#include <cstdint>
#include <span>

namespace qaicemu {

/// A semaphore command word, decoded. Bit positions: aic100_dbc.h.
struct SemCommand {
    bool enabled = false, presync = false;
    std::uint8_t op = AIC100_SEM_NOP, index = 0;
    std::uint16_t value = 0;

    static constexpr SemCommand decode(std::uint32_t word) {
        return {.enabled = (word & AIC100_SEM_CMD_ENABLE) != 0,
                .presync = (word & AIC100_SEM_CMD_PRESYNC) != 0,
                .op = static_cast<std::uint8_t>((word >> AIC100_SEM_CMD_OP_SHIFT) &
                                                AIC100_SEM_CMD_OP_MASK),
                .index = static_cast<std::uint8_t>((word >> AIC100_SEM_CMD_INDEX_SHIFT) &
                                                   AIC100_SEM_CMD_INDEX_MASK),
                .value = static_cast<std::uint16_t>(word & AIC100_SEM_VALUE_MASK)};
    }
    /// True for operations that change a counter: they must run once per group of requests.
    constexpr bool changes_value() const {
        return op == AIC100_SEM_INIT || op == AIC100_SEM_INC || op == AIC100_SEM_DEC ||
               op == AIC100_SEM_WAIT_GT_0;
    }
};

/// Not thread safe: the channel's lock protects it. What the public sources leave open is decided
/// here: counting past 4095 or below 0 wraps, as 12-bit arithmetic does.
class Semaphores {
  public:
    void reset(std::span<const std::uint32_t> initial) {
        values_.fill(0);
        for (std::size_t i = 0; i < initial.size() && i < values_.size(); ++i) {
            values_[i] = static_cast<std::uint16_t>(initial[i] & AIC100_SEM_VALUE_MASK);
        }
    }
    /// Executes the command, or leaves everything as it is and returns false when it has to wait.
    bool try_run(const SemCommand& command) {
        std::uint16_t& counter = values_[command.index];
        switch (command.op) {
            case AIC100_SEM_INIT:
                counter = command.value;
                return true;
            case AIC100_SEM_INC:
                counter = (counter + 1) & AIC100_SEM_VALUE_MASK;
                return true;
            case AIC100_SEM_DEC:
                counter = (counter - 1) & AIC100_SEM_VALUE_MASK;
                return true;
            case AIC100_SEM_WAIT_EQUAL:
                return counter == command.value;
            case AIC100_SEM_WAIT_GT_EQ:
                return counter >= command.value;
            case AIC100_SEM_WAIT_GT_0:
                if (counter == 0) {
                    return false;
                }
                --counter;
                return true;
            default:  // NOP; decode_request() refuses the reserved number
                return true;
        }
    }
    std::uint16_t value(unsigned index) const { return values_[index]; }

  private:
    std::array<std::uint16_t, AIC100_SEM_PER_DBC> values_{};
};

}  // namespace qaicemu
