// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/test/models.hpp"

#include <qaicrt/qaicrt.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace qaicrt::test {
namespace {

std::vector<float> floats(std::span<const std::byte> bytes) {
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
    return out;
}

TEST(EndToEnd, one_inference_gives_the_models_answer) {
    auto context = Context::create({"emu"});
    ASSERT_TRUE(context) << context.error().message;
    auto device = context->open(0);
    ASSERT_TRUE(device) << device.error().message;
    auto activation = Activation::create(*device, must_load(scale_qpc(8, 2.0F, 0.5F)));
    ASSERT_TRUE(activation) << activation.error().message;
    auto inference = activation->create_inference();
    ASSERT_TRUE(inference) << inference.error().message;
    const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
    ASSERT_TRUE(inference->set_input(0, std::as_bytes(std::span(x))));
    for (int i = 0; i < 3; ++i) {
        const auto status = inference->run(std::chrono::seconds(5));
        ASSERT_TRUE(status) << status.error().message;
        EXPECT_EQ(floats(inference->output(0)),
                  (std::vector<float>{2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5, 16.5}));
    }
}

}  // namespace
}  // namespace qaicrt::test
