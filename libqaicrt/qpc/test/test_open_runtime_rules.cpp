// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/tiny_elf.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <algorithm>

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;
using Sentences = std::vector<std::string>;

TEST(QpcOpenRuntimeRules, HoldForProgramsOfManyShapes) {
    for (const std::uint16_t nsps : {1, 2, 16}) {
        for (const std::size_t inputs : {0, 1, 5}) {
            for (const std::size_t outputs : {1, 3}) {
                for (const std::size_t constants : {0, 1, 5000}) {
                    ProgramSpec spec;
                    spec.num_nsps = nsps;
                    spec.constants.resize(constants);
                    spec.emu_section = bytes_of("g");
                    for (std::size_t i = 0; i < inputs; ++i) {
                        spec.inputs.push_back(
                            tensor("x" + std::to_string(i), DataType::kFloat, {1, 700}));
                    }
                    for (std::size_t i = 0; i < outputs; ++i) {
                        spec.outputs.push_back(
                            tensor("y" + std::to_string(i), DataType::kFloat16, {}));
                    }
                    EXPECT_EQ(check_open_runtime_rules(built(spec)), Sentences{});
                }
            }
        }
    }
}

/// Breaking one rule gives exactly its sentence, none for the others.
struct Broken {
    const char* name;
    const char* sentence;
    std::function<void(Parts&)> change;
};
void PrintTo(const Broken& broken, std::ostream* out) {
    *out << broken.name;
}

class QpcBrokenRule : public testing::TestWithParam<Broken> {};

TEST_P(QpcBrokenRule, GivesExactlyItsSentence) {
    auto parts = Parts::of(small_spec());
    GetParam().change(parts);
    EXPECT_EQ(check_open_runtime_rules(parts.pack()), Sentences{GetParam().sentence});
}

DmaRequest& request(Parts& p, std::size_t i) {
    return p.metadata.requests[i];
}

