// SPDX-License-Identifier: Apache-2.0
/// A ring in the host's memory, described by a context there.
#pragma once

#include "emu/ports.hpp"
#include "vcard/mhi/layout.hpp"

#include <cstdint>

namespace qaicvcard::mhi {

/// Pointers are bus addresses: rp is the next element to be consumed, wp the next to be produced.
/// Not thread safe. What the host wrote is checked before it is used.
class Ring {
  public:
    /// More than any host makes; keeps what one doorbell can cause small.
    static constexpr std::uint64_t kMaxElements = 4096;

    /// Reads the context; the words say what is wrong with it, null if nothing is.
    const char* load(qaicemu::HostMemory& memory, std::uint64_t context);
    void forget() noexcept { *this = Ring(); }
    bool loaded() const noexcept { return length_ != 0; }

    std::uint64_t context() const noexcept { return context_; }
    std::uint32_t word(unsigned i) const noexcept { return words_[i]; }
    std::uint64_t rp() const noexcept { return rp_; }
    std::uint64_t wp() const noexcept { return wp_; }
    bool empty() const noexcept { return rp_ == wp_; }
    std::uint64_t next(std::uint64_t at) const noexcept {
        return at + kElementBytes == base_ + length_ ? base_ : at + kElementBytes;
    }
    /// False for an address that is not an element of this ring.
    bool set_wp(std::uint64_t wp) noexcept;
    void set_rp(std::uint64_t rp) noexcept { rp_ = rp; }

    static bool read(qaicemu::HostMemory& memory, std::uint64_t at, Element& out);
    /// Puts rp into the context, behind everything written before.
    bool publish_rp(qaicemu::HostMemory& memory) const;
    /// Takes wp from the context, where the host may have a newer one than its doorbell told.
    void refresh_wp(qaicemu::HostMemory& memory);

  private:
    bool is_element(std::uint64_t at) const noexcept;

    std::uint64_t context_ = 0, base_ = 0, length_ = 0, rp_ = 0, wp_ = 0;
    std::uint32_t words_[3] = {};
};

}  // namespace qaicvcard::mhi
