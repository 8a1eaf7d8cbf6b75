// SPDX-License-Identifier: Apache-2.0
/// Every way that a call to the card can fail, and a card that lies: a clear error, nothing leaked.
#include "libqaicrt/api/device_impl.hpp"
#include "libqaicrt/backend/emu/emu_card.hpp"
#include "libqaicrt/backend/fault_backend.hpp"
#include "libqaicrt/test/runtime_fixture.hpp"

#include <cerrno>
#include <cstring>

namespace qaicrt::test {
namespace {

using backend::FaultControl;
using backend::Verb;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Replies = FaultControl::Replies;

class FaultTest : public ::testing::Test {
  protected:
    FaultTest() {
        auto real = backend::emu::make_card_handle({});
        control = std::make_shared<FaultControl>();
        // QID 0 has faults; QID 1 is the same card without, to look at it.
        context.emplace(ContextAccess::make({backend::make_faulty(real, control), real}));
        observer.emplace(must(context->open(1)));
        clean = usage(*observer);
    }

    Result<Device> open() {
        auto device = context->open(0);
        if (device) {
            device->impl()->retry_delay = milliseconds(1);
        }
        return device;
    }

    /// All that a user does, from open to the end; the first error if any.
    Status whole_life() {
        QAICRT_TRY(const Device device, open());
        QAICRT_TRY(Activation activation, Activation::create(device, program));
        QAICRT_TRY(Inference first, activation.create_inference());
        QAICRT_TRY(Inference second, activation.create_inference());
        QAICRT_CHECK(activation.completion_fd());
        for (Inference* inference : {&first, &second}) {
            QAICRT_CHECK(set_floats(*inference, 0, {1, 2, 3, 4}));
            QAICRT_CHECK(inference->submit());
        }
        for (Inference* inference : {&first, &second}) {
            QAICRT_CHECK(inference->wait(seconds(5)));
            QAICRT_CHECK(inference->times());
            if (floats(inference->output(0)) != std::vector<float>{3, 5, 7, 9}) {
                return Error{Errc::kInternal, "wrong answer"};
            }
        }
        return activation.deactivate();
    }

    void expect_clean(const std::string& what) {
        EXPECT_EQ(control->open_bos(), 0) << what;
        EXPECT_EQ(control->attached(), 0) << what;
        EXPECT_EQ(control->open_users(), 0) << what;
        EXPECT_EQ(usage(*observer), clean) << what;
    }

