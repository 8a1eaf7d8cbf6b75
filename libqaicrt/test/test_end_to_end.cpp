// SPDX-License-Identifier: Apache-2.0
/// The public API on the emulated card: models in, answers out.
#include "libqaicrt/api/device_impl.hpp"
#include "libqaicrt/backend/emu/emu_card.hpp"
#include "libqaicrt/test/runtime_fixture.hpp"

#include <poll.h>

#include <atomic>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <thread>

namespace qaicrt::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<float> ramp(std::size_t count, float start = 0.0F) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), start);
    return values;
}

std::vector<float> scaled(std::vector<float> values, float w, float b) {
    for (float& value : values) {
        value = value * w + b;
    }
    return values;
}

TEST(EndToEnd, one_inference_gives_the_models_answer) {
    const Device device = open_emu();
    const Activation activation =
        must(Activation::create(device, must_load(scale_qpc(8, 2.0F, 0.5F))));
    Inference inference = must(activation.create_inference());
    for (int i = 0; i < 3; ++i) {
        const auto x = ramp(8, static_cast<float>(i));
        ASSERT_TRUE(set_floats(inference, 0, x));
        const auto status = inference.run(seconds(5));
        ASSERT_TRUE(status) << status.error().message;
        EXPECT_EQ(floats(inference.output(0)), scaled(x, 2.0F, 0.5F));
    }
    EXPECT_NE(activation.nsp_mask(), 0U);
    EXPECT_EQ(activation.program().name(), "scale");
}

TEST(EndToEnd, several_inputs_and_outputs) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(two_by_two_qpc(100))));
    Inference inference = must(activation.create_inference());
    ASSERT_TRUE(set_floats(inference, 0, ramp(100, 10)));
    ASSERT_TRUE(set_floats(inference, 1, ramp(100)));
    ASSERT_TRUE(inference.run());
    EXPECT_EQ(floats(inference.output(0)), scaled(ramp(100), 2, 10));
    EXPECT_EQ(floats(inference.output(1)), std::vector<float>(100, 10));
    EXPECT_TRUE(inference.input(2).empty());
    EXPECT_TRUE(inference.output(2).empty());
}

TEST(EndToEnd, zero_copy_input) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(4, 3.0F, 0.0F))));
    Inference inference = must(activation.create_inference());
    const auto x = ramp(4, 1);
    std::memcpy(inference.input(0).data(), x.data(), inference.input(0).size());
    ASSERT_TRUE(inference.run());
    EXPECT_EQ(floats(inference.output(0)), scaled(x, 3, 0));
}

TEST(EndToEnd, wrong_sizes_name_the_tensor_and_both_sizes) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(4, 3.0F, 0.0F))));
    Inference inference = must(activation.create_inference());
    for (const std::size_t count : {std::size_t{0}, std::size_t{3}, std::size_t{5}}) {
        const auto status = set_floats(inference, 0, ramp(count));
        EXPECT_EQ(code_of(status), Errc::kInvalidArgument);
        EXPECT_NE(message_of(status).find("'x' has 16 bytes and " + std::to_string(count * 4)),
                  std::string::npos)
            << message_of(status);
    }
    EXPECT_EQ(code_of(set_floats(inference, 1, ramp(4))), Errc::kInvalidArgument);
}

TEST(EndToEnd, callbacks_and_poll) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(16, 2.0F, 1.0F)), {4, seconds(5)}));
    std::vector<Inference> inferences;
    inferences.reserve(8);
    int done = 0;
    for (int i = 0; i < 4; ++i) {
        inferences.push_back(must(activation.create_inference()));
        ASSERT_TRUE(set_floats(inferences.back(), 0, ramp(16, static_cast<float>(i))));
        ASSERT_TRUE(inferences.back().submit([&](const Status& status) {
            EXPECT_TRUE(status) << message_of(status);
            ++done;
        }));
    }
    std::size_t polled = 0;
    while (polled < 4) {
        polled += must(activation.poll(seconds(5)));
    }
    EXPECT_EQ(polled, 4U);
    EXPECT_EQ(done, 4);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(floats(inferences[i].output(0)), scaled(ramp(16, static_cast<float>(i)), 2, 1));
    }
}

