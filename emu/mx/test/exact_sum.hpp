// SPDX-License-Identifier: Apache-2.0
/// Sums of doubles without rounding error, rounded once at the end (Shewchuk's expansions).
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace golden {

class ExactSum {
  public:
    void add(double x) {
        std::size_t kept = 0;
        for (double part : parts_) {
            if (std::fabs(x) < std::fabs(part)) {
                std::swap(x, part);
            }
            const double high = x + part;
            const double low = part - (high - x);
            if (low != 0) {
                parts_[kept++] = low;
            }
            x = high;
        }
        parts_.resize(kept);
        parts_.push_back(x);
    }

    /// The exact sum, rounded once to nearest, ties to even.
    double rounded() const {
        if (parts_.empty()) {
            return 0;
        }
        std::size_t n = parts_.size() - 1;
        double high = parts_[n];
        double low = 0;
        while (n > 0 && low == 0) {
            const double x = high;
            const double y = parts_[--n];
            high = x + y;
            low = y - (high - x);
        }
        // A tie that was broken the wrong way because a smaller part pulls in the same direction.
        if (n > 0 && ((low < 0 && parts_[n - 1] < 0) || (low > 0 && parts_[n - 1] > 0))) {
            const double twice = 2 * low;
            const double candidate = high + twice;
            if (candidate - high == twice) {
                high = candidate;
            }
        }
        return high;
    }

  private:
    std::vector<double> parts_;  ///< not overlapping, increasing magnitude
};

}  // namespace golden
