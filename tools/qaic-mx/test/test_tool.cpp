// SPDX-License-Identifier: Apache-2.0
// The program itself: what it prints, what it writes, how it refuses. It is started as a user
// starts it.
#include "emu/mx/card_probes.hpp"
#include "emu/mx/quantize.hpp"
#include "tools/common/npy.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

extern char** environ;

namespace {

namespace fs = std::filesystem;

struct Outcome {
    int exit_code = -1;
    std::string out, err;
};

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// A directory of its own for each test, removed at the end.
class Tool : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "qaic-mx-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override {
        std::error_code ignored;
        fs::permissions(directory_, fs::perms::owner_all, ignored);
        fs::remove_all(directory_, ignored);
    }

    std::string path(const std::string& name) const { return (directory_ / name).string(); }

    Outcome run(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), QAIC_MX_PROGRAM);
        std::vector<char*> argv;
        for (std::string& argument : arguments) {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        const std::string out = path(".out");
        const std::string err = path(".err");
        posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0600);
        posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0600);
        pid_t pid = 0;
        EXPECT_EQ(posix_spawn(&pid, QAIC_MX_PROGRAM, &actions, nullptr, argv.data(), environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        int status = 0;
        EXPECT_EQ(waitpid(pid, &status, 0), pid);
        Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
        fs::remove(out);
        fs::remove(err);
        return outcome;
    }

    /// The message is one sentence on one line, names the program, and nothing is printed on
    /// standard output.
    void expect_refusal(const std::vector<std::string>& arguments, int exit_code,
                        const std::string& part) const {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
        EXPECT_EQ(outcome.out, "");
        EXPECT_TRUE(outcome.err.starts_with("qaic-mx: ")) << outcome.err;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
        EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    }

    std::string write_floats(const std::string& name, std::vector<std::int64_t> dims,
                             const std::vector<float>& values) {
        qaictools::NpyArray array{"<f4", std::move(dims),
                                  std::vector<std::byte>(values.size() * 4)};
        std::memcpy(array.data.data(), values.data(), array.data.size());
        EXPECT_TRUE(qaictools::write_npy(path(name), array));
        return path(name);
    }

    std::vector<float> read_floats(const std::string& name) {
        const auto array = qaictools::read_npy(path(name));
        EXPECT_TRUE(array) << array.error().message;
        std::vector<float> values(array->data.size() / 4);
        std::memcpy(values.data(), array->data.data(), array->data.size());
        return values;
    }

    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(directory_)) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    fs::path directory_;
};

/// True when `text` has this very line.
bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

std::vector<float> ramp(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = std::ldexp(static_cast<float>((i * 2654435761U) % 4096) - 2048.0F,
                               static_cast<int>(i % 23) - 20);
    }
    return values;
}

const std::vector<std::string> kQuestion = {
    "explain", "0.015625", "0.03125",  "0.0625",   "0.125",        "0.25", "0.5",
    "1",       "8",        "--format", "fp6_e2m3", "--block-size", "32"};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

TEST_F(Tool, ExplainAnswersTheQuestion) {
    const Outcome outcome = run(kQuestion);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    for (const char* line : {"exact 9.984375", "ocp 9.75", "microxcaling 9.75", "aic100 9.5",
                             "aic100-mx6 9.5", "none 9.984375"}) {
        EXPECT_TRUE(has_line(outcome.out, line)) << line << " in\n" << outcome.out;
    }
    EXPECT_NE(outcome.out.find("aic100 gives 9.5 because its shared exponent is 2 instead of 1"),
              std::string::npos);
    EXPECT_NE(outcome.out.find("0.25 becomes 0"), std::string::npos);
}

