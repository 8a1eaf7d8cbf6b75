// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/backend/fault_backend.hpp"

#include <cstring>
#include <set>
#include <thread>
#include <utility>

namespace qaicrt::backend {

const char* verb_name(Verb verb) noexcept {
    static constexpr const char* kNames[kVerbCount] = {
        "open",   "manage", "bo_create",   "bo_map", "bo_close",      "attach",
        "detach", "submit", "completions", "reap",   "completion_fd", "stats"};
    return kNames[static_cast<std::size_t>(verb)];
}

void FaultControl::fail(Verb verb, unsigned nth, Error error, unsigned times) {
    const std::lock_guard lock(mutex_);
    Rule& rule = rules_[static_cast<std::size_t>(verb)];
    rule.fail_from = rule.calls + nth;
    rule.fail_until = rule.fail_from + times;
    rule.error = std::move(error);
}

void FaultControl::fail_all(Verb verb, std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    rules_[static_cast<std::size_t>(verb)].always = std::move(error);
}

void FaultControl::delay(Verb verb, std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    rules_[static_cast<std::size_t>(verb)].delay = time;
}

void FaultControl::on_reply(ReplyHook hook) {
    const std::lock_guard lock(mutex_);
    reply_hook_ = std::move(hook);
}

void FaultControl::on_reap(ReapHook hook) {
    const std::lock_guard lock(mutex_);
    reap_hook_ = std::move(hook);
}

void FaultControl::clear() {
    const std::lock_guard lock(mutex_);
    for (Rule& rule : rules_) {
        rule.fail_from = rule.fail_until = 0;
        rule.always.reset();
        rule.delay = {};
    }
    reply_hook_ = nullptr;
    reap_hook_ = nullptr;
}

unsigned FaultControl::calls(Verb verb) const {
    const std::lock_guard lock(mutex_);
    return rules_[static_cast<std::size_t>(verb)].calls;
}

int FaultControl::open_bos() const {
    const std::lock_guard lock(mutex_);
    return bos_;
}

int FaultControl::attached() const {
    const std::lock_guard lock(mutex_);
    return attached_;
}

int FaultControl::open_users() const {
    const std::lock_guard lock(mutex_);
    return users_;
}

std::vector<std::string> FaultControl::trace() const {
    const std::lock_guard lock(mutex_);
    return trace_;
}

Status FaultControl::enter(Verb verb, const std::string& detail) {
    std::unique_lock lock(mutex_);
    Rule& rule = rules_[static_cast<std::size_t>(verb)];
    trace_.push_back(verb_name(verb) + detail);
    ++rule.calls;
    const bool fails =
        rule.always.has_value() || (rule.calls >= rule.fail_from && rule.calls < rule.fail_until);
    const Error error = rule.always ? *rule.always : rule.error;
    const auto pause = rule.delay;
    lock.unlock();
    if (pause.count() > 0) {
        std::this_thread::sleep_for(pause);
    }
    return fails ? Status{error} : Status{};
}

class FaultBackend final : public Backend {
    class Source final : public CompletionSource {
      public:
        Source(std::shared_ptr<CompletionSource> inner, std::shared_ptr<FaultControl> control)
            : inner_(std::move(inner)), control_(std::move(control)) {}

        Result<std::size_t> reap(std::span<Completion> out,
                                 std::chrono::milliseconds timeout) override {
            QAICRT_CHECK(control_->enter(Verb::kReap));
            auto count = inner_->reap(out, timeout);
            FaultControl::ReapHook hook;
            {
                const std::lock_guard lock(control_->mutex_);
                hook = control_->reap_hook_;
            }
            if (hook) {
                hook(out, count);
            }
            return count;
        }

        Result<int> fd() override {
            QAICRT_CHECK(control_->enter(Verb::kCompletionFd));
            return inner_->fd();
        }

      private:
        const std::shared_ptr<CompletionSource> inner_;
        const std::shared_ptr<FaultControl> control_;
    };

  public:
    FaultBackend(std::unique_ptr<Backend> inner, std::shared_ptr<FaultControl> control,
                 const BackendInfo& info)
        : inner_(std::move(inner)), control_(std::move(control)), info_(info) {
        count(control_->users_, 1);
    }
    ~FaultBackend() override {
        inner_.reset();
        const std::lock_guard lock(control_->mutex_);
        control_->users_ -= 1;
        control_->bos_ -= static_cast<int>(bos_.size());
        control_->attached_ -= static_cast<int>(attached_.size());
    }

    const BackendInfo& info() const noexcept override { return info_; }

    Result<std::vector<ReplyTransaction>> manage(std::span<const UserTransaction> message,
                                                 std::vector<ReplyTransaction>* refused) override {
        QAICRT_CHECK(control_->enter(Verb::kManage, ":" + std::to_string(command_number(message))));
        auto result = inner_->manage(message, refused);
        FaultControl::ReplyHook hook;
        {
            const std::lock_guard lock(control_->mutex_);
            hook = control_->reply_hook_;
        }
        if (hook) {
            hook(message, result);
        }
        return result;
    }

