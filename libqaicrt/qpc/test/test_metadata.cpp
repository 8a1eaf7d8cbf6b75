// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/support/bytes.hpp"

#include <algorithm>
#include <limits>

namespace qaicrt::qpc::test {
namespace {

using Bytes = std::vector<std::byte>;

/// Reads a FlatBuffers table by field number, with no schema: what firmware with another schema
/// would see.
class Table {
  public:
    Table(std::span<const std::byte> buffer, std::size_t at) : buffer_(buffer), at_(at) {}
    static Table root(std::span<const std::byte> buffer) {
        return {buffer, load_le<std::uint32_t>(buffer, 0)};
    }

    std::size_t position() const { return at_; }
    std::size_t field(unsigned id) const {
        const auto distance = static_cast<std::int32_t>(load_le<std::uint32_t>(buffer_, at_));
        const auto vtable = at_ - static_cast<std::size_t>(distance);
        const std::size_t slot = 4 + 2 * std::size_t{id};
        if (slot >= load_le<std::uint16_t>(buffer_, vtable)) {
            return 0;
        }
        const auto offset = load_le<std::uint16_t>(buffer_, vtable + slot);
        return offset == 0 ? 0 : at_ + offset;
    }
    bool has(unsigned id) const { return field(id) != 0; }
    template <class T>
    T scalar(unsigned id) const {
        return load_le<T>(buffer_, field(id));
    }
    std::size_t target(unsigned id) const {
        return field(id) + load_le<std::uint32_t>(buffer_, field(id));
    }
    std::uint32_t length(unsigned id) const { return load_le<std::uint32_t>(buffer_, target(id)); }
    std::span<const std::byte> bytes(unsigned id) const {
        return buffer_.subspan(target(id) + 4, length(id));
    }
    Table table(unsigned id) const { return {buffer_, target(id)}; }
    Table element(unsigned id, std::size_t index) const {
        const auto at = target(id) + 4 + 4 * index;
        return {buffer_, at + load_le<std::uint32_t>(buffer_, at)};
    }

