// SPDX-License-Identifier: Apache-2.0
/// Reading model files: damaged bytes, and external data that must stay inside the model's folder.
#include "emu/net/model_io.hpp"

#include "emu/net/test/model_builder.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace qaicnet::test {
namespace {

namespace fs = std::filesystem;

class ModelIo : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "qaic-net-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
        fs::create_directories(root_ / "model" / "sub");
        write(root_ / "secret.data", "secretsecret");
    }
    void TearDown() override { fs::remove_all(root_); }

    static void write(const fs::path& path, const std::string& text) {
        std::ofstream(path, std::ios::binary) << text;
    }

    /// A model whose only weight, two floats, is in the file `location`.
    static ModelBuilder external(const std::string& location, const std::string& offset = "",
                                 const std::string& length = "") {
        ModelBuilder m;
        auto* t = m.model.mutable_graph()->add_initializer();
        t->set_name("w");
        t->set_data_type(1);
        t->add_dims(2);
        t->set_data_location(onnx::TensorProto::EXTERNAL);
        for (const auto& [key, value] : {std::pair{std::string("location"), location},
                                         {"offset", offset},
                                         {"length", length}}) {
            if (!value.empty()) {
                auto* entry = t->add_external_data();
                entry->set_key(key);
                entry->set_value(value);
            }
        }
        m.node("Identity", {"w"}, {"y"});
        m.output("y");
        return m;
    }

    std::string error_of(ModelBuilder m) const {
        const auto status = resolve_external_data(m.model, (root_ / "model").string());
        return status ? "" : status.error().message;
    }

    fs::path root_;
};

TEST_F(ModelIo, ModelsRoundTripAndDamageIsOneSentence) {
    const std::string bytes = external("w").model.SerializeAsString();
    const auto span = std::as_bytes(std::span(bytes));
    EXPECT_TRUE(parse_model(span));
    for (const std::size_t cut : {std::size_t{1}, bytes.size() / 2, bytes.size() - 1}) {
        const auto damaged = parse_model(span.first(cut));
        if (!damaged) {
            EXPECT_EQ(damaged.error().code, qaicrt::Errc::kFormat);
        }
    }
    EXPECT_FALSE(parse_model({}));
    const std::string text = "this is not a model";
    EXPECT_FALSE(parse_model(std::as_bytes(std::span(text))));
}

TEST_F(ModelIo, DeepNestingIsRefused) {
    onnx::ModelProto model;
    onnx::GraphProto* graph = model.mutable_graph();
    for (int i = 0; i < 200; ++i) {
        auto* attribute = graph->add_node()->add_attribute();
        attribute->set_name("body");
        graph = attribute->mutable_g();
    }
    const std::string bytes = model.SerializeAsString();
    EXPECT_FALSE(parse_model(std::as_bytes(std::span(bytes))));
}

TEST_F(ModelIo, DataInsideTheFolderIsRead) {
    const float values[] = {0, 5, 6};
    const std::string blob(reinterpret_cast<const char*>(values), sizeof(values));
    write(root_ / "model" / "sub" / "w.data", blob);
    ModelBuilder m = external("sub/w.data", "4", "8");
    const auto status = resolve_external_data(m.model, (root_ / "model").string());
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(run<float>(m, {}), (std::vector<float>{5, 6}));
    EXPECT_EQ(error_of(external("./sub/w.data", "4")), "");
}

TEST_F(ModelIo, EveryWayOutOfTheFolderIsRefused) {
    fs::create_symlink(root_ / "secret.data", root_ / "model" / "link.data");
    fs::create_symlink(root_, root_ / "model" / "up");
    for (const std::string& path :
         {std::string("../secret.data"), std::string("sub/../../secret.data"),
          (root_ / "secret.data").string(), std::string("link.data"), std::string("up/secret.data"),
          std::string("/etc/passwd"), std::string("sub/..")}) {
        const std::string error = error_of(external(path, "0", "8"));
        EXPECT_NE(error.find("'w'"), std::string::npos) << path << ": " << error;
        EXPECT_NE(error.find("inside the model's folder"), std::string::npos) << error;
    }
}

TEST_F(ModelIo, ALinkThatStaysInsideIsFollowed) {
    write(root_ / "model" / "sub" / "w.data", "12345678");
    fs::create_symlink("sub/w.data", root_ / "model" / "inner.data");
    EXPECT_EQ(error_of(external("inner.data")), "");
}

TEST_F(ModelIo, OffsetsAndLengthsAreChecked) {
    write(root_ / "model" / "w.data", "12345678");
    EXPECT_EQ(error_of(external("w.data", "0", "8")), "");
    for (const auto& [offset, length] : {std::pair{"1", "8"},
                                         {"9", ""},
                                         {"0", "18446744073709551615"},
                                         {"18446744073709551615", "8"}}) {
        EXPECT_NE(error_of(external("w.data", offset, length)).find("of 8 bytes"),
                  std::string::npos)
            << offset;
    }
    EXPECT_NE(error_of(external("w.data", "x")).find("not a number"), std::string::npos);
    EXPECT_NE(error_of(external("")), "");
}

TEST_F(ModelIo, MissingFilesAndFoldersAreNamed) {
    ModelBuilder m = external("gone.data");
    const auto status = resolve_external_data(m.model, (root_ / "model").string());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, qaicrt::Errc::kNotFound);
    EXPECT_NE(status.error().message.find("gone.data"), std::string::npos);
    EXPECT_EQ(status.error().sys_errno, ENOENT);
    EXPECT_NE(error_of(external("sub")).find("regular file"), std::string::npos);
}

}  // namespace
}  // namespace qaicnet::test
