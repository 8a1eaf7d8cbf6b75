// SPDX-License-Identifier: Apache-2.0
// Networks on the emulated NSPs: the loop with semaphores and doorbells, failures, hostile
// programs.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <random>
#include <thread>

namespace qaicemu::test {
namespace {

constexpr std::int32_t kElements = 256;

Bytes relu_elf(std::uint16_t nsps = 1) {
    return network_elf(relu_model(kElements), {{"x", {kElements}}}, {{"y", {kElements}}}, nsps);
}

void put_floats(FakeHost& host, std::uint64_t at, std::span<const float> values) {
    host.put(at, std::as_bytes(values));
}
std::vector<float> get_floats(FakeHost& host, std::uint64_t at, std::size_t count) {
    std::vector<float> out(count);
    std::memcpy(out.data(), host.at(at, count * sizeof(float)).data(), count * sizeof(float));
    return out;
}

struct NspLoop : testing::Test {};

TEST_F(NspLoop, AnInferenceRunsFromHostMemoryToHostMemory) {
    Bench bench;
    const Bytes elf = relu_elf();
    const Active active = bench.start(elf);
    Ring ring(bench.user, active);
    const std::uint64_t buffers[] = {bench.host.allocate(kElements * 4),
                                     bench.host.allocate(kElements * 4)};
    std::vector<float> x(kElements);
    for (int i = 0; i < kElements; ++i) {
        x[static_cast<std::size_t>(i)] = static_cast<float>(i - 128) / 4;
    }
    put_floats(bench.host, buffers[0], x);
    ring.submit(inference(metadata_of(elf), active, 10, buffers));
    EXPECT_EQ(ring.wait(2), (std::vector<Response>{{10, 0}, {11, 0}}));
    std::ranges::for_each(x, [](float& value) { value = std::max(value, 0.0F); });
    EXPECT_EQ(get_floats(bench.host, buffers[1], kElements), x);
    EXPECT_EQ(bench.card->workload_error(active.dbc), "");
    EXPECT_EQ(bench.user.deactivate(active), 0);
}

TEST_F(NspLoop, QueuedInferencesEachGetTheirOwnInput) {
    Bench bench;
    const Bytes elf = relu_elf();
    const auto metadata = metadata_of(elf);
    const Active active = bench.start(elf, 64);
    Ring ring(bench.user, active);
    constexpr int kInferences = 24;
    std::vector<std::uint64_t> outputs;
    std::vector<aic100_request> batch;
    for (int n = 0; n < kInferences; ++n) {
        const std::uint64_t buffers[] = {bench.host.allocate(kElements * 4),
                                         bench.host.allocate(kElements * 4)};
        put_floats(bench.host, buffers[0], std::vector<float>(kElements, static_cast<float>(n)));
        outputs.push_back(buffers[1]);
        const auto requests =
            inference(metadata, active, static_cast<std::uint16_t>(2 * n), buffers);
        batch.insert(batch.end(), requests.begin(), requests.end());
    }
    ring.submit(batch);
    const auto responses = ring.wait(2 * kInferences);
    ASSERT_EQ(responses.size(), 2u * kInferences);
    for (int n = 0; n < kInferences; ++n) {
        EXPECT_EQ(get_floats(bench.host, outputs[static_cast<std::size_t>(n)], kElements),
                  std::vector<float>(kElements, static_cast<float>(n)));
    }
}

TEST_F(NspLoop, TheInterruptComesWithTheResult) {
    Bench bench;
    const Bytes elf = relu_elf();
    const Active active = bench.start(elf);
    Ring ring(bench.user, active);
    const std::uint64_t buffers[] = {bench.host.allocate(kElements * 4),
                                     bench.host.allocate(kElements * 4)};
    ring.submit(inference(metadata_of(elf), active, 0, buffers));
    EXPECT_TRUE(bench.host.wait_interrupts(active.dbc + 1, 1));
    EXPECT_EQ(ring.wait(2).size(), 2u);
}

TEST_F(NspLoop, DeactivationEndsALoopThatWaits) {
    Bench bench;
    const auto before = bench.user.resources();
    const Active active = bench.start(relu_elf(2));
    EXPECT_EQ(bench.user.resources().nsp_free, before.nsp_free - 2);
    EXPECT_EQ(bench.user.deactivate(active), 0);
    const Active again = bench.start(relu_elf());
    bench.user.terminate();
    const auto after = bench.user.resources();
    EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
    EXPECT_EQ(again.status, 0);
}

TEST_F(NspLoop, ActivationsRunInParallel) {
    Bench bench;
    const Bytes elf = relu_elf();
    const auto metadata = metadata_of(elf);
    std::vector<Active> actives;
    std::vector<std::thread> threads;
    std::vector<std::uint64_t> in, out;
    for (int i = 0; i < 3; ++i) {
        actives.push_back(bench.start(elf));
        in.push_back(bench.host.allocate(kElements * 4));
        out.push_back(bench.host.allocate(kElements * 4));
    }
    for (std::size_t i = 0; i < actives.size(); ++i) {
        threads.emplace_back([&, i] {
            Ring ring(bench.user, actives[i]);
            for (int n = 0; n < 50; ++n) {
                put_floats(bench.host, in[i], std::vector<float>(kElements, static_cast<float>(n)));
                const std::uint64_t buffers[] = {in[i], out[i]};
                ring.submit(inference(metadata, actives[i], 0, buffers));
                EXPECT_EQ(ring.wait(2).size(), 2u);
                EXPECT_EQ(get_floats(bench.host, out[i], 1)[0], static_cast<float>(n));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST_F(NspLoop, ResultsDoNotDependOnTheNumberOfThreads) {
    constexpr std::int32_t kM = 33, kK = 95, kN = 67;
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> weights(kK * kN), x(kM * kK);
    std::ranges::generate(weights, [&] { return normal(random); });
    std::ranges::generate(x, [&] { return normal(random); });
    const auto run = [&](std::uint16_t nsps, unsigned threads) {
        CardConfig config = small_card();
        config.threads_per_nsp = threads;
        Bench bench(config);
        const Bytes elf = network_elf(matmul_model(kM, kK, kN, weights), {{"x", {kM, kK}}},
                                      {{"y", {kM, kN}}}, nsps);
        const Active active = bench.start(elf);
        Ring ring(bench.user, active);
        const std::uint64_t buffers[] = {bench.host.allocate(kM * kK * 4),
                                         bench.host.allocate(kM * kN * 4)};
        put_floats(bench.host, buffers[0], x);
        ring.submit(inference(metadata_of(elf), active, 0, buffers));
        EXPECT_EQ(ring.wait(2).size(), 2u);
        return get_floats(bench.host, buffers[1], kM * kN);
    };
    const auto one = run(1, 1);
    EXPECT_NE(one[0], 0.0F);
    EXPECT_EQ(run(2, 1), one);
    EXPECT_EQ(run(4, 4), one);
}

struct Workloads : testing::Test {
    Bench bench;
    Bytes elf = network_elf(gather_model(8), {{"table", {8}}, {"index", {1}, true}}, {{"y", {1}}});
    Active active = bench.start(elf);
    Ring ring{bench.user, active};
    std::uint64_t table = bench.host.allocate(32), index = bench.host.allocate(8),
                  out = bench.host.allocate(4);

    std::vector<Response> run(std::int64_t value) {
        bench.host.put(index, to_bytes(value));
        const std::uint64_t buffers[] = {table, index, out};
        ring.submit(inference(metadata_of(elf), active, 0, buffers));
        auto responses = ring.wait(3);
        std::ranges::sort(responses, {}, &Response::id);
        return responses;
    }
};

TEST_F(Workloads, AFailedNetworkShowsInItsOutputsAndTheNextInferenceRuns) {
    const float values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    put_floats(bench.host, table, values);
    EXPECT_EQ(run(3), (std::vector<Response>{{0, 0}, {1, 0}, {2, 0}}));
    EXPECT_EQ(get_floats(bench.host, out, 1)[0], 3.0F);
    put_floats(bench.host, out, std::vector{-1.0F});
    EXPECT_EQ(run(1000), (std::vector<Response>{{0, 0}, {1, 0}, {2, AIC100_RSP_WORKLOAD}}));
    EXPECT_NE(bench.card->workload_error(active.dbc), "");
    EXPECT_EQ(get_floats(bench.host, out, 1)[0], -1.0F) << "an invalid output is not delivered";
    EXPECT_EQ(run(7), (std::vector<Response>{{0, 0}, {1, 0}, {2, 0}}));
    EXPECT_EQ(get_floats(bench.host, out, 1)[0], 7.0F);
}

struct HostileEmu : testing::Test {
    Bench bench;
    /// Activates the plain relu metadata with another model inside; the status and the words for
    /// it.
    std::int32_t activate_with(std::span<const std::byte> model,
                               const qaicrt::qpc::Metadata& metadata = metadata_of(relu_elf())) {
        const auto [status, id] = bench.user.load_elf(elf_of(metadata, model));
        EXPECT_EQ(status, 0) << bench.card->last_refusal(1);
        const auto before = bench.user.resources();
        const Active active = bench.user.activate(id);
        if (active.status == 0) {
            EXPECT_EQ(bench.user.deactivate(active), 0);
        } else {
            EXPECT_NE(bench.card->last_refusal(1), "");
            EXPECT_EQ(active.transactions, 1u);
        }
        const auto after = bench.user.resources();
        EXPECT_EQ(std::memcmp(&after, &before, sizeof(after)), 0);
        return active.status;
    }
    static std::span<const std::byte> bytes(const std::string& text) {
        return std::as_bytes(std::span(text));
    }
};

TEST_F(HostileEmu, WhatIsNoModelIsAMetadataError) {
    EXPECT_EQ(activate_with(bytes("this is not protobuf")), AIC100_ST_METADATA_ERROR);
    EXPECT_EQ(activate_with(bytes(std::string(1, '\0'))), AIC100_ST_METADATA_ERROR);
    const std::string good = serialized(relu_model(kElements));
    EXPECT_EQ(activate_with(bytes(good)), 0);
    EXPECT_EQ(activate_with(bytes(good.substr(0, good.size() / 2))), AIC100_ST_METADATA_ERROR);
}

TEST_F(HostileEmu, RequestsThatDoNotMatchTheNetworkAreAMetadataError) {
    const std::string model = serialized(relu_model(kElements));
    const auto good = metadata_of(relu_elf());
    EXPECT_EQ(activate_with(bytes(serialized(relu_model(kElements + 1)))), AIC100_ST_METADATA_ERROR)
        << "sizes";
    const auto expect_refused = [&](auto change, const char* what) {
        auto metadata = good;
        change(metadata);
        EXPECT_EQ(activate_with(bytes(model), metadata), AIC100_ST_METADATA_ERROR) << what;
    };
    expect_refused([](auto& m) { m.requests.pop_back(); }, "an output is missing");
    expect_refused([](auto& m) { m.requests.push_back(m.requests[0]); }, "one too many");
    expect_refused([](auto& m) { std::swap(m.requests[0].num, m.requests[1].num); }, "order");
    expect_refused([](auto& m) { m.requests[0].from_device = true; }, "direction");
    expect_refused([](auto& m) { m.requests[1].dev_offset = m.static_shared_ddr; }, "outside DDR");
    expect_refused([](auto& m) { m.requests[1].dev_offset = ~std::uint64_t{0}; }, "overflow");
    expect_refused([](auto& m) { m.requests[0].doorbells.clear(); }, "no doorbell");
    expect_refused([](auto& m) { m.nsp_multicast[0][0].base_offset = std::uint64_t{1} << 40; },
                   "doorbell offset");
    expect_refused([](auto& m) { m.requests[0].doorbells[0].data = 0; }, "doorbell of zero");
    expect_refused([](auto& m) { m.host_multicast[0].mask = 0; }, "doorbell reaches nobody");
    expect_refused([](auto& m) { m.requests[0].space = qaicrt::qpc::AddrSpace::kMulticast; },
                   "address space");
}

TEST_F(HostileEmu, BitFlipsInTheModelAreSurvived) {
    const std::string good = serialized(relu_model(kElements));
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string damaged = good;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
        const auto status = activate_with(bytes(damaged));
        EXPECT_TRUE(status == 0 || status == AIC100_ST_METADATA_ERROR ||
                    status == AIC100_ST_MEM_ALLOC_ERROR)
            << status << " at bit " << bit;
        bench.user.terminate();
        bench.host.forget_allocations();
    }
}

}  // namespace
}  // namespace qaicemu::test