  private:
    std::span<const std::byte> buffer_;
    std::size_t at_;
};

Metadata sample() {
    return Parts::of(small_spec()).metadata;
}

std::string text_of(std::span<const std::byte> bytes) {
    std::string out;
    for (const auto b : bytes) {
        out += static_cast<char>(b);
    }
    return out;
}

TEST(QpcMetadata, StartsWithTheTerminatorAndRepeatsItself) {
    const auto section = write_metadata(sample());
    const std::array<std::uint8_t, 8> terminator = {1, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_TRUE(
        std::ranges::equal(std::span(section).first(8), std::as_bytes(std::span(terminator))));
    EXPECT_EQ(section, write_metadata(sample()));
}

TEST(QpcMetadata, EveryScalarIsPhysicallyPresentInItsFieldNumber) {
    auto metadata = sample();
    metadata.dynamic_shared_ddr = 0x1112131415161718;
    metadata.network_heap = 0x2122232425262728;
    metadata.vtcm_size = 77;
    const auto section = write_metadata(metadata);
    const auto root = Table::root(std::span(section).subspan(8));
    for (unsigned id = 0; id <= 33; ++id) {
        EXPECT_TRUE(root.has(id)) << "field " << id;
    }
    EXPECT_TRUE(root.has(35));
    EXPECT_TRUE(root.has(36));
    EXPECT_TRUE(root.has(38));
    EXPECT_EQ(root.scalar<std::uint16_t>(0), 1);
    EXPECT_EQ(root.scalar<std::uint16_t>(1), 0);
    EXPECT_EQ(text_of(root.bytes(2)), "small");
    EXPECT_EQ(root.length(3), 3u);
    EXPECT_EQ(root.length(5), 1168u);
    EXPECT_EQ(root.scalar<std::uint64_t>(11), metadata.static_shared_ddr);
    EXPECT_EQ(root.scalar<std::uint64_t>(12), 0x1112131415161718u);
    EXPECT_EQ(root.scalar<std::uint64_t>(13), 12u);
    EXPECT_EQ(root.scalar<std::uint64_t>(15), 1120u);
    EXPECT_EQ(root.scalar<std::uint32_t>(17), 1168u);
    EXPECT_EQ(root.scalar<std::uint16_t>(18), 5);
    EXPECT_EQ(root.scalar<std::uint16_t>(19), 4);
    EXPECT_EQ(root.scalar<std::uint16_t>(20), 2);
    EXPECT_EQ(root.scalar<std::uint8_t>(21), 2);
    EXPECT_EQ(root.scalar<std::uint8_t>(22), 0);
    EXPECT_EQ(root.scalar<std::uint32_t>(30), 77u);
    EXPECT_EQ(root.scalar<std::uint32_t>(31), 2304u);
    EXPECT_EQ(root.scalar<std::uint64_t>(32), 0x2122232425262728u);
    EXPECT_EQ(root.scalar<std::uint64_t>(33), 2 * section.size());
}

TEST(QpcMetadata, RequestsHaveTheirFieldNumbers) {
    const auto section = write_metadata(sample());
    const auto root = Table::root(std::span(section).subspan(8));
    ASSERT_EQ(root.length(6), 4u);
    const auto request = root.element(6, 3);  // the last output
    EXPECT_EQ(request.length(0), 2u);
    EXPECT_EQ(request.scalar<std::uint64_t>(2), 0u);
    EXPECT_EQ(request.scalar<std::uint64_t>(3), 3u * 2048);
    EXPECT_EQ(request.scalar<std::uint32_t>(4), 1u);
    EXPECT_EQ(request.scalar<std::uint16_t>(5), 3);
    EXPECT_EQ(request.scalar<std::uint16_t>(6), 0);
    EXPECT_EQ(request.scalar<std::uint8_t>(7), 1);  // DDR
    EXPECT_EQ(request.scalar<std::uint8_t>(8), 1);  // from the card
    EXPECT_EQ(request.scalar<std::uint16_t>(9), 101);
    EXPECT_EQ(request.scalar<std::uint32_t>(10), 0xffffffffu);
    const auto wait = request.element(0, 0), init = request.element(0, 1);
    EXPECT_EQ(wait.scalar<std::uint16_t>(0), 1);
    EXPECT_EQ(wait.scalar<std::uint16_t>(1), 0);
    EXPECT_EQ(wait.scalar<std::uint8_t>(2), 4);
    EXPECT_EQ(wait.scalar<std::uint8_t>(3), 1);
    EXPECT_EQ(wait.scalar<std::uint8_t>(4), 0);
    EXPECT_EQ(wait.scalar<std::uint8_t>(5), 0);
    EXPECT_EQ(init.scalar<std::uint16_t>(1), 1);
    EXPECT_EQ(init.scalar<std::uint8_t>(2), 1);
    EXPECT_EQ(init.scalar<std::uint8_t>(3), 0);
    const auto doorbell = request.element(1, 0);
    EXPECT_EQ(doorbell.scalar<std::uint64_t>(0), 12u);
    EXPECT_EQ(doorbell.scalar<std::uint32_t>(1), 1u);
    EXPECT_EQ(doorbell.scalar<std::uint16_t>(2), 0);
    EXPECT_EQ(doorbell.scalar<std::uint8_t>(3), 2);  // 32 bits
}

TEST(QpcMetadata, TheNestedExecutionContextIsAlignedAndRefusedByRealFirmware) {
    const auto section = write_metadata(sample());
    const auto buffer = std::span(section).subspan(8);
    const auto nested = Table::root(buffer).bytes(36);
    EXPECT_EQ((nested.data() - buffer.data()) % 8, 0);
    const auto context = Table::root(nested);
    EXPECT_EQ(context.scalar<std::uint32_t>(0), 140u);
    ASSERT_EQ(context.length(1), 34u);
    std::uint32_t required = 0;
    for (std::size_t i = 0; i < 34; ++i) {
        const auto field = context.element(1, i);
        if (field.scalar<std::uint32_t>(3) == 0) {
            EXPECT_EQ(field.scalar<std::uint32_t>(0), kEmulatorOnlyVariable);
            ++required;
        }
    }
    EXPECT_EQ(required, 1u);
    const auto heap = context.element(1, 23);  // networkHeapSize
    EXPECT_EQ(heap.scalar<std::uint32_t>(0), 23u);
    EXPECT_EQ(heap.scalar<std::uint32_t>(1), 8u);
    EXPECT_EQ(heap.scalar<std::uint64_t>(2), 96u);
}

TEST(QpcMetadata, AcceptsAProgramWithoutInitialL2Tcm) {
    auto metadata = sample();
    metadata.l2tcm_init.clear();  // the exit doorbell lies in L2TCM, not in its initial content
    const auto parsed = parse_metadata(write_metadata(metadata));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->exit_doorbell_offset, metadata.exit_doorbell_offset);
    EXPECT_TRUE(parsed->l2tcm_init.empty());
}

TEST(QpcMetadata, ReadsBackWhatWasWritten) {
    auto metadata = sample();
    metadata.semaphore_init = {3, 4095};
    metadata.dynamic_shared_ddr = 4096;
    metadata.network_heap = 9;
    metadata.host_multicast.push_back({0x5, 0x800000});
    metadata.nsp_multicast[2].push_back({8192, 7, 64, TcmSpace::kVtcm, true});
    metadata.requests[1].semaphores[0].in_fence = true;
    metadata.requests[1].semaphores[0].out_fence = true;
    metadata.requests[2].doorbells[0].width_bits = 16;
    const auto parsed = parse_metadata(write_metadata(metadata));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(write_metadata(*parsed), write_metadata(metadata));
    EXPECT_EQ(parsed->semaphore_init, metadata.semaphore_init);
    EXPECT_EQ(parsed->l2tcm_init, metadata.l2tcm_init);
    EXPECT_EQ(parsed->nsp_multicast[2][1].base_offset, 8192u);
    EXPECT_EQ(parsed->nsp_multicast[2][1].space, TcmSpace::kVtcm);
    EXPECT_TRUE(parsed->nsp_multicast[2][1].dynamic);
    EXPECT_EQ(parsed->requests[2].doorbells[0].width_bits, 16);
    EXPECT_TRUE(parsed->requests[1].semaphores[0].in_fence);
    EXPECT_EQ(parsed->context_fields.size(), 34u);
    EXPECT_EQ(parsed->required_fields, metadata.required_fields);
}

TEST(QpcMetadata, AcceptsTheBareFormAndAnyAddress) {
    const auto section = write_metadata(sample());
    const auto bare = std::span(section).subspan(8);
    EXPECT_TRUE(parse_metadata(bare));
    for (std::size_t shift = 0; shift < 8; ++shift) {
        Bytes shifted(shift);
        shifted.insert(shifted.end(), section.begin(), section.end());
        const auto parsed = parse_metadata(std::span(shifted).subspan(shift));
        EXPECT_TRUE(parsed) << shift;
    }
}

TEST(QpcMetadata, TheTerminatorIsOneZeroAndFourIgnoredBytes) {
    auto section = write_metadata(sample());
    store_le<std::uint32_t>(section, 4, 0xdeadbeef);
    EXPECT_TRUE(parse_metadata(section));
    store_le<std::uint16_t>(section, 2, 1);
    EXPECT_FALSE(parse_metadata(section));
    store_le<std::uint32_t>(section, 0, 2);
    EXPECT_FALSE(parse_metadata(section));
}

TEST(QpcMetadata, RefusesTheLegacyStructureAndEmptySections) {
    Bytes legacy(160);
    store_le<std::uint16_t>(legacy, 0, 1);
    const auto parsed = parse_metadata(legacy);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::kFormat);
    EXPECT_NE(parsed.error().message.find("C-structure"), std::string::npos);
    for (std::size_t size = 0; size < 20; ++size) {
        EXPECT_FALSE(parse_metadata(Bytes(size)));
    }
}

TEST(QpcMetadata, KnowsAllFieldsAndRefusesOthers) {
    EXPECT_EQ(known_metadata_fields().size(), 82u);
    auto metadata = sample();
    for (const auto field : known_metadata_fields()) {
        metadata.required_fields.emplace_back(field);
    }
    EXPECT_TRUE(parse_metadata(write_metadata(metadata)));
    metadata.required_fields.push_back("AicMetadataFlat_Metadata->warpDrive");
    const auto parsed = parse_metadata(write_metadata(metadata));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::kUnsupported);
    EXPECT_NE(parsed.error().message.find("warpDrive"), std::string::npos);
}

