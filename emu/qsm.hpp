// SPDX-License-Identifier: Apache-2.0
/// QSM, the card's management firmware: answers NNC messages and keeps the books of everything
/// users own.
///
/// Messages are worked off one after the other, as firmware with one thread does: while a large
/// network is being loaded or a busy one stopped, other users' messages wait.
#pragma once

#include "emu/bytes.hpp"
#include "emu/card.hpp"
#include "emu/nnc_wire.hpp"
#include "emu/qsm_load.hpp"
#include "emu/qsm_objects.hpp"

#include <hw/aic100_dbc.h>
#include <hw/aic100_nnc_cmd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qaicemu {

using Channels = std::array<std::unique_ptr<DmaChannel>, AIC100_DBC_COUNT>;

/// Lock order: QSM's lock, then a channel's, then DDR's. No channel or NSP thread ever calls QSM.
class Qsm {
  public:
    /// Everything passed in outlives QSM.
    Qsm(const CardConfig& config, HostMemory& memory, Ddr& ddr, Channels& channels);
    ~Qsm();
    Qsm(const Qsm&) = delete;
    Qsm& operator=(const Qsm&) = delete;

    /// One message in, one reply out; empty when it cannot be answered (nnc_wire.hpp).
    std::vector<std::byte> answer(std::span<const std::byte> message);
    void reset();
    std::string last_refusal(std::uint32_t handle) const;

  private:
    /// A message while it is being worked off.
    struct Job {
        const NncMessage& message;
        std::vector<Load>& loads;
        NncReply reply;
        bool queues_used = false;  ///< its ACTIVATE transaction belongs to a command already
        std::uint32_t handle() const { return message.header.handle; }
    };
    /// One passthrough command inside a job.
    struct Command {
        Job& job;
        std::size_t transaction;
        std::span<const std::byte> bytes;
        template <class T>
        T as() const {
            return *load<T>(bytes);  // the dispatcher has checked the length
        }
    };
    struct CommandEntry {
        std::uint32_t type, reply_type;
        std::size_t request_bytes, reply_bytes, status_offset;
        std::int32_t (Qsm::*run)(const Command&, std::span<std::byte> reply);
    };
    static std::span<const CommandEntry> command_table();

    // qsm.cpp: messages and transactions
    std::vector<std::byte> answer_locked(std::span<const std::byte> message);
    std::vector<std::byte> start_message(const NncMessage& decoded, std::span<const std::byte> raw);
    std::vector<std::byte> continue_message(const NncMessage& decoded,
                                            PartialMessages::iterator at);
    std::vector<std::byte> finish_message(const NncMessage& message, std::vector<Load>& loads,
                                          const aic100_nnc_msg_hdr& answer_to);
    void run_transaction(Job& job, std::size_t index);
    void run_command(Job& job, std::size_t index);
    std::vector<std::byte> execute(const CommandEntry& entry, const Command& command);
    std::vector<std::byte> continuation_reply(const aic100_nnc_msg_hdr& answer_to,
                                              std::uint32_t chunk, std::uint64_t received) const;
    std::int32_t refuse(std::uint32_t handle, std::int32_t status, std::string why);
    void release_user(std::uint32_t handle);

    // qsm_load.cpp: constants and ELF images
    std::vector<Load> prepare_loads(const NncMessage& message);
    Load prepare_load(std::uint32_t handle, std::size_t transaction,
                      std::span<const std::byte> command);
    void reserve(Load& load, std::uint32_t handle, std::uint64_t bytes);
    void aim_at_constants(Load& load, std::uint32_t handle,
                          const aic100_cmd_load_constants_payload& command);
    Load* load_of(const Command& command);
    std::int32_t load_status(const Command& command, const Load* load);
    std::int32_t load_constants(const Command& command, std::span<std::byte> reply);
    std::int32_t load_constants_ex(const Command& command, std::span<std::byte> reply);
    std::int32_t load_constants_payload(const Command& command, std::span<std::byte> reply);
    std::int32_t load_elf(const Command& command, std::span<std::byte> reply);
    std::int32_t unload_constants(const Command& command, std::span<std::byte> reply);
    std::int32_t unload_elf(const Command& command, std::span<std::byte> reply);

    // qsm_activate.cpp
    std::int32_t activate(const Command& command, std::span<std::byte> reply);
    std::int32_t find_programs(const Command& command, Activation& activation);
    std::int32_t take_resources(const Command& command, Activation& activation);
    std::int32_t start_program(const Command& command, const QueueSetup& queues,
                               Activation& activation);
    std::optional<QueueSetup> queues_of(Job& job);
    std::int32_t deactivate(const Command& command, std::span<std::byte> reply);
    std::int32_t activate_state(const Command& command, std::span<std::byte> reply);

    // qsm_info.cpp
    std::int32_t status(const Command& command, std::span<std::byte> reply);
    std::int32_t resource_info(const Command& command, std::span<std::byte> reply);
    std::int32_t performance_info(const Command& command, std::span<std::byte> reply);
    std::int32_t create_group(const Command& command, std::span<std::byte> reply);
    std::int32_t release_group(const Command& command, std::span<std::byte> reply);
    aic100_status_info status_info() const;

    const CardConfig config_;
    HostMemory& memory_;
    Ddr& ddr_;
    Channels& channels_;

    mutable std::mutex mutex_;  ///< protects everything below
    ResourcePool device_;
    ObjectTable<ResourceGroup> groups_;
    ObjectTable<Constants> constants_;
    ObjectTable<ElfImage> elfs_;
    ObjectTable<Activation> activations_;
    PartialMessages partials_;

    mutable std::mutex
        refusals_mutex_;  ///< innermost: last_refusal() never waits for a long command
    std::map<std::uint32_t, std::string> refusals_;
};

}  // namespace qaicemu
