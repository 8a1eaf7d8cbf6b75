// SPDX-License-Identifier: Apache-2.0
#include "emu/resources.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace qaicemu {
namespace {

/// The lowest `count` bits that are set in `mask`.
std::uint32_t lowest_bits(std::uint32_t mask, unsigned count) {
    std::uint32_t out = 0;
    for (; count > 0; --count) {
        const std::uint32_t bit = mask & (~mask + 1);
        out |= bit;
        mask ^= bit;
    }
    return out;
}

std::uint32_t clamp32(std::uint64_t value) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

ResourcePool::ResourcePool(const ResourceGrant& all)
    : all_(all),
      free_nsps_(all.nsp_mask),
      free_channels_(all.channels),
      free_semaphores_(all.semaphores),
      free_ddr_(all.ddr_bytes),
      mcids_(all.mcids) {}

std::int32_t ResourcePool::take(const ResourceNeed& need, ResourceGrant& grant) {
    if (need.nsps > static_cast<unsigned>(std::popcount(free_nsps_))) {
        return AIC100_ST_NSP_ALLOC_ERROR;
    }
    if (need.channels > free_channels_) {
        return AIC100_ST_VC_ALLOC_ERROR;
    }
    if (need.semaphores > free_semaphores_) {
        return AIC100_ST_SEM_ALLOC_ERROR;
    }
    if (need.ddr_bytes > free_ddr_) {
        return AIC100_ST_MEM_ALLOC_ERROR;
    }
    std::uint64_t first_mcid = 0;
    if (need.mcids > 0) {
        const auto found = mcids_.take(need.mcids);
        if (!found) {
            return AIC100_ST_MCID_ALLOC_ERROR;
        }
        first_mcid = *found;
    }
    grant = {.nsp_mask = lowest_bits(free_nsps_, need.nsps),
             .channels = need.channels,
             .semaphores = need.semaphores,
             .first_mcid = all_.first_mcid + first_mcid,
             .mcids = need.mcids,
             .ddr_bytes = need.ddr_bytes};
    free_nsps_ &= ~grant.nsp_mask;
    free_channels_ -= need.channels;
    free_semaphores_ -= need.semaphores;
    free_ddr_ -= need.ddr_bytes;
    return AIC100_ST_SUCCESS;
}

void ResourcePool::give(const ResourceGrant& grant) {
    free_nsps_ |= grant.nsp_mask;
    free_channels_ += grant.channels;
    free_semaphores_ += grant.semaphores;
    free_ddr_ += grant.ddr_bytes;
    mcids_.give(grant.first_mcid - all_.first_mcid, grant.mcids);
}

bool ResourcePool::idle() const {
    return free_nsps_ == all_.nsp_mask && free_channels_ == all_.channels &&
           free_semaphores_ == all_.semaphores && free_ddr_ == all_.ddr_bytes &&
           mcids_.free_units() == all_.mcids;
}

aic100_resource_info ResourcePool::info(unsigned fragmentation) const {
    aic100_resource_info out{};
    out.dram_total_mb = clamp32(all_.ddr_bytes >> 20);
    out.dram_free_mb = clamp32(free_ddr_ >> 20);
    out.fragmentation = fragmentation;
    out.vc_total = static_cast<std::uint8_t>(all_.channels);
    out.vc_free = static_cast<std::uint8_t>(free_channels_);
    out.nsp_total = static_cast<std::uint8_t>(std::popcount(all_.nsp_mask));
    out.nsp_free = static_cast<std::uint8_t>(std::popcount(free_nsps_));
    out.mcid_total = clamp32(all_.mcids);
    out.mcid_free = clamp32(mcids_.free_units());
    out.sem_total = all_.semaphores;
    out.sem_free = free_semaphores_;
    return out;
}

}  // namespace qaicemu
