// SPDX-License-Identifier: Apache-2.0
/// Runs the cases that generate.py wrote for one operator and compares with the recorded answers.
///
///   run_cases DIR OPERATOR COUNT
///
/// Every case runs with the lowering passes and without them, on one thread, two and three, with
/// buffers at odd addresses; the number of threads must not change a bit. Cases of the kind `same`
/// have no recorded answer: there, the passes must not change a bit either.
#include "emu/net/half.hpp"
#include "emu/net/network.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using qaicnet::ElemType;

struct Tensor {
    std::string name;
    ElemType type = ElemType::kUndefined;
    std::vector<std::int64_t> dims;
    std::string check;  ///< references only: bits, ieee, value, tol
    std::size_t elements() const {
        std::size_t count = 1;
        for (auto dim : dims)
            count *= static_cast<std::size_t>(dim);
        return count;
    }
    std::size_t bytes() const { return elements() * qaicnet::elem_bytes(type); }
};

struct Case {
    std::string label, stem, kind, oracle;
    int opset = 0;
    std::vector<Tensor> inputs, references;
};

/// Bytes at an address that suits no type, to hold the network to "no alignment needed".
class OddBuffer {
  public:
    explicit OddBuffer(std::size_t size) : storage_(size + 1, std::byte{0xA5}) {}
    std::span<std::byte> bytes() { return std::span(storage_).subspan(1); }

  private:
    std::vector<std::byte> storage_;
};

std::vector<std::byte> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::byte> bytes(text.size());
    if (!text.empty())
        std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

Tensor read_tensor(std::istringstream& words, bool is_reference) {
    Tensor tensor;
    int type = 0, rank = 0;
    words >> tensor.name >> type;
    if (is_reference)
        words >> tensor.check;
    words >> rank;
    tensor.type = static_cast<ElemType>(type);
    tensor.dims.resize(static_cast<std::size_t>(rank));
    for (auto& dim : tensor.dims)
        words >> dim;
    return tensor;
}

std::vector<Case> read_cases(const std::string& path) {
    std::vector<Case> cases;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        if (word == "case") {
            Case& next = cases.emplace_back();
            words >> next.label >> next.stem >> next.opset >> next.kind >> next.oracle;
        } else if (word == "in") {
            cases.back().inputs.push_back(read_tensor(words, false));
        } else if (word == "ref") {
            cases.back().references.push_back(read_tensor(words, true));
        }
    }
    return cases;
}

float half_to_float(std::uint16_t bits) {
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
    if (exponent == 31)
        return fraction != 0 ? NAN : sign * INFINITY;
    return sign * (exponent == 0 ? std::ldexp(float(fraction), -24)
                                 : std::ldexp(float(1024 + fraction), exponent - 25));
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t index) {
    T value;
    std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
    return value;
}

bool is_float(ElemType type) {
    return type == ElemType::kFloat || type == ElemType::kFloat16 || type == ElemType::kDouble;
}

/// Element of a floating-point tensor; of an integer tensor only for messages.
double number(ElemType type, std::span<const std::byte> bytes, std::size_t index) {
    switch (type) {
        case ElemType::kFloat:
            return load<float>(bytes, index);
        case ElemType::kDouble:
            return load<double>(bytes, index);
        case ElemType::kFloat16:
            return half_to_float(load<std::uint16_t>(bytes, index));
        case ElemType::kInt64:
            return double(load<std::int64_t>(bytes, index));
        case ElemType::kInt32:
            return load<std::int32_t>(bytes, index);
        case ElemType::kInt16:
            return load<std::int16_t>(bytes, index);
        case ElemType::kInt8:
            return load<std::int8_t>(bytes, index);
        case ElemType::kUInt64:
            return double(load<std::uint64_t>(bytes, index));
        case ElemType::kUInt32:
            return load<std::uint32_t>(bytes, index);
        case ElemType::kUInt16:
            return load<std::uint16_t>(bytes, index);
        default:
            return load<std::uint8_t>(bytes, index);
    }
}

