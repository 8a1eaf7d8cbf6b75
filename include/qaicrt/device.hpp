// SPDX-License-Identifier: Apache-2.0
/// Finding and opening cards.
#pragma once

#include <qaicrt/export.hpp>
#include <qaicrt/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qaicrt {

struct ContextOptions {
    /// Which cards to look for: "emu" (default), "emu:nsp=8,threads=2". The environment variable
    /// QAIC_DEVICES replaces an empty string.
    std::string devices;
};

struct DeviceInfo {
    int qid = 0;              ///< rank, from 0
    std::string name;         ///< "emu:0"
    std::string description;  ///< for people: "emulated AI 100 (16 NSPs, in process)"
    bool emulated = false;
};

/// What QSM answers to a status query.
struct DeviceStatus {
    std::string fw_version, fw_image_version, fw_variant, serial, board_serial;
    std::uint32_t hw_version = 0;
    unsigned nsp_total = 0, nsp_free = 0, dbc_total = 0, dbc_free = 0;
    unsigned mcid_total = 0, mcid_free = 0, semaphore_total = 0, semaphore_free = 0;
    std::uint64_t dram_total_bytes = 0, dram_free_bytes = 0;  ///< multiples of 1 MiB
    unsigned networks_loaded = 0, networks_active = 0, constants_loaded = 0, constants_in_use = 0;
    bool emulated = false;  ///< the card says of itself that it runs `.qaic.emu` programs
};

class Device;

/// The set of cards of a process. Opening a card twice in one context gives two users of the same
/// card. Thread safe; copies share the cards.
class QAICRT_API Context {
  public:
    static Result<Context> create(const ContextOptions& options = {});
    std::vector<DeviceInfo> devices() const;
    /// By QID. kNotFound names the QIDs that exist.
    Result<Device> open(int qid) const;

    struct Impl;

  private:
    friend struct ContextAccess;  // internal: a context over cards that a test brings
    explicit Context(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;  // shared by copies; devices keep the card alive on their own
};

/// One user of one card. Thread safe; copies share the user. The last copy gone (with its
/// activations) ends the user: the card frees all that it held.
class QAICRT_API Device {
  public:
    const DeviceInfo& info() const noexcept;
    Result<DeviceStatus> status() const;

    struct Impl;
    const std::shared_ptr<Impl>& impl() const noexcept { return impl_; }

  private:
    friend class Context;
    explicit Device(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;  // shared by copies and by activations on this device
};

}  // namespace qaicrt
