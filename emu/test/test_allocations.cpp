// SPDX-License-Identifier: Apache-2.0
// Once a program runs, neither requests nor inferences allocate. A program of its own, because it
// counts every operator new of the process.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <thread>

/// How often operator new was called in this process: allocation_counter.cpp.
std::size_t allocations_so_far();

namespace qaicemu::test {
namespace {

/// Submits `requests`, already in the FIFO's first slots of a 3 * n element ring, again and again.
std::size_t allocations_of_rounds(Bench& bench, const Active& active,
                                  const std::vector<aic100_request>& requests, int rounds) {
    Card& card = *bench.card;
    const std::uint32_t n = active.elements;
    const auto round = [&] {
        std::uint32_t tail = card.dbc_read(active.dbc, AIC100_DBC_REQTP);
        for (const auto& request : requests) {
            bench.host.put(active.requests + std::uint64_t{tail} * sizeof(request),
                           std::as_bytes(std::span(&request, 1)));
            tail = (tail + 1) % n;
        }
        card.dbc_write(active.dbc, AIC100_DBC_REQTP, tail);
        for (std::size_t taken = 0; taken < requests.size();) {
            const std::uint32_t head = card.dbc_read(active.dbc, AIC100_DBC_RSPHP);
            if (head != card.dbc_read(active.dbc, AIC100_DBC_RSPTP)) {
                card.dbc_write(active.dbc, AIC100_DBC_RSPHP, (head + 1) % n);
                ++taken;
            } else {
                std::this_thread::yield();  // the NSP's thread may need this core
            }
        }
    };
    round();  // the first one may still grow what is kept afterwards
    const std::size_t before = allocations_so_far();
    for (int i = 0; i < rounds; ++i) {
        round();
    }
    return allocations_so_far() - before;
}

TEST(Allocations, RequestsNeedNone) {
    Bench bench;
    const Active active = bench.start_plain(32);
    const std::uint64_t buffer = bench.host.allocate(4096);
    auto waiting = from_device(1, active.ddr_base, buffer, 4096);
    waiting.sem_cmd[0] = presync(AIC100_SEM_WAIT_GT_0, 0);
    auto first = to_device(2, buffer, active.ddr_base, 4096);
    first.sem_cmd[0] = sem(AIC100_SEM_INC, 0);
    EXPECT_EQ(allocations_of_rounds(bench, active, {waiting, first, no_transfer(3)}, 1000), 0u);
}

TEST(Allocations, InferencesNeedNone) {
    Bench bench;
    const Bytes elf = network_elf(relu_model(256), {{"x", {256}}}, {{"y", {256}}}, 2);
    const Active active = bench.start(elf);
    const std::uint64_t buffers[] = {bench.host.allocate(1024), bench.host.allocate(1024)};
    const auto requests = inference(metadata_of(elf), active, 0, buffers);
    EXPECT_EQ(allocations_of_rounds(bench, active, requests, 1000), 0u);
}

}  // namespace
}  // namespace qaicemu::test
