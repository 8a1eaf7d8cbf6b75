// SPDX-License-Identifier: Apache-2.0
/// Access to memory that belongs to a file which someone else may shrink at any time.
///
/// Touching a page beyond the end of a mapped file raises SIGBUS. The guard turns that into a
/// result for the accesses made through it; a SIGBUS anywhere else keeps its usual meaning.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qaicvcard::vfio_user {

/// Installs the process's SIGBUS handler, once. Thread safe.
void install_fault_guard();

/// False when source or target is not there any more; then part of it may have been copied.
bool guarded_copy(std::byte* target, const std::byte* source, std::size_t bytes) noexcept;
/// One 32-bit store with release order; `target` is aligned.
bool guarded_store_u32(std::byte* target, std::uint32_t value) noexcept;

}  // namespace qaicvcard::vfio_user
