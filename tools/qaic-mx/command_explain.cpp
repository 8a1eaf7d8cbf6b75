// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/commands.hpp"
#include "tools/qaic-mx/explain.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace qaicmxtool {
namespace {

qaicrt::Result<float> parse_weight(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || end != text.c_str() + text.size()) {
        return qaicrt::Error(qaicrt::Errc::kInvalidArgument, "'" + text + "' is not a number.");
    }
    const auto weight = static_cast<float>(value);
    if (std::isfinite(value) && std::isinf(weight)) {
        return qaicrt::Error(qaicrt::Errc::kInvalidArgument,
                             "'" + text + "' is beyond FP32; the largest is 3.4e38.");
    }
    return weight;
}

}  // namespace

Outcome run_explain(const ExplainArguments& arguments) {
    std::vector<float> weights;
    for (const std::string& text : arguments.weights) {
        auto weight = parse_weight(text);
        if (!weight) {
            return Failure{std::move(weight).error(), true};
        }
        weights.push_back(*weight);
    }
    auto profiles = make_profiles(arguments.profiles, arguments.options);
    if (!profiles) {
        return Failure{std::move(profiles).error(), true};
    }
    const Explanation explanation = explain(weights, *profiles);
    std::string text =
        arguments.json ? explanation_json(explanation) : explanation_text(explanation);
    text += arguments.chart && !arguments.json ? explanation_chart(explanation) : "";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::nullopt;
}

}  // namespace qaicmxtool
