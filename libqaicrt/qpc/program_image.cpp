// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/program_image.hpp"

#include "libqaicrt/qpc/problems.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/text.hpp"

#include <hw/aic100_dbc.h>

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace qaicrt::qpc {
namespace {

constexpr std::size_t kConstantsDescBytes = 24;

std::string sentence(std::string_view what) {
    return fmt::format("QPC: {}; compile the program again", what);
}

void set_constants(const Container& container, ProgramImage& image) {
    image.constants_descriptor = container.find(kConstantsDesc)->data.first(kConstantsDescBytes);
    image.static_constants_size = load_le<std::uint64_t>(image.constants_descriptor, 0);
    image.dynamic_constants_size = load_le<std::uint64_t>(image.constants_descriptor, 8);
    if (const auto* constants = container.find(kConstants)) {
        image.static_constants = constants->data.first(constants->split);
        image.dynamic_constants = constants->data.subspan(constants->split);
    }
}

void check_address(const ProgramImage& image, std::size_t index, Problems& problems) {
    const auto& request = image.metadata.requests[index];
    const auto& host_table = image.metadata.host_multicast;
    std::uint64_t space = 0;
    switch (request.space) {
        case AddrSpace::kDdr:
            space = image.metadata.static_shared_ddr;
            break;
        case AddrSpace::kDdrDynamic:
            space = image.metadata.dynamic_shared_ddr;
            break;
        case AddrSpace::kMulticast:
            // The entry's size is that of its buffer, which may begin anywhere in the window.
            space = request.mcid < host_table.size() ? AIC100_MCID_WINDOW : 0;
            break;
    }
    if (!range_fits(request.dev_offset, request.size, space)) {
        problems.format(sentence(
            fmt::format("request {} ({} bytes at {:#x}) leaves the {} bytes of its card memory",
                        index, request.size, request.dev_offset, space)));
    }
}

void check_request(const ProgramImage& image, std::size_t index, Problems& problems) {
    const auto& request = image.metadata.requests[index];
    if (request.size == 0) {
        problems.format(
            sentence(fmt::format("request {} has size 0, which a driver refuses", index)));
    }
    if (request.num < image.description.dma_buffers.size()) {
        const auto& buffer = image.description.dma_buffers[request.num];
        if (!range_fits(request.host_offset, request.size, buffer.size)) {
            problems.format(sentence(
                fmt::format("request {} ({} bytes at {}) leaves the {} bytes of DMA buffer {}",
                            index, request.size, request.host_offset, buffer.size, request.num)));
        }
        if ((buffer.direction == Direction::kFromDevice) != request.from_device) {
            problems.format(sentence(fmt::format(
                "request {} and DMA buffer {} have different directions", index, request.num)));
        }
    }
    check_address(image, index, problems);
}

/// One BO has one list of slices: requests of a buffer that stand apart would become two BOs.
void check_grouping(const ProgramImage& image, Problems& problems) {
    const auto& requests = image.metadata.requests;
    std::vector<bool> seen(image.description.dma_buffers.size());
    std::size_t needed = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        needed = std::max<std::size_t>(needed, requests[i].num + std::size_t{1});
        if (requests[i].num >= seen.size() || (i > 0 && requests[i - 1].num == requests[i].num)) {
            continue;
        }
        if (seen[requests[i].num]) {
            problems.format(sentence(
                fmt::format("the requests of DMA buffer {} are not contiguous (request {})",
                            requests[i].num, i)));
        }
        seen[requests[i].num] = true;
    }
    if (needed != seen.size()) {
        problems.format(sentence(
            fmt::format("there are {} DMA buffers, but the requests use {}", seen.size(), needed)));
        return;
    }
    for (std::size_t i = 0; i < seen.size() && !problems.full(); ++i) {
        if (!seen[i]) {
            problems.format(sentence(fmt::format("no request moves DMA buffer {}", i)));
        }
    }
}

void check_copy(const ProgramImage& image, const Binding& binding, Direction direction,
                Problems& problems) {
    const auto& copy = binding.transforms.front();
    const std::string where = "binding " + quoted(binding.name);
    const auto& buffers = image.description.dma_buffers;
    if (copy.copy_buffer >= buffers.size()) {
        return;  // said by check_network_desc
    }
    const auto& buffer = buffers[copy.copy_buffer];
    if (copy.copy_direction != direction || buffer.direction != direction) {
        problems.format(sentence(where + " and its DMA buffer have different directions"));
    }
    const auto initial = to_tensor_info(binding, Direction::kToDevice);
    const auto transformed = to_tensor_info(binding, Direction::kFromDevice);
    if (!initial || !transformed) {
        return;  // said by check_network_desc
    }
    if (initial->bytes != transformed->bytes || initial->type != transformed->type ||
        copy.result.type != initial->type) {
        problems.format(sentence(where + " changes its type or size, which a copy cannot do"));
    }
    if (!range_fits(copy.copy_offset, initial->bytes, buffer.size)) {
        problems.format(
            sentence(fmt::format("{} ({} bytes at {}) leaves the {} bytes of DMA buffer {}", where,
                                 initial->bytes, copy.copy_offset, buffer.size, copy.copy_buffer)));
    }
}

void check_binding(const ProgramImage& image, const Binding& binding, Direction direction,
                   Problems& problems) {
    const std::string where = "QPC: binding " + quoted(binding.name);
    for (const auto& transform : binding.transforms) {
        if (transform.kind != TransformKind::kCopyDmaBuffer) {
            problems.unsupported(
                fmt::format("{} needs {} on the host, which this runtime does not do; compile the "
                            "program so that the card converts",
                            where, transform_kind_name(transform.kind)));
            return;
        }
    }
    if (binding.transforms.size() != 1) {
        problems.unsupported(
            fmt::format("{} has {} transforms, not one CopyDMABufferTransform; compile the program "
                        "so that the card converts",
                        where, binding.transforms.size()));
        return;
    }
    if (binding.partial_allowed) {
        problems.unsupported(
            where +
            " may be partial, which this runtime does not do; compile the program without "
            "partial inputs");
    }
    check_copy(image, binding, direction, problems);
}

void check_constants(const ProgramImage& image, Problems& problems) {
    if (image.static_constants.size() > image.static_constants_size ||
        image.dynamic_constants.size() > image.dynamic_constants_size) {
        problems.format(sentence(
            fmt::format("constants.bin has {} static and {} dynamic bytes, constantsdesc.bin "
                        "allows {} and {}",
                        image.static_constants.size(), image.dynamic_constants.size(),
                        image.static_constants_size, image.dynamic_constants_size)));
    } else if (!image.static_constants.empty() && !image.dynamic_constants.empty() &&
               image.static_constants.size() != image.static_constants_size) {
        // The dynamic part goes to card offset static_constants_size: a shorter static part leaves
        // a hole.
        problems.format(sentence(
            fmt::format("constants.bin is split at {}, constantsdesc.bin says {} static bytes",
                        image.static_constants.size(), image.static_constants_size)));
    }
}

}  // namespace

