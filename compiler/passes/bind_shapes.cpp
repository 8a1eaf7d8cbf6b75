// SPDX-License-Identifier: Apache-2.0
/// -batchsize, -input-shape and -onnx-define-symbol: after this pass every input has a fixed shape.
#include "compiler/graph_util.hpp"
#include "compiler/passes/passes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace qaicc {
namespace {

using Dimension = onnx::TensorShapeProto::Dimension;
using onnx::GraphProto;
using onnx::ValueInfoProto;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;
using Sizes = std::unordered_map<std::string, std::int64_t>;

onnx::TensorShapeProto* shape_of(ValueInfoProto& value) {
    if (!value.type().has_tensor_type() || !value.type().tensor_type().has_shape()) {
        return nullptr;
    }
    return value.mutable_type()->mutable_tensor_type()->mutable_shape();
}

std::string shown(const Dimension& dim) {
    if (dim.has_dim_value()) {
        return std::to_string(dim.dim_value());
    }
    return dim.dim_param().empty() ? "no size" : fmt::format("'{}'", dim.dim_param());
}

bool same_size(const Dimension& a, const Dimension& b) {
    return a.has_dim_value() == b.has_dim_value() && a.dim_value() == b.dim_value() &&
           a.dim_param() == b.dim_param();
}

/// Replaces the leading dimension of every input. One size must have stood for all of them: inputs
/// that differed would otherwise become equal without anybody having said so. Returns the dimension
/// that was replaced.
Result<Dimension> replace_batch(Lowering& lowering, GraphProto& graph, Sizes& sizes) {
    const std::int64_t batch = *lowering.options.batch_size;
    std::optional<Dimension> old;
    std::string first;
    for (auto& input : *graph.mutable_input()) {
        auto* shape = shape_of(input);
        if (shape == nullptr || shape->dim_size() == 0) {
            continue;
        }
        if (!old) {
            old = shape->dim(0);
            first = input.name();
        } else if (!same_size(*old, shape->dim(0))) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("-batchsize={} needs inputs that share one leading dimension, "
                            "but '{}' has {} and '{}' has {}; bind symbols with "
                            "-onnx-define-symbol instead.",
                            batch, first, shown(*old), input.name(), shown(shape->dim(0))));
        }
        shape->mutable_dim(0)->set_dim_value(batch);
    }
    if (!old) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("-batchsize={}: {} has no input with a leading dimension; leave "
                                 "the option out.",
                                 batch, lowering.source));
    }
    if (!old->dim_param().empty()) {
        const auto [bound, added] = sizes.emplace(old->dim_param(), batch);
        if (!added && bound->second != batch) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("-batchsize={} and -onnx-define-symbol={},{} contradict each "
                                     "other: give one of them.",
                                     batch, old->dim_param(), bound->second));
        }
    }
    return *std::move(old);
}

/// Declared output shapes are checked against what the runner infers, so they follow the batch.
void rebatch_outputs(GraphProto& graph, const Dimension& old, std::int64_t batch) {
    for (auto& output : *graph.mutable_output()) {
        auto* shape = shape_of(output);
        if (shape != nullptr && shape->dim_size() > 0 && same_size(old, shape->dim(0))) {
            shape->mutable_dim(0)->set_dim_value(batch);
        }
    }
}

void bind_symbols(ValueInfoProto& value, const Sizes& sizes, std::set<std::string>& used) {
    auto* shape = shape_of(value);
    for (int i = 0; shape != nullptr && i < shape->dim_size(); ++i) {
        const std::string symbol = shape->dim(i).dim_param();
        const auto size = sizes.find(symbol);
        if (!symbol.empty() && size != sizes.end()) {
            shape->mutable_dim(i)->set_dim_value(size->second);
            used.insert(symbol);
        }
    }
}

/// One input gets the shape that -input-shape gives. Sizes that are fixed already must agree: the
/// graph was made for them.
Status set_shape(const Lowering& lowering, ValueInfoProto& input,
                 const std::vector<std::int64_t>& dims, std::set<std::string>& used) {
    if (!input.type().has_tensor_type()) {
        return {};  // check_inputs refuses it
    }
    const std::string given = fmt::format("-input-shape={},{}", input.name(), fmt::join(dims, "x"));
    auto& tensor = *input.mutable_type()->mutable_tensor_type();
    const bool ranked = tensor.has_shape();
    auto& shape = *tensor.mutable_shape();
    if (ranked && static_cast<std::size_t>(shape.dim_size()) != dims.size()) {
        return Error(Errc::kInvalidArgument,
                     fmt::format("{} gives {} dimensions, but the input '{}' of {} has {}.", given,
                                 dims.size(), input.name(), lowering.source, shape.dim_size()));
    }
    for (std::size_t i = 0; i < dims.size(); ++i) {
        Dimension& dim = ranked ? *shape.mutable_dim(static_cast<int>(i)) : *shape.add_dim();
        if (dim.has_dim_value() && dim.dim_value() >= 0 && dim.dim_value() != dims[i]) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format(
                    "{} contradicts the input '{}' of {}, whose dimension {} is fixed to "
                    "{}{}: give {} there.",
                    given, input.name(), lowering.source, i, dim.dim_value(),
                    i == 0 && lowering.options.batch_size ? " (the model's, or -batchsize)" : "",
                    dim.dim_value()));
        }
        used.insert(dim.dim_param());
        dim.set_dim_value(dims[i]);
    }
    return {};
}

