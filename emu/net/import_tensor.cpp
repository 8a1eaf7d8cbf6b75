// SPDX-License-Identifier: Apache-2.0
/// TensorProto: raw bytes, typed fields or bytes in the QPC's constants; all sizes checked against
/// the dims.
#include "emu/net/import.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

Error bad_count(const std::string& where, std::size_t have, const char* unit, std::size_t want) {
    return {Errc::kFormat, fmt::format("{}: it holds {} {} where its dimensions ask for {}; the "
                                       "model is damaged",
                                       where, have, unit, want)};
}

template <class T, class Field>
Status copy_typed(const Field& field, std::size_t count, const std::string& where, std::byte* out) {
    if (static_cast<std::size_t>(field.size()) != count) {
        return bad_count(where, static_cast<std::size_t>(field.size()), "elements", count);
    }
    for (std::size_t k = 0; k < count; ++k) {
        // ONNX keeps narrow types in wider fields; the low bits are the value.
        const T element = static_cast<T>(field.Get(static_cast<int>(k)));
        std::memcpy(out + k * sizeof(T), &element, sizeof(T));
    }
    return {};
}

Status copy_fields(const onnx::TensorProto& t, ElemType type, std::size_t count,
                   const std::string& where, std::byte* out) {
    switch (type) {
        case ElemType::kFloat:
            return copy_typed<float>(t.float_data(), count, where, out);
        case ElemType::kDouble:
            return copy_typed<double>(t.double_data(), count, where, out);
        case ElemType::kInt64:
            return copy_typed<std::int64_t>(t.int64_data(), count, where, out);
        case ElemType::kUInt64:
            return copy_typed<std::uint64_t>(t.uint64_data(), count, where, out);
        case ElemType::kUInt32:
            return copy_typed<std::uint32_t>(t.uint64_data(), count, where, out);
        case ElemType::kInt32:
            return copy_typed<std::int32_t>(t.int32_data(), count, where, out);
        case ElemType::kInt16:
        case ElemType::kUInt16:
        case ElemType::kFloat16:
            return copy_typed<std::uint16_t>(t.int32_data(), count, where, out);
        case ElemType::kBool:
        case ElemType::kInt8:
        case ElemType::kUInt8:
            return copy_typed<std::uint8_t>(t.int32_data(), count, where, out);
        case ElemType::kUndefined:
            break;
    }
    return Error(Errc::kInternal, "a tensor type without a field");
}

struct External {
    std::string location;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
};

Result<External> parse_external(const onnx::TensorProto& t, const std::string& where) {
    External external;
    for (const auto& entry : t.external_data()) {
        if (entry.key() == "location") {
            external.location = entry.value();
        } else if (entry.key() == "offset" || entry.key() == "length") {
            std::uint64_t number = 0;
            const char* end = entry.value().data() + entry.value().size();
            const auto [stop, status] = std::from_chars(entry.value().data(), end, number);
            if (status != std::errc() || stop != end) {
                return Error(Errc::kFormat, fmt::format("{}: external data {} {} is not a number",
                                                        where, entry.key(), quoted(entry.value())));
            }
            (entry.key() == "offset" ? external.offset : external.length.emplace()) = number;
        }
    }
    return external;
}

Result<std::span<const std::byte>> external_bytes(const onnx::TensorProto& t, std::size_t bytes,
                                                  const std::string& where,
                                                  std::span<const std::byte> constants) {
    QAICRT_TRY(const External external, parse_external(t, where));
    if (external.location != kConstantsLocation) {
        return Error(Errc::kUnsupported,
                     fmt::format("{}: its data is in the file {}, which must be resolved before "
                                 "the network is loaded",
                                 where, quoted(external.location)));
    }
    if (external.length && *external.length != bytes) {
        return bad_count(where, static_cast<std::size_t>(*external.length), "bytes", bytes);
    }
    if (external.offset > constants.size() || bytes > constants.size() - external.offset) {
        return Error(Errc::kFormat,
                     fmt::format("{}: bytes {}+{} lie outside {} of {} bytes", where,
                                 external.offset, bytes, kConstantsLocation, constants.size()));
    }
    return constants.subspan(static_cast<std::size_t>(external.offset), bytes);
}

