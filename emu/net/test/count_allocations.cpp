// SPDX-License-Identifier: Apache-2.0
/// Every form of operator new, counted; in its own file, so that no call is inlined past it.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

std::atomic<std::size_t> allocations{0};

namespace {

void* counted(std::size_t size, std::size_t alignment) noexcept {
    ++allocations;
    const std::size_t rounded = (size + alignment) / alignment * alignment;
    return std::aligned_alloc(alignment, rounded);
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
    if (void* memory = counted(size, alignment)) {
        return memory;
    }
    throw std::bad_alloc();
}

constexpr std::size_t kUsual = alignof(std::max_align_t);

}  // namespace

// clang-format off
void* operator new(std::size_t n) { return counted_or_throw(n, kUsual); }
void* operator new[](std::size_t n) { return counted_or_throw(n, kUsual); }
void* operator new(std::size_t n, std::align_val_t a) { return counted_or_throw(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return counted_or_throw(n, static_cast<std::size_t>(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return counted(n, kUsual); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return counted(n, kUsual); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
// clang-format on
