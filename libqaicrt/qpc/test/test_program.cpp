// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/tiny_elf.hpp"
#include "libqaicrt/qpc/test/worked_examples.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <algorithm>

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;

TEST(QpcBuild, OneBufferAndOneRequestPerTensorInputsFirst) {
    const auto parts = Parts::of(small_spec());
    const auto& requests = parts.metadata.requests;
    const std::uint32_t sizes[] = {32, 24, 10, 1};
    ASSERT_EQ(requests.size(), 4u);
    ASSERT_EQ(parts.description.dma_buffers.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(requests[i].num, i);
        EXPECT_EQ(requests[i].size, sizes[i]);
        EXPECT_EQ(requests[i].host_offset, 0u);
        EXPECT_EQ(requests[i].dev_offset, 2048 * i);
        EXPECT_EQ(requests[i].space, AddrSpace::kDdr);
        EXPECT_EQ(requests[i].from_device, i >= 2);
        EXPECT_EQ(requests[i].port, i >= 2 ? 101 : 100);
        EXPECT_EQ(parts.description.dma_buffers[i].size, sizes[i]);
    }
    EXPECT_EQ(parts.metadata.static_shared_ddr, 4u * 2048);
    EXPECT_EQ(parts.description.inputs[1].transforms[0].copy_buffer, 1u);
    EXPECT_EQ(parts.description.outputs[0].transforms[0].copy_buffer, 2u);
    EXPECT_EQ(parts.description.outputs[0].align, 2u);
}

TEST(QpcBuild, LargeTensorsDoNotOverlapInCardMemory) {
    auto spec = small_spec();
    spec.inputs[0].initial.dims = {3, 1000};
    const auto parts = Parts::of(spec);
    EXPECT_EQ(parts.metadata.requests[1].dev_offset, 12288u);  // 12000 rounded up
}

TEST(QpcBuild, WaitsBeforeEachTransferAndTakesTheTurnAfterTheLast) {
    const auto metadata = Parts::of(small_spec()).metadata;
    EXPECT_EQ(metadata.semaphore_init, (std::vector<std::uint32_t>{0, 1}));
    for (std::size_t i = 0; i < 4; ++i) {
        const auto& request = metadata.requests[i];
        const bool output = i >= 2, last = i % 2 == 1;
        ASSERT_EQ(request.semaphores.size(), last ? 2u : 1u);
        EXPECT_EQ(request.semaphores[0].sem, output ? 1 : 0);
        EXPECT_EQ(request.semaphores[0].op, SemOp::kWaitEq);
        EXPECT_EQ(request.semaphores[0].value, output ? 0 : 1);
        EXPECT_TRUE(request.semaphores[0].presync);
        if (last) {
            EXPECT_EQ(request.semaphores[1].sem, output ? 1 : 0);
            EXPECT_EQ(request.semaphores[1].op, SemOp::kInit);
            EXPECT_EQ(request.semaphores[1].value, output ? 1 : 0);
            EXPECT_FALSE(request.semaphores[1].presync);
        }
        for (const auto& op : request.semaphores) {
            EXPECT_FALSE(op.in_fence || op.out_fence);
        }
        ASSERT_EQ(request.doorbells.size(), 1u);
        EXPECT_EQ(request.doorbells[0].offset, 4 * i);
        EXPECT_EQ(request.doorbells[0].data, 1u);
        EXPECT_EQ(request.doorbells[0].mcid, 0);
        EXPECT_EQ(request.doorbells[0].width_bits, 32);
    }
}

TEST(QpcBuild, DoorbellsReachEveryNspAndEachNspReachesTheOthers) {
    const auto metadata = Parts::of(small_spec()).metadata;
    ASSERT_EQ(metadata.host_multicast.size(), 1u);
    EXPECT_EQ(metadata.host_multicast[0].mask, 0xFu);
    EXPECT_EQ(metadata.host_multicast[0].size, 1124u);
    ASSERT_EQ(metadata.nsp_multicast.size(), 4u);
    for (unsigned nsp = 0; nsp < 4; ++nsp) {
        ASSERT_EQ(metadata.nsp_multicast[nsp].size(), 1u);
        const auto& entry = metadata.nsp_multicast[nsp][0];
        EXPECT_EQ(entry.mask, 0xFu & ~(1u << nsp));
        EXPECT_EQ(entry.space, TcmSpace::kL2Tcm);
        EXPECT_EQ(entry.base_offset, 0u);
        EXPECT_EQ(entry.size, 1124u);
    }
}

