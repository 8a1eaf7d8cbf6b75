// SPDX-License-Identifier: Apache-2.0
/// Inside of Context and Device, and the way that commands take to QSM.
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/nnc/commands.hpp"

#include <qaicrt/device.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace qaicrt {

class LoadedProgram;

struct Context::Impl {
    struct Card {
        DeviceInfo info;
        std::shared_ptr<backend::CardHandle> handle;  // shared with the devices opened from it
    };
    std::vector<Card> cards;
};

struct Device::Impl {
    DeviceInfo info;
    std::shared_ptr<backend::CardHandle> card;
    std::unique_ptr<backend::Backend> backend;
    /// Between attempts when the card says that its NSPs are restarting.
    std::chrono::milliseconds retry_delay{1000};

    std::mutex load_mutex;  // programs load one after the other: the second user finds the first
                            // one's copy
    std::unordered_map<const void*, std::weak_ptr<LoadedProgram>> loaded;  // by Program::Impl
};

/// For tests: a context over cards of their own.
struct ContextAccess {
    static Context make(std::vector<std::shared_ptr<backend::CardHandle>> cards);
};

/// Attempts and pause while the card answers that its NSP subsystem restarts.
inline constexpr int kRestartAttempts = 5;

/// One command, optionally with a second transaction, and what came back.
struct CommandResult {
    Status transport;  ///< failure of manage(); replies may still hold what a refusal carried
    std::vector<backend::ReplyTransaction> replies;

    /// The command's answer; the transport's error, or kProtocol, when there is none.
    Result<std::span<const std::byte>> answer() const;
    /// First reply transaction of a kind, null without one.
    template <class T>
    const T* find() const {
        for (const auto& reply : replies) {
            if (const T* found = std::get_if<T>(&reply)) {
                return found;
            }
        }
        return nullptr;
    }
};
CommandResult send_command(backend::Backend& backend, nnc::Bytes command);
CommandResult send_command(backend::Backend& backend, nnc::Bytes command,
                           backend::UserTransaction second);

/// A refusal of the card with the card's own words, where it has some.
template <class T>
Result<T> explained(const backend::Backend& backend, Result<T> result) {
    if (!result && result.error().device_status != 0) {
        if (const std::string words = backend.refusal_words(); !words.empty()) {
            result.error().message += ": " + words;
        }
    }
    return result;
}

/// Status of the card as QSM tells it.
Result<nnc::CardStatus> query_status(backend::Backend& backend);

}  // namespace qaicrt
