// SPDX-License-Identifier: Apache-2.0
/// Inside of Activation and Inference.
#pragma once

#include "libqaicrt/api/completion_hub.hpp"
#include "libqaicrt/api/loaded_program.hpp"
#include "libqaicrt/backend/backend.hpp"

#include <qaicrt/activation.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace qaicrt {

struct Activation::Impl {
    Impl(const Device& on, const Program& what, unsigned with_depth)
        : device(on), program(what), depth(with_depth) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    /// Activates on the card; undoes it when the card's answer is not usable.
    Status activate(std::chrono::milliseconds timeout);
    /// Ends the workload once; later calls return success.
    Status deactivate();

    /// kCancelled once the workload has ended; waits for a deactivation under way.
    Status usable();

    backend::Backend& backend() const { return *device.impl()->backend; }

    const Device device;    // keeps the user alive
    const Program program;  // keeps the bytes alive
    const unsigned depth;
    std::shared_ptr<LoadedProgram> loaded;
    nnc::Activated where;
    std::unique_ptr<CompletionHub> hub;
    std::vector<std::vector<backend::Slice>> slices;  ///< per buffer of the stencil, absolute

  private:
    Status try_activate(std::uint32_t elements, bool& restarting);
    void undo(std::optional<std::uint32_t> activation_id, const backend::ActivateReply* channel);

    std::mutex end_mutex_;
    bool active_ = false;  // under end_mutex_
};

/// A BO that detaches and closes itself.
class OwnedBo {
  public:
    OwnedBo(backend::Backend& backend, backend::BoHandle handle) noexcept
        : backend_(&backend), handle_(handle) {}
    OwnedBo(OwnedBo&& other) noexcept
        : backend_(std::exchange(other.backend_, nullptr)), handle_(other.handle_) {}
    OwnedBo& operator=(OwnedBo&&) = delete;
    ~OwnedBo();
    backend::BoHandle handle() const noexcept { return handle_; }

  private:
    backend::Backend* backend_;
    backend::BoHandle handle_;
};

struct Inference::Impl {
    explicit Impl(std::shared_ptr<Activation::Impl> on) : activation(std::move(on)) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Status prepare();
    Status add_buffer(std::size_t index);

    const std::shared_ptr<Activation::Impl>
        activation;  // shared with the Activation and its other inferences
    std::vector<OwnedBo> bos;
    std::vector<std::span<std::byte>> memory;  ///< per BO
    std::vector<std::span<std::byte>> inputs, outputs;
    std::vector<backend::ExecuteEntry> entries;
    Run run;
    bool added = false;
};

/// For Queue, which waits for any of its inferences.
struct InferenceAccess {
    static Inference::Impl& impl(Inference& inference) { return *inference.impl_; }
};

}  // namespace qaicrt