TEST(QpcBuild, InitialL2TcmHasFreeOutputsAndAFinishedDma) {
    const auto metadata = Parts::of(small_spec()).metadata;
    ASSERT_EQ(metadata.l2tcm_init.size(), 1168u);
    const auto bytes = std::as_bytes(std::span(metadata.l2tcm_init));
    for (std::size_t word = 0; word < 1168 / 4; ++word) {
        const std::uint32_t expected = word == 2 || word == 3 ? 1 : word == 289 ? 0x80000000u : 0;
        EXPECT_EQ(load_le<std::uint32_t>(bytes, 4 * word), expected) << word;
    }
    EXPECT_EQ(metadata.exit_doorbell_offset, 1120u);
    EXPECT_EQ(metadata.l2tcm_size, 1280u + 4 * 256);
}

TEST(QpcBuild, ConstantsAreStaticAndMappedOnEveryNsp) {
    const auto qpc = built(small_spec());
    const auto image = parse_program(qpc);
    ASSERT_TRUE(image);
    EXPECT_TRUE(std::ranges::equal(image->static_constants, bytes_of("twelve bytes")));
    EXPECT_TRUE(image->dynamic_constants.empty());
    EXPECT_EQ(image->static_constants_size, 12u);
    EXPECT_EQ(image->dynamic_constants_size, 0u);
    EXPECT_EQ(image->metadata.static_constants, 12u);
    ASSERT_EQ(image->metadata.constant_mappings.size(), 1u);
    EXPECT_EQ(image->metadata.constant_mappings[0].core_mask, 0xFu);
    EXPECT_EQ(image->metadata.constant_mappings[0].size, 12u);
    EXPECT_EQ(image->constants_descriptor.size(), 24u);
    EXPECT_EQ(image->metadata.threads.size(), 4u);
    EXPECT_EQ(image->metadata.threads[3].type_mask, 2);
    EXPECT_EQ(image->metadata.threads[3].entry_point, 0x02000000u);
}

TEST(QpcBuild, WithoutConstantsThereIsNoSegmentAndADescriptorOfZeros) {
    auto spec = small_spec();
    spec.constants.clear();
    const auto qpc = built(spec);
    const auto container = Container::parse(qpc);
    ASSERT_TRUE(container);
    EXPECT_EQ(container->find(kConstants), nullptr);
    EXPECT_TRUE(std::ranges::equal(container->find(kConstantsDesc)->data, Bytes(24)));
    EXPECT_TRUE(parse_program(qpc)->metadata.constant_mappings.empty());
}

TEST(QpcBuild, AScalarIsOneElementWithOneDimension) {
    auto spec = small_spec();
    spec.outputs[0].initial.dims.clear();
    EXPECT_EQ(Parts::of(spec).description.outputs[0].transformed.dims,
              std::vector<std::int32_t>{1});
}

TEST(QpcBuild, AProgramWithoutInputsNeedsNoInputSemaphore) {
    auto spec = small_spec();
    spec.inputs.clear();
    const auto metadata = Parts::of(spec).metadata;
    for (const auto& request : metadata.requests) {
        for (const auto& op : request.semaphores) {
            EXPECT_EQ(op.sem, 1);
        }
    }
}

