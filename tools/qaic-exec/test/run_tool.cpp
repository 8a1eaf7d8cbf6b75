// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-exec/test/run_tool.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace qaicexec::test {

namespace fs = std::filesystem;

namespace {

std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become_tool(const char* path, char* const* argv, const char* dir, int out,
                              int err, unsigned long file_limit, unsigned long memory_limit) {
    const struct rlimit minute = {60, 60};
    ::setrlimit(RLIMIT_CPU, &minute);
    if (memory_limit != 0) {
        const struct rlimit limit = {memory_limit, memory_limit};
        ::setrlimit(RLIMIT_AS, &limit);
    }
    if (file_limit != 0) {
        const struct rlimit limit = {file_limit, file_limit};
        ::signal(SIGXFSZ, SIG_IGN);  // write() fails instead
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (::chdir(dir) == 0 && ::dup2(out, 1) == 1 && ::dup2(err, 2) == 2) {
        ::execv(path, argv);
    }
    ::_exit(126);
}

}  // namespace

void ToolTest::SetUp() {
    std::string pattern = (fs::temp_directory_path() / "qaic-exec-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
}

void ToolTest::TearDown() {
    fs::remove_all(dir_);
}

Outcome ToolTest::run(const std::vector<std::string>& args, const std::string& name,
                      unsigned long file_limit, unsigned long memory_limit) const {
    const std::string path = std::string(QAIC_BINARY_DIR "/tools/") + name;
    std::vector<std::string> words = {path};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    // Beside the scratch directory, so that they are not among what the tool left in it.
    const std::string out_path = dir_ + ".out";
    const std::string err_path = dir_ + ".err";
    const int out = ::open(out_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const int err = ::open(err_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    Outcome outcome;
    const pid_t child = ::fork();
    if (child == 0) {
        become_tool(path.c_str(), argv.data(), dir_.c_str(), out, err, file_limit, memory_limit);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = slurp(out_path);
    outcome.err = slurp(err_path);
    ::close(out);
    ::close(err);
    fs::remove(out_path);
    fs::remove(err_path);
    return outcome;
}

void ToolTest::write(const std::string& name, const std::string& text) const {
    std::ofstream(fs::path(dir_) / name, std::ios::binary) << text;
}

std::string ToolTest::read(const std::string& name) const {
    return slurp((fs::path(dir_) / name).string());
}

std::vector<std::string> ToolTest::listing() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
        names.push_back(entry.path().lexically_relative(dir_).string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

void expect_one_sentence(const std::string& text) {
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(text.ends_with(".\n") || text.ends_with("?\n")) << text;
}

}  // namespace qaicexec::test
