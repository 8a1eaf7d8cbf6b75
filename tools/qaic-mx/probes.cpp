// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/probes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qaicmxtool {
namespace {

std::size_t input_for(ProbePlan& plan, std::size_t k) {
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
        if (plan.inputs[i].k == k) {
            return i;
        }
    }
    ProbeInput input{fmt::format("x{}", k), k, {}};
    for (std::size_t row = 0; row < k; ++row) {
        input.rows.emplace_back(k, 0.0F)[row] = 1.0F;
    }
    plan.inputs.push_back(std::move(input));
    return plan.inputs.size() - 1;
}

std::size_t row_for(ProbeInput& input, const std::vector<float>& values) {
    const auto found = std::find(input.rows.begin(), input.rows.end(), values);
    if (found == input.rows.end()) {
        input.rows.push_back(values);
        return input.rows.size() - 1;
    }
    return static_cast<std::size_t>(found - input.rows.begin());
}

Prediction predict_one(const ProbePlan& plan, const ProbeLayer& layer,
                       const std::vector<std::vector<float>>& decoded, std::size_t row,
                       std::size_t column) {
    const std::vector<float>& inputs = plan.inputs[layer.input].rows[row];
    Prediction prediction{&layer, row, column, row == layer.own_row, {}};
    for (const std::vector<float>& weights : decoded) {
        const auto feature = std::span(weights).subspan(column * inputs.size(), inputs.size());
        prediction.values.push_back(qaicmx::card_dot(feature, inputs));
    }
    return prediction;
}

std::string short_name(std::string_view hypothesis) {
    return std::string(hypothesis.substr(0, hypothesis.find('_')));
}

/// "A1" … and "A1 along outputs", which shares its first letters.
std::string column_name(const qaicmx::Hypothesis& hypothesis) {
    return hypothesis.blocks_along_outputs ? short_name(hypothesis.name) + "n"
                                           : short_name(hypothesis.name);
}

constexpr const char* kReadmeHead = R"(# Probes of the card's MX rule

`mx_probes.onnx` holds one Linear layer (Gemm, no bias) for each probe. The first rows of its inputs are identity
matrices, so the first rows of every output are that layer's weights as the card decodes them; a later row is the
probe's own input. One run on a real card settles the rule:

    qaic-exec -m=mx_probes.onnx -aic-hw -aic-hw-version=2.0 -convert-to-fp16 -mxfp6-matmul -compile-only -aic-binary-dir=qpc
    mkdir out
    qaic-runner -t qpc -i x32.raw -i x64.raw -n 1 --write-output-dir out
    qaic-mx probes . --read out

The last command compares all outputs with all hypotheses. `predictions.csv` has every predicted number; below are
the answers to the probes' own inputs.

)";

}  // namespace

ProbePlan make_probe_plan() {
    ProbePlan plan;
    plan.hypotheses = qaicmx::card_hypotheses();
    for (qaicmx::Probe& probe : qaicmx::card_probes()) {
        ProbeLayer layer;
        layer.output = fmt::format("y_{}", probe.id);
        layer.input = input_for(plan, probe.inputs.size());
        layer.own_row = row_for(plan.inputs[layer.input], probe.inputs);
        layer.probe = std::move(probe);
        plan.layers.push_back(std::move(layer));
    }
    return plan;
}

std::vector<Prediction> predict(const ProbePlan& plan) {
    std::vector<Prediction> predictions;
    for (const ProbeLayer& layer : plan.layers) {
        std::vector<std::vector<float>> decoded;
        decoded.reserve(plan.hypotheses.size());
        for (const qaicmx::Hypothesis& hypothesis : plan.hypotheses) {
            decoded.push_back(
                qaicmx::decoded_weights(hypothesis, layer.probe.weights, layer.probe.outputs));
        }
        const std::size_t k = plan.inputs[layer.input].k;
        for (std::size_t column = 0; column < layer.probe.outputs; ++column) {
            for (std::size_t row = 0; row < k; ++row) {
                predictions.push_back(predict_one(plan, layer, decoded, row, column));
            }
            predictions.push_back(predict_one(plan, layer, decoded, layer.own_row, column));
        }
    }
    return predictions;
}

std::string predictions_csv(const ProbePlan& plan, const std::vector<Prediction>& predictions) {
    std::string text = "output,row,column,shows";
    for (const qaicmx::Hypothesis& hypothesis : plan.hypotheses) {
        text += fmt::format(",{}", hypothesis.name);
    }
    text += '\n';
    for (const Prediction& prediction : predictions) {
        text += fmt::format("{},{},{},{}", prediction.layer->output, prediction.row,
                            prediction.column, prediction.own ? "answer" : "weight");
        for (const float value : prediction.values) {
            text += fmt::format(",{}", value);
        }
        text += '\n';
    }
    return text;
}

std::string probes_readme(const ProbePlan& plan, const std::vector<Prediction>& predictions) {
    std::string text = kReadmeHead;
    std::string rule = "|---|---|";
    text += "| Probe | row |";
    for (const qaicmx::Hypothesis& hypothesis : plan.hypotheses) {
        text += fmt::format(" {} |", column_name(hypothesis));
        rule += "---|";
    }
    text += "\n" + rule + "\n";
    for (const Prediction& prediction : predictions) {
        if (!prediction.own) {
            continue;
        }
        const qaicmx::Probe& probe = prediction.layer->probe;
        text += fmt::format("| {}{} | {} |", probe.id,
                            probe.outputs > 1 ? fmt::format("[{}]", prediction.column) : "",
                            prediction.row);
        for (const float value : prediction.values) {
            text += fmt::format(" {} |", value);
        }
        text += '\n';
    }
    text += "\nHypotheses:\n\n";
    for (const qaicmx::Hypothesis& hypothesis : plan.hypotheses) {
        text += fmt::format("- {} (`{}`): {}\n", column_name(hypothesis), hypothesis.name,
                            hypothesis.meaning);
    }
    text += "\nProbes:\n\n";
    for (const ProbeLayer& layer : plan.layers) {
        text += fmt::format("- {}: {}\n", layer.probe.id, layer.probe.purpose);
    }
    return text;
}

std::string verdict(const ProbePlan& plan, const std::vector<Prediction>& predictions,
                    const ProbeOutputs& outputs) {
    const auto agrees = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    std::string text;
    std::string fitting;
    std::size_t fits = 0;
    for (std::size_t h = 0; h < plan.hypotheses.size(); ++h) {
        std::size_t wrong = 0;
        std::string first;
        for (const Prediction& prediction : predictions) {
            const float seen = outputs.at(
                prediction.layer
                    ->output)[prediction.row * prediction.layer->probe.outputs + prediction.column];
            if (!agrees(seen, prediction.values[h])) {
                first = wrong++ == 0 ? fmt::format("; the first is row {} of {}: {} and not {}",
                                                   prediction.row, prediction.layer->output, seen,
                                                   prediction.values[h])
                                     : first;
            }
        }
        const std::string& name = std::string(plan.hypotheses[h].name);
        text += wrong == 0 ? fmt::format("{:<24} fits all {} numbers\n", name, predictions.size())
                           : fmt::format("{:<24} {} of {} numbers differ{}\n", name, wrong,
                                         predictions.size(), first);
        fitting += wrong == 0 ? (fits++ == 0 ? "" : ", ") + name : "";
    }
    return text + (fits == 0 ? "\nno hypothesis fits; the weights as decoded are in the first rows "
                               "of each output.\n"
                             : fmt::format("\nthe outputs fit {}.\n", fitting));
}

}  // namespace qaicmxtool
