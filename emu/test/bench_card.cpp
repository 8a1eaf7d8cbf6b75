// SPDX-License-Identifier: Apache-2.0
/// Speed of the card alone, without a runtime above it: requests, copies, small inferences. Prints
/// one line each; the numbers in docs/design/card.md come from here.
#include "emu/test/programs.hpp"

#include <onnx/onnx_pb.h>

#include <chrono>
#include <cstdio>

namespace {

using namespace qaicemu;
using namespace qaicemu::test;

constexpr double kSeconds = 1.0;

/// Repeats `body` for kSeconds; seconds per call.
template <class Body>
double seconds_per_call(Body body) {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    std::size_t calls = 0;
    while (elapsed() < kSeconds) {
        body();
        ++calls;
    }
    return elapsed() / static_cast<double>(calls);
}

void requests_and_copies() {
    constexpr std::uint32_t kCopy = 16 << 20;
    Bench bench(small_card(), std::size_t{64} << 20);
    auto metadata = plain_metadata();
    metadata.static_shared_ddr = kCopy;
    const Active active = bench.start(elf_of(metadata), 512);
    Ring ring(bench.user, active);
    const std::vector<aic100_request> batch(256, no_transfer(1));
    const double seconds = seconds_per_call([&] {
        ring.submit(batch);
        ring.drain();
    });
    std::printf("requests without transfer: %.2f million/s\n", 256e-6 / seconds);
    const std::uint64_t buffer = bench.host.allocate(kCopy);
    const auto copy = [&](const aic100_request& request, const char* name) {
        const double each = seconds_per_call([&] {
            ring.submit(request);
            ring.drain();
        });
        std::printf("%s: %.1f GB/s\n", name, kCopy / each / 1e9);
    };
    copy(to_device(1, buffer, active.ddr_base, kCopy), "16 MiB to the card");
    copy(from_device(1, active.ddr_base, buffer, kCopy), "16 MiB from the card");
}

void inferences() {
    constexpr std::size_t kQueued = 32;
    Bench bench;
    const Bytes elf = network_elf(relu_model(256), {{"x", {256}}}, {{"y", {256}}});
    const auto metadata = metadata_of(elf);
    const Active active = bench.start(elf, 512);
    Ring ring(bench.user, active);
    const std::uint64_t buffers[] = {bench.host.allocate(1024), bench.host.allocate(1024)};
    const auto one = inference(metadata, active, 0, buffers);
    std::vector<aic100_request> many;
    for (std::size_t i = 0; i < kQueued; ++i) {
        many.insert(many.end(), one.begin(), one.end());
    }
    const double serial = seconds_per_call([&] {
        ring.submit(one);
        ring.wait(one.size());
    });
    const double queued = seconds_per_call([&] {
        ring.submit(many);
        ring.wait(many.size());
    });
    std::printf("Relu of 1 KiB, one at a time: %.1f us\n", serial * 1e6);
    std::printf("Relu of 1 KiB, %zu queued: %.1f us\n", kQueued, queued * 1e6 / kQueued);
}

}  // namespace

int main() {
    requests_and_copies();
    inferences();
    return 0;
}