void normalise_bools(std::byte* bytes, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) {
        bytes[k] = std::byte{bytes[k] != std::byte{0}};
    }
}

Result<TensorType> tensor_type(const onnx::TensorProto& t, const std::string& where) {
    const auto type = static_cast<ElemType>(t.data_type());
    if (elem_bytes(type) == 0) {
        return Error(Errc::kUnsupported, fmt::format("{}: element type {} is not supported", where,
                                                     onnx_type_name(t.data_type())));
    }
    if (t.has_segment()) {
        return Error(Errc::kUnsupported,
                     fmt::format("{}: segmented tensors are not supported", where));
    }
    if (static_cast<std::size_t>(t.dims_size()) > kMaxRank) {
        return Error(Errc::kUnsupported, fmt::format("{}: it has {} axes, at most {} are supported",
                                                     where, t.dims_size(), kMaxRank));
    }
    TensorType tensor{type, Shape(t.dims().begin(), t.dims().end())};
    if (!checked_bytes(type, tensor.dims)) {
        return Error(Errc::kFormat, fmt::format("{}: dimensions {} are negative or too large",
                                                where, dims_text(tensor.dims)));
    }
    return tensor;
}

/// How many elements the typed fields hold: checked before anything is allocated for them.
std::size_t typed_elements(const onnx::TensorProto& t) {
    return static_cast<std::size_t>(t.float_data_size()) +
           static_cast<std::size_t>(t.int32_data_size()) +
           static_cast<std::size_t>(t.int64_data_size()) +
           static_cast<std::size_t>(t.double_data_size()) +
           static_cast<std::size_t>(t.uint64_data_size());
}

}  // namespace

Result<Constant> import_tensor(const onnx::TensorProto& t, const std::string& where,
                               std::span<const std::byte> constants, Budget& budget) {
    QAICRT_TRY(const TensorType tensor, tensor_type(t, where));
    const std::size_t bytes = tensor.bytes();
    std::span<const std::byte> source;
    const bool external = t.data_location() == onnx::TensorProto::EXTERNAL;
    // Some writers leave an empty raw_data beside the typed field that they use.
    const bool raw =
        !external && t.has_raw_data() && (!t.raw_data().empty() || typed_elements(t) == 0);
    if (external) {
        QAICRT_TRY(source, external_bytes(t, bytes, where, constants));
        const bool aligned =
            reinterpret_cast<std::uintptr_t>(source.data()) % elem_bytes(tensor.type) == 0;
        if (aligned && tensor.type != ElemType::kBool && bytes != 0) {
            return Constant{tensor, Buffer::view(source.data(), bytes)};
        }
    } else if (raw) {
        if (t.raw_data().size() != bytes) {
            return bad_count(where, t.raw_data().size(), "bytes", bytes);
        }
        source = std::as_bytes(std::span(t.raw_data().data(), bytes));
    } else if (typed_elements(t) != tensor.count()) {
        return bad_count(where, typed_elements(t), "elements", tensor.count());
    }
    auto buffer = Buffer::allocate(bytes, budget);
    if (!buffer) {
        return Error(Errc::kNoMemory, fmt::format("{}: no memory for its {} bytes (limit {})",
                                                  where, bytes, budget.limit()));
    }
    if (external || raw) {
        if (bytes != 0) {
            std::memcpy(buffer->owned(), source.data(), bytes);
        }
    } else {
        QAICRT_CHECK(copy_fields(t, tensor.type, tensor.count(), where, buffer->owned()));
    }
    if (tensor.type == ElemType::kBool) {
        normalise_bools(buffer->owned(), bytes);
    }
    return Constant{tensor, std::move(buffer)};
}

}  // namespace qaicnet
