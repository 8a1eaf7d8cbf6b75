// SPDX-License-Identifier: Apache-2.0
/// One user of the in-process card: answers as the kernel driver's ioctls do, with the same checks
/// in the same order and the same errnos. (Stricter in one point: a BO attached to another DBC is
/// refused at submit.)
#pragma once

#include "libqaicrt/backend/backend.hpp"
#include "libqaicrt/backend/emu/dbc_queue.hpp"
#include "libqaicrt/backend/emu/emu_card.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace qaicrt::backend::emu {

class EmuBackend final : public Backend {
  public:
    EmuBackend(std::shared_ptr<EmuCard> card, const BackendInfo& info);
    ~EmuBackend() override;

    const BackendInfo& info() const noexcept override { return info_; }
    Result<std::vector<ReplyTransaction>> manage(std::span<const UserTransaction> message,
                                                 std::vector<ReplyTransaction>* refused) override;
    Result<BoHandle> bo_create(std::uint64_t bytes) override;
    Result<std::span<std::byte>> bo_map(BoHandle bo) override;
    Result<BoHandle> bo_import(int dma_buf_fd) override;
    Result<int> bo_export(BoHandle bo) override;
    Status bo_close(BoHandle bo) override;
    Status slices_attach(BoHandle bo, std::uint32_t dbc, Direction direction,
                         std::span<const Slice> slices) override;
    Status slices_detach(BoHandle bo) override;
    Status submit(std::uint32_t dbc, std::span<const ExecuteEntry> batch) override;
    Result<std::shared_ptr<CompletionSource>> completions(std::uint32_t dbc) override;
    Result<BoStats> stats(std::uint32_t dbc, BoHandle bo) override;
    std::string workload_error(std::uint32_t dbc) const override;
    std::string refusal_words() const override;

  private:
    class ManageCall;

    struct Channel {
        std::shared_ptr<DbcQueue> queue;  ///< kept after release until its completions were reaped
        bool owned = false;               ///< false once deactivation was asked for
    };

    std::shared_ptr<Bo> find(BoHandle bo) const;  // needs mutex_
    bool owns(std::uint32_t dbc) const;           // needs mutex_
    Status detach_from_user(std::uint32_t dbc);
    void give_back(std::uint32_t dbc);
    void install(std::uint32_t dbc, std::shared_ptr<DbcQueue> queue);
    void release_channel(std::uint32_t dbc);
    void unslice(Bo& bo);  // needs mutex_ exclusive

    const std::shared_ptr<EmuCard> card_;  // shared by all users of the card
    const BackendInfo info_;
    const std::uint32_t handle_;
    std::atomic<std::uint32_t> next_chunk_{1};

    mutable std::shared_mutex
        mutex_;  // BO table, attach state, channel table; before any queue's lock
    std::unordered_map<std::uint32_t, std::shared_ptr<Bo>> bos_;
    std::uint32_t last_bo_ = 0;
    std::array<Channel, AIC100_DBC_COUNT> channels_;
};

}  // namespace qaicrt::backend::emu
