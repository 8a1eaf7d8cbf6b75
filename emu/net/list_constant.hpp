// SPDX-License-Identifier: Apache-2.0
/// Results that are known at load.
#pragma once

#include "emu/net/op.hpp"

#include <cstring>
#include <utility>

namespace qaicnet {

/// A constant with a copy of `data`; kNoMemory beyond the budget.
inline qaicrt::Result<Constant> list_constant(NodeContext& c, ElemType type, Shape dims,
                                              const void* data) {
    Constant constant{{type, std::move(dims)}, nullptr};
    auto buffer = Buffer::allocate(constant.tensor.bytes(), c.budget());
    if (!buffer) {
        return c.fail(qaicrt::Errc::kNoMemory, "there is no memory for its value");
    }
    if (buffer->size() != 0) {
        std::memcpy(buffer->owned(), data, buffer->size());
    }
    constant.bytes = std::move(buffer);
    return constant;
}

}  // namespace qaicnet
