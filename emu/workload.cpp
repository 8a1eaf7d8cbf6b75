// SPDX-License-Identifier: Apache-2.0
#include "emu/workload.hpp"

#include <hw/aic100_dbc.h>

#include <onnx/onnx_pb.h>

#include <climits>
#include <exception>
#include <system_error>
#include <utility>

namespace qaicemu {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::qpc::AddrSpace;
using qaicrt::qpc::DmaRequest;
using qaicrt::qpc::Metadata;
using qaicrt::qpc::TcmSpace;

namespace {

Error bad_request(std::size_t index, const std::string& what) {
    return Error(Errc::kFormat,
                 "The metadata's DMA request " + std::to_string(index) + " " + what + ".");
}

/// Where in the L2TCM of virtual NSP 0 the request's only doorbell lands.
qaicrt::Result<Doorbell> doorbell_of(const Metadata& metadata, std::size_t index) {
    const DmaRequest& request = metadata.requests[index];
    if (request.doorbells.size() != 1 || request.doorbells[0].width_bits != 32 ||
        request.doorbells[0].data == 0) {
        return bad_request(index, "needs one 32-bit doorbell that is not zero");
    }
    const auto& bell = request.doorbells[0];
    const bool reaches_nsp0 = bell.mcid < metadata.host_multicast.size() &&
                              (metadata.host_multicast[bell.mcid].mask & 1) != 0 &&
                              !metadata.nsp_multicast.empty() &&
                              bell.mcid < metadata.nsp_multicast[0].size() &&
                              metadata.nsp_multicast[0][bell.mcid].space == TcmSpace::kL2Tcm;
    if (!reaches_nsp0) {
        return bad_request(index, "has a doorbell that does not reach the L2TCM of NSP 0");
    }
    const std::uint64_t base = metadata.nsp_multicast[0][bell.mcid].base_offset;
    if (base > kL2TcmMaxBytes || bell.offset > kL2TcmMaxBytes - sizeof(std::uint32_t) ||
        base + bell.offset > kL2TcmMaxBytes - sizeof(std::uint32_t) ||
        (base + bell.offset) % sizeof(std::uint32_t) != 0) {
        return bad_request(index, "has a doorbell outside the L2TCM");
    }
    return Doorbell{base + bell.offset, bell.data};
}

qaicrt::Result<std::span<std::byte>> buffer_of(const Metadata& metadata, std::size_t index,
                                               const qaicnet::ValueInfo& tensor, bool from_device,
                                               std::span<std::byte> shared_ddr) {
    const DmaRequest& request = metadata.requests[index];
    if (request.num != index || request.from_device != from_device) {
        return bad_request(index, "is not in the order inputs, then outputs, one per tensor");
    }
    if (request.space != AddrSpace::kDdr) {
        return bad_request(index, "does not address static shared DDR");
    }
    if (request.size != tensor.bytes()) {
        return bad_request(index, "moves " + std::to_string(request.size) + " bytes, but tensor '" +
                                      tensor.name + "' has " + std::to_string(tensor.bytes()));
    }
    if (request.dev_offset > shared_ddr.size() ||
        shared_ddr.size() - request.dev_offset < request.size) {
        return bad_request(index, "leaves the program's shared DDR");
    }
    return shared_ddr.subspan(request.dev_offset, request.size);
}

/// protobuf and the network runner may throw where memory ends; nothing may leave this library.
template <class Body>
auto guarded(Body body) -> decltype(body()) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory,
                     "The host has not enough memory to load the program's network.");
    } catch (const std::system_error& problem) {
        return Error(Errc::kNoMemory, "The host has no threads for the program's NSPs.",
                     problem.code().value());
    } catch (const std::exception& problem) {
        return Error(Errc::kFormat, std::string("The program's network cannot be loaded: ") +
                                        problem.what() + ".");
    }
}

}  // namespace

Workload::~Workload() {
    join();
}

