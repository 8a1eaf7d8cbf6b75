// SPDX-License-Identifier: Apache-2.0
#include "vcard/vfio_user/session.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>

namespace qaicvcard::vfio_user {
namespace {

std::uint32_t irq_count(std::uint32_t index) {
    switch (index) {
        case kIrqMsi:
            return MsiLines::kVectors;
        case kIrqError:
        case kIrqRequest:
            return 1;
        default:
            return 0;
    }
}

}  // namespace

Session::Session(qaicrt::OwnedFd socket, int stop, const Served& served)
    : connection_(std::move(socket), stop), served_(served), complaints_(served.log, "vfio-user") {}

Session::End Session::run() {
    Message message;
    End end = End::kClientLeft;
    bool negotiated = false;
    while (true) {
        const auto received = connection_.receive(message);
        if (received == Connection::Received::kNonsense) {
            complaints_.add(connection_.problem());
            end = End::kDropped;
            break;
        }
        if (received != Connection::Received::kMessage) {
            end = received == Connection::Received::kStopped ? End::kStopped : End::kClientLeft;
            break;
        }
        if (!negotiated) {
            negotiated = negotiate(message);
            if (negotiated) {
                continue;
            }
            end = End::kDropped;
            break;
        }
        if (!dispatch(message)) {
            break;
        }
    }
    // The protocol keeps a device's state for the next client; for a card a client that leaves is
    // a machine that lost power.
    served_.device.reset();
    served_.msi.clear();
    served_.memory.clear();
    return end;
}

bool Session::negotiate(const Message& message) {
    const auto& payload = message.payload;
    std::uint16_t version[2] = {};
    if (message.header.command != static_cast<std::uint16_t>(Command::kVersion) ||
        (message.header.flags & (kTypeMask | kNoReply)) != kTypeCommand ||
        payload.size() <= sizeof(version) || payload.back() != std::byte{0}) {
        complaints_.add("the client does not begin with a version message");
        return false;
    }
    std::memcpy(version, payload.data(), sizeof(version));
    const auto* text = reinterpret_cast<const char*>(payload.data() + sizeof(version));
    const std::string_view json(text, ::strnlen(text, payload.size() - sizeof(version)));
    // accept() walks the text without building a tree of it, however deep a hostile one is.
    if (version[0] != 0 || json.find('{') == std::string_view::npos ||
        !nlohmann::json::accept(json)) {
        complaints_.add(
            fmt::format("the client speaks version {}.{}, or names its abilities in something "
                        "that is not a JSON object",
                        version[0], version[1]));
        (void)connection_.reply_error(message.header, EINVAL);
        return false;
    }
    const std::uint16_t ours[2] = {0, 0};
    return connection_.reply(message.header, std::as_bytes(std::span(ours)),
                             std::as_bytes(std::span(kCapabilities)));
}

bool Session::dispatch(Message& message) {
    if ((message.header.flags & kTypeMask) != kTypeCommand) {
        complaints_.add("a reply to nothing");
        return true;
    }
    answer_.clear();
    const int error = handle(message);
    if (error != 0) {
        refused(message, error);
    }
    if ((message.header.flags & kNoReply) != 0) {
        return true;  // never answered, not even an error
    }
    return error == 0 ? connection_.reply(message.header, answer_)
                      : connection_.reply_error(message.header, error);
}

int Session::handle(Message& message) {
    switch (static_cast<Command>(message.header.command)) {
        case Command::kDmaMap:
            return dma_map(message);
        case Command::kDmaUnmap:
            return dma_unmap(message);
        case Command::kGetInfo:
            return get_info(message);
        case Command::kGetRegionInfo:
            return get_region_info(message);
        case Command::kGetIrqInfo:
            return get_irq_info(message);
        case Command::kSetIrqs:
            return set_irqs(message);
        case Command::kRegionRead:
            return region_read(message);
        case Command::kRegionWrite:
            return region_write(message);
        case Command::kReset:
            if (!message.payload.empty()) {
                return EINVAL;
            }
            served_.device.reset();
            served_.msi.drop_pending();
            return 0;
        default:
            return message.header.command == static_cast<std::uint16_t>(Command::kVersion)
                       ? EINVAL
                       : ENOTSUP;
    }
}

template <class Payload>
bool Session::load(const Message& message, Payload& out, bool exactly) {
    if (message.payload.size() < sizeof(out) ||
        (exactly && message.payload.size() != sizeof(out))) {
        return false;
    }
    std::memcpy(&out, message.payload.data(), sizeof(out));
    return true;
}

template <class Payload>
void Session::answer(const Payload& payload) {
    const auto bytes = std::as_bytes(std::span(&payload, 1));
    answer_.insert(answer_.end(), bytes.begin(), bytes.end());
}

int Session::dma_map(Message& message) {
    DmaMap request;
    if (!load(message, request) || request.argsz < sizeof(request) || message.fds.size() > 1) {
        return EINVAL;
    }
    const GuestMemory::Window window{.address = request.address,
                                     .size = request.size,
                                     .offset = request.offset,
                                     .readable = (request.flags & kDmaReadable) != 0,
                                     .writeable = (request.flags & kDmaWriteable) != 0};
    return served_.memory.map(window, message.fds.empty() ? -1 : message.fds[0].get());
}

int Session::dma_unmap(const Message& message) {
    DmaUnmap request;
    if (!load(message, request) || request.argsz < sizeof(request)) {
        return EINVAL;
    }
    if ((request.flags & kUnmapAll) != 0) {
        served_.memory.clear();
    } else {
        // A range that was never mapped is no error: QEMU unmaps whole address spaces.
        (void)served_.memory.unmap(request.address, request.size);
    }
    answer(request);
    return 0;
}

int Session::get_info(const Message& message) {
    DeviceInfo info;
    if (!load(message, info) || info.argsz < sizeof(info)) {
        return EINVAL;
    }
    answer(DeviceInfo{sizeof(DeviceInfo), kDeviceCanReset | kDeviceIsPci, kRegions, kIrqCount});
    return 0;
}

int Session::get_region_info(const Message& message) {
    RegionInfo info;
    if (!load(message, info) || info.argsz < sizeof(info) || info.index >= kRegions) {
        return EINVAL;
    }
    const std::uint64_t size = served_.device.region_size(info.index);
    answer(RegionInfo{.argsz = sizeof(RegionInfo),
                      .flags = size > 0 ? kRegionReadWrite : 0,
                      .index = info.index,
                      .capabilities = 0,
                      .size = size,
                      .offset = 0});
    return 0;
}

int Session::get_irq_info(const Message& message) {
    IrqInfo info;
    if (!load(message, info) || info.argsz < sizeof(info) || info.index >= kIrqCount) {
        return EINVAL;
    }
    const std::uint32_t count = irq_count(info.index);
    answer(IrqInfo{sizeof(IrqInfo), count > 0 ? kIrqEventFd | kIrqNoResize : 0, info.index, count});
    return 0;
}

int Session::set_irqs(Message& message) {
    SetIrqs request;
    if (!load(message, request, false) || request.argsz < sizeof(request) ||
        request.index >= kIrqCount) {
        return EINVAL;
    }
    const std::uint32_t count = irq_count(request.index);
    const std::uint32_t action = request.flags & kIrqActionBits;
    const std::uint32_t data = request.flags & kIrqDataBits;
    const bool one_of_each =
        (action & (action - 1)) == 0 && action != 0 && (data & (data - 1)) == 0 && data != 0;
    if (!one_of_each || request.start > count || request.count > count - request.start) {
        return EINVAL;
    }
    const auto bytes = std::span<const std::byte>(message.payload).subspan(sizeof(request));
    if (data == kIrqDataBool ? bytes.size() != request.count : !bytes.empty()) {
        return EINVAL;
    }
    const bool fds_fit = data == kIrqDataEventFd
                             ? message.fds.empty() || message.fds.size() == request.count
                             : message.fds.empty();
    if (!fds_fit) {
        return EINVAL;
    }
    if (request.index == kIrqMsi) {
        return set_msi(request, bytes, message);
    }
    if (request.index >= kIrqError && data == kIrqDataEventFd && request.count == 1) {
        qaicrt::OwnedFd fd = message.fds.empty() ? qaicrt::OwnedFd{} : std::move(message.fds[0]);
        notifiers_[request.index - kIrqError] = std::move(fd);
    }
    return 0;
}

int Session::set_msi(const SetIrqs& request, std::span<const std::byte> data, Message& message) {
    if ((request.flags & kIrqTrigger) == 0) {
        return 0;  // an MSI of this card cannot be masked
    }
    if ((request.flags & kIrqDataEventFd) != 0) {
        return message.fds.empty() ? served_.msi.disconnect(request.start, request.count)
                                   : served_.msi.connect(request.start, message.fds);
    }
    const bool each = (request.flags & kIrqDataNone) != 0;
    if (each && request.count == 0) {
        return served_.msi.disconnect(0, MsiLines::kVectors);
    }
    for (std::uint32_t i = 0; i < request.count; ++i) {
        if (each || data[i] != std::byte{0}) {
            served_.msi.raise(request.start + i);
        }
    }
    return 0;
}

bool Session::inside(const RegionAccess& access) const {
    if (access.region >= kRegions || access.count == 0 || access.count > kMaxTransfer) {
        return false;
    }
    const std::uint64_t size = served_.device.region_size(access.region);
    return access.offset < size && access.count <= size - access.offset;
}

int Session::region_read(const Message& message) {
    RegionAccess access;
    if (!load(message, access) || !inside(access)) {
        return EINVAL;
    }
    answer(access);
    answer_.resize(sizeof(access) + access.count);
    served_.device.read(access.region, access.offset, std::span(answer_).subspan(sizeof(access)));
    return 0;
}

int Session::region_write(const Message& message) {
    RegionAccess access;
    if (!load(message, access, false) || !inside(access) ||
        message.payload.size() != sizeof(access) + access.count) {
        return EINVAL;
    }
    served_.device.write(access.region, access.offset,
                         std::span<const std::byte>(message.payload).subspan(sizeof(access)));
    answer(access);
    return 0;
}

void Session::refused(const Message& message, int error) {
    complaints_.add(fmt::format("refused command {} ({} bytes, {} descriptors): {}",
                                message.header.command, message.header.size, message.fds.size(),
                                std::strerror(error)));
}

}  // namespace qaicvcard::vfio_user
