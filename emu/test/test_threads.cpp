// SPDX-License-Identifier: Apache-2.0
// Several threads at the doors of one card: nothing lost, nothing after the end, no data race
// (TSan).
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <atomic>
#include <thread>

namespace qaicemu::test {
namespace {

constexpr int kElements = 64;

TEST(Threads, SubmitterAndDrainerOfOneChannelLoseNothing) {
    Bench bench;
    const Active active = bench.start_plain(16);
    constexpr std::uint16_t kCount = 20000;
    std::thread submitter([&] {
        Ring ring(bench.user, active);
        for (std::uint16_t id = 0; id < kCount;) {
            const std::uint32_t used =
                (ring.reg(AIC100_DBC_REQTP) + 16 - ring.reg(AIC100_DBC_REQHP)) % 16;
            if (used < 15) {
                ring.submit(no_transfer(id++));
            } else {
                std::this_thread::yield();
            }
        }
    });
    Ring ring(bench.user, active);
    const auto responses = ring.wait(kCount);
    submitter.join();
    ASSERT_EQ(responses.size(), kCount);
    for (std::uint16_t id = 0; id < kCount; ++id) {
        ASSERT_EQ(responses[id], (Response{id, 0}));
    }
}

TEST(Threads, AnInterruptDrivenHostNeverSleepsOnAFullFifo) {
    // The host waits for an interrupt whenever it found the FIFO empty: a lost edge would hang it.
    Bench bench;
    const Active active = bench.start_plain(8);
    constexpr std::uint16_t kCount = 5000;
    std::thread submitter([&] {
        Ring ring(bench.user, active);
        for (std::uint16_t id = 0; id < kCount;) {
            if ((ring.reg(AIC100_DBC_REQTP) + 1) % 8 != ring.reg(AIC100_DBC_REQHP)) {
                ring.submit(no_transfer(id++));
            } else {
                std::this_thread::yield();
            }
        }
    });
    Ring ring(bench.user, active);
    std::size_t got = 0;
    while (got < kCount) {
        const std::size_t before = ring.interrupts();
        const std::size_t more = ring.drain().size();
        got += more;
        if (more == 0) {
            ASSERT_TRUE(bench.host.wait_interrupts(active.dbc + 1, before + 1))
                << "a lost interrupt after " << got;
        }
    }
    submitter.join();
}

TEST(Threads, DeactivationUnderFireEndsAllAccesses) {
    const auto model = relu_model(kElements);
    const Bytes elf = network_elf(model, {{"x", {kElements}}}, {{"y", {kElements}}});
    const auto metadata = metadata_of(elf);
    for (int round = 0; round < 20; ++round) {
        Bench bench;
        const Active active = bench.start(elf, 32);
        const std::uint64_t buffers[] = {bench.host.allocate(kElements * 4),
                                         bench.host.allocate(kElements * 4)};
        std::atomic<bool> stop{false};
        std::thread hostile([&] {
            Ring ring(bench.user, active);
            while (!stop) {
                if (ring.reg(AIC100_DBC_REQTP) == ring.reg(AIC100_DBC_REQHP)) {
                    ring.submit(inference(metadata, active, 0, buffers));
                }
                ring.drain();
            }
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(round % 4));
        EXPECT_EQ(bench.user.deactivate(active), 0);
        const auto accesses = bench.host.accesses.load();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(bench.host.accesses.load(), accesses);
        stop = true;
        hostile.join();
    }
}

TEST(Threads, UsersComeAndGoWhileOthersRun) {
    Bench bench(small_card(), std::size_t{64} << 20);
    const Bytes elf = elf_of(plain_metadata());
    // Host memory is prepared up front: the bump allocator of the fake host is for one thread.
    std::vector<std::uint64_t> images;
    for (int user = 0; user < 3; ++user) {
        images.push_back(bench.host.allocate(elf.size()));
        bench.host.put(images.back(), elf);
    }
    std::vector<std::thread> threads;
    for (std::uint32_t user = 0; user < 3; ++user) {
        threads.emplace_back([&, user] {
            for (int i = 0; i < 200; ++i) {
                aic100_cmd_load_elf in{};
                in.type = AIC100_CMD_LOAD_ELF;
                in.tag = 100;
                in.data_length = elf.size();
                const std::pair<std::uint64_t, std::uint64_t> pair{images[user], elf.size()};
                Client client(*bench.card, bench.host, user + 10);
                const auto reply =
                    client.send(MessageBuilder().command(in).dma(100, 0, std::span(&pair, 1)));
                ASSERT_EQ(reply.size(), 1u);
                EXPECT_EQ(reply[0].command<aic100_cmd_load_elf_resp>().status, 0u);
                client.terminate();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST(Threads, ResetWhileNetworksRun) {
    const Bytes elf =
        network_elf(relu_model(kElements), {{"x", {kElements}}}, {{"y", {kElements}}});
    const auto metadata = metadata_of(elf);
    Bench bench;
    for (int round = 0; round < 10; ++round) {
        const Active active = bench.start(elf, 64);
        const std::uint64_t buffers[] = {bench.host.allocate(kElements * 4),
                                         bench.host.allocate(kElements * 4)};
        Ring ring(bench.user, active);
        std::vector<aic100_request> batch;
        for (std::uint16_t n = 0; n < 20; ++n) {
            const auto requests =
                inference(metadata, active, static_cast<std::uint16_t>(2 * n), buffers);
            batch.insert(batch.end(), requests.begin(), requests.end());
        }
        ring.submit(batch);
        bench.card->reset();
        const auto accesses = bench.host.accesses.load();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(bench.host.accesses.load(), accesses);
    }
}

}  // namespace
}  // namespace qaicemu::test
