// SPDX-License-Identifier: Apache-2.0
/// Weights go to constants.bin, where the card loads them once for all activations of a program.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"
#include "emu/net/network.hpp"

#include <fmt/format.h>

#include <cstring>
#include <string>

namespace qaicc {
namespace {

using onnx::TensorProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Status;

constexpr std::size_t kAlign = 64;
/// Shapes, axes and indices that the graph's structure depends on stay readable in it.
constexpr std::size_t kInlineBytes = 4096;

bool is_integer(std::int32_t type) {
    switch (type) {
        case TensorProto::INT8:
        case TensorProto::INT16:
        case TensorProto::INT32:
        case TensorProto::INT64:
        case TensorProto::UINT16:
        case TensorProto::UINT32:
        case TensorProto::UINT64:
        case TensorProto::BOOL:
            return true;
        default:
            return false;  // UINT8 holds MX codes and scales: they belong to the weights
    }
}

void add_external(TensorProto& tensor, const char* key, const std::string& value) {
    auto* entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
}

}  // namespace

Status move_constants(Lowering& lowering) {
    std::vector<std::byte>& out = lowering.constants;
    std::size_t total = 0;
    for (const auto& tensor : lowering.model.graph().initializer()) {
        total += tensor.raw_data().size() + kAlign;
    }
    out.reserve(total);
    for (auto& tensor : *lowering.model.mutable_graph()->mutable_initializer()) {
        if (qaicnet::elem_bytes(static_cast<qaicnet::ElemType>(tensor.data_type())) == 0) {
            return Error(Errc::kUnsupported,
                         fmt::format("Constant '{}' of {} has the type {}, which this version does "
                                     "not compute with; convert it before exporting.",
                                     tensor.name(), lowering.source,
                                     qaicnet::onnx_type_name(tensor.data_type())));
        }
        const std::string& raw = tensor.raw_data();
        if (raw.empty() || (is_integer(tensor.data_type()) && raw.size() <= kInlineBytes)) {
            continue;
        }
        const std::size_t offset = (out.size() + kAlign - 1) / kAlign * kAlign;
        out.resize(offset + raw.size());
        std::memcpy(out.data() + offset, raw.data(), raw.size());
        const std::size_t length = raw.size();
        // clear_raw_data() alone keeps the memory, and weights are most of it.
        std::string().swap(*tensor.mutable_raw_data());
        tensor.clear_raw_data();
        tensor.set_data_location(TensorProto::EXTERNAL);
        add_external(tensor, "location", qaicnet::kConstantsLocation);
        add_external(tensor, "offset", std::to_string(offset));
        add_external(tensor, "length", std::to_string(length));
        lowering.say(
            3, fmt::format("constants.bin: '{}' at {}, {} bytes", tensor.name(), offset, length));
    }
    out.resize((out.size() + kAlign - 1) / kAlign * kAlign);
    return {};
}

}  // namespace qaicc
