// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/problems.hpp"
#include "libqaicrt/qpc/program_image.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace qaicrt::qpc {
namespace {

/// The vendor's runtime asks for 512 elements, of which one stays free.
constexpr std::size_t kMaxRequests = 511;

std::string rule(std::string_view what) {
    return fmt::format("Open runtime rule: {}", what);
}

void check_layout(std::span<const std::byte> qpc, Problems& problems) {
    if (load_le<std::uint64_t>(qpc, 16) != 0) {
        problems.format(rule("the container's base address is not 0"));
    }
    if (qpc.size() % 8 != 0) {
        problems.format(rule("the container's size is not a multiple of 8"));
    }
    const auto container = Container::parse(qpc);
    if (!container) {
        return;
    }
    if (container->minor_version_differs()) {
        problems.format(rule("the container's minor version is not 1"));
    }
    for (const auto& segment : container->segments()) {
        const auto offset = static_cast<std::uint64_t>(segment.data.data() - qpc.data());
        if (offset % 8 != 0) {
            problems.format(rule(fmt::format("segment {} is not 8-aligned", segment.name)));
        }
    }
}

void check_semaphore_use(const DmaRequest& request, std::size_t index, Problems& problems) {
    for (const auto& op : request.semaphores) {
        if (op.in_fence != op.out_fence) {
            problems.format(
                rule(fmt::format("request {} sets one of the two fences, which the runtime and the "
                                 "kernel name the other way round",
                                 index)));
        }
        if (op.presync && op.op != SemOp::kWaitEq) {
            problems.format(
                rule(fmt::format("request {} has a presync other than wait-equal, which the kernel "
                                 "repeats for each memory segment",
                                 index)));
        }
        if (!op.presync && op.op != SemOp::kInit) {
            problems.format(rule(fmt::format("request {} has a postsync other than init", index)));
        }
    }
}

void check_requests(const Metadata& metadata, Problems& problems) {
    if (metadata.requests.empty() || !metadata.requests.back().from_device) {
        problems.format(rule(
            "the last request is not from the card, so its completion does not end the inference"));
    }
    if (metadata.requests.size() > kMaxRequests) {
        problems.format(rule(fmt::format("{} requests do not fit the queue of {}",
                                         metadata.requests.size(), kMaxRequests)));
    }
    for (std::size_t i = 0; i < metadata.requests.size() && !problems.full(); ++i) {
        const auto& request = metadata.requests[i];
        check_semaphore_use(request, i, problems);
        if (request.space == AddrSpace::kDdrDynamic) {
            problems.format(
                rule(fmt::format("request {} uses dynamic shared DDR, which the runtime takes for "
                                 "multicast",
                                 i)));
        }
        if (request.host_offset > 0xffffffff) {
            problems.format(
                rule(fmt::format("request {} has a host offset of more than 32 bits", i)));
        }
    }
}

void check_identity(const ProgramImage& image, Problems& problems) {
    const auto& metadata = image.metadata;
    if (metadata.required_fields.empty()) {
        problems.format(rule("requiredFields is missing or empty"));
    }
    if (metadata.version_minor != 0) {
        problems.format(rule("the metadata version is not 1.0"));
    }
    if (metadata.hw_version_major != 2 || metadata.hw_version_minor != 0) {
        problems.format(rule(fmt::format("hwVersion is {}.{}, not 2.0", metadata.hw_version_major,
                                         metadata.hw_version_minor)));
    }
    if (image.description.num_cores != metadata.num_nsps) {
        problems.format(rule(fmt::format("networkdesc.bin names {} cores, the metadata {} NSPs",
                                         image.description.num_cores, metadata.num_nsps)));
    }
    if (metadata.static_constants != image.static_constants_size ||
        metadata.dynamic_constants != image.dynamic_constants_size) {
        problems.format(
            rule("metadata and constantsdesc.bin disagree on the size of the constants"));
    }
    const bool refused_by_cards =
        std::any_of(metadata.context_fields.begin(), metadata.context_fields.end(),
                    [](const ContextField& field) {
                        return field.required && field.variable == kEmulatorOnlyVariable;
                    });
    if (refused_by_cards != image.made_for_emulator()) {
        problems.format(rule(
            "a program with '.qaic.emu', and no other, must ask for the context variable that no "
            "card knows"));
    }
}

}  // namespace

std::vector<std::string> check_open_runtime_rules(std::span<const std::byte> qpc) try {
    const auto image = decode_program(qpc);
    if (!image) {
        return {image.error().message};
    }
    Problems problems;
    check_network_desc(image->description, problems);
    check_metadata(image->metadata, problems);
    check_program(*image, problems);
    check_identity(*image, problems);
    check_requests(image->metadata, problems);
    check_layout(qpc, problems);
    std::vector<std::string> sentences;
    for (const auto& problem : problems.list()) {
        sentences.push_back(problem.text);
    }
    return sentences;
} catch (const std::bad_alloc&) {
    return {"QPC: not enough memory to check it; free some and try again"};
}

}  // namespace qaicrt::qpc
