// SPDX-License-Identifier: Apache-2.0
/// Runs the built qaic-exec in a scratch directory and looks at what it said and left.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace qaicexec::test {

struct Outcome {
    int status = -1;  ///< exit status; 128 + n for signal n
    std::string out, err;
};

inline constexpr const char* kModel = QAIC_SOURCE_DIR "/tests/models/my_model_a.onnx";

/// A scratch directory that is the tool's working directory, removed with the test.
class ToolTest : public ::testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    /// Runs build/tools/<name>. A file size limit of `file_limit` bytes holds in the tool, and one
    /// of its address space of `memory_limit` bytes; 0: none. A minute of processor time always.
    Outcome run(const std::vector<std::string>& args, const std::string& name = "qaic-exec",
                unsigned long file_limit = 0, unsigned long memory_limit = 0) const;
    void write(const std::string& name, const std::string& text) const;
    std::string read(const std::string& name) const;
    /// Every path below the scratch directory, sorted.
    std::vector<std::string> listing() const;

    std::string dir_;
};

/// One line with a full stop at its end.
void expect_one_sentence(const std::string& text);

}  // namespace qaicexec::test
