// SPDX-License-Identifier: Apache-2.0
/// A decorator for tests: counts, traces and delays every call of a Backend, makes calls fail,
/// rewrites what the card answers.
#pragma once

#include "libqaicrt/backend/backend.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace qaicrt::backend {

enum class Verb : std::uint8_t {
    kOpen,
    kManage,
    kBoCreate,
    kBoMap,
    kBoClose,
    kAttach,
    kDetach,
    kSubmit,
    kCompletions,
    kReap,
    kCompletionFd,
    kStats,
};
inline constexpr std::size_t kVerbCount = 12;
const char* verb_name(Verb verb) noexcept;

/// What goes wrong, shared by all opens of a faulty card. Thread safe.
class FaultControl {
  public:
    using Replies = std::vector<ReplyTransaction>;
    /// May change or replace what manage() returns.
    using ReplyHook =
        std::function<void(std::span<const UserTransaction> message, Result<Replies>& result)>;
    /// May change what reap() stored: completions (as many as the caller has room for) and count.
    using ReapHook = std::function<void(std::span<Completion> out, Result<std::size_t>& count)>;

    /// The `nth` call of the verb from now on (1: the next), and the ones after it up to `times` in
    /// all, fail with `error` instead of being made.
    void fail(Verb verb, unsigned nth, Error error, unsigned times = 1);
    /// Every call from now on; nullopt ends it.
    void fail_all(Verb verb, std::optional<Error> error);
    void delay(Verb verb, std::chrono::milliseconds time);
    void on_reply(ReplyHook hook);
    void on_reap(ReapHook hook);
    void clear();

    unsigned calls(Verb verb) const;
    int open_bos() const;  ///< created and not closed
    int attached() const;  ///< attached and neither detached nor closed
    int open_users() const;
    std::vector<std::string> trace() const;  ///< one word per call: "manage:9", "submit"

  private:
    friend class FaultBackend;
    friend class FaultCard;
    struct Rule {
        unsigned calls = 0;
        unsigned fail_from = 0, fail_until = 0;  ///< call numbers, the second one excluded
        Error error;
        std::optional<Error> always;
        std::chrono::milliseconds delay{0};
    };
    /// Books a call; an error to return instead of making it.
    Status enter(Verb verb, const std::string& detail = {});

    mutable std::mutex mutex_;
    std::array<Rule, kVerbCount> rules_;
    ReplyHook reply_hook_;
    ReapHook reap_hook_;
    int bos_ = 0, attached_ = 0, users_ = 0;
    std::vector<std::string> trace_;
};

/// `inner` with faults; `info` replaces the card's own description when given.
std::shared_ptr<CardHandle> make_faulty(std::shared_ptr<CardHandle> inner,
                                        std::shared_ptr<FaultControl> control,
                                        const std::optional<BackendInfo>& info = std::nullopt);

}  // namespace qaicrt::backend
