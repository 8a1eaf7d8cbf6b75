// SPDX-License-Identifier: Apache-2.0
/// Initializers: every storage form, every size check, and folding at load.
#include "emu/net/test/model_builder.hpp"

namespace qaicnet::test {
namespace {

/// y = Identity(w) for an initializer that the caller fills.
ModelBuilder identity_of(onnx::TensorProto*& tensor, int type, const Dims& dims) {
    ModelBuilder m;
    tensor = m.model.mutable_graph()->add_initializer();
    tensor->set_name("w");
    tensor->set_data_type(type);
    for (const auto dim : dims) {
        tensor->add_dims(dim);
    }
    m.node("Identity", {"w"}, {"y"});
    m.output("y");
    return m;
}

TEST(Constants, TypedFieldsOfEveryWidthAreRead) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder f = identity_of(t, 1, {2});
    t->add_float_data(1.5f);
    t->add_float_data(-2);
    EXPECT_EQ(run<float>(f, {}), (std::vector<float>{1.5f, -2}));
    ModelBuilder d = identity_of(t, 11, {1});
    t->add_double_data(0.1);
    EXPECT_EQ(run<double>(d, {}), (std::vector<double>{0.1}));
    ModelBuilder i8 = identity_of(t, 3, {2});
    t->add_int32_data(-1);
    t->add_int32_data(127);
    EXPECT_EQ(run<std::int8_t>(i8, {}), (std::vector<std::int8_t>{-1, 127}));
    ModelBuilder u16 = identity_of(t, 4, {1});
    t->add_int32_data(65535);
    EXPECT_EQ(run<std::uint16_t>(u16, {}), (std::vector<std::uint16_t>{65535}));
    ModelBuilder i64 = identity_of(t, 7, {1});
    t->add_int64_data(-5'000'000'000);
    EXPECT_EQ(run<std::int64_t>(i64, {}), (std::vector<std::int64_t>{-5'000'000'000}));
    ModelBuilder u32 = identity_of(t, 12, {1});
    t->add_uint64_data(4'000'000'000u);
    EXPECT_EQ(run<std::uint32_t>(u32, {}), (std::vector<std::uint32_t>{4'000'000'000u}));
    ModelBuilder u64 = identity_of(t, 13, {1});
    t->add_uint64_data(~std::uint64_t{0});
    EXPECT_EQ(run<std::uint64_t>(u64, {}), (std::vector<std::uint64_t>{~std::uint64_t{0}}));
}

TEST(Constants, HalvesInInt32DataAreBitPatterns) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 10, {2});
    t->add_int32_data(0x3c00);
    t->add_int32_data(0xc000);
    const auto y = run<Half>(m, {});
    ASSERT_EQ(y.size(), 2u);
    EXPECT_EQ(half_to_float(y[0]), 1.0f);
    EXPECT_EQ(half_to_float(y[1]), -2.0f);
}

TEST(Constants, BooleansBecomeZeroOrOne) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 9, {3});
    t->set_raw_data(std::string("\x00\x07\x01", 3));
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    const auto y = run_bytes(**network, {});
    ASSERT_TRUE(y);
    EXPECT_EQ(as_vector<std::uint8_t>((*y)[0]), (std::vector<std::uint8_t>{0, 1, 1}));
}

TEST(Constants, ACountThatDoesNotFitTheDimensionsIsRefused) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder raw = identity_of(t, 1, {2});
    t->set_raw_data(std::string(7, 'x'));
    EXPECT_NE(load_error(raw).find("7 bytes"), std::string::npos) << load_error(raw);
    ModelBuilder typed = identity_of(t, 1, {2});
    t->add_float_data(1);
    EXPECT_NE(load_error(typed).find("1 elements"), std::string::npos) << load_error(typed);
    ModelBuilder wrong_field = identity_of(t, 1, {1});
    t->add_int64_data(1);
    EXPECT_NE(load_error(wrong_field), "");
}

TEST(Constants, AnEmptyRawFieldBesideATypedOneIsIgnored) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 1, {1});
    t->set_raw_data("");
    t->add_float_data(2.5f);
    EXPECT_EQ(run<float>(m, {}), (std::vector<float>{2.5f}));
}

TEST(Constants, HostileDimensionsAreErrors) {
    constexpr std::int64_t kHuge = std::int64_t{1} << 62;
    for (const Dims& dims : {Dims{-1}, Dims{kHuge, 8}, Dims{kHuge, kHuge, kHuge},
                             Dims{0, kHuge, kHuge}, Dims(100, 1)}) {
        onnx::TensorProto* t = nullptr;
        ModelBuilder m = identity_of(t, 1, dims);
        const std::string error = load_error(m);
        EXPECT_NE(error, "") << dims.size();
        EXPECT_NE(error.find("'w'"), std::string::npos) << error;
    }
}

TEST(Constants, AHugeClaimWithoutDataDoesNotAllocate) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 1, {std::int64_t{1} << 40});
    t->add_float_data(1);
    EXPECT_NE(load_error(m).find("1 elements"), std::string::npos) << load_error(m);
}