bool element_agrees(const Tensor& reference, std::span<const std::byte> expected,
                    std::span<const std::byte> got, std::span<const std::byte> bounds,
                    std::size_t index) {
    const auto size = qaicnet::elem_bytes(reference.type);
    const bool same_bits =
        std::memcmp(expected.data() + index * size, got.data() + index * size, size) == 0;
    if (same_bits || reference.check == "bits" || !is_float(reference.type))
        return same_bits;
    const double want = number(reference.type, expected, index),
                 have = number(reference.type, got, index);
    if (std::isnan(want) || std::isnan(have))
        return std::isnan(want) && std::isnan(have);
    if (reference.check == "value")
        return want == have;
    if (reference.check != "tol")
        return false;
    if (std::isinf(want) || std::isinf(have))
        return want == have;
    return std::abs(want - have) <= load<double>(bounds, index);
}

/// Empty when `got` agrees with one recorded reference, otherwise one sentence about the worst
/// places.
std::string compare(const Tensor& reference, std::span<const std::byte> expected,
                    std::span<const std::byte> got, std::span<const std::byte> bounds) {
    std::string places;
    std::size_t wrong = 0;
    for (std::size_t index = 0; index < reference.elements(); ++index) {
        if (element_agrees(reference, expected, got, bounds, index))
            continue;
        if (++wrong > 4)
            continue;
        places += fmt::format(" [{}] expected {:.9g} got {:.9g}", index,
                              number(reference.type, expected, index),
                              number(reference.type, got, index));
        if (!bounds.empty())
            places += fmt::format(" (bound {:.3g})", load<double>(bounds, index));
    }
    if (wrong == 0)
        return {};
    return fmt::format("{} of {} elements differ ({}):{}", wrong, reference.elements(),
                       reference.check, places);
}

std::string check_info(const char* what, std::span<const qaicnet::ValueInfo> infos,
                       std::span<const Tensor> tensors) {
    if (infos.size() != tensors.size())
        return fmt::format("{} {}s expected, got {}", tensors.size(), what, infos.size());
    for (std::size_t i = 0; i < infos.size(); ++i) {
        if (infos[i].name != tensors[i].name || infos[i].type != tensors[i].type ||
            infos[i].dims != tensors[i].dims) {
            return fmt::format(
                "{} {} is {} of rank {}, expected {} {} of rank {}; or its dimensions differ", what,
                infos[i].name, qaicnet::elem_type_name(infos[i].type), infos[i].dims.size(),
                tensors[i].name, qaicnet::elem_type_name(tensors[i].type), tensors[i].dims.size());
        }
    }
    return {};
}

struct Buffers {
    std::vector<OddBuffer> inputs, outputs;
    std::size_t used = 0;  ///< bytes of the data file taken by the inputs
};

Buffers make_buffers(const Case& test, std::span<const std::byte> data,
                     const qaicnet::Network& network) {
    Buffers buffers;
    for (const auto& input : test.inputs) {
        OddBuffer& next = buffers.inputs.emplace_back(input.bytes());
        std::ranges::copy(data.subspan(buffers.used, input.bytes()), next.bytes().begin());
        buffers.used += input.bytes();
    }
    for (const auto& output : network.outputs())
        buffers.outputs.emplace_back(output.bytes());
    return buffers;
}

qaicrt::Status run(qaicnet::Network& network, Buffers& buffers, unsigned threads) {
    std::vector<std::span<const std::byte>> inputs;
    std::vector<std::span<std::byte>> outputs;
    for (auto& buffer : buffers.inputs)
        inputs.push_back(buffer.bytes());
    for (auto& buffer : buffers.outputs)
        outputs.push_back(buffer.bytes());
    const auto workers = qaicnet::make_workers(threads);
    return network.run(inputs, outputs, *workers);
}

/// The reference that declares type and shape of an output: the first with its name.
const Tensor* first_reference(const Case& test, const Tensor& reference) {
    return &*std::ranges::find(test.references, reference.name, &Tensor::name);
}

