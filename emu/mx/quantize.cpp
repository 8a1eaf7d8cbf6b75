// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/quantize.hpp"

#include "emu/mx/block.hpp"
#include "emu/mx/encode.hpp"
#include "emu/mx/fp_bits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

namespace qaicmx {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

constexpr std::uint8_t kNanScale = 0xFF;

qaicrt::Status check_profile(const Profile& profile) {
    if (profile.block_size < 0) {
        return Error(Errc::kInvalidArgument, "The block size is " +
                                                 std::to_string(profile.block_size) +
                                                 "; give 0 (the whole axis) or a positive number.");
    }
    if (profile.scale_bits < 2 || profile.scale_bits > 8) {
        return Error(Errc::kInvalidArgument, "The scale has " + std::to_string(profile.scale_bits) +
                                                 " bits; give a number from 2 to 8.");
    }
    if (profile.scale_exponent_offset < -64 || profile.scale_exponent_offset > 64) {
        return Error(Errc::kInvalidArgument, "The exponent offset must lie between -64 and 64.");
    }
    return {};
}

/// Steps a multi-index within `extent`, last dimension fastest; false after the last one.
bool next_index(std::vector<std::size_t>& index, const std::vector<std::size_t>& extent) noexcept {
    for (std::size_t d = index.size(); d-- > 0;) {
        if (++index[d] < extent[d]) {
            return true;
        }
        index[d] = 0;
    }
    return false;
}

/// A tensor cut into blocks: hyper-rectangles of `block` elements per dimension, smaller at the far
/// ends.
struct Tiling {
    std::vector<std::size_t> dims, strides, block, blocks;
    std::size_t elements = 1;
};

qaicrt::Status set_dims(Tiling& tiling, std::span<const std::int64_t> dims) {
    for (const std::int64_t dim : dims) {
        const auto extent = static_cast<std::size_t>(dim);
        const bool overflow =
            dim > 0 && tiling.elements > std::numeric_limits<std::size_t>::max() / extent;
        if (dim < 0 || overflow) {
            return Error(Errc::kInvalidArgument, "Dimension " + std::to_string(dim) +
                                                     " of the tensor is negative or too large.");
        }
        tiling.elements *= extent;
        tiling.dims.push_back(extent);
    }
    tiling.strides.assign(tiling.dims.size(), 1);
    for (std::size_t d = tiling.dims.size(); d-- > 1;) {
        tiling.strides[d - 1] = tiling.strides[d] * tiling.dims[d];
    }
    return {};
}

qaicrt::Result<Tiling> make_tiling(const Profile& profile, std::span<const std::int64_t> dims,
                                   std::span<const int> axes) {
    Tiling tiling;
    QAICRT_CHECK(set_dims(tiling, dims));
    const int rank = static_cast<int>(dims.size());
    tiling.block.assign(dims.size(), 1);
    std::vector<bool> listed(dims.size(), false);
    for (const int axis : axes) {
        const int d = axis < 0 ? axis + rank : axis;
        if (d < 0 || d >= rank) {
            return Error(Errc::kInvalidArgument, "Axis " + std::to_string(axis) +
                                                     " is out of range: the tensor has " +
                                                     std::to_string(rank) + " dimension(s).");
        }
        const auto at = static_cast<std::size_t>(d);
        if (listed[at]) {
            return Error(Errc::kInvalidArgument,
                         "Axis " + std::to_string(axis) + " is given twice.");
        }
        listed[at] = true;
        const auto size = static_cast<std::size_t>(profile.block_size);
        tiling.block[at] = size == 0 ? std::max<std::size_t>(tiling.dims[at], 1)
                                     : std::min(size, std::max<std::size_t>(tiling.dims[at], 1));
    }
    if (axes.empty() && !profile.pass_through) {
        return Error(Errc::kInvalidArgument,
                     "No axis is given; name the axis along which blocks run.");
    }
    for (std::size_t d = 0; d < dims.size(); ++d) {
        tiling.blocks.push_back((tiling.dims[d] + tiling.block[d] - 1) / tiling.block[d]);
    }
    return tiling;
}

/// Offsets of the elements of one block in row-major order; padding does not exist, zeros change
/// nothing.
void block_offsets(const Tiling& tiling, const std::vector<std::size_t>& block_index,
                   std::vector<std::size_t>& extent, std::vector<std::size_t>& index,
                   std::vector<std::size_t>& offsets) {
    std::size_t base = 0;
    for (std::size_t d = 0; d < tiling.dims.size(); ++d) {
        const std::size_t start = block_index[d] * tiling.block[d];
        base += start * tiling.strides[d];
        extent[d] = std::min(tiling.block[d], tiling.dims[d] - start);
    }
    std::fill(index.begin(), index.end(), 0);
    offsets.clear();
    do {
        std::size_t offset = base;
        for (std::size_t d = 0; d < index.size(); ++d) {
            offset += index[d] * tiling.strides[d];
        }
        offsets.push_back(offset);
    } while (next_index(index, extent));
}

void fake_quantize_blocks(const Profile& profile, const Tiling& tiling, std::span<const float> in,
                          std::span<float> out) {
    const std::size_t rank = tiling.dims.size();
    std::vector<std::size_t> block_index(rank, 0);
    std::vector<std::size_t> extent(rank, 0);
    std::vector<std::size_t> index(rank, 0);
    std::vector<std::size_t> offsets;
    std::vector<float> gathered;
    QuantizedBlock block;
    std::uint64_t number = 0;
    do {
        block_offsets(tiling, block_index, extent, index, offsets);
        gathered.resize(offsets.size());
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            gathered[i] = in[offsets[i]];
        }
        quantize_block(profile, gathered, number++, block);
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            out[offsets[i]] = block.elements[i].value;
        }
    } while (next_index(block_index, tiling.blocks));
}

