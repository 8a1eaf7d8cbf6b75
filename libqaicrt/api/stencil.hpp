// SPDX-License-Identifier: Apache-2.0
/// What one inference asks of the DMA bridge: the program's requests grouped into buffers of
/// slices, first with relative addresses, then with those that the card gave the activation.
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/nnc/commands.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>
#include <vector>

namespace qaicrt {

enum class AddressBase : std::uint8_t { kNone, kMulticast, kDdr, kDynamicDdr };

struct StencilSlice {
    backend::Slice slice;  ///< addresses relative to their bases
    AddressBase base = AddressBase::kNone;
    bool doorbell = false;  ///< its address is relative to the multicast base
};

/// One BO: one DMA buffer of the program.
struct StencilBuffer {
    std::uint64_t bytes = 0;
    Direction direction = Direction::kToDevice;
    std::uint32_t number = 0;  ///< DMA buffer of the program
    std::vector<StencilSlice> slices;
};

/// In the order of the program's request list, which is the order inside the DBC.
struct Stencil {
    std::vector<StencilBuffer> buffers;
};

/// Errors: kFormat (a request outside its buffer, a buffer that does not exist), kUnsupported
/// (requests of one buffer that are not together or run both ways).
Result<Stencil> make_stencil(const qpc::ProgramImage& image);

/// Slices of a buffer with absolute addresses. kProtocol when the card's bases make an address
/// wrap.
Result<std::vector<backend::Slice>> rebase(const StencilBuffer& buffer,
                                           const nnc::Activated& where);

/// Elements to ask for so that `depth` inferences fit at once however the host's memory is cut up:
///   depth * sum over slices of (ceil(size / segment_bytes) + 1) + 1
/// (+1 per slice: it may start and end in mid segment; +1: one slot of a ring stays empty), at
/// least 16 and at most kMaxQueueElements; beyond that fewer than `depth` may fit and submit says
/// busy. kUnsupported when a single inference might not fit.
inline constexpr std::uint32_t kMaxQueueElements = 65536;
Result<std::uint32_t> queue_elements(const Stencil& stencil, unsigned depth,
                                     std::uint64_t segment_bytes);

}  // namespace qaicrt
