// SPDX-License-Identifier: Apache-2.0
/// Lines for people, from any part of the virtual card.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace qaicvcard {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };
/// Takes one line without a newline. Called from any thread.
using Log = std::function<void(LogLevel, const std::string&)>;

/// Warnings about somebody who may do nothing but wrong: after a hundred, one line says that the
/// rest is left out, so that the disk does not fill up. Thread safe.
class Complaints {
  public:
    Complaints(const Log& log, std::string about) : log_(log), about_(std::move(about)) {}
    void add(const std::string& text) {
        constexpr unsigned kMost = 100;
        const unsigned count = count_.fetch_add(1);
        if (count < kMost) {
            log_(LogLevel::kWarning, about_ + ": " + text);
        } else if (count == kMost) {
            log_(LogLevel::kWarning, about_ + ": further warnings are left out");
        }
    }
    void forget() { count_ = 0; }

  private:
    const Log& log_;
    const std::string about_;
    std::atomic<unsigned> count_{0};
};

}  // namespace qaicvcard
