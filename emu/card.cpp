// SPDX-License-Identifier: Apache-2.0
#include "emu/card.hpp"

#include "emu/ddr.hpp"
#include "emu/dma_channel.hpp"
#include "emu/qsm.hpp"

#include <new>
#include <utility>

namespace qaicemu {

using qaicrt::Errc;
using qaicrt::Error;

/// Members are destroyed last to first: QSM stops every workload while DDR and channels still
/// exist.
struct Card::Impl {
    std::unique_ptr<Ddr> ddr;
    Channels channels;
    std::unique_ptr<Qsm> qsm;
};

Card::Card(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Card::~Card() = default;

qaicrt::Result<std::unique_ptr<Card>> Card::create(const CardConfig& config, const Ports& ports) {
    if (ports.memory == nullptr || ports.interrupts == nullptr || ports.clock == nullptr) {
        return Error(Errc::kInvalidArgument,
                     "An emulated card needs host memory, interrupts and a clock.");
    }
    if (config.nsps == 0 || config.nsps > kMaxNsps || config.semaphores > 1024 ||
        config.mcids > 65536 || config.threads_per_nsp == 0 || config.threads_per_nsp > 1024) {
        return Error(Errc::kInvalidArgument,
                     "An emulated card has 1 to 16 NSPs with 1 to 1024 threads each, at most 1024 "
                     "semaphores and at most 65536 multicast ids.");
    }
    try {
        auto impl = std::make_unique<Impl>();
        QAICRT_TRY(impl->ddr, Ddr::create(config.ddr_bytes));
        for (unsigned i = 0; i < impl->channels.size(); ++i) {
            impl->channels[i] = std::make_unique<DmaChannel>(ports, i + 1, config.force_msi);
        }
        impl->qsm = std::make_unique<Qsm>(config, *ports.memory, *impl->ddr, impl->channels);
        return std::unique_ptr<Card>(new Card(std::move(impl)));
    } catch (const std::bad_alloc&) {
        return Error(Errc::kNoMemory, "The host has no memory for an emulated card.");
    }
}

std::vector<std::byte> Card::control(std::span<const std::byte> message) {
    return impl_->qsm->answer(message);
}

std::uint32_t Card::dbc_read(unsigned dbc, std::uint32_t reg) {
    return dbc < impl_->channels.size() ? impl_->channels[dbc]->read_register(reg) : 0;
}

void Card::dbc_write(unsigned dbc, std::uint32_t reg, std::uint32_t value) {
    if (dbc < impl_->channels.size()) {
        impl_->channels[dbc]->write_register(reg, value);
    }
}

void Card::reset() {
    impl_->qsm->reset();
}

std::string Card::workload_error(unsigned dbc) const {
    return dbc < impl_->channels.size() ? impl_->channels[dbc]->error() : std::string();
}

std::string Card::last_refusal(std::uint32_t handle) const {
    return impl_->qsm->last_refusal(handle);
}

}  // namespace qaicemu
