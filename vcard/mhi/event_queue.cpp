// SPDX-License-Identifier: Apache-2.0
#include "vcard/mhi/event_queue.hpp"

namespace qaicvcard::mhi {
namespace {

constexpr std::uint32_t kVectorWord = 2;  // of an event context
constexpr std::uint32_t kVectors = 32;

constexpr std::uint32_t high_byte(std::uint32_t value) {
    return value << 24;
}
constexpr std::uint32_t type_word(ElementType type) {
    return std::uint32_t{type} << 16;
}

}  // namespace

const char* EventQueue::load(std::uint64_t context) {
    waiting_.clear();
    if (const char* problem = ring_.load(memory_, context)) {
        return problem;
    }
    if (ring_.word(kVectorWord) >= kVectors) {
        ring_.forget();
        return "its interrupt vector does not exist";
    }
    return nullptr;
}

void EventQueue::forget() {
    ring_.forget();
    waiting_.clear();
}

void EventQueue::post(std::uint64_t pointer, std::uint32_t word0, std::uint32_t word1) {
    waiting_.push_back({pointer, word0, word1});
}

void EventQueue::post_state(State state) {
    post(0, high_byte(static_cast<std::uint32_t>(state)), type_word(kStateEvent));
}

void EventQueue::post_exec_env(ExecEnv environment) {
    post(0, high_byte(static_cast<std::uint32_t>(environment)), type_word(kExecEnvEvent));
}

void EventQueue::post_command(std::uint64_t element, Completion code) {
    post(element, high_byte(code), type_word(kCommandEvent));
}

void EventQueue::post_transfer(unsigned channel, std::uint64_t element, Completion code,
                               std::uint32_t length) {
    post(element, high_byte(code) | (length & 0xffff),
         high_byte(channel) | type_word(kTransferEvent));
}

bool EventQueue::doorbell(std::uint64_t wp) {
    return ring_.loaded() && ring_.set_wp(wp);
}

bool EventQueue::drain() {
    if (!ring_.loaded() || waiting_.empty()) {
        return true;
    }
    ring_.refresh_wp(memory_);
    bool any = false;
    while (!waiting_.empty() && !ring_.empty()) {
        if (!memory_.write(ring_.rp(), std::as_bytes(std::span(&waiting_.front(), 1)))) {
            return false;
        }
        waiting_.pop_front();
        ring_.set_rp(ring_.next(ring_.rp()));
        any = true;
    }
    if (!any) {
        return true;
    }
    const bool published = ring_.publish_rp(memory_);
    if (published) {
        interrupts_.raise(ring_.word(kVectorWord));
    }
    return published;
}

}  // namespace qaicvcard::mhi
