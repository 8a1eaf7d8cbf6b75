// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx_conformance/case.hpp"

#include "emu/net/half.hpp"
#include "emu/net/model_io.hpp"
#include "emu/net/network.hpp"
#include "tests/onnx_conformance/case_files.hpp"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

namespace conformance {
namespace {

using qaicnet::ElemType;

[[noreturn]] void fail(std::string reason) {
    throw Failure{"failed", std::move(reason)};
}

double as_double(const Bytes& bytes, ElemType type, std::size_t i) {
    const auto get = [&]<class T>(T value) {
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        return value;
    };
    switch (type) {
        case ElemType::kFloat:
            return get(float{});
        case ElemType::kDouble:
            return get(double{});
        default:
            return qaicnet::half_to_float(get(qaicnet::Half{}));
    }
}

/// `nodes`: of the graph. ONNX's own answer comes from one operator where the graph has many, each
/// of which rounds: two units of FLOAT16 are allowed then.
void compare(const Bytes& got, const onnx::TensorProto& wanted, const qaicnet::ValueInfo& info,
             int nodes) {
    if (static_cast<int>(info.type) != wanted.data_type()) {
        fail(fmt::format("output '{}' has type {}, wanted {}", info.name,
                         qaicnet::elem_type_name(info.type),
                         qaicnet::onnx_type_name(wanted.data_type())));
    }
    const std::vector<std::int64_t> dims(wanted.dims().begin(), wanted.dims().end());
    if (dims != info.dims) {
        fail(fmt::format("output '{}' has shape [{}], wanted [{}]", info.name,
                         fmt::join(info.dims, ","), fmt::join(dims, ",")));
    }
    const Bytes want = tensor_bytes(wanted);
    if (want.size() != got.size()) {
        fail(fmt::format("output '{}' has {} bytes, the reference {}", info.name, got.size(),
                         want.size()));
    }
    const bool real = info.type == ElemType::kFloat || info.type == ElemType::kDouble ||
                      info.type == ElemType::kFloat16;
    if (!real) {
        if (got != want) {
            fail(fmt::format("output '{}' differs", info.name));
        }
        return;
    }
    const double relative = info.type == ElemType::kFloat16 && nodes > 1 ? 0x1p-9 : 1e-3;
    const std::size_t count = got.size() / qaicnet::elem_bytes(info.type);
    for (std::size_t i = 0; i < count; ++i) {
        const double a = as_double(got, info.type, i);
        const double b = as_double(want, info.type, i);
        const bool equal = a == b || (std::isnan(a) && std::isnan(b)) ||
                           std::fabs(a - b) <= 1e-7 + relative * std::fabs(b);
        if (!equal) {
            fail(fmt::format("output '{}' is {} at element {}, wanted {}", info.name, a, i, b));
        }
    }
}

std::vector<Bytes> run(qaicnet::Network& network, const std::vector<onnx::TensorProto>& inputs,
                       const std::vector<std::size_t>& left, unsigned threads) {
    std::vector<Bytes> in, out;
    std::vector<std::span<const std::byte>> in_spans;
    std::vector<std::span<std::byte>> out_spans;
    for (const std::size_t i : left) {
        in.push_back(tensor_bytes(inputs[i]));
    }
    for (const auto& output : network.outputs()) {
        out.emplace_back(output.bytes());
    }
    in_spans.assign(in.begin(), in.end());
    out_spans.assign(out.begin(), out.end());
    const auto workers = qaicnet::make_workers(threads);
    if (const auto status = network.run(in_spans, out_spans, *workers); !status) {
        fail(status.error().message);
    }
    return out;
}

void run_data_set(const onnx::ModelProto& model, const std::filesystem::path& folder) {
    const auto inputs = read_tensors(folder, "input");
    const auto outputs = read_tensors(folder, "output");
    std::vector<std::size_t> left;
    const onnx::ModelProto bound = bind_shape_inputs(model, inputs, left);
    std::vector<Bytes> first;
    for (const bool passes : {true, false}) {
        qaicnet::LoadOptions options;
        options.passes = passes;
        auto network = qaicnet::Network::load(bound, {}, options);
        if (!network) {
            throw Failure{"unsupported", network.error().message};
        }
        first = run(**network, inputs, left, 1);
        if (first != run(**network, inputs, left, 2)) {
            fail("two threads give another result than one");
        }
        if ((*network)->outputs().size() < outputs.size()) {
            fail("the model has fewer outputs than the reference");
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            compare(first[i], outputs[i], (*network)->outputs()[i], model.graph().node_size());
        }
    }
}

}  // namespace

Outcome run_case(const std::string& folder) {
    try {
        const std::filesystem::path path(folder);
        std::ifstream file(path / "model.onnx", std::ios::binary);
        onnx::ModelProto model;
        if (!file || !model.ParseFromIstream(&file)) {
            return {false, "failed", "model.onnx cannot be read"};
        }
        int sets = 0;
        for (;; ++sets) {
            const auto set = path / fmt::format("test_data_set_{}", sets);
            if (!std::filesystem::exists(set)) {
                break;
            }
            run_data_set(model, set);
        }
        return sets > 0 ? Outcome{true, "", ""} : Outcome{false, "failed", "there is no data set"};
    } catch (const Failure& failure) {
        return {false, failure.stage, failure.reason};
    }
}

}  // namespace conformance
