// SPDX-License-Identifier: Apache-2.0
/// Requests that the bridge has fetched and not finished, in FIFO order, in a pool of slots:
/// removing one from the middle is O(1) and nothing is allocated once the pool has its size.
#pragma once

#include "emu/request.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qaicemu {

struct PendingRequest {
    enum class Phase : std::uint8_t { kWaiting, kPostsync, kResponding };
    Request request;
    Phase phase = Phase::kWaiting;
    std::uint8_t next_postsync = 0;
    /// Belongs to the group of the request before it, whose presync counts for the whole group.
    bool follows_group = false;
    std::uint16_t code = AIC100_RSP_OK;
};

/// Not thread safe.
class PendingList {
  public:
    using Slot = std::uint32_t;
    static constexpr Slot kEnd = UINT32_MAX;

    /// Empties the list and makes room for `capacity` requests. Throws std::bad_alloc.
    void reset(std::size_t capacity);
    std::size_t room() const { return room_; }
    bool full() const { return room_ == 0; }
    bool empty() const { return first_ == kEnd; }
    /// Appends; the list must not be full.
    void append(const PendingRequest& request);
    Slot first() const { return first_; }
    Slot next(Slot slot) const { return nodes_[slot].next; }
    PendingRequest& at(Slot slot) { return nodes_[slot].value; }
    /// Removes `slot`, whose predecessor is `before` (kEnd for the first); returns the successor.
    Slot erase(Slot slot, Slot before);

  private:
    struct Node {
        PendingRequest value;
        Slot next = kEnd;
    };
    std::vector<Node> nodes_;
    Slot first_ = kEnd, last_ = kEnd, free_ = kEnd;
    std::size_t room_ = 0;
};

}  // namespace qaicemu