/// Outputs of a case, in order.
std::vector<Tensor> declared_outputs(const Case& test) {
    std::vector<Tensor> outputs;
    for (const auto& reference : test.references) {
        if (first_reference(test, reference) == &reference)
            outputs.push_back(reference);
    }
    return outputs;
}

std::size_t output_index(const Case& test, const Tensor& reference) {
    const auto outputs = declared_outputs(test);
    return static_cast<std::size_t>(std::ranges::find(outputs, reference.name, &Tensor::name) -
                                    outputs.begin());
}

std::string check_references(const Case& test, std::span<const std::byte> data, Buffers& buffers) {
    std::size_t offset = buffers.used;
    for (const auto& reference : test.references) {
        const auto expected = data.subspan(offset, reference.bytes());
        offset += reference.bytes();
        std::span<const std::byte> bounds;
        if (reference.check == "tol" && is_float(reference.type)) {
            bounds = data.subspan(offset, reference.elements() * sizeof(double));
            offset += bounds.size();
        }
        const std::size_t index = output_index(test, reference);
        if (auto text = compare(reference, expected, buffers.outputs[index].bytes(), bounds);
            !text.empty()) {
            const bool second = &reference != first_reference(test, reference);
            return reference.name + (second ? " against float64: " : ": ") + text;
        }
    }
    return offset == data.size()
               ? ""
               : "the data file has another size than cases.txt says; run ops.generate again";
}

std::string run_loaded(const Case& test, std::span<const std::byte> data,
                       qaicnet::Network& network) {
    if (auto text = check_info("input", network.inputs(), test.inputs); !text.empty())
        return text;
    if (!test.references.empty()) {
        const auto outputs = declared_outputs(test);
        if (auto text = check_info("output", network.outputs(), outputs); !text.empty())
            return text;
    }
    Buffers one = make_buffers(test, data, network);
    const auto status = run(network, one, 1);
    if (test.kind == "run_error")
        return status ? "run() succeeded, an error was expected" : "";
    if (test.kind == "survive")
        return {};
    if (!status)
        return "run() failed: " + status.error().message;
    for (const unsigned threads : {2U, 3U}) {
        Buffers more = make_buffers(test, data, network);
        if (auto again = run(network, more, threads); !again)
            return "second run() failed: " + again.error().message;
        for (std::size_t i = 0; i < one.outputs.size(); ++i) {
            if (!std::ranges::equal(one.outputs[i].bytes(), more.outputs[i].bytes()))
                return fmt::format("one thread and {} give different bits", threads);
        }
    }
    return check_references(test, data, one);
}

std::string run_model(const std::string& base, const Case& test, const onnx::ModelProto& model,
                      bool passes) {
    qaicnet::LoadOptions options;
    options.passes = passes;
    auto network = qaicnet::Network::load(model, {}, options);
    if (test.kind == "load_error") {
        if (network)
            return "load() succeeded, an error was expected";
        return network.error().message.empty() ? "load() failed without a message" : "";
    }
    if (!network)
        return test.kind == "survive" ? "" : "load() failed: " + network.error().message;
    const auto data = read_file(base + ".bin");
    return run_loaded(test, data, **network);
}

/// The passes sum a FLOAT16 convolution in another order before it is rounded.
bool has_half_convolution(const onnx::ModelProto& model, const qaicnet::Network& network) {
    const bool half = std::ranges::any_of(network.outputs(), [](const qaicnet::ValueInfo& output) {
        return output.type == qaicnet::ElemType::kFloat16;
    });
    return half && std::ranges::any_of(model.graph().node(), [](const onnx::NodeProto& node) {
               return node.op_type() == "Conv" || node.op_type() == "ConvTranspose";
           });
}

