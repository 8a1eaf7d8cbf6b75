// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-run/options.hpp"

#include "tools/qaic-run/option_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace qaicrun {
namespace {

/// Blank separated arguments.
qaicrt::Result<Options> parse(const std::string& line) {
    std::istringstream words(line);
    std::vector<std::string> arguments;
    for (std::string word; words >> word;) {
        arguments.push_back(word);
    }
    return parse_options(arguments);
}

std::string refusal(const std::string& line) {
    const auto options = parse(line);
    return options ? "accepted" : options.error().message;
}

TEST(Options, DefaultsAreThoseOfTheVendorsRunner) {
    const auto options = parse("-t qpc");
    ASSERT_TRUE(options);
    EXPECT_EQ(options->test_data, "qpc");
    EXPECT_EQ(options->iterations, 40U);
    EXPECT_EQ(options->activations, 1U);
    EXPECT_EQ(options->set_size, 10U);
    EXPECT_FALSE(options->device.has_value());
    EXPECT_FALSE(options->write_output);
}

TEST(Options, OneAndTwoDashesBlankAndEqualsAreTheSame) {
    for (const char* line :
         {"-t q -n 7", "-t=q -n=7", "--t q --n=7", "-test-data q -num-iter 7",
          "--test-data=q --num-iter=7", "-test-data=q -n7", "--test-data q -num-iter=7"}) {
        const auto options = parse(line);
        ASSERT_TRUE(options) << line << ": " << options.error().message;
        EXPECT_EQ(options->test_data, "q") << line;
        EXPECT_EQ(options->iterations, 7U) << line;
    }
}

TEST(Options, TheOptionsOfTheIssueAreHonoured) {
    const auto options = parse(
        "-t q -i a.raw --input-file b.npy --time 1.5 -a 3 -S 1 -d 2 --write-output-dir=o "
        "-write-output-start-iter 4 --write-output-num-samples 2 -vv -l");
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->input_files, (std::vector<std::string>{"a.raw", "b.npy"}));
    EXPECT_EQ(options->seconds, 1.5);
    EXPECT_EQ(options->activations, 3U);
    EXPECT_EQ(options->set_size, 1U);
    EXPECT_EQ(options->device, 2);
    EXPECT_EQ(options->output_dir, "o");
    EXPECT_EQ(options->output_start, 4U);
    EXPECT_EQ(options->output_samples, 2U);
    EXPECT_EQ(options->verbosity, 2);
    EXPECT_TRUE(options->write_output && options->live);
}

TEST(Options, EveryRowOfTheTableParses) {
    std::set<std::string> names;
    for (const auto& row : option_rows()) {
        std::istringstream words{std::string(row.names)};
        for (std::string name; words >> name;) {
            EXPECT_TRUE(names.insert(name).second) << name << " is listed twice";
            std::string line = "-t q --" + name;
            switch (row.value) {
                case Value::kNone:
                    break;
                case Value::kChoice:
                    line += " " + std::string(row.hint.substr(0, row.hint.find('|')));
                    break;
                default:
                    line += " 1";
            }
            const auto options = parse(line);
            if (row.policy == Policy::kRejected) {
                ASSERT_FALSE(options) << line;
                EXPECT_EQ(options.error().code, qaicrt::Errc::kUnsupported);
            } else {
                ASSERT_TRUE(options) << line << ": " << options.error().message;
                EXPECT_EQ(options->notes.size(), row.policy == Policy::kIgnored ? 1U : 0U) << line;
            }
        }
    }
    EXPECT_GT(names.size(), 50U);
}

TEST(Options, IgnoredOptionsAreCheckedAllTheSame) {
    EXPECT_NE(refusal("-t q -p maybe").find("on|off"), std::string::npos);
    EXPECT_NE(refusal("-t q -T 0").find("from 1 to 1024"), std::string::npos);
}

TEST(Options, UnknownOptionsAndStrayWordsAreErrors) {
    EXPECT_NE(refusal("-t q --no-such").find("unknown option '--no-such'"), std::string::npos);
    EXPECT_NE(refusal("-t q -aic-num-cores 4").find("unknown option '-aic-num-cores'"),
              std::string::npos);
    EXPECT_NE(refusal("-t q -tst-data x").find("unknown option '-tst-data'"), std::string::npos);
    EXPECT_NE(refusal("-t q stray").find("unexpected argument 'stray'"), std::string::npos);
    EXPECT_NE(refusal("-t q -").find("unexpected argument '-'"), std::string::npos);
    EXPECT_NE(refusal("-t q --").find("unknown option '--'"), std::string::npos);
}

TEST(Options, BadValuesNameTheBounds) {
    EXPECT_EQ(refusal("-t q -n 0"),
              "option -n needs a whole number from 1 to 1000000000000000, not '0'");
    for (const char* line :
         {"-n -1", "-n 1x", "-n 99999999999999999999", "-S 0", "-a 17", "--time 0", "--time nan",
          "--time inf", "-d -1", "-n=", "--submit-timeout 1.5"}) {
        EXPECT_NE(refusal(std::string("-t q ") + line).find("needs a"), std::string::npos) << line;
    }
    EXPECT_NE(refusal("-t q -n").find("needs a value"), std::string::npos);
    EXPECT_NE(refusal("-t=").find("needs a value"), std::string::npos);
    EXPECT_NE(refusal("-t q --json=1").find("takes no value"), std::string::npos);
}

TEST(Options, ContradictionsAreErrors) {
    EXPECT_NE(refusal("").find("missing test data path"), std::string::npos);
    EXPECT_NE(refusal("-t q -n 5 --time 1").find("exclude each other"), std::string::npos);
    EXPECT_NE(refusal("-t q -i a --aic-batch-input-directory d").find("exclude each other"),
              std::string::npos);
    EXPECT_EQ(refusal("-t q -n 5 --write-output-start-iter 4 --write-output-num-samples 2"),
              "the sum of write-output-start-iter(4) and write-output-num-samples(2) should be <= "
              "numInf(5)");
    EXPECT_EQ(refusal("-t q -n 5 --write-output-start-iter 4"), "accepted");
}

TEST(Options, HelpWorksWithoutAProgramAndListsEveryOption) {
    const auto options = parse("-h");
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->help);
    const std::string help = help_text();
    for (const auto& row : option_rows()) {
        const std::string name(row.names.substr(0, row.names.find(' ')));
        EXPECT_NE(help.find("-" + name), std::string::npos) << name;
    }
}

}  // namespace
}  // namespace qaicrun
