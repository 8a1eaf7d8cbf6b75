// SPDX-License-Identifier: Apache-2.0
#include "emu/net/broadcast.hpp"

#include <algorithm>

namespace qaicnet {

std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b) {
    const Shape& longer = a.size() >= b.size() ? a : b;
    const Shape& shorter = a.size() >= b.size() ? b : a;
    Shape out = longer;
    const std::size_t lead = longer.size() - shorter.size();
    for (std::size_t i = 0; i < shorter.size(); ++i) {
        const std::int64_t other = shorter[i];
        std::int64_t& dim = out[lead + i];
        if (dim == 1) {
            dim = other;
        } else if (other != 1 && other != dim) {
            return std::nullopt;
        }
    }
    return out;
}

namespace {

/// Stride of every axis of `out` in a dense input of shape `in`, right-aligned.
std::vector<std::size_t> input_strides(const Shape& out, const Shape& in) {
    std::vector<std::size_t> strides(out.size(), 0);
    std::size_t step = 1;
    for (std::size_t back = 1; back <= in.size() && back <= out.size(); ++back) {
        const auto dim = static_cast<std::size_t>(in[in.size() - back]);
        strides[out.size() - back] = dim == 1 ? 0 : step;
        step *= dim;
    }
    return strides;
}

}  // namespace

BroadcastPlan BroadcastPlan::make(const Shape& out, std::span<const Shape* const> inputs) {
    BroadcastPlan plan;
    plan.count = checked_count(out).value_or(0);
    std::array<std::vector<std::size_t>, kMaxInputs> full;
    for (std::size_t k = 0; k < kMaxInputs; ++k) {
        full[k] = k < inputs.size() ? input_strides(out, *inputs[k])
                                    : std::vector<std::size_t>(out.size(), 0);
    }
    for (std::size_t axis = 0; axis < out.size(); ++axis) {
        const auto dim = static_cast<std::size_t>(out[axis]);
        if (dim == 1) {
            continue;
        }
        bool merge = !plan.dims.empty();
        for (std::size_t k = 0; k < kMaxInputs && merge; ++k) {
            merge = plan.strides[k].back() == full[k][axis] * dim;
        }
        if (!merge) {
            plan.dims.push_back(1);
        }
        for (std::size_t k = 0; k < kMaxInputs; ++k) {
            if (merge) {
                plan.strides[k].back() = full[k][axis];
            } else {
                plan.strides[k].push_back(full[k][axis]);
            }
        }
        plan.dims.back() *= dim;
    }
    if (plan.dims.empty()) {
        plan.dims.push_back(1);
        for (auto& strides : plan.strides) {
            strides.push_back(0);
        }
    }
    return plan;
}

std::array<std::size_t, BroadcastPlan::kMaxInputs> BroadcastPlan::locate(std::size_t index) const {
    std::array<std::size_t, kMaxInputs> at{};
    for (std::size_t axis = dims.size(); axis-- > 0;) {
        const std::size_t i = axis == 0 ? index : index % dims[axis];
        index = axis == 0 ? 0 : index / dims[axis];
        for (std::size_t k = 0; k < kMaxInputs; ++k) {
            at[k] += i * strides[k][axis];
        }
    }
    return at;
}

}  // namespace qaicnet
