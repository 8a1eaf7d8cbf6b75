// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/loaded_program.hpp"

#include <unistd.h>

#include <utility>

namespace qaicrt {
namespace {

std::uint32_t process_id() {
    return static_cast<std::uint32_t>(::getpid());
}

}  // namespace

Result<std::shared_ptr<LoadedProgram>> LoadedProgram::get(const Device& device,
                                                          const Program& program) {
    Device::Impl& impl = *device.impl();
    const std::lock_guard lock(impl.load_mutex);
    std::erase_if(impl.loaded, [](const auto& entry) { return entry.second.expired(); });
    auto& entry = impl.loaded[&program.impl()];
    if (auto existing = entry.lock()) {
        return existing;
    }
    std::shared_ptr<LoadedProgram> loaded(new LoadedProgram(device, program));
    QAICRT_CHECK(loaded->load());  // on failure the destructor unloads what was loaded
    entry = loaded;
    return loaded;
}

LoadedProgram::~LoadedProgram() {
    // Failures are left to the card: it frees everything when the user goes.
    backend::Backend& backend = *device_.impl()->backend;
    if (elf_loaded_) {
        (void)send_command(backend, nnc::unload_elf(elf_id_));
    }
    if (constants_id_ != 0) {
        (void)send_command(backend, nnc::unload_constants(constants_id_));
    }
}

Status LoadedProgram::load() {
    backend::Backend& backend = *device_.impl()->backend;
    const qpc::ProgramImage& image = program_.impl().image;
    if (image.static_constants_size != 0 || image.dynamic_constants_size != 0) {
        QAICRT_CHECK(load_constants());
    }
    const backend::DmaTransfer transfer{AIC100_DMA_TAG_ELF, image.elf};
    const CommandResult result =
        send_command(backend, nnc::load_elf(process_id(), image.elf.size()), transfer);
    QAICRT_TRY(const auto answer, result.answer());
    QAICRT_TRY(elf_id_, explained(backend, nnc::parse_load_elf(answer)));
    elf_loaded_ = true;
    return result.transport;
}

Status LoadedProgram::load_constants() {
    backend::Backend& backend = *device_.impl()->backend;
    const qpc::ProgramImage& image = program_.impl().image;
    const CommandResult result =
        send_command(backend, nnc::load_constants_ex(process_id(), image.constants_descriptor));
    QAICRT_TRY(const auto answer, result.answer());
    QAICRT_TRY(constants_id_, explained(backend, nnc::parse_load_constants_ex(answer)));
    QAICRT_CHECK(result.transport);
    QAICRT_CHECK(load_payload(image.static_constants, 0));
    return load_payload(image.dynamic_constants, image.static_constants_size);
}

Status LoadedProgram::load_payload(std::span<const std::byte> data, std::uint64_t offset) {
    if (data.empty()) {
        return {};
    }
    backend::Backend& backend = *device_.impl()->backend;
    const CommandResult result = send_command(
        backend, nnc::load_constants_payload(process_id(), constants_id_, data.size(), offset),
        backend::DmaTransfer{AIC100_DMA_TAG_CONSTANTS, data});
    QAICRT_TRY(const auto answer, result.answer());
    QAICRT_CHECK(explained(backend, nnc::parse_load_constants_payload(answer)));
    return result.transport;
}

}  // namespace qaicrt
