// SPDX-License-Identifier: Apache-2.0
/// Buffers, slices and the data path of the in-process backend; messages are in emu_manage.cpp.
#include "libqaicrt/backend/emu/emu_backend.hpp"

#include "libqaicrt/backend/emu/slice_encode.hpp"
#include "libqaicrt/support/sys_error.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace qaicrt::backend::emu {
namespace {

Error no_bo(BoHandle bo) {
    return sys_error(ENOENT, "there is no buffer " + std::to_string(bo.value));
}

Error bad_dbc(std::uint32_t dbc) {
    return sys_error(EINVAL, "there is no channel " + std::to_string(dbc) + "; a card has 16");
}

}  // namespace

EmuBackend::EmuBackend(std::shared_ptr<EmuCard> card, const BackendInfo& info)
    : card_(std::move(card)), info_(info), handle_(card_->take_handle()) {}

EmuBackend::~EmuBackend() {
    // The card stops this user's workloads and all their DMA before it answers; the answer's
    // content does not matter. Mainline leaves the partition at 0 in this one message.
    WireMessage message(handle_, 0);
    if (message.add_terminate(handle_)) {
        (void)card_->exchange(message);
    }
    for (std::uint32_t dbc = 0; dbc < channels_.size(); ++dbc) {
        release_channel(dbc);
    }
    card_->give_handle(handle_);
}

std::shared_ptr<Bo> EmuBackend::find(BoHandle bo) const {
    const auto entry = bos_.find(bo.value);
    return entry == bos_.end() ? nullptr : entry->second;
}

bool EmuBackend::owns(std::uint32_t dbc) const {
    return channels_[dbc].owned;
}

Result<BoHandle> EmuBackend::bo_create(std::uint64_t bytes) {
    if (bytes == 0 || bytes > ~std::uint64_t{0} - kHostPageBytes) {
        return sys_error(EINVAL, "a buffer needs a size of at least one byte");
    }
    QAICRT_TRY(HostPages pages, HostPages::create(bytes));
    auto bo = std::make_shared<Bo>();
    bo->pages = std::move(pages);
    const std::unique_lock lock(mutex_);
    do {
        ++last_bo_;  // never 0: some clients take that for "none"
    } while (last_bo_ == 0 || bos_.contains(last_bo_));
    bo->handle = {last_bo_};
    bos_.emplace(last_bo_, bo);
    return bo->handle;
}

Result<std::span<std::byte>> EmuBackend::bo_map(BoHandle bo) {
    const std::shared_lock lock(mutex_);
    const auto found = find(bo);
    if (found == nullptr) {
        return no_bo(bo);
    }
    return found->pages.data();
}

Result<BoHandle> EmuBackend::bo_import(int /*dma_buf_fd*/) {
    return sys_error(EOPNOTSUPP, "the emulated card has no dma-buf; copy the data into a buffer");
}

Result<int> EmuBackend::bo_export(BoHandle /*bo*/) {
    return sys_error(EOPNOTSUPP,
                     "the emulated card has no dma-buf; copy the data out of the buffer");
}

Status EmuBackend::bo_close(BoHandle bo) {
    const std::unique_lock lock(mutex_);
    // A sliced BO lives on in its channel until that is released, as in the kernel.
    if (bos_.erase(bo.value) == 0) {
        return no_bo(bo);
    }
    return {};
}

Status EmuBackend::slices_attach(BoHandle bo, std::uint32_t dbc, Direction direction,
                                 std::span<const Slice> slices) {
    if (slices.empty()) {
        return sys_error(EINVAL, "at least one slice is needed");
    }
    if (direction != Direction::kToDevice && direction != Direction::kFromDevice) {
        return sys_error(EINVAL, "the direction must be to the card or from the card");
    }
    if (dbc >= channels_.size()) {
        return bad_dbc(dbc);
    }
    const std::unique_lock lock(mutex_);
    const auto found = find(bo);
    if (found == nullptr) {
        return no_bo(bo);
    }
    QAICRT_CHECK(check_slices(slices, found->pages.data().size()));
    if (found->sliced) {
        return sys_error(EINVAL, "the buffer has slices already");
    }
    if (!owns(dbc)) {
        return sys_error(EINVAL, "channel " + std::to_string(dbc) + " is not this user's");
    }
    DbcQueue& queue = *channels_[dbc].queue;
    queue.attached.push_back(found);  // first: the rest may run out of memory, release() cleans up
    found->segments = card_->memory().map(found->pages.data(), card_->options().bo_segment_bytes,
                                          BusMemory::Access::kReadWrite);
    Status encoded;
    for (const Slice& slice : slices) {
        encoded = encode_slice(slice, direction, found->segments, found->requests);
        if (!encoded) {
            break;
        }
    }
    if (encoded && found->requests.size() > queue.elements()) {
        encoded =
            sys_error(ENOSPC, "the buffer's slices need " + std::to_string(found->requests.size()) +
                                  " elements and the channel's queue has " +
                                  std::to_string(queue.elements()));
    }
    if (!encoded) {
        unslice(*found);
        queue.attached.pop_back();
        return encoded;
    }
    found->sliced = true;
    found->dbc = dbc;
    found->slice_count = static_cast<std::uint32_t>(slices.size());
    return {};
}

void EmuBackend::unslice(Bo& bo) {
    card_->memory().unmap(bo.segments);
    bo.segments.clear();
    bo.requests.clear();
    bo.sliced = false;
}

