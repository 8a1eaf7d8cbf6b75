// SPDX-License-Identifier: Apache-2.0
/// Reproducible choices for a mutator: libFuzzer gives a seed, everything else follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fuzzing {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ * 0x2545f4914f6cdd1dULL;
    }
    /// In [0, n); 0 when n is 0.
    std::size_t below(std::size_t n) { return n == 0 ? 0 : (next() >> 20) % n; }
    bool one_in(std::size_t n) { return below(n) == 0; }
    template <class T>
    const T& pick(std::span<const T> choices) {
        return choices[below(choices.size())];
    }

  private:
    std::uint64_t state_;
};

}  // namespace fuzzing
