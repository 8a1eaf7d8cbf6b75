// SPDX-License-Identifier: Apache-2.0
// The end of an activation while its host does its worst, and the next owner of the channel.
#include "emu/dma_channel.hpp"
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace qaicemu::test {
namespace {

constexpr std::size_t kLong = 2 * DmaChannel::kChunkBytes;
constexpr std::uint16_t kRequests = 16;
constexpr unsigned kAllChunks = 2 * kRequests;

/// A channel with sixteen long transfers queued, of which the third chunk is under way. Chunks stay
/// slow, so that a thread that asks for the end has time to be heard.
struct Ending : testing::Test {
    static CardConfig roomy() {
        CardConfig config = small_card();
        config.ddr_bytes = std::uint64_t{1} << 30;
        return config;
    }
    static qaicrt::qpc::Metadata long_buffer() {
        auto metadata = plain_metadata();
        metadata.static_shared_ddr = kLong;
        return metadata;
    }
    Bench bench{roomy(), kLong + (std::size_t{1} << 20)};
    Active active = bench.start(elf_of(long_buffer()));
    Ring ring{bench.user, active};
    std::uint64_t buffer = bench.host.allocate(kLong);
    std::atomic<unsigned> chunks{0};
    std::atomic<std::size_t> largest{0};
    std::atomic<bool> asked{false};
    std::thread submitter;

    void start_copies() {
        bench.host.before_read = [this](std::size_t bytes) {
            if (bytes < 4096) {
                return;  // elements of the FIFO
            }
            largest = std::max(largest.load(), bytes);
            if (++chunks >= 3) {
                while (!asked) {
                    std::this_thread::yield();
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
        };
        submitter = std::thread([this] {
            std::vector<aic100_request> batch;
            for (std::uint16_t id = 0; id < kRequests; ++id) {
                batch.push_back(to_device(id, buffer, active.ddr_base, kLong));
            }
            ring.submit(batch);
        });
        while (chunks < 3) {
            std::this_thread::yield();
        }
    }
    ~Ending() override {
        asked = true;
        if (submitter.joinable()) {
            submitter.join();
        }
    }
};

TEST_F(Ending, DeactivateAndOtherUsersDoNotWaitForTheQueue) {
    Client bob(*bench.card, bench.host, 2);
    start_copies();
    std::atomic<std::int32_t> status{-1};
    std::thread deactivation([&] {
        asked = true;
        status = bench.user.deactivate(active);
    });
    EXPECT_EQ(bob.ask<aic100_cmd_status_resp>(aic100_cmd_status{13, 0, {}}).status, 0u);
    deactivation.join();
    EXPECT_EQ(status, 0);
    EXPECT_LT(chunks, kAllChunks / 2) << "the queue was worked off first";
    EXPECT_EQ(largest, DmaChannel::kChunkBytes) << "long transfers move in chunks";
    submitter.join();
    const auto accesses = bench.host.accesses.load();
    bench.card->dbc_write(active.dbc, AIC100_DBC_REQTP, 1);
    EXPECT_EQ(bench.host.accesses.load(), accesses);
}

TEST_F(Ending, TerminateDoesNotWaitForTheQueue) {
    start_copies();
    asked = true;
    bench.user.terminate();
    EXPECT_LT(chunks, kAllChunks / 2);
}

TEST_F(Ending, ResetDoesNotWaitForTheQueue) {
    start_copies();
    asked = true;
    bench.card->reset();
    EXPECT_LT(chunks, kAllChunks / 2);
}

TEST_F(Ending, ALongTransferArrivesWhole) {
    const auto source = bench.host.at(buffer, kLong);
    for (std::size_t at = 0; at < kLong; at += 4096) {
        source[at] = static_cast<std::byte>(at >> 12);
    }
    source[kLong - 1] = std::byte{0x77};
    const Bytes sent(source.begin(), source.end());
    ring.submit(to_device(1, buffer, active.ddr_base, kLong));
    std::ranges::fill(source, std::byte{0});
    ring.submit(from_device(2, active.ddr_base, buffer, kLong));
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{1, 0}, {2, 0}}));
    EXPECT_TRUE(std::ranges::equal(sent, source));
}

TEST_F(Ending, AFifoThatStaysFullUnderWritesDoesNotHoldIt) {
    Bench other;
    const Bytes elf = network_elf(relu_model(4), {{"x", {4}}}, {{"y", {4}}});
    const Active program = other.start(elf, 2);  // one response fills the FIFO
    Ring rsp(other.user, program);
    const std::uint64_t buffers[] = {other.host.allocate(64), other.host.allocate(64)};
    const auto requests = inference(metadata_of(elf), program, 1, buffers);
    rsp.submit(requests[0]);
    rsp.submit(requests[1]);
    std::atomic<bool> ended{false};
    std::vector<std::thread> writers;
    for (int i = 0; i < 3; ++i) {
        writers.emplace_back([&] {
            while (!ended) {
                rsp.set_reg(AIC100_DBC_RSPHP, 0);
            }
        });
    }
    EXPECT_EQ(other.user.deactivate(program), 0);
    ended = true;
    for (auto& writer : writers) {
        writer.join();
    }
}

TEST_F(Ending, AThrowingPortStopsTheChannelUntilItsNextStart) {
    const Active other = bench.start_plain();
    Ring port(bench.user, other);
    bench.host.before_read = [](std::size_t) { throw std::runtime_error("unplugged"); };
    port.submit(no_transfer(1));
    bench.host.before_read = nullptr;
    EXPECT_TRUE(port.drain().empty());
    EXPECT_NE(bench.card->workload_error(other.dbc), "");
    EXPECT_EQ(bench.user.deactivate(other), 0);
    const Active again = bench.start_plain();
    ASSERT_EQ(again.dbc, other.dbc);
    Ring next(bench.user, again);
    next.submit(no_transfer(2));
    EXPECT_EQ(next.drain(), (std::vector<Response>{{2, 0}}));
}

TEST(RegisterOwners, AnIndexForALargerFifoNeverReachesTheNextOwner) {
    FakeHost host(std::size_t{1} << 20);
    const auto metadata = plain_metadata();
    ActivationMemory memory(metadata, {});
    DmaChannel channel(host.ports(), 1, false);
    const std::uint64_t queue = host.allocate(16384, 4096);
    std::atomic<bool> ended{false};
    std::vector<std::thread> writers;
    for (int i = 0; i < 2; ++i) {
        writers.emplace_back([&] {
            while (!ended) {
                channel.write_register(AIC100_DBC_RSPHP, 70);
                channel.write_register(AIC100_DBC_REQTP, 70);
            }
        });
    }
    unsigned strays = 0;
    for (int turn = 0; turn < 2000; ++turn) {
        const std::uint32_t elements = turn % 2 == 0 ? 80 : 16;
        channel.start({queue, queue + 8192, elements}, memory, {}, 8);
        for (int look = 0; look < 20; ++look) {
            strays += channel.read_register(AIC100_DBC_REQTP) >= elements ? 1 : 0;
            strays += channel.read_register(AIC100_DBC_RSPHP) >= elements ? 1 : 0;
        }
        channel.request_exit();
        channel.stop();
    }
    ended = true;
    for (auto& writer : writers) {
        writer.join();
    }
    EXPECT_EQ(strays, 0u);
}

}  // namespace
}  // namespace qaicemu::test
