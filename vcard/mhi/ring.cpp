// SPDX-License-Identifier: Apache-2.0
#include "vcard/mhi/ring.hpp"

#include <array>
#include <cstring>

namespace qaicvcard::mhi {
namespace {

// Fields of a context behind its three words; 64 bits wide and aligned to 32.
constexpr std::size_t kBaseAt = 12, kLengthAt = 20, kRpAt = 28, kWpAt = 36;

}  // namespace

bool Ring::is_element(std::uint64_t at) const noexcept {
    return at >= base_ && at - base_ < length_ && (at - base_) % kElementBytes == 0;
}

const char* Ring::load(qaicemu::HostMemory& memory, std::uint64_t context) {
    forget();
    std::array<std::byte, kContextBytes> bytes;
    if (context > UINT64_MAX - kContextBytes || !memory.read(context, bytes)) {
        return "its context cannot be read";
    }
    Ring ring;
    ring.context_ = context;
    std::memcpy(ring.words_, bytes.data(), sizeof(ring.words_));
    std::memcpy(&ring.base_, bytes.data() + kBaseAt, 8);
    std::memcpy(&ring.length_, bytes.data() + kLengthAt, 8);
    std::memcpy(&ring.rp_, bytes.data() + kRpAt, 8);
    std::memcpy(&ring.wp_, bytes.data() + kWpAt, 8);
    if (ring.length_ < 2 * kElementBytes || ring.length_ > kMaxElements * kElementBytes ||
        ring.length_ % kElementBytes != 0) {
        return "its length is not 2 to 4096 elements";
    }
    if (ring.base_ % kElementBytes != 0 || ring.base_ > UINT64_MAX - ring.length_) {
        return "its base address is not one of a ring";
    }
    if (!ring.is_element(ring.rp_) || !ring.is_element(ring.wp_)) {
        return "its pointers lie outside of it";
    }
    *this = ring;
    return nullptr;
}

bool Ring::set_wp(std::uint64_t wp) noexcept {
    if (!is_element(wp)) {
        return false;
    }
    wp_ = wp;
    return true;
}

bool Ring::read(qaicemu::HostMemory& memory, std::uint64_t at, Element& out) {
    std::array<std::byte, sizeof(Element)> bytes;
    if (!memory.read(at, bytes)) {
        return false;
    }
    std::memcpy(&out, bytes.data(), sizeof(out));
    return true;
}

bool Ring::publish_rp(qaicemu::HostMemory& memory) const {
    const auto high = static_cast<std::uint32_t>(rp_ >> 32);
    return memory.write(context_ + kRpAt + 4, std::as_bytes(std::span(&high, 1))) &&
           memory.write_u32_release(context_ + kRpAt, static_cast<std::uint32_t>(rp_));
}

void Ring::refresh_wp(qaicemu::HostMemory& memory) {
    std::uint64_t wp = 0;
    if (memory.read(context_ + kWpAt, std::as_writable_bytes(std::span(&wp, 1)))) {
        (void)set_wp(wp);
    }
}

}  // namespace qaicvcard::mhi
