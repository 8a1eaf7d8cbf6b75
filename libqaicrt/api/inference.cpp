// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/activation_impl.hpp"
#include "libqaicrt/api/guard.hpp"
#include "libqaicrt/support/text.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace qaicrt {
namespace {

constexpr std::chrono::milliseconds kDestroyPatience{5000};

Error no_tensor(const char* kind, std::size_t index, std::size_t count) {
    return Error{Errc::kInvalidArgument, std::string("the program has no ") + kind + " " +
                                             std::to_string(index) + "; it has " +
                                             std::to_string(count)};
}

}  // namespace

OwnedBo::~OwnedBo() {
    if (backend_ != nullptr) {
        (void)backend_->slices_detach(handle_);  // fails harmlessly when never attached
        (void)backend_->bo_close(handle_);
    }
}

Status Inference::Impl::prepare() {
    const Program::Impl& program = activation->program.impl();
    const std::size_t count = program.stencil.buffers.size();
    bos.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        QAICRT_CHECK(add_buffer(i));
    }
    const auto spans = [&](const std::vector<TensorInfo>& tensors,
                           const std::vector<TensorPlace>& places) {
        std::vector<std::span<std::byte>> out;
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            out.push_back(memory[places[i].buffer].subspan(places[i].offset, tensors[i].bytes));
        }
        return out;
    };
    inputs = spans(program.inputs, program.input_places);
    outputs = spans(program.outputs, program.output_places);
    added = true;  // first: the destructor removes what add() did even if it throws
    activation->hub->add(run);
    return {};
}

Status Inference::Impl::add_buffer(std::size_t index) {
    const StencilBuffer& buffer = activation->program.impl().stencil.buffers[index];
    backend::Backend& backend = activation->backend();
    QAICRT_TRY(const backend::BoHandle handle, backend.bo_create(buffer.bytes));
    bos.emplace_back(backend, handle);
    QAICRT_TRY(const auto mapping, backend.bo_map(handle));
    if (mapping.size() < buffer.bytes) {
        return Error{Errc::kProtocol, "the driver gave a buffer of " +
                                          std::to_string(mapping.size()) + " bytes for one of " +
                                          std::to_string(buffer.bytes)};
    }
    memory.push_back(mapping);
    QAICRT_CHECK(backend.slices_attach(handle, activation->where.dbc, buffer.direction,
                                       activation->slices[index]));
    entries.push_back({handle, buffer.direction});
    run.bos.push_back(handle);
    return {};
}

Inference::Impl::~Impl() {
    if (!added) {
        return;
    }
    CompletionHub& hub = *activation->hub;
    if (hub.in_flight(run) && !hub.wait(run, kDestroyPatience) && hub.in_flight(run)) {
        (void)activation->deactivate();
        (void)hub.wait(run, std::chrono::milliseconds{0});  // its callback, if it has one
    }
    hub.remove(run);
}

Inference::Inference(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Inference::Inference(Inference&&) noexcept = default;
Inference& Inference::operator=(Inference&&) noexcept = default;
Inference::~Inference() = default;

std::span<std::byte> Inference::input(std::size_t index) noexcept {
    return index < impl_->inputs.size() ? impl_->inputs[index] : std::span<std::byte>{};
}

std::span<const std::byte> Inference::output(std::size_t index) const noexcept {
    return index < impl_->outputs.size() ? impl_->outputs[index] : std::span<std::byte>{};
}

Status Inference::set_input(std::size_t index, std::span<const std::byte> data) {
    if (index >= impl_->inputs.size()) {
        return no_tensor("input", index, impl_->inputs.size());
    }
    const std::span<std::byte> input = impl_->inputs[index];
    if (data.size() != input.size()) {
        const TensorInfo& tensor = impl_->activation->program.inputs()[index];
        return Error{Errc::kInvalidArgument, "input " + quoted(tensor.name) + " has " +
                                                 std::to_string(input.size()) + " bytes and " +
                                                 std::to_string(data.size()) + " were given"};
    }
    if (!data.empty()) {
        std::memcpy(input.data(), data.data(), data.size());
    }
    return {};
}

Status Inference::submit() {
    return submit({});
}

Status Inference::submit(std::function<void(const Status&)> done) {
    return guarded("submit the inference", [&] {
        return impl_->activation->hub->submit(impl_->run, impl_->entries, std::move(done));
    });
}

bool Inference::in_flight() const noexcept {
    return impl_->activation->hub->in_flight(impl_->run);
}

Status Inference::wait(std::chrono::milliseconds timeout) {
    return guarded("wait for the inference",
                   [&] { return impl_->activation->hub->wait(impl_->run, timeout); });
}

Status Inference::run(std::chrono::milliseconds timeout) {
    QAICRT_CHECK(submit());
    return wait(timeout);
}

Result<InferenceTimes> Inference::times() const {
    InferenceTimes times;
    bool first = true;
    for (const OwnedBo& bo : impl_->bos) {
        QAICRT_TRY(const auto stats,
                   impl_->activation->backend().stats(impl_->activation->where.dbc, bo.handle()));
        times.submit_us = std::max(times.submit_us, stats.submit_us);
        times.device_us = std::max(times.device_us, stats.device_us);
        times.queue_level_before = first ? stats.queue_level_before : times.queue_level_before;
        first = false;
    }
    return times;
}

}  // namespace qaicrt
