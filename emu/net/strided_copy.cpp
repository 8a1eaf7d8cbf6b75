// SPDX-License-Identifier: Apache-2.0
#include "emu/net/strided_copy.hpp"

#include "emu/net/op.hpp"

#include <algorithm>
#include <cstring>

namespace qaicnet {

std::vector<std::ptrdiff_t> dense_strides(const Shape& dims) {
    std::vector<std::ptrdiff_t> strides(dims.size());
    std::ptrdiff_t step = 1;
    for (std::size_t i = dims.size(); i-- > 0;) {
        strides[i] = step;
        // Only read when the tensor has elements; an empty one may not even have a meaningful
        // product.
        step *= static_cast<std::ptrdiff_t>(std::max<std::int64_t>(dims[i], 1));
    }
    return strides;
}

StridedCopy::StridedCopy(const Shape& dims, const std::vector<std::ptrdiff_t>& strides,
                         std::ptrdiff_t offset, std::size_t element_bytes)
    : offset_(offset), element_bytes_(element_bytes), count_(checked_count(dims).value_or(0)) {
    for (std::size_t i = 0; i < dims.size(); ++i) {
        const auto dim = static_cast<std::size_t>(dims[i]);
        if (dim == 1) {
            continue;
        }
        if (!dims_.empty() && strides_.back() == strides[i] * static_cast<std::ptrdiff_t>(dim)) {
            dims_.back() *= dim;
            strides_.back() = strides[i];
        } else {
            dims_.push_back(dim);
            strides_.push_back(strides[i]);
        }
    }
    if (dims_.empty()) {
        dims_.push_back(1);
        strides_.push_back(1);
    }
}

template <class T>
void StridedCopy::run_as(const T* in, T* out, std::size_t begin, std::size_t end) const {
    const std::size_t inner = dims_.back();
    const std::ptrdiff_t stride = strides_.back();
    while (begin < end) {
        std::size_t row = begin / inner;
        const std::size_t column = begin % inner;
        const std::size_t length = std::min(inner - column, end - begin);
        std::ptrdiff_t at = offset_ + static_cast<std::ptrdiff_t>(column) * stride;
        for (std::size_t axis = dims_.size() - 1; axis-- > 0;) {
            at += static_cast<std::ptrdiff_t>(row % dims_[axis]) * strides_[axis];
            row /= dims_[axis];
        }
        const T* from = in + at;
        T* to = out + begin;
        if (stride == 1) {
            std::memcpy(to, from, length * sizeof(T));
        } else {
            for (std::size_t i = 0; i < length; ++i) {
                to[i] = from[static_cast<std::ptrdiff_t>(i) * stride];
            }
        }
        begin += length;
    }
}

void StridedCopy::run(const std::byte* in, std::byte* out, std::size_t begin,
                      std::size_t end) const {
    switch (element_bytes_) {
        case 1:
            return run_as(as<std::uint8_t>(in), as<std::uint8_t>(out), begin, end);
        case 2:
            return run_as(as<std::uint16_t>(in), as<std::uint16_t>(out), begin, end);
        case 4:
            return run_as(as<std::uint32_t>(in), as<std::uint32_t>(out), begin, end);
        default:
            return run_as(as<std::uint64_t>(in), as<std::uint64_t>(out), begin, end);
    }
}

}  // namespace qaicnet
