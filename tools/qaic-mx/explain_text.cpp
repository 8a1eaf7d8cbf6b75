// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/explain.hpp"
#include "tools/qaic-mx/profile_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qaicmxtool {
namespace {

constexpr std::size_t kWeightsPerTable = 8;  // ten columns of numbers still fit a terminal
constexpr std::size_t kLabelWidth = 9;

/// Exact when that is short (binary fractions are), else six digits.
std::string error_text(const WeightFacts& facts, float weight) {
    const double error = static_cast<double>(facts.value) - weight;
    const std::string exact = decimal(error);
    return exact.size() <= 10 ? exact : fmt::format("{:.6g}", error);
}

std::string code_text(const WeightFacts& facts) {
    return facts.code ? fmt::format("{:02x}", *facts.code) : "-";
}

/// One line of a table: label and right-aligned cells.
class Line {
  public:
    explicit Line(std::string_view label) : text_(fmt::format("  {:<{}}", label, kLabelWidth)) {}
    void add(const std::string& cell, std::size_t width) {
        text_ += fmt::format("  {:>{}}", cell, width);
    }
    std::string finish() const { return text_ + "\n"; }

  private:
    std::string text_;
};

/// Widths of the columns for weights first … last - 1 over all profiles.
std::vector<std::size_t> column_widths(const Explanation& explanation, std::size_t first,
                                       std::size_t last) {
    std::vector<std::size_t> widths;
    for (std::size_t i = first; i < last; ++i) {
        std::size_t width = decimal(explanation.weights[i]).size();
        for (const ProfileFacts& facts : explanation.profiles) {
            width = std::max({width, decimal(facts.weights[i].value).size(),
                              error_text(facts.weights[i], explanation.weights[i]).size()});
        }
        widths.push_back(width);
    }
    return widths;
}

std::string exponents_text(const ProfileFacts& facts) {
    if (facts.profile.pass_through) {
        return "no shared exponent";
    }
    if (facts.profile.scale_rule == qaicmx::ScaleRule::kNone) {
        return "an exponent for every element";
    }
    std::string text = facts.block_exponents.size() == 1 ? "shared exponent" : "shared exponents";
    for (const std::optional<int>& exponent : facts.block_exponents) {
        text += exponent ? fmt::format(" {} (scale {})", *exponent, std::ldexp(1.0, *exponent))
                         : " NaN";
    }
    return text;
}

std::string profile_rows(const ProfileFacts& facts, const std::vector<float>& weights,
                         std::size_t first, const std::vector<std::size_t>& widths) {
    Line codes("code");
    Line values("value");
    Line errors("error");
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const WeightFacts& weight = facts.weights[first + i];
        codes.add(code_text(weight), widths[i]);
        values.add(decimal(weight.value), widths[i]);
        errors.add(error_text(weight, weights[first + i]), widths[i]);
    }
    return codes.finish() + values.finish() + errors.finish();
}

std::string weight_table(const Explanation& explanation, std::size_t first, std::size_t last) {
    const std::vector<std::size_t> widths = column_widths(explanation, first, last);
    Line header("weight");
    for (std::size_t i = first; i < last; ++i) {
        header.add(decimal(explanation.weights[i]), widths[i - first]);
    }
    std::string text = header.finish();
    for (const ProfileFacts& facts : explanation.profiles) {
        text += fmt::format("\n{}: {}\n", facts.profile.name, exponents_text(facts));
        text += first == 0 ? fmt::format("  {}\n", describe(facts.profile)) : "";
        text += profile_rows(facts, explanation.weights, first, widths);
    }
    return text + "\n";
}

/// Profiles with equal values share a column.
std::vector<std::vector<const ProfileFacts*>> chart_columns(const Explanation& explanation) {
    std::vector<std::vector<const ProfileFacts*>> columns;
    for (const ProfileFacts& facts : explanation.profiles) {
        const auto same = std::find_if(columns.begin(), columns.end(), [&](const auto& column) {
            return std::equal(
                facts.weights.begin(), facts.weights.end(), column[0]->weights.begin(),
                [](const WeightFacts& a, const WeightFacts& b) {
                    return a.value == b.value || (std::isnan(a.value) && std::isnan(b.value));
                });
        });
        same == columns.end() ? columns.push_back({&facts}) : same->push_back(&facts);
    }
    return columns;
}

std::string column_title(const std::vector<const ProfileFacts*>& column) {
    const std::string& name = column[0]->profile.name;
    return column.size() == 1 ? name : fmt::format("{} +{}", name, column.size() - 1);
}

double largest_finite_error(const Explanation& explanation) {
    double largest = 0;
    for (const ProfileFacts& facts : explanation.profiles) {
        for (std::size_t i = 0; i < facts.weights.size(); ++i) {
            const double error =
                std::fabs(static_cast<double>(facts.weights[i].value) - explanation.weights[i]);
            largest = std::isfinite(error) ? std::max(largest, error) : largest;
        }
    }
    return largest;
}

std::string error_bar(double error, double largest, std::size_t width) {
    if (!std::isfinite(error)) {
        return std::isnan(error) ? "NaN" : "Inf";
    }
    if (error == 0 || largest == 0) {
        return "";
    }
    const auto full = std::lround(std::fabs(error) / largest * static_cast<double>(width - 1));
    return std::string(1, error > 0 ? '+' : '-') +
           std::string(static_cast<std::size_t>(std::max(full, 1L)), '#');
}

}  // namespace

std::string explanation_text(const Explanation& explanation) {
    std::string text;
    for (std::size_t first = 0; first < explanation.weights.size(); first += kWeightsPerTable) {
        text += weight_table(explanation, first,
                             std::min(first + kWeightsPerTable, explanation.weights.size()));
    }
    text += "dot product with ones\n";
    text += fmt::format("exact {}\n", explanation.exact);
    for (const ProfileFacts& facts : explanation.profiles) {
        text += fmt::format("{} {}\n", facts.profile.name, facts.dot);
    }
    return text + "\nwhy: " + explanation.why + "\n";
}

std::string explanation_chart(const Explanation& explanation) {
    constexpr std::size_t kBar = 18;
    const double largest = largest_finite_error(explanation);
    const auto columns = chart_columns(explanation);
    std::string text = fmt::format("\nerror of each weight, by sign; the longest bar is {}\n{:>14}",
                                   largest, "weight");
    for (const auto& column : columns) {
        text += fmt::format("  |{:<{}}", column_title(column), kBar);
    }
    text += '\n';
    for (std::size_t i = 0; i < explanation.weights.size(); ++i) {
        text += fmt::format("{:>14}", decimal(explanation.weights[i]));
        for (const auto& column : columns) {
            const double error =
                static_cast<double>(column[0]->weights[i].value) - explanation.weights[i];
            text += fmt::format("  |{:<{}}", error_bar(error, largest, kBar), kBar);
        }
        text += '\n';
    }
    for (const auto& column : columns) {
        std::string names;
        for (std::size_t i = 1; i < column.size(); ++i) {
            names += (i == 1 ? "" : ", ") + column[i]->profile.name;
        }
        text += names.empty() ? "" : fmt::format("{}: also {}\n", column_title(column), names);
    }
    return text;
}

}  // namespace qaicmxtool
