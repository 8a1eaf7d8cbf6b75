// SPDX-License-Identifier: Apache-2.0
// In a file of its own: a compiler that sees a replacement and its callers together takes the
// malloc() inside for a mistake. All forms are replaced, since a block from one must not end in
// another's delete.
#include "libqaicrt/test/count_allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<unsigned long> allocations{0};

constexpr std::size_t kUsual = alignof(std::max_align_t);

void* counted(std::size_t bytes, std::size_t alignment) noexcept {
    if (counting) {
        ++allocations;
    }
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}

void* counted_or_throw(std::size_t bytes, std::size_t alignment) {
    void* memory = counted(bytes, alignment);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

std::size_t number(std::align_val_t alignment) {
    return static_cast<std::size_t>(alignment);
}

}  // namespace

void qaicrt::test::start_counting_allocations() {
    allocations = 0;
    counting = true;
}

unsigned long qaicrt::test::stop_counting_allocations() {
    counting = false;
    return allocations;
}

using NoThrow = std::nothrow_t;
using Align = std::align_val_t;

void* operator new(std::size_t n) {
    return counted_or_throw(n, kUsual);
}
void* operator new[](std::size_t n) {
    return counted_or_throw(n, kUsual);
}
void* operator new(std::size_t n, Align a) {
    return counted_or_throw(n, number(a));
}
void* operator new[](std::size_t n, Align a) {
    return counted_or_throw(n, number(a));
}
void* operator new(std::size_t n, const NoThrow&) noexcept {
    return counted(n, kUsual);
}
void* operator new[](std::size_t n, const NoThrow&) noexcept {
    return counted(n, kUsual);
}
void* operator new(std::size_t n, Align a, const NoThrow&) noexcept {
    return counted(n, number(a));
}
void* operator new[](std::size_t n, Align a, const NoThrow&) noexcept {
    return counted(n, number(a));
}

void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete[](void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete(void* p, Align) noexcept {
    std::free(p);
}
void operator delete[](void* p, Align) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t, Align) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t, Align) noexcept {
    std::free(p);
}
void operator delete(void* p, const NoThrow&) noexcept {
    std::free(p);
}
void operator delete[](void* p, const NoThrow&) noexcept {
    std::free(p);
}
void operator delete(void* p, Align, const NoThrow&) noexcept {
    std::free(p);
}
void operator delete[](void* p, Align, const NoThrow&) noexcept {
    std::free(p);
}
