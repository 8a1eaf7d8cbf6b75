// SPDX-License-Identifier: Apache-2.0
/// NumPy broadcasting: result shapes, and walking a result in runs along which every input has
/// stride 0 or 1.
#pragma once

#include "emu/net/tensor.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace qaicnet {

/// nullopt when the shapes do not fit together.
std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b);

/// How one result of shape `out` reads up to kMaxInputs inputs. Axes are merged where all inputs
/// allow it.
struct BroadcastPlan {
    static constexpr std::size_t kMaxInputs = 3;

    std::vector<std::size_t> dims;                             ///< at least one axis
    std::array<std::vector<std::size_t>, kMaxInputs> strides;  ///< in elements; 0 where broadcast
    std::size_t count = 0;

    static BroadcastPlan make(const Shape& out, std::span<const Shape* const> inputs);

    /// Where every input keeps the element `index` of the result.
    std::array<std::size_t, kMaxInputs> locate(std::size_t index) const;

    /// Calls body(out_index, {in_index…}, length) for runs that cover [begin, end).
    template <class Body>
    void for_each_run(std::size_t begin, std::size_t end, Body&& body) const {
        const std::size_t inner = dims.back();
        while (begin < end) {
            const std::size_t left = inner - begin % inner;
            const std::size_t length = left < end - begin ? left : end - begin;
            const std::array<std::size_t, kMaxInputs> at = locate(begin);
            body(begin, at, length);
            begin += length;
        }
    }
};

}  // namespace qaicnet