ModelBuilder external_model(const std::string& location, const std::string& offset,
                            const std::string& length) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 1, {2});
    t->set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] :
         {std::pair{std::string("location"), location}, {"offset", offset}, {"length", length}}) {
        if (!value.empty()) {
            auto* entry = t->add_external_data();
            entry->set_key(key);
            entry->set_value(value);
        }
    }
    return m;
}

TEST(Constants, WeightsInConstantsBinAreReadAlignedOrNot) {
    std::vector<std::byte> blob(64);
    const float values[] = {3, 4};
    for (const std::size_t offset : {std::size_t{16}, std::size_t{17}, std::size_t{56}}) {
        std::memcpy(blob.data() + offset, values, sizeof(values));
        const auto m = external_model("constants.bin", std::to_string(offset), "8");
        auto network = load(m, {}, blob);
        ASSERT_TRUE(network) << network.error().message;
        const auto y = run_bytes(**network, {});
        ASSERT_TRUE(y);
        EXPECT_EQ(as_vector<float>((*y)[0]), (std::vector<float>{3, 4}));
    }
}

TEST(Constants, ExternalDataOutOfBoundsIsRefused) {
    const std::vector<std::byte> blob(64);
    for (const auto& [offset, length] :
         {std::pair{"57", "8"}, {"64", "8"}, {"18446744073709551615", "8"}, {"60", ""}}) {
        const std::string error =
            load_error(external_model("constants.bin", offset, length), {}, blob);
        EXPECT_NE(error.find("constants.bin"), std::string::npos) << error;
    }
    EXPECT_NE(load_error(external_model("constants.bin", "0", "4"), {}, blob), "");
    EXPECT_NE(load_error(external_model("constants.bin", "-8", "8"), {}, blob).find("not a number"),
              std::string::npos);
    EXPECT_NE(load_error(external_model("weights.data", "0", "8"), {}, blob).find("'weights.data'"),
              std::string::npos);
}

TEST(Constants, AnInitializerThatIsAlsoAnInputIsAConstant) {
    ModelBuilder m;
    m.model.set_ir_version(3);
    m.input("x", ElemType::kFloat, {2});
    m.input("w", ElemType::kFloat, {2});
    m.constant<float>("w", {2}, {10, 20});
    m.node("Add", {"x", "w"}, {"y"});
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->inputs().size(), 1u);
    const std::vector<float> x{1, 2};
    EXPECT_EQ(run<float>(m, {bytes_of(x)}), (std::vector<float>{11, 22}));
}

TEST(Constants, SparseInitializersAreRefused) {
    onnx::TensorProto* t = nullptr;
    ModelBuilder m = identity_of(t, 1, {0});
    m.model.mutable_graph()->add_sparse_initializer();
    EXPECT_NE(load_error(m).find("sparse"), std::string::npos);
}

TEST(Constants, ConstantSubgraphsAreFoldedAndMayGiveShapes) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 6});
    m.constant<std::int64_t>("a", {2}, {1, 2});
    m.constant<std::int64_t>("b", {2}, {2, 2});
    m.node("Add", {"a", "b"}, {"shape"});  // 3, 4
    m.node("Reshape", {"x", "shape"}, {"y"});
    m.output("y");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    EXPECT_EQ((*network)->outputs()[0].dims, (Dims{3, 4}));
    EXPECT_TRUE((*network)->steps().empty());
}

TEST(Constants, EveryNumericFormOfConstantWorks) {
    ModelBuilder m(13);
    m.node("Constant", {}, {"i"}).attr("value_int", 3);
    m.node("Constant", {}, {"is"}).attr("value_ints", Dims{4, 5});
    m.node("Add", {"i", "is"}, {"y"});
    m.output("y");
    EXPECT_EQ(run<std::int64_t>(m, {}), (std::vector<std::int64_t>{7, 8}));

    ModelBuilder f(13);
    f.node("Constant", {}, {"f"}).attr("value_float", 0.5f);
    auto* floats = f.node("Constant", {}, {"fs"}).add("value_floats", onnx::AttributeProto::FLOATS);
    floats->add_floats(1);
    floats->add_floats(2);
    f.node("Mul", {"f", "fs"}, {"p"});
    ModelBuilder::fill<float>(
        f.node("Constant", {}, {"t"}).add("value", onnx::AttributeProto::TENSOR)->mutable_t(), "",
        {2}, {10, 20});
    f.node("Add", {"p", "t"}, {"y"});
    f.output("y");
    EXPECT_EQ(run<float>(f, {}), (std::vector<float>{10.5f, 21}));

    ModelBuilder s(13);
    s.node("Constant", {}, {"y"}, "text").attr("value_string", "hello");
    s.output("y");
    EXPECT_NE(load_error(s).find("'text'"), std::string::npos);
}

TEST(Constants, AGraphOutputMayBeAnInputOrAConstant) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2});
    m.constant<float>("w", {1}, {7});
    m.output("x").output("w");
    auto network = load(m);
    ASSERT_TRUE(network) << network.error().message;
    const std::vector<float> x{1, 2};
    const auto y = run_bytes(**network, {bytes_of(x)});
    ASSERT_TRUE(y);
    EXPECT_EQ(as_vector<float>((*y)[0]), x);
    EXPECT_EQ(as_vector<float>((*y)[1]), (std::vector<float>{7}));
}

}  // namespace
}  // namespace qaicnet::test
