// SPDX-License-Identifier: Apache-2.0
/// Everything that reads a QPC, from the outside and layer by layer: the same bytes as a container,
/// an ELF file, a metadata section and a network description, so that mutations need not survive
/// the layers above.
#include "libqaicrt/qpc/program_image.hpp"

#include <cstdint>
#include <cstdlib>
#include <span>

using namespace qaicrt::qpc;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

void program(std::span<const std::byte> bytes) {
    const auto image = parse_program(bytes);
    const auto sentences = check_open_runtime_rules(bytes);
    if (!image) {
        require(!image.error().message.empty() && !sentences.empty());
        return;
    }
    require(inside(image->elf, bytes) && inside(image->emu_section, bytes) &&
            inside(image->static_constants, bytes) && inside(image->dynamic_constants, bytes) &&
            inside(image->constants_descriptor, bytes));
    for (const auto& request : image->metadata.requests) {
        require(request.num < image->description.dma_buffers.size() &&
                request.semaphores.size() <= 4);
        require(request.host_offset + request.size <=
                image->description.dma_buffers[request.num].size);
    }
    // What was accepted can be written and is accepted again.
    require(parse_metadata(write_metadata(image->metadata)).has_value());
    require(parse_network_desc(write_network_desc(image->description)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    if (const auto container = Container::parse(bytes)) {
        for (const auto& segment : container->segments()) {
            require(inside(segment.data, bytes) && segment.split <= segment.data.size() &&
                    !segment.name.empty());
        }
    }
    if (const auto sections = parse_elf_sections(bytes)) {
        for (const auto& section : *sections) {
            require(inside(section.data, bytes));
        }
    }
    (void)parse_metadata(bytes);
    (void)parse_network_desc(bytes);
    program(bytes);
    return 0;
}
