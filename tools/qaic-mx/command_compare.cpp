// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/commands.hpp"
#include "tools/qaic-mx/json.hpp"
#include "tools/qaic-mx/tensor.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

namespace qaicmxtool {
namespace {

/// Errors of one profile over the elements that are finite before and after.
struct Statistics {
    std::string profile, rules;
    std::size_t counted = 0;
    std::size_t changed = 0;
    std::size_t new_nans = 0;  ///< numbers (or infinities) that became NaN
    std::size_t new_infs = 0;
    double error_power = 0;
    double value_power = 0;
    double largest_error = 0;

    double rms() const {
        return counted == 0 ? 0 : std::sqrt(error_power / static_cast<double>(counted));
    }
    /// RMS error over RMS value; 0 when there is nothing to divide by.
    double relative() const { return value_power == 0 ? 0 : std::sqrt(error_power / value_power); }
    /// Signal to quantisation noise in decibel; Inf without noise.
    double sqnr() const {
        return error_power == 0 ? INFINITY : 10 * std::log10(value_power / error_power);
    }
};

void add(Statistics& statistics, float before, float after) {
    statistics.new_nans += std::isnan(after) && !std::isnan(before) ? 1 : 0;
    statistics.new_infs += std::isinf(after) && !std::isinf(before) ? 1 : 0;
    if (!std::isfinite(before) || !std::isfinite(after)) {
        return;
    }
    const double error = static_cast<double>(after) - before;
    statistics.counted += 1;
    statistics.changed += error != 0 ? 1 : 0;
    statistics.error_power += error * error;
    statistics.value_power += static_cast<double>(before) * before;
    statistics.largest_error = std::fmax(statistics.largest_error, std::fabs(error));
}

qaicrt::Result<std::vector<Statistics>> compare(const Tensor& tensor, const std::vector<int>& axes,
                                                const std::vector<qaicmx::Profile>& profiles) {
    std::vector<Statistics> all;
    std::vector<float> decoded(tensor.values.size());
    for (const qaicmx::Profile& profile : profiles) {
        QAICRT_CHECK(qaicmx::fake_quantize(profile, tensor.values, tensor.dims, axes, decoded));
        Statistics statistics;
        statistics.profile = profile.name;
        statistics.rules = describe(profile);
        for (std::size_t i = 0; i < decoded.size(); ++i) {
            add(statistics, tensor.values[i], decoded[i]);
        }
        all.push_back(std::move(statistics));
    }
    return all;
}

std::string table_text(const Tensor& tensor, const std::vector<Statistics>& all) {
    std::size_t not_finite = 0;
    for (const float value : tensor.values) {
        not_finite += std::isfinite(value) ? 0 : 1;
    }
    std::string text =
        fmt::format("{} values, {} of them NaN or Inf\n\n", tensor.values.size(), not_finite);
    text += fmt::format("{:<15}{:>13}{:>13}{:>12}{:>11}{:>11}{:>9}{:>9}\n", "profile", "RMS error",
                        "max error", "relative", "SQNR dB", "changed", "new NaN", "new Inf");
    for (const Statistics& s : all) {
        text += fmt::format("{:<15}{:>13.6g}{:>13.6g}{:>11.4f}%{:>11.3f}{:>11}{:>9}{:>9}\n",
                            s.profile, s.rms(), s.largest_error, 100 * s.relative(), s.sqnr(),
                            s.changed, s.new_nans, s.new_infs);
    }
    return text;
}

std::string chart_text(const std::vector<Statistics>& all) {
    double largest = 0;
    for (const Statistics& s : all) {
        largest = std::fmax(largest, s.relative());
    }
    std::string text = "\nrelative RMS error\n";
    for (const Statistics& s : all) {
        const double share = largest == 0 ? 0 : s.relative() / largest;
        text += fmt::format("{:<15}|{:<50} {:.4f}%\n", s.profile,
                            std::string(static_cast<std::size_t>(std::lround(50 * share)), '#'),
                            100 * s.relative());
    }
    return text;
}

std::string json_text(const std::vector<Statistics>& all) {
    JsonWriter json;
    json.begin_array();
    for (const Statistics& s : all) {
        json.begin_object();
        const auto text_field = [&json](const char* name, const std::string& value) {
            json.key(name);
            json.text(value);
        };
        const auto number_field = [&json](const char* name, double value) {
            json.key(name);
            json.number(value);
        };
        text_field("profile", s.profile);
        text_field("rules", s.rules);
        number_field("rms_error", s.rms());
        number_field("max_error", s.largest_error);
        number_field("relative_error", s.relative());
        number_field("sqnr_db", s.sqnr());
        json.key("counted");
        json.integer(static_cast<long long>(s.counted));
        json.key("changed");
        json.integer(static_cast<long long>(s.changed));
        json.key("new_nans");
        json.integer(static_cast<long long>(s.new_nans));
        json.key("new_infs");
        json.integer(static_cast<long long>(s.new_infs));
        json.end_object();
    }
    json.end_array();
    return json.take();
}

qaicrt::Status compare_file(const CompareArguments& arguments,
                            const std::vector<qaicmx::Profile>& profiles) {
    QAICRT_TRY(const Tensor tensor, read_tensor(arguments.input));
    QAICRT_TRY(const std::vector<int> axes, axes_of(tensor, arguments.axes, arguments.input));
    QAICRT_TRY(const std::vector<Statistics> all, compare(tensor, axes, profiles));
    std::string text = arguments.json ? json_text(all) : table_text(tensor, all);
    text += arguments.chart && !arguments.json ? chart_text(all) : "";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
}

}  // namespace

Outcome run_compare(const CompareArguments& arguments) {
    auto profiles = make_profiles(arguments.profiles, arguments.options);
    if (!profiles) {
        return Failure{std::move(profiles).error(), true};
    }
    auto status = compare_file(arguments, *profiles);
    return status ? Outcome() : Failure{std::move(status).error(), false};
}

}  // namespace qaicmxtool
