// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/test/fixtures.hpp"
#include "libqaicrt/qpc/test/worked_examples.hpp"

#include <limits>

namespace qaicrt::qpc::test {
namespace {

ProgramSpec worked_spec() {
    ProgramSpec spec;
    spec.name = "t";
    spec.inputs = {tensor("inputBuff_0", DataType::kInt8, {64})};
    spec.outputs = {tensor("outputBuff_0", DataType::kInt8, {64})};
    return spec;
}

TEST(QpcNetworkDesc, ReadsTheWorkedExample) {
    const auto desc = parse_network_desc(from_hex(kNetworkDescription));
    ASSERT_TRUE(desc) << desc.error().message;
    EXPECT_EQ(desc->major_version, 9u);
    EXPECT_EQ(desc->minor_version, 0u);
    EXPECT_EQ(desc->name, "t");
    ASSERT_EQ(desc->inputs.size(), 1u);
    ASSERT_EQ(desc->outputs.size(), 1u);
    const auto& input = desc->inputs[0];
    EXPECT_EQ(input.name, "inputBuff_0");
    EXPECT_EQ(input.initial.type, DataType::kInt8);
    EXPECT_EQ(input.initial.dims, std::vector<std::int32_t>{64});
    EXPECT_EQ(input.align, 1u);
    EXPECT_FALSE(input.partial_allowed);
    ASSERT_EQ(input.transforms.size(), 1u);
    EXPECT_EQ(input.transforms[0].kind, TransformKind::kCopyDmaBuffer);
    EXPECT_EQ(input.transforms[0].result.scale, 1.0F);
    EXPECT_EQ(input.transforms[0].copy_direction, Direction::kToDevice);
    EXPECT_EQ(input.transforms[0].copy_buffer, 0u);
    const auto& output = desc->outputs[0].transforms.at(0);
    EXPECT_EQ(output.copy_direction, Direction::kFromDevice);
    EXPECT_EQ(output.copy_buffer, 1u);
    ASSERT_EQ(desc->dma_buffers.size(), 2u);
    EXPECT_EQ(desc->dma_buffers[0].size, 64u);
    EXPECT_EQ(desc->dma_buffers[0].direction, Direction::kToDevice);
    EXPECT_EQ(desc->dma_buffers[1].direction, Direction::kFromDevice);
    EXPECT_EQ(desc->num_cores, 1u);
    EXPECT_EQ(desc->num_threads, 4u);
    EXPECT_EQ(desc->batch_size, 1);
}

TEST(QpcNetworkDesc, WritesTheWorkedExample) {
    const auto example = from_hex(kNetworkDescription);
    const auto desc = parse_network_desc(example);
    ASSERT_TRUE(desc);
    EXPECT_EQ(write_network_desc(*desc), example);
}

TEST(QpcNetworkDesc, TheBuilderDescribesTheSameProgram) {
    auto expected = *parse_network_desc(from_hex(kNetworkDescription));
    expected.outputs[0].align = 1;
    const auto qpc = built(worked_spec());
    EXPECT_EQ(write_network_desc(parse_program(qpc)->description), write_network_desc(expected));
}

TEST(QpcNetworkDesc, AcceptsUnpackedRepeatedNumbersAndUnknownFields) {
    // One input: name "a", io_initial { type 8, dims 2, dims 3 } as two plain varints; then field
    // 100.
    const auto bytes = from_hex(
        "08 09 "
        "22 0D 0A 01 61 12 08 08 08 20 02 20 03 28 00 "
        "A2 06 01 00");
    const auto desc = parse_network_desc(bytes);
    ASSERT_TRUE(desc) << desc.error().message;
    EXPECT_EQ(desc->inputs.at(0).initial.dims, (std::vector<std::int32_t>{2, 3}));
}

TEST(QpcNetworkDesc, SkipsLargeStatisticsAndRefusesHugeLists) {
    auto with_stats = from_hex(kNetworkDescription);
    const auto tag_and_length = from_hex("62 80 80 80 04");  // field 12, 8 MiB
    with_stats.insert(with_stats.end(), tag_and_length.begin(), tag_and_length.end());
    with_stats.resize(with_stats.size() + (std::size_t{8} << 20));
    const auto desc = parse_network_desc(with_stats);
    ASSERT_TRUE(desc) << desc.error().message;
    EXPECT_EQ(desc->inputs.size(), 1u);

    auto bindings = from_hex("08 09");
    for (int i = 0; i < 2'000'000; ++i) {
        bindings.push_back(std::byte{0x22});
        bindings.push_back(std::byte{0x00});
    }
    const auto refused = parse_network_desc(bindings);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("need more than"), std::string::npos);
}

TEST(QpcNetworkDesc, RefusesFieldsThatLeaveTheMessage) {
    for (const auto* hex :
         {"08", "08 80", "62 05 00", "0D 00 00", "09 00", "0B", "62 FF FF FF FF FF FF FF FF FF 01",
          "FF FF FF FF FF FF FF FF FF FF 01"}) {
        const auto parsed = parse_network_desc(from_hex(hex));
        ASSERT_FALSE(parsed) << hex;
        EXPECT_NE(parsed.error().message.find("damaged"), std::string::npos) << hex;
    }
}

NetworkDescription sample() {
    return Parts::of(small_spec()).description;
}

Error refusal(const NetworkDescription& desc) {
    const auto parsed = parse_network_desc(write_network_desc(desc));
    return parsed ? Error{Errc::kOk, "accepted"} : parsed.error();
}

TEST(QpcNetworkDesc, ReadsBackWhatWasWritten) {
    auto desc = sample();
    desc.inputs[0].initial.scale = 0.25F;
    desc.inputs[0].initial.offset = -3;
    desc.inputs[0].transforms[0].shuffle = {1, 0};
    const auto parsed = parse_network_desc(write_network_desc(desc));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->inputs[0].initial.scale, 0.25F);
    EXPECT_EQ(parsed->inputs[0].initial.offset, -3);
    EXPECT_EQ(parsed->inputs[0].transforms[0].shuffle, (std::vector<std::int32_t>{1, 0}));
    EXPECT_EQ(write_network_desc(*parsed), write_network_desc(desc));
}

