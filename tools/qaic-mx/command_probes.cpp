// SPDX-License-Identifier: Apache-2.0
#include "tools/common/atomic_file.hpp"
#include "tools/qaic-mx/commands.hpp"
#include "tools/qaic-mx/probes.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace qaicmxtool {
namespace {

qaicrt::Status make_directory(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0777) == 0 || errno == EEXIST) {
        return {};
    }
    const int code = errno;
    return qaicrt::Error(
        qaicrt::Errc::kIo,
        "The directory '" + directory + "' cannot be made: " + std::strerror(code) + ".", code);
}

qaicrt::Status write_text(const std::string& path, const std::string& text) {
    return qaictools::write_file_atomically(path, {std::as_bytes(std::span(text))});
}

qaicrt::Status write_input(const std::string& directory, const ProbeInput& input) {
    std::vector<float> values;
    for (const std::vector<float>& row : input.rows) {
        values.insert(values.end(), row.begin(), row.end());
    }
    return qaictools::write_file_atomically(directory + "/" + input.name + ".raw",
                                            {std::as_bytes(std::span(values))});
}

qaicrt::Status write_probes(const ProbesArguments& arguments) {
    const ProbePlan plan = make_probe_plan();
    const std::vector<Prediction> predictions = predict(plan);
    QAICRT_TRY(const std::string model, probe_model(plan));
    const std::string& directory = arguments.directory;
    QAICRT_CHECK(make_directory(directory));
    QAICRT_CHECK(write_text(directory + "/mx_probes.onnx", model));
    for (const ProbeInput& input : plan.inputs) {
        QAICRT_CHECK(write_input(directory, input));
    }
    QAICRT_CHECK(write_text(directory + "/predictions.csv", predictions_csv(plan, predictions)));
    QAICRT_CHECK(write_text(directory + "/README.md", probes_readme(plan, predictions)));
    std::printf(
        "%s: mx_probes.onnx with %zu layers, its inputs, predictions.csv and README.md, which says "
        "how to run it\n",
        directory.c_str(), plan.layers.size());
    return {};
}

qaicrt::Status read_results(const ProbesArguments& arguments) {
    const ProbePlan plan = make_probe_plan();
    QAICRT_TRY(const ProbeOutputs outputs, read_probe_outputs(plan, arguments.results));
    const std::string text = verdict(plan, predict(plan), outputs);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
}

}  // namespace

Outcome run_probes(const ProbesArguments& arguments) {
    auto status = arguments.results.empty() ? write_probes(arguments) : read_results(arguments);
    return status ? Outcome() : Failure{std::move(status).error(), false};
}

}  // namespace qaicmxtool