TEST(EndToEnd, a_callback_that_throws_is_contained) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(4, 2.0F, 1.0F))));
    Inference inference = must(activation.create_inference());
    ASSERT_TRUE(inference.submit([](const Status&) { throw std::runtime_error("user's bug"); }));
    const auto status = inference.wait();
    EXPECT_EQ(code_of(status), Errc::kInternal);
    EXPECT_NE(message_of(status).find("user's bug"), std::string::npos);
    EXPECT_TRUE(inference.run()) << "and nothing is stuck";
}

TEST(EndToEnd, the_completion_descriptor_drives_an_event_loop) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(16, 2.0F, 1.0F))));
    Inference inference = must(activation.create_inference());
    const int fd = must(activation.completion_fd());
    for (int i = 0; i < 50; ++i) {
        bool done = false;
        ASSERT_TRUE(inference.submit([&](const Status&) { done = true; }));
        while (!done) {
            pollfd descriptor{fd, POLLIN, 0};
            ASSERT_EQ(::poll(&descriptor, 1, 5000), 1);
            ASSERT_TRUE(activation.poll());
        }
    }
}

TEST(EndToEnd, depth_bounds_what_is_in_flight) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(16, 2.0F, 1.0F)), {2, seconds(5)}));
    EXPECT_EQ(activation.depth(), 2U);
    std::vector<Inference> inferences;
    inferences.reserve(8);
    for (int i = 0; i < 3; ++i) {
        inferences.push_back(must(activation.create_inference()));
    }
    ASSERT_TRUE(inferences[0].submit());
    ASSERT_TRUE(inferences[1].submit());
    EXPECT_EQ(code_of(inferences[2].submit()), Errc::kBusy);
    EXPECT_EQ(code_of(inferences[0].submit()), Errc::kBusy);
    EXPECT_TRUE(inferences[0].in_flight()) << "nobody has reaped it";
    ASSERT_TRUE(inferences[0].wait());
    EXPECT_TRUE(inferences[2].submit());
    EXPECT_TRUE(inferences[2].wait());
    EXPECT_TRUE(inferences[1].wait());
    EXPECT_EQ(code_of(inferences[1].wait()), Errc::kOk) << "waiting twice gives the same result";
}