TEST(QpcNetworkDesc, RefusesAnotherMajorVersion) {
    auto desc = sample();
    desc.major_version = 8;
    EXPECT_EQ(refusal(desc).code, Errc::kUnsupported);
    EXPECT_NE(refusal(desc).message.find("version 8 is not 9"), std::string::npos);
}

TEST(QpcNetworkDesc, RefusesDamagedProtobuf) {
    const auto example = from_hex(kNetworkDescription);
    const auto cut = parse_network_desc(std::span(example).first(30));
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Errc::kFormat);
    EXPECT_NE(cut.error().message.find("damaged"), std::string::npos);
}

TEST(QpcNetworkDesc, RefusesNumbersOutsideTheEnums) {
    auto type = sample();
    type.inputs[0].initial.type = static_cast<DataType>(9);
    EXPECT_NE(refusal(type).message.find("data type 9"), std::string::npos);
    auto layout = sample();
    layout.outputs[0].transformed.layout = 11;
    EXPECT_NE(refusal(layout).message.find("layout 11"), std::string::npos);
    auto kind = sample();
    kind.inputs[1].transforms[0].kind = static_cast<TransformKind>(7);
    EXPECT_NE(refusal(kind).message.find("transform kind 7"), std::string::npos);
    EXPECT_EQ(refusal(kind).code, Errc::kFormat);
    const auto direction = parse_network_desc(from_hex("08 09 32 04 08 40 10 02"));
    ASSERT_FALSE(direction);
    EXPECT_NE(direction.error().message.find("direction 2"), std::string::npos);
}

TEST(QpcNetworkDesc, RefusesNegativeAndOverflowingSizes) {
    auto negative = sample();
    negative.inputs[0].initial.dims = {4, -1};
    EXPECT_NE(refusal(negative).message.find("'x' has a negative dimension"), std::string::npos);
    auto overflow = sample();
    overflow.inputs[0].initial.dims.assign(4, std::numeric_limits<std::int32_t>::max());
    EXPECT_NE(refusal(overflow).message.find("overflows"), std::string::npos);
    auto not_a_number = sample();
    not_a_number.inputs[0].initial.scale = std::numeric_limits<float>::quiet_NaN();
    EXPECT_NE(refusal(not_a_number).message.find("not a number"), std::string::npos);
}

