// SPDX-License-Identifier: Apache-2.0
/// networkdesc.bin: what the host needs to know of a program (protobuf
/// aicnwdesc.networkDescriptor).
#pragma once

#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qaicrt::qpc {

inline constexpr std::uint32_t kNetworkDescMajor = 9;

enum class TransformKind : std::uint8_t {
    kConvert = 0,
    kConvertToD32 = 1,
    kConvertFromD32 = 2,
    kDequantize = 3,
    kTranspose = 4,
    kQuantize = 5,
    kCopyDmaBuffer = 6,
};
const char* transform_kind_name(TransformKind kind) noexcept;

struct IoDescriptor {
    DataType type = DataType::kFloat;
    float scale = 0.0F;
    std::int32_t offset = 0;
    std::vector<std::int32_t> dims;
    std::uint32_t layout = 0;  ///< 0 = FlatNXYD
};

struct Transform {
    TransformKind kind = TransformKind::kCopyDmaBuffer;
    IoDescriptor result;
    std::vector<std::int32_t> shuffle;
    Direction copy_direction = Direction::kToDevice;  ///< the rest: CopyDMABuffer only
    std::uint32_t copy_offset = 0;
    std::uint32_t copy_buffer = 0;
};

struct Binding {
    std::string name;
    IoDescriptor initial, transformed;
    std::vector<Transform> transforms;
    bool partial_allowed = false;
    std::uint32_t align = 0;
};

struct DmaBuffer {
    std::uint32_t size = 0;
    Direction direction = Direction::kToDevice;
};

struct NetworkDescription {
    std::uint32_t major_version = kNetworkDescMajor;
    std::uint32_t minor_version = 0;
    std::string name;
    std::vector<Binding> inputs, outputs;
    std::vector<DmaBuffer> dma_buffers;
    std::uint32_t num_cores = 1;
    std::uint32_t num_threads = 4;
    std::int32_t batch_size = 1;
};

/// Errors: kFormat (protobuf damage, enum out of range, negative dims, sizes that overflow or
/// disagree, buffer_num out of range), kUnsupported (major version other than 9).
Result<NetworkDescription> parse_network_desc(std::span<const std::byte> bytes);
/// Deterministic. Threads are all HVX threads of one group.
std::vector<std::byte> write_network_desc(const NetworkDescription& desc);

/// What a caller sees of a binding: the tensor in the user's buffer (`initial` of an input,
/// `transformed` of an output). Zeros among the dims count as 1, as the vendor's runtime sizes its
/// buffers. A tensor without dims is one element; we write scalars as dims [1], because the format
/// cannot tell "no dims" from "not set". Errors: kFormat (negative dimension, size that overflows).
Result<TensorInfo> to_tensor_info(const Binding& binding, Direction direction);

}  // namespace qaicrt::qpc
