// SPDX-License-Identifier: Apache-2.0
/// How a tensor is walked when some of its axes are gone through for each place on the others.
#pragma once

#include "emu/net/tensor.hpp"

#include <cstddef>
#include <vector>

namespace qaicnet {

/// Axes of one kind in a row, merged.
struct Group {
    std::size_t size, stride;
};

/// How a reduction walks its input: kept groups outside, reduced ones inside.
struct ReducePlan {
    std::vector<Group> kept, reduced;
    std::size_t outputs = 1;  ///< elements of the result
    std::size_t inner = 1;    ///< trailing kept elements, contiguous
    std::size_t terms = 1;    ///< elements that go into one result
    bool contiguous = false;  ///< the last reduced group has stride 1

    static ReducePlan make(const Shape& dims, const std::vector<bool>& reduces) {
        ReducePlan plan;
        std::size_t stride = 1;
        int last = -1;
        for (std::size_t i = dims.size(); i-- > 0;) {
            const auto size = static_cast<std::size_t>(dims[i]);
            (reduces[i] ? plan.terms : plan.outputs) *= size;
            if (size != 1) {
                auto& groups = reduces[i] ? plan.reduced : plan.kept;
                if (last == static_cast<int>(reduces[i])) {
                    groups.front().size *= size;
                } else {
                    groups.insert(groups.begin(), {size, stride});
                }
                last = static_cast<int>(reduces[i]);
            }
            stride *= size;
        }
        if (!plan.kept.empty() && plan.kept.back().stride == 1) {
            plan.inner = plan.kept.back().size;
            plan.kept.pop_back();
        }
        plan.contiguous = !plan.reduced.empty() && plan.reduced.back().stride == 1;
        return plan;
    }

    std::size_t base_of(std::size_t outer) const {
        std::size_t base = 0;
        for (std::size_t g = kept.size(); g-- > 0;) {
            base += outer % kept[g].size * kept[g].stride;
            outer /= kept[g].size;
        }
        return base;
    }

    /// Calls body(offset) for every combination of the first `groups` reduced groups, in order.
    template <class Body>
    void for_each_term(std::size_t groups, Body&& body) const {
        std::size_t count = 1;
        for (std::size_t g = 0; g < groups; ++g) {
            count *= reduced[g].size;
        }
        for (std::size_t k = 0; k < count; ++k) {
            std::size_t rest = k;
            std::size_t offset = 0;
            for (std::size_t g = groups; g-- > 0;) {
                offset += rest % reduced[g].size * reduced[g].stride;
                rest /= reduced[g].size;
            }
            body(offset);
        }
    }
};

}  // namespace qaicnet