Status EmuBackend::slices_detach(BoHandle bo) {
    const std::unique_lock lock(mutex_);
    const auto found = find(bo);
    if (found == nullptr) {
        return no_bo(bo);
    }
    if (!found->sliced) {
        return sys_error(EINVAL, "the buffer has no slices");
    }
    if (!owns(found->dbc)) {
        return sys_error(EINVAL,
                         "channel " + std::to_string(found->dbc) + " is not this user's any more");
    }
    DbcQueue& queue = *channels_[found->dbc].queue;
    if (queue.in_flight(*found)) {
        return sys_error(EBUSY, "the buffer is in flight");
    }
    unslice(*found);
    std::erase(queue.attached, found);
    return {};
}

Status EmuBackend::submit(std::uint32_t dbc, std::span<const ExecuteEntry> batch) {
    const auto entry_time = std::chrono::steady_clock::now();
    if (batch.empty()) {
        return sys_error(EINVAL, "nothing to run");
    }
    if (dbc >= channels_.size()) {
        return bad_dbc(dbc);
    }
    const std::shared_lock lock(mutex_);
    if (!owns(dbc)) {
        return sys_error(EPERM, "channel " + std::to_string(dbc) + " is not this user's");
    }
    DbcQueue::Batch queued(*channels_[dbc].queue, entry_time);
    QAICRT_CHECK(queued.start());
    for (const ExecuteEntry& entry : batch) {
        const auto found = bos_.find(entry.bo.value);
        if (found == bos_.end()) {
            return no_bo(entry.bo);
        }
        if (!found->second->sliced || found->second->dbc != dbc) {
            return sys_error(EINVAL, "the buffer has no slices on this channel");
        }
        QAICRT_CHECK(queued.add(found->second));
    }
    queued.commit();
    return {};
}

Result<std::shared_ptr<CompletionSource>> EmuBackend::completions(std::uint32_t dbc) {
    if (dbc >= channels_.size()) {
        return bad_dbc(dbc);
    }
    const std::shared_lock lock(mutex_);
    if (!owns(dbc)) {
        return sys_error(EPERM, "channel " + std::to_string(dbc) + " is not this user's");
    }
    return std::shared_ptr<CompletionSource>(channels_[dbc].queue);
}

Result<BoStats> EmuBackend::stats(std::uint32_t dbc, BoHandle bo) {
    if (dbc >= channels_.size()) {
        return bad_dbc(dbc);
    }
    const std::shared_lock lock(mutex_);
    const auto found = find(bo);
    if (found == nullptr) {
        return no_bo(bo);
    }
    if (!found->sliced || found->dbc != dbc) {
        return sys_error(EINVAL, "the buffer has no slices on this channel");
    }
    return channels_[dbc].queue->stats(*found);
}

std::string EmuBackend::workload_error(std::uint32_t dbc) const {
    const std::shared_lock lock(mutex_);
    return dbc < channels_.size() && channels_[dbc].owned ? card_->card().workload_error(dbc) : "";
}

std::string EmuBackend::refusal_words() const {
    return card_->card().last_refusal(handle_);
}

Status EmuBackend::detach_from_user(std::uint32_t dbc) {
    if (dbc >= channels_.size()) {
        return bad_dbc(dbc);
    }
    const std::unique_lock lock(mutex_);
    if (!owns(dbc)) {
        return sys_error(EPERM, "channel " + std::to_string(dbc) + " is not this user's");
    }
    channels_[dbc].owned = false;
    channels_[dbc].queue->set_open(false);
    return {};
}

void EmuBackend::give_back(std::uint32_t dbc) {
    const std::unique_lock lock(mutex_);
    if (channels_[dbc].queue != nullptr) {
        channels_[dbc].queue->set_open(true);
        channels_[dbc].owned = true;
    }
}

void EmuBackend::install(std::uint32_t dbc, std::shared_ptr<DbcQueue> queue) {
    queue->bind(dbc);
    const std::unique_lock lock(mutex_);
    channels_[dbc] = {std::move(queue), true};
}

void EmuBackend::release_channel(std::uint32_t dbc) {
    const std::unique_lock lock(mutex_);
    Channel& channel = channels_[dbc];
    channel.owned = false;
    if (channel.queue == nullptr) {
        return;
    }
    channel.queue->release();
    for (const auto& bo : channel.queue->attached) {
        unslice(*bo);
    }
    channel.queue->attached.clear();
}

namespace {

class EmuCardHandle final : public CardHandle {
  public:
    explicit EmuCardHandle(const EmuOptions& options) : options_(options) {
        info_.name = "emu:" + std::to_string(options.index);
        info_.description =
            "emulated AI 100 (" + std::to_string(options.card.nsps) + " NSPs, in process)";
        info_.segment_bytes = options.bo_segment_bytes;
    }
    const BackendInfo& info() const noexcept override { return info_; }
    Result<std::unique_ptr<Backend>> open() override {
        try {
            const std::lock_guard lock(mutex_);
            if (card_ == nullptr) {
                QAICRT_TRY(card_, EmuCard::create(options_));
            }
            return std::unique_ptr<Backend>(new EmuBackend(card_, info_));
        } catch (const std::bad_alloc&) {
            return sys_error(ENOMEM, "the host has no memory left to open the card " + info_.name);
        }
    }

  private:
    const EmuOptions options_;
    BackendInfo info_;
    std::mutex mutex_;
    std::shared_ptr<EmuCard> card_;  // shared with every open
};

}  // namespace

std::shared_ptr<CardHandle> make_card_handle(const EmuOptions& options) {
    return std::make_shared<EmuCardHandle>(options);
}

}  // namespace qaicrt::backend::emu