void check_program(const ProgramImage& image, Problems& problems) {
    if (image.metadata.hw_version_major != 2) {
        problems.unsupported(
            fmt::format("QPC: compiled for hardware version {}.{}; compile it for 2.0",
                        image.metadata.hw_version_major, image.metadata.hw_version_minor));
    }
    check_constants(image, problems);
    for (const auto& binding : image.description.inputs) {
        if (!problems.full()) {
            check_binding(image, binding, Direction::kToDevice, problems);
        }
    }
    for (const auto& binding : image.description.outputs) {
        if (!problems.full()) {
            check_binding(image, binding, Direction::kFromDevice, problems);
        }
    }
    check_grouping(image, problems);
    for (std::size_t i = 0; i < image.metadata.requests.size() && !problems.full(); ++i) {
        check_request(image, i, problems);
    }
}

Result<ProgramImage> decode_program(std::span<const std::byte> qpc) {
    QAICRT_TRY(const auto container, Container::parse(qpc));
    ProgramImage image;
    QAICRT_TRY(image.description, decode_network_desc(container.find(kNetworkDesc)->data));
    image.elf = container.find(kNetworkElf)->data;
    QAICRT_TRY(const auto sections, parse_elf_sections(image.elf));
    QAICRT_TRY(const auto metadata, find_metadata(sections));
    QAICRT_TRY(image.metadata, decode_metadata(metadata));
    if (const auto* emu = find_section(sections, kEmuSection)) {
        image.emu_section = emu->data;
    }
    set_constants(container, image);
    return image;
}

Result<ProgramImage> parse_program(std::span<const std::byte> qpc) try {
    QAICRT_TRY(auto image, decode_program(qpc));
    Problems problems;
    check_network_desc(image.description, problems);
    check_metadata(image.metadata, problems);
    check_program(image, problems);
    QAICRT_CHECK(problems.first());
    return image;
} catch (const std::bad_alloc&) {
    return Error{Errc::kNoMemory, "QPC: not enough memory to parse it; free some and try again"};
}

}  // namespace qaicrt::qpc
