// SPDX-License-Identifier: Apache-2.0
/// What can be wrong with the model's file and with the output directory.
#include "compiler/model_file.hpp"
#include "compiler/output_file.hpp"
#include "compiler/test/model_builder.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace qaicc::test {
namespace {

namespace fs = std::filesystem;
using qaicrt::Errc;
using Bytes = std::vector<std::byte>;

/// Permissions do not bind root: while this lives, the effective user is another one, who owns
/// `folder`.
class OrdinaryUser {
  public:
    explicit OrdinaryUser(const fs::path& folder) : was_root_(::geteuid() == 0) {
        constexpr uid_t kNobody = 65534;
        if (was_root_) {
            EXPECT_EQ(::chown(folder.c_str(), kNobody, kNobody), 0);
            EXPECT_EQ(::seteuid(kNobody), 0);
        }
    }
    ~OrdinaryUser() {
        if (was_root_) {
            EXPECT_EQ(::seteuid(0), 0);
        }
    }
    OrdinaryUser(const OrdinaryUser&) = delete;
    OrdinaryUser& operator=(const OrdinaryUser&) = delete;

  private:
    bool was_root_;
};

class Files : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "qaic-files-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }

    fs::path write(const std::string& name, const std::string& text) {
        std::ofstream(root_ / name, std::ios::binary) << text;
        return root_ / name;
    }
    /// Every path below the root, sorted: "nothing left behind" is this being equal.
    std::vector<std::string> listing() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::recursive_directory_iterator(root_)) {
            names.push_back(entry.path().lexically_relative(root_).string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    fs::path root_;
};

std::string valid_model() {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    b.node("Relu", {"x"}, {"y"});
    return b.model().SerializeAsString();
}

Bytes valid_program() {
    qaicrt::qpc::ProgramSpec spec;
    spec.name = "n";
    qaicrt::qpc::Binding binding;
    binding.name = "x";
    binding.initial.dims = {2};
    spec.inputs = {binding};
    binding.name = "y";
    spec.outputs = {binding};
    spec.emu_section = Bytes(8, std::byte{1});
    auto bytes = qaicrt::qpc::build_program(spec);
    EXPECT_TRUE(bytes) << bytes.error().message;
    return bytes ? *bytes : Bytes{};
}

/// One sentence: one line, with a full stop at its end only.
void expect_sentence(const std::string& message) {
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_TRUE(message.ends_with('.')) << message;
}

TEST_F(Files, AModelIsRead) {
    const auto model = read_model_file(write("m.onnx", valid_model()).string());
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->graph().node_size(), 1);
}

TEST_F(Files, OnlyOnnxEndingsAreTaken) {
    for (const char* name : {"m.pb", "m.onnxtxt", "m.pt", "m", ""}) {
        const auto model = read_model_file(name);
        ASSERT_FALSE(model) << name;
        EXPECT_EQ(model.error().code, Errc::kInvalidArgument);
        expect_sentence(model.error().message);
    }
}

TEST_F(Files, WhatIsNotAModelIsRefusedInOneSentence) {
    const std::string whole = valid_model();
    fs::create_directory(root_ / "dir.onnx");
    ASSERT_EQ(::mkfifo((root_ / "fifo.onnx").c_str(), 0600), 0);
    write("empty.onnx", "");
    write("text.onnx", "this is a text and no model\n");
    write("half.onnx", whole.substr(0, whole.size() / 2));
    write("zeros.onnx", std::string(1000, '\0'));
    const std::pair<const char*, Errc> cases[] = {
        {"missing.onnx", Errc::kNotFound},     {"dir.onnx", Errc::kInvalidArgument},
        {"fifo.onnx", Errc::kInvalidArgument}, {"empty.onnx", Errc::kFormat},
        {"text.onnx", Errc::kFormat},          {"half.onnx", Errc::kFormat},
        {"zeros.onnx", Errc::kFormat},
    };
    for (const auto& [name, code] : cases) {
        const auto model = read_model_file((root_ / name).string());
        ASSERT_FALSE(model) << name;
        EXPECT_EQ(model.error().code, code) << name << ": " << model.error().message;
        EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
        expect_sentence(model.error().message);
    }
}

TEST_F(Files, EveryTruncationIsRefusedOrAModelWithAllItsParts) {
    const std::string whole = valid_model();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto bytes = std::as_bytes(std::span(whole.data(), size));
        const auto model = parse_model_bytes(bytes, "m.onnx");
        if (model) {
            EXPECT_EQ((*model)->graph().output_size(), 1) << size;
            EXPECT_EQ((*model)->opset_import_size(), 1) << size;
        } else {
            expect_sentence(model.error().message);
        }
    }
}

TEST_F(Files, AModelOf2GiBIsRefusedWithoutReadingIt) {
    const fs::path path = write("big.onnx", "");
    fs::resize_file(path, std::uintmax_t{1} << 31);  // sparse
    const auto model = read_model_file(path.string());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, Errc::kUnsupported);
    EXPECT_NE(model.error().message.find("external data"), std::string::npos);
}

TEST_F(Files, AnUnreadableModelKeepsItsErrno) {
    const OrdinaryUser user(root_);
    const fs::path path = write("m.onnx", valid_model());
    fs::permissions(path, fs::perms::none);
    const auto model = read_model_file(path.string());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, Errc::kPermission);
    EXPECT_EQ(model.error().sys_errno, EACCES);
}