TEST(QpcNetworkDesc, RefusesBindingsWithoutNameTwiceNamedOrWithoutBuffer) {
    auto nameless = sample();
    nameless.inputs[0].name.clear();
    EXPECT_NE(refusal(nameless).message.find("no name"), std::string::npos);
    auto twice = sample();
    twice.inputs[1].name = "x";
    EXPECT_NE(refusal(twice).message.find("two inputs are called 'x'"), std::string::npos);
    auto both_sides = sample();
    both_sides.outputs[0].name = "x";
    EXPECT_EQ(refusal(both_sides).code, Errc::kOk);
    auto buffer = sample();
    buffer.outputs[1].transforms[0].copy_buffer = 4;
    EXPECT_NE(refusal(buffer).message.find("uses DMA buffer 4, but there are 4"),
              std::string::npos);
}

TEST(QpcNetworkDesc, DoesNotRepeatControlCharactersOfAHostileName) {
    auto desc = sample();
    desc.inputs[0].name = "\x1b[31m" + std::string(200, 'a');
    desc.inputs[0].initial.dims = {-1};
    const auto message = refusal(desc).message;
    EXPECT_EQ(message.find('\x1b'), std::string::npos);
    EXPECT_LT(message.size(), 250u);
}

TEST(QpcTensorInfo, IsTheUsersSideOfABinding) {
    auto binding = tensor("x", DataType::kUInt8Q, {2, 3});
    binding.initial.scale = 0.5F;
    binding.initial.offset = 7;
    binding.transformed.type = DataType::kFloat;
    binding.transformed.dims = {5};
    const auto input = to_tensor_info(binding, Direction::kToDevice);
    ASSERT_TRUE(input);
    EXPECT_EQ(input->name, "x");
    EXPECT_EQ(input->type, DataType::kUInt8Q);
    EXPECT_EQ(input->dims, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(input->bytes, 6u);
    EXPECT_EQ(input->scale, 0.5F);
    EXPECT_EQ(input->offset, 7);
    EXPECT_EQ(input->direction, Direction::kToDevice);
    const auto output = to_tensor_info(binding, Direction::kFromDevice);
    ASSERT_TRUE(output);
    EXPECT_EQ(output->bytes, 20u);
    EXPECT_EQ(output->scale, 1.0F);
}

TEST(QpcTensorInfo, CountsZeroDimensionsAsOneAndNoDimensionsAsOneElement) {
    const auto zero = to_tensor_info(tensor("x", DataType::kInt64I, {0, 3}), Direction::kToDevice);
    ASSERT_TRUE(zero);
    EXPECT_EQ(zero->bytes, 24u);
    EXPECT_EQ(zero->dims, (std::vector<std::int64_t>{1, 3}));
    const auto scalar = to_tensor_info(tensor("x", DataType::kFloat16, {}), Direction::kToDevice);
    ASSERT_TRUE(scalar);
    EXPECT_EQ(scalar->bytes, 2u);
    EXPECT_TRUE(scalar->dims.empty());
}

TEST(QpcTensorInfo, RefusesNegativeAndOverflowingSizes) {
    EXPECT_FALSE(to_tensor_info(tensor("x", DataType::kFloat, {-2}), Direction::kToDevice));
    const std::int32_t big = std::numeric_limits<std::int32_t>::max();
    EXPECT_FALSE(to_tensor_info(tensor("x", DataType::kInt64I, {big, big}), Direction::kToDevice));
}

TEST(QpcNames, EveryTypeAndKindHasOne) {
    EXPECT_STREQ(data_type_name(DataType::kUInt8Q), "UInt8QTy");
    EXPECT_STREQ(data_type_name(static_cast<DataType>(9)), "InvalidTy");
    EXPECT_STREQ(errc_name(Errc::kFormat), "format");
    EXPECT_STREQ(errc_name(static_cast<Errc>(99)), "unknown");
    EXPECT_STREQ(transform_kind_name(TransformKind::kTranspose), "TransposeTransform");
    EXPECT_STREQ(transform_kind_name(static_cast<TransformKind>(7)), "UnknownTransform");
}

}  // namespace
}  // namespace qaicrt::qpc::test
