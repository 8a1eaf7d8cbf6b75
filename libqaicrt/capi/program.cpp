// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/capi/capi.hpp"

#include <vector>

using qaicrt::Errc;
using qaicrt::capi::copy_out;
using qaicrt::capi::fail;
using qaicrt::capi::guard;
using qaicrt::capi::hand_out;

static_assert(QAICRT_FLOAT == static_cast<int>(qaicrt::DataType::kFloat));
static_assert(QAICRT_INT64I == static_cast<int>(qaicrt::DataType::kInt64I));
static_assert(QAICRT_INT8 == static_cast<int>(qaicrt::DataType::kInt8));
static_assert(QAICRT_ERRC_INTERNAL == static_cast<int>(Errc::kInternal));

namespace {

int tensor_info(std::span<const qaicrt::TensorInfo> tensors, size_t index, qaicrt_tensor_info* info,
                const char* function) {
    if (index >= tensors.size()) {
        return fail(Errc::kInvalidArgument,
                    std::string(function) + ": tensor index " + std::to_string(index) +
                        " is not below the tensor count " + std::to_string(tensors.size()));
    }
    // A scalar's empty vector may have no storage; the caller is promised a pointer.
    static const std::int64_t kNoDims = 1;
    const qaicrt::TensorInfo& tensor = tensors[index];
    qaicrt_tensor_info out = QAICRT_TENSOR_INFO_INIT;
    out.type = static_cast<std::uint32_t>(tensor.type);
    out.name = tensor.name.c_str();
    out.dims = tensor.dims.empty() ? &kNoDims : tensor.dims.data();
    out.rank = tensor.dims.size();
    out.bytes = tensor.bytes;
    out.scale = tensor.scale;
    out.offset = tensor.offset;
    return copy_out(out, info, function);
}

int give_index(const qaicrt::Result<std::size_t>& found, size_t* index) noexcept {
    if (!found) {
        return fail(found.error());
    }
    *index = *found;
    return 0;
}

}  // namespace

size_t qaicrt_data_type_bytes(enum qaicrt_data_type type) {
    const auto number = static_cast<unsigned>(type);
    return number > 0xff ? 0 : qaicrt::data_type_bytes(static_cast<qaicrt::DataType>(number));
}

const char* qaicrt_data_type_name(enum qaicrt_data_type type) {
    // 0xff is outside the enum too: it stands for every number that does not fit the C++ type.
    const auto number = std::min(static_cast<unsigned>(type), 0xffU);
    return qaicrt::data_type_name(static_cast<qaicrt::DataType>(number));
}

int qaicrt_program_load(const char* path, qaicrt_program** program) {
    QAICRT_REQUIRE(path);
    QAICRT_REQUIRE(program);
    return guard([&] { return hand_out(qaicrt::Program::from_file(path), program); });
}

int qaicrt_program_load_bytes(const void* data, size_t bytes, qaicrt_program** program) {
    QAICRT_REQUIRE(data);
    QAICRT_REQUIRE(program);
    return guard([&] {
        const auto* first = static_cast<const std::byte*>(data);
        return hand_out(qaicrt::Program::from_bytes({first, first + bytes}), program);
    });
}

void qaicrt_program_unload(qaicrt_program* program) {
    delete program;
}

const char* qaicrt_program_name(const qaicrt_program* program) {
    return program != nullptr ? program->value.name().c_str() : "";
}

uint32_t qaicrt_program_num_nsps(const qaicrt_program* program) {
    return program != nullptr ? program->value.num_nsps() : 0;
}

int32_t qaicrt_program_batch_size(const qaicrt_program* program) {
    return program != nullptr ? program->value.batch_size() : 0;
}

int qaicrt_program_made_for_emulator(const qaicrt_program* program) {
    return program != nullptr && program->value.made_for_emulator() ? 1 : 0;
}

size_t qaicrt_program_input_count(const qaicrt_program* program) {
    return program != nullptr ? program->value.inputs().size() : 0;
}

size_t qaicrt_program_output_count(const qaicrt_program* program) {
    return program != nullptr ? program->value.outputs().size() : 0;
}

int qaicrt_program_input_info(const qaicrt_program* program, size_t index,
                              struct qaicrt_tensor_info* info) {
    QAICRT_REQUIRE(program);
    QAICRT_REQUIRE(info);
    return guard([&] {
        return tensor_info(program->value.inputs(), index, info, "qaicrt_program_input_info");
    });
}

int qaicrt_program_output_info(const qaicrt_program* program, size_t index,
                               struct qaicrt_tensor_info* info) {
    QAICRT_REQUIRE(program);
    QAICRT_REQUIRE(info);
    return guard([&] {
        return tensor_info(program->value.outputs(), index, info, "qaicrt_program_output_info");
    });
}

int qaicrt_program_input_index(const qaicrt_program* program, const char* name, size_t* index) {
    QAICRT_REQUIRE(program);
    QAICRT_REQUIRE(name);
    QAICRT_REQUIRE(index);
    return guard([&] { return give_index(program->value.input_index(name), index); });
}

int qaicrt_program_output_index(const qaicrt_program* program, const char* name, size_t* index) {
    QAICRT_REQUIRE(program);
    QAICRT_REQUIRE(name);
    QAICRT_REQUIRE(index);
    return guard([&] { return give_index(program->value.output_index(name), index); });
}
