// SPDX-License-Identifier: Apache-2.0
/// Reading and writing the values of ONNX tensors, whichever of the schema's fields holds them.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class TensorProto;
}

namespace qaicc {

/// product(dims); nullopt when a dimension is negative or the product exceeds 2^62.
std::optional<std::size_t> element_count(std::span<const std::int64_t> dims) noexcept;

/// Brings a tensor's values into raw_data (little endian, exactly as long as type and dims say).
/// Types that the runner does not know (strings, BFLOAT16, …) are left as they are: whoever uses
/// them is refused later. Errors: kFormat (sizes disagree, data still outside the file), naming the
/// tensor.
qaicrt::Status normalise_tensor(onnx::TensorProto& tensor);

/// True for FLOAT and FLOAT16, the types that precision passes change.
bool is_real(const onnx::TensorProto& tensor) noexcept;

/// Values of a normalised FLOAT or FLOAT16 tensor as floats.
std::vector<float> real_values(const onnx::TensorProto& tensor);

/// Replaces type and values; dims stay.
void store_float(onnx::TensorProto& tensor, std::span<const float> values);
void store_float16(onnx::TensorProto& tensor, std::span<const float> values);

/// What a conversion to FP16 does to values beyond its range.
struct Fp16Losses {
    bool underflow = false;  ///< a value other than zero becomes zero
    bool overflow = false;   ///< a finite value becomes infinite
};
Fp16Losses fp16_losses(std::span<const float> values) noexcept;

}  // namespace qaicc
