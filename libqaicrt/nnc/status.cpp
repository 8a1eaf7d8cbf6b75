// SPDX-License-Identifier: Apache-2.0
/// The card's status numbers: meaning, class of error, advice.
#include "libqaicrt/nnc/commands.hpp"

#include <algorithm>
#include <iterator>
#include <string>

namespace qaicrt::nnc {
namespace {

struct StatusRow {
    std::int16_t status;
    Errc code;
    const char* words;
};

constexpr Errc kDev = Errc::kDevice;
constexpr Errc kFull = Errc::kExhausted;

// Sorted by falling status; a number that is missing here is Errc::kDevice without words.
constexpr StatusRow kRows[] = {
    {-1, kDev, "unspecified failure"},
    {-2, kDev, "setting up its DMA failed"},
    {-3, Errc::kUnsupported, "the firmware does not know this command"},
    {-4, kFull, "the card's memory is used up"},
    {-5, Errc::kFormat, "the program's metadata is not acceptable"},
    {-6, kDev, "a parameter is out of range"},
    {-7, Errc::kTimeout, "a change of state took too long"},
    {-8, Errc::kBusy, "the firmware is not ready yet"},
    {-9, Errc::kPermission, "the object belongs to another user or is still in use"},
    {-10, kDev, "a buffer is too small"},
    {-11, Errc::kNotFound, "the card has no object of this id"},
    {-12, kFull, "no multicast ids are left"},
    {-13, kFull, "not enough NSPs are free"},
    {-14, kFull, "no DMA bridge channel is free"},
    {-15, kFull, "not enough semaphores are free"},
    {-16, kDev, "an NSP did not answer as it should"},
    {-17, Errc::kProtocol, "the command's length is wrong"},
    {-18, kFull, "no reservation ids are left"},
    {-19, Errc::kNotFound, "the database has no such id"},
    {-20, kFull, "no database ids are left"},
    {-21, kFull, "no outbound address translation is left"},
    {-22, kFull, "no inbound address translation is left"},
    {-34, kFull, "the peer-to-peer queue is too small"},
    {-35, kDev, "the channel could not be set up"},
    {-36, Errc::kBusy, "the NSP subsystem is restarting"},
    {-37, kDev, "safety check: the activation record is damaged"},
    {-38, kDev, "safety check: the metadata is damaged"},
    {-39, kDev, "safety check on the link to the NSPs failed"},
    {-40, kDev, "safety check on the link to the host failed"},
    {-41, kDev, "the metadata's signature was refused"},
    {-42, kDev, "the constants' signature was refused"},
    {-43, kDev, "the program's signature was refused"},
    {-44, kDev, "memory protection could not be set up"},
    {-45, kDev, "the activation table could not be updated"},
    {-46, kDev, "the program's ELF is unreadable"},
    {-47, kDev, "multicast could not be set up"},
    {-48, kDev, "the initial L2TCM state is unreadable"},
    {-50, Errc::kNotFound, "the dynamic constants are unknown"},
    {-51, kDev, "the semaphores could not be set up"},
    {-52, kDev, "the DMA bridge could not be set up"},
    {-53, kDev, "the physical NSP is unknown"},
    {-54, kDev, "the metadata was not found"},
    {-55, kDev, "the channel's id was not found"},
    {-56, kDev, "the number of NSPs was not found"},
    {-57, kDev, "the number of switch commands is wrong"},
    {-58, kDev, "the order of the switch commands is wrong"},
    {-59, kDev, "a switch command does not fit the activation's state"},
    {-60, kDev, "a switch command names a bad channel"},
    {-61, Errc::kFormat, "the metadata could not be parsed"},
    {-62, Errc::kFormat, "the metadata's NSP part could not be read"},
    {-63, kDev, "the activation's record was not found"},
    {-64, Errc::kUnsupported, "the protocol type is not supported"},
    {-65, kFull, "the program wants too many multicast ids"},
    {-66, Errc::kUnsupported, "data path switching is off on this card"},
    {-100, kDev, "the NSPs of the activation did not come together"},
    {-101, kDev, "a memory region could not be mapped"},
    {-102, Errc::kUnsupported, "the program was built for another execution context"},
    {-103, kDev, "the protection domain did not start"},
    {-104, kDev, "an internal message could not be sent"},
    {-105, kDev, "a multicast address could not be mapped"},
    {-106, kDev, "the program could not be mapped"},
    {-107, kDev, "the answer before activation failed"},
    {-108, kDev, "the bandwidth monitor could not be mapped"},
    {-109, kDev, "the multicast range before activation could not be set"},
    {-110, kDev, "the multicast range could not be changed"},
    {-111, kDev, "the first NSP failed to wait for the others"},
    {-112, Errc::kTimeout, "the first NSP waited too long for the others"},
    {-113, kDev, "a message of the deactivation could not be sent"},
    {-114, kDev, "the NSP did not confirm its clean-up"},
    {-115, kDev, "a mapping of the deactivation failed"},
    {-116, Errc::kNotFound, "the activation has ended already"},
    {-117, kDev, "the semaphores could not be mapped"},
    {-118, kDev, "the L2 could not be initialised"},
};

const StatusRow* find(std::int32_t status) noexcept {
    const auto* row = std::lower_bound(
        std::begin(kRows), std::end(kRows), status,
        [](const StatusRow& entry, std::int32_t value) { return entry.status > value; });
    return row != std::end(kRows) && row->status == status ? row : nullptr;
}

const char* advice(const StatusRow* row) noexcept {
    if (row != nullptr && row->code == Errc::kExhausted) {
        return "; end another activation or use another card";
    }
    if (row != nullptr && row->code == Errc::kBusy) {
        return "; try again later";
    }
    return "";
}

}  // namespace

const char* status_words(std::int32_t status) noexcept {
    const StatusRow* row = find(status);
    return row == nullptr ? "" : row->words;
}

Error status_error(std::int32_t status, const std::string& task) {
    const StatusRow* row = find(status);
    std::string text = "the card refused to " + task + ": ";
    if (row != nullptr) {
        text += std::string(row->words) + " (NNC status " + std::to_string(status) + ")";
    } else {
        text += "NNC status " + std::to_string(status);
    }
    return Error{row == nullptr ? Errc::kDevice : row->code, text + advice(row), 0, status};
}

}  // namespace qaicrt::nnc
