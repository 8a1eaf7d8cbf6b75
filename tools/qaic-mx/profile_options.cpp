// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/profile_options.hpp"

#include "emu/mx/formats.hpp"

#include <span>
#include <string_view>

namespace qaicmxtool {
namespace {

using qaicmx::ElementFormat;
using qaicmx::Profile;
using qaicmx::ResultPrecision;
using qaicmx::Rounding;
using qaicmx::ScaleRule;
using qaicmx::SourcePrecision;
using qaicrt::Errc;
using qaicrt::Error;

template <class T>
struct Word {
    std::string_view word;
    T value;
    std::string_view phrase;  ///< for describe()
};

constexpr Word<Rounding> kRounds[] = {
    {"even", Rounding::kEven, "ties to even"},
    {"nearest", Rounding::kNearestAway, "ties away from zero"},
    {"floor", Rounding::kFloor, "truncated toward zero"},
    {"ties-to-zero", Rounding::kTiesToZero, "ties toward zero"},
    {"dither", Rounding::kDither, "dithered"},
};
constexpr Word<ScaleRule> kScaleRules[] = {
    {"floor", ScaleRule::kFloor, "scale floor(log2 amax) - emax"},
    {"floor-plus-1", ScaleRule::kFloorPlus1, "scale floor(log2 amax) - emax + 1"},
    {"ceil", ScaleRule::kCeil, "scale ceil(log2 amax) - emax"},
    {"even", ScaleRule::kEven, "scale of the rounded amax"},
    {"rceil", ScaleRule::kRceil, "scale ceil(log2(amax / max))"},
    {"rfloor", ScaleRule::kRfloor, "scale floor(log2(amax / max))"},
    {"none", ScaleRule::kNone, "every element its own scale"},
};
constexpr Word<SourcePrecision> kSources[] = {{"fp32", SourcePrecision::kFp32, "from FP32"},
                                              {"fp16", SourcePrecision::kFp16, "from FP16"}};
constexpr Word<ResultPrecision> kResults[] = {{"fp32", ResultPrecision::kFp32, "to FP32"},
                                              {"fp16", ResultPrecision::kFp16, "to FP16"}};
constexpr Word<bool> kInfs[] = {{"nan", false, ""}, {"saturate", true, ""}};
constexpr Word<bool> kOverflows[] = {{"inf", false, ""}, {"saturate", true, ""}};
constexpr Word<bool> kNegativeZeros[] = {{"keep", true, ""}, {"drop", false, ""}};

template <class T>
std::string list_words(std::span<const Word<T>> words) {
    std::string list;
    for (const Word<T>& word : words) {
        list.append(list.empty() ? "" : ", ").append(word.word);
    }
    return list;
}

template <class T>
std::string_view phrase_of(std::span<const Word<T>> words, T value) {
    for (const Word<T>& word : words) {
        if (word.value == value) {
            return word.phrase;
        }
    }
    return "";
}

/// Sets `field` when `given` holds one of the words.
template <class T, class Field>
qaicrt::Status choose(const char* option, const std::optional<std::string>& given,
                      std::span<const Word<T>> words, Field& field) {
    if (!given) {
        return {};
    }
    for (const Word<T>& word : words) {
        if (*given == word.word) {
            field = word.value;
            return {};
        }
    }
    return Error(Errc::kInvalidArgument, std::string(option) + " does not know '" + *given +
                                             "'; it takes one of " + list_words<T>(words) + ".");
}

qaicrt::Status choose_format(const ProfileOptions& options, Profile& profile) {
    if (!options.format) {
        return {};
    }
    const auto format = qaicmx::format_from_name(*options.format);
    if (!format) {
        return Error(Errc::kInvalidArgument, "--format does not know '" + *options.format +
                                                 "'; it takes one of " + format_words() + ".");
    }
    if (profile.format != ElementFormat::kSign1I4F) {
        profile.format = *format;
    }
    return {};
}

qaicrt::Status choose_numbers(const ProfileOptions& options, Profile& profile) {
    if (options.block_size) {
        if (*options.block_size < 0) {
            return Error(Errc::kInvalidArgument,
                         "--block-size must be 0 (the whole axis) or positive.");
        }
        profile.block_size = profile.micro_exponents ? profile.block_size : *options.block_size;
    }
    if (options.scale_bits) {
        if (*options.scale_bits < 2 || *options.scale_bits > 8) {
            return Error(Errc::kInvalidArgument, "--scale-bits must be a number from 2 to 8.");
        }
        profile.scale_bits = *options.scale_bits;
    }
    if (options.scale_offset) {
        if (*options.scale_offset < -64 || *options.scale_offset > 64) {
            return Error(Errc::kInvalidArgument, "--scale-offset must be a number from -64 to 64.");
        }
        profile.scale_exponent_offset = *options.scale_offset;
    }
    profile.dither_seed = options.seed.value_or(profile.dither_seed);
    return {};
}

}  // namespace

std::string format_words() {
    return "fp8_e5m2, fp8_e4m3, fp6_e3m2, fp6_e2m3, fp4_e2m1, int8, int4, int6_s1.4";
}
std::string round_words() {
    return list_words<Rounding>(kRounds);
}
std::string scale_rule_words() {
    return list_words<ScaleRule>(kScaleRules);
}

qaicrt::Result<Profile> make_profile(const std::string& name, const ProfileOptions& options) {
    QAICRT_TRY(Profile profile, qaicmx::profile_by_name(name));
    QAICRT_CHECK(choose_format(options, profile));
    QAICRT_CHECK(choose_numbers(options, profile));
    QAICRT_CHECK(choose<Rounding>("--round", options.round, kRounds, profile.rounding));
    QAICRT_CHECK(
        choose<ScaleRule>("--scale-rule", options.scale_rule, kScaleRules, profile.scale_rule));
    QAICRT_CHECK(choose<SourcePrecision>("--source", options.source, kSources, profile.source));
    QAICRT_CHECK(choose<ResultPrecision>("--result", options.result, kResults, profile.result));
    QAICRT_CHECK(choose<bool>("--inf", options.inf, kInfs, profile.inf_saturates));
    QAICRT_CHECK(choose<bool>("--fp16-overflow", options.fp16_overflow, kOverflows,
                              profile.fp16_overflow_saturates));
    QAICRT_CHECK(choose<bool>("--negative-zero", options.negative_zero, kNegativeZeros,
                              profile.keep_negative_zero));
    profile.flush_subnormal_blocks = profile.flush_subnormal_blocks || options.flush_subnormals;
    profile.flush_fp16_subnormals = profile.flush_fp16_subnormals || options.flush_fp16_subnormals;
    return profile;
}

qaicrt::Result<std::vector<Profile>> make_profiles(const std::vector<std::string>& names,
                                                   const ProfileOptions& options) {
    std::vector<std::string> wanted = names;
    if (wanted.empty()) {
        wanted.assign(qaicmx::profile_names().begin(), qaicmx::profile_names().end());
    }
    std::vector<Profile> profiles;
    for (const std::string& name : wanted) {
        QAICRT_TRY(Profile profile, make_profile(name, options));
        profiles.push_back(std::move(profile));
    }
    return profiles;
}

std::string describe(const Profile& profile) {
    std::string text;
    const auto add = [&text](std::string_view part) {
        text.append(text.empty() ? "" : ", ").append(part);
    };
    if (profile.pass_through) {
        add("not quantised");
    } else {
        add(profile.micro_exponents ? "MX6 micro-exponents"
                                    : std::string(qaicmx::format_info(profile.format).name));
        add(profile.block_size == 0 ? "one block per axis"
                                    : "blocks of " + std::to_string(profile.block_size));
        add(phrase_of<ScaleRule>(kScaleRules, profile.scale_rule));
        if (profile.scale_exponent_offset != 0) {
            add("exponent offset " + std::to_string(profile.scale_exponent_offset));
        }
        add(phrase_of<Rounding>(kRounds, profile.rounding));
    }
    if (profile.reserve_top_exponent) {
        add("top exponent reserved");
    }
    if (profile.microxcaling_artefacts) {
        add("FP32 artefacts of the Python path");
    }
    add(std::string(phrase_of<SourcePrecision>(kSources, profile.source)) + " " +
        std::string(phrase_of<ResultPrecision>(kResults, profile.result)));
    return text;
}

}  // namespace qaicmxtool
