// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"

namespace qaicrt::qpc::test {
namespace {

TEST(QpcProgram, BuiltProgramParsesAndKeepsEveryOpenRuntimeRule) {
    const auto qpc = built(small_spec());
    const auto image = parse_program(qpc);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_TRUE(image->made_for_emulator());
    EXPECT_EQ(image->description.inputs.size(), 2u);
    EXPECT_EQ(image->description.outputs.size(), 2u);
    EXPECT_EQ(check_open_runtime_rules(qpc), std::vector<std::string>{});
}

}  // namespace
}  // namespace qaicrt::qpc::test