TEST(EndToEnd, many_threads_share_one_activation) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(scale_qpc(64, 2.0F, 1.0F)), {8, seconds(5)}));
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&, t] {
            Inference inference = must(activation.create_inference());
            for (int i = 0; i < 100; ++i) {
                const auto x = ramp(64, static_cast<float>(t * 1000 + i));
                ASSERT_TRUE(set_floats(inference, 0, x));
                const auto status = inference.run();
                ASSERT_TRUE(status) << message_of(status);
                ASSERT_EQ(floats(inference.output(0)), scaled(x, 2, 1));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST(EndToEnd, activations_run_side_by_side) {
    const Device device = open_emu();
    const Program program = must_load(scale_qpc(64, 2.0F, 1.0F, 2));
    const Program other = must_load(two_by_two_qpc(64));
    const std::string before = usage(device);
    {
        std::vector<std::thread> threads;
        threads.reserve(8);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                const bool first = t % 2 == 0;
                for (int round = 0; round < 5; ++round) {
                    const Activation activation =
                        must(Activation::create(device, first ? program : other));
                    Inference inference = must(activation.create_inference());
                    for (int i = 0; i < 20; ++i) {
                        const auto x = ramp(64, static_cast<float>(i));
                        ASSERT_TRUE(set_floats(inference, 0, x));
                        if (!first) {
                            ASSERT_TRUE(set_floats(inference, 1, x));
                        }
                        ASSERT_TRUE(inference.run());
                        ASSERT_EQ(floats(inference.output(0)), scaled(x, 2, first ? 1.0F : 0.0F));
                    }
                }
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
    }
    EXPECT_EQ(usage(device), before);
}

TEST(EndToEnd, users_run_side_by_side) {
    const Context context = must(Context::create({"emu"}));
    const Device observer = must(context.open(0));
    const std::string before = usage(observer);
    const Program program = must_load(scale_qpc(64, 2.0F, 1.0F));
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int round = 0; round < 10; ++round) {
                const Device device = must(context.open(0));
                const Activation activation = must(Activation::create(device, program));
                Inference inference = must(activation.create_inference());
                const auto x = ramp(64, static_cast<float>(t * 100 + round));
                ASSERT_TRUE(set_floats(inference, 0, x));
                ASSERT_TRUE(inference.run());
                ASSERT_EQ(floats(inference.output(0)), scaled(x, 2, 1));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(usage(observer), before);
}

TEST(EndToEnd, a_program_is_loaded_once_per_user) {
    const Context context = must(Context::create({"emu"}));
    const Device device = must(context.open(0));
    const Device second_user = must(context.open(0));
    const std::string before = usage(device);
    const Program program = must_load(scale_qpc(64, 2.0F, 1.0F));
    {
        const Activation a = must(Activation::create(device, program));
        const Activation b = must(Activation::create(device, program));
        EXPECT_EQ(must(device.status()).networks_loaded, 1U);
        EXPECT_EQ(must(device.status()).constants_loaded, 1U);
        EXPECT_EQ(must(device.status()).networks_active, 2U);
        EXPECT_NE(a.dbc(), b.dbc());
        EXPECT_EQ(a.nsp_mask() & b.nsp_mask(), 0U);
        const Activation c = must(Activation::create(second_user, program));
        EXPECT_EQ(must(device.status()).networks_loaded, 2U) << "users do not share";
    }
    EXPECT_EQ(usage(device), before);
}

TEST(EndToEnd, an_inference_keeps_everything_it_needs_alive) {
    auto make = [] {
        const Activation activation =
            must(Activation::create(open_emu(), must_load(scale_qpc(4, 2.0F, 1.0F))));
        return must(activation.create_inference());
    };
    Inference inference = make();  // context, device, program and activation objects are gone
    ASSERT_TRUE(set_floats(inference, 0, ramp(4)));
    ASSERT_TRUE(inference.run());
    EXPECT_EQ(floats(inference.output(0)), scaled(ramp(4), 2, 1));
    Inference moved = std::move(inference);
    EXPECT_TRUE(moved.run());
}

TEST(EndToEnd, deactivation_cancels_running_inferences) {
    const Device device = open_emu();
    const std::string before = usage(device);
    Activation activation =
        must(Activation::create(device, must_load(matmul_qpc(256)), {8, seconds(5)}));
    std::vector<Inference> inferences;
    inferences.reserve(8);
    for (int i = 0; i < 8; ++i) {
        inferences.push_back(must(activation.create_inference()));
        ASSERT_TRUE(inferences.back().submit());
    }
    std::thread waiter([&] {
        const auto status = inferences[7].wait();
        EXPECT_TRUE(status || status.error().code == Errc::kCancelled) << message_of(status);
    });
    ASSERT_TRUE(activation.deactivate());
    waiter.join();
    int cancelled = 0;
    for (int i = 0; i < 7; ++i) {
        const auto status = inferences[i].wait(milliseconds(0));
        cancelled += code_of(status) == Errc::kCancelled ? 1 : 0;
        EXPECT_TRUE(status || code_of(status) == Errc::kCancelled) << message_of(status);
    }
    EXPECT_GT(cancelled, 0);
    EXPECT_EQ(code_of(inferences[0].submit()), Errc::kCancelled);
    EXPECT_TRUE(activation.deactivate()) << "a second time is no error";
    EXPECT_EQ(code_of(activation.create_inference()), Errc::kCancelled);
    const DeviceStatus status = must(device.status());
    EXPECT_EQ(status.nsp_free, status.nsp_total);
    inferences.clear();
    EXPECT_EQ(status.networks_loaded, 1U) << "the last copy unloads";
    activation = must(Activation::create(device, must_load(scale_qpc(4, 1, 0))));
    activation = must(Activation::create(device, must_load(scale_qpc(4, 2, 0))));
    EXPECT_EQ(must(device.status()).networks_loaded, 1U);
}

TEST(EndToEnd, deactivation_races_with_submit_wait_and_new_inferences) {
    const Device device = open_emu();
    const Program program = must_load(scale_qpc(64, 2.0F, 1.0F));
    for (int round = 0; round < 10; ++round) {
        Activation activation = must(Activation::create(device, program, {8, seconds(5)}));
        std::vector<std::thread> threads;
        threads.reserve(8);
        std::atomic<int> cancelled{0};
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                Status status;
                while (status) {
                    auto inference = activation.create_inference();
                    status = inference ? inference->run() : Status{std::move(inference).error()};
                }
                EXPECT_EQ(code_of(status), Errc::kCancelled) << message_of(status);
                ++cancelled;
            });
        }
        std::this_thread::sleep_for(milliseconds(5));
        ASSERT_TRUE(activation.deactivate());
        for (auto& thread : threads) {
            thread.join();
        }
        EXPECT_EQ(cancelled, 4);
    }
}