qaicrt::Result<BlockCodes> quantize_checked_rows(const Profile& profile,
                                                 std::span<const float> values, std::size_t rows,
                                                 std::size_t row_length) {
    const std::size_t block_size =
        profile.block_size == 0
            ? row_length
            : std::min<std::size_t>(row_length, static_cast<std::size_t>(profile.block_size));
    BlockCodes result;
    if (values.empty()) {
        return result;
    }
    result.codes.reserve(values.size());
    result.scales.reserve(rows * ((row_length + block_size - 1) / block_size));
    QuantizedBlock block;
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t start = 0; start < row_length; start += block_size) {
            const std::size_t count = std::min(block_size, row_length - start);
            quantize_block(profile, values.subspan(row * row_length + start, count),
                           result.scales.size(), block);
            result.scales.push_back(block.is_nan ? kNanScale
                                                 : static_cast<std::uint8_t>(block.exponent + 127));
            for (const QuantizedElement& element : block.elements) {
                result.codes.push_back(
                    block.is_nan ? 0 : encode_element(profile.format, element.element));
            }
        }
    }
    return result;
}

}  // namespace

qaicrt::Result<BlockCodes> quantize_rows(const Profile& profile, std::span<const float> values,
                                         std::size_t rows, std::size_t row_length) {
    QAICRT_CHECK(check_profile(profile));
    if (!has_codes(profile)) {
        return Error(Errc::kUnsupported,
                     "The profile '" + profile.name +
                         "' has no element codes to store; use it for decoded values only.");
    }
    const bool overflow =
        row_length != 0 && rows > std::numeric_limits<std::size_t>::max() / row_length;
    if (overflow || rows * row_length != values.size()) {
        return Error(Errc::kInvalidArgument, "There are " + std::to_string(values.size()) +
                                                 " values for " + std::to_string(rows) +
                                                 " rows of " + std::to_string(row_length) + ".");
    }
    try {
        return quantize_checked_rows(profile, values, rows, row_length);
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "Not enough memory for the codes of " +
                                          std::to_string(values.size()) + " values.");
    }
}

float dequantize(const Profile& profile, std::uint8_t code, std::uint8_t scale) noexcept {
    return result_value(profile, decode_element(profile.format, code) * decode_e8m0(scale));
}

qaicrt::Status fake_quantize(const Profile& profile, std::span<const float> in,
                             std::span<const std::int64_t> dims, std::span<const int> axes,
                             std::span<float> out) {
    try {
        QAICRT_CHECK(check_profile(profile));
        QAICRT_TRY(const Tiling tiling, make_tiling(profile, dims, axes));
        if (in.size() != tiling.elements || out.size() != tiling.elements) {
            return Error(Errc::kInvalidArgument,
                         "The shape has " + std::to_string(tiling.elements) + " elements but " +
                             std::to_string(in.size()) + " values are given and room for " +
                             std::to_string(out.size()) + ".");
        }
        if (tiling.elements != 0) {
            fake_quantize_blocks(profile, tiling, in, out);
        }
        return {};
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory,
                     "Not enough memory to quantise " + std::to_string(in.size()) + " values.");
    }
}

}  // namespace qaicmx
