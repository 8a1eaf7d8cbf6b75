// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/quantize.hpp"

#include <array>

namespace qaicmx {
namespace {

constexpr std::array<std::string_view, 10> kNames = {
    "ocp",          "microxcaling", "aic100",      "aic100-fp32src", "aic100-ties0",
    "aic100-trunc", "aic100-ieee",  "aic100-int6", "aic100-mx6",     "none",
};

/// What every public observation of the card agrees with (docs/numerics.md).
Profile aic100(std::string_view name) {
    Profile profile;
    profile.name = name;
    profile.scale_rule = ScaleRule::kFloorPlus1;
    profile.source = SourcePrecision::kFp16;
    profile.result = ResultPrecision::kFp16;
    return profile;
}

Profile microxcaling() {
    Profile profile;
    profile.name = "microxcaling";
    profile.microxcaling_artefacts = true;
    profile.keep_negative_zero = false;
    return profile;
}

Profile aic100_variant(std::string_view name) {
    Profile profile = aic100(name);
    if (name == "aic100-fp32src") {
        profile.source = SourcePrecision::kFp32;
    } else if (name == "aic100-ties0") {
        profile.rounding = Rounding::kTiesToZero;
    } else if (name == "aic100-trunc") {
        profile.rounding = Rounding::kFloor;
    } else if (name == "aic100-ieee") {
        profile.scale_rule = ScaleRule::kFloor;
        profile.reserve_top_exponent = true;
    } else if (name == "aic100-int6") {
        profile.scale_rule = ScaleRule::kFloor;
        profile.format = ElementFormat::kSign1I4F;
    } else if (name == "aic100-mx6") {
        profile.scale_rule = ScaleRule::kFloor;
        profile.micro_exponents = true;
        profile.block_size = 16;
    } else if (name == "none") {
        profile.pass_through = true;
    }
    return profile;
}

}  // namespace

std::span<const std::string_view> profile_names() noexcept {
    return kNames;
}

qaicrt::Result<Profile> profile_by_name(std::string_view name) {
    std::string known;
    for (const std::string_view candidate : kNames) {
        if (name != candidate) {
            known.append(known.empty() ? "" : ", ").append(candidate);
            continue;
        }
        if (name == "ocp") {
            Profile profile;
            profile.name = name;
            return profile;
        }
        return name == "microxcaling" ? microxcaling() : aic100_variant(name);
    }
    return qaicrt::Error(qaicrt::Errc::kInvalidArgument,
                         "there is no MX profile named '" + std::string(name) +
                             "'; the known ones are " + known + ".");
}

}  // namespace qaicmx
