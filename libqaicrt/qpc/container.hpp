// SPDX-License-Identifier: Apache-2.0
/// The QPC container: named segments in one file. Reads untrusted bytes; depends on nothing of
/// ours. Source: docs/qpc.md; all offsets are file offsets after the base rule.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicrt::qpc {

inline constexpr std::string_view kNetworkElf = "network.elf";
inline constexpr std::string_view kNetworkDesc = "networkdesc.bin";
inline constexpr std::string_view kConstants = "constants.bin";
inline constexpr std::string_view kConstantsDesc = "constantsdesc.bin";

/// A view into the image that parse() was given.
struct Segment {
    std::string_view name;
    std::span<const std::byte> data;
    std::uint64_t split = 0;  ///< constants.bin: bytes of the static part; 0 elsewhere
};

/// Decoded table of a container. Borrows the image; never dereferences its pointer fields.
class Container {
  public:
    /// Every rule R1-R15 of the format; Errc::kFormat with the byte offset and the rule broken.
    static Result<Container> parse(std::span<const std::byte> image);

    std::span<const Segment> segments() const noexcept { return segments_; }
    const Segment* find(std::string_view name) const noexcept;  ///< exact name; null if absent
    bool minor_version_differs() const noexcept { return minor_version_differs_; }

  private:
    std::vector<Segment> segments_;
    bool minor_version_differs_ = false;
};

/// Writes a container: base 0, every element 8-aligned, pad bytes zero: equal input gives equal
/// bytes. Errors: kInvalidArgument (no network.elf, duplicate or bad names, split > size).
Result<std::vector<std::byte>> write_container(std::span<const Segment> segments);

}  // namespace qaicrt::qpc