/// Within two units of the largest number, or the same bits.
bool nearly_same(OddBuffer& a, OddBuffer& b, qaicnet::ElemType type) {
    if (type != qaicnet::ElemType::kFloat16)
        return std::ranges::equal(a.bytes(), b.bytes());
    float largest = 0;
    float difference = 0;
    for (std::size_t i = 0; i + 1 < a.bytes().size(); i += 2) {
        qaicnet::Half x, y;
        std::memcpy(&x, a.bytes().data() + i, 2);
        std::memcpy(&y, b.bytes().data() + i, 2);
        if (x.bits != y.bits) {
            const float left = qaicnet::half_to_float(x);
            difference = std::max(difference, std::fabs(left - qaicnet::half_to_float(y)));
        }
        largest = std::max(largest, std::fabs(qaicnet::half_to_float(x)));
    }
    return difference <= largest * 0x1p-9F;
}

/// Empty when the passes change no bit, but for FLOAT16 convolutions.
std::string run_same(const std::string& base, const Case& test, const onnx::ModelProto& model) {
    const auto data = read_file(base + ".bin");
    std::vector<OddBuffer> outputs[2];
    std::vector<qaicnet::ElemType> types;
    bool exact = true;
    for (const bool passes : {true, false}) {
        qaicnet::LoadOptions options;
        options.passes = passes;
        auto network = qaicnet::Network::load(model, {}, options);
        if (!network)
            return "load() failed: " + network.error().message;
        if (auto text = run_loaded(test, data, **network); !text.empty())
            return text;
        Buffers buffers = make_buffers(test, data, **network);
        if (auto status = run(**network, buffers, 1); !status)
            return "run() failed: " + status.error().message;
        outputs[passes ? 1 : 0] = std::move(buffers.outputs);
        exact = !has_half_convolution(model, **network);
        types.clear();
        for (const auto& output : (*network)->outputs())
            types.push_back(output.type);
    }
    for (std::size_t i = 0; i < outputs[0].size(); ++i) {
        if (!nearly_same(outputs[0][i], outputs[1][i],
                         exact ? qaicnet::ElemType::kUInt8 : types[i]))
            return fmt::format("output {} changes with the passes", i);
    }
    return {};
}

/// Empty when the case passes.
std::string run_case(const std::string& base, const Case& test) {
    const auto model_bytes = read_file(base + ".onnx");
    onnx::ModelProto model;
    if (model_bytes.empty() ||
        !model.ParseFromArray(model_bytes.data(), static_cast<int>(model_bytes.size()))) {
        return "the model cannot be read; run ops.generate again";
    }
    if (test.kind == "same")
        return run_same(base, test, model);
    for (const bool passes : {true, false}) {
        if (auto text = run_model(base, test, model, passes); !text.empty())
            return passes ? text : "without passes: " + text;
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fmt::print(stderr, "usage: run_cases DIR OPERATOR COUNT\n");
        return 2;
    }
    const std::string folder = fmt::format("{}/{}/", argv[1], argv[2]);
    const std::string count_text = argv[3];
    std::size_t count = 0;
    std::from_chars(count_text.data(), count_text.data() + count_text.size(), count);
    const auto cases = read_cases(folder + "cases.txt");
    std::map<std::string, std::size_t> kinds;
    std::size_t failed = 0;
    for (const auto& test : cases) {
        ++kinds[test.kind == "compare" ? test.oracle : test.kind];
        const auto text = run_case(folder + test.stem, test);
        if (text.empty())
            continue;
        ++failed;
        fmt::print("FAIL {} {} (opset {}, {}{}.onnx): {}\n", argv[2], test.label, test.opset,
                   folder, test.stem, text);
    }
    std::string parts;
    for (const auto& [kind, number_of] : kinds)
        parts += fmt::format(", {} {}", number_of, kind);
    fmt::print("{}: {} cases, {} failed{}\n", argv[2], cases.size(), failed, parts);
    if (cases.size() != count || count < 20) {
        fmt::print(
            "{}: {} cases expected (tests/ops/counts.txt, at least 20); run generate.py --counts "
            "tests/ops/counts.txt\n",
            argv[2], count);
        return 1;
    }
    return failed == 0 ? 0 : 1;
}
