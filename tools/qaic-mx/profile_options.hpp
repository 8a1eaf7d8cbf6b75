// SPDX-License-Identifier: Apache-2.0
/// What a command line may change of a profile.
#pragma once

#include "emu/mx/quantize.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qaicmxtool {

/// Every field left empty keeps the profile's own rule.
struct ProfileOptions {
    std::optional<std::string> format, round, scale_rule, source, result, inf, fp16_overflow,
        negative_zero;
    std::optional<int> block_size, scale_bits, scale_offset;
    std::optional<std::uint64_t> seed;
    bool flush_subnormals = false;
    bool flush_fp16_subnormals = false;
};

/// The words that the options accept, for help texts and error messages.
std::string format_words();
std::string round_words();
std::string scale_rule_words();

/// The named profile with the options applied. MX6 keeps its own element type and block size; the
/// uniform 6-bit profile keeps its element type: they are what the names say. Errors:
/// kInvalidArgument, one sentence.
qaicrt::Result<qaicmx::Profile> make_profile(const std::string& name,
                                             const ProfileOptions& options);

/// The profiles of `names`, or all of them when there are none.
qaicrt::Result<std::vector<qaicmx::Profile>> make_profiles(const std::vector<std::string>& names,
                                                           const ProfileOptions& options);

/// One line that says what the profile does, from its fields: "E2M3, blocks of 32, …".
std::string describe(const qaicmx::Profile& profile);

}  // namespace qaicmxtool
