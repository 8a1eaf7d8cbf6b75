// SPDX-License-Identifier: Apache-2.0
/// The emulated AI 100: QSM, DDR, semaphores, DMA bridge and NSPs behind two doors, the control
/// channel (NNC messages) and the DBC registers.
#pragma once

#include "emu/ports.hpp"

#include <qaicrt/result.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qaicemu {

struct CardConfig {
    unsigned nsps = 16;
    std::uint64_t ddr_bytes = std::uint64_t{32} << 30;
    unsigned mcids = 3072;
    unsigned semaphores = 32;  ///< in all; numbers are per DBC
    unsigned threads_per_nsp =
        1;  ///< host threads an activation may use = its NSPs times this, at most the host's cores
    bool crc_required = false;  ///< status_flags bit 0
    std::string serial = "0xemu00000";
    bool force_msi = false;  ///< honour the force-MSI bit of requests
};

/// What fwImageVariantString says on an emulated card; libqaicrt recognises the card by it.
inline constexpr const char* kEmuVariant = "QAIC.EMU.1";

/// Thread safe: control() and the registers may be used from different threads at once.
class Card {
  public:
    static qaicrt::Result<std::unique_ptr<Card>> create(const CardConfig& config,
                                                        const Ports& ports);
    ~Card();
    Card(const Card&) = delete;
    Card& operator=(const Card&) = delete;

    /// One NNC message in wire form in, exactly one reply in wire form out; an empty vector when
    /// the message cannot be answered (no header, bad magic), as on the card, where the host then
    /// times out.
    std::vector<std::byte> control(std::span<const std::byte> message);

    /// DBC registers (AIC100_DBC_REQHP …). Unassigned or out-of-range channels read 0 and ignore
    /// writes.
    std::uint32_t dbc_read(unsigned dbc, std::uint32_t reg);
    void dbc_write(unsigned dbc, std::uint32_t reg, std::uint32_t value);

    /// Stops every workload and forgets all users, as a SoC reset does. No DMA happens after it
    /// returns.
    void reset();

    /// The last failure of a workload on this DBC in words ("" if none): what the completion code
    /// cannot say.
    std::string workload_error(unsigned dbc) const;

    /// Why QSM refused the last command of this user (NNC handle), in words ("" if it never did):
    /// what the status code cannot say, e.g. which node of a program's network is at fault.
    std::string last_refusal(std::uint32_t handle) const;

    struct Impl;

  private:
    explicit Card(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace qaicemu
