// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/nnc/commands.hpp"

#include "libqaicrt/support/wire_struct.hpp"

#include <cstring>
#include <string_view>

namespace qaicrt::nnc {
namespace {

template <class T>
Bytes finish(const T& command) {
    Bytes bytes;
    bytes.reserve(sizeof(T) + kCommandTail);
    append_struct(bytes, command);
    bytes.resize(bytes.size() + kCommandTail);
    return bytes;
}

void set_name(char (&field)[AIC100_CMD_NAME_LEN], std::string_view name) {
    static_assert(sizeof(field) == AIC100_CMD_NAME_LEN);
    std::memcpy(field, name.data(),
                name.size());  // the rest stays zero; callers pass short literals
}

template <class T>
T zeroed(std::uint32_t type) {
    T command;
    std::memset(&command, 0, sizeof(command));
    command.type = type;
    return command;
}

Bytes unload(std::uint32_t type, std::uint32_t id) {
    auto command = zeroed<aic100_cmd_unload>(type);
    command.id = id;
    return finish(command);
}

}  // namespace

Bytes status_query() {
    return finish(zeroed<aic100_cmd_status>(AIC100_CMD_STATUS));
}

Bytes load_constants_ex(std::uint32_t process_id, std::span<const std::byte> descriptor) {
    auto command = zeroed<aic100_cmd_load_constants_ex>(AIC100_CMD_LOAD_CONSTANTS_EX);
    command.process_id = process_id;
    set_name(command.constants_name, "ConstantsDescriptor");
    command.descriptor_len = static_cast<std::uint32_t>(descriptor.size());
    Bytes bytes;
    append_struct(bytes, command);
    append_bytes(bytes, descriptor);
    bytes.resize((bytes.size() + kCommandTail + 7) & ~std::size_t{7});
    return bytes;
}

Bytes load_constants_payload(std::uint32_t process_id, std::uint32_t constants_id,
                             std::uint64_t length, std::uint64_t offset) {
    auto command = zeroed<aic100_cmd_load_constants_payload>(AIC100_CMD_LOAD_CONSTANTS_PAYLOAD);
    command.process_id = process_id;
    command.tag = AIC100_DMA_TAG_CONSTANTS;
    command.constants_id = constants_id;
    command.data_length = length;
    command.offset = offset;
    return finish(command);
}

Bytes load_elf(std::uint32_t process_id, std::uint64_t length) {
    auto command = zeroed<aic100_cmd_load_elf>(AIC100_CMD_LOAD_ELF);
    command.tag = AIC100_DMA_TAG_ELF;
    command.process_id = process_id;
    set_name(command.network_name, "NetworkImage");
    command.data_length = length;
    return finish(command);
}

Bytes unload_constants(std::uint32_t constants_id) {
    return unload(AIC100_CMD_UNLOAD_CONSTANTS, constants_id);
}

Bytes unload_elf(std::uint32_t elf_id) {
    return unload(AIC100_CMD_UNLOAD_ELF, elf_id);
}

Bytes activate(std::uint32_t process_id, std::uint32_t constants_id, std::uint32_t elf_id) {
    constexpr std::uint32_t kNone = 0xFFFFFFFFU;  // -1: no reservation
    constexpr std::uint32_t kReady = 1;
    auto command = zeroed<aic100_cmd_activate>(AIC100_CMD_ACTIVATE);
    command.process_id = process_id;
    command.constants_id = constants_id;
    command.elf_id = elf_id;
    command.resource_res_id = kNone;
    command.opt_vc_setup = 1;
    command.vc_res_id = kNone;
    command.initial_state = kReady;
    return finish(command);
}

Bytes deactivate(std::uint32_t activation_id) {
    auto command = zeroed<aic100_cmd_deactivate>(AIC100_CMD_DEACTIVATE);
    command.activation_id = activation_id;
    command.opt_vc_teardown = 1;
    return finish(command);
}

Bytes resource_info(std::uint32_t process_id) {
    auto command = zeroed<aic100_cmd_resource_info>(AIC100_CMD_RESOURCE_INFO);
    command.process_id = process_id;
    command.res_grp_id = 0xFFFFFFFFU;  // -1: the whole device
    return finish(command);
}

Bytes performance_info() {
    return finish(zeroed<aic100_cmd_performance_info>(AIC100_CMD_PERFORMANCE_INFO));
}

}  // namespace qaicrt::nnc
