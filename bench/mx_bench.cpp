// SPDX-License-Identifier: Apache-2.0
// The scalar MX reference, in weights per second: what a compile spends on a layer. Later kernels
// are compared with it.
#include "emu/mx/pack.hpp"
#include "emu/mx/quantize.hpp"

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

namespace {

std::vector<float> weights(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = 0.02F * std::sin(static_cast<float>(i) * 0.7F);
    }
    return values;
}

void quantise_rows(benchmark::State& state, const char* profile_name) {
    const auto profile = qaicmx::profile_by_name(profile_name);
    const std::size_t rows = 64;
    const std::size_t length = 1024;
    const auto values = weights(rows * length);
    for (auto _ : state) {
        auto codes = qaicmx::quantize_rows(*profile, values, rows, length);
        benchmark::DoNotOptimize(codes);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows * length));
}

void unpack_six_bits(benchmark::State& state) {
    std::vector<std::uint8_t> codes(4096, 21);
    std::vector<std::uint8_t> packed(qaicmx::packed_bytes(codes.size(), 6));
    qaicmx::pack_lsb(codes, 6, packed);
    for (auto _ : state) {
        qaicmx::unpack_lsb(packed, 6, codes);
        benchmark::DoNotOptimize(codes.data());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(codes.size()));
}

}  // namespace

BENCHMARK_CAPTURE(quantise_rows, aic100, "aic100");
BENCHMARK_CAPTURE(quantise_rows, microxcaling, "microxcaling");
BENCHMARK(unpack_six_bits);
BENCHMARK_MAIN();