    Result<BoHandle> bo_create(std::uint64_t bytes) override {
        QAICRT_CHECK(control_->enter(Verb::kBoCreate));
        auto bo = inner_->bo_create(bytes);
        if (bo) {
            const std::lock_guard lock(control_->mutex_);
            bos_.insert(bo->value);
            control_->bos_ += 1;
        }
        return bo;
    }

    Result<std::span<std::byte>> bo_map(BoHandle bo) override {
        QAICRT_CHECK(control_->enter(Verb::kBoMap));
        return inner_->bo_map(bo);
    }
    Result<BoHandle> bo_import(int dma_buf_fd) override { return inner_->bo_import(dma_buf_fd); }
    Result<int> bo_export(BoHandle bo) override { return inner_->bo_export(bo); }

    Status bo_close(BoHandle bo) override {
        QAICRT_CHECK(control_->enter(Verb::kBoClose));
        QAICRT_CHECK(inner_->bo_close(bo));
        const std::lock_guard lock(control_->mutex_);
        control_->bos_ -= static_cast<int>(bos_.erase(bo.value));
        control_->attached_ -= static_cast<int>(attached_.erase(bo.value));
        return {};
    }

    Status slices_attach(BoHandle bo, std::uint32_t dbc, Direction direction,
                         std::span<const Slice> slices) override {
        QAICRT_CHECK(control_->enter(Verb::kAttach));
        QAICRT_CHECK(inner_->slices_attach(bo, dbc, direction, slices));
        const std::lock_guard lock(control_->mutex_);
        attached_.insert(bo.value);
        control_->attached_ += 1;
        return {};
    }

    Status slices_detach(BoHandle bo) override {
        QAICRT_CHECK(control_->enter(Verb::kDetach));
        QAICRT_CHECK(inner_->slices_detach(bo));
        const std::lock_guard lock(control_->mutex_);
        control_->attached_ -= static_cast<int>(attached_.erase(bo.value));
        return {};
    }

    Status submit(std::uint32_t dbc, std::span<const ExecuteEntry> batch) override {
        QAICRT_CHECK(control_->enter(Verb::kSubmit));
        return inner_->submit(dbc, batch);
    }

    Result<std::shared_ptr<CompletionSource>> completions(std::uint32_t dbc) override {
        QAICRT_CHECK(control_->enter(Verb::kCompletions));
        QAICRT_TRY(auto source, inner_->completions(dbc));
        return std::shared_ptr<CompletionSource>(
            std::make_shared<Source>(std::move(source), control_));
    }

    Result<BoStats> stats(std::uint32_t dbc, BoHandle bo) override {
        QAICRT_CHECK(control_->enter(Verb::kStats));
        return inner_->stats(dbc, bo);
    }

    std::string workload_error(std::uint32_t dbc) const override {
        return inner_->workload_error(dbc);
    }
    std::string refusal_words() const override { return inner_->refusal_words(); }

  private:
    static std::uint32_t command_number(std::span<const UserTransaction> message) {
        std::uint32_t number = 0;
        for (const UserTransaction& transaction : message) {
            const auto* command = std::get_if<Passthrough>(&transaction);
            if (command != nullptr && command->command.size() >= sizeof(number)) {
                std::memcpy(&number, command->command.data(), sizeof(number));
                break;
            }
        }
        return number;
    }
    void count(int& counter, int step) {
        const std::lock_guard lock(control_->mutex_);
        counter += step;
    }

    std::unique_ptr<Backend> inner_;
    const std::shared_ptr<FaultControl> control_;  // shared with the test that steers it
    const BackendInfo info_;
    std::set<std::uint32_t> bos_, attached_;  // under the control's lock
};

class FaultCard final : public CardHandle {
  public:
    FaultCard(std::shared_ptr<CardHandle> inner, std::shared_ptr<FaultControl> control,
              const BackendInfo& info)
        : inner_(std::move(inner)), control_(std::move(control)), info_(info) {}
    const BackendInfo& info() const noexcept override { return info_; }
    Result<std::unique_ptr<Backend>> open() override {
        QAICRT_CHECK(control_->enter(Verb::kOpen));
        QAICRT_TRY(auto backend, inner_->open());
        return std::unique_ptr<Backend>(new FaultBackend(std::move(backend), control_, info_));
    }

  private:
    const std::shared_ptr<CardHandle> inner_;
    const std::shared_ptr<FaultControl> control_;
    const BackendInfo info_;
};

std::shared_ptr<CardHandle> make_faulty(std::shared_ptr<CardHandle> inner,
                                        std::shared_ptr<FaultControl> control,
                                        const std::optional<BackendInfo>& info) {
    const BackendInfo shown = info ? *info : inner->info();
    return std::make_shared<FaultCard>(std::move(inner), std::move(control), shown);
}

}  // namespace qaicrt::backend
