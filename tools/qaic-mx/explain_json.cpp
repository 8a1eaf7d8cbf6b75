// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/explain.hpp"
#include "tools/qaic-mx/json.hpp"
#include "tools/qaic-mx/profile_options.hpp"

#include <fmt/format.h>

namespace qaicmxtool {
namespace {

void write_weights(JsonWriter& json, const ProfileFacts& facts, const std::vector<float>& weights) {
    json.key("weights");
    json.begin_array();
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const WeightFacts& weight = facts.weights[i];
        json.begin_object();
        json.key("weight");
        json.number(weights[i]);
        json.key("code");
        weight.code ? json.text(fmt::format("{:02x}", *weight.code)) : json.null();
        json.key("value");
        json.number(weight.value);
        json.key("error");
        json.number(static_cast<double>(weight.value) - weights[i]);
        json.end_object();
    }
    json.end_array();
}

void write_profile(JsonWriter& json, const ProfileFacts& facts, const std::vector<float>& weights) {
    json.begin_object();
    json.key("profile");
    json.text(facts.profile.name);
    json.key("rules");
    json.text(describe(facts.profile));
    json.key("shared_exponents");
    json.begin_array();
    for (const std::optional<int>& exponent : facts.block_exponents) {
        exponent ? json.integer(*exponent) : json.null();
    }
    json.end_array();
    write_weights(json, facts, weights);
    json.key("dot_product_with_ones");
    json.number(facts.dot);
    json.end_object();
}

}  // namespace

std::string explanation_json(const Explanation& explanation) {
    JsonWriter json;
    json.begin_object();
    json.key("exact");
    json.number(explanation.exact);
    json.key("profiles");
    json.begin_array();
    for (const ProfileFacts& facts : explanation.profiles) {
        write_profile(json, facts, explanation.weights);
    }
    json.end_array();
    json.key("why");
    json.text(explanation.why);
    json.end_object();
    return json.take();
}

}  // namespace qaicmxtool
