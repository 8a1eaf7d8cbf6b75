// SPDX-License-Identifier: Apache-2.0
/// One ONNX backend test case against the network runner.
#pragma once

#include <string>

namespace conformance {

struct Outcome {
    bool passed = false;
    std::string stage;  ///< "unsupported" (the runner refuses the model) or "failed"
    std::string reason;
};

/// Loads the case's model with the inputs that determine shapes bound as constants, runs every data
/// set with one and two threads, with the passes on and off, and compares as ONNX's own test
/// runner does: rtol 1e-3, atol 1e-7, integers and Booleans exactly.
Outcome run_case(const std::string& folder);

}  // namespace conformance
