// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/activation_impl.hpp"
#include "libqaicrt/api/guard.hpp"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <utility>

namespace qaicrt {
namespace {

constexpr unsigned kMaxDepth = 4096;

/// Everything that can be refused before something is loaded.
Status check_fit(const Device& device, const Program& program) {
    const Program::Impl& impl = program.impl();
    if (!impl.cannot_run.empty()) {
        return Error{Errc::kUnsupported, "the program cannot run: " + impl.cannot_run};
    }
    QAICRT_TRY(const nnc::CardStatus card, query_status(*device.impl()->backend));
    QAICRT_CHECK(nnc::check_versions(card));
    const bool emulated = card.fw_variant == nnc::kEmulatedVariant;
    if (program.made_for_emulator() && !emulated) {
        return Error{Errc::kUnsupported,
                     "the program was made for the emulated card and " + device.info().name +
                         " is real; compile the model with the vendor's compiler for it"};
    }
    if (!program.made_for_emulator() && emulated) {
        return Error{Errc::kUnsupported,
                     "the program is compiled for the card's NSPs; run it on a card"};
    }
    const unsigned wanted = impl.image.metadata.hw_version_major;
    if (card.hw_version >> 16 != wanted) {
        return Error{Errc::kUnsupported, "the program is for hardware version " +
                                             std::to_string(wanted) + " and the card has version " +
                                             std::to_string(card.hw_version >> 16)};
    }
    return {};
}

bool is_restarting(const Status& status) {
    return !status && status.error().device_status == AIC100_ST_SS_UNDER_SSR_ERROR;
}

}  // namespace

Activation::Impl::~Impl() {
    (void)deactivate();  // what cannot be ended now ends with the user
}

Status Activation::Impl::activate(std::chrono::milliseconds timeout) {
    const std::uint64_t segment = std::max<std::uint64_t>(backend().info().segment_bytes, 4096);
    QAICRT_TRY(const std::uint32_t elements,
               queue_elements(program.impl().stencil, depth, segment));
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto delay = device.impl()->retry_delay;
    Status status;
    for (int attempt = 1;; ++attempt) {
        bool restarting = false;
        status = try_activate(elements, restarting);
        if (status || !restarting || attempt == kRestartAttempts ||
            std::chrono::steady_clock::now() + delay > deadline) {
            break;
        }
        std::this_thread::sleep_for(delay);
    }
    QAICRT_CHECK(status);
    active_ = true;
    QAICRT_TRY(auto source, backend().completions(where.dbc));
    hub = std::make_unique<CompletionHub>(backend(), where.dbc, std::move(source), depth);
    for (const StencilBuffer& buffer : program.impl().stencil.buffers) {
        QAICRT_TRY(auto absolute, rebase(buffer, where));
        slices.push_back(std::move(absolute));
    }
    return {};
}

Status Activation::Impl::try_activate(std::uint32_t elements, bool& restarting) {
    const auto pid = static_cast<std::uint32_t>(::getpid());
    const CommandResult result =
        send_command(backend(), nnc::activate(pid, loaded->constants_id(), loaded->elf_id()),
                     backend::ActivateRequest{elements, 0});
    const auto* channel = result.find<backend::ActivateReply>();
    if (channel != nullptr && channel->status != 0) {
        channel = nullptr;  // refused: nothing to give back
    }
    QAICRT_TRY(const auto answer, result.answer());
    auto activated = explained(backend(), nnc::parse_activate(answer));
    if (!activated) {
        Status refused{std::move(activated).error()};
        restarting = is_restarting(refused);
        undo(nnc::activation_to_undo(answer), channel);
        return refused;
    }
    if (result.transport && channel != nullptr && channel->dbc == activated->dbc) {
        where = *activated;
        return {};
    }
    undo(activated->activation_id, channel);
    QAICRT_CHECK(result.transport);
    return Error{Errc::kProtocol,
                 channel == nullptr
                     ? std::string("the card activated the program without giving it a channel")
                     : "the card names channel " + std::to_string(activated->dbc) +
                           " and channel " + std::to_string(channel->dbc) + " for one activation"};
}

void Activation::Impl::undo(std::optional<std::uint32_t> activation_id,
                            const backend::ActivateReply* channel) {
    if (!activation_id) {
        return;  // refused, or unreadable: without an id only the end of the user ends it
    }
    if (channel == nullptr) {
        (void)send_command(backend(), nnc::deactivate(*activation_id));
    } else {
        (void)send_command(backend(), nnc::deactivate(*activation_id),
                           backend::DeactivateRequest{channel->dbc});
    }
}

Status Activation::Impl::deactivate() {
    const std::lock_guard lock(end_mutex_);
    if (!active_) {
        return {};
    }
    Status status;
    for (int attempt = 1; attempt <= kRestartAttempts; ++attempt) {
        if (attempt > 1) {
            std::this_thread::sleep_for(device.impl()->retry_delay);
        }
        const CommandResult result = send_command(backend(), nnc::deactivate(where.activation_id),
                                                  backend::DeactivateRequest{where.dbc});
        if (const auto answer = result.answer()) {
            status = nnc::parse_deactivate(*answer);
        } else {
            status = Status{answer.error()};
        }
        if (status && !result.transport) {
            status = result.transport;
        }
        if (!is_restarting(status)) {
            break;
        }
    }
    if (status) {
        active_ = false;
        if (hub != nullptr) {
            hub->close();
        }
    }
    return status;
}

Status Activation::Impl::usable() {
    const std::lock_guard lock(end_mutex_);
    return hub->usable();
}

Activation::Activation(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<Activation> Activation::create(const Device& device, const Program& program,
                                      const ActivationOptions& options) {
    return guarded("activate the program", [&]() -> Result<Activation> {
        if (options.depth == 0 || options.depth > kMaxDepth) {
            return Error{Errc::kInvalidArgument,
                         "the depth " + std::to_string(options.depth) + " is not within 1 to 4096"};
        }
        QAICRT_CHECK(check_fit(device, program));
        auto impl = std::make_shared<Impl>(device, program, options.depth);
        QAICRT_TRY(impl->loaded, LoadedProgram::get(device, program));
        QAICRT_CHECK(impl->activate(options.activate_timeout));
        return Activation(std::move(impl));
    });
}

const Program& Activation::program() const noexcept {
    return impl_->program;
}
unsigned Activation::depth() const noexcept {
    return impl_->depth;
}
unsigned Activation::dbc() const noexcept {
    return impl_->where.dbc;
}
std::uint32_t Activation::nsp_mask() const noexcept {
    return impl_->where.nsp_mask;
}

Result<Inference> Activation::create_inference() const {
    return guarded("make the inference's buffers", [&]() -> Result<Inference> {
        QAICRT_CHECK(impl_->hub->usable());
        auto inference = std::make_unique<Inference::Impl>(impl_);
        if (auto status = inference->prepare(); !status) {
            QAICRT_CHECK(impl_->usable());
            return std::move(status).error();
        }
        return Inference(std::move(inference));
    });
}

Result<std::size_t> Activation::poll(std::chrono::milliseconds timeout) const {
    const auto keep = impl_;  // a callback may drop the last Activation
    return guarded("take finished inferences", [&] { return keep->hub->poll(timeout); });
}

Result<int> Activation::completion_fd() const {
    return impl_->hub->fd();
}

Status Activation::deactivate() {
    return impl_->deactivate();
}

}  // namespace qaicrt
