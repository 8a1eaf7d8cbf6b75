// SPDX-License-Identifier: Apache-2.0
// What one inference costs the host besides arithmetic: heap allocations, and (under strace, see
// inference.sh) system calls. Runs a program N times after a warm-up and prints the allocations of
// the N runs.
#include "compiler/compile.hpp"

#include <qaicrt/qaicrt.hpp>

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size)) {
        return memory;
    }
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

qaicrt::Result<long> allocations_of(const std::string& model, int runs) {
    qaicc::CompileOptions options;
    options.model_path = model;
    options.convert_to_fp16 = true;
    options.mxfp6_matmul = true;
    QAICRT_TRY(auto bytes, qaicc::compile_model_to_bytes(options, nullptr));
    QAICRT_TRY(const auto program, qaicrt::Program::from_bytes(std::move(bytes)));
    QAICRT_TRY(const auto context, qaicrt::Context::create());
    QAICRT_TRY(const auto device, context.open(0));
    QAICRT_TRY(const auto activation, qaicrt::Activation::create(device, program));
    QAICRT_TRY(auto inference, activation.create_inference());
    for (int i = 0; i < 10; ++i) {
        QAICRT_CHECK(inference.run());
    }
    const long before = allocations.load();
    for (int i = 0; i < runs; ++i) {
        QAICRT_CHECK(inference.run());
    }
    return allocations.load() - before;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: bench_inference_counts MODEL.onnx RUNS\n");
        return 2;
    }
    const auto count = allocations_of(argv[1], std::atoi(argv[2]));
    if (!count) {
        fmt::print(stderr, "bench_inference_counts: {}\n", count.error().message);
        return 1;
    }
    fmt::print("{}\n", *count);
    return 0;
}