    std::shared_ptr<FaultControl> control;
    std::optional<Context> context;
    std::optional<Device> observer;
    std::string clean;
    const Program program = must_load(scale_qpc(4, 2, 1));
};

TEST_F(FaultTest, without_faults_the_life_is_good_and_clean) {
    const auto status = whole_life();
    EXPECT_TRUE(status) << message_of(status);
    expect_clean("no fault");
    const auto trace = control->trace();
    // status, constants twice, ELF, activation, its completions.
    const std::vector<std::string> start(trace.begin(), trace.begin() + 7);
    EXPECT_EQ(start, (std::vector<std::string>{"open", "manage:13", "manage:15", "manage:16",
                                               "manage:3", "manage:9", "completions"}));
    const std::vector<std::string> end(trace.end() - 2, trace.end());
    EXPECT_EQ(end, (std::vector<std::string>{"manage:7", "manage:5"})) << "ELF, then constants";
}

TEST_F(FaultTest, each_call_failing_once_is_reported_and_nothing_leaks) {
    ASSERT_TRUE(whole_life());
    std::array<unsigned, backend::kVerbCount> calls{};
    for (std::size_t v = 0; v < backend::kVerbCount; ++v) {
        calls[v] = control->calls(static_cast<Verb>(v));
    }
    int runs = 0;
    for (std::size_t v = 0; v < backend::kVerbCount; ++v) {
        const Verb verb = static_cast<Verb>(v);
        for (unsigned nth = 1; nth <= calls[v]; ++nth) {
            const std::string what =
                std::string(backend::verb_name(verb)) + " " + std::to_string(nth);
            control->fail(verb, nth, Error{Errc::kIo, "injected fault", EIO});
            const auto status = whole_life();
            control->clear();
            // Errors while cleaning up have nobody to go to.
            const bool cleanup = verb == Verb::kDetach || verb == Verb::kBoClose ||
                                 (verb == Verb::kManage && nth > calls[v] - 2);
            if (!cleanup && verb != Verb::kReap) {  // how often reap() is called varies
                EXPECT_EQ(code_of(status), Errc::kIo) << what;
            }
            if (!status) {
                EXPECT_EQ(status.error().sys_errno, EIO) << what;
                EXPECT_NE(message_of(status).find("injected fault"), std::string::npos) << what;
            }
            if (verb != Verb::kBoClose) {  // a BO that cannot be closed goes with its user
                EXPECT_EQ(control->open_bos(), 0) << what;
            }
            expect_clean(what);
            ++runs;
        }
    }
    EXPECT_GT(runs, 25);
    EXPECT_TRUE(whole_life()) << "and after all that it still works";
}

TEST_F(FaultTest, out_of_host_memory_is_reported_as_such) {
    control->fail(Verb::kBoCreate, 2, Error{Errc::kNoMemory, "no memory", ENOMEM});
    EXPECT_EQ(code_of(whole_life()), Errc::kNoMemory);
    expect_clean("no memory");
}

TEST_F(FaultTest, a_failed_activation_unloads_while_the_user_stays) {
    const Device device = must(open());
    const std::string loaded_nothing = usage(*observer);
    for (unsigned nth = 2; nth <= 5;
         ++nth) {  // after the status query: constants, payload, ELF, activation
        control->fail(Verb::kManage, nth, Error{Errc::kTimeout, "no answer", ETIMEDOUT});
        EXPECT_EQ(code_of(Activation::create(device, program)), Errc::kTimeout) << nth;
        EXPECT_EQ(usage(*observer), loaded_nothing) << nth;
    }
    EXPECT_TRUE(Activation::create(device, program));
}

TEST_F(FaultTest, failing_buffers_leave_the_activation_usable) {
    const Device device = must(open());
    const Activation activation = must(Activation::create(device, program));
    for (const Verb verb : {Verb::kBoCreate, Verb::kBoMap, Verb::kAttach}) {
        for (unsigned nth = 1; nth <= 2; ++nth) {
            control->fail(verb, nth, Error{Errc::kIo, "injected fault", EIO});
            EXPECT_EQ(code_of(activation.create_inference()), Errc::kIo);
            EXPECT_EQ(control->open_bos(), 0);
            EXPECT_EQ(control->attached(), 0);
        }
    }
    Inference inference = must(activation.create_inference());
    EXPECT_TRUE(inference.run());
}

TEST_F(FaultTest, a_submit_that_fails_can_be_repeated) {
    const Device device = must(open());
    const Activation activation = must(Activation::create(device, program));
    Inference inference = must(activation.create_inference());
    control->fail(Verb::kSubmit, 1, Error{Errc::kBusy, "queue full", EAGAIN});
    const auto status = inference.submit();
    EXPECT_EQ(code_of(status), Errc::kBusy);
    EXPECT_EQ(status.error().sys_errno, EAGAIN);
    EXPECT_TRUE(inference.run());
}

TEST_F(FaultTest, a_card_that_dies_ends_every_wait_with_ENODEV) {
    const Device device = must(open());
    const Activation activation = must(Activation::create(device, program));
    Inference inference = must(activation.create_inference());
    ASSERT_TRUE(inference.submit());
    control->fail_all(Verb::kReap, Error{Errc::kNoDevice, "the card is gone", ENODEV});
    const auto status = inference.wait(seconds(60));
    EXPECT_EQ(code_of(status), Errc::kNoDevice);
    EXPECT_EQ(status.error().sys_errno, ENODEV);
    EXPECT_EQ(code_of(inference.submit()), Errc::kNoDevice);
}

TEST_F(FaultTest, an_inference_that_never_ends_is_given_up_by_its_destructor) {
    const Device device = must(open());
    Activation activation = must(Activation::create(device, program));
    {
        Inference inference = must(activation.create_inference());
        ASSERT_TRUE(inference.submit());
        control->fail_all(Verb::kReap, Error{Errc::kIo, "nonsense", EIO});
    }
    control->clear();
    EXPECT_EQ(code_of(activation.create_inference()), Errc::kCancelled) << "deactivated";
    EXPECT_EQ(must(observer->status()).nsp_free, 16U);
    EXPECT_EQ(control->open_bos(), 0);
}

// --- restarts ---

/// Replaces the status of answers to `type` for the next `times` answers.
void answer_status(FaultControl& control, std::uint32_t type, std::int32_t status, int times) {
    auto left = std::make_shared<int>(times);
    control.on_reply([=](auto, Result<Replies>& result) {
        if (!result || *left == 0) {
            return;
        }
        for (auto& reply : *result) {
            auto* command = std::get_if<backend::Passthrough>(&reply);
            std::uint32_t number = 0;
            if (command == nullptr || command->command.size() < 8) {
                continue;
            }
            std::memcpy(&number, command->command.data(), 4);
            if (number == type) {
                --*left;
                std::memcpy(command->command.data() + 4, &status, 4);
            }
        }
    });
}

unsigned count_of(const std::vector<std::string>& trace, const std::string& word) {
    return static_cast<unsigned>(std::count(trace.begin(), trace.end(), word));
}

TEST_F(FaultTest, activation_is_tried_again_while_the_nsps_restart) {
    const Device device = must(open());
    // The real card refuses first for want of NSPs: 16 are taken, then given back.
    auto left = std::make_shared<int>(3);
    control->on_reply([left](auto, Result<Replies>& result) {
        auto* command = result ? std::get_if<backend::Passthrough>(&result->front()) : nullptr;
        if (command == nullptr || *left == 0 || command->command[0] != std::byte{10}) {
            return;
        }
        --*left;
        const std::int32_t status = -36;
        std::memcpy(command->command.data() + 4, &status, 4);
    });
    const auto activation = Activation::create(device, program);
    EXPECT_TRUE(activation) << message_of(activation);
    EXPECT_EQ(count_of(control->trace(), "manage:9"), 4U);
}

TEST_F(FaultTest, activation_gives_up_after_five_attempts) {
    const Device device = must(open());
    answer_status(*control, 10, -36, 1000);
    const auto activation = Activation::create(device, program);
    EXPECT_EQ(code_of(activation), Errc::kBusy);
    EXPECT_EQ(activation.error().device_status, -36);
    EXPECT_EQ(count_of(control->trace(), "manage:9"), 5U);
}

TEST_F(FaultTest, another_refusal_is_final) {
    const Device device = must(open());
    answer_status(*control, 10, -5, 1000);
    EXPECT_EQ(code_of(Activation::create(device, program)), Errc::kFormat);
    EXPECT_EQ(count_of(control->trace(), "manage:9"), 1U);
}

TEST_F(FaultTest, deactivation_is_tried_again_when_the_card_refuses_it_with_36) {
    const Device device = must(open());
    Activation activation = must(Activation::create(device, program));
    control->fail(Verb::kManage, 1, Error{Errc::kDevice, "refused", ECANCELED, -36}, 2);
    EXPECT_TRUE(activation.deactivate());
    EXPECT_EQ(count_of(control->trace(), "manage:11"), 3U);
    EXPECT_EQ(must(observer->status()).nsp_free, 16U);
}

TEST_F(FaultTest, a_deactivation_that_stays_refused_is_reported_and_can_be_repeated) {
    const Device device = must(open());
    Activation activation = must(Activation::create(device, program));
    Inference inference = must(activation.create_inference());
    control->fail(Verb::kManage, 1, Error{Errc::kDevice, "refused", ECANCELED, -36}, 5);
    const auto status = activation.deactivate();
    EXPECT_EQ(code_of(status), Errc::kDevice);
    EXPECT_EQ(status.error().device_status, -36);
    EXPECT_TRUE(inference.run()) << "still active";
    EXPECT_TRUE(activation.deactivate());
}

// --- a card that lies ---

using Rewrite = std::function<void(std::uint32_t command, Replies& replies)>;

void rewrite(FaultControl& control, const Rewrite& change) {
    control.on_reply(
        [change](std::span<const backend::UserTransaction> message, Result<Replies>& result) {
            if (!result) {
                return;
            }
            std::uint32_t number = 0;
            const auto* command = std::get_if<backend::Passthrough>(&message.front());
            if (command != nullptr) {
                std::memcpy(&number, command->command.data(), 4);
            }
            change(number, *result);
        });
}

backend::Passthrough* command_of(Replies& replies) {
    for (auto& reply : replies) {
        if (auto* command = std::get_if<backend::Passthrough>(&reply)) {
            return command;
        }
    }
    return nullptr;
}

TEST_F(FaultTest, short_wrong_and_missing_answers_are_protocol_errors) {
    for (const std::uint32_t target : {13U, 15U, 16U, 3U, 9U}) {
        for (const int lie : {0, 1, 2, 3}) {
            rewrite(*control, [&](std::uint32_t number, Replies& replies) {
                auto* command = command_of(replies);
                if (number != target || command == nullptr) {
                    return;
                }
                if (lie == 0) {
                    command->command.resize(4);
                } else if (lie == 1) {
                    command->command.clear();
                } else if (lie == 2) {
                    command->command[0] = std::byte{99};
                } else {
                    replies.clear();
                }
            });
            const std::string what = std::to_string(target) + " lie " + std::to_string(lie);
            EXPECT_EQ(code_of(whole_life()), Errc::kProtocol) << what;
            control->clear();
            expect_clean(what);
        }
    }
}

TEST_F(FaultTest, contradictory_channels_are_refused_and_undone_while_the_user_stays) {
    const Device device = must(open());
    for (const int lie : {0, 1, 2}) {
        rewrite(*control, [&](std::uint32_t number, Replies& replies) {
            if (number != 9) {
                return;
            }
            const std::uint32_t absurd = lie == 0 ? 7 : 0xFFFFFFF0;
            if (lie == 2) {
                std::erase_if(replies, [](const auto& reply) {
                    return std::holds_alternative<backend::ActivateReply>(reply);
                });
            } else {
                std::memcpy(command_of(replies)->command.data() + 12, &absurd, 4);
            }
        });
        const auto activation = Activation::create(device, program);
        EXPECT_EQ(code_of(activation), Errc::kProtocol) << message_of(activation);
        control->clear();
        EXPECT_EQ(usage(*observer), clean) << lie;
    }
}

TEST_F(FaultTest, absurd_bases_are_a_protocol_error_and_undone) {
    const Device device = must(open());
    for (const std::size_t offset : {std::size_t{16}, std::size_t{32}}) {
        rewrite(*control, [&](std::uint32_t number, Replies& replies) {
            const std::uint64_t absurd = ~0ULL - 3;
            if (number == 9) {
                std::memcpy(command_of(replies)->command.data() + offset, &absurd, 8);
            }
        });
        EXPECT_EQ(code_of(Activation::create(device, program)), Errc::kProtocol);
        control->clear();
        EXPECT_EQ(usage(*observer), clean);
    }
}

TEST_F(FaultTest, texts_without_an_end_do_not_leave_their_fields) {
    const Device device = must(open());
    rewrite(*control, [](std::uint32_t number, Replies& replies) {
        if (number == 13) {
            std::memset(command_of(replies)->command.data() + 8 + 12, 'A', 38 + 38 + 16);
        }
    });
    const DeviceStatus status = must(device.status());
    EXPECT_EQ(status.fw_image_version, std::string(38, 'A'));
    EXPECT_EQ(status.fw_variant, std::string(16, 'A'));
    EXPECT_FALSE(status.emulated);
}

// --- which program on which card ---

void patch_status(FaultControl& control, std::size_t offset,
                  const std::vector<std::uint8_t>& bytes) {
    rewrite(control, [=](std::uint32_t number, Replies& replies) {
        if (number == 13) {
            std::memcpy(command_of(replies)->command.data() + 8 + offset, bytes.data(),
                        bytes.size());
        }
    });
}

TEST_F(FaultTest, an_emulator_program_is_refused_on_silicon_before_anything_is_sent) {
    const Device device = must(open());
    patch_status(*control, 88, {'Q', 'D', 'U', '1', 0});
    const auto activation = Activation::create(device, program);
    EXPECT_EQ(code_of(activation), Errc::kUnsupported);
    EXPECT_NE(message_of(activation).find("made for the emulated card"), std::string::npos);
    EXPECT_EQ(control->calls(Verb::kManage), 1U) << "the status query alone";
}

TEST_F(FaultTest, a_silicon_program_is_refused_on_the_emulator_before_anything_is_sent) {
    const Device device = must(open());
    const Program silicon = must_load(silicon_qpc());
    EXPECT_FALSE(silicon.made_for_emulator());
    const auto activation = Activation::create(device, silicon);
    EXPECT_EQ(code_of(activation), Errc::kUnsupported);
    EXPECT_EQ(message_of(activation),
              "the program is compiled for the card's NSPs; run it on a card");
    EXPECT_EQ(control->calls(Verb::kManage), 1U);
}

TEST_F(FaultTest, other_versions_are_refused_before_anything_is_sent) {
    struct Row {
        std::size_t offset;
        std::vector<std::uint8_t> bytes;
        const char* words;
    };
    for (const Row& row :
         {Row{0, {11}, "status format 11"}, Row{104, {0, 0, 1, 0}, "hardware version"},
          Row{266, {2, 0}, "metadata version 2"}, Row{270, {16, 0}, "command protocol 16"}}) {
        const Device device = must(open());
        const unsigned before = control->calls(Verb::kManage);
        patch_status(*control, row.offset, row.bytes);
        const auto activation = Activation::create(device, program);
        EXPECT_EQ(code_of(activation), Errc::kUnsupported) << row.words;
        EXPECT_NE(message_of(activation).find(row.words), std::string::npos)
            << message_of(activation);
        EXPECT_EQ(control->calls(Verb::kManage), before + 1);
        control->clear();
    }
}

TEST_F(FaultTest, a_depth_out_of_range_is_refused) {
    const Device device = must(open());
    EXPECT_EQ(code_of(Activation::create(device, program, {0, seconds(5)})),
              Errc::kInvalidArgument);
    EXPECT_EQ(code_of(Activation::create(device, program, {4097, seconds(5)})),
              Errc::kInvalidArgument);
}

}  // namespace
}  // namespace qaicrt::test
