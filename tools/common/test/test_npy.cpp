// SPDX-License-Identifier: Apache-2.0
#include "tools/common/npy.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace qaictools {
namespace {

namespace fs = std::filesystem;
using qaicrt::Errc;

class Npy : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "qaic-npy-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        file_ = (directory_ / "a.npy").string();
    }
    void TearDown() override { fs::remove_all(directory_); }

    /// A file from a header text and its data; version 1 unless said otherwise.
    void write(const std::string& header, const std::string& data, char version = 1) const {
        std::string bytes = "\x93NUMPY";
        bytes += version;
        bytes += '\0';
        for (std::size_t i = 0; i < (version == 1 ? 2U : 4U); ++i) {
            bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
        }
        write_bytes(bytes + header + data);
    }

    /// A new file each time: truncating an old one makes some file systems wait for the disk.
    void write_bytes(const std::string& content) const {
        fs::remove(file_);
        std::ofstream(file_, std::ios::binary) << content;
    }

    std::string bytes() const {
        std::ifstream file(file_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    void expect_error(Errc code, const std::string& part) const {
        const auto array = read_npy(file_);
        ASSERT_FALSE(array);
        EXPECT_EQ(array.error().code, code) << array.error().message;
        EXPECT_NE(array.error().message.find(part), std::string::npos) << array.error().message;
    }

    fs::path directory_;
    std::string file_;
};

std::string text_of(const std::vector<std::byte>& data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

TEST_F(Npy, ReadsWhatItWrote) {
    const std::vector<std::byte> data(6 * 4, std::byte{7});
    for (const std::vector<std::int64_t>& dims :
         {std::vector<std::int64_t>{6}, {2, 3}, {1, 6, 1}}) {
        ASSERT_TRUE(write_npy(file_, {"<f4", dims, data}));
        EXPECT_EQ(fs::file_size(file_) - data.size(), 128U);  // the data starts at a multiple of 64
        const auto array = read_npy(file_);
        ASSERT_TRUE(array) << array.error().message;
        EXPECT_EQ(array->dtype, "<f4");
        EXPECT_EQ(array->dims, dims);
        EXPECT_EQ(array->data, data);
    }
}

TEST_F(Npy, KnowsScalarsAndEmptyArrays) {
    ASSERT_TRUE(write_npy(file_, {"|i1", {}, std::vector<std::byte>(1)}));
    EXPECT_EQ(read_npy(file_)->dims, std::vector<std::int64_t>{});
    ASSERT_TRUE(write_npy(file_, {"<f4", {0, 5}, {}}));
    EXPECT_EQ(read_npy(file_)->dims, (std::vector<std::int64_t>{0, 5}));
}

TEST_F(Npy, ReadsVersionsTwoAndThreeAndAnyKeyOrder) {
    for (const char version : {'\2', '\3'}) {
        write("{\"shape\": (2L,), 'fortran_order': False, 'descr': '<u2'}\n", "abcd", version);
        const auto array = read_npy(file_);
        ASSERT_TRUE(array) << array.error().message;
        EXPECT_EQ(array->dtype, "<u2");
        EXPECT_EQ(text_of(array->data), "abcd");
    }
}

TEST_F(Npy, TurnsFortranOrderIntoCOrder) {
    write("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", "adbecf");
    EXPECT_EQ(text_of(read_npy(file_)->data), "abcdef");
    write("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2), }\n", "aecgbfdh");
    EXPECT_EQ(text_of(read_npy(file_)->data), "abcdefgh");
}

TEST_F(Npy, TurnsBigEndianIntoLittleEndian) {
    write("{'descr': '>u4', 'fortran_order': False, 'shape': (2,), }\n", "abcdefgh");
    const auto array = read_npy(file_);
    EXPECT_EQ(array->dtype, "<u4");
    EXPECT_EQ(text_of(array->data), "dcbahgfe");
}

TEST_F(Npy, RefusesDamagedFiles) {
    const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
    write(good, "abc");
    expect_error(Errc::kFormat, "ends within its data");
    write(good, "abcde");
    expect_error(Errc::kFormat, "more data than its header says");
    write(good, "abcd", 9);
    expect_error(Errc::kFormat, "version is 9");
    write("{'descr': '<f4', 'fortran_order': False, 'shape': (1, }", "abcd");
    expect_error(Errc::kFormat, "not a size");
    write("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "abcd");
    expect_error(Errc::kFormat, "not a size");
    write("{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (1,), }", "abcd");
    expect_error(Errc::kFormat, "neither True nor False");
    write("{'descr': '<f4', 'shape': (1,), }", "abcd");
    expect_error(Errc::kFormat, "lacks");
    write("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", "abcd");
    expect_error(Errc::kFormat, "repeated");
    write(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, "
        "4611686018427387904), }",
        "");
    expect_error(Errc::kFormat, "too large");
    // A claim of a terabyte must not be allocated.
    write("{'descr': '<f4', 'fortran_order': False, 'shape': (274877906944,), }", "abcd");
    expect_error(Errc::kFormat, "after 4 of 1099511627776 bytes");
    write_bytes("PK\x03\x04 an archive");
    expect_error(Errc::kFormat, "signature");
    write_bytes("");
    expect_error(Errc::kFormat, "first 8 bytes");
}

TEST_F(Npy, RefusesTypesThatAreNoPlainNumbers) {
    for (const char* descr : {"'<c8'", "'|O'", "'<U4'", "'<f3'", "'<M8'"}) {
        write(std::string("{'descr': ") + descr + ", 'fortran_order': False, 'shape': (1,), }",
              "abcdefgh");
        expect_error(Errc::kUnsupported, "not supported");
    }
    write("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "abcd");
    expect_error(Errc::kUnsupported, "records");
    write("{'descr': '\x1b[31m', 'fortran_order': False, 'shape': (1,), }", "abcd");
    expect_error(Errc::kUnsupported, "?[31m");  // no escape sequence reaches a terminal
}

TEST_F(Npy, EveryTruncationAndBitFlipIsHandled) {
    ASSERT_TRUE(write_npy(file_, {"<f4", {3, 2}, std::vector<std::byte>(24, std::byte{1})}));
    const std::string original = bytes();
    for (std::size_t size = 0; size < original.size(); ++size) {
        write_bytes(original.substr(0, size));
        EXPECT_FALSE(read_npy(file_)) << size;
    }
    for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
        std::string damaged = original;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        write_bytes(damaged);
        const auto array = read_npy(file_);
        if (array) {  // some flips only change numbers or spaces
            EXPECT_EQ(array->data.size() % 24, 0U);
        }
    }
}

TEST_F(Npy, ReadsFromAPipe) {
    ASSERT_TRUE(write_npy(file_, {"<f4", {2}, std::vector<std::byte>(8, std::byte{5})}));
    const std::string content = bytes();
    const std::string pipe = (directory_ / "pipe").string();
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << content; });
    const auto array = read_npy(pipe);
    writer.join();
    ASSERT_TRUE(array) << array.error().message;
    EXPECT_EQ(array->data.size(), 8U);
}

TEST_F(Npy, WritesCompleteFilesOrNone) {
    EXPECT_EQ(write_npy(file_, {"<f4", {3}, std::vector<std::byte>(8)}).error().code,
              Errc::kInvalidArgument);
    EXPECT_EQ(write_npy(file_, {"<f3", {2}, std::vector<std::byte>(8)}).error().code,
              Errc::kInvalidArgument);
    EXPECT_EQ(
        write_npy((directory_ / "no" / "a.npy").string(), {"|u1", {1}, std::vector<std::byte>(1)})
            .error()
            .code,
        Errc::kIo);
    EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(Npy, WritesThroughASymbolicLink) {
    ASSERT_TRUE(write_npy(file_, {"|u1", {1}, std::vector<std::byte>(1)}));
    const fs::path link = directory_ / "link.npy";
    fs::create_symlink(file_, link);
    ASSERT_TRUE(write_npy(link.string(), {"|u1", {2}, std::vector<std::byte>(2)}));
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(read_npy(file_)->dims, std::vector<std::int64_t>{2});
}

}  // namespace
}  // namespace qaictools
