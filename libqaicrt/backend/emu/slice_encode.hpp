// SPDX-License-Identifier: Apache-2.0
/// From slices to request elements, once per attach: the rules of the kernel's attach path.
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/bus_memory.hpp"

#include <hw/aic100_dbc.h>
#include <qaicrt/result.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace qaicrt::backend::emu {

/// The checks that need nothing but the slices and the BO's size, in the kernel's order (all
/// EINVAL).
Status check_slices(std::span<const Slice> slices, std::uint64_t bo_bytes);
/// The checks that the kernel makes while it encodes: doorbell alignment, one presync (EINVAL).
Status check_encodable(const Slice& slice);

/// Appends the requests of one slice: one per piece of memory; only the last has postsyncs,
/// doorbell and completion; a presync is on all of them; without one, several requests put a fence
/// on the last. A slice of size 0 moves nothing. EINVAL when the slice cannot be found in the
/// segments.
Status encode_slice(const Slice& slice, Direction direction, std::span<const BusSegment> segments,
                    std::vector<aic100_request>& out);

}  // namespace qaicrt::backend::emu
