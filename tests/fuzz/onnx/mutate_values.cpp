// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/onnx/mutate_values.hpp"

#include "emu/net/network.hpp"

#include <onnx/onnx_pb.h>

#include <array>
#include <cstring>
#include <limits>
#include <utility>

namespace fuzzing {
namespace {

using qaicnet::ElemType;
using Limits = std::numeric_limits<std::int64_t>;

constexpr std::array<std::int64_t, 22> kEdges = {0,
                                                 1,
                                                 -1,
                                                 2,
                                                 3,
                                                 -2,
                                                 7,
                                                 8,
                                                 31,
                                                 32,
                                                 33,
                                                 64,
                                                 127,
                                                 255,
                                                 65536,
                                                 1 << 30,
                                                 0x7fffffff,
                                                 -(1 << 30),
                                                 0x80000000,
                                                 0x100000000,
                                                 Limits::max(),
                                                 Limits::min()};

constexpr std::array<ElemType, 12> kTypes = {
    ElemType::kFloat, ElemType::kFloat16, ElemType::kDouble, ElemType::kInt64,
    ElemType::kInt32, ElemType::kUInt8,   ElemType::kInt8,   ElemType::kBool,
    ElemType::kInt16, ElemType::kUInt16,  ElemType::kUInt32, ElemType::kUInt64};

/// Words that operators look for in string attributes.
constexpr std::array<const char*, 40> kWords = {"",
                                                "NOTSET",
                                                "SAME_UPPER",
                                                "SAME_LOWER",
                                                "VALID",
                                                "nearest",
                                                "linear",
                                                "cubic",
                                                "area",
                                                "bilinear",
                                                "bicubic",
                                                "align_corners",
                                                "asymmetric",
                                                "half_pixel",
                                                "pytorch_half_pixel",
                                                "tf_crop_and_resize",
                                                "tf_half_pixel_for_nn",
                                                "half_pixel_symmetric",
                                                "round_prefer_ceil",
                                                "floor",
                                                "ceil",
                                                "round_prefer_floor",
                                                "stretch",
                                                "not_larger",
                                                "not_smaller",
                                                "constant",
                                                "reflect",
                                                "edge",
                                                "wrap",
                                                "DCR",
                                                "CRD",
                                                "tanh",
                                                "none",
                                                "add",
                                                "mul",
                                                "max",
                                                "min",
                                                "forward",
                                                "reverse",
                                                "bidirectional"};

/// Attributes that many operators share.
constexpr std::array<const char*, 30> kAttributes = {"axis",
                                                     "axes",
                                                     "keepdims",
                                                     "kernel_shape",
                                                     "strides",
                                                     "pads",
                                                     "dilations",
                                                     "group",
                                                     "output_padding",
                                                     "output_shape",
                                                     "auto_pad",
                                                     "ceil_mode",
                                                     "count_include_pad",
                                                     "mode",
                                                     "block_size",
                                                     "blocksize",
                                                     "to",
                                                     "perm",
                                                     "largest",
                                                     "sorted",
                                                     "epsilon",
                                                     "alpha",
                                                     "beta",
                                                     "transA",
                                                     "transB",
                                                     "exclusive",
                                                     "hidden_size",
                                                     "direction",
                                                     "batch_dims",
                                                     "antialias"};

std::string other_word(const std::string& old, Random& random) {
    if (random.one_in(2)) {
        return random.pick(std::span<const char* const>(kWords));
    }
    // An equation, perhaps: one character changes, comes or goes.
    constexpr std::string_view kLetters = "ijkbcnmZ,,->-. ...";
    std::string word = old;
    const std::size_t at = random.below(word.size() + 1);
    switch (random.below(3)) {
        case 0:
            word.insert(word.begin() + static_cast<std::ptrdiff_t>(at),
                        kLetters[random.below(kLetters.size())]);
            break;
        case 1:
            word.erase(at == word.size() ? 0 : at, word.empty() ? 0 : 1);
            break;
        default:
            if (at < word.size()) {
                word[at] = kLetters[random.below(kLetters.size())];
            }
    }
    return word.substr(0, 64);
}

void mutate_ints(google::protobuf::RepeatedField<std::int64_t>& ints, Random& random) {
    const std::size_t count = static_cast<std::size_t>(ints.size());
    const int at = static_cast<int>(random.below(count));
    const std::size_t choice = random.below(6);
    if (count == 0 || (choice == 0 && count < 40)) {
        ints.Add(other_int(count == 0 ? 0 : ints.Get(at), random));
    } else if (choice == 1) {
        ints.RemoveLast();
    } else if (choice == 2) {
        ints.SwapElements(at, static_cast<int>(random.below(count)));
    } else {
        ints.Set(at, other_int(ints.Get(at), random));
    }
}

void set_kind(onnx::AttributeProto& attribute, Random& random) {
    constexpr std::array<onnx::AttributeProto::AttributeType, 6> kKinds = {
        onnx::AttributeProto::INT,  onnx::AttributeProto::FLOAT,  onnx::AttributeProto::STRING,
        onnx::AttributeProto::INTS, onnx::AttributeProto::FLOATS, onnx::AttributeProto::STRINGS};
    attribute.set_type(random.pick(std::span<const onnx::AttributeProto::AttributeType>(kKinds)));
}

/// Elements of the shape; more than `most` are not written, which makes the tensor a lie.
std::size_t count_of(const onnx::TensorProto& tensor, std::size_t most) {
    std::size_t count = 1;
    for (const std::int64_t dim : tensor.dims()) {
        if (dim < 0 || (dim > 0 && count > most / static_cast<std::size_t>(dim))) {
            return 0;
        }
        count *= static_cast<std::size_t>(dim);
    }
    return count;
}

template <class T>
void put(std::string& raw, std::size_t i, T value) {
    std::memcpy(raw.data() + i * sizeof(T), &value, sizeof(T));
}

/// Writes one element; the low bits of an integer are the value of a narrow type.
void put_element(std::string& raw, ElemType type, std::size_t i, Random& random) {
    const std::int64_t value =
        random.one_in(6) ? other_int(1, random) : static_cast<std::int64_t>(random.below(5)) - 1;
    switch (type) {
        case ElemType::kFloat:
            return put(raw, i, random.one_in(6) ? other_float(random) : static_cast<float>(value));
        case ElemType::kDouble:
            return put(raw, i, random.one_in(6) ? double{other_float(random)} : double(value));
        case ElemType::kFloat16:
            return put(raw, i,
                       static_cast<std::uint16_t>(random.one_in(4) ? random.next()
                                                                   : 0x3c00 + random.below(1024)));
        default:
            break;
    }
    switch (qaicnet::elem_bytes(type)) {
        case 1:
            return put(raw, i, static_cast<std::uint8_t>(value));
        case 2:
            return put(raw, i, static_cast<std::uint16_t>(value));
        case 4:
            return put(raw, i, static_cast<std::uint32_t>(value));
        case 8:
            return put(raw, i, value);
        default:
            return;
    }
}

/// Values in a typed field are changed by refill() alone.
bool has_raw_values(const onnx::TensorProto& tensor, std::size_t size) {
    return size != 0 && tensor.raw_data().size() >= size;
}

}  // namespace

std::int64_t other_int(std::int64_t value, Random& random) {
    switch (random.below(4)) {
        case 0:
            return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + 1);
        case 1:
            return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - 1);
        case 2:
            return static_cast<std::int64_t>(random.below(8)) - 3;
        default:
            return random.pick(std::span<const std::int64_t>(kEdges));
    }
}