const Broken kBroken[] = {
    {"OneTransform",
     "QPC: binding 'x' has 2 transforms, not one CopyDMABufferTransform; compile the program so "
     "that the card converts",
     [](Parts& p) {
         p.description.inputs[0].transforms.push_back(p.description.inputs[0].transforms[0]);
     }},
    {"CopyOnly",
     "QPC: binding 'y' needs DequantizeTransform on the host, which this runtime does not do; "
     "compile the program so "
     "that the card converts",
     [](Parts& p) { p.description.outputs[0].transforms[0].kind = TransformKind::kDequantize; }},
    {"RequiredFieldsPresent", "Open runtime rule: requiredFields is missing or empty",
     [](Parts& p) { p.metadata.required_fields.clear(); }},
    {"RequiredFieldsKnown",
     "network.elf metadata: required field 'AicMetadataFlat_Metadata->x' is not known here; use a "
     "newer runtime",
     [](Parts& p) { p.metadata.required_fields.push_back("AicMetadataFlat_Metadata->x"); }},
    {"MulticastTable",
     "network.elf metadata: 0 NSP multicast tables for 4 NSPs; compile the program again",
     [](Parts& p) { p.metadata.nsp_multicast.clear(); }},
    {"HardwareVersion", "Open runtime rule: hwVersion is 2.1, not 2.0",
     [](Parts& p) { p.metadata.hw_version_minor = 1; }},
    {"NoSizeZero", "QPC: request 0 has size 0, which a driver refuses; compile the program again",
     [](Parts& p) { request(p, 0).size = 0; }},
    {"Contiguous",
     "QPC: the requests of DMA buffer 2 are not contiguous (request 4); compile the program again",
     [](Parts& p) { p.metadata.requests.push_back(request(p, 2)); }},
    {"OneDoorbell",
     "network.elf metadata: request 1 has 2 doorbells, at most one is possible; compile the "
     "program again",
     [](Parts& p) { request(p, 1).doorbells.push_back(request(p, 1).doorbells[0]); }},
    {"FourSemaphoreOps",
     "network.elf metadata: request 3 has 5 semaphore operations, at most 4 are possible; compile "
     "the program again",
     [](Parts& p) { request(p, 3).semaphores.resize(5, request(p, 3).semaphores[1]); }},
    {"OnePresync",
     "network.elf metadata: request 0 waits for 2 semaphores before its transfer, at most one is "
     "possible; compile the "
     "program again",
     [](Parts& p) { request(p, 0).semaphores.push_back(request(p, 0).semaphores[0]); }},
    {"FencesBothOrNone",
     "Open runtime rule: request 1 sets one of the two fences, which the runtime and the kernel "
     "name the other way "
     "round",
     [](Parts& p) { request(p, 1).semaphores[0].in_fence = true; }},
    {"PresyncsDoNotConsume",
     "Open runtime rule: request 2 has a presync other than wait-equal, which the kernel repeats "
     "for each memory "
     "segment",
     [](Parts& p) { request(p, 2).semaphores[0].op = SemOp::kP; }},
    {"PresyncsDoNotWaitForMore",
     "Open runtime rule: request 2 has a presync other than wait-equal, which the kernel repeats "
     "for each memory "
     "segment",
     [](Parts& p) { request(p, 2).semaphores[0].op = SemOp::kWaitGe; }},
    {"PostsyncsInit", "Open runtime rule: request 1 has a postsync other than init",
     [](Parts& p) { request(p, 1).semaphores[1].op = SemOp::kInc; }},
    {"NetworkName", "network.elf metadata: networkName is empty; compile the program again",
     [](Parts& p) { p.metadata.network_name.clear(); }},
    {"BufferCount",
     "QPC: there are 5 DMA buffers, but the requests use 4; compile the program again",
     [](Parts& p) {
         p.description.dma_buffers.push_back({64, Direction::kFromDevice});
     }},
    {"DynamicDdr",
     "Open runtime rule: request 0 uses dynamic shared DDR, which the runtime takes for multicast",
     [](Parts& p) {
         p.metadata.dynamic_shared_ddr = 4096;
         request(p, 0).space = AddrSpace::kDdrDynamic;
     }},
    {"MetadataMinor", "Open runtime rule: the metadata version is not 1.0",
     [](Parts& p) { p.metadata.version_minor = 1; }},
    {"CoreCount", "Open runtime rule: networkdesc.bin names 3 cores, the metadata 4 NSPs",
     [](Parts& p) { p.description.num_cores = 3; }},
    {"ConstantSizes",
     "Open runtime rule: metadata and constantsdesc.bin disagree on the size of the constants",
     [](Parts& p) { p.metadata.static_constants = 13; }},
    {"RefusedByCards",
     "Open runtime rule: a program with '.qaic.emu', and no other, must ask for the context "
     "variable that no card "
     "knows",
     [](Parts& p) { p.metadata.context_fields.pop_back(); }},
    {"RefusedByCardsMeansRequired",
     "Open runtime rule: a program with '.qaic.emu', and no other, must ask for the context "
     "variable that no card "
     "knows",
     [](Parts& p) { p.metadata.context_fields.back().required = false; }},
    {"NotRefusedWithoutGraph",
     "Open runtime rule: a program with '.qaic.emu', and no other, must ask for the context "
     "variable that no card "
     "knows",
     [](Parts& p) { p.emu_section.clear(); }},
    {"LastRequestFromCard",
     "Open runtime rule: the last request is not from the card, so its completion does not end the "
     "inference",
     [](Parts& p) {
         std::rotate(p.metadata.requests.begin(), p.metadata.requests.begin() + 2,
                     p.metadata.requests.end());
     }},
};

INSTANTIATE_TEST_SUITE_P(Each, QpcBrokenRule, testing::ValuesIn(kBroken),
                         [](const auto& param) { return param.param.name; });

TEST(QpcOpenRuntimeRules, BothFencesAreAllowed) {
    auto parts = Parts::of(small_spec());
    for (auto& each : parts.metadata.requests) {
        for (auto& op : each.semaphores) {
            op.in_fence = op.out_fence = true;
        }
    }
    EXPECT_EQ(check_open_runtime_rules(parts.pack()), Sentences{});
}

