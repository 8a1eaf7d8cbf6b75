// SPDX-License-Identifier: Apache-2.0
#include "emu/pending_list.hpp"

namespace qaicemu {

void PendingList::reset(std::size_t capacity) {
    nodes_.resize(capacity);
    room_ = capacity;
    first_ = last_ = kEnd;
    for (std::size_t i = 0; i < capacity; ++i) {
        nodes_[i].next = i + 1 < capacity ? static_cast<Slot>(i + 1) : kEnd;
    }
    free_ = capacity == 0 ? kEnd : 0;
}

void PendingList::append(const PendingRequest& request) {
    --room_;
    const Slot slot = free_;
    free_ = nodes_[slot].next;
    nodes_[slot] = {request, kEnd};
    if (last_ == kEnd) {
        first_ = slot;
    } else {
        nodes_[last_].next = slot;
    }
    last_ = slot;
}

PendingList::Slot PendingList::erase(Slot slot, Slot before) {
    const Slot successor = nodes_[slot].next;
    if (before == kEnd) {
        first_ = successor;
    } else {
        nodes_[before].next = successor;
    }
    if (last_ == slot) {
        last_ = before;
    }
    nodes_[slot].next = free_;
    free_ = slot;
    ++room_;
    return successor;
}

}  // namespace qaicemu
