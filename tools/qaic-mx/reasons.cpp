// SPDX-License-Identifier: Apache-2.0
// One sentence on why profiles differ. Profiles with the same decoded weights and the same dot
// product form a group; each group is compared with the first one at the weight where they are
// farthest apart, and the facts of that weight say why.
#include "tools/qaic-mx/explain.hpp"

#include <fmt/format.h>

#include <cmath>

namespace qaicmxtool {
namespace {

using Group = std::vector<const ProfileFacts*>;

bool same_number(double a, double b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

bool same_values(const ProfileFacts& a, const ProfileFacts& b) {
    for (std::size_t i = 0; i < a.weights.size(); ++i) {
        if (!same_number(a.weights[i].value, b.weights[i].value)) {
            return false;
        }
    }
    return true;
}

std::vector<Group> group_by_result(const Explanation& explanation) {
    std::vector<Group> groups;
    for (const ProfileFacts& facts : explanation.profiles) {
        bool placed = false;
        for (Group& group : groups) {
            if (!placed && same_values(*group[0], facts) && same_number(group[0]->dot, facts.dot)) {
                group.push_back(&facts);
                placed = true;
            }
        }
        if (!placed) {
            groups.push_back({&facts});
        }
    }
    return groups;
}

std::string names_of(const Group& group, std::size_t first = 0) {
    std::string names;
    for (std::size_t i = first; i < group.size(); ++i) {
        const bool last = i + 1 == group.size() && i > first;
        names += i == first ? "" : (last ? " and " : ", ");
        names += group[i]->profile.name;
    }
    return names;
}

/// Index of the weight whose decoded values differ most; a NaN beside a number counts as most.
std::size_t farthest_weight(const ProfileFacts& a, const ProfileFacts& b) {
    std::size_t index = 0;
    double largest = -1;
    for (std::size_t i = 0; i < a.weights.size(); ++i) {
        const double va = a.weights[i].value;
        const double vb = b.weights[i].value;
        const double distance = same_number(va, vb) ? 0 : std::fabs(va - vb);
        const double rank = std::isnan(distance) ? INFINITY : distance;
        if (rank > largest) {
            largest = rank;
            index = i;
        }
    }
    return index;
}

std::string became(const WeightFacts& facts, float weight) {
    return same_number(facts.value, weight) ? fmt::format("{} stays as it is", weight)
                                            : fmt::format("{} becomes {}", weight, facts.value);
}

std::string rounding_phrase(const ProfileFacts& facts, const WeightFacts& weight) {
    switch (facts.profile.rounding) {
        case qaicmx::Rounding::kFloor:
            return "it truncates toward zero";
        case qaicmx::Rounding::kDither:
            return "it rounds at random";
        case qaicmx::Rounding::kTiesToZero:
            return weight.tie ? "it rounds the tie toward zero" : "it rounds to nearest";
        case qaicmx::Rounding::kNearestAway:
            return weight.tie ? "it rounds the tie away from zero" : "it rounds to nearest";
        case qaicmx::Rounding::kEven:
            break;
    }
    return weight.tie ? "it rounds the tie to even" : "it rounds to nearest";
}

/// Why `other` has another value than `base` for this weight; one clause without a full stop.
std::string clause(const ProfileFacts& base, const ProfileFacts& other, std::size_t index,
                   float weight) {
    const WeightFacts& a = base.weights[index];
    const WeightFacts& b = other.weights[index];
    if (b.nan_block != a.nan_block) {
        return fmt::format("its block is {}NaN as a whole, so {}", b.nan_block ? "" : "not ",
                           became(b, weight));
    }
    if (other.profile.pass_through || base.profile.pass_through) {
        const std::string rounded = same_number(b.source, weight) ? "" : " but rounds it to FP16";
        return other.profile.pass_through
                   ? fmt::format("it does not quantise{}, so {}", rounded, became(b, weight))
                   : fmt::format("it quantises, with steps of {} there, so {}", b.step,
                                 became(b, weight));
    }
    if (a.exponent != b.exponent) {
        const std::string consequence =
            b.saturated ? fmt::format("it saturates and {}", became(b, weight)) : became(b, weight);
        const std::string steps =
            a.step == b.step ? fmt::format("the step there is still {}", b.step)
                             : fmt::format("the step there is {} instead of {}", b.step, a.step);
        return fmt::format("its shared exponent is {} instead of {}, {}, and {}", *b.exponent,
                           *a.exponent, steps, consequence);
    }
    if (!same_number(a.source, b.source)) {
        return fmt::format("it starts from {} where the other starts from {}, so {}", b.source,
                           a.source, became(b, weight));
    }
    if (a.saturated != b.saturated) {
        return b.saturated ? fmt::format("its largest value is smaller, it saturates and {}",
                                         became(b, weight))
                           : fmt::format("it does not saturate there, so {}", became(b, weight));
    }
    if (a.step != b.step) {
        return fmt::format("its step there is {} instead of {}, so {}", b.step, a.step,
                           became(b, weight));
    }
    return fmt::format("{}, so {}", rounding_phrase(other, b), became(b, weight));
}

/// Begins with its own punctuation: ", but …" or "; …".
std::string group_part(const Explanation& explanation, const Group& base, const Group& group,
                       bool is_first) {
    const ProfileFacts& other = *group[0];
    const bool same_dot = same_number(base[0]->dot, other.dot);
    std::string text =
        same_dot   ? fmt::format("; {} gives the same from other values: ", other.profile.name)
        : is_first ? fmt::format(", but {} gives {} because ", other.profile.name, other.dot)
                   : fmt::format("; {} gives {} because ", other.profile.name, other.dot);
    if (same_values(*base[0], other)) {
        text += "it rounds the same sum to another precision";
    } else {
        const std::size_t index = farthest_weight(*base[0], other);
        text += clause(*base[0], other, index, explanation.weights[index]);
    }
    if (group.size() > 1) {
        text += fmt::format(" ({} {} at the same values)", names_of(group, 1),
                            group.size() == 2 ? "arrives" : "arrive");
    }
    return text;
}

}  // namespace

std::string reason(const Explanation& explanation) {
    const std::vector<Group> groups = group_by_result(explanation);
    if (groups.empty()) {
        return "";
    }
    const Group& base = groups[0];
    const std::string base_names = names_of(base);
    if (groups.size() == 1) {
        const bool exact = same_number(base[0]->dot, explanation.exact);
        return fmt::format(
            "{} {} {}{}.", base_names,
            base.size() == 1 ? "gives" : "decode these weights to the same values and give",
            base[0]->dot,
            exact ? ", the exact sum"
                  : fmt::format(" where the exact sum is {}", explanation.exact));
    }
    std::string text =
        fmt::format("{} {} {}", base_names, base.size() == 1 ? "gives" : "give", base[0]->dot);
    for (std::size_t i = 1; i < groups.size(); ++i) {
        text += group_part(explanation, base, groups[i], i == 1);
    }
    return text + ".";
}

}  // namespace qaicmxtool
