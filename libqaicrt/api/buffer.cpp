// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/activation_impl.hpp"
#include "libqaicrt/api/guard.hpp"

#include <qaicrt/buffer.hpp>

#include <utility>

namespace qaicrt {

struct Buffer::Impl {
    Impl(const Device& on, OwnedBo owner, std::span<std::byte> mapping)
        : device(on), bo(std::move(owner)), memory(mapping) {}
    Device device;  // before the BO: dies after it
    OwnedBo bo;
    std::span<std::byte> memory;
};

Buffer::Buffer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Buffer::Buffer(Buffer&&) noexcept = default;
Buffer& Buffer::operator=(Buffer&&) noexcept = default;
Buffer::~Buffer() = default;

Result<Buffer> Buffer::create(const Device& device, std::uint64_t bytes) {
    return guarded("make a buffer", [&]() -> Result<Buffer> {
        backend::Backend& backend = *device.impl()->backend;
        QAICRT_TRY(const backend::BoHandle handle, backend.bo_create(bytes));
        OwnedBo owner(backend, handle);
        QAICRT_TRY(const auto mapping, backend.bo_map(handle));
        if (mapping.size() < bytes) {
            return Error{Errc::kProtocol,
                         "the driver gave a buffer that is smaller than asked for"};
        }
        return Buffer(std::make_unique<Impl>(device, std::move(owner), mapping.first(bytes)));
    });
}

std::span<std::byte> Buffer::data() noexcept {
    return impl_->memory;
}
std::span<const std::byte> Buffer::data() const noexcept {
    return impl_->memory;
}

Result<int> Buffer::export_dma_buf() const {
    return impl_->device.impl()->backend->bo_export(impl_->bo.handle());
}

}  // namespace qaicrt