TEST(EndToEnd, destroying_a_running_inference_waits_for_it) {
    const Activation activation = must(Activation::create(open_emu(), must_load(matmul_qpc(128))));
    for (int i = 0; i < 10; ++i) {
        Inference inference = must(activation.create_inference());
        ASSERT_TRUE(inference.submit());
    }
    Inference inference = must(activation.create_inference());
    EXPECT_TRUE(inference.run());
}

TEST(EndToEnd, a_failed_workload_is_told_in_words_and_the_next_run_works) {
    const Activation activation =
        must(Activation::create(open_emu(), must_load(gather_qpc(10, 2))));
    Inference inference = must(activation.create_inference());
    const std::int64_t bad[] = {3, 10};
    const std::int64_t good[] = {3, 9};
    ASSERT_TRUE(inference.set_input(0, std::as_bytes(std::span(bad))));
    const auto status = inference.run(seconds(5));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Errc::kDevice);
    EXPECT_EQ(status.error().device_status, 5);
    EXPECT_NE(status.error().message.find("Gather"), std::string::npos) << status.error().message;
    ASSERT_TRUE(inference.set_input(0, std::as_bytes(std::span(good))));
    const auto again = inference.run(seconds(5));
    ASSERT_TRUE(again) << message_of(again);
    EXPECT_EQ(floats(inference.output(0)), (std::vector<float>{1.5F, 4.5F}));
}

TEST(EndToEnd, times_are_of_the_last_run) {
    const Activation activation = must(Activation::create(open_emu(), must_load(matmul_qpc(256))));
    Inference inference = must(activation.create_inference());
    ASSERT_TRUE(inference.run());
    const InferenceTimes times = must(inference.times());
    EXPECT_GT(times.device_us, 0U);
    EXPECT_EQ(times.queue_level_before, 0U);
}

TEST(EndToEnd, more_programs_than_nsps_is_exhausted_with_the_status) {
    const Device device = open_emu("emu:nsp=2");
    const std::string before = usage(device);
    const Program program = must_load(scale_qpc(4, 1, 0, 2));
    {
        const Activation first = must(Activation::create(device, program));
        const auto second = Activation::create(device, program);
        EXPECT_EQ(code_of(second), Errc::kExhausted);
        EXPECT_EQ(second.error().device_status, -13);
        EXPECT_NE(message_of(second).find("NSPs"), std::string::npos) << message_of(second);
    }
    EXPECT_EQ(usage(device), before);
    EXPECT_TRUE(Activation::create(device, program));
}

TEST(EndToEnd, buffers_are_zeroed_and_private) {
    const Device device = open_emu();
    Buffer a = must(Buffer::create(device, 5000));
    Buffer b = must(Buffer::create(device, 5000));
    EXPECT_EQ(a.data().size(), 5000U);
    EXPECT_EQ(std::count(a.data().begin(), a.data().end(), std::byte{0}), 5000);
    a.data()[0] = std::byte{1};
    EXPECT_EQ(b.data()[0], std::byte{0});
    EXPECT_EQ(code_of(Buffer::create(device, 0)), Errc::kInvalidArgument);
    EXPECT_EQ(code_of(Buffer::create(device, std::uint64_t{1} << 60)), Errc::kNoMemory);
    EXPECT_EQ(code_of(a.export_dma_buf()), Errc::kUnsupported);
}

/// Cards with other host memory layouts: the answers stay.
Device open_with(const backend::emu::EmuOptions& options) {
    return must(ContextAccess::make({backend::emu::make_card_handle(options)}).open(0));
}

TEST(EndToEnd, tensors_in_many_pieces_of_memory) {
    backend::emu::EmuOptions options;
    options.bo_segment_bytes = 4096;
    const Activation activation = must(
        Activation::create(open_with(options), must_load(two_by_two_qpc(20000)), {3, seconds(5)}));
    std::vector<Inference> inferences;
    inferences.reserve(8);
    for (int i = 0; i < 3; ++i) {
        inferences.push_back(must(activation.create_inference()));
    }
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(set_floats(inferences[i], 0, ramp(20000, static_cast<float>(i))));
            ASSERT_TRUE(set_floats(inferences[i], 1, ramp(20000)));
            ASSERT_TRUE(inferences[i].submit());
        }
        for (int i = 0; i < 3; ++i) {
            const auto status = inferences[i].wait();
            ASSERT_TRUE(status) << message_of(status);
            EXPECT_EQ(floats(inferences[i].output(0)),
                      scaled(ramp(20000), 2, static_cast<float>(i)));
            EXPECT_EQ(floats(inferences[i].output(1)),
                      std::vector<float>(20000, static_cast<float>(i)));
        }
    }
}

