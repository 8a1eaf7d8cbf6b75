// SPDX-License-Identifier: Apache-2.0
// What a failed or refused request does to the others: its own id hears of it, its program stays in
// step, and no output is made of old input.
#include "emu/test/programs.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>

namespace qaicemu::test {
namespace {

constexpr std::uint64_t kUnmapped = 0xDEAD'0000'0000;

aic100_request without_response(aic100_request request) {
    request.cmd &= static_cast<std::uint8_t>(~AIC100_REQ_CMD_COMPLETION);
    return request;
}

struct Failures : testing::Test {
    Bench bench;
    Active active = bench.start_plain();
    Ring ring{bench.user, active};
    std::uint64_t buffer = bench.host.allocate(64);

    aic100_request failing_segment(std::uint16_t id) const {
        return without_response(to_device(id, kUnmapped, active.ddr_base, 64));
    }
    /// The last segment of a buffer, held until semaphore 0 is 1.
    aic100_request held_segment(std::uint16_t id) const {
        auto out = to_device(id, buffer, active.ddr_base, 64);
        out.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 0, 1);
        return out;
    }
    static aic100_request release(std::uint16_t id) {
        auto out = no_transfer(id);
        out.sem_cmd[0] = sem(AIC100_SEM_INC, 0);
        return out;
    }
};

TEST_F(Failures, ManyFailedSegmentsOfOneBufferDoNotHideAnothersFailure) {
    std::vector<aic100_request> batch{failing_segment(5), held_segment(5)};
    batch.insert(batch.end(), 20, failing_segment(6));
    batch.push_back(to_device(6, buffer, active.ddr_base, 64));
    batch.push_back(release(7));
    ring.submit(batch);
    EXPECT_EQ(ring.drain(),
              (std::vector<Response>{
                  {6, AIC100_RSP_BAD_HOST_ADDR}, {7, 0}, {5, AIC100_RSP_BAD_HOST_ADDR}}));
}

TEST_F(Failures, EveryBufferHearsOfItsOwnFailureHoweverManyFail) {
    constexpr std::uint16_t kBuffers = 25;
    std::vector<aic100_request> batch;
    for (std::uint16_t id = 0; id < kBuffers; ++id) {
        batch.push_back(failing_segment(id));
        batch.push_back(held_segment(id));
    }
    batch.push_back(release(1000));
    ring.submit(batch);
    std::vector<Response> expected{{1000, 0}};
    for (std::uint16_t id = 0; id < kBuffers; ++id) {
        expected.push_back({id, AIC100_RSP_BAD_HOST_ADDR});
    }
    EXPECT_EQ(ring.drain(), expected);
    ring.submit(to_device(3, buffer, active.ddr_base, 64));
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{3, 0}})) << "an error is told once";
}

TEST_F(Failures, TheFirstOfSeveralErrorsOfOneBufferIsTold) {
    auto foreign = without_response(to_device(1, buffer, 0x1000, 64));
    ring.submit({failing_segment(1), foreign, to_device(1, buffer, active.ddr_base, 64)});
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{1, AIC100_RSP_BAD_HOST_ADDR}}));
}

TEST_F(Failures, ARefusedElementStillWaitsSignalsAndIsAnswered) {
    auto refused = no_transfer(1);
    refused.cmd |= 3;
    refused.sem_cmd[0] = presync(AIC100_SEM_WAIT_GT_0, 0);
    refused.sem_cmd[1] = sem(AIC100_SEM_INC, 1);
    auto follower = no_transfer(2);
    follower.sem_cmd[0] = presync(AIC100_SEM_WAIT_EQUAL, 1, 1);
    ring.submit({refused, follower});
    EXPECT_TRUE(ring.drain().empty());
    ring.submit(release(3));
    EXPECT_EQ(ring.drain(), (std::vector<Response>{{3, 0}, {1, AIC100_RSP_BAD_REQUEST}, {2, 0}}));
}

