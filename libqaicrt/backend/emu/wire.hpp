// SPDX-License-Identifier: Apache-2.0
/// NNC messages in wire form: building requests, walking through replies. Pure functions on bytes.
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/bus_memory.hpp"

#include <hw/aic100_nnc.h>
#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace qaicrt::backend::emu {

/// What a user may hand to one manage() call, in bytes of the kernel's interface.
inline constexpr std::size_t kMaxUserMessage = 4096;
/// Address and size pairs are added while this much of the message stays free.
inline constexpr std::size_t kDmaReserve = 1024;
inline constexpr std::uint32_t kWholeDevice = 0xFFFFFFFFU;

/// A request under construction; sequence and CRC are put in when it is sent.
class WireMessage {
  public:
    WireMessage(std::uint32_t handle, std::uint32_t partition);

    /// ENOSPC past 64 KiB. EINVAL when the length is not a multiple of 8.
    Status add_passthrough(std::span<const std::byte> command);
    Status add_status();
    Status add_activate(std::uint64_t request_fifo, std::uint64_t response_fifo,
                        std::uint32_t elements, std::uint32_t bytes, std::uint32_t options);
    Status add_dma(std::uint32_t tag, std::uint32_t chunk, std::span<const BusSegment> pairs);
    Status add_terminate(std::uint32_t handle);

    /// How many pairs a DMA transfer may carry now; ENOMEM when there is no room for a first one.
    Result<std::size_t> dma_room() const;

    /// The finished message. `with_crc` false leaves the field 0.
    std::span<const std::byte> seal(std::uint32_t sequence, bool with_crc);
    std::uint32_t handle() const noexcept { return handle_; }

  private:
    template <class T>
    Status add(std::uint32_t type, T& transaction, std::span<const std::byte> tail = {});
    std::vector<std::byte> bytes_;
    std::uint32_t handle_ = 0, partition_ = 0, count_ = 0;
};

/// Replies are untrusted.
struct WireTransaction {
    std::uint32_t type = 0;
    std::span<const std::byte> bytes;  ///< header included
};

class WireReply {
  public:
    /// Checks magic and length against the bytes received (EINVAL, nothing readable otherwise).
    static Result<WireReply> open(std::span<const std::byte> bytes);
    const aic100_nnc_msg_hdr& header() const noexcept { return header_; }
    bool crc_matches() const;
    /// Next transaction; false after the last one. EINVAL for a damaged length or left-over bytes.
    Result<bool> next(WireTransaction& out);
    /// The first transaction when the reply consists of one that asks for more DMA data.
    bool is_continuation(aic100_trans_dma_cont& out) const;

  private:
    std::span<const std::byte> bytes_;
    aic100_nnc_msg_hdr header_{};
    std::size_t offset_ = sizeof(aic100_nnc_msg_hdr);
    std::uint32_t seen_ = 0;
};

}  // namespace qaicrt::backend::emu