TEST(QpcOpenRuntimeRules, TheQueueHoldsOneInference) {
    auto parts = Parts::of(small_spec());
    auto& requests = parts.metadata.requests;
    requests[2].size = 1;
    while (requests.size() < 512) {
        requests.insert(requests.begin() + 2, requests[2]);
    }
    EXPECT_EQ(check_open_runtime_rules(parts.pack()),
              Sentences{"Open runtime rule: 512 requests do not fit the queue of 511"});
    requests.erase(requests.begin() + 2);
    EXPECT_EQ(check_open_runtime_rules(parts.pack()), Sentences{});
}

TEST(QpcOpenRuntimeRules, HostOffsetsHave32Bits) {
    auto parts = Parts::of(small_spec());
    request(parts, 0).host_offset = std::uint64_t{1} << 32;
    const auto sentences = check_open_runtime_rules(parts.pack());
    EXPECT_NE(std::ranges::find(
                  sentences, "Open runtime rule: request 0 has a host offset of more than 32 bits"),
              sentences.end());
}

TEST(QpcOpenRuntimeRules, TheContainerIsPortableAndAligned) {
    const auto good = built(small_spec());
    auto minor = good;
    minor[5] = std::byte{2};
    EXPECT_EQ(check_open_runtime_rules(minor),
              Sentences{"Open runtime rule: the container's minor version is not 1"});

    auto based = good;
    store_le<std::uint64_t>(based, 16, 8);
    for (std::size_t at = 32; at < 40 + 4 * 32; at += at == 32 ? 24 : 8) {
        const bool pointer = at == 32 || (at - 40) % 32 >= 16;
        if (pointer) {
            store_le<std::uint64_t>(based, at, load_le<std::uint64_t>(based, at) + 8);
        }
    }
    EXPECT_EQ(check_open_runtime_rules(based),
              Sentences{"Open runtime rule: the container's base address is not 0"});

    auto longer = good;
    longer.push_back(std::byte{0});
    store_le<std::uint64_t>(longer, 8, longer.size());
    EXPECT_EQ(check_open_runtime_rules(longer),
              Sentences{"Open runtime rule: the container's size is not a multiple of 8"});
}

TEST(QpcOpenRuntimeRules, SegmentsAreAligned) {
    // The data of the last segment, networkdesc.bin, moved up by one byte into its own padding.
    ProgramSpec spec = small_spec();
    Bytes good = built(spec);
    while (Container::parse(good)->find(kNetworkDesc)->data.size() % 8 == 0) {
        spec.name += "x";
        good = built(spec);
    }
    const auto data = Container::parse(good)->find(kNetworkDesc)->data;
    const auto at = static_cast<std::size_t>(data.data() - good.data());
    auto moved = good;
    std::copy(data.begin(), data.end(), moved.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    store_le<std::uint64_t>(moved, 40 + 3 * 32 + 24, at + 1);
    EXPECT_EQ(check_open_runtime_rules(moved),
              Sentences{"Open runtime rule: segment networkdesc.bin is not 8-aligned"});
}

TEST(QpcOpenRuntimeRules, HeaderSizeAndDescriptorSizeAreContainerRules) {
    auto longer = built(small_spec());
    longer.resize(longer.size() + 8);
    const auto size = check_open_runtime_rules(longer);
    ASSERT_EQ(size.size(), 1u);
    EXPECT_EQ(size[0].substr(0, 11), "QPC rule R4") << size[0];
    auto parts = Parts::of(small_spec());
    parts.constants_desc.resize(23);
    const auto descriptor = check_open_runtime_rules(parts.pack());
    ASSERT_EQ(descriptor.size(), 1u);
    EXPECT_EQ(descriptor[0].substr(0, 12), "QPC rule R12") << descriptor[0];
}

TEST(QpcOpenRuntimeRules, SeveralBrokenRulesGiveSeveralSentences) {
    auto parts = Parts::of(small_spec());
    parts.metadata.network_name.clear();
    parts.metadata.required_fields.clear();
    parts.metadata.hw_version_minor = 1;
    EXPECT_EQ(check_open_runtime_rules(parts.pack()).size(), 3u);
}

}  // namespace
}  // namespace qaicrt::qpc::test