float other_float(Random& random) {
    constexpr std::array<float, 16> kFloats = {0.F,
                                               -0.F,
                                               1.F,
                                               -1.F,
                                               0.5F,
                                               2.F,
                                               1e-8F,
                                               -1e-40F,
                                               1e30F,
                                               -1e30F,
                                               3.4e38F,
                                               1e10F,
                                               65504.F,
                                               0.01F,
                                               std::numeric_limits<float>::infinity(),
                                               std::numeric_limits<float>::quiet_NaN()};
    return random.pick(std::span<const float>(kFloats));
}

int other_type(Random& random) {
    return random.one_in(12) ? static_cast<int>(random.below(30))
                             : static_cast<int>(random.pick(std::span<const ElemType>(kTypes)));
}

std::int64_t other_size(std::int64_t value, Random& random) {
    return random.one_in(8) ? other_int(value, random)
                            : static_cast<std::int64_t>(random.below(random.one_in(4) ? 70 : 6));
}

void mutate_attribute(onnx::AttributeProto& attribute, Random& random) {
    if (random.one_in(24)) {
        set_kind(attribute, random);
        return;
    }
    switch (attribute.type()) {
        case onnx::AttributeProto::FLOAT:
            attribute.set_f(other_float(random));
            break;
        case onnx::AttributeProto::STRING:
            attribute.set_s(other_word(attribute.s(), random));
            break;
        case onnx::AttributeProto::INTS:
            mutate_ints(*attribute.mutable_ints(), random);
            break;
        case onnx::AttributeProto::FLOATS:
            attribute.add_floats(other_float(random));
            break;
        case onnx::AttributeProto::STRINGS:
            if (attribute.strings_size() > 0 && random.one_in(3)) {
                attribute.mutable_strings()->RemoveLast();
            } else {
                attribute.add_strings(other_word("", random));
            }
            break;
        case onnx::AttributeProto::TENSOR:
            mutate_tensor(*attribute.mutable_t(), random);
            break;
        default:
            attribute.set_i(attribute.name() == "to" ? other_type(random)
                                                     : other_int(attribute.i(), random));
    }
}

