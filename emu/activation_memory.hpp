// SPDX-License-Identifier: Apache-2.0
/// What the requests of one activation may touch on the card: its shared DDR and, through multicast
/// windows, the L2TCM and VTCM of its own NSPs. Everything else is a bad address.
#pragma once

#include "libqaicrt/qpc/metadata.hpp"

#include <qaicrt/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qaicemu {

inline constexpr unsigned kMaxNsps = 16;
inline constexpr std::uint64_t kL2TcmMaxBytes = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kVtcmMaxBytes = std::uint64_t{8} << 20;
/// Card address of MCID 0 of the card; an activation's windows follow each other from its own base.
inline constexpr std::uint64_t kMcidBase = std::uint64_t{1} << 40;

/// Where an activation's memory lies in card addresses.
struct MemoryPlacement {
    std::uint64_t shared_ddr_address = 0, dynamic_ddr_address = 0;
    std::span<std::byte> shared_ddr, dynamic_ddr;  ///< owned by the activation, outlive this object
    std::uint64_t mcid_base = 0;
    std::uint64_t mcids = 0;  ///< windows that were allocated
};

/// Not thread safe: the channel's lock protects the NSP memories. DDR is shared without a lock
/// between the bridge and the program, which order their accesses by semaphores and doorbells.
class ActivationMemory {
  public:
    /// The places that one write reaches: one for DDR, one per receiving NSP for a window.
    struct Targets {
        std::array<std::span<std::byte>, kMaxNsps> spans;
        unsigned count = 0;
        bool nsp_memory = false;  ///< L2TCM or VTCM: an NSP may be waiting for it
    };

    /// `metadata` outlives this object. Errors: kFormat when NSP count, memory sizes, init state or
    /// exit doorbell are impossible.
    static qaicrt::Status check(const qaicrt::qpc::Metadata& metadata);
    /// Allocates the NSP memories, zeroed, with the L2TCM init state in place.
    /// `metadata` has passed check(). Throws std::bad_alloc.
    ActivationMemory(const qaicrt::qpc::Metadata& metadata, const MemoryPlacement& placement);

    /// False when any byte of [address, address + size) is not this activation's to write.
    bool resolve_write(std::uint64_t address, std::uint64_t size, Targets& targets);
    /// As above for reading; a window can only be read when exactly one NSP is behind it.
    std::optional<std::span<const std::byte>> resolve_read(std::uint64_t address,
                                                           std::uint64_t size);

    std::uint32_t l2tcm_word(unsigned nsp, std::uint64_t offset) const;
    void set_l2tcm_word(unsigned nsp, std::uint64_t offset, std::uint32_t value);
    std::uint64_t l2tcm_bytes() const { return l2tcm_bytes_; }
    unsigned nsps() const { return nsps_; }
    /// Writes 1 to the exit doorbell of every NSP.
    void ring_exit();
    bool exit_rung(unsigned nsp) const;

  private:
    struct Nsp {
        std::vector<std::byte> l2tcm;
        std::vector<std::byte> vtcm;  ///< only when the program has windows into it
    };
    std::optional<std::span<std::byte>> ddr_span(std::uint64_t address, std::uint64_t size) const;
    bool window_targets(std::uint64_t offset, std::uint64_t size, Targets& targets);

    const qaicrt::qpc::Metadata& metadata_;
    MemoryPlacement placement_;
    unsigned nsps_;
    std::uint64_t l2tcm_bytes_;
    std::vector<Nsp> memories_;
};

/// Windows that a program needs: the longest of its multicast tables.
std::uint64_t mcids_of(const qaicrt::qpc::Metadata& metadata);

}  // namespace qaicemu