std::string model_with_data(const std::string& location) {
    ModelBuilder b;
    b.input("x", {2}).output("y", {2});
    auto& w = b.constant("w", {2}, kFloat);
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto* entry = w.add_external_data();
    entry->set_key("location");
    entry->set_value(location);
    b.node("Add", {"x", "w"}, {"y"});
    return b.model().SerializeAsString();
}

TEST_F(Files, ExternalDataBesideTheModelIsRead) {
    const float values[] = {1.5F, 2.5F};
    const std::string raw(reinterpret_cast<const char*>(values), sizeof(values));
    write("w.bin", raw);
    const auto model = read_model_file(write("m.onnx", model_with_data("w.bin")).string());
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->graph().initializer(0).raw_data(), raw);
}

TEST_F(Files, ExternalDataElsewhereOrMissingIsRefusedByName) {
    write("secret", "12345678");
    fs::create_directory(root_ / "sub");
    for (const char* location : {"../secret", "/etc/hostname", "gone.bin", ""}) {
        write("sub/m.onnx", model_with_data(location));
        const auto model = read_model_file((root_ / "sub/m.onnx").string());
        ASSERT_FALSE(model) << location;
        EXPECT_NE(model.error().message.find("'w'"), std::string::npos) << model.error().message;
        expect_sentence(model.error().message);
    }
}

TEST_F(Files, AProgramIsWrittenWithItsParents) {
    const std::string dir = (root_ / "a/b/c").string();
    ASSERT_TRUE(check_output_dir(dir));
    const auto path = write_program(dir, valid_program());
    ASSERT_TRUE(path) << path.error().message;
    EXPECT_EQ(*path, dir + "/programqpc.bin");
    EXPECT_EQ(listing(), (std::vector<std::string>{"a", "a/b", "a/b/c", "a/b/c/programqpc.bin"}));
    EXPECT_EQ(fs::file_size(*path), valid_program().size());
}

TEST_F(Files, PathsWithDotsAndSlashesWork) {
    for (const std::string& tail :
         {std::string("d/"), std::string("./e//f"), std::string("d/../g")}) {
        const auto path = write_program(root_.string() + "/" + tail, valid_program());
        EXPECT_TRUE(path) << path.error().message;
    }
}

TEST_F(Files, OurOwnEarlierProgramIsReplaced) {
    const std::string dir = (root_ / "d").string();
    ASSERT_TRUE(write_program(dir, valid_program()));
    write("d/.programqpc.bin.123.0", "left by a compiler that was killed");
    ASSERT_TRUE(check_output_dir(dir));
    EXPECT_TRUE(write_program(dir, valid_program()));
}

TEST_F(Files, ForeignContentIsRefusedAndKept) {
    fs::create_directory(root_ / "d");
    const std::string dir = (root_ / "d").string();
    for (const char* name : {"d/notes.txt", "d/programqpc.bin"}) {
        write(name, "precious");
        const auto before = listing();
        const auto path = write_program(dir, valid_program());
        ASSERT_FALSE(path) << name;
        EXPECT_EQ(path.error().code, Errc::kInvalidArgument);
        EXPECT_NE(path.error().message.find(fs::path(name).filename().string()), std::string::npos);
        expect_sentence(path.error().message);
        EXPECT_EQ(listing(), before);
        EXPECT_EQ(fs::file_size(root_ / name), 8U);
        fs::remove(root_ / name);
    }
}

TEST_F(Files, AFileInThePlaceOfTheDirectoryIsRefused) {
    write("file", "x");
    for (const char* name : {"file", "file/sub/dir"}) {
        const auto path = write_program((root_ / name).string(), valid_program());
        ASSERT_FALSE(path) << name;
        EXPECT_EQ(path.error().sys_errno, ENOTDIR) << path.error().message;
        expect_sentence(path.error().message);
    }
    EXPECT_EQ(listing(), std::vector<std::string>{"file"});
}

TEST_F(Files, ADirectoryThatCannotBeMadeIsRefused) {
    const auto path = write_program("/proc/qaic-test/out", valid_program());
    ASSERT_FALSE(path);
    EXPECT_NE(path.error().sys_errno, 0);
    expect_sentence(path.error().message);
}

TEST_F(Files, AReadOnlyDirectoryIsRefused) {
    const OrdinaryUser user(root_);
    fs::create_directory(root_ / "d");
    fs::permissions(root_ / "d", fs::perms::owner_read | fs::perms::owner_exec);
    for (const char* name : {"d", "d/sub"}) {
        const auto path = write_program((root_ / name).string(), valid_program());
        ASSERT_FALSE(path);
        EXPECT_EQ(path.error().code, Errc::kPermission);
    }
    fs::permissions(root_ / "d", fs::perms::owner_all);
    EXPECT_EQ(listing(), std::vector<std::string>{"d"});
}

/// A limit on the file size stands for a full disk: write() fails half way in both.
TEST_F(Files, AWriteThatFailsLeavesNothingBehind) {
    Bytes program = valid_program();
    program.resize(1 << 20);
    struct rlimit before = {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = before;
    small.rlim_cur = 65536;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto path = write_program((root_ / "a/b").string(), program);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(path);
    EXPECT_EQ(path.error().code, Errc::kIo);
    EXPECT_EQ(path.error().sys_errno, EFBIG);
    expect_sentence(path.error().message);
    EXPECT_TRUE(listing().empty());
}

}  // namespace
}  // namespace qaicc::test