TEST_F(Tool, ExplainShowsOnlyTheProfilesAskedFor) {
    const Outcome outcome = run(
        kQuestion + std::vector<std::string>{"--profile", "microxcaling", "--profile", "aic100"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_TRUE(has_line(outcome.out, "microxcaling 9.75"));
    EXPECT_EQ(outcome.out.find("aic100-mx6"), std::string::npos);
    EXPECT_EQ(outcome.out.find("ocp"), std::string::npos);
}

TEST_F(Tool, ExplainComputesItsReasonFromTheWeights) {
    const auto why = [this](const std::vector<std::string>& weights) {
        const Outcome outcome = run(std::vector<std::string>{"explain"} + weights);
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        return outcome.out.substr(outcome.out.find("why: "));
    };
    EXPECT_NE(why({"1", "2"}).find("the exact sum"), std::string::npos);
    EXPECT_NE(why({"8", "0.75", "--profile", "aic100", "--profile", "aic100-ties0"})
                  .find("aic100-ties0 gives 8.5 because it rounds the tie toward zero, so 0.75 "
                        "becomes 0.5"),
              std::string::npos);
    EXPECT_NE(why({"15.5", "--profile", "ocp", "--profile", "aic100-int6"})
                  .find("gives 15, but aic100-int6 gives 15.5 because its shared exponent is 3 "
                        "instead of 1"),
              std::string::npos);
    EXPECT_NE(why({"8", "0.2501220703125", "--profile", "aic100", "--profile", "aic100-fp32src"})
                  .find("it starts from 0.25012207 where the other starts from 0.25"),
              std::string::npos);
}

TEST_F(Tool, ExplainTakesNegativeNumbersInAnySpelling) {
    const Outcome outcome = run({"explain", "-3", "-.5", "-1e0", "2.5", "--profile", "ocp"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(has_line(outcome.out, "exact -2"));
    EXPECT_TRUE(has_line(outcome.out, "ocp -2"));
}

TEST_F(Tool, ExplainDrawsAndWritesJson) {
    const Outcome chart = run(kQuestion + std::vector<std::string>{"--chart"});
    EXPECT_NE(chart.out.find("|-#"), std::string::npos);
    const Outcome json = run(kQuestion + std::vector<std::string>{"--json"});
    EXPECT_EQ(json.exit_code, 0);
    EXPECT_TRUE(json.out.starts_with("{\"exact\": 9.984375, \"profiles\": [{\"profile\": \"ocp\""));
    EXPECT_NE(json.out.find("\"dot_product_with_ones\": 9.5"), std::string::npos);
    EXPECT_NE(json.out.find("{\"weight\": 8, \"code\": \"10\", \"value\": 8, \"error\": 0}"),
              std::string::npos);
}

TEST_F(Tool, ExplainHandlesNanAndManyBlocks) {
    const Outcome nan = run({"explain", "nan", "1", "--profile", "aic100", "--profile", "none"});
    EXPECT_EQ(nan.exit_code, 0);
    EXPECT_NE(nan.out.find("shared exponent NaN"), std::string::npos);
    const Outcome blocks = run({"explain", "1", "2", "4", "--block-size", "1", "--profile", "ocp"});
    EXPECT_NE(blocks.out.find("shared exponents -2 (scale 0.25) -1 (scale 0.5) 0 (scale 1)"),
              std::string::npos)
        << blocks.out;
}

TEST_F(Tool, QuantizeAgreesWithTheLibraryBitForBit) {
    const std::vector<float> values = ramp(3 * 5 * 40);
    const std::string input = write_floats("in.npy", {3, 5, 40}, values);
    struct Case {
        std::vector<std::string> options;
        std::function<void(qaicmx::Profile&)> change;
        std::string profile;
        std::vector<int> axes;
    };
    const std::vector<Case> cases = {
        {{}, [](qaicmx::Profile&) {}, "aic100", {-1}},
        {{"--profile", "microxcaling", "--format", "fp6_e2m3", "--block-size", "32", "--axis", "-1",
          "--round", "even"},
         [](qaicmx::Profile&) {},
         "microxcaling",
         {-1}},
        {{"--profile", "microxcaling", "--round", "nearest", "--format", "int8", "--axis", "1",
          "--block-size", "2"},
         [](qaicmx::Profile& p) {
             p.rounding = qaicmx::Rounding::kNearestAway;
             p.format = qaicmx::ElementFormat::kInt8;
             p.block_size = 2;
         },
         "microxcaling",
         {1}},
        {{"--profile", "ocp", "--axis", "0", "--axis", "-1", "--block-size", "0", "--scale-bits",
          "4", "--flush-subnormals"},
         [](qaicmx::Profile& p) {
             p.block_size = 0;
             p.scale_bits = 4;
             p.flush_subnormal_blocks = true;
         },
         "ocp",
         {0, 2}},
        {{"--profile", "ocp", "--scale-rule", "rceil", "--scale-offset", "-1", "--source", "fp16",
          "--result", "fp16"},
         [](qaicmx::Profile& p) {
             p.scale_rule = qaicmx::ScaleRule::kRceil;
             p.scale_exponent_offset = -1;
             p.source = qaicmx::SourcePrecision::kFp16;
             p.result = qaicmx::ResultPrecision::kFp16;
         },
         "ocp",
         {-1}},
        {{"--profile", "ocp", "--round", "dither", "--seed", "99"},
         [](qaicmx::Profile& p) {
             p.rounding = qaicmx::Rounding::kDither;
             p.dither_seed = 99;
         },
         "ocp",
         {-1}},
    };
    const std::int64_t dims[] = {3, 5, 40};
    for (const Case& test : cases) {
        const Outcome outcome = run(std::vector<std::string>{"quantize"} + test.options +
                                    std::vector<std::string>{input, path("out.npy")});
        ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_EQ(outcome.out, "");
        qaicmx::Profile profile = *qaicmx::profile_by_name(test.profile);
        test.change(profile);
        std::vector<float> want(values.size());
        ASSERT_TRUE(qaicmx::fake_quantize(profile, values, dims, test.axes, want));
        const std::vector<float> got = read_floats("out.npy");
        ASSERT_EQ(got.size(), want.size());
        EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size() * 4), 0) << test.profile;
    }
}

TEST_F(Tool, QuantizeKeepsNanAndOverwritesItsOutput) {
    const std::string input = write_floats("in.npy", {2}, {NAN, 1.0F});
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(run({"quantize", input, path("out.npy")}).exit_code, 0);
    }
    for (const float value : read_floats("out.npy")) {
        EXPECT_TRUE(std::isnan(value));
    }
    EXPECT_EQ(files(), (std::vector<std::string>{"in.npy", "out.npy"}));
}

TEST_F(Tool, CompareCountsErrors) {
    const std::string input = write_floats("in.npy", {2, 32}, [] {
        std::vector<float> values(64, 0.0F);
        values[0] = 8.0F;
        values[1] = 0.25F;
        values[40] = INFINITY;
        return values;
    }());
    const Outcome outcome =
        run({"compare", input, "--json", "--profile", "aic100", "--profile", "ocp"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    // aic100 loses the 0.25; the block with Inf becomes NaN: 32 values, none of them finite
    // afterwards.
    EXPECT_NE(outcome.out.find("\"max_error\": 0.25, "), std::string::npos) << outcome.out;
    EXPECT_NE(
        outcome.out.find("\"counted\": 32, \"changed\": 1, \"new_nans\": 32, \"new_infs\": 0"),
        std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find("\"sqnr_db\": \"inf\""), std::string::npos);  // ocp is exact here
    const Outcome chart = run({"compare", input, "--chart"});
    EXPECT_EQ(chart.exit_code, 0);
    EXPECT_NE(chart.out.find("aic100-fp32src |###"), std::string::npos) << chart.out;
}

TEST_F(Tool, ProbesWriteAModelAndItsPredictions) {
    const std::string target = path("probes");
    ASSERT_EQ(run({"probes", target}).exit_code, 0);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(target)) {
        names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{"README.md", "mx_probes.onnx", "predictions.csv",
                                               "x32.raw", "x64.raw"}));
    const std::string csv = contents(target + "/predictions.csv");
    EXPECT_NE(csv.find("output,row,column,shows,A1_up1_rne_b32,"), std::string::npos);
    EXPECT_NE(csv.find("\ny_P01,32,0,answer,9.5,9.5,"), std::string::npos);
    EXPECT_EQ(fs::file_size(target + "/x32.raw") % (32 * 4), 0U);
    ASSERT_EQ(run({"probes", target}).exit_code, 0);  // again into the same place
}

/// Writes the outputs that a card with this rule would give, by multiplying what the model and its
/// inputs say.
void answer_as(const qaicmx::Hypothesis& hypothesis, const fs::path& probes,
               const fs::path& results) {
    const auto rows_of = [&](std::size_t k) {
        const std::string bytes = contents(probes / ("x" + std::to_string(k) + ".raw"));
        std::vector<float> values(bytes.size() / 4);
        std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    };
    fs::create_directory(results);
    for (const qaicmx::Probe& probe : qaicmx::card_probes()) {
        const std::size_t k = probe.inputs.size();
        const std::vector<float> inputs = rows_of(k);
        const std::vector<float> decoded =
            qaicmx::decoded_weights(hypothesis, probe.weights, probe.outputs);
        std::ofstream file(results / ("y_" + std::string(probe.id) + "-activation-0-inf-0.bin"),
                           std::ios::binary);
        for (std::size_t row = 0; row < inputs.size() / k; ++row) {
            for (std::size_t n = 0; n < probe.outputs; ++n) {
                const float y = qaicmx::card_dot(std::span(decoded).subspan(n * k, k),
                                                 std::span(inputs).subspan(row * k, k));
                file.write(reinterpret_cast<const char*>(&y), sizeof y);
            }
        }
    }
}

TEST_F(Tool, ProbesNameTheRuleOfACardFromItsAnswers) {
    ASSERT_EQ(run({"probes", path("p")}).exit_code, 0);
    const std::vector<qaicmx::Hypothesis> hypotheses = qaicmx::card_hypotheses();
    for (const std::size_t index : {0U, 6U, 14U, 16U, 19U}) {
        const std::string results = path("r" + std::to_string(index));
        answer_as(hypotheses[index], path("p"), results);
        const Outcome outcome = run({"probes", path("p"), "--read", results});
        ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_TRUE(
            has_line(outcome.out, "the outputs fit " + std::string(hypotheses[index].name) + "."))
            << outcome.out;
    }
}

TEST_F(Tool, RefusesABadCommandLine) {
    expect_refusal({}, 2, "subcommand");
    expect_refusal({"explain"}, 2, "weights");
    expect_refusal({"explain", "1", "--frobnicate"}, 2, "--frobnicate");
    expect_refusal({"explain", "one"}, 2, "'one' is not a number");
    expect_refusal({"explain", "1e39"}, 2, "beyond FP32");
    expect_refusal({"explain", "1", "--profile", "aic200"}, 2, "no MX profile named 'aic200'");
    expect_refusal({"explain", "1", "--format", "fp7"}, 2, "--format does not know 'fp7'");
    expect_refusal({"explain", "1", "--round", "up"}, 2, "--round does not know 'up'");
    expect_refusal({"explain", "1", "--block-size", "-2"}, 2, "--block-size");
    expect_refusal({"explain", "1", "--scale-bits", "9"}, 2, "--scale-bits");
    expect_refusal({"quantize", "in.npy"}, 2, "output");
}

TEST_F(Tool, RefusesBadFilesInASentence) {
    const std::string good = write_floats("good.npy", {2, 2}, {1, 2, 3, 4});
    const std::string out = path("out.npy");
    expect_refusal({"quantize", path("missing.npy"), out}, 1, "missing.npy' cannot be opened");
    std::string bytes = contents(good);
    std::ofstream(path("short.npy"), std::ios::binary) << bytes.substr(0, bytes.size() - 1);
    expect_refusal({"quantize", path("short.npy"), out}, 1,
                   "ends within its data, after 15 of 16 bytes");
    std::ofstream(path("text.npy")) << "these are no numbers";
    expect_refusal({"compare", path("text.npy")}, 1, "does not start with the .npy signature");
    ASSERT_TRUE(qaictools::write_npy(path("f8.npy"), {"<f8", {1}, std::vector<std::byte>(8)}));
    expect_refusal({"quantize", path("f8.npy"), out}, 1, "float32 is needed");
    expect_refusal({"quantize", good, out, "--axis", "2"}, 1, "--axis 2 is out of range");
    expect_refusal({"quantize", good, out, "--axis", "1", "--axis", "-1"}, 1, "given twice");
    write_floats("scalar.npy", {}, {1.0F});
    expect_refusal({"compare", path("scalar.npy")}, 1, "no axis");
    expect_refusal({"quantize", good, path("no/such/directory/out.npy")}, 1, "cannot be written");
    expect_refusal({"quantize", good, directory_.string()}, 1, "cannot be written");
    expect_refusal({"quantize", directory_.string(), out}, 1, "cannot be read");
    expect_refusal({"probes", path("no/such/probes")}, 1, "cannot be made");
    expect_refusal({"probes", path("p"), "--read", path("nowhere")}, 1, "cannot be read");
    expect_refusal({"probes", path("p"), "--read", directory_.string()}, 1, "no output y_P01");
    EXPECT_EQ(files(), (std::vector<std::string>{"f8.npy", "good.npy", "scalar.npy", "short.npy",
                                                 "text.npy"}));
}

TEST_F(Tool, LeavesNothingBehindWhenTheDiskIsFull) {
    const std::string good = write_floats("good.npy", {2, 2}, {1, 2, 3, 4});
    expect_refusal({"quantize", good, "/dev/full"}, 1, "cannot be written");
    EXPECT_TRUE(fs::is_character_file("/dev/full"));
    EXPECT_EQ(files(), std::vector<std::string>{"good.npy"});
}

TEST_F(Tool, HonoursTheWriteProtectionOfItsOutput) {
    const std::string good = write_floats("good.npy", {1}, {1});
    const std::string locked = write_floats("locked.npy", {1}, {2});
    fs::permissions(locked, fs::perms::owner_read);
    if (::geteuid() == 0) {  // root may write everything, so for root it is no protection
        EXPECT_EQ(run({"quantize", good, locked}).exit_code, 0);
        EXPECT_EQ(read_floats("locked.npy"), std::vector<float>{1});
    } else {
        expect_refusal({"quantize", good, locked}, 1, "cannot be written");
        EXPECT_EQ(read_floats("locked.npy"), std::vector<float>{2});
    }
}

}  // namespace
