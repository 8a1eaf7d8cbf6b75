// SPDX-License-Identifier: Apache-2.0
/// The four commands. Each prints its result on standard output and returns an error as one
/// sentence.
#pragma once

#include "tools/qaic-mx/profile_options.hpp"

#include <qaicrt/result.hpp>

#include <optional>
#include <string>
#include <vector>

namespace qaicmxtool {

struct ExplainArguments {
    std::vector<std::string> weights;  ///< as typed
    std::vector<std::string> profiles;
    ProfileOptions options;
    bool chart = false;
    bool json = false;
};

struct QuantizeArguments {
    std::string profile = "aic100";
    std::vector<int> axes;  ///< empty: the last one
    ProfileOptions options;
    std::string input, output;
};

struct CompareArguments {
    std::vector<std::string> profiles;
    std::vector<int> axes;
    ProfileOptions options;
    std::string input;
    bool chart = false;
    bool json = false;
};

struct ProbesArguments {
    std::string directory;
    std::string results;  ///< directory with a card's outputs; empty: write the probes
};

/// kInvalidArgument from parsing what was typed is a bad command line (exit 2); it has `is_usage`
/// set.
struct Failure {
    qaicrt::Error error;
    bool is_usage = false;
};

/// nullopt: done.
using Outcome = std::optional<Failure>;

Outcome run_explain(const ExplainArguments& arguments);
Outcome run_quantize(const QuantizeArguments& arguments);
Outcome run_compare(const CompareArguments& arguments);
Outcome run_probes(const ProbesArguments& arguments);

}  // namespace qaicmxtool
