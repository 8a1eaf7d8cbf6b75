// SPDX-License-Identifier: Apache-2.0
/// Program: files, directories, tensors; what a program asks of the DMA bridge.
#include "libqaicrt/api/program_impl.hpp"
#include "libqaicrt/test/runtime_fixture.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace qaicrt::test {
namespace {

class ProgramFile : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "qaicrt-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory); }
    std::string write(const std::string& name, const std::vector<std::byte>& bytes) {
        const auto path = directory / name;
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
        return path.string();
    }
    std::filesystem::path directory;
};

TEST_F(ProgramFile, loads_from_a_file_and_from_its_directory) {
    const auto qpc = scale_qpc(4, 1, 0, 3);
    const std::string path = write("programqpc.bin", qpc);
    for (const std::string& where : {path, directory.string(), directory.string() + "/"}) {
        const Program program = must(Program::from_file(where));
        EXPECT_EQ(program.name(), "scale");
        EXPECT_EQ(program.num_nsps(), 3U);
        EXPECT_EQ(program.batch_size(), 1);
        EXPECT_TRUE(program.made_for_emulator());
        EXPECT_EQ(program.bytes().size(), qpc.size());
    }
}

TEST_F(ProgramFile, errors_keep_the_errno_and_name_the_file) {
    const auto missing = Program::from_file((directory / "none.bin").string());
    EXPECT_EQ(code_of(missing), Errc::kNotFound);
    EXPECT_EQ(missing.error().sys_errno, ENOENT);
    EXPECT_NE(message_of(missing).find("none.bin"), std::string::npos);
    const auto empty_directory = Program::from_file(directory.string());
    EXPECT_EQ(code_of(empty_directory), Errc::kNotFound);
    EXPECT_NE(message_of(empty_directory).find("programqpc.bin"), std::string::npos);
    EXPECT_EQ(code_of(Program::from_file("/dev/zero")), Errc::kInvalidArgument);
    ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(code_of(Program::from_file((directory / "pipe").string())), Errc::kInvalidArgument)
        << "does not wait for a writer";
    EXPECT_EQ(code_of(Program::from_file(write("empty.bin", {}))), Errc::kFormat);
    EXPECT_EQ(code_of(Program::from_file("")), Errc::kNotFound);
}

TEST_F(ProgramFile, a_file_larger_than_any_card_is_refused_without_reading_it) {
    const std::string path = write("huge.bin", {});
    std::filesystem::resize_file(path, (std::uint64_t{64} << 30) + 1);  // sparse
    const auto huge = Program::from_file(path);
    EXPECT_EQ(code_of(huge), Errc::kFormat);
}

TEST_F(ProgramFile, a_truncated_program_is_a_format_error_with_the_files_name) {
    auto qpc = scale_qpc(4, 1, 0);
    qpc.resize(qpc.size() / 2);
    const auto program = Program::from_file(write("cut.bin", qpc));
    EXPECT_EQ(code_of(program), Errc::kFormat);
    EXPECT_NE(message_of(program).find("cut.bin"), std::string::npos) << message_of(program);
}

TEST(Program, tensors_are_described) {
    const Program program = must_load(two_by_two_qpc(10));
    ASSERT_EQ(program.inputs().size(), 2U);
    ASSERT_EQ(program.outputs().size(), 2U);
    const TensorInfo& y = program.inputs()[1];
    EXPECT_EQ(y.name, "y");
    EXPECT_EQ(y.type, DataType::kFloat);
    EXPECT_EQ(y.dims, (std::vector<std::int64_t>{10}));
    EXPECT_EQ(y.bytes, 40U);
    EXPECT_EQ(y.scale, 1.0F);
    EXPECT_EQ(y.direction, Direction::kToDevice);
    EXPECT_EQ(program.outputs()[0].direction, Direction::kFromDevice);
    EXPECT_EQ(must(program.input_index("y")), 1U);
    EXPECT_EQ(must(program.output_index("difference")), 1U);
    const auto none = program.output_index("y");
    EXPECT_EQ(code_of(none), Errc::kNotFound);
    EXPECT_NE(message_of(none).find("'sum', 'difference'"), std::string::npos) << message_of(none);
}

qpc::ProgramImage image_of(const Program& program) {
    return program.impl().image;
}