TEST(QpcBuild, TwoHundredAndEightyTensorsAreTheLimit) {
    ProgramSpec spec;
    spec.outputs = {tensor("y", DataType::kFloat, {1})};
    for (int i = 0; i < 279; ++i) {
        spec.inputs.push_back(tensor("x" + std::to_string(i), DataType::kFloat, {1}));
    }
    EXPECT_EQ(check_open_runtime_rules(built(spec)), std::vector<std::string>{});
    EXPECT_EQ(Parts::of(spec).metadata.requests.back().doorbells[0].offset, 1116u);
    spec.inputs.push_back(tensor("one more", DataType::kFloat, {1}));
    const auto refused = build_program(spec);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kUnsupported);
    EXPECT_NE(refused.error().message.find("281"), std::string::npos);
}

TEST(QpcBuild, RefusesWhatTheFormatCannotSay) {
    const auto refusal = [](const std::function<void(ProgramSpec&)>& change) {
        auto spec = small_spec();
        change(spec);
        const auto qpc = build_program(spec);
        return qpc ? Error{Errc::kOk, ""} : qpc.error();
    };
    EXPECT_EQ(refusal([](ProgramSpec& s) { s.outputs.clear(); }).code, Errc::kUnsupported);
    const auto empty = refusal([](ProgramSpec& s) { s.inputs[1].initial.dims = {2, 0}; });
    EXPECT_EQ(empty.code, Errc::kUnsupported);
    EXPECT_NE(empty.message.find("'ids' has dimension 0"), std::string::npos) << empty.message;
    EXPECT_EQ(refusal([](ProgramSpec& s) { s.inputs[0].initial.dims = {1 << 30}; }).code,
              Errc::kUnsupported);
    EXPECT_EQ(refusal([](ProgramSpec& s) { s.inputs[0].initial.dims = {-1}; }).code,
              Errc::kUnsupported);
    EXPECT_EQ(refusal([](ProgramSpec& s) { s.num_nsps = 0; }).code, Errc::kInvalidArgument);
    EXPECT_EQ(refusal([](ProgramSpec& s) { s.num_nsps = 17; }).code, Errc::kInvalidArgument);
}

TEST(QpcProgram, ShowsTheGraphSectionAndItsAbsence) {
    auto spec = small_spec();
    const auto with = built(spec);
    EXPECT_TRUE(parse_program(with)->made_for_emulator());
    EXPECT_TRUE(std::ranges::equal(parse_program(with)->emu_section, bytes_of("graph")));
    spec.emu_section.clear();
    const auto without = built(spec);
    EXPECT_FALSE(parse_program(without)->made_for_emulator());
    EXPECT_EQ(check_open_runtime_rules(without), std::vector<std::string>{});
}

TEST(QpcProgram, PrefersMetadataFbEvenWhenItIsDamaged) {
    auto parts = Parts::of(small_spec());
    const auto good = write_metadata(parts.metadata);
    parts.metadata.network_name = "other";
    const auto other = write_metadata(parts.metadata);
    const auto both = TinyElf{true}.make(
        std::vector<ElfSection>{{kMetadataSection, good}, {kMetadataFbSection, other}});
    const auto qpc = parts.pack_with(both);
    ASSERT_TRUE(parse_program(qpc)) << parse_program(qpc).error().message;
    EXPECT_EQ(parse_program(qpc)->metadata.network_name, "other");
    const auto junk = bytes_of("junk and more junk");
    const auto damaged = parts.pack_with(TinyElf{true}.make(
        std::vector<ElfSection>{{kMetadataSection, good}, {kMetadataFbSection, junk}}));
    EXPECT_FALSE(parse_program(damaged));
}

TEST(QpcProgram, RefusesAnElfWithoutMetadata) {
    const auto parts = Parts::of(small_spec());
    const auto qpc = parts.pack_with(write_elf({}));
    const auto image = parse_program(qpc);
    ASSERT_FALSE(image);
    EXPECT_NE(image.error().message.find("no section 'metadata'"), std::string::npos);
    EXPECT_FALSE(parse_program(from_hex(kInMemoryWriter)));  // its ELF is four bytes
}

