// SPDX-License-Identifier: Apache-2.0
/// Writes the seeds of fuzz_qpc: make_qpc_corpus tests/fuzz/corpus/qpc
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/tiny_elf.hpp"
#include "libqaicrt/qpc/test/worked_examples.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace qaicrt;
using namespace qaicrt::qpc;
using namespace qaicrt::qpc::test;

namespace {

void save(const std::filesystem::path& dir, const char* name, const std::vector<std::byte>& bytes) {
    std::ofstream file(dir / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

/// A whole program around an ELF without the code page: short files mutate better.
std::vector<std::byte> compact(const ProgramSpec& spec, bool wide, std::string_view metadata_name) {
    const auto parts = Parts::of(spec);
    const auto metadata = write_metadata(parts.metadata);
    std::vector<ElfSection> sections = {{metadata_name, metadata}};
    if (!parts.emu_section.empty()) {
        sections.push_back({kEmuSection, parts.emu_section});
    }
    return parts.pack_with(TinyElf{wide}.make(sections));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_qpc_corpus DIRECTORY\n");
        return 2;
    }
    const std::filesystem::path dir = argv[1];
    ProgramSpec pair;
    pair.name = "t";
    pair.inputs = {tensor("inputBuff_0", DataType::kInt8, {64})};
    pair.outputs = {tensor("outputBuff_0", DataType::kInt8, {64})};
    ProgramSpec no_input = pair;
    no_input.inputs.clear();
    no_input.emu_section = bytes_of("g");
    auto partly_dynamic = Parts::of(small_spec());
    partly_dynamic.split = 4;
    partly_dynamic.metadata.static_constants = 4;
    partly_dynamic.metadata.dynamic_constants = 8;
    partly_dynamic.metadata.constant_mappings.clear();
    store_le<std::uint64_t>(partly_dynamic.constants_desc, 0, 4);
    store_le<std::uint64_t>(partly_dynamic.constants_desc, 8, 8);

    const auto metadata = write_metadata(Parts::of(pair).metadata);
    save(dir, "container_in_memory_writer", from_hex(kInMemoryWriter));
    save(dir, "container_streaming_writer", from_hex(kStreamingWriter));
    save(dir, "description", from_hex(kNetworkDescription));
    save(dir, "metadata_with_terminator", metadata);
    save(dir, "metadata_bare", {metadata.begin() + 8, metadata.end()});
    save(dir, "elf32", TinyElf{false}.make(std::vector<ElfSection>{{kMetadataSection, metadata}}));
    save(dir, "elf64", TinyElf{true}.make(std::vector<ElfSection>{{kMetadataFbSection, metadata}}));
    save(dir, "program_as_compiled", built(small_spec()));
    save(dir, "program_pair", compact(pair, false, kMetadataSection));
    save(dir, "program_no_input", compact(no_input, false, kMetadataSection));
    save(dir, "program_elf64", compact(small_spec(), true, kMetadataFbSection));
    save(dir, "program_dynamic_constants", partly_dynamic.pack_with(partly_dynamic.elf()));
    return 0;
}
