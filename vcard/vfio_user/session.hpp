// SPDX-License-Identifier: Apache-2.0
/// One client from its version message to its end.
#pragma once

#include "vcard/log.hpp"
#include "vcard/vfio_user/connection.hpp"
#include "vcard/vfio_user/device.hpp"
#include "vcard/vfio_user/guest_memory.hpp"
#include "vcard/vfio_user/msi_lines.hpp"

#include <cstddef>
#include <span>

namespace qaicvcard::vfio_user {

/// What a client reaches: the device, and the card's two ports that the client feeds. All outlive
/// the session.
struct Served {
    Device& device;
    GuestMemory& memory;
    MsiLines& msi;
    const Log& log;
};

/// Serves on the caller's thread. The client may be hostile: nothing that it sends ends more than
/// its own connection.
class Session {
  public:
    Session(qaicrt::OwnedFd socket, int stop, const Served& served);

    enum class End : std::uint8_t { kClientLeft, kDropped, kStopped };
    /// Returns when the client has left, was dropped, or `stop` was set. Afterwards no window and
    /// no eventfd of this client is left, and the device has been reset.
    End run();

  private:
    bool negotiate(const Message& message);
    bool dispatch(Message& message);  // false: the client is gone
    int handle(Message& message);     // 0: answered or to be answered with `answer_`
    template <class Payload>
    static bool load(const Message& message, Payload& out, bool exactly = true);
    template <class Payload>
    void answer(const Payload& payload);

    int dma_map(Message& message);
    int dma_unmap(const Message& message);
    int get_info(const Message& message);
    int get_region_info(const Message& message);
    int get_irq_info(const Message& message);
    int set_irqs(Message& message);
    int set_msi(const SetIrqs& request, std::span<const std::byte> data, Message& message);
    int region_read(const Message& message);
    int region_write(const Message& message);
    bool inside(const RegionAccess& access) const;
    void refused(const Message& message, int error);

    Connection connection_;
    const Served served_;
    std::vector<std::byte> answer_;
    qaicrt::OwnedFd notifiers_[2];  ///< kept for the client: error, request
    Complaints complaints_;
};

}  // namespace qaicvcard::vfio_user