TEST(QpcProgram, SplitsConstantsAsTheContainerSays) {
    auto parts = Parts::of(small_spec());
    parts.metadata.constant_mappings.clear();
    const auto sizes = [&](std::uint64_t split, std::uint64_t fixed, std::uint64_t dynamic) {
        parts.split = split;
        store_le<std::uint64_t>(parts.constants_desc, 0, fixed);
        store_le<std::uint64_t>(parts.constants_desc, 8, dynamic);
        const auto qpc = parts.pack();
        const auto image = parse_program(qpc);
        return image ? std::pair(image->static_constants.size(), image->dynamic_constants.size())
                     : std::pair<std::size_t, std::size_t>(999, 999);
    };
    EXPECT_EQ(sizes(0, 0, 12), std::pair(std::size_t{0}, std::size_t{12}));
    EXPECT_EQ(sizes(5, 5, 7), std::pair(std::size_t{5}, std::size_t{7}));
    EXPECT_EQ(sizes(12, 12, 0), std::pair(std::size_t{12}, std::size_t{0}));
    EXPECT_EQ(sizes(12, 4096, 0), std::pair(std::size_t{12}, std::size_t{0}));
    EXPECT_EQ(sizes(12, 11, 1).first, 999u);
    EXPECT_EQ(sizes(5, 11, 7).first, 999u);  // a hole between the parts
    EXPECT_EQ(sizes(0, 12, 0).first, 999u);
}

struct Damage {
    const char* name;
    Errc code;
    const char* words;
    std::function<void(Parts&)> change;
};
void PrintTo(const Damage& damage, std::ostream* out) {
    *out << damage.name;
}

class QpcProgramDamage : public testing::TestWithParam<Damage> {};

TEST_P(QpcProgramDamage, IsRefusedWithItsSentence) {
    auto parts = Parts::of(small_spec());
    GetParam().change(parts);
    const auto qpc = parts.pack();
    const auto image = parse_program(qpc);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().code, GetParam().code);
    EXPECT_NE(image.error().message.find(GetParam().words), std::string::npos)
        << image.error().message;
}

Binding& input(Parts& p) {
    return p.description.inputs[0];
}
DmaRequest& request(Parts& p, std::size_t i) {
    return p.metadata.requests[i];
}