Status set_shapes(const Lowering& lowering, GraphProto& graph, std::set<std::string>& used) {
    for (const auto& [name, dims] : lowering.options.input_shapes) {
        auto& inputs = *graph.mutable_input();
        const auto named = [&name = name](const ValueInfoProto& value) {
            return value.name() == name;
        };
        const auto input = std::find_if(inputs.begin(), inputs.end(), named);
        if (input == inputs.end()) {
            std::string names;
            for (const auto& value : graph.input()) {
                names += fmt::format("{}'{}'", names.empty() ? "" : ", ", value.name());
            }
            return Error(Errc::kInvalidArgument,
                         fmt::format("-input-shape={},{}: {} has no input '{}'; its inputs are {}.",
                                     name, fmt::join(dims, "x"), lowering.source, name,
                                     names.empty() ? "none" : names));
        }
        QAICRT_CHECK(set_shape(lowering, *input, dims, used));
    }
    return {};
}

/// " -input-shape=x,INTx3xINT": what is open about an input, in the form that binds it.
std::string shape_option(const ValueInfoProto& input) {
    std::string dims;
    for (const Dimension& dim : input.type().tensor_type().shape().dim()) {
        dims += dims.empty() ? "" : "x";
        dims += dim.has_dim_value() && dim.dim_value() > 0 ? std::to_string(dim.dim_value())
                                                           : std::string("INT");
    }
    return fmt::format(" -input-shape={},{}", input.name(), dims.empty() ? "INTxINT..." : dims);
}

/// The symbols that are still open, and how to bind them.
struct OpenSymbols {
    std::vector<std::string> names;
    std::string where, shapes;

    void add(const ValueInfoProto& input) {
        bool open = false;
        for (const Dimension& dim : input.type().tensor_type().shape().dim()) {
            if (dim.dim_param().empty()) {
                continue;
            }
            open = true;
            if (std::find(names.begin(), names.end(), dim.dim_param()) == names.end()) {
                names.push_back(dim.dim_param());
                where += fmt::format("{}'{}' (input '{}')", where.empty() ? "" : ", ",
                                     dim.dim_param(), input.name());
            }
        }
        shapes += open ? shape_option(input) : "";
    }

    Error refusal(const std::string& source) const {
        std::string how;
        for (const std::string& symbol : names) {
            how += fmt::format(" -onnx-define-symbol={},INT", symbol);
        }
        return {Errc::kInvalidArgument,
                fmt::format("{} leaves {} open: {}; give{}, or{}.", source,
                            names.size() == 1 ? "a symbolic dimension" : "symbolic dimensions",
                            where, how, shapes)};
    }
};

/// What no symbol could bind about an input.
Status check_input(const Lowering& lowering, const ValueInfoProto& input) {
    if (!input.type().has_tensor_type()) {
        return Error(Errc::kUnsupported,
                     fmt::format("Input '{}' of {} is not a tensor; export the model with "
                                 "tensors as inputs.",
                                 input.name(), lowering.source));
    }
    if (!input.type().tensor_type().has_shape()) {
        return Error(
            Errc::kInvalidArgument,
            fmt::format("Input '{}' of {} has no shape; give{}, or export the model with one.",
                        input.name(), lowering.source, shape_option(input)));
    }
    const auto& shape = input.type().tensor_type().shape();
    for (int i = 0; i < shape.dim_size(); ++i) {
        const Dimension& dim = shape.dim(i);
        if (dim.has_dim_value() && dim.dim_value() == 0) {
            return Error(Errc::kUnsupported,
                         fmt::format("Input '{}' of {} has size 0 in dimension {}; a program's "
                                     "tensors hold at least one element.",
                                     input.name(), lowering.source, i));
        }
        if (dim.dim_param().empty() && dim.dim_value() < 1) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("Dimension {} of input '{}' of {} has neither a size nor a "
                                     "name; give{}{}.",
                                     i, input.name(), lowering.source, shape_option(input),
                                     i == 0 ? ", or -batchsize=INT" : ""));
        }
    }
    return {};
}

/// Finds everything about the inputs that is still open, and says how to bind it.
Status check_inputs(const Lowering& lowering, const GraphProto& graph) {
    OpenSymbols open;
    for (const auto& input : graph.input()) {
        QAICRT_CHECK(check_input(lowering, input));
        open.add(input);
    }
    return open.names.empty() ? Status() : open.refusal(lowering.source);
}

}  // namespace

Status bind_shapes(Lowering& lowering) {
    GraphProto& graph = *lowering.model.mutable_graph();
    graph.clear_value_info();
    Sizes sizes;
    for (const auto& [symbol, size] : lowering.options.symbols) {
        if (size < 1) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("Symbol '{}' is given the size {}: give at least 1.", symbol, size));
        }
        sizes.emplace(symbol, size);
    }
    std::set<std::string> used;
    if (lowering.options.batch_size) {
        if (*lowering.options.batch_size < 1) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("The batch size is {}: give at least 1.",
                                     *lowering.options.batch_size));
        }
        QAICRT_TRY(const Dimension old, replace_batch(lowering, graph, sizes));
        rebatch_outputs(graph, old, *lowering.options.batch_size);
        used.insert(old.dim_param());
    }
    QAICRT_CHECK(set_shapes(lowering, graph, used));
    for (auto& input : *graph.mutable_input()) {
        bind_symbols(input, sizes, used);
    }
    for (auto& output : *graph.mutable_output()) {
        bind_symbols(output, sizes, used);
    }
    for (const auto& [symbol, size] : lowering.options.symbols) {
        if (!used.contains(symbol)) {
            lowering.warn(
                fmt::format("WARNING: {} has no symbolic dimension '{}'; its size {} is not used.",
                            lowering.source, symbol, size));
        }
    }
    return check_inputs(lowering, graph);
}

}  // namespace qaicc
