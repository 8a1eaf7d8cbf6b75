// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/emu/slice_encode.hpp"

#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/sys_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace qaicrt::backend::emu {
namespace {

constexpr std::uint8_t kMaxSemaphoreOp = AIC100_SEM_WAIT_GT_0;

Error bad_slice(std::size_t index, const char* what) {
    return sys_error(EINVAL, "slice " + std::to_string(index) + ": " + what);
}

std::uint32_t semaphore_word(const SliceSemaphore& semaphore) {
    std::uint32_t word = semaphore.value & AIC100_SEM_VALUE_MASK;
    word |= static_cast<std::uint32_t>(semaphore.index & AIC100_SEM_CMD_INDEX_MASK)
            << AIC100_SEM_CMD_INDEX_SHIFT;
    word |= static_cast<std::uint32_t>(semaphore.command & AIC100_SEM_CMD_OP_MASK)
            << AIC100_SEM_CMD_OP_SHIFT;
    word |= semaphore.presync ? AIC100_SEM_CMD_PRESYNC : 0U;
    word |= semaphore.fence_to_device ? AIC100_SEM_CMD_FENCE_TO_DEV : 0U;
    word |= semaphore.fence_from_device ? AIC100_SEM_CMD_FENCE_FROM_DEV : 0U;
    word |= semaphore.command != 0 ? AIC100_SEM_CMD_ENABLE : 0U;
    return word;
}

std::uint8_t doorbell_attributes(std::uint32_t bits) {
    switch (bits) {
        case 32:
            return AIC100_DB_ENABLE | AIC100_DB_LEN_32;
        case 16:
            return AIC100_DB_ENABLE | AIC100_DB_LEN_16;
        case 8:
            return AIC100_DB_ENABLE | AIC100_DB_LEN_8;
        default:
            return 0;
    }
}

/// The pieces of [offset, offset + size); size 0 looks up one page, as the kernel does.
std::vector<BusSegment> cut(std::span<const BusSegment> segments, std::uint64_t offset,
                            std::uint64_t size) {
    std::vector<BusSegment> pieces;
    std::uint64_t wanted = size == 0 ? kHostPageBytes : size;
    for (const BusSegment& segment : segments) {
        if (offset >= segment.bytes) {
            offset -= segment.bytes;
            continue;
        }
        const std::uint64_t bytes = std::min(wanted, segment.bytes - offset);
        pieces.push_back({segment.address + offset, bytes});
        wanted -= bytes;
        offset = 0;
        if (wanted == 0) {
            return pieces;
        }
    }
    return {};
}

aic100_request transfer(const Slice& slice, Direction direction, const BusSegment& piece,
                        std::uint64_t device_address) {
    aic100_request request;
    std::memset(&request, 0, sizeof(request));
    request.cmd = AIC100_REQ_CMD_BULK;
    if (slice.size != 0) {
        request.cmd |= direction == Direction::kToDevice ? AIC100_REQ_CMD_XFER_TO_DEV
                                                         : AIC100_REQ_CMD_XFER_FROM_DEV;
    }
    const bool to_device = direction == Direction::kToDevice;
    request.src_addr = to_device ? piece.address : device_address;
    request.dst_addr = to_device ? device_address : piece.address;
    request.len = static_cast<std::uint32_t>(piece.bytes);
    return request;
}

}  // namespace

Status check_slices(std::span<const Slice> slices, std::uint64_t bo_bytes) {
    for (std::size_t i = 0; i < slices.size(); ++i) {
        const Slice& slice = slices[i];
        const std::uint32_t bits = slice.doorbell_bits;
        if (bits != 0 && bits != 8 && bits != 16 && bits != 32) {
            return bad_slice(i, "a doorbell has 8, 16 or 32 bits");
        }
        for (const SliceSemaphore& semaphore : slice.semaphores) {
            if (semaphore.value > AIC100_SEM_VALUE_MASK || semaphore.index >= AIC100_SEM_PER_DBC ||
                semaphore.command > kMaxSemaphoreOp) {
                return bad_slice(i, "a semaphore's value, number or command is out of range");
            }
        }
        if (!range_fits(slice.offset, slice.size, bo_bytes)) {
            return bad_slice(i, "it ends behind the buffer");
        }
    }
    return {};
}

Status check_encodable(const Slice& slice) {
    if (slice.doorbell_bits != 0 && slice.doorbell_address % (slice.doorbell_bits / 8) != 0) {
        return sys_error(EINVAL, "a doorbell's address must be a multiple of its size");
    }
    const auto presyncs =
        std::count_if(std::begin(slice.semaphores), std::end(slice.semaphores),
                      [](const SliceSemaphore& semaphore) { return semaphore.presync; });
    if (presyncs > 1) {
        return sys_error(EINVAL, "a slice can wait for one semaphore before its transfer");
    }
    return {};
}

Status encode_slice(const Slice& slice, Direction direction, std::span<const BusSegment> segments,
                    std::vector<aic100_request>& out) {
    const std::vector<BusSegment> pieces = cut(segments, slice.offset, slice.size);
    if (pieces.empty()) {
        return sys_error(EINVAL, "a slice does not lie in the buffer's memory");
    }
    QAICRT_CHECK(check_encodable(slice));
    bool has_presync = false;
    std::uint64_t device_address = slice.device_address;
    const std::size_t first = out.size();
    for (const BusSegment& piece : pieces) {
        aic100_request request = transfer(slice, direction, piece, device_address);
        for (int i = 0; i < 4; ++i) {
            if (slice.semaphores[i].presync) {
                has_presync = true;
                request.sem_cmd[i] = semaphore_word(slice.semaphores[i]);
            }
        }
        out.push_back(request);
        device_address += piece.bytes;
    }
    aic100_request& last = out.back();
    last.cmd |= AIC100_REQ_CMD_COMPLETION;
    last.db_addr = slice.doorbell_address;
    last.db_attr = doorbell_attributes(slice.doorbell_bits);
    last.db_data = slice.doorbell_data;
    for (int i = 0; i < 4; ++i) {
        last.sem_cmd[i] = semaphore_word(slice.semaphores[i]);
    }
    // Without a common presync nothing else keeps the last piece behind the others.
    if (out.size() - first > 1 && !has_presync) {
        last.sem_cmd[0] |= direction == Direction::kToDevice ? AIC100_SEM_CMD_FENCE_TO_DEV
                                                             : AIC100_SEM_CMD_FENCE_FROM_DEV;
    }
    return {};
}

}  // namespace qaicrt::backend::emu
