// SPDX-License-Identifier: Apache-2.0
/// The probe model: one Linear layer per probe, all fed by two inputs whose first rows are identity
/// matrices, so that one run shows every decoded weight and every probe's own answer.
#pragma once

#include "emu/mx/card_probes.hpp"

#include <qaicrt/result.hpp>

#include <map>
#include <string>
#include <vector>

namespace qaicmxtool {

/// One of the model's inputs: k identity rows, then one row per different probe input.
struct ProbeInput {
    std::string name;
    std::size_t k = 0;
    std::vector<std::vector<float>> rows;
};

/// One Linear layer of the model.
struct ProbeLayer {
    qaicmx::Probe probe;
    std::string output;     ///< name of the graph's output, "y_P01"
    std::size_t input = 0;  ///< index into ProbePlan::inputs
    std::size_t own_row = 0;
};

struct ProbePlan {
    std::vector<ProbeInput> inputs;
    std::vector<ProbeLayer> layers;
    std::vector<qaicmx::Hypothesis> hypotheses;
};

ProbePlan make_probe_plan();

/// A number that the run shows, and what each hypothesis says it is (in the order of the
/// hypotheses).
struct Prediction {
    const ProbeLayer* layer = nullptr;
    std::size_t row = 0;     ///< of the batch
    std::size_t column = 0;  ///< output feature
    bool own = false;        ///< the probe's own input; otherwise a decoded weight
    std::vector<float> values;
};

/// Decoded weights and own answers of every layer, in the model's order. Points into the plan.
std::vector<Prediction> predict(const ProbePlan& plan);

/// The ONNX model (IR version 8, opset 13) as bytes.
qaicrt::Result<std::string> probe_model(const ProbePlan& plan);

std::string predictions_csv(const ProbePlan& plan, const std::vector<Prediction>& predictions);
std::string probes_readme(const ProbePlan& plan, const std::vector<Prediction>& predictions);

/// Outputs of a run by name: the numbers of y_… in row-major order.
using ProbeOutputs = std::map<std::string, std::vector<float>>;

/// Looks in a directory for each output's file: NAME.npy, NAME.raw, NAME.bin or
/// NAME-activation-…bin, as runners write them. Errors: kNotFound names the first output that has
/// none, kFormat one of the wrong size.
qaicrt::Result<ProbeOutputs> read_probe_outputs(const ProbePlan& plan,
                                                const std::string& directory);

/// Which hypotheses agree with the outputs, in words.
std::string verdict(const ProbePlan& plan, const std::vector<Prediction>& predictions,
                    const ProbeOutputs& outputs);

}  // namespace qaicmxtool
