// SPDX-License-Identifier: Apache-2.0
#include "emu/test/fake_host.hpp"

#include <cstdlib>
#include <cstring>

namespace qaicemu::test {

FakeHost::FakeHost(std::size_t bytes) : memory_(bytes) {}

bool FakeHost::inside(std::uint64_t addr, std::size_t bytes) const {
    return reachable && addr >= kHostBase && addr - kHostBase <= memory_.size() &&
           memory_.size() - (addr - kHostBase) >= bytes;
}

bool FakeHost::read(std::uint64_t addr, std::span<std::byte> out) {
    ++accesses;
    if (before_read) {
        before_read(out.size());
    }
    if (!inside(addr, out.size())) {
        return false;
    }
    std::memcpy(out.data(), memory_.data() + (addr - kHostBase), out.size());
    return true;
}

bool FakeHost::write(std::uint64_t addr, std::span<const std::byte> in) {
    ++accesses;
    if (!inside(addr, in.size())) {
        return false;
    }
    std::memcpy(memory_.data() + (addr - kHostBase), in.data(), in.size());
    return true;
}

bool FakeHost::write_u32_release(std::uint64_t addr, std::uint32_t value) {
    ++accesses;
    if (!inside(addr, sizeof(value)) || addr % sizeof(value) != 0) {
        return false;
    }
    auto& word = *reinterpret_cast<std::uint32_t*>(memory_.data() + (addr - kHostBase));
    std::atomic_ref(word).store(value, std::memory_order_release);
    return true;
}

void FakeHost::raise(unsigned vector) {
    const std::lock_guard lock(mutex_);
    ++counts_.at(vector);
    raised_.notify_all();
}

std::uint64_t FakeHost::allocate(std::size_t bytes, std::size_t alignment) {
    const std::uint64_t start = (next_ + alignment - 1) / alignment * alignment;
    next_ = start + bytes;
    if (next_ - kHostBase > memory_.size()) {
        std::abort();  // the test asked for more than it configured
    }
    return start;
}

std::span<std::byte> FakeHost::at(std::uint64_t addr, std::size_t bytes) {
    return std::span(memory_).subspan(addr - kHostBase, bytes);
}

std::uint32_t FakeHost::load_u32(std::uint64_t addr) {
    auto& word = *reinterpret_cast<std::uint32_t*>(at(addr, 4).data());
    return std::atomic_ref(word).load(std::memory_order_acquire);
}

void FakeHost::put(std::uint64_t addr, std::span<const std::byte> bytes) {
    std::memcpy(at(addr, bytes.size()).data(), bytes.data(), bytes.size());
}

bool FakeHost::wait_interrupts(unsigned vector, std::size_t count) {
    std::unique_lock lock(mutex_);
    return raised_.wait_for(lock, std::chrono::seconds(10),
                            [&] { return counts_.at(vector) >= count; });
}

}  // namespace qaicemu::test
