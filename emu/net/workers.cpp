// SPDX-License-Identifier: Apache-2.0
/// Parked threads that take chunks of a range; nothing is allocated per call.
#include "emu/net/network.hpp"
#include "emu/net/spin.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace qaicnet {

namespace {

using Body = std::function<void(std::size_t, std::size_t)>;

class ThreadPool final : public Workers {
  public:
    explicit ThreadPool(unsigned threads) {
        try {
            threads_.reserve(threads - 1);
            for (unsigned i = 1; i < threads; ++i) {
                threads_.emplace_back([this] { serve(); });
            }
        } catch (const std::system_error&) {
            // The system gives no more threads: fewer of them change the speed only.
        }
    }

    ~ThreadPool() override {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }

    void parallel_for(std::size_t n, std::size_t grain, const Body& body) override {
        if (n == 0) {
            return;
        }
        grain = std::max<std::size_t>(grain, 1);
        // Nested calls and calls from other threads run on their caller's thread.
        if (threads_.empty() || n <= grain || in_use_.test_and_set(std::memory_order_acquire)) {
            body(0, n);
            return;
        }
        const std::size_t lanes = threads_.size() + 1;
        const std::size_t chunk = std::max(grain, n / (lanes * kChunksPerLane) + 1);
        {
            const std::lock_guard lock(mutex_);
            job_ = {&body, n, chunk};
            next_.store(0, std::memory_order_relaxed);
            open_ = true;
            generation_.fetch_add(1, std::memory_order_release);
        }
        if (sleeping_.load() != 0) {
            wake_.notify_all();
        }
        work(job_);
        {
            // All chunks are taken: a thread that has not woken up by now is not waited for.
            const std::lock_guard lock(mutex_);
            open_ = false;
        }
        wait_until_idle();
        in_use_.clear(std::memory_order_release);
    }

  private:
    static constexpr std::size_t kChunksPerLane = 4;

    struct Job {
        const Body* body = nullptr;
        std::size_t n = 0;
        std::size_t chunk = 0;
    };

    void wait_until_idle() {
        if (!spin_until([this] { return busy_.load(std::memory_order_acquire) == 0; })) {
            std::unique_lock lock(mutex_);
            done_.wait(lock, [this] { return busy_.load(std::memory_order_acquire) == 0; });
        }
    }

    void work(const Job& job) {
        for (;;) {
            const std::size_t begin = next_.fetch_add(job.chunk, std::memory_order_relaxed);
            if (begin >= job.n) {
                return;
            }
            (*job.body)(begin, std::min(begin + job.chunk, job.n));
        }
    }

    void serve() {
        std::uint64_t seen = 0;
        std::unique_lock lock(mutex_);
        for (;;) {
            const auto due = [&] {
                return stop_.load() || generation_.load(std::memory_order_acquire) != seen;
            };
            lock.unlock();
            spin_until(due);
            lock.lock();
            ++sleeping_;
            wake_.wait(lock, due);
            --sleeping_;
            if (stop_) {
                return;
            }
            seen = generation_.load();
            if (!open_) {
                continue;
            }
            busy_.fetch_add(1);
            const Job job = job_;
            lock.unlock();
            work(job);
            lock.lock();
            if (busy_.fetch_sub(1, std::memory_order_release) == 1) {
                done_.notify_one();
            }
        }
    }

    std::atomic_flag in_use_ = ATOMIC_FLAG_INIT;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    Job job_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::size_t> busy_{0};      ///< threads inside the current job
    std::atomic<std::size_t> sleeping_{0};  ///< threads that only a notification wakes
    bool open_ = false;                     ///< the current job still takes threads
    std::atomic<std::uint64_t> generation_{0};
    std::atomic<bool> stop_{false};
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Workers> make_workers(unsigned threads) {
    constexpr unsigned kMaxThreads = 1024;
    return std::make_unique<ThreadPool>(std::clamp(threads, 1u, kMaxThreads));
}

}  // namespace qaicnet
