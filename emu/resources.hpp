// SPDX-License-Identifier: Apache-2.0
/// What QSM has to give: NSPs, channels, semaphores, multicast windows, DDR bytes. The card is one
/// pool; a resource group is a smaller one cut out of it.
#pragma once

#include "emu/range_allocator.hpp"

#include <hw/aic100_nnc_cmd.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace qaicemu {

/// How much of each resource somebody wants.
struct ResourceNeed {
    unsigned nsps = 0, channels = 0, semaphores = 0;
    std::uint64_t mcids = 0, ddr_bytes = 0;
};

/// Which ones he got.
struct ResourceGrant {
    std::uint32_t nsp_mask = 0;
    unsigned channels = 0, semaphores = 0;
    std::uint64_t first_mcid = 0, mcids = 0, ddr_bytes = 0;
};

/// Not thread safe: QSM's lock protects every pool.
class ResourcePool {
  public:
    explicit ResourcePool(const ResourceGrant& all);

    /// All of `need` or nothing. On failure the NNC status that names the resource which is short.
    std::int32_t take(const ResourceNeed& need, ResourceGrant& grant);
    void give(const ResourceGrant& grant);
    /// True when nothing of the pool is handed out.
    bool idle() const;
    /// Totals and what is free; `fragmentation` 0..100 is DDR's.
    aic100_resource_info info(unsigned fragmentation) const;

  private:
    ResourceGrant all_;
    std::uint32_t free_nsps_;
    unsigned free_channels_, free_semaphores_;
    std::uint64_t free_ddr_;
    RangeAllocator mcids_;
};

/// A grant that returns itself to its pool, which outlives it.
class Holding {
  public:
    Holding() = default;
    Holding(ResourcePool& pool, const ResourceGrant& grant) : pool_(&pool), grant_(grant) {}
    Holding(Holding&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), grant_(other.grant_) {}
    Holding& operator=(Holding&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(grant_, other.grant_);
        return *this;
    }
    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;
    ~Holding() {
        if (pool_ != nullptr) {
            pool_->give(grant_);
        }
    }
    const ResourceGrant& grant() const { return grant_; }

  private:
    ResourcePool* pool_ = nullptr;
    ResourceGrant grant_;
};

}  // namespace qaicemu
