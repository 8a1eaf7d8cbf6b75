// SPDX-License-Identifier: Apache-2.0
// Our FP32 kernels against oneDNN's, one thread each, on shapes of real networks: time of a call
// and heap allocations per call.
//
// Ours is the step of a network alone (no copies of inputs and results), oneDNN's the primitive
// alone, with the layouts that it chooses (what it costs to get there is not counted) and, as
// information, on channels last. Rounds of a few milliseconds take turns and the fastest of each
// counts, so that whatever else the machine does meets all of them.
#include "bench/count_allocations.hpp"
#include "emu/net/import.hpp"
#include "emu/net/network_impl.hpp"
#include "tests/onednn/peer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using qaicnet::test::Dims;
using qaicnet::test::Peer;
using qaicnet::test::PeerLayout;
using qaicnet::test::Work;
using qaicnet::test::WorkKind;
using qaicrt::Result;

constexpr double kRatioBar = 1.25;
constexpr double kAllocationsBar = 0;
constexpr int kRounds = 40;
constexpr double kRoundSeconds = 0.003;
constexpr int kCountedCalls = 20;

struct Case {
    const char* name;
    Work work;
};

struct Square {
    std::int64_t size, kernel = 1, stride = 1;
    bool padded = true;
};

Work windowed(WorkKind kind, std::int64_t in, std::int64_t out, const Square& s) {
    Work work;
    work.kind = kind;
    work.in_channels = in;
    work.out_channels = out;
    work.in = {s.size, s.size};
    work.kernel = {s.kernel, s.kernel};
    work.strides = {s.stride, s.stride};
    work.dilations = {1, 1};
    const std::int64_t padding = s.padded ? s.kernel / 2 : 0;
    work.before = work.after = {padding, padding};
    return work;
}

Work convolution(std::int64_t in, std::int64_t out, const Square& s) {
    return windowed(WorkKind::kConv, in, out, s);
}

Work depthwise(std::int64_t channels, const Square& s) {
    Work work = convolution(channels, channels, s);
    work.groups = channels;
    return work;
}

Work product(std::int64_t m, std::int64_t k, std::int64_t n) {
    Work work;
    work.kind = WorkKind::kProduct;
    work.m = m;
    work.k = k;
    work.n = n;
    return work;
}

std::vector<Case> cases() {
    return {
        {"3x3 64>64 56x56", convolution(64, 64, {56, 3})},
        {"3x3 128>128 28x28", convolution(128, 128, {28, 3})},
        {"3x3 96>24 160x160", convolution(96, 24, {160, 3})},
        {"3x3 3>16 stride 2 480x480", convolution(3, 16, {480, 3, 2})},
        {"1x1 96>96 60x60", convolution(96, 96, {60})},
        {"1x1 240>96 30x30", convolution(240, 96, {30})},
        {"1x1 24>96 160x160", convolution(24, 96, {160})},
        {"1x1 256>512 14x14", convolution(256, 512, {14})},
        {"depthwise 5x5 96 60x60", depthwise(96, {60, 5})},
        {"depthwise 3x3 stride 2 64 112x112", depthwise(64, {112, 3, 2})},
        {"transposed 2x2 stride 2 24>24 80x80",
         windowed(WorkKind::kConvTranspose, 24, 24, {80, 2, 2, false})},
        {"product 512x512x512", product(512, 512, 512)},
        {"product 40x480x120", product(40, 480, 120)},
        {"product 40x120x6625", product(40, 120, 6625)},
        {"product 1x2048x512", product(1, 2048, 512)},
        {"max pool 3x3 stride 2 64 112x112", windowed(WorkKind::kMaxPool, 64, 64, {112, 3, 2})},
    };
}

std::vector<float> numbers(const Dims& dims) {
    std::vector<float> out(dims.empty() ? 0 : qaicnet::test::count_of(dims));
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::generate(out.begin(), out.end(), [&] { return normal(random); });
    return out;
}

/// A loaded network of one step, and that step.
class OurKernel {
  public:
    static Result<OurKernel> load(const Work& work, const std::vector<float>& weights,
                                  const std::vector<float>& bias) {
        const qaicnet::LoadOptions options;
        OurKernel ours;
        const auto model = qaicnet::test::kernel_model(work, weights, bias);
        QAICRT_TRY(ours.net_->graph,
                   qaicnet::import_model(model.model, {}, options, ours.net_->budget));
        QAICRT_CHECK(qaicnet::build_network(*ours.net_));
        if (ours.net_->steps.size() != 1) {
            return qaicrt::Error(
                qaicrt::Errc::kInternal,
                fmt::format("{}: {} steps instead of one", work.text(), ours.net_->steps.size()));
        }
        const std::vector<float> x = numbers(work.input_dims());
        std::memcpy(ours.net_->input_data[0], x.data(), x.size() * sizeof(float));
        return ours;
    }

    void run() {
        const qaicnet::Step& step = net_->steps[0];
        if (!step.kernel->run({step.in.data(), step.out.data(), step.scratch, *workers_})) {
            std::terminate();  // a convolution of right sizes does not fail
        }
    }

  private:
    std::unique_ptr<qaicnet::Network::Impl> net_ =
        std::make_unique<qaicnet::Network::Impl>(qaicnet::LoadOptions().max_bytes);
    std::unique_ptr<qaicnet::Workers> workers_ = qaicnet::make_workers(1);
};

