// SPDX-License-Identifier: Apache-2.0
/// Runs ONNX backend test cases on the network runner: one line of JSON for each.
///
/// usage: onnx_cases FOLDER…      a folder holds model.onnx and test_data_set_N/{input,output}_N.pb
///        onnx_cases --operators  what the runner supports, one operator a line
///
/// Every case runs in a process of its own, so that a crash or a hang is that case's failure.
#include "emu/net/network.hpp"
#include "tests/onnx_conformance/case.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

namespace {

constexpr unsigned kSecondsPerCase = 60;

std::string quoted_json(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + '"';
}

void print(const std::string& folder, const std::string& result, const std::string& reason) {
    fmt::print("{{\"case\":{},\"result\":\"{}\",\"reason\":{}}}\n", quoted_json(folder), result,
               quoted_json(reason));
    std::fflush(stdout);
}

void run_in_child(const std::string& folder) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(kSecondsPerCase);
        const auto outcome = conformance::run_case(folder);
        print(folder, outcome.passed ? "passed" : outcome.stage, outcome.reason);
        std::_Exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) {
        print(folder, "failed", "the process for this case could not be made");
    } else if (WIFSIGNALED(status)) {
        print(folder, "failed",
              WTERMSIG(status) == SIGALRM ? fmt::format("no end after {} s", kSecondsPerCase)
                                          : fmt::format("killed by signal {}", WTERMSIG(status)));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string(argv[1]) == "--operators") {
        for (const std::string& name : qaicnet::supported_operators()) {
            fmt::print("{}\n", name);
        }
        return 0;
    }
    for (int i = 1; i < argc; ++i) {
        run_in_child(argv[i]);
    }
    return 0;
}
