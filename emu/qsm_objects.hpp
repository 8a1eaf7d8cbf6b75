// SPDX-License-Identifier: Apache-2.0
/// What users own on the card: constants, ELF images, resource groups, activations. Each belongs to
/// one NNC handle; another handle gets AIC100_ST_OPERATION_NOT_PERMITTED for it.
#pragma once

#include "emu/activation_memory.hpp"
#include "emu/ddr.hpp"
#include "emu/dma_channel.hpp"
#include "emu/resources.hpp"
#include "emu/workload.hpp"
#include "libqaicrt/qpc/metadata.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace qaicemu {

struct Constants {
    std::uint32_t handle = 0;
    Holding budget;
    DdrRegion region;
    unsigned activations = 0, loads = 0;  ///< users that keep it from being unloaded
};

struct ElfImage {
    std::uint32_t handle = 0;
    Holding budget;
    DdrRegion region;
    qaicrt::qpc::Metadata metadata;
    std::span<const std::byte> emu_section;  ///< null data: not compiled for the emulated card
    unsigned activations = 0;
};

struct ResourceGroup {
    ResourceGroup(std::uint32_t owner, Holding resources)
        : handle(owner), holding(std::move(resources)), pool(holding.grant()) {}
    std::uint32_t handle;
    Holding holding;
    ResourcePool pool;
};

/// A program on its NSPs. Members are destroyed last to first: nothing runs on released memory.
struct Activation {
    Activation() = default;
    Activation(const Activation&) = delete;
    Activation& operator=(const Activation&) = delete;
    ~Activation() { quiesce(); }

    /// Ends the NSP's program, then all DMA of the channel. Waits for a network that is running.
    void quiesce() {
        if (channel == nullptr) {
            return;
        }
        channel->request_exit();
        if (workload != nullptr) {
            workload->join();
        }
        channel->stop();
        channel = nullptr;
        elf->activations -= 1;
        if (constants != nullptr) {
            constants->activations -= 1;
        }
    }

    std::uint32_t handle = 0;
    unsigned dbc = 0;
    std::uint32_t state = 0;
    ElfImage* elf = nullptr;
    Constants* constants = nullptr;
    Holding engines, budget;
    DdrRegion shared_ddr, dynamic_ddr;
    std::unique_ptr<ActivationMemory> memory;
    std::unique_ptr<Workload> workload;
    DmaChannel* channel = nullptr;  ///< null until it runs
};

/// Objects of one kind by id. Ids are never used twice, so a stale one cannot hit a newer object.
template <class T>
class ObjectTable {
  public:
    struct Found {
        T* object = nullptr;
        std::int32_t status = AIC100_ST_SUCCESS;
    };
    Found find(std::uint32_t handle, std::uint32_t id) {
        const auto at = objects_.find(id);
        if (at == objects_.end()) {
            return {nullptr, AIC100_ST_RESOURCE_NOT_FOUND};
        }
        if (at->second->handle != handle) {
            return {nullptr, AIC100_ST_OPERATION_NOT_PERMITTED};
        }
        return {at->second.get(), AIC100_ST_SUCCESS};
    }
    std::uint32_t add(std::unique_ptr<T> object) {
        const std::uint32_t id = next_id_++;
        objects_.emplace(id, std::move(object));
        return id;
    }
    void remove(std::uint32_t id) { objects_.erase(id); }
    void remove_user(std::uint32_t handle) {
        std::erase_if(objects_, [&](const auto& entry) { return entry.second->handle == handle; });
    }
    void clear() { objects_.clear(); }
    std::size_t size() const { return objects_.size(); }
    template <class Predicate>
    std::size_t count_if(Predicate predicate) const {
        std::size_t count = 0;
        for (const auto& [id, object] : objects_) {
            count += predicate(*object) ? 1 : 0;
        }
        return count;
    }

  private:
    std::map<std::uint32_t, std::unique_ptr<T>> objects_;
    std::uint32_t next_id_ = 1;
};

}  // namespace qaicemu
