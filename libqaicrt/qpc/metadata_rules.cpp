// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/metadata.hpp"
#include "libqaicrt/qpc/problems.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <hw/aic100_dbc.h>

#include <fmt/format.h>

namespace qaicrt::qpc {
namespace {

constexpr unsigned kMaxNsps = 16;
constexpr unsigned kMaxSemaphoreOps = 4;
constexpr std::uint32_t kMaxL2Tcm = 1u << 20;
constexpr std::uint32_t kMaxVtcm = 8u << 20;

std::string sentence(std::string_view what) {
    return fmt::format("network.elf metadata: {}; compile the program again", what);
}

void check_semaphores(const Metadata& metadata, std::size_t index, Problems& problems) {
    const auto& request = metadata.requests[index];
    if (request.semaphores.size() > kMaxSemaphoreOps) {
        problems.format(
            sentence(fmt::format("request {} has {} semaphore operations, at most {} are possible",
                                 index, request.semaphores.size(), kMaxSemaphoreOps)));
    }
    std::size_t presyncs = 0;
    for (const auto& op : request.semaphores) {
        presyncs += op.presync ? 1 : 0;
        if (op.sem >= metadata.num_semaphores) {
            problems.format(sentence(fmt::format("request {} uses semaphore {}, but there are {}",
                                                 index, op.sem, metadata.num_semaphores)));
        }
        if (op.value > AIC100_SEM_VALUE_MASK) {
            problems.format(
                sentence(fmt::format("request {} has semaphore value {}, at most {} is possible",
                                     index, op.value, AIC100_SEM_VALUE_MASK)));
        }
        if (problems.full()) {
            return;
        }
    }
    if (presyncs > 1) {
        problems.format(sentence(
            fmt::format("request {} waits for {} semaphores before its transfer, at most one is "
                        "possible",
                        index, presyncs)));
    }
}

void check_doorbells(const Metadata& metadata, std::size_t index, Problems& problems) {
    const auto& request = metadata.requests[index];
    if (request.doorbells.size() > 1) {
        problems.format(sentence(fmt::format("request {} has {} doorbells, at most one is possible",
                                             index, request.doorbells.size())));
        return;
    }
    for (const auto& doorbell : request.doorbells) {
        const std::uint64_t bytes = doorbell.width_bits / 8;
        // A host entry's size is that of its buffer, which may begin anywhere in the window.
        if (doorbell.mcid >= metadata.host_multicast.size() ||
            !range_fits(doorbell.offset, bytes, AIC100_MCID_WINDOW)) {
            problems.format(sentence(
                fmt::format("request {} rings a doorbell at {:#x} of multicast id {}, which is "
                            "outside the host multicast windows",
                            index, doorbell.offset, doorbell.mcid)));
        } else if (doorbell.offset % bytes != 0) {
            problems.format(sentence(
                fmt::format("request {} rings a {}-bit doorbell at {:#x}, which is not aligned",
                            index, doorbell.width_bits, doorbell.offset)));
        }
    }
}

void check_tables(const Metadata& metadata, Problems& problems) {
    if (metadata.nsp_multicast.empty() || metadata.nsp_multicast.size() != metadata.num_nsps) {
        problems.format(sentence(fmt::format("{} NSP multicast tables for {} NSPs",
                                             metadata.nsp_multicast.size(), metadata.num_nsps)));
    }
    for (const auto& entry : metadata.host_multicast) {
        if (entry.size > AIC100_MCID_WINDOW) {
            problems.format(sentence(fmt::format(
                "a host multicast entry of {} bytes is larger than its window", entry.size)));
        }
        if (problems.full()) {
            return;
        }
    }
    for (const auto& mapping : metadata.constant_mappings) {
        if (!range_fits(mapping.offset, mapping.size, metadata.static_constants)) {
            problems.format(sentence(
                fmt::format("a constant mapping of {} bytes at {} leaves the {} static bytes",
                            mapping.size, mapping.offset, metadata.static_constants)));
        }
        if (problems.full()) {
            return;
        }
    }
}

void check_sizes(const Metadata& metadata, Problems& problems) {
    if (metadata.num_nsps == 0 || metadata.num_nsps > kMaxNsps) {
        problems.format(sentence(
            fmt::format("numNSPs is {}, but a card has 1 to {}", metadata.num_nsps, kMaxNsps)));
    }
    if (metadata.num_semaphores > AIC100_SEM_PER_DBC ||
        metadata.semaphore_init.size() != metadata.num_semaphores) {
        problems.format(sentence(fmt::format(
            "numSemaphores is {} with {} initial values, but a channel has {}",
            metadata.num_semaphores, metadata.semaphore_init.size(), AIC100_SEM_PER_DBC)));
    }
    for (const auto value : metadata.semaphore_init) {
        if (value > AIC100_SEM_VALUE_MASK && !problems.full()) {
            problems.format(
                sentence(fmt::format("an initial semaphore value is {}, at most {} is possible",
                                     value, AIC100_SEM_VALUE_MASK)));
        }
    }
    if (metadata.l2tcm_size > kMaxL2Tcm || metadata.vtcm_size > kMaxVtcm) {
        problems.format(sentence(fmt::format("L2TCMSize {} or VTCMSize {} is more than an NSP has",
                                             metadata.l2tcm_size, metadata.vtcm_size)));
    }
    if (metadata.l2tcm_init.size() > metadata.l2tcm_size ||
        !range_fits(metadata.exit_doorbell_offset, sizeof(std::uint32_t), metadata.l2tcm_size)) {
        problems.format(sentence(fmt::format(
            "{} bytes of L2TCMInitState or the exit doorbell at {:#x} leave the {} "
            "bytes of L2TCM",
            metadata.l2tcm_init.size(), metadata.exit_doorbell_offset, metadata.l2tcm_size)));
    }
}

}  // namespace

void check_metadata(const Metadata& metadata, Problems& problems) {
    if (metadata.version_major != 1) {
        problems.unsupported(
            fmt::format("network.elf metadata: version {} is not 1; use a compiler of this version",
                        metadata.version_major));
    }
    if (metadata.network_name.empty()) {
        problems.format(sentence("networkName is empty"));
    }
    check_sizes(metadata, problems);
    check_tables(metadata, problems);
    for (std::size_t i = 0; i < metadata.requests.size() && !problems.full(); ++i) {
        check_semaphores(metadata, i, problems);
        check_doorbells(metadata, i, problems);
    }
}

}  // namespace qaicrt::qpc
