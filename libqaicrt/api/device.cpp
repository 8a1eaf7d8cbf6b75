// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/device_impl.hpp"
#include "libqaicrt/api/guard.hpp"

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace qaicrt {
namespace {

constexpr const char* kDefaultDevices = "emu";
constexpr const char* kDevicesVariable = "QAIC_DEVICES";

std::string choose_specification(const ContextOptions& options) {
    if (!options.devices.empty()) {
        return options.devices;
    }
    const char* variable = std::getenv(kDevicesVariable);
    return variable != nullptr && *variable != '\0' ? variable : kDefaultDevices;
}

CommandResult transact(backend::Backend& backend,
                       std::span<const backend::UserTransaction> message) {
    CommandResult result;
    auto replies = backend.manage(message, &result.replies);
    if (replies) {
        result.replies = std::move(replies).value();
    } else {
        result.transport = std::move(replies).error();
    }
    return result;
}

}  // namespace

Result<std::span<const std::byte>> CommandResult::answer() const {
    if (const auto* command = find<backend::Passthrough>()) {
        return std::span<const std::byte>(command->command);
    }
    QAICRT_CHECK(transport);
    return Error{
        Errc::kProtocol,
        "the card's reply holds no answer to the command; the card or its firmware does not "
        "follow the protocol"};
}

CommandResult send_command(backend::Backend& backend, nnc::Bytes command) {
    const backend::UserTransaction message[] = {backend::Passthrough{std::move(command)}};
    return transact(backend, message);
}

CommandResult send_command(backend::Backend& backend, nnc::Bytes command,
                           backend::UserTransaction second) {
    const backend::UserTransaction message[] = {backend::Passthrough{std::move(command)},
                                                std::move(second)};
    return transact(backend, message);
}

Result<nnc::CardStatus> query_status(backend::Backend& backend) {
    const CommandResult result = send_command(backend, nnc::status_query());
    QAICRT_CHECK(result.transport);
    QAICRT_TRY(const auto answer, result.answer());
    return nnc::parse_status(answer);
}

Context::Context(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Context ContextAccess::make(std::vector<std::shared_ptr<backend::CardHandle>> cards) {
    auto impl = std::make_shared<Context::Impl>();
    int qid = 0;
    for (auto& card : cards) {
        const backend::BackendInfo& info = card->info();
        impl->cards.push_back({{qid++, info.name, info.description, !info.pci}, std::move(card)});
    }
    return Context(std::move(impl));
}

Result<Context> Context::create(const ContextOptions& options) {
    return guarded("look for cards", [&]() -> Result<Context> {
        QAICRT_TRY(auto cards, backend::enumerate_cards(choose_specification(options)));
        return ContextAccess::make(std::move(cards));
    });
}

std::vector<DeviceInfo> Context::devices() const {
    std::vector<DeviceInfo> devices;
    for (const Impl::Card& card : impl_->cards) {
        devices.push_back(card.info);
    }
    return devices;
}

Result<Device> Context::open(int qid) const {
    return guarded("open the card", [&]() -> Result<Device> {
        std::string known;
        for (const Impl::Card& card : impl_->cards) {
            if (card.info.qid == qid) {
                auto impl = std::make_shared<Device::Impl>();
                impl->info = card.info;
                impl->card = card.handle;
                QAICRT_TRY(impl->backend, card.handle->open());
                return Device(std::move(impl));
            }
            known += (known.empty() ? "" : ", ") + std::to_string(card.info.qid);
        }
        return Error{Errc::kNotFound, "there is no card with QID " + std::to_string(qid) +
                                          "; existing QIDs: " + (known.empty() ? "none" : known)};
    });
}

Device::Device(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const DeviceInfo& Device::info() const noexcept {
    return impl_->info;
}

Result<DeviceStatus> Device::status() const {
    return guarded("ask the card for its status", [&]() -> Result<DeviceStatus> {
        QAICRT_TRY(const nnc::CardStatus card, query_status(*impl_->backend));
        QAICRT_CHECK(nnc::check_versions(card));
        DeviceStatus out;
        for (const unsigned part : card.fw_version) {
            out.fw_version += (out.fw_version.empty() ? "" : ".") + std::to_string(part);
        }
        out.fw_image_version = card.fw_image_version;
        out.fw_variant = card.fw_variant;
        out.serial = card.serial;
        out.board_serial = card.board_serial;
        out.hw_version = card.hw_version;
        const nnc::Resources& resources = card.resources;
        out.nsp_total = resources.nsp_total;
        out.nsp_free = resources.nsp_free;
        out.dbc_total = resources.dbc_total;
        out.dbc_free = resources.dbc_free;
        out.mcid_total = resources.mcid_total;
        out.mcid_free = resources.mcid_free;
        out.semaphore_total = resources.semaphore_total;
        out.semaphore_free = resources.semaphore_free;
        out.dram_total_bytes = std::uint64_t{resources.dram_total_mib} << 20;
        out.dram_free_bytes = std::uint64_t{resources.dram_free_mib} << 20;
        out.networks_loaded = card.networks_loaded;
        out.networks_active = card.networks_active;
        out.constants_loaded = card.constants_loaded;
        out.constants_in_use = card.constants_in_use;
        out.emulated = card.fw_variant == nnc::kEmulatedVariant;
        return out;
    });
}

}  // namespace qaicrt
