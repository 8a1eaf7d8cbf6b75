// SPDX-License-Identifier: Apache-2.0
/// Shapes, constant bytes and the memory budget of one load: every size is computed here,
/// overflow-checked.
#pragma once

#include "emu/net/network.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace qaicnet {

using Shape = std::vector<std::int64_t>;
/// More axes than any real network has; kernels keep per-axis state in arrays of this size.
inline constexpr std::size_t kMaxRank = 32;

/// More elements than any memory holds. Axes next to one of size 0 count, too: so sums and products
/// of a few sizes stay below 2^63 in tensors without elements as well.
inline constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 48;

/// Product of the dimensions; nullopt for a negative dimension, more than kMaxRank of them, or when
/// the product of those that are not 0 exceeds kMaxElements.
std::optional<std::size_t> checked_count(const Shape& dims) noexcept;
/// checked_count times the element size; nullopt also for a type without a size.
std::optional<std::size_t> checked_bytes(ElemType type, const Shape& dims) noexcept;
/// "[2,3]"; "[]" for a scalar.
std::string dims_text(const Shape& dims);
/// Quotes and shortens text that came from a model, so that a message stays one readable line.
std::string quoted(const std::string& text);

/// Type and fixed shape; count() and bytes() may be used once the loader has accepted the shape.
struct TensorType {
    ElemType type = ElemType::kUndefined;
    Shape dims;
    std::size_t count() const noexcept { return checked_count(dims).value_or(0); }
    std::size_t bytes() const noexcept { return checked_bytes(type, dims).value_or(0); }
};

/// Counts what a load holds against LoadOptions::max_bytes.
class Budget {
  public:
    explicit Budget(std::uint64_t limit) noexcept : limit_(limit) {}
    std::uint64_t limit() const noexcept { return limit_; }
    std::uint64_t used() const noexcept { return used_; }
    bool take(std::uint64_t bytes) noexcept {
        if (bytes > limit_ - used_) {
            return false;
        }
        used_ += bytes;
        return true;
    }
    void give_back(std::uint64_t bytes) noexcept { used_ -= bytes < used_ ? bytes : used_; }

  private:
    std::uint64_t limit_;
    std::uint64_t used_ = 0;
};

/// Immutable bytes of a constant: owned and 64-byte aligned, or a view of the caller's constants.
class Buffer {
  public:
    static constexpr std::size_t kAlignment = 64;
    /// Null when memory or the budget is exhausted. The bytes are not initialised.
    static std::shared_ptr<Buffer> allocate(std::size_t bytes, Budget& budget) noexcept;
    static std::shared_ptr<Buffer> view(const std::byte* data, std::size_t bytes);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    const std::byte* data() const noexcept { return data_; }
    /// Only for whoever called allocate(), before the buffer is shared.
    std::byte* owned() noexcept { return owned_; }
    std::size_t size() const noexcept { return size_; }

  private:
    Buffer() = default;
    const std::byte* data_ = nullptr;
    std::byte* owned_ = nullptr;
    std::size_t size_ = 0;
    Budget* budget_ = nullptr;  ///< outlives every buffer: it belongs to the network
};

/// A constant of the graph.
struct Constant {
    TensorType tensor;
    std::shared_ptr<const Buffer> bytes;
};

}  // namespace qaicnet
