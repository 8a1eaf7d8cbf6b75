// SPDX-License-Identifier: Apache-2.0
/// The metadata section of network.elf: what QSM must reserve and which DMA requests one inference
/// makes (FlatBuffer AicMetadataFlat.Metadata).
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicrt::qpc {

enum class SemOp : std::uint8_t {
    kNop = 0,
    kInit = 1,
    kInc = 2,
    kDec = 3,
    kWaitEq = 4,
    kWaitGe = 5,
    kP = 6
};
enum class AddrSpace : std::uint8_t { kMulticast = 0, kDdr = 1, kDdrDynamic = 2 };
enum class TcmSpace : std::uint8_t { kL2Tcm = 0, kVtcm = 1 };

struct SemaphoreOp {
    std::uint16_t sem = 0, value = 0;
    SemOp op = SemOp::kNop;
    bool presync = false, in_fence = false, out_fence = false;
};
struct DoorbellOp {
    std::uint64_t offset = 0;  ///< from the MCID window's base
    std::uint32_t data = 0;
    std::uint16_t mcid = 0;
    std::uint8_t width_bits = 32;  ///< 8, 16 or 32
};
struct DmaRequest {
    std::vector<SemaphoreOp> semaphores;
    std::vector<DoorbellOp> doorbells;
    std::uint64_t host_offset = 0, dev_offset = 0;
    std::uint32_t size = 0;
    std::uint16_t num = 0;  ///< DMA buffer index
    std::uint16_t mcid = 0;
    AddrSpace space = AddrSpace::kDdr;
    bool from_device = false;
    std::uint16_t port = 100;
};
struct NspMulticastEntry {
    std::uint64_t base_offset = 0;
    std::uint32_t mask = 0, size = 0;
    TcmSpace space = TcmSpace::kL2Tcm;
    bool dynamic = false;
};
struct HostMulticastEntry {
    std::uint32_t mask = 0, size = 0;
};
struct ThreadDescriptor {
    std::uint64_t entry_point = 0;
    std::uint8_t type_mask = 2;  ///< 1 HMX, 2 HVX
};
struct ConstantMapping {
    std::uint64_t offset = 0;
    std::uint32_t core_mask = 0, size = 0;
};
/// One variable that the program wants in its execution context (nested FlatBuffer execContext).
struct ContextField {
    std::uint32_t variable = 0, size = 0;
    std::uint64_t offset = 0;
    bool required = false;
};

/// A variable number that no firmware knows. Marked required, it makes a real card refuse our
/// programs.
inline constexpr std::uint32_t kEmulatorOnlyVariable = 0x51454D55;  // "QEMU"

struct Metadata {
    std::uint16_t version_major = 1, version_minor = 0;
    std::string network_name;
    std::vector<std::string> required_fields;
    std::vector<std::uint32_t> semaphore_init;
    std::vector<std::uint8_t> l2tcm_init;
    std::vector<DmaRequest> requests;
    std::vector<std::vector<NspMulticastEntry>> nsp_multicast;  ///< [virtual NSP][MCID]
    std::vector<HostMulticastEntry> host_multicast;
    std::vector<ThreadDescriptor> threads;
    std::vector<ConstantMapping> constant_mappings;
    std::uint64_t static_shared_ddr = 0, dynamic_shared_ddr = 0;
    std::uint64_t static_constants = 0, dynamic_constants = 0;
    std::uint64_t exit_doorbell_offset = 1120;
    std::uint32_t l2tcm_size = 0, vtcm_size = 0;
    std::uint64_t network_heap = 0;
    std::uint16_t exec_context_major = 5;
    std::uint16_t num_nsps = 1, num_semaphores = 0;
    std::uint8_t hw_version_major = 2, hw_version_minor = 0;
    std::uint32_t context_size = 0;  ///< bytes of the execution context that the program expects
    std::vector<ContextField> context_fields;
};

/// The 82 fields that a requiredFields entry may name, each as "AicMetadataFlat_Metadata->path",
/// sorted.
std::span<const std::string_view> known_metadata_fields() noexcept;
inline constexpr std::string_view kFieldPrefix = "AicMetadataFlat_Metadata->";

/// Accepts a bare FlatBuffer or the 8-byte terminator and a FlatBuffer (docs/qpc.md, acceptance
/// algorithm). Checks: verifier, major version 1, known requiredFields, non-empty name, semaphore
/// numbers < 32 and values <= 4095, at most four semaphore ops, one doorbell and one presync per
/// request, counts. Errors: kFormat (with the field), kUnsupported.
Result<Metadata> parse_metadata(std::span<const std::byte> section);
/// Terminator and FlatBuffer, every scalar physically present.
std::vector<std::byte> write_metadata(const Metadata& metadata);

}  // namespace qaicrt::qpc
