// SPDX-License-Identifier: Apache-2.0
/// The types at a program's edge.
#pragma once

#include "emu/net/network.hpp"
#include "libqaicrt/qpc/network_desc.hpp"

#include <qaicrt/result.hpp>

#include <span>
#include <string>
#include <vector>

namespace qaicc {

/// Bindings (name, type, dims) of a program's inputs or outputs; `side` is "Input" or "Output".
/// float FloatTy, float16 Float16Ty, int8 and bool Int8Ty, uint8 UInt8QTy (scale 1, offset 0),
/// int32 Int32ITy, int64 Int64ITy. Errors: kUnsupported naming the tensor and its type, or its size
/// 0.
qaicrt::Result<std::vector<qaicrt::qpc::Binding>> make_bindings(
    std::span<const qaicnet::ValueInfo> values, const char* side);

}  // namespace qaicc
