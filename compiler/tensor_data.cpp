// SPDX-License-Identifier: Apache-2.0
#include "compiler/tensor_data.hpp"

#include "emu/mx/formats.hpp"
#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace qaicc {
namespace {

using onnx::TensorProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

static_assert(std::endian::native == std::endian::little, "raw_data is little endian");

/// Copies a typed field of wider numbers as elements of `width` bytes: their low bytes.
template <class Field>
std::string narrow(const Field& field, std::size_t width) {
    std::string raw(static_cast<std::size_t>(field.size()) * width, '\0');
    char* out = raw.data();
    for (const auto value : field) {
        std::memcpy(out, &value, width);
        out += width;
    }
    return raw;
}

std::string typed_bytes(const TensorProto& tensor, std::size_t width) {
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            return narrow(tensor.float_data(), width);
        case TensorProto::DOUBLE:
            return narrow(tensor.double_data(), width);
        case TensorProto::INT64:
            return narrow(tensor.int64_data(), width);
        case TensorProto::UINT32:
        case TensorProto::UINT64:
            return narrow(tensor.uint64_data(), width);
        default:
            return narrow(tensor.int32_data(), width);
    }
}

void clear_values(TensorProto& tensor) {
    tensor.clear_float_data();
    tensor.clear_double_data();
    tensor.clear_int32_data();
    tensor.clear_int64_data();
    tensor.clear_uint64_data();
    tensor.clear_string_data();
    tensor.clear_raw_data();
    tensor.clear_external_data();
    tensor.clear_data_location();
}

Error tensor_error(const TensorProto& tensor, const std::string& what) {
    return {Errc::kFormat, fmt::format("Tensor '{}' {}.", tensor.name(), what)};
}

}  // namespace

std::optional<std::size_t> element_count(std::span<const std::int64_t> dims) noexcept {
    constexpr std::uint64_t kLimit = std::uint64_t{1} << 62;
    std::uint64_t count = 1;
    bool empty = false;
    for (const std::int64_t dim : dims) {
        if (dim < 0) {
            return std::nullopt;
        }
        if (dim == 0) {
            empty = true;
        } else if (count > kLimit / static_cast<std::uint64_t>(dim)) {
            return std::nullopt;
        } else {
            count *= static_cast<std::uint64_t>(dim);
        }
    }
    return empty ? 0 : static_cast<std::size_t>(count);
}

Status normalise_tensor(TensorProto& tensor) {
    const auto type = static_cast<qaicnet::ElemType>(tensor.data_type());
    const std::size_t width = qaicnet::elem_bytes(type);
    if (width == 0) {
        return {};
    }
    if (tensor.data_location() == TensorProto::EXTERNAL) {
        return tensor_error(tensor,
                            "has its values in another file, and this model was given without one");
    }
    const auto count =
        element_count({tensor.dims().data(), static_cast<std::size_t>(tensor.dims_size())});
    if (!count || *count > SIZE_MAX / 16) {
        return tensor_error(tensor, "has negative or too large dimensions");
    }
    // Most exporters write raw_data; an empty one beside typed values is how some write "not used".
    const bool typed = !tensor.has_raw_data() || (tensor.raw_data().empty() && *count != 0);
    std::string raw = typed ? typed_bytes(tensor, width) : std::move(*tensor.mutable_raw_data());
    if (raw.size() != *count * width) {
        return tensor_error(
            tensor, fmt::format("has {} bytes of values where its type and dimensions need {}",
                                raw.size(), *count * width));
    }
    clear_values(tensor);
    tensor.set_raw_data(std::move(raw));
    return {};
}

bool is_real(const TensorProto& tensor) noexcept {
    return tensor.data_type() == TensorProto::FLOAT || tensor.data_type() == TensorProto::FLOAT16;
}

std::vector<float> real_values(const TensorProto& tensor) {
    const std::string& raw = tensor.raw_data();
    if (tensor.data_type() == TensorProto::FLOAT) {
        std::vector<float> values(raw.size() / sizeof(float));
        if (!values.empty()) {
            std::memcpy(values.data(), raw.data(), values.size() * sizeof(float));
        }
        return values;
    }
    std::vector<float> values(raw.size() / sizeof(std::uint16_t));
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, raw.data() + i * sizeof(half), sizeof(half));
        values[i] = qaicmx::fp16_to_fp32(half);
    }
    return values;
}

void store_float(TensorProto& tensor, std::span<const float> values) {
    std::string raw(values.size_bytes(), '\0');
    if (!values.empty()) {
        std::memcpy(raw.data(), values.data(), values.size_bytes());
    }
    clear_values(tensor);
    tensor.set_data_type(TensorProto::FLOAT);
    tensor.set_raw_data(std::move(raw));
}

void store_float16(TensorProto& tensor, std::span<const float> values) {
    std::string raw(values.size() * sizeof(std::uint16_t), '\0');
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::uint16_t half = qaicmx::fp32_to_fp16(values[i]);
        std::memcpy(raw.data() + i * sizeof(half), &half, sizeof(half));
    }
    clear_values(tensor);
    tensor.set_data_type(TensorProto::FLOAT16);
    tensor.set_raw_data(std::move(raw));
}

Fp16Losses fp16_losses(std::span<const float> values) noexcept {
    Fp16Losses losses;
    for (const float value : values) {
        const float magnitude = std::fabs(value);
        // Half of FP16's smallest subnormal, and the midpoint above its largest number, round away
        // from it.
        losses.underflow |= magnitude > 0.0F && magnitude <= 0x1p-25F;
        losses.overflow |= magnitude >= 65520.0F && std::isfinite(value);
    }
    return losses;
}

}  // namespace qaicc
