// SPDX-License-Identifier: Apache-2.0
/// Copies a strided view into dense memory: the one loop under Transpose, Slice and packing.
#pragma once

#include "emu/net/tensor.hpp"

#include <cstddef>
#include <vector>

namespace qaicnet {

/// Reads element (i0, i1, …) at offset + sum(i_k * stride_k), writes row-major. Units: elements.
class StridedCopy {
  public:
    /// Strides may be negative or zero; the caller guarantees that every element lies in its
    /// tensor.
    StridedCopy(const Shape& dims, const std::vector<std::ptrdiff_t>& strides,
                std::ptrdiff_t offset, std::size_t element_bytes);

    std::size_t count() const noexcept { return count_; }
    /// Copies the results [begin, end).
    void run(const std::byte* in, std::byte* out, std::size_t begin, std::size_t end) const;

  private:
    template <class T>
    void run_as(const T* in, T* out, std::size_t begin, std::size_t end) const;

    std::vector<std::size_t> dims_;  ///< merged axes, at least one
    std::vector<std::ptrdiff_t> strides_;
    std::ptrdiff_t offset_;
    std::size_t element_bytes_;
    std::size_t count_;
};

/// Row-major strides of a dense tensor.
std::vector<std::ptrdiff_t> dense_strides(const Shape& dims);

}  // namespace qaicnet
