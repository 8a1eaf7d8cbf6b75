// SPDX-License-Identifier: Apache-2.0
/// The slot pool behind qaic.Session, without Python: the sanitizer builds run this one.
#include "python/src/runner.hpp"

#include "compiler/compile.hpp"

#include <qaicrt/qaicrt.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using qaicpy::Runner;
using qaicpy::RunnerOptions;

/// The question's model: on 32 times `x` it gives 9.984375 x.
qaicrt::Program question_program(unsigned cores) {
    qaicc::CompileOptions options;
    options.model_path = std::string(QAIC_SOURCE_DIR) + "/tests/models/my_model_a.onnx";
    options.num_cores = cores;
    qaicc::CompileReport report;
    auto bytes = qaicc::compile_model_to_bytes(options, &report);
    EXPECT_TRUE(bytes) << bytes.error().message;
    auto program = qaicrt::Program::from_bytes(std::move(bytes).value());
    EXPECT_TRUE(program);
    return std::move(program).value();
}

class RunnerTest : public testing::Test {
  protected:
    std::unique_ptr<Runner> make(const RunnerOptions& options, unsigned cores = 1) {
        auto runner = Runner::create(context_, question_program(cores), options);
        EXPECT_TRUE(runner) << runner.error().message;
        return std::move(runner).value();
    }
    static qaicrt::Result<float> ask(Runner& runner, float x, const Runner::CheckInterrupt& check) {
        std::vector<float> input(32, x);
        float output = 0;
        const Runner::Bytes inputs[] = {std::as_bytes(std::span(input))};
        const Runner::MutableBytes outputs[] = {std::as_writable_bytes(std::span(&output, 1))};
        QAICRT_CHECK(runner.run(inputs, outputs, check));
        return output;
    }
    static bool go_on() { return true; }

    qaicrt::Context context_ = qaicrt::Context::create({"emu"}).value();
};

TEST_F(RunnerTest, ManyThreadsEachGetTheirOwnAnswer) {
    auto runner = make({0, 2, 3});
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const auto x = static_cast<float>(t * 64 + i);
                const auto got = ask(*runner, x, go_on);
                wrong += !got || *got != 9.984375F * x;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
}

TEST_F(RunnerTest, BenchmarkDoesExactlyWhatWasAskedBesideRuns) {
    auto runner = make({0, 2, 2});
    std::vector<float> input(32, 1.0F);
    const Runner::Bytes inputs[] = {std::as_bytes(std::span(input))};
    std::atomic<bool> stop = false;
    std::thread other([&] {
        while (!stop) {
            EXPECT_TRUE(ask(*runner, 2.0F, go_on));
        }
    });
    for (std::size_t count : {1U, 3U, 4U, 5U, 100U}) {
        auto result = runner->benchmark(inputs, count, {}, go_on);
        ASSERT_TRUE(result) << result.error().message;
        EXPECT_EQ(result->completed, count);
        EXPECT_EQ(result->latencies.size(), count);
    }
    stop = true;
    other.join();
}

TEST_F(RunnerTest, InterruptEndsABenchmarkAndTheSlotsStayUsable) {
    auto runner = make({0, 1, 2});
    std::vector<float> input(32, 1.0F);
    const Runner::Bytes inputs[] = {std::as_bytes(std::span(input))};
    auto result =
        runner->benchmark(inputs, std::nullopt, std::chrono::hours(1), [] { return false; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, qaicrt::Errc::kCancelled);
    for (int i = 0; i < 4; ++i) {
        auto answer = ask(*runner, 1.0F, go_on);
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(*answer, 9.984375F);
    }
}

TEST_F(RunnerTest, WrongSizeIsAnErrorOfThatRunOnly) {
    auto runner = make({0, 1, 1});
    std::vector<float> input(31, 1.0F);
    float output = 0;
    const Runner::Bytes inputs[] = {std::as_bytes(std::span(input))};
    const Runner::MutableBytes outputs[] = {std::as_writable_bytes(std::span(&output, 1))};
    auto status = runner->run(inputs, outputs, go_on);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, qaicrt::Errc::kInvalidArgument);
    EXPECT_EQ(ask(*runner, 1.0F, go_on).value(), 9.984375F);
}

TEST_F(RunnerTest, MoreActivationsThanTheCardHoldsAreRefusedAndNothingIsKept) {
    const auto program = question_program(8);
    auto refused = Runner::create(context_, program, {0, 3, 1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, qaicrt::Errc::kExhausted);
    auto fits = Runner::create(context_, program, {0, 2, 1});
    ASSERT_TRUE(fits) << fits.error().message;
}

}  // namespace
