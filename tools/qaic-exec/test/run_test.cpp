// SPDX-License-Identifier: Apache-2.0
/// qaic-exec without -compile-only: the program runs on the emulated card.
#include "tools/qaic-exec/test/run_tool.hpp"

#include <cstring>
#include <filesystem>

namespace qaicexec::test {
namespace {

using Names = std::vector<std::string>;

class Run : public ToolTest {
  protected:
    static std::string floats(const std::vector<float>& values) {
        std::string raw(values.size() * sizeof(float), '\0');
        std::memcpy(raw.data(), values.data(), raw.size());
        return raw;
    }
    float first_float(const std::string& file) const {
        float value = 0;
        const std::string raw = read(file);
        EXPECT_EQ(raw.size(), sizeof(value)) << file;
        std::memcpy(&value, raw.data(), std::min(raw.size(), sizeof(value)));
        return value;
    }
    const std::string model_ = std::string("-m=") + kModel;
};

TEST_F(Run, OneInferenceOnRandomInputWithAStatisticsLine) {
    const Outcome outcome = run({model_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(
        outcome.out.find("Using random inputs\n ---- Stats ----\nInferenceCnt 1 TotalDuration "),
        std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find(" BatchSize 1 Inf/Sec "), std::string::npos);
    EXPECT_EQ(listing(), Names{});
}

TEST_F(Run, TheQuestionsInputGivesTheQuestionsAnswer) {
    write("ones.raw", floats(std::vector<float>(32, 1.0F)));
    write("list.txt", "ones.raw\n");
    const std::pair<const char*, float> answers[] = {{"aic100", 9.5F}, {"microxcaling", 9.75F}};
    for (const auto& [profile, answer] : answers) {
        const Outcome outcome =
            run({model_, "-convert-to-fp16", "-mxfp6-matmul", std::string("-mx-profile=") + profile,
                 "-input-list-file=list.txt", "-write-output-dir=out"});
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_EQ(first_float("out/output-activation-0-inf-0.bin"), answer) << profile;
    }
}

TEST_F(Run, IterationsInstancesAndTheProgramFileGoTogether) {
    const Outcome outcome =
        run({model_, "-num-iter=25", "-aic-num-of-instances=2", "-set-size=4",
             "-aic-binary-dir=qpc", "-stats-batchsize=3", "-write-output-dir=out",
             "-write-output-start-iter=23", "-write-output-num-samples=5"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("InferenceCnt 50 TotalDuration "), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("BatchSize 3 "), std::string::npos);
    EXPECT_EQ(listing(),
              (Names{"out", "out/output-activation-0-inf-23.bin",
                     "out/output-activation-0-inf-24.bin", "out/output-activation-1-inf-23.bin",
                     "out/output-activation-1-inf-24.bin", "qpc", "qpc/programqpc.bin"}));
}

TEST_F(Run, EveryLineOfAnInputListIsOneInference) {
    write("a.raw", floats(std::vector<float>(32, 0.0F)));
    write("b.raw", floats(std::vector<float>(32, 2.0F)));
    write("list.txt", "a.raw\n\n b.raw \r\n");
    const Outcome outcome = run({model_, "-input-list-file=list.txt", "-write-output-dir=out",
                                 "-write-output-num-samples=9"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(first_float("out/output-activation-0-inf-0.bin"), 0.0F);
    EXPECT_EQ(first_float("out/output-activation-0-inf-1.bin"), 2.0F * 9.984375F);
}

TEST_F(Run, BadInputListsAreRefusedWithFileAndLine) {
    write("short.raw", "1234");
    write("long.raw", std::string(4096, '\0'));
    write("good.raw", std::string(128, '\0'));
    const std::pair<const char*, const char*> cases[] = {
        {"short.raw\n", "list.txt:1: 'short.raw' has 4 bytes"},
        {"good.raw\nlong.raw\n", "list.txt:2: 'long.raw'"},
        {"good.raw,good.raw\n", "list.txt:1 names more files"},
        {"gone.raw\n", "'gone.raw'"},
        {"\n\n", "names no files"}};
    for (const auto& [text, part] : cases) {
        write("list.txt", text);
        const Outcome outcome = run({model_, "-input-list-file=list.txt"});
        EXPECT_EQ(outcome.status, 1) << text;
        expect_one_sentence(outcome.err);
        EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    }
    EXPECT_EQ(run({model_, "-input-list-file=none.txt"}).status, 1);
}

TEST_F(Run, ADeviceThatDoesNotExistIsRefused) {
    const Outcome outcome = run({model_, "-device-id=99"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("99"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace qaicexec::test
