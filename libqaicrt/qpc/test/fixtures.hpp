// SPDX-License-Identifier: Apache-2.0
/// Programs that the tests of this part take apart and damage.
#pragma once

#include "libqaicrt/qpc/program_image.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace qaicrt::qpc::test {

inline std::vector<std::byte> bytes_of(std::string_view text) {
    std::vector<std::byte> out;
    for (const char c : text) {
        out.push_back(static_cast<std::byte>(c));
    }
    return out;
}

inline Binding tensor(std::string name, DataType type, std::vector<std::int32_t> dims) {
    Binding binding;
    binding.name = std::move(name);
    binding.initial.type = type;
    binding.initial.dims = std::move(dims);
    return binding;
}

/// Two inputs, two outputs, four NSPs, constants, a graph section.
inline ProgramSpec small_spec() {
    ProgramSpec spec;
    spec.name = "small";
    spec.inputs = {tensor("x", DataType::kFloat, {1, 8}), tensor("ids", DataType::kInt64I, {3})};
    spec.outputs = {tensor("y", DataType::kFloat16, {1, 5}), tensor("flag", DataType::kInt8, {1})};
    spec.num_nsps = 4;
    spec.constants = bytes_of("twelve bytes");
    spec.emu_section = bytes_of("graph");
    return spec;
}

inline std::vector<std::byte> built(const ProgramSpec& spec) {
    auto qpc = build_program(spec);
    EXPECT_TRUE(qpc) << (qpc ? "" : qpc.error().message);
    return qpc ? std::move(*qpc) : std::vector<std::byte>{};
}

/// The decoded parts of a valid program, to change one thing and pack again.
struct Parts {
    NetworkDescription description;
    Metadata metadata;
    std::vector<std::byte> emu_section, constants, constants_desc;
    std::uint64_t split = 0;

    static Parts of(const ProgramSpec& spec) {
        const auto qpc = built(spec);
        const auto image = parse_program(qpc);
        EXPECT_TRUE(image) << (image ? "" : image.error().message);
        Parts parts;
        parts.description = image->description;
        parts.metadata = image->metadata;
        parts.emu_section.assign(image->emu_section.begin(), image->emu_section.end());
        parts.constants.assign(image->static_constants.begin(), image->static_constants.end());
        parts.constants_desc.assign(image->constants_descriptor.begin(),
                                    image->constants_descriptor.end());
        parts.split = parts.constants.size();
        return parts;
    }

    std::vector<std::byte> elf() const {
        const auto section = write_metadata(metadata);
        std::vector<ElfSection> sections = {{kMetadataSection, section}};
        if (!emu_section.empty()) {
            sections.push_back({kEmuSection, emu_section});
        }
        return write_elf(sections);
    }

    std::vector<std::byte> pack() const { return pack_with(elf()); }

    std::vector<std::byte> pack_with(const std::vector<std::byte>& elf_bytes) const {
        const auto desc = write_network_desc(description);
        std::vector<Segment> segments;
        if (!constants.empty()) {
            segments.push_back({kConstants, constants, split});
        }
        segments.push_back({kConstantsDesc, constants_desc});
        segments.push_back({kNetworkElf, elf_bytes});
        segments.push_back({kNetworkDesc, desc});
        auto qpc = write_container(segments);
        EXPECT_TRUE(qpc);
        return qpc ? std::move(*qpc) : std::vector<std::byte>{};
    }
};

}  // namespace qaicrt::qpc::test
