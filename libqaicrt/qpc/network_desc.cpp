// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/network_desc.hpp"

#include "libqaicrt/qpc/problems.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/text.hpp"
#include "network_desc.pb.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <optional>

namespace qaicrt::qpc {
namespace {

constexpr std::uint32_t kLastDataType = 8;
constexpr std::uint32_t kLastLayout = 10;
constexpr std::uint32_t kLastTransformKind = 6;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
/// A two-byte message becomes an object of a hundred bytes: what is parsed is capped well below the
/// file.
constexpr std::size_t kMaxParsed = std::size_t{1} << 20;

Error broken(std::string_view what) {
    return {Errc::kFormat, fmt::format("networkdesc.bin: {}; compile the program again", what)};
}

/// stats, crc_info and allowed_shapes: large in some programs, and of no use here.
bool is_skipped_field(std::uint64_t number) {
    return number == 12 || number == 16 || number == 18;
}

/// One varint at `at`, which moves behind it; nothing when it has no end or more than 64 bits.
std::optional<std::uint64_t> read_varint(std::span<const std::byte> bytes, std::size_t& at) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
        const auto byte = std::to_integer<std::uint64_t>(bytes[at++]);
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    return std::nullopt;
}

/// Moves `at` behind the value of a top-level field; false when it leaves the message.
bool skip_value(std::span<const std::byte> bytes, unsigned wire_type, std::size_t& at) {
    std::uint64_t size = 0;
    switch (wire_type) {
        case 0:
            return read_varint(bytes, at).has_value();
        case 1:
            size = 8;
            break;
        case 2: {
            const auto length = read_varint(bytes, at);
            if (!length) {
                return false;
            }
            size = *length;
            break;
        }
        case 5:
            size = 4;
            break;
        default:
            return false;
    }
    if (!range_fits(at, size, bytes.size())) {
        return false;
    }
    at += size;
    return true;
}

/// The message without the fields that are not read.
Result<std::vector<std::byte>> strip(std::span<const std::byte> bytes) {
    std::vector<std::byte> out;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t start = at;
        const auto tag = read_varint(bytes, at);
        if (!tag || !skip_value(bytes, *tag & 7, at)) {
            return broken("the protobuf message is damaged");
        }
        if (is_skipped_field(*tag >> 3)) {
            continue;
        }
        if (out.size() + (at - start) > kMaxParsed) {
            return broken(fmt::format("tensors and buffers need more than {} bytes", kMaxParsed));
        }
        out.insert(out.end(), bytes.begin() + static_cast<std::ptrdiff_t>(start),
                   bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return out;
}

template <class Descriptor>
Result<IoDescriptor> make_descriptor(const Descriptor& pb, float scale, std::int32_t offset,
                                     const std::string& where) {
    if (pb.type() > kLastDataType || pb.layout() > kLastLayout) {
        return broken(fmt::format("{} has data type {} or layout {}, which do not exist", where,
                                  pb.type(), pb.layout()));
    }
    IoDescriptor out;
    out.type = static_cast<DataType>(pb.type());
    out.layout = pb.layout();
    out.scale = scale;
    out.offset = offset;
    out.dims.assign(pb.dims().begin(), pb.dims().end());
    return out;
}

Result<Direction> make_direction(std::uint32_t number, const std::string& where) {
    if (number > 1) {
        return broken(fmt::format("{} has direction {}, which does not exist", where, number));
    }
    return number == 0 ? Direction::kToDevice : Direction::kFromDevice;
}

Result<Transform> make_transform(const pb::Transform& pb, const std::string& where) {
    if (pb.kind() > kLastTransformKind) {
        return broken(
            fmt::format("{} has transform kind {}, which does not exist", where, pb.kind()));
    }
    Transform out;
    out.kind = static_cast<TransformKind>(pb.kind());
    QAICRT_TRY(out.result, make_descriptor(pb, pb.scale(), pb.offset(), where));
    out.shuffle.assign(pb.shuffle().begin(), pb.shuffle().end());
    QAICRT_TRY(out.copy_direction, make_direction(pb.copy_dma_buffer().dir(), where));
    out.copy_offset = pb.copy_dma_buffer().offset();
    out.copy_buffer = pb.copy_dma_buffer().buffer_num();
    return out;
}

Result<Binding> make_binding(const pb::IOBinding& pb) {
    const std::string where = "binding " + quoted(pb.name());
    Binding out;
    out.name = pb.name();
    const auto& initial = pb.io_initial();
    QAICRT_TRY(out.initial, make_descriptor(initial, initial.qscale(), initial.qoffset(), where));
    const auto& transformed = pb.io_transformed();
    QAICRT_TRY(out.transformed,
               make_descriptor(transformed, transformed.qscale(), transformed.qoffset(), where));
    for (const auto& step : pb.transformseq()) {
        QAICRT_TRY(auto transform, make_transform(step, where));
        out.transforms.push_back(std::move(transform));
    }
    out.partial_allowed = pb.is_partial_allowed();
    out.align = pb.align();
    return out;
}

template <class Repeated>
Status make_bindings(const Repeated& from, std::vector<Binding>& to) {
    for (const auto& pb : from) {
        QAICRT_TRY(auto binding, make_binding(pb));
        to.push_back(std::move(binding));
    }
    return {};
}

void fill(pb::IODescriptor& to, const IoDescriptor& from) {
    to.set_type(static_cast<std::uint32_t>(from.type));
    to.set_qscale(from.scale);
    to.set_qoffset(from.offset);
    to.mutable_dims()->Add(from.dims.begin(), from.dims.end());
    to.set_layout(from.layout);
}

std::uint32_t wire_direction(Direction direction) {
    return direction == Direction::kToDevice ? 0 : 1;
}

void fill(pb::Transform& to, const Transform& from) {
    to.set_kind(static_cast<std::uint32_t>(from.kind));
    to.set_type(static_cast<std::uint32_t>(from.result.type));
    to.set_scale(from.result.scale);
    to.set_offset(from.result.offset);
    to.mutable_dims()->Add(from.result.dims.begin(), from.result.dims.end());
    to.set_layout(from.result.layout);
    to.mutable_shuffle()->Add(from.shuffle.begin(), from.shuffle.end());
    if (from.kind == TransformKind::kCopyDmaBuffer) {
        auto& copy = *to.mutable_copy_dma_buffer();
        copy.set_dir(wire_direction(from.copy_direction));
        copy.set_offset(from.copy_offset);
        copy.set_buffer_num(from.copy_buffer);
    }
}

void fill(pb::IOBinding& to, const Binding& from) {
    to.set_name(from.name);
    fill(*to.mutable_io_initial(), from.initial);
    fill(*to.mutable_io_transformed(), from.transformed);
    for (const auto& transform : from.transforms) {
        fill(*to.add_transformseq(), transform);
    }
    to.set_is_partial_allowed(from.partial_allowed);
    to.set_align(from.align);
}

/// Bytes of a dense tensor, zeros among the dimensions skipped; nothing when a dimension is
/// negative or it overflows.
std::optional<std::uint64_t> tensor_bytes(const IoDescriptor& descriptor) {
    std::uint64_t bytes = data_type_bytes(descriptor.type);
    for (const auto dim : descriptor.dims) {
        if (dim < 0 || (dim > 0 && mul_overflows(bytes, static_cast<std::uint64_t>(dim), &bytes))) {
            return std::nullopt;
        }
    }
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
    return bytes <= kMax ? std::optional(bytes) : std::nullopt;
}

void check_binding(const Binding& binding, Problems& problems) {
    const std::string where = "networkdesc.bin: binding " + quoted(binding.name);
    if (binding.name.empty()) {
        problems.format("networkdesc.bin: a binding has no name; compile the program again");
    }
    for (const IoDescriptor* descriptor : {&binding.initial, &binding.transformed}) {
        if (!tensor_bytes(*descriptor)) {
            problems.format(
                where +
                " has a negative dimension or a size that overflows; compile the program again");
        }
        if (!std::isfinite(descriptor->scale)) {
            problems.format(where + " has a scale that is not a number; compile the program again");
        }
    }
    for (const auto& transform : binding.transforms) {
        if (!tensor_bytes(transform.result)) {
            problems.format(where +
                            " has a transform whose size overflows; compile the program again");
        }
    }
}

void check_unique(const std::vector<Binding>& bindings, std::string_view kind, Problems& problems) {
    std::vector<std::string_view> names;
    names.reserve(bindings.size());
    for (const auto& binding : bindings) {
        names.push_back(binding.name);
    }
    std::sort(names.begin(), names.end());
    if (const auto it = std::adjacent_find(names.begin(), names.end()); it != names.end()) {
        problems.format(fmt::format(
            "networkdesc.bin: two {} are called {}; compile the program again", kind, quoted(*it)));
    }
}

}  // namespace

const char* transform_kind_name(TransformKind kind) noexcept {
    constexpr const char* kNames[] = {"ConvertTransform",        "ConvertToD32Transform",
                                      "ConvertFromD32Transform", "DequantizeTransform",
                                      "TransposeTransform",      "QuantizeTransform",
                                      "CopyDMABufferTransform"};
    const auto index = static_cast<std::size_t>(kind);
    return index < std::size(kNames) ? kNames[index] : "UnknownTransform";
}

Result<TensorInfo> to_tensor_info(const Binding& binding, Direction direction) {
    const IoDescriptor& from =
        direction == Direction::kToDevice ? binding.initial : binding.transformed;
    const auto bytes = tensor_bytes(from);
    if (!bytes) {
        return broken(fmt::format("binding {} has a negative dimension or a size that overflows",
                                  quoted(binding.name)));
    }
    TensorInfo out;
    out.name = binding.name;
    out.type = from.type;
    for (const auto dim : from.dims) {
        out.dims.push_back(dim == 0 ? 1 : dim);
    }
    out.bytes = *bytes;
    // Types without quantisation leave the scale at protobuf's default, which is not a usable one.
    out.scale = from.scale == 0.0F ? 1.0F : from.scale;
    out.offset = from.offset;
    out.direction = direction;
    return out;
}

Result<NetworkDescription> decode_network_desc(std::span<const std::byte> bytes) {
    if (bytes.size() > kMaxBytes) {
        return broken(fmt::format("{} bytes are more than {}", bytes.size(), kMaxBytes));
    }
    QAICRT_TRY(const auto kept, strip(bytes));
    pb::NetworkDescriptor pb;
    if (!pb.ParseFromArray(kept.data(), static_cast<int>(kept.size()))) {
        return broken("the protobuf message is damaged");
    }
    NetworkDescription out;
    out.major_version = pb.major_version();
    out.minor_version = pb.minor_version();
    out.name = pb.network_name();
    QAICRT_CHECK(make_bindings(pb.inputs(), out.inputs));
    QAICRT_CHECK(make_bindings(pb.outputs(), out.outputs));
    for (const auto& buffer : pb.dma_buffers()) {
        QAICRT_TRY(const auto direction, make_direction(buffer.dir(), "a DMA buffer"));
        out.dma_buffers.push_back({buffer.size(), direction});
    }
    out.num_cores = pb.num_cores();
    out.num_threads = pb.num_threads();
    out.batch_size = pb.batch_size();
    return out;
}

void check_network_desc(const NetworkDescription& desc, Problems& problems) {
    if (desc.major_version != kNetworkDescMajor) {
        problems.unsupported(
            fmt::format("networkdesc.bin: version {} is not {}; use a compiler of this version",
                        desc.major_version, kNetworkDescMajor));
    }
    for (const auto* bindings : {&desc.inputs, &desc.outputs}) {
        for (const auto& binding : *bindings) {
            check_binding(binding, problems);
            for (const auto& transform : binding.transforms) {
                if (transform.kind == TransformKind::kCopyDmaBuffer &&
                    transform.copy_buffer >= desc.dma_buffers.size()) {
                    problems.format(fmt::format(
                        "networkdesc.bin: binding {} uses DMA buffer {}, but there are {}; "
                        "compile the program again",
                        quoted(binding.name), transform.copy_buffer, desc.dma_buffers.size()));
                }
            }
            if (problems.full()) {
                return;
            }
        }
    }
    check_unique(desc.inputs, "inputs", problems);
    check_unique(desc.outputs, "outputs", problems);
}

Result<NetworkDescription> parse_network_desc(std::span<const std::byte> bytes) try {
    QAICRT_TRY(auto desc, decode_network_desc(bytes));
    Problems problems;
    check_network_desc(desc, problems);
    QAICRT_CHECK(problems.first());
    return desc;
} catch (const std::bad_alloc&) {
    return Error{Errc::kNoMemory,
                 "networkdesc.bin: not enough memory to parse it; free some and try again"};
}

std::vector<std::byte> write_network_desc(const NetworkDescription& desc) {
    pb::NetworkDescriptor pb;
    pb.set_major_version(desc.major_version);
    pb.set_minor_version(desc.minor_version);
    pb.set_network_name(desc.name);
    for (const auto& binding : desc.inputs) {
        fill(*pb.add_inputs(), binding);
    }
    for (const auto& binding : desc.outputs) {
        fill(*pb.add_outputs(), binding);
    }
    for (const auto& buffer : desc.dma_buffers) {
        auto& to = *pb.add_dma_buffers();
        to.set_size(buffer.size);
        to.set_dir(wire_direction(buffer.direction));
    }
    pb.set_num_cores(desc.num_cores);
    pb.set_num_threads(desc.num_threads);
    pb.set_num_hvx_threads(desc.num_threads);
    for (std::uint32_t i = 0; i < desc.num_threads; ++i) {
        pb.add_thread_groups(0);
    }
    pb.set_thread_group_issue_count(2);
    pb.add_thread_group_names("HVX");
    pb.add_thread_group_names("HMX");
    pb.set_batch_size(desc.batch_size);
    pb.add_cluster_offsets(0);
    // Lite messages without map fields serialise their fields in order: equal input gives equal
    // bytes.
    std::vector<std::byte> out(pb.ByteSizeLong());
    pb.SerializeToArray(out.data(), static_cast<int>(out.size()));
    return out;
}

}  // namespace qaicrt::qpc