constexpr std::int32_t kElements = 16;

struct FailedInput : testing::Test {
    Bench bench;
    Bytes elf = network_elf(relu_model(kElements), {{"x", {kElements}}}, {{"y", {kElements}}});
    qaicrt::qpc::Metadata metadata = metadata_of(elf);
    Active active = bench.start(elf);
    Ring ring{bench.user, active};
    std::uint64_t x = bench.host.allocate(kElements * 4), y = bench.host.allocate(kElements * 4);

    /// Input, then output, of one inference on x = value everywhere and y = -1.
    std::vector<aic100_request> requests(std::uint16_t id, float value) {
        const std::vector<float> in(kElements, value), out(kElements, -1.0F);
        bench.host.put(x, std::as_bytes(std::span(in)));
        bench.host.put(y, std::as_bytes(std::span(out)));
        const std::uint64_t buffers[] = {x, y};
        return inference(metadata, active, id, buffers);
    }
    float result() { return *load<float>(bench.host.at(y, 4)); }
    std::vector<Response> run(const std::vector<aic100_request>& batch) {
        ring.submit(batch);
        auto responses = ring.wait(2);
        std::ranges::sort(responses, {}, &Response::id);
        return responses;
    }
    void expect_good(std::uint16_t id, float value) {
        EXPECT_EQ(run(requests(id, value)),
                  (std::vector<Response>{{id, 0}, {static_cast<std::uint16_t>(id + 1), 0}}));
        EXPECT_EQ(result(), value);
    }
};

TEST_F(FailedInput, GivesNoOutputOfThePreviousInput) {
    expect_good(0, 3);
    auto batch = requests(2, 4);
    batch[0].src_addr = kUnmapped;
    EXPECT_EQ(run(batch),
              (std::vector<Response>{{2, AIC100_RSP_BAD_HOST_ADDR}, {3, AIC100_RSP_WORKLOAD}}));
    EXPECT_EQ(result(), -1.0F) << "nothing is delivered";
    EXPECT_NE(bench.card->workload_error(active.dbc).find("input"), std::string::npos);
    expect_good(4, 5);
}

TEST_F(FailedInput, OneFailedSegmentIsEnough) {
    expect_good(0, 3);
    auto batch = requests(2, 4);
    // The first half has neither postsync nor doorbell nor response, and is not readable.
    auto half = without_response(batch[0]);
    half.src_addr = kUnmapped;
    half.len /= 2;
    half.db_attr = 0;
    for (auto& word : half.sem_cmd) {
        word = (word & AIC100_SEM_CMD_PRESYNC) != 0 ? word : 0;
    }
    batch[0].src_addr += half.len;
    batch[0].dst_addr += half.len;
    batch[0].len -= half.len;
    batch.insert(batch.begin(), half);
    EXPECT_EQ(run(batch),
              (std::vector<Response>{{2, AIC100_RSP_BAD_HOST_ADDR}, {3, AIC100_RSP_WORKLOAD}}));
    EXPECT_EQ(result(), -1.0F);
    expect_good(4, 5);
}

TEST_F(FailedInput, ARefusedElementFailsItsOwnInferenceAndNoOther) {
    expect_good(0, 3);
    auto batch = requests(2, 4);
    batch[0].cmd |= 3;
    EXPECT_EQ(run(batch),
              (std::vector<Response>{{2, AIC100_RSP_BAD_REQUEST}, {3, AIC100_RSP_WORKLOAD}}));
    EXPECT_EQ(result(), -1.0F);
    expect_good(4, 5);
}

TEST_F(FailedInput, AFailedOutputDoesNotTouchTheNextInference) {
    auto batch = requests(0, 4);
    batch[1].dst_addr = kUnmapped;
    EXPECT_EQ(run(batch), (std::vector<Response>{{0, 0}, {1, AIC100_RSP_BAD_HOST_ADDR}}));
    expect_good(2, 5);
}

}  // namespace
}  // namespace qaicemu::test
