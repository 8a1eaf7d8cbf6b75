// SPDX-License-Identifier: Apache-2.0
/// What runs on the card, as its MHI endpoint sees it.
#pragma once

#include "vcard/mhi/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace qaicvcard::mhi {

/// Called without any lock of the endpoint, one call at a time, on the thread that serves the
/// guest's accesses: nothing here may wait for the guest. The endpoint's send(), enter() and
/// others may be called from inside.
class Firmware {
  public:
    virtual ~Firmware() = default;
    /// The boot ROM has received the second boot stage; false if it is not one.
    virtual bool accept_boot_image(std::span<const std::byte> image) = 0;
    /// The host runs the endpoint in this environment (again): its first channels come next.
    virtual void started(ExecEnv environment) = 0;
    virtual void channel_started(unsigned channel) = 0;
    virtual void channel_stopped(unsigned channel) = 0;
    /// A whole transfer on a channel to the device.
    virtual void received(unsigned channel, std::vector<std::byte> message) = 0;
    /// Everything of the life before is over: channels, and messages that were not delivered.
    virtual void reset() = 0;
};

}  // namespace qaicvcard::mhi