/// One change, the class of error, and a part of the sentence.
struct Damage {
    const char* name;
    Errc code;
    const char* words;
    std::function<void(Metadata&)> change;
};
void PrintTo(const Damage& damage, std::ostream* out) {
    *out << damage.name;
}

class QpcMetadataDamage : public testing::TestWithParam<Damage> {};

TEST_P(QpcMetadataDamage, IsRefusedWithItsSentence) {
    auto metadata = sample();
    GetParam().change(metadata);
    const auto parsed = parse_metadata(write_metadata(metadata));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, GetParam().code);
    EXPECT_NE(parsed.error().message.find(GetParam().words), std::string::npos)
        << parsed.error().message;
}

const Damage kDamages[] = {
    {"MajorVersion", Errc::kUnsupported, "version 2 is not 1",
     [](Metadata& m) { m.version_major = 2; }},
    {"EmptyName", Errc::kFormat, "networkName is empty",
     [](Metadata& m) { m.network_name.clear(); }},
    {"NoNsp", Errc::kFormat, "numNSPs is 0", [](Metadata& m) { m.num_nsps = 0; }},
    {"TooManyNsps", Errc::kFormat, "numNSPs is 17", [](Metadata& m) { m.num_nsps = 17; }},
    {"NoMulticastTable", Errc::kFormat, "0 NSP multicast tables",
     [](Metadata& m) { m.nsp_multicast.clear(); }},
    {"TooFewMulticastTables", Errc::kFormat, "3 NSP multicast tables for 4",
     [](Metadata& m) { m.nsp_multicast.pop_back(); }},
    {"HugeWindow", Errc::kFormat, "larger than its window",
     [](Metadata& m) { m.host_multicast[0].size = 0x800001; }},
    {"TooManySemaphores", Errc::kFormat, "numSemaphores is 33",
     [](Metadata& m) {
         m.num_semaphores = 33;
         m.semaphore_init.resize(33);
     }},
    {"MissingSemaphoreInit", Errc::kFormat, "numSemaphores is 2 with 1",
     [](Metadata& m) { m.semaphore_init = {0}; }},
    {"InitialValue", Errc::kFormat, "4096", [](Metadata& m) { m.semaphore_init[0] = 4096; }},
    {"SemaphoreNumber", Errc::kFormat, "uses semaphore 2",
     [](Metadata& m) { m.requests[0].semaphores[0].sem = 2; }},
    {"SemaphoreValue", Errc::kFormat, "semaphore value 4096",
     [](Metadata& m) { m.requests[0].semaphores[0].value = 4096; }},
    {"FiveSemaphoreOps", Errc::kFormat, "5 semaphore operations",
     [](Metadata& m) { m.requests[0].semaphores.resize(5); }},
    {"TwoPresyncs", Errc::kFormat, "waits for 2 semaphores",
     [](Metadata& m) { m.requests[0].semaphores.push_back(m.requests[0].semaphores[0]); }},
    {"SemaphoreOpcode", Errc::kFormat, "semaphore operation 7",
     [](Metadata& m) { m.requests[0].semaphores[0].op = static_cast<SemOp>(7); }},
    {"TwoDoorbells", Errc::kFormat, "2 doorbells",
     [](Metadata& m) { m.requests[0].doorbells.push_back(m.requests[0].doorbells[0]); }},
    {"DoorbellMcid", Errc::kFormat, "outside the host multicast windows",
     [](Metadata& m) { m.requests[0].doorbells[0].mcid = 1; }},
    {"DoorbellOffset", Errc::kFormat, "outside the host multicast windows",
     [](Metadata& m) { m.requests[0].doorbells[0].offset = (8u << 20) - 3; }},
    {"DoorbellOffsetWraps", Errc::kFormat, "outside the host multicast windows",
     [](Metadata& m) { m.requests[0].doorbells[0].offset = ~std::uint64_t{0}; }},
    {"DoorbellAlignment", Errc::kFormat, "not aligned",
     [](Metadata& m) { m.requests[0].doorbells[0].offset = 2; }},
    {"DoorbellWidth", Errc::kFormat, "doorbell size 3",
     [](Metadata& m) { m.requests[0].doorbells[0].width_bits = 64; }},
    {"AddressSpace", Errc::kFormat, "address space 3",
     [](Metadata& m) { m.requests[0].space = static_cast<AddrSpace>(3); }},
    {"MulticastMemory", Errc::kFormat, "memory 2",
     [](Metadata& m) { m.nsp_multicast[0][0].space = static_cast<TcmSpace>(2); }},
    {"L2TcmSize", Errc::kFormat, "more than an NSP has",
     [](Metadata& m) { m.l2tcm_size = (1u << 20) + 1; }},
    {"VtcmSize", Errc::kFormat, "more than an NSP has",
     [](Metadata& m) { m.vtcm_size = (8u << 20) + 1; }},
    {"L2TcmInitTooLarge", Errc::kFormat, "leave the 100 bytes of L2TCM",
     [](Metadata& m) { m.l2tcm_size = 100; }},
    {"ExitDoorbell", Errc::kFormat, "exit doorbell",
     [](Metadata& m) { m.exit_doorbell_offset = std::numeric_limits<std::uint64_t>::max(); }},
    {"ConstantMapping", Errc::kFormat, "constant mapping",
     [](Metadata& m) { m.constant_mappings[0].offset = 1; }},
    {"ConstantMappingWraps", Errc::kFormat, "constant mapping",
     [](Metadata& m) { m.constant_mappings[0].offset = ~std::uint64_t{0}; }},
};

