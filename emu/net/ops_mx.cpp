// SPDX-License-Identifier: Apache-2.0
/// ai.qaic.emu.MxDequantize: weights stored as MX codes, decoded once at load.
#include "emu/mx/formats.hpp"
#include "emu/mx/pack.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

struct MxLayout {
    qaicmx::FormatInfo format{};
    std::size_t length = 0;  ///< of the reduction axis
    std::size_t inner = 1;   ///< product of the axes after it
    std::size_t rows = 0;
    std::size_t block = 0;
    std::size_t blocks = 0;  ///< per row
    std::size_t stride = 0;  ///< bytes of payload per row
    bool saturate = false;
    ElemType to = ElemType::kFloat;
    Shape shape;
};

Result<MxLayout> read_layout(NodeContext& c) {
    MxLayout m;
    QAICRT_TRY(const std::string format, c.attr_string("format", ""));
    const auto known = qaicmx::format_from_name(format);
    if (!known) {
        return c.malformed(fmt::format("the MX format {} is not known", quoted(format)));
    }
    m.format = qaicmx::format_info(*known);
    QAICRT_TRY(m.shape, c.attr_ints("shape"));
    QAICRT_TRY(const std::int64_t axis_attr, c.attr_int("axis", -1));
    QAICRT_TRY(const std::size_t axis, c.normal_axis(axis_attr, m.shape.size()));
    QAICRT_TRY(const std::int64_t block, c.attr_int("block_size", 32));
    const auto count = checked_count(m.shape);
    if (!count || block < 0) {
        return c.malformed(
            fmt::format("shape {} or block_size {} is out of range", dims_text(m.shape), block));
    }
    m.length = static_cast<std::size_t>(m.shape[axis]);
    for (std::size_t i = axis + 1; i < m.shape.size(); ++i) {
        m.inner *= static_cast<std::size_t>(m.shape[i]);
    }
    m.rows = m.length == 0 ? 0 : *count / m.length;
    m.block = block == 0 ? m.length : static_cast<std::size_t>(block);
    m.blocks = m.length == 0 ? 0 : (m.length - 1) / m.block + 1;
    m.stride = m.length > SIZE_MAX / 64 ? 0 : qaicmx::row_stride_bytes(m.length, m.format.bits);
    QAICRT_TRY(const std::int64_t to,
               c.attr_int("to", static_cast<std::int64_t>(ElemType::kFloat16)));
    m.to =
        to == static_cast<std::int64_t>(ElemType::kFloat16) ? ElemType::kFloat16 : ElemType::kFloat;
    if (m.to == ElemType::kFloat && to != static_cast<std::int64_t>(ElemType::kFloat)) {
        return c.malformed("attribute 'to' must be FLOAT16 or FLOAT");
    }
    QAICRT_TRY(const std::string overflow, c.attr_string("fp16_overflow", "inf"));
    if (overflow != "inf" && overflow != "saturate") {
        return c.malformed(
            fmt::format("fp16_overflow {} must be 'inf' or 'saturate'", quoted(overflow)));
    }
    m.saturate = overflow == "saturate";
    return m;
}

Status infer_mx(NodeContext& c) {
    QAICRT_TRY(const MxLayout m, read_layout(c));
    for (std::size_t i = 0; i < 2; ++i) {
        if (c.input(i).type != ElemType::kUInt8 || c.constant(i) == nullptr) {
            return c.malformed("payload and scales must be constant UINT8 tensors");
        }
    }
    std::size_t payload = 0;
    std::size_t scales = 0;
    if (__builtin_mul_overflow(m.rows, m.stride, &payload) ||
        __builtin_mul_overflow(m.rows, m.blocks, &scales) || c.input(0).count() != payload ||
        c.input(1).count() != scales) {
        return c.malformed(fmt::format(
            "payload and scales have {} and {} bytes, shape {} needs {} and {}", c.input(0).count(),
            c.input(1).count(), dims_text(m.shape), payload, scales));
    }
    return c.set_output(0, m.to, m.shape);
}

class MxKernel final : public Kernel {
  public:
    explicit MxKernel(const MxLayout& layout) : m_(layout) {
        for (std::size_t code = 0; code < kCodes; ++code) {
            values_[code] =
                qaicmx::decode_element(m_.format.format, static_cast<std::uint32_t>(code));
        }
    }

    Status run(const RunArgs& args) const override {
        const std::byte* payload = args.in[0];
        const std::byte* scales = args.in[1];
        parallel_for(args.workers, m_.rows, grain_for(m_.length * 4),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             decode_row(payload + row * m_.stride, scales + row * m_.blocks, row,
                                        args.out[0]);
                         }
                     });
        return {};
    }

  private:
    static constexpr std::size_t kCodes = 256;

    /// The code whose lowest bit is bit `bit` of the little-endian stream; the row is padded to 64
    /// bytes.
    std::uint32_t code_at(const std::byte* row, std::size_t bit) const {
        const std::size_t byte = bit / 8;
        std::uint32_t pair = std::to_integer<std::uint32_t>(row[byte]);
        if (bit % 8 + static_cast<std::size_t>(m_.format.bits) > 8) {
            pair |= std::to_integer<std::uint32_t>(row[byte + 1]) << 8;
        }
        return pair >> (bit % 8) & ((1u << m_.format.bits) - 1u);
    }

    void decode_row(const std::byte* payload, const std::byte* scales, std::size_t row,
                    std::byte* out) const {
        const std::size_t first = row / m_.inner * m_.length * m_.inner + row % m_.inner;
        for (std::size_t block = 0; block < m_.blocks; ++block) {
            const double scale = qaicmx::decode_e8m0(std::to_integer<std::uint8_t>(scales[block]));
            const std::size_t begin = block * m_.block;
            const std::size_t end = begin + std::min(m_.block, m_.length - begin);
            for (std::size_t k = begin; k < end; ++k) {
                const std::size_t bit = k * static_cast<std::size_t>(m_.format.bits);
                store(out, first + k * m_.inner, values_[code_at(payload, bit)] * scale);
            }
        }
    }

    /// Code times scale is exact in FP64, so the result is rounded once.
    void store(std::byte* out, std::size_t at, double value) const {
        if (m_.to == ElemType::kFloat) {
            as<float>(out)[at] = static_cast<float>(value);
            return;
        }
        Half half = double_to_half(value);
        if (m_.saturate && (half.bits & 0x7fffu) == 0x7c00u && std::isfinite(value)) {
            half.bits = static_cast<std::uint16_t>((half.bits & 0x8000u) | 0x7bffu);
        }
        as<Half>(out)[at] = half;
    }

    MxLayout m_;
    double values_[kCodes];
};

Result<KernelPtr> prepare_mx(NodeContext& c) {
    QAICRT_TRY(const MxLayout m, read_layout(c));
    return KernelPtr(std::make_unique<MxKernel>(m));
}

constexpr OpDef kOps[] = {
    {kEmuDomain, "MxDequantize", 1, 1, 2, 2, 1, "format block_size axis shape to fp16_overflow",
     infer_mx, prepare_mx},
};

}  // namespace

std::span<const OpDef> mx_ops() {
    return kOps;
}

}  // namespace qaicnet
