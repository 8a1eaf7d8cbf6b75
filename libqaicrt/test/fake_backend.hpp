// SPDX-License-Identifier: Apache-2.0
/// A Backend whose card is the test: what was submitted finishes when, and as, the test says.
#pragma once

#include "libqaicrt/backend/backend.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace qaicrt::test {

class FakeBackend final : public backend::Backend, public backend::CompletionSource {
  public:
    using Completion = backend::Completion;

    void complete(std::uint32_t bo, std::int32_t status = 0, int sys_errno = 0) {
        {
            const std::lock_guard lock(mutex_);
            finished_.push_back({{bo}, status, sys_errno});
        }
        changed_.notify_all();
    }
    /// Every reap from now on answers this.
    void fail_reap(Error error) {
        {
            const std::lock_guard lock(mutex_);
            reap_error_ = std::move(error);
        }
        changed_.notify_all();
    }
    void fail_submit(std::optional<Error> error) {
        const std::lock_guard lock(mutex_);
        submit_error_ = std::move(error);
    }
    void lie_about_count(std::size_t count) {
        const std::lock_guard lock(mutex_);
        lie_ = count;
    }
    /// BOs submitted and not completed yet, oldest first; waits for `count` of them.
    std::vector<std::uint32_t> take_submitted(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return submitted_.size() >= count; });
        std::vector<std::uint32_t> out(submitted_.begin(), submitted_.end());
        submitted_.clear();
        return out;
    }
    int reapers() {
        const std::lock_guard lock(mutex_);
        return reapers_;
    }
    int most_reapers() {
        const std::lock_guard lock(mutex_);
        return most_reapers_;
    }

    const backend::BackendInfo& info() const noexcept override { return info_; }
    Result<std::vector<backend::ReplyTransaction>> manage(
        std::span<const backend::UserTransaction> /*message*/,
        std::vector<backend::ReplyTransaction>* /*refused*/) override {
        return Error{Errc::kUnsupported, "no QSM here"};
    }
    Result<backend::BoHandle> bo_create(std::uint64_t /*bytes*/) override {
        return Error{Errc::kUnsupported, "no buffers here"};
    }
    Result<std::span<std::byte>> bo_map(backend::BoHandle /*bo*/) override {
        return Error{Errc::kUnsupported, "no buffers here"};
    }
    Result<backend::BoHandle> bo_import(int /*fd*/) override {
        return Error{Errc::kUnsupported, "no buffers here"};
    }
    Result<int> bo_export(backend::BoHandle /*bo*/) override {
        return Error{Errc::kUnsupported, "no buffers here"};
    }
    Status bo_close(backend::BoHandle /*bo*/) override { return {}; }
    Status slices_attach(backend::BoHandle /*bo*/, std::uint32_t /*dbc*/, Direction /*direction*/,
                         std::span<const backend::Slice> /*slices*/) override {
        return {};
    }
    Status slices_detach(backend::BoHandle /*bo*/) override { return {}; }

    Status submit(std::uint32_t /*dbc*/, std::span<const backend::ExecuteEntry> batch) override {
        {
            const std::lock_guard lock(mutex_);
            if (submit_error_) {
                return *submit_error_;
            }
            for (const auto& entry : batch) {
                submitted_.push_back(entry.bo.value);
            }
        }
        changed_.notify_all();
        return {};
    }

    Result<std::shared_ptr<backend::CompletionSource>> completions(std::uint32_t /*dbc*/) override {
        // The test owns the card and keeps it longer than any hub.
        return std::shared_ptr<backend::CompletionSource>(std::shared_ptr<void>(), this);
    }
    Result<std::size_t> reap(std::span<Completion> out,
                             std::chrono::milliseconds timeout) override {
        std::unique_lock lock(mutex_);
        most_reapers_ = std::max(most_reapers_, ++reapers_);
        changed_.wait_for(lock, timeout,
                          [&] { return !finished_.empty() || reap_error_.has_value(); });
        --reapers_;
        if (reap_error_) {
            return *reap_error_;
        }
        std::size_t count = 0;
        while (count < out.size() && !finished_.empty()) {
            out[count++] = finished_.front();
            finished_.pop_front();
        }
        return lie_.value_or(count);
    }

    Result<int> fd() override { return -1; }
    Result<backend::BoStats> stats(std::uint32_t /*dbc*/, backend::BoHandle /*bo*/) override {
        return backend::BoStats{};
    }
    std::string workload_error(std::uint32_t /*dbc*/) const override {
        return "node Gather failed";
    }

  private:
    backend::BackendInfo info_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Completion> finished_;
    std::deque<std::uint32_t> submitted_;
    std::optional<Error> reap_error_, submit_error_;
    std::optional<std::size_t> lie_;
    int reapers_ = 0, most_reapers_ = 0;
};

}  // namespace qaicrt::test