qaicrt::Result<std::unique_ptr<Workload>> Workload::create(const Metadata& metadata,
                                                           const WorkloadSpec& spec) {
    return guarded([&]() -> qaicrt::Result<std::unique_ptr<Workload>> {
        onnx::ModelProto model;
        if (spec.model.size() > INT_MAX ||
            !model.ParseFromArray(spec.model.data(), static_cast<int>(spec.model.size()))) {
            return Error(Errc::kFormat, "The ELF section .qaic.emu is not an ONNX model.");
        }
        std::unique_ptr<Workload> workload(new Workload);
        QAICRT_TRY(workload->network_, qaicnet::Network::load(model, spec.constants));
        QAICRT_CHECK(workload->plan(metadata, spec.shared_ddr));
        workload->workers_ = qaicnet::make_workers(spec.threads);
        return workload;
    });
}

qaicrt::Status Workload::plan(const Metadata& metadata, std::span<std::byte> shared_ddr) {
    const auto inputs = network_->inputs();
    const auto outputs = network_->outputs();
    if (metadata.requests.size() != inputs.size() + outputs.size()) {
        return Error(Errc::kFormat, "The metadata has " + std::to_string(metadata.requests.size()) +
                                        " DMA requests, but the network has " +
                                        std::to_string(inputs.size()) + " inputs and " +
                                        std::to_string(outputs.size()) + " outputs.");
    }
    if (outputs.empty()) {
        return Error(Errc::kFormat, "The program's network has no output.");
    }
    if (metadata.num_semaphores <= kOutputSemaphore) {
        return Error(Errc::kFormat, "The program has fewer than two semaphores.");
    }
    for (std::size_t i = 0; i < metadata.requests.size(); ++i) {
        const bool output = i >= inputs.size();
        const auto& tensor = output ? outputs[i - inputs.size()] : inputs[i];
        QAICRT_TRY(const auto bytes, buffer_of(metadata, i, tensor, output, shared_ddr));
        QAICRT_TRY(const auto bell, doorbell_of(metadata, i));
        if (output) {
            outputs_.push_back(bytes);
            output_doorbells_.push_back(bell);
        } else {
            inputs_.push_back(bytes);
            input_doorbells_.push_back(bell);
        }
    }
    return {};
}

qaicrt::Status Workload::start(DmaChannel& channel) {
    try {
        thread_ = std::thread([this, &channel] { loop(channel); });
    } catch (const std::system_error& problem) {
        return Error(Errc::kNoMemory, "The host has no thread for the program's NSP.",
                     problem.code().value());
    }
    return {};
}

void Workload::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

/// One turn per inference. The semaphores and doorbells are those of programs that published
/// compilers make, so requests of such programs and ours look alike to the bridge.
void Workload::loop(DmaChannel& channel) {
    constexpr SemCommand kInputsWanted{
        .enabled = true, .op = AIC100_SEM_INC, .index = kInputSemaphore};
    constexpr SemCommand kOutputsReady{
        .enabled = true, .op = AIC100_SEM_DEC, .index = kOutputSemaphore};
    while (true) {
        if (!inputs_.empty()) {
            channel.signal(input_doorbells_, kInputsWanted);
            if (!channel.wait_doorbells(input_doorbells_)) {
                return;
            }
        }
        // The outputs of the last turn must have left before the network overwrites them.
        if (!channel.wait_doorbells(output_doorbells_)) {
            return;
        }
        const bool failed = channel.take_input_failure();
        if (failed) {
            channel.set_error_text(
                "An input of the inference did not arrive; its outputs are not valid.");
        }
        channel.set_output_failed(failed || !run_once(channel));
        channel.signal(output_doorbells_, kOutputsReady);
    }
}

/// True when the outputs are valid; otherwise the words are in the channel's error.
bool Workload::run_once(DmaChannel& channel) {
    try {
        auto status = network_->run(inputs_, outputs_, *workers_);
        if (!status) {
            std::string& text = status.error().message;
            channel.set_error(text.empty() ? "The network failed." : std::move(text));
        }
        return status.has_value();
    } catch (const std::exception& problem) {
        channel.set_error_text("The network failed: ", problem.what());
        return false;
    }
}

}  // namespace qaicemu
