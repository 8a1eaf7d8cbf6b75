// SPDX-License-Identifier: Apache-2.0
/// Bytes that DMA_XFER transactions bring for load commands, in one message or over several.
#pragma once

#include "emu/ports.hpp"
#include "emu/qsm_objects.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace qaicemu {

/// One load command of a message and where its bytes go.
struct Load {
    Load() = default;
    Load(Load&& other) noexcept { *this = std::move(other); }
    Load& operator=(Load&& other) noexcept {
        std::swap(transaction, other.transaction);
        std::swap(tag, other.tag);
        std::swap(status, other.status);
        std::swap(budget, other.budget);
        std::swap(region, other.region);
        std::swap(target, other.target);
        std::swap(received, other.received);
        std::swap(constants, other.constants);
        return *this;
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() {
        if (constants != nullptr) {
            constants->loads -= 1;
        }
    }
    bool complete() const { return received == target.size(); }

    std::size_t transaction = 0;  ///< index of the command in its message
    std::uint32_t tag = 0;
    std::int32_t status = AIC100_ST_SUCCESS;
    Holding budget;  ///< with region: commands that create an object
    DdrRegion region;
    std::span<std::byte> target;
    std::uint64_t received = 0;
    Constants* constants = nullptr;  ///< LOAD_CONSTANTS_PAYLOAD: kept from being unloaded meanwhile
};

/// Reads a DMA_XFER's address/size pairs. Any failure is in load.status.
void pull(HostMemory& memory, std::span<const std::byte> pairs, Load& load);

/// A message whose transfer the host continues in later messages.
struct PartialMessage {
    std::vector<std::byte> message;  ///< the first one, executed once all data is there
    std::vector<Load> loads;
    std::size_t waiting = 0;  ///< index into loads
};

/// Keyed by user and chunk id, which is all that a follow-up carries.
using PartialMessages = std::map<std::pair<std::uint32_t, std::uint32_t>, PartialMessage>;

}  // namespace qaicemu