TEST(Stencil, one_buffer_per_binding_with_its_requests) {
    const Program program = must_load(two_by_two_qpc(10));
    const Stencil stencil = must(make_stencil(image_of(program)));
    ASSERT_EQ(stencil.buffers.size(), 4U);
    for (std::uint32_t i = 0; i < 4; ++i) {
        EXPECT_EQ(stencil.buffers[i].number, i);
        EXPECT_EQ(stencil.buffers[i].bytes, 40U);
        EXPECT_EQ(stencil.buffers[i].slices.size(), 1U);
        EXPECT_EQ(stencil.buffers[i].direction,
                  i < 2 ? Direction::kToDevice : Direction::kFromDevice);
    }
    nnc::Activated where;
    where.ddr_base = 0x100000;
    where.mcid_base = 0x80000000;
    const auto slices = must(rebase(stencil.buffers[1], where));
    EXPECT_GE(slices[0].device_address, where.ddr_base);
    EXPECT_GE(slices[0].doorbell_address, where.mcid_base);
    EXPECT_EQ(slices[0].doorbell_bits, 32U);
}

TEST(Stencil, addresses_in_each_space_get_their_base) {
    auto image = image_of(must_load(scale_qpc(4, 1, 0)));
    nnc::Activated where;
    where.ddr_base = 0x1000;
    where.dynamic_ddr_base = 0x2000000;
    where.mcid_base = 0x40000000;
    image.metadata.requests[0].dev_offset = 0x40;
    image.metadata.requests[0].mcid = 3;
    const auto address = [&](qpc::AddrSpace space) {
        image.metadata.requests[0].space = space;
        return must(rebase(must(make_stencil(image)).buffers[0], where))[0].device_address;
    };
    EXPECT_EQ(address(qpc::AddrSpace::kDdr), 0x1040U);
    EXPECT_EQ(address(qpc::AddrSpace::kDdrDynamic), 0x2000040U);
    EXPECT_EQ(address(qpc::AddrSpace::kMulticast), 0x40000000U + 3 * 0x800000U + 0x40);
}

TEST(Stencil, impossible_programs_are_refused) {
    const auto good = image_of(must_load(two_by_two_qpc(10)));
    const auto code = [&](auto change) {
        auto image = good;
        change(image.metadata.requests);
        return code_of(make_stencil(image));
    };
    EXPECT_EQ(code([](auto&) {}), Errc::kOk);
    EXPECT_EQ(code([](auto& r) { r[0].num = 4; }), Errc::kFormat);
    EXPECT_EQ(code([](auto& r) { r[0].size = 41; }), Errc::kFormat);
    EXPECT_EQ(code([](auto& r) { r[0].host_offset = ~0ULL; }), Errc::kFormat);
    EXPECT_EQ(code([](auto& r) { r[0].from_device = true; }), Errc::kFormat);
    EXPECT_EQ(code([](auto& r) { r[2].num = 0; }), Errc::kUnsupported) << "0, 1, 0: not together";
    EXPECT_EQ(code([](auto& r) { r[0].doorbells.resize(2); }), Errc::kUnsupported);
    EXPECT_EQ(code([](auto& r) { r[0].semaphores.resize(5); }), Errc::kUnsupported);
    EXPECT_EQ(code([](auto& r) {
                  r[0].doorbells[0].mcid = 0xFFFF;
                  r[0].doorbells[0].offset = ~0ULL;
              }),
              Errc::kFormat);
}

TEST(Stencil, bases_that_wrap_are_the_cards_fault) {
    const Stencil stencil = must(make_stencil(image_of(must_load(scale_qpc(4, 1, 0)))));
    nnc::Activated where;
    where.ddr_base = ~0ULL - 8;
    EXPECT_EQ(code_of(rebase(stencil.buffers[0], where)), Errc::kProtocol);
    where.ddr_base = 0;
    where.mcid_base = ~0ULL;
    EXPECT_EQ(code_of(rebase(stencil.buffers[1], where)), Errc::kProtocol);
}

TEST(Stencil, queue_elements_follow_the_formula) {
    Stencil stencil;
    stencil.buffers.resize(1);
    const auto with = [&](std::uint64_t size, std::size_t slices) {
        StencilSlice slice;
        slice.slice.size = size;
        stencil.buffers[0].slices.assign(slices, slice);
    };
    with(10000, 2);
    EXPECT_EQ(must(queue_elements(stencil, 10, 4096)), 10U * 2 * (3 + 1) + 1);
    EXPECT_EQ(must(queue_elements(stencil, 1, 1 << 22)), 16U) << "the least";
    with(std::uint64_t{100} << 20, 1);
    EXPECT_EQ(must(queue_elements(stencil, 1000, 4096)), kMaxQueueElements) << "the most";
    with(std::uint64_t{300} << 20, 1);
    EXPECT_EQ(code_of(queue_elements(stencil, 1, 4096)), Errc::kUnsupported);
    EXPECT_TRUE(queue_elements(stencil, 1, 1 << 22));
}

}  // namespace
}  // namespace qaicrt::test