INSTANTIATE_TEST_SUITE_P(Each, QpcMetadataDamage, testing::ValuesIn(kDamages),
                         [](const auto& param) { return param.param.name; });

TEST(QpcMetadata, RefusesAMulticastTableWithoutItsEntries) {
    auto section = write_metadata(sample());
    const auto buffer = std::span(section).subspan(8);
    const auto table = Table::root(buffer).element(7, 0);
    // The one slot of the table's vtable set to "absent".
    const auto distance =
        static_cast<std::int32_t>(load_le<std::uint32_t>(buffer, table.position()));
    store_le<std::uint16_t>(buffer, table.position() - static_cast<std::size_t>(distance) + 4, 0);
    const auto refused = parse_metadata(section);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("NSP multicast table 0 has no entries vector"),
              std::string::npos)
        << refused.error().message;
}

TEST(QpcMetadata, RefusesADamagedExecutionContextAndAWrongInitSize) {
    const auto section = write_metadata(sample());
    const auto root = Table::root(std::span(section).subspan(8));
    auto context = section;
    const auto nested_at = static_cast<std::size_t>(root.bytes(36).data() - section.data());
    store_le<std::uint32_t>(context, nested_at, 0xfffffff0);
    const auto refused = parse_metadata(context);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("execution context"), std::string::npos)
        << refused.error().message;
    auto init = section;
    store_le<std::uint32_t>(init, 8 + root.field(17), 1000);
    EXPECT_NE(parse_metadata(init).error().message.find("L2TCMInitSize is 1000"),
              std::string::npos);
}

}  // namespace
}  // namespace qaicrt::qpc::test
