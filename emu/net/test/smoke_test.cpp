// SPDX-License-Identifier: Apache-2.0
/// Whole models through load() and run().
#include "emu/net/model_io.hpp"
#include "emu/net/test/model_builder.hpp"

#include <fstream>
#include <iterator>

namespace qaicnet::test {
namespace {

std::vector<std::byte> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> chars((std::istreambuf_iterator<char>(file)),
                                  std::istreambuf_iterator<char>());
    std::vector<std::byte> bytes(chars.size());
    std::memcpy(bytes.data(), chars.data(), chars.size());
    return bytes;
}

TEST(Smoke, GemmReluCastAddRunInOneGraph) {
    ModelBuilder m;
    m.input("x", ElemType::kFloat, {2, 3});
    m.constant<float>("w", {3, 2}, {1, 2, 3, 4, 5, 6});
    m.constant<float>("b", {2}, {-100, 1});
    m.node("Gemm", {"x", "w", "b"}, {"g"});
    m.node("Relu", {"g"}, {"r"});
    m.node("Identity", {"r"}, {"i"});
    m.node("Cast", {"i"}, {"c"}).attr("to", 7);
    m.node("Add", {"c", "c"}, {"y"});
    m.output("y");
    const std::vector<float> x{1, 1, 1, 10, 10, 10};
    EXPECT_EQ(run<std::int64_t>(m, {bytes_of(x)}), (std::vector<std::int64_t>{0, 26, 0, 242}));
}

TEST(Smoke, TheQuestionsModelGivesTheExactSum) {
    const auto bytes = read_file(QAIC_SOURCE_DIR "/tests/models/my_model_a.onnx");
    auto model = parse_model(bytes);
    ASSERT_TRUE(model) << model.error().message;
    auto network = Network::load(**model, {});
    ASSERT_TRUE(network) << network.error().message;
    ASSERT_EQ((*network)->inputs().size(), 1u);
    const std::vector<float> x((*network)->inputs()[0].bytes() / sizeof(float), 1.0f);
    auto out = run_bytes(**network, {bytes_of(x)});
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(as_vector<float>((*out)[0])[0], 9.984375f);
}

}  // namespace
}  // namespace qaicnet::test