TEST(EndToEnd, constants_that_need_several_messages_arrive_whole) {
    backend::emu::EmuOptions options;
    options.transfer_segment_bytes = 4096;
    constexpr std::size_t kRows = 6u << 20;  // 24 MiB of table, more than 4028 pages
    const Activation activation =
        must(Activation::create(open_with(options), must_load(gather_qpc(kRows, 3))));
    Inference inference = must(activation.create_inference());
    const std::int64_t indices[] = {0, 4123456, kRows - 1};
    ASSERT_TRUE(inference.set_input(0, std::as_bytes(std::span(indices))));
    ASSERT_TRUE(inference.run());
    EXPECT_EQ(floats(inference.output(0)), (std::vector<float>{0, 2061728.0F, (kRows - 1) * 0.5F}));
}

TEST(EndToEnd, a_card_that_wants_checksums) {
    const Activation activation =
        must(Activation::create(open_emu("emu:crc=1"), must_load(scale_qpc(4, 2, 1))));
    Inference inference = must(activation.create_inference());
    EXPECT_TRUE(inference.run());
}

TEST(EndToEnd, results_do_not_depend_on_threads) {
    std::vector<float> reference;
    for (const char* devices : {"emu:threads=1", "emu:threads=2", "emu:threads=7"}) {
        const Activation activation =
            must(Activation::create(open_emu(devices), must_load(matmul_qpc(96, 4))));
        Inference inference = must(activation.create_inference());
        ASSERT_TRUE(set_floats(inference, 0, scaled(ramp(9216), 0.37F, -11)));
        ASSERT_TRUE(inference.run());
        const auto result = floats(inference.output(0));
        if (reference.empty()) {
            reference = result;
        }
        EXPECT_EQ(result, reference) << devices;
    }
}

TEST(Context, the_environment_chooses_when_the_caller_does_not) {
    ::setenv("QAIC_DEVICES", "emu:nsp=3,cards=2", 1);
    const auto from_environment = must(Context::create());
    const auto chosen = must(Context::create({"emu:nsp=5"}));
    ::setenv("QAIC_DEVICES", "nonsense", 1);
    EXPECT_EQ(code_of(Context::create()), Errc::kNotFound);
    ::unsetenv("QAIC_DEVICES");
    ASSERT_EQ(from_environment.devices().size(), 2U);
    EXPECT_EQ(from_environment.devices()[1].name, "emu:1");
    EXPECT_EQ(from_environment.devices()[1].qid, 1);
    EXPECT_TRUE(from_environment.devices()[0].emulated);
    EXPECT_EQ(must(must(from_environment.open(1)).status()).nsp_total, 3U);
    EXPECT_EQ(must(must(chosen.open(0)).status()).nsp_total, 5U);
    EXPECT_EQ(must(must(Context::create()).open(0)).info().name, "emu:0");
}

TEST(Context, an_unknown_qid_names_the_known_ones) {
    const auto context = must(Context::create({"emu:cards=2"}));
    const auto device = context.open(2);
    EXPECT_EQ(code_of(device), Errc::kNotFound);
    EXPECT_NE(message_of(device).find("0, 1"), std::string::npos) << message_of(device);
}

TEST(Context, the_emulated_card_says_what_it_is) {
    const DeviceStatus status = must(open_emu().status());
    EXPECT_TRUE(status.emulated);
    EXPECT_EQ(status.fw_variant, "QAIC.EMU.1");
    EXPECT_EQ(status.hw_version >> 16, 2U);
    EXPECT_EQ(status.nsp_total, 16U);
    EXPECT_EQ(status.nsp_free, 16U);
    EXPECT_EQ(status.dbc_total, 16U);
    EXPECT_EQ(status.semaphore_total, 32U);
    EXPECT_GT(status.dram_total_bytes, 0U);
    EXPECT_FALSE(status.fw_version.empty());
}

}  // namespace
}  // namespace qaicrt::test
