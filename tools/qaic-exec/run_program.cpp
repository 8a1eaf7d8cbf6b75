// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-exec/run_program.hpp"

#include "tools/common/atomic_file.hpp"
#include "tools/qaic-exec/run_inputs.hpp"

#include <qaicrt/activation.hpp>
#include <qaicrt/device.hpp>
#include <qaicrt/queue.hpp>

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace qaicexec {
namespace {

using qaicrt::Activation;
using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Program;
using qaicrt::Queue;
using qaicrt::Result;
using qaicrt::Status;
using Clock = std::chrono::steady_clock;
using Print = std::function<void(const std::string&)>;

/// One copy of the program on the card and the results that it delivered.
class Instance {
  public:
    Instance(const Program& program, const qaicc::RunOptions& options, unsigned index)
        : program_(program), options_(options), index_(index) {}
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    Status start(const qaicrt::Device& device) {
        qaicrt::ActivationOptions activation_options;
        activation_options.depth = options_.set_size;
        QAICRT_TRY(Activation activation, Activation::create(device, program_, activation_options));
        QAICRT_TRY(
            Queue queue,
            Queue::create(activation, [this](const qaicrt::QueueResult& result) { take(result); }));
        queue_.emplace(std::move(queue));
        return {};
    }

    Status enqueue(std::uint64_t iteration, const InputSet& inputs) {
        std::vector<std::span<const std::byte>> views(inputs.begin(), inputs.end());
        return queue_->enqueue(iteration, views);
    }

    Status finish() {
        QAICRT_CHECK(queue_->drain());
        return std::move(failure_);
    }

    std::uint64_t completed() const { return completed_; }
    const std::vector<std::string>& written() const { return written_; }

  private:
    void take(const qaicrt::QueueResult& result) {
        if (!result.status) {
            if (failure_) {
                failure_ = result.status;
            }
            return;
        }
        ++completed_;
        const auto iteration = static_cast<std::int64_t>(result.cookie);
        const bool wanted = !options_.output_dir.empty() && iteration >= options_.output_start &&
                            iteration - options_.output_start < options_.output_samples;
        if (wanted && failure_) {
            failure_ = write_outputs(result);
        }
    }

    Status write_outputs(const qaicrt::QueueResult& result) {
        for (std::size_t i = 0; i < result.outputs.size(); ++i) {
            std::string name = program_.outputs()[i].name;
            std::replace(name.begin(), name.end(), '/', '_');
            const std::string path = fmt::format("{}/{}-activation-{}-inf-{}.bin",
                                                 options_.output_dir, name, index_, result.cookie);
            QAICRT_CHECK(qaictools::write_file_atomically(path, {result.outputs[i]}));
            written_.push_back(path);
        }
        return {};
    }

    const Program& program_;
    const qaicc::RunOptions& options_;
    const unsigned index_;
    Status failure_;
    std::uint64_t completed_ = 0;
    std::vector<std::string> written_;
    std::optional<Queue>
        queue_;  // last: its destructor still delivers results to the members above
};

Status make_output_dir(const std::string& dir) {
    struct stat info = {};
    if (dir.empty() || ::mkdir(dir.c_str(), 0777) == 0 ||
        (::stat(dir.c_str(), &info) == 0 && S_ISDIR(info.st_mode))) {
        return {};
    }
    return Error(Errc::kIo,
                 fmt::format("Cannot make the directory '{}' ({}): check -write-output-dir.", dir,
                             std::strerror(errno)),
                 errno);
}

void print_statistics(const Print& print, std::uint64_t completed, Clock::duration took,
                      int batch) {
    const double microseconds = std::chrono::duration<double, std::micro>(took).count();
    const double rate = static_cast<double>(completed) * batch / (microseconds * 1e-6);
    print(" ---- Stats ----");
    print(fmt::format("InferenceCnt {} TotalDuration {:.0f}us BatchSize {} Inf/Sec {:.3f}",
                      completed, microseconds, batch, rate));
}

}  // namespace

Status run_program(const Program& program, const qaicc::RunOptions& options, const Print& print) {
    std::vector<InputSet> sets;
    if (options.input_list_file.empty()) {
        print("Using random inputs");
        sets.push_back(random_inputs(program));
    } else {
        QAICRT_TRY(sets, read_input_list(program, options.input_list_file));
    }
    QAICRT_CHECK(make_output_dir(options.output_dir));
    QAICRT_TRY(const qaicrt::Context context, qaicrt::Context::create());
    QAICRT_TRY(const qaicrt::Device device, context.open(options.device_id));

    std::vector<std::unique_ptr<Instance>> instances;
    for (unsigned i = 0; i < options.instances; ++i) {
        instances.push_back(std::make_unique<Instance>(program, options, i));
        QAICRT_CHECK(instances.back()->start(device));
    }
    // An input list is run once through unless more iterations were asked for.
    const std::int64_t iterations =
        std::max(options.iterations, static_cast<std::int64_t>(sets.size()));
    const auto begin = Clock::now();
    for (std::int64_t i = 0; i < iterations; ++i) {
        const InputSet& inputs = sets[static_cast<std::size_t>(i) % sets.size()];
        for (const auto& instance : instances) {
            QAICRT_CHECK(instance->enqueue(static_cast<std::uint64_t>(i), inputs));
        }
    }
    std::uint64_t completed = 0;
    for (const auto& instance : instances) {
        QAICRT_CHECK(instance->finish());
        completed += instance->completed();
    }
    const auto took = Clock::now() - begin;
    for (const auto& instance : instances) {
        for (const std::string& path : instance->written()) {
            print(fmt::format("Writing file:{}", path));
        }
    }
    print_statistics(print, completed, took, program.batch_size());
    return {};
}

}  // namespace qaicexec