void add_attribute(onnx::NodeProto& node, Random& random) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(random.pick(std::span<const char* const>(kAttributes)));
    set_kind(attribute, random);
    mutate_attribute(attribute, random);
}

void refill(onnx::TensorProto& tensor, Random& random) {
    constexpr std::size_t kMost = 4096;
    const auto type = static_cast<ElemType>(tensor.data_type());
    const std::size_t count = count_of(tensor, kMost);
    tensor.clear_float_data();
    tensor.clear_double_data();
    tensor.clear_int32_data();
    tensor.clear_int64_data();
    tensor.clear_uint64_data();
    std::string raw(count * qaicnet::elem_bytes(type), '\0');
    for (std::size_t i = 0; i < count; ++i) {
        put_element(raw, type, i, random);
    }
    tensor.set_raw_data(std::move(raw));
}

void mutate_tensor(onnx::TensorProto& tensor, Random& random) {
    const auto type = static_cast<ElemType>(tensor.data_type());
    const std::size_t size = qaicnet::elem_bytes(type);
    if (random.one_in(2) && has_raw_values(tensor, size)) {
        std::string raw = tensor.raw_data();
        put_element(raw, type, random.below(raw.size() / size), random);
        tensor.set_raw_data(std::move(raw));
        return;
    }
    switch (random.below(5)) {
        case 0:
            tensor.set_data_type(other_type(random));
            break;
        case 1:
            tensor.add_dims(other_size(1, random));
            break;
        case 2:
            if (tensor.dims_size() > 0) {
                tensor.mutable_dims()->RemoveLast();
            }
            break;
        case 3:
            if (tensor.dims_size() > 0) {
                const int at =
                    static_cast<int>(random.below(static_cast<std::size_t>(tensor.dims_size())));
                tensor.set_dims(at, other_size(tensor.dims(at), random));
            }
            break;
        default:
            break;
    }
    if (!random.one_in(10)) {
        refill(tensor, random);
    }
}

void mutate_shape(onnx::TensorShapeProto& shape, Random& random) {
    const auto rank = static_cast<std::size_t>(shape.dim_size());
    const std::size_t choice = random.below(6);
    if (rank == 0 || (choice == 0 && rank < 40)) {
        shape.add_dim()->set_dim_value(other_size(1, random));
    } else if (choice == 1) {
        shape.mutable_dim()->RemoveLast();
    } else {
        auto& dim = *shape.mutable_dim(static_cast<int>(random.below(rank)));
        dim.set_dim_value(other_size(dim.dim_value(), random));
    }
}

}  // namespace fuzzing