/// One side of the comparison.
struct Side {
    std::function<void()> call;
    int calls = 1;  ///< in a round
    double best = std::numeric_limits<double>::infinity();

    double seconds() const {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i) {
            call();
        }
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
               calls;
    }
    void begin() {
        call();
        const double once = std::min(seconds(), seconds());
        calls = std::clamp(static_cast<int>(kRoundSeconds / once), 1, 10000);
    }
    void round() { best = std::min(best, seconds()); }
    double allocations() const {
        const long before = heap_allocations();
        for (int i = 0; i < kCountedCalls; ++i) {
            call();
        }
        return static_cast<double>(heap_allocations() - before) / kCountedCalls;
    }
};

struct Row {
    std::string name, implementation;
    double operations = 0, ours = 0, best = 0, last = 0;  ///< times in seconds
    double our_allocations = 0, peer_allocations = 0;
    double ratio() const { return ours / best; }
};

Result<Row> measure(const Case& c) {
    const auto weights = numbers(c.work.weight_dims());
    const auto bias = numbers(c.work.bias_dims());
    QAICRT_TRY(OurKernel kernel, OurKernel::load(c.work, weights, bias));
    Peer best(c.work, PeerLayout::kBest);
    Peer last(c.work, PeerLayout::kChannelsLast);
    const auto x = numbers(c.work.input_dims());
    best.set(x, weights, bias);
    last.set(x, weights, bias);

    Side sides[] = {{[&] { kernel.run(); }}, {[&] { best.run(); }}, {[&] { last.run(); }}};
    for (Side& side : sides) {
        side.begin();
    }
    for (int i = 0; i < kRounds; ++i) {
        for (Side& side : sides) {
            side.round();
        }
    }
    Row row{c.name, best.implementation(), c.work.operations()};
    row.ours = sides[0].best;
    row.best = sides[1].best;
    row.last = sides[2].best;
    row.our_allocations = sides[0].allocations();
    row.peer_allocations = sides[1].allocations();
    return row;
}

nlohmann::json figure(const char* name, double value, std::optional<double> bar) {
    nlohmann::json out{{"name", name}, {"value", value}, {"better", "lower"}, {"pass", true}};
    if (bar) {
        out["bar"] = *bar;
        out["pass"] = value <= *bar;
    }
    return out;
}

nlohmann::json result_of(const std::vector<Row>& rows) {
    double logarithms = 0;
    double ours = 0;
    double peers = 0;
    nlohmann::json kernels = nlohmann::json::array();
    for (const Row& row : rows) {
        logarithms += std::log(row.ratio());
        ours = std::max(ours, row.our_allocations);
        peers = std::max(peers, row.peer_allocations);
        kernels.push_back({{"name", row.name},
                           {"ratio", row.ratio()},
                           {"ours_us", row.ours * 1e6},
                           {"peer_us", row.best * 1e6},
                           {"peer_channels_last_us", row.last * 1e6},
                           {"ours_gflops", row.operations / row.ours * 1e-9},
                           {"peer_gflops", row.operations / row.best * 1e-9},
                           {"peer_implementation", row.implementation},
                           {"allocations_per_call", row.our_allocations},
                           {"peer_allocations_per_call", row.peer_allocations}});
    }
    const double mean = std::exp(logarithms / static_cast<double>(rows.size()));
    nlohmann::json figures = {
        figure("FP32 kernel time / oneDNN, one thread each, geometric mean", mean, kRatioBar),
        figure("heap allocations per call", ours, kAllocationsBar),
        figure("heap allocations per call, oneDNN", peers, std::nullopt)};
    const bool pass = std::all_of(figures.begin(), figures.end(),
                                  [](const nlohmann::json& f) { return f["pass"].get<bool>(); });
    return {{"benchmark", "kernels"}, {"figures", figures}, {"kernels", kernels}, {"pass", pass}};
}

void say(const Row& row) {
    fmt::print(stderr,
               "{:<36} {:5.2f}  {:9.1f} us, oneDNN {:9.1f} us ({}), on channels last {:9.1f} us; "
               "{:6.1f} : {:6.1f} GFLOP/s; allocations {:g} : {:g}\n",
               row.name, row.ratio(), row.ours * 1e6, row.best * 1e6, row.implementation,
               row.last * 1e6, row.operations / row.ours * 1e-9, row.operations / row.best * 1e-9,
               row.our_allocations, row.peer_allocations);
}

int run(std::string_view only) {
    std::vector<Row> rows;
    for (const Case& c : cases()) {
        if (std::string_view(c.name).find(only) == std::string_view::npos) {
            continue;
        }
        auto row = measure(c);
        if (!row) {
            fmt::print(stderr, "bench_kernels: {}\n", row.error().message);
            return 1;
        }
        say(*row);
        rows.push_back(std::move(*row));
    }
    if (rows.empty()) {
        fmt::print(stderr, "bench_kernels: no kernel has '{}' in its name\n", only);
        return 2;
    }
    const nlohmann::json result = result_of(rows);
    fmt::print("{}\n", result.dump());
    return result["pass"].get<bool>() ? 0 : 1;
}

}  // namespace

// usage: bench_kernels [PART-OF-A-NAME]      one JSON object on standard output, a line per kernel
// on standard error
int main(int argc, char** argv) {
    try {
        return run(argc > 1 ? argv[1] : "");
    } catch (const std::exception& failure) {  // oneDNN throws
        fmt::print(stderr, "bench_kernels: {}\n", failure.what());
        return 1;
    }
}
