// SPDX-License-Identifier: Apache-2.0
#include "emu/net/network.hpp"

#include "emu/net/import.hpp"
#include "emu/net/network_impl.hpp"

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <new>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

Error wrong_size(const char* what, const ValueInfo& info, std::size_t given) {
    return {
        Errc::kInvalidArgument,
        fmt::format("{} {} takes {} bytes ({}{}) and the buffer has {}", what, quoted(info.name),
                    info.bytes(), elem_type_name(info.type), dims_text(info.dims), given)};
}

}  // namespace

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::~Network() = default;

Result<std::unique_ptr<Network>> Network::load(const onnx::ModelProto& model,
                                               std::span<const std::byte> constants,
                                               const LoadOptions& options) {
    try {
        auto impl = std::make_unique<Impl>(options.max_bytes);
        QAICRT_TRY(impl->graph, import_model(model, constants, options, impl->budget));
        impl->written = options.lowered;
        QAICRT_CHECK(build_network(*impl));
        return std::unique_ptr<Network>(new Network(std::move(impl)));
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "there is not enough memory to load the network");
    } catch (const std::exception& failure) {
        return Error(Errc::kInternal,
                     fmt::format("loading the network failed: {}", failure.what()));
    }
}

std::span<const ValueInfo> Network::inputs() const noexcept {
    return impl_->inputs;
}
std::span<const ValueInfo> Network::outputs() const noexcept {
    return impl_->outputs;
}
std::size_t Network::arena_bytes() const noexcept {
    return impl_->arena->size();
}

Status Network::run(std::span<const std::span<const std::byte>> inputs,
                    std::span<const std::span<std::byte>> outputs, Workers& workers) {
    Impl& net = *impl_;
    if (inputs.size() != net.inputs.size() || outputs.size() != net.outputs.size()) {
        return Error(
            Errc::kInvalidArgument,
            fmt::format("the network has {} inputs and {} outputs, and {} and {} were given",
                        net.inputs.size(), net.outputs.size(), inputs.size(), outputs.size()));
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].size() != net.outputs[i].bytes()) {
            return wrong_size("output", net.outputs[i], outputs[i].size());
        }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].size() != net.inputs[i].bytes()) {
            return wrong_size("input", net.inputs[i], inputs[i].size());
        }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::span<const std::byte> from = inputs[i];
        if (net.inputs[i].type == ElemType::kBool) {
            for (std::size_t k = 0; k < from.size(); ++k) {
                net.input_data[i][k] = std::byte{from[k] != std::byte{0}};
            }
        } else if (!from.empty()) {
            std::memcpy(net.input_data[i], from.data(), from.size());
        }
    }
    for (const Step& step : net.steps) {
        QAICRT_CHECK(step.kernel->run({step.in.data(), step.out.data(), step.scratch, workers}));
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (!outputs[i].empty()) {
            std::memcpy(outputs[i].data(), net.output_data[i], outputs[i].size());
        }
    }
    return {};
}

std::vector<std::string> Network::steps() const {
    std::vector<std::string> names;
    for (const Step& step : impl_->steps) {
        names.push_back(step.name);
    }
    return names;
}

}  // namespace qaicnet
