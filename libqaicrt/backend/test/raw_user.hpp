// SPDX-License-Identifier: Apache-2.0
/// A user of the in-process card without the API above it: raw commands, raw slices.
#pragma once

#include "libqaicrt/backend/emu/emu_backend.hpp"
#include "libqaicrt/nnc/commands.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace qaicrt::backend::emu {

template <class T>
int errno_of(const Result<T>& result) {
    return result ? 0 : result.error().sys_errno;
}

class RawUser {
  public:
    explicit RawUser(const std::shared_ptr<EmuCard>& card)
        : backend(std::make_unique<EmuBackend>(card, BackendInfo{})) {}

    /// Loads `qpc` and activates it with a queue of `elements`; the program must have no dynamic
    /// constants.
    void activate(const std::vector<std::byte>& qpc, std::uint32_t elements) {
        auto image = qpc::parse_program(qpc);
        ASSERT_TRUE(image) << image.error().message;
        std::uint32_t constants = 0;
        if (!image->static_constants.empty()) {
            auto id = nnc::parse_load_constants_ex(
                command(nnc::load_constants_ex(1, image->constants_descriptor)));
            ASSERT_TRUE(id) << id.error().message;
            constants = *id;
            ASSERT_TRUE(nnc::parse_load_constants_payload(command(
                nnc::load_constants_payload(1, constants, image->static_constants.size(), 0),
                DmaTransfer{300, image->static_constants})));
        }
        auto elf = nnc::parse_load_elf(
            command(nnc::load_elf(1, image->elf.size()), DmaTransfer{100, image->elf}));
        ASSERT_TRUE(elf) << elf.error().message;
        auto activated = nnc::parse_activate(
            command(nnc::activate(1, constants, *elf), ActivateRequest{elements, 0}));
        ASSERT_TRUE(activated) << activated.error().message;
        where = *activated;
        dbc = where.dbc;
        auto made = backend->completions(dbc);
        ASSERT_TRUE(made) << made.error().message;
        source = *made;
    }

    Status deactivate() {
        const UserTransaction message[] = {Passthrough{nnc::deactivate(where.activation_id)},
                                           DeactivateRequest{dbc}};
        auto replies = backend->manage(message);
        return replies ? Status{} : Status{std::move(replies).error()};
    }

    BoHandle bo(std::uint64_t bytes) {
        auto handle = backend->bo_create(bytes);
        EXPECT_TRUE(handle);
        return *handle;
    }

    /// A slice that copies between the BO and the program's shared DDR, without semaphores.
    Slice slice(std::uint64_t offset, std::uint64_t size, std::uint64_t card_offset = 0) const {
        Slice out;
        out.offset = offset;
        out.size = size;
        out.device_address = where.ddr_base + card_offset;
        return out;
    }

    /// One that never starts: it waits for a value that semaphore 1 does not get.
    Slice blocked(std::uint64_t size) const {
        Slice out = slice(0, size);
        out.semaphores[0] = {999, 1, AIC100_SEM_WAIT_EQUAL, true, false, false};
        return out;
    }

    Status attach(BoHandle handle, const std::vector<Slice>& slices,
                  Direction direction = Direction::kToDevice) {
        return backend->slices_attach(handle, dbc, direction, slices);
    }

    Status submit(const std::vector<BoHandle>& handles) {
        std::vector<ExecuteEntry> entries;
        entries.reserve(handles.size());
        for (const BoHandle handle : handles) {
            entries.push_back({handle, Direction::kToDevice});
        }
        return backend->submit(dbc, entries);
    }

    std::vector<Completion> reap(std::size_t most = 64,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
        std::vector<Completion> out(most);
        auto count = source->reap(out, timeout);
        EXPECT_TRUE(count) << count.error().message;
        out.resize(count ? *count : 0);
        return out;
    }

    std::unique_ptr<Backend> backend;
    std::shared_ptr<CompletionSource> source;  ///< of the last activate(); dies before `backend`
    nnc::Activated where;
    std::uint32_t dbc = 0;

  private:
    std::vector<std::byte> command(nnc::Bytes bytes) {
        const UserTransaction message[] = {Passthrough{std::move(bytes)}};
        return answer(message);
    }
    std::vector<std::byte> command(nnc::Bytes bytes, UserTransaction second) {
        const UserTransaction message[] = {Passthrough{std::move(bytes)}, std::move(second)};
        return answer(message);
    }
    std::vector<std::byte> answer(std::span<const UserTransaction> message) {
        auto replies = backend->manage(message);
        EXPECT_TRUE(replies) << replies.error().message;
        return replies ? std::get<Passthrough>(replies->front()).command : std::vector<std::byte>{};
    }
};

}  // namespace qaicrt::backend::emu
