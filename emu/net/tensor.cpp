// SPDX-License-Identifier: Apache-2.0
#include "emu/net/tensor.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

namespace qaicnet {

std::size_t elem_bytes(ElemType type) noexcept {
    switch (type) {
        case ElemType::kUInt8:
        case ElemType::kInt8:
        case ElemType::kBool:
            return 1;
        case ElemType::kUInt16:
        case ElemType::kInt16:
        case ElemType::kFloat16:
            return 2;
        case ElemType::kFloat:
        case ElemType::kInt32:
        case ElemType::kUInt32:
            return 4;
        case ElemType::kInt64:
        case ElemType::kDouble:
        case ElemType::kUInt64:
            return 8;
        case ElemType::kUndefined:
            break;
    }
    return 0;
}

const char* elem_type_name(ElemType type) noexcept {
    return onnx_type_name(static_cast<std::int32_t>(type));
}

const char* onnx_type_name(std::int32_t number) noexcept {
    static constexpr const char* kNames[] = {
        "UNDEFINED",      "FLOAT",      "UINT8",          "INT8",       "UINT16",    "INT16",
        "INT32",          "INT64",      "STRING",         "BOOL",       "FLOAT16",   "DOUBLE",
        "UINT32",         "UINT64",     "COMPLEX64",      "COMPLEX128", "BFLOAT16",  "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",      "INT4",      "FLOAT4E2M1",
        "FLOAT8E8M0",     "UINT2",      "INT2",           "FLOAT6E2M3", "FLOAT6E3M2"};
    constexpr auto kCount = static_cast<std::int32_t>(std::size(kNames));
    return number >= 0 && number < kCount ? kNames[number] : "an unknown element type";
}

std::size_t ValueInfo::bytes() const noexcept {
    return checked_bytes(type, dims).value_or(0);
}

std::optional<std::size_t> checked_count(const Shape& dims) noexcept {
    // A zero anywhere makes the count zero, but the other dimensions must still be sane.
    if (dims.size() > kMaxRank) {
        return std::nullopt;
    }
    std::uint64_t product = 1;
    bool empty = false;
    for (const std::int64_t dim : dims) {
        if (dim < 0) {
            return std::nullopt;
        }
        if (dim == 0) {
            empty = true;
            continue;
        }
        if (__builtin_mul_overflow(product, static_cast<std::uint64_t>(dim), &product) ||
            product > kMaxElements) {
            return std::nullopt;
        }
    }
    return empty ? 0 : static_cast<std::size_t>(product);
}

std::optional<std::size_t> checked_bytes(ElemType type, const Shape& dims) noexcept {
    const auto count = checked_count(dims);
    const std::size_t size = elem_bytes(type);
    std::size_t bytes = 0;
    if (!count || size == 0 || __builtin_mul_overflow(*count, size, &bytes)) {
        return std::nullopt;
    }
    return bytes;
}

std::string dims_text(const Shape& dims) {
    std::string text = "[";
    constexpr std::size_t kShown = 16;
    for (std::size_t i = 0; i < dims.size() && i < kShown; ++i) {
        text += fmt::format("{}{}", i == 0 ? "" : ",", dims[i]);
    }
    return text + (dims.size() > kShown ? ",…]" : "]");
}

std::string quoted(const std::string& text) {
    constexpr std::size_t kShown = 200;
    std::string out = "'";
    for (std::size_t i = 0; i < text.size() && i < kShown; ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        out += c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    return out + (text.size() > kShown ? "…'" : "'");
}

std::shared_ptr<Buffer> Buffer::allocate(std::size_t bytes, Budget& budget) noexcept {
    if (bytes > std::numeric_limits<std::size_t>::max() - kAlignment || !budget.take(bytes)) {
        return nullptr;
    }
    try {
        std::shared_ptr<Buffer> buffer(new Buffer);
        buffer->budget_ = &budget;
        buffer->size_ = bytes;
        const std::size_t rounded = (bytes + kAlignment) / kAlignment * kAlignment;
        buffer->owned_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
        buffer->data_ = buffer->owned_;
        return buffer->owned_ == nullptr ? nullptr : buffer;
    } catch (const std::bad_alloc&) {
        budget.give_back(bytes);
        return nullptr;
    }
}

std::shared_ptr<Buffer> Buffer::view(const std::byte* data, std::size_t bytes) {
    std::shared_ptr<Buffer> buffer(new Buffer);
    buffer->data_ = data;
    buffer->size_ = bytes;
    return buffer;
}

Buffer::~Buffer() {
    if (budget_ != nullptr) {
        budget_->give_back(size_);
    }
    std::free(owned_);
}

}  // namespace qaicnet
