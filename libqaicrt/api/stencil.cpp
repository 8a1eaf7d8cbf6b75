// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/stencil.hpp"

#include "libqaicrt/support/bytes.hpp"

#include <hw/aic100_dbc.h>

#include <algorithm>
#include <string>

namespace qaicrt {
namespace {

Error bad_request(std::size_t index, const std::string& what, Errc code = Errc::kFormat) {
    return Error{code, "DMA request " + std::to_string(index) + " of the program " + what};
}

backend::SliceSemaphore semaphore_of(const qpc::SemaphoreOp& op) {
    backend::SliceSemaphore out;
    out.value = op.value;
    out.index = static_cast<std::uint8_t>(op.sem);
    out.command = static_cast<std::uint8_t>(op.op);
    out.presync = op.presync;
    out.fence_to_device = op.in_fence;
    out.fence_from_device = op.out_fence;
    return out;
}

AddressBase base_of(qpc::AddrSpace space) {
    switch (space) {
        case qpc::AddrSpace::kMulticast:
            return AddressBase::kMulticast;
        case qpc::AddrSpace::kDdr:
            return AddressBase::kDdr;
        case qpc::AddrSpace::kDdrDynamic:
            return AddressBase::kDynamicDdr;
    }
    return AddressBase::kNone;
}

/// Address inside the window of a multicast id; false when it wraps.
bool multicast_address(std::uint16_t mcid, std::uint64_t offset, std::uint64_t* out) {
    return !add_overflows(std::uint64_t{mcid} * AIC100_MCID_WINDOW, offset, out);
}

Result<StencilSlice> make_slice(const qpc::DmaRequest& request, std::size_t index) {
    StencilSlice out;
    out.slice.offset = request.size == 0 ? 0 : request.host_offset;
    out.slice.size = request.size;
    if (request.size != 0) {
        out.base = base_of(request.space);
        out.slice.device_address = request.dev_offset;
        if (out.base == AddressBase::kMulticast &&
            !multicast_address(request.mcid, request.dev_offset, &out.slice.device_address)) {
            return bad_request(index, "has a card address that wraps around");
        }
    }
    if (request.semaphores.size() > 4 || request.doorbells.size() > 1) {
        return bad_request(index,
                           "has more than four semaphore operations or more than one doorbell",
                           Errc::kUnsupported);
    }
    for (std::size_t i = 0; i < request.semaphores.size(); ++i) {
        out.slice.semaphores[i] = semaphore_of(request.semaphores[i]);
    }
    if (!request.doorbells.empty()) {
        const qpc::DoorbellOp& doorbell = request.doorbells.front();
        out.doorbell = true;
        out.slice.doorbell_data = doorbell.data;
        out.slice.doorbell_bits = doorbell.width_bits;
        if (!multicast_address(doorbell.mcid, doorbell.offset, &out.slice.doorbell_address)) {
            return bad_request(index, "has a doorbell address that wraps around");
        }
    }
    return out;
}

}  // namespace

Result<Stencil> make_stencil(const qpc::ProgramImage& image) {
    Stencil stencil;
    const auto& dma_buffers = image.description.dma_buffers;
    std::vector<bool> seen(dma_buffers.size(), false);
    bool start_new = true;
    for (std::size_t i = 0; i < image.metadata.requests.size(); ++i) {
        const qpc::DmaRequest& request = image.metadata.requests[i];
        if (request.num >= dma_buffers.size()) {
            return bad_request(i, "names a DMA buffer that does not exist");
        }
        const qpc::DmaBuffer& buffer = dma_buffers[request.num];
        if (request.size != 0 && !range_fits(request.host_offset, request.size, buffer.size)) {
            return bad_request(i, "lies outside its DMA buffer");
        }
        start_new = stencil.buffers.empty() || stencil.buffers.back().number != request.num;
        if (start_new) {
            if (seen[request.num]) {
                return bad_request(i,
                                   "belongs to a DMA buffer whose requests are not together; this "
                                   "runtime cannot run such a program",
                                   Errc::kUnsupported);
            }
            seen[request.num] = true;
            // A buffer of transfer-less requests still needs memory: a BO has at least one byte.
            stencil.buffers.push_back(
                {std::max<std::uint64_t>(buffer.size, 1), buffer.direction, request.num, {}});
        }
        const auto direction = request.from_device ? Direction::kFromDevice : Direction::kToDevice;
        if (request.size != 0 && direction != stencil.buffers.back().direction) {
            return bad_request(i, "moves data against the direction of its DMA buffer");
        }
        QAICRT_TRY(const StencilSlice slice, make_slice(request, i));
        stencil.buffers.back().slices.push_back(slice);
    }
    return stencil;
}

Result<std::vector<backend::Slice>> rebase(const StencilBuffer& buffer,
                                           const nnc::Activated& where) {
    std::vector<backend::Slice> slices;
    slices.reserve(buffer.slices.size());
    const auto wraps = [] {
        return Error{
            Errc::kProtocol,
            "the card placed the program so that its addresses wrap around; the card or its "
            "firmware does not follow the protocol"};
    };
    for (const StencilSlice& relative : buffer.slices) {
        backend::Slice slice = relative.slice;
        std::uint64_t base = 0;
        switch (relative.base) {
            case AddressBase::kNone:
                break;
            case AddressBase::kMulticast:
                base = where.mcid_base;
                break;
            case AddressBase::kDdr:
                base = where.ddr_base;
                break;
            case AddressBase::kDynamicDdr:
                base = where.dynamic_ddr_base;
                break;
        }
        std::uint64_t end = 0;
        if (add_overflows(base, slice.device_address, &slice.device_address) ||
            add_overflows(slice.device_address, slice.size, &end)) {
            return wraps();
        }
        if (relative.doorbell &&
            add_overflows(where.mcid_base, slice.doorbell_address, &slice.doorbell_address)) {
            return wraps();
        }
        slices.push_back(slice);
    }
    return slices;
}

Result<std::uint32_t> queue_elements(const Stencil& stencil, unsigned depth,
                                     std::uint64_t segment_bytes) {
    constexpr std::uint64_t kMinElements = 16;
    std::uint64_t per_inference = 0;  // 65535 slices of 2^20 pieces at most: far from wrapping
    for (const StencilBuffer& buffer : stencil.buffers) {
        for (const StencilSlice& slice : buffer.slices) {
            per_inference += (slice.slice.size + segment_bytes - 1) / segment_bytes + 1;
        }
    }
    if (per_inference + 1 > kMaxQueueElements) {
        return Error{Errc::kUnsupported,
                     "one inference of the program may need " + std::to_string(per_inference) +
                         " queue elements and a channel has at most " +
                         std::to_string(kMaxQueueElements) + "; split its tensors"};
    }
    const std::uint64_t wanted = per_inference * depth + 1;
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(wanted, kMinElements, kMaxQueueElements));
}

}  // namespace qaicrt
