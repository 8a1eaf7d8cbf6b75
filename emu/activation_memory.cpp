// SPDX-License-Identifier: Apache-2.0
#include "emu/activation_memory.hpp"

#include "emu/bytes.hpp"

#include <hw/aic100_dbc.h>

#include <algorithm>
#include <string>

namespace qaicemu {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::qpc::Metadata;
using qaicrt::qpc::TcmSpace;

namespace {

std::uint64_t l2tcm_bytes_of(const Metadata& metadata) {
    return std::max<std::uint64_t>({metadata.l2tcm_size, metadata.l2tcm_init.size(),
                                    metadata.exit_doorbell_offset + sizeof(std::uint32_t)});
}

/// The piece [offset, offset + size) of `whole`, if it exists.
std::optional<std::span<std::byte>> piece(std::span<std::byte> whole, std::uint64_t offset,
                                          std::uint64_t size) {
    if (offset > whole.size() || whole.size() - offset < size) {
        return std::nullopt;
    }
    return whole.subspan(offset, size);
}

bool needs_vtcm(const Metadata& metadata, unsigned nsp) {
    if (nsp >= metadata.nsp_multicast.size()) {
        return false;
    }
    return std::ranges::any_of(metadata.nsp_multicast[nsp],
                               [](const auto& entry) { return entry.space == TcmSpace::kVtcm; });
}

}  // namespace

std::uint64_t mcids_of(const Metadata& metadata) {
    std::uint64_t count = metadata.host_multicast.size();
    for (const auto& table : metadata.nsp_multicast) {
        count = std::max<std::uint64_t>(count, table.size());
    }
    return count;
}

qaicrt::Status ActivationMemory::check(const Metadata& metadata) {
    if (metadata.num_nsps == 0 || metadata.num_nsps > kMaxNsps) {
        return Error(Errc::kFormat, "The program wants " + std::to_string(metadata.num_nsps) +
                                        " NSPs; a card has 1 to 16.");
    }
    if (metadata.num_semaphores > AIC100_SEM_PER_DBC) {
        return Error(Errc::kFormat, "The program wants " + std::to_string(metadata.num_semaphores) +
                                        " semaphores; a channel has 32.");
    }
    if (metadata.exit_doorbell_offset > kL2TcmMaxBytes - sizeof(std::uint32_t) ||
        metadata.exit_doorbell_offset % sizeof(std::uint32_t) != 0) {
        return Error(Errc::kFormat, "The program's exit doorbell at L2TCM offset " +
                                        std::to_string(metadata.exit_doorbell_offset) +
                                        " is not an aligned word of the 1 MiB L2TCM.");
    }
    if (l2tcm_bytes_of(metadata) > kL2TcmMaxBytes) {
        return Error(Errc::kFormat, "The program wants " +
                                        std::to_string(l2tcm_bytes_of(metadata)) +
                                        " bytes of L2TCM; an NSP has 1 MiB.");
    }
    if (metadata.vtcm_size > kVtcmMaxBytes) {
        return Error(Errc::kFormat, "The program wants " + std::to_string(metadata.vtcm_size) +
                                        " bytes of VTCM; an NSP has 8 MiB.");
    }
    return {};
}

ActivationMemory::ActivationMemory(const Metadata& metadata, const MemoryPlacement& placement)
    : metadata_(metadata),
      placement_(placement),
      nsps_(metadata.num_nsps),
      l2tcm_bytes_(l2tcm_bytes_of(metadata)),
      memories_(metadata.num_nsps) {
    for (unsigned nsp = 0; nsp < nsps_; ++nsp) {
        memories_[nsp].l2tcm.resize(l2tcm_bytes_);
        std::ranges::copy(std::as_bytes(std::span(metadata.l2tcm_init)),
                          memories_[nsp].l2tcm.begin());
        if (needs_vtcm(metadata, nsp)) {
            memories_[nsp].vtcm.resize(metadata.vtcm_size);
        }
    }
}

std::optional<std::span<std::byte>> ActivationMemory::ddr_span(std::uint64_t address,
                                                               std::uint64_t size) const {
    if (address >= placement_.shared_ddr_address) {
        if (const auto found =
                piece(placement_.shared_ddr, address - placement_.shared_ddr_address, size)) {
            return found;
        }
    }
    if (address >= placement_.dynamic_ddr_address) {
        return piece(placement_.dynamic_ddr, address - placement_.dynamic_ddr_address, size);
    }
    return std::nullopt;
}

bool ActivationMemory::window_targets(std::uint64_t offset, std::uint64_t size, Targets& targets) {
    const std::uint64_t mcid = offset / AIC100_MCID_WINDOW;
    const std::uint64_t inside = offset % AIC100_MCID_WINDOW;
    if (mcid >= std::min<std::uint64_t>(placement_.mcids, metadata_.host_multicast.size()) ||
        size > AIC100_MCID_WINDOW - inside) {
        return false;
    }
    // The entry's own size is no bound: published compilers put a buffer's length there although
    // the buffer starts at an offset inside the window. The NSPs' memories are the bound.
    const std::uint32_t mask = metadata_.host_multicast[mcid].mask;
    for (unsigned nsp = 0; nsp < nsps_; ++nsp) {
        if ((mask >> nsp & 1) == 0) {
            continue;
        }
        if (nsp >= metadata_.nsp_multicast.size() || mcid >= metadata_.nsp_multicast[nsp].size()) {
            return false;
        }
        const auto& entry = metadata_.nsp_multicast[nsp][mcid];
        auto& memory = entry.space == TcmSpace::kVtcm ? memories_[nsp].vtcm : memories_[nsp].l2tcm;
        if (entry.base_offset > memory.size()) {
            return false;
        }
        const auto found = piece(memory, entry.base_offset + inside, size);
        if (!found) {
            return false;
        }
        targets.spans[targets.count++] = *found;
    }
    targets.nsp_memory = true;
    return targets.count > 0;
}

bool ActivationMemory::resolve_write(std::uint64_t address, std::uint64_t size, Targets& targets) {
    targets.count = 0;
    targets.nsp_memory = false;
    if (const auto ddr = ddr_span(address, size)) {
        targets.spans[targets.count++] = *ddr;
        return true;
    }
    return address >= placement_.mcid_base &&
           window_targets(address - placement_.mcid_base, size, targets);
}

std::optional<std::span<const std::byte>> ActivationMemory::resolve_read(std::uint64_t address,
                                                                         std::uint64_t size) {
    Targets targets;
    if (!resolve_write(address, size, targets) || targets.count != 1) {
        return std::nullopt;
    }
    return targets.spans[0];
}

std::uint32_t ActivationMemory::l2tcm_word(unsigned nsp, std::uint64_t offset) const {
    return load<std::uint32_t>(memories_[nsp].l2tcm, offset).value_or(0);
}

void ActivationMemory::set_l2tcm_word(unsigned nsp, std::uint64_t offset, std::uint32_t value) {
    if (piece(memories_[nsp].l2tcm, offset, sizeof(value))) {
        store(std::span(memories_[nsp].l2tcm), offset, value);
    }
}

void ActivationMemory::ring_exit() {
    for (unsigned nsp = 0; nsp < nsps_; ++nsp) {
        set_l2tcm_word(nsp, metadata_.exit_doorbell_offset, 1);
    }
}

bool ActivationMemory::exit_rung(unsigned nsp) const {
    return l2tcm_word(nsp, metadata_.exit_doorbell_offset) != 0;
}

}  // namespace qaicemu