const Damage kDamages[] = {
    {"Hardware1", Errc::kUnsupported, "hardware version 1.0",
     [](Parts& p) { p.metadata.hw_version_major = 1; }},
    {"OtherTransform", Errc::kUnsupported, "'x' needs ConvertTransform",
     [](Parts& p) { input(p).transforms[0].kind = TransformKind::kConvert; }},
    {"ExtraTransform", Errc::kUnsupported, "'x' needs QuantizeTransform",
     [](Parts& p) {
         input(p).transforms.push_back(input(p).transforms[0]);
         input(p).transforms[0].kind = TransformKind::kQuantize;
     }},
    {"TwoCopies", Errc::kUnsupported, "'x' has 2 transforms",
     [](Parts& p) { input(p).transforms.push_back(input(p).transforms[0]); }},
    {"NoTransform", Errc::kUnsupported, "'x' has 0 transforms",
     [](Parts& p) { input(p).transforms.clear(); }},
    {"Partial", Errc::kUnsupported, "'x' may be partial",
     [](Parts& p) { input(p).partial_allowed = true; }},
    {"CopyDirection", Errc::kFormat, "'x' and its DMA buffer have different directions",
     [](Parts& p) { input(p).transforms[0].copy_direction = Direction::kFromDevice; }},
    {"BindingOnOutputBuffer", Errc::kFormat, "different directions",
     [](Parts& p) { input(p).transforms[0].copy_buffer = 2; }},
    {"CopyOutsideBuffer", Errc::kFormat, "'x' (32 bytes at 1) leaves the 32 bytes of DMA buffer 0",
     [](Parts& p) { input(p).transforms[0].copy_offset = 1; }},
    {"CopyTooLarge", Errc::kFormat, "leaves the 32 bytes of DMA buffer 0",
     [](Parts& p) {
         input(p).initial.dims = {100};
         input(p).transformed.dims = {100};
     }},
    {"CopyChangesSize", Errc::kFormat, "changes its type or size",
     [](Parts& p) { input(p).transformed.dims = {7}; }},
    {"CopyChangesType", Errc::kFormat, "changes its type or size",
     [](Parts& p) { input(p).transforms[0].result.type = DataType::kInt32I; }},
    {"TooManyBuffers", Errc::kFormat, "5 DMA buffers, but the requests use 4",
     [](Parts& p) {
         p.description.dma_buffers.push_back({64, Direction::kToDevice});
     }},
    {"TooFewBuffers", Errc::kFormat, "4 DMA buffers, but the requests use 6",
     [](Parts& p) { request(p, 3).num = 5; }},
    {"BufferWithoutRequest", Errc::kFormat, "no request moves DMA buffer 1",
     [](Parts& p) { p.metadata.requests.erase(p.metadata.requests.begin() + 1); }},
    {"NotContiguous", Errc::kFormat, "requests of DMA buffer 0 are not contiguous (request 4)",
     [](Parts& p) { p.metadata.requests.push_back(request(p, 0)); }},
    {"SizeZero", Errc::kFormat, "request 1 has size 0", [](Parts& p) { request(p, 1).size = 0; }},
    {"OutsideBuffer", Errc::kFormat,
     "request 0 (32 bytes at 1) leaves the 32 bytes of DMA buffer 0",
     [](Parts& p) { request(p, 0).host_offset = 1; }},
    {"HostOffsetWraps", Errc::kFormat, "leaves the 32 bytes of DMA buffer 0",
     [](Parts& p) { request(p, 0).host_offset = ~std::uint64_t{0} - 15; }},
    {"RequestDirection", Errc::kFormat, "request 2 and DMA buffer 2 have different directions",
     [](Parts& p) { request(p, 2).from_device = false; }},
    {"OutsideSharedDdr", Errc::kFormat, "request 3 (1 bytes at 0x2000) leaves the 8192 bytes",
     [](Parts& p) { request(p, 3).dev_offset = 8192; }},
    {"DevOffsetWraps", Errc::kFormat, "leaves the 8192 bytes",
     [](Parts& p) { request(p, 3).dev_offset = ~std::uint64_t{0}; }},
    {"OutsideDynamicDdr", Errc::kFormat, "leaves the 0 bytes",
     [](Parts& p) { request(p, 3).space = AddrSpace::kDdrDynamic; }},
    {"OutsideMulticastTable", Errc::kFormat, "leaves the 0 bytes",
     [](Parts& p) {
         request(p, 0).space = AddrSpace::kMulticast;
         request(p, 0).mcid = 1;
     }},
    {"OutsideMulticastWindow", Errc::kFormat, "leaves the 8388608 bytes",
     [](Parts& p) {
         request(p, 0).space = AddrSpace::kMulticast;
         request(p, 0).dev_offset = (8u << 20) - 16;
     }},
    {"DescriptionVersion", Errc::kUnsupported, "version 10",
     [](Parts& p) { p.description.major_version = 10; }},
    {"MetadataVersion", Errc::kUnsupported, "version 2",
     [](Parts& p) { p.metadata.version_major = 2; }},
};

INSTANTIATE_TEST_SUITE_P(Each, QpcProgramDamage, testing::ValuesIn(kDamages),
                         [](const auto& param) { return param.param.name; });

TEST(QpcProgram, AcceptsMulticastRequestsAndTwoRequestsOfOneBuffer) {
    auto parts = Parts::of(small_spec());
    request(parts, 0).space = AddrSpace::kMulticast;
    // As the open compute compiler places a buffer: anywhere in the window.
    request(parts, 0).dev_offset = 4096;
    request(parts, 0).size = 16;
    auto second = request(parts, 0);
    second.host_offset = 16;
    second.dev_offset = 4096 + 16;
    parts.metadata.requests.insert(parts.metadata.requests.begin() + 1, second);
    const auto qpc = parts.pack();
    const auto image = parse_program(qpc);
    EXPECT_TRUE(image) << image.error().message;
}

}  // namespace
}  // namespace qaicrt::qpc::test
