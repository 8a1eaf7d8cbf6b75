// SPDX-License-Identifier: Apache-2.0
// The program that the emulated card runs: one DMA buffer and one request for each tensor, two
// semaphores, one doorbell word for each tensor. docs/qpc.md shows the protocol as a timeline.
#include "libqaicrt/qpc/program_image.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/text.hpp"

#include <fmt/format.h>

#include <limits>
#include <new>

namespace qaicrt::qpc {
namespace {

constexpr std::uint16_t kInputSemaphore = 0;
constexpr std::uint16_t kOutputSemaphore = 1;
constexpr std::uint32_t kSignallingNsps = 1;  // virtual NSP 0 alone counts the semaphores
constexpr std::size_t kMaxTensors = 280;      // doorbell word 280 is the exit doorbell
constexpr std::uint64_t kExitDoorbell = 4 * kMaxTensors;
constexpr std::uint32_t kDoorbellWindow = kExitDoorbell + 4;
constexpr std::uint64_t kTensorAlign = 2048;
constexpr std::uint32_t kThreads = 4;
constexpr std::size_t kL2TcmInit = 1168;
constexpr std::size_t kDmaDoneWord = 1156;  // of the dummy user-DMA descriptor
constexpr std::uint32_t kDmaDone = 0x80000000;
// Rings start 128 bytes behind the dummy descriptor: the vendor's own bound forgets that padding.
constexpr std::uint32_t kL2TcmBytes = 1280 + 256 * kThreads;
constexpr std::uint32_t kEntryPoint = 0x02000000;
constexpr std::uint16_t kPortInput = 100;
constexpr std::uint16_t kPortOutput = 101;
constexpr std::uint64_t kMaxSegment = std::uint64_t{1} << 31;

/// Execution context version 5 as open programs ask for it: {size, offset} of variable i. All
/// optional here.
struct ContextSlot {
    std::uint8_t size, offset;
};
constexpr ContextSlot kContext[] = {
    {2, 0},   {2, 2},   {1, 4},   {4, 8},   {4, 12},  {4, 16},  {4, 20},  {4, 24},  {4, 28},
    {8, 32},  {4, 40},  {4, 44},  {4, 48},  {4, 52},  {4, 56},  {4, 60},  {4, 64},  {4, 68},
    {4, 72},  {4, 76},  {4, 80},  {4, 84},  {4, 88},  {8, 96},  {4, 104}, {4, 108}, {4, 112},
    {4, 116}, {4, 120}, {4, 124}, {4, 128}, {4, 132}, {4, 136},
};
constexpr std::uint32_t kContextBytes = 140;

struct Tensor {
    Binding binding;
    Direction direction = Direction::kToDevice;
    std::uint32_t bytes = 0;
    std::uint64_t address = 0;  // in static shared DDR
};

Result<Tensor> make_tensor(const Binding& from, Direction direction, std::uint32_t num) {
    Tensor tensor;
    tensor.direction = direction;
    auto& binding = tensor.binding;
    binding.name = from.name;
    binding.initial = from.initial;
    if (binding.initial.dims.empty()) {
        binding.initial.dims = {1};
    }
    for (const auto dim : binding.initial.dims) {
        if (dim <= 0) {
            return Error{Errc::kUnsupported,
                         fmt::format("tensor {} has dimension {}; give it at least one element",
                                     quoted(from.name), dim)};
        }
    }
    const auto info = to_tensor_info(binding, Direction::kToDevice);
    if (!info || info->bytes == 0 || info->bytes > std::numeric_limits<std::uint32_t>::max()) {
        return Error{Errc::kUnsupported,
                     fmt::format("tensor {} has no bytes or 4 GiB or more; make it smaller",
                                 quoted(from.name))};
    }
    tensor.bytes = static_cast<std::uint32_t>(info->bytes);
    binding.transformed = binding.initial;
    binding.align = static_cast<std::uint32_t>(data_type_bytes(info->type));
    Transform copy;
    copy.result = binding.initial;
    copy.result.scale = info->scale;
    copy.copy_direction = direction;
    copy.copy_buffer = num;
    binding.transforms = {copy};
    return tensor;
}

/// Inputs, then outputs, each in its own range: a tensor's position here is its DMA buffer number.
Result<std::vector<Tensor>> lay_out(const ProgramSpec& spec) {
    if (spec.outputs.empty()) {
        return Error{Errc::kUnsupported, "the program has no output; give the graph at least one"};
    }
    if (spec.inputs.size() + spec.outputs.size() > kMaxTensors) {
        return Error{Errc::kUnsupported,
                     fmt::format("the program has {} inputs and outputs; at most {} are possible",
                                 spec.inputs.size() + spec.outputs.size(), kMaxTensors)};
    }
    std::vector<Tensor> tensors;
    std::uint64_t end = 0;
    const auto add = [&](const Binding& binding, Direction direction) -> Status {
        QAICRT_TRY(auto tensor,
                   make_tensor(binding, direction, static_cast<std::uint32_t>(tensors.size())));
        tensor.address = end;
        end = align_up(end + tensor.bytes, kTensorAlign);
        tensors.push_back(std::move(tensor));
        return {};
    };
    for (const auto& binding : spec.inputs) {
        QAICRT_CHECK(add(binding, Direction::kToDevice));
    }
    for (const auto& binding : spec.outputs) {
        QAICRT_CHECK(add(binding, Direction::kFromDevice));
    }
    return tensors;
}

DmaRequest make_request(const Tensor& tensor, std::uint16_t num, bool last_of_direction) {
    const bool output = tensor.direction == Direction::kFromDevice;
    const std::uint16_t sem = output ? kOutputSemaphore : kInputSemaphore;
    const std::uint16_t ready = output ? 0 : kSignallingNsps;
    const std::uint16_t taken = output ? kSignallingNsps : 0;
    DmaRequest request;
    // Wait-equal does not consume, so the driver may repeat it for each segment of a scattered
    // buffer.
    request.semaphores.push_back(
        {.sem = sem, .value = ready, .op = SemOp::kWaitEq, .presync = true});
    if (last_of_direction) {
        request.semaphores.push_back({.sem = sem, .value = taken, .op = SemOp::kInit});
    }
    request.doorbells.push_back({.offset = std::uint64_t{4} * num, .data = 1});
    request.dev_offset = tensor.address;
    request.size = tensor.bytes;
    request.num = num;
    request.space = AddrSpace::kDdr;
    request.from_device = output;
    request.port = output ? kPortOutput : kPortInput;
    return request;
}

void add_requests(const std::vector<Tensor>& tensors, Metadata& metadata) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const bool last =
            i + 1 == tensors.size() || tensors[i + 1].direction != tensors[i].direction;
        metadata.requests.push_back(make_request(tensors[i], static_cast<std::uint16_t>(i), last));
    }
    metadata.static_shared_ddr =
        align_up(tensors.back().address + tensors.back().bytes, kTensorAlign);
}

/// An output's buffer is free before the first inference, and no user DMA is pending.
std::vector<std::uint8_t> initial_l2tcm(const std::vector<Tensor>& tensors) {
    std::vector<std::uint8_t> words(kL2TcmInit);
    const auto bytes = std::as_writable_bytes(std::span(words));
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (tensors[i].direction == Direction::kFromDevice) {
            store_le<std::uint32_t>(bytes, 4 * i, 1);
        }
    }
    store_le<std::uint32_t>(bytes, kDmaDoneWord, kDmaDone);
    return words;
}

void add_multicast(std::uint16_t num_nsps, Metadata& metadata) {
    const std::uint32_t all = (1u << num_nsps) - 1;
    metadata.host_multicast = {{.mask = all, .size = kDoorbellWindow}};
    for (unsigned nsp = 0; nsp < num_nsps; ++nsp) {
        metadata.nsp_multicast.push_back({{.mask = all & ~(1u << nsp), .size = kDoorbellWindow}});
    }
}

void add_context(bool for_emulator, Metadata& metadata) {
    metadata.context_size = kContextBytes;
    for (std::uint32_t i = 0; i < std::size(kContext); ++i) {
        metadata.context_fields.push_back(
            {.variable = i, .size = kContext[i].size, .offset = kContext[i].offset});
    }
    if (for_emulator) {
        metadata.context_fields.push_back(
            {.variable = kEmulatorOnlyVariable, .size = 4, .required = true});
    }
}

Metadata make_metadata(const ProgramSpec& spec, const std::vector<Tensor>& tensors) {
    Metadata metadata;
    metadata.network_name = spec.name.empty() ? "unnamed" : spec.name;
    for (const auto* field : {"requiredFields", "execContext", "networkName"}) {
        metadata.required_fields.push_back(std::string(kFieldPrefix) + field);
    }
    metadata.num_nsps = spec.num_nsps;
    metadata.num_semaphores = 2;
    metadata.semaphore_init = {0, kSignallingNsps};
    metadata.l2tcm_init = initial_l2tcm(tensors);
    metadata.l2tcm_size = kL2TcmBytes;
    metadata.vtcm_size = 1;
    metadata.exit_doorbell_offset = kExitDoorbell;
    metadata.threads.assign(kThreads, {.entry_point = kEntryPoint, .type_mask = 2});
    metadata.static_constants = spec.constants.size();
    if (!spec.constants.empty()) {
        metadata.constant_mappings = {{.offset = 0,
                                       .core_mask = (1u << spec.num_nsps) - 1,
                                       .size = static_cast<std::uint32_t>(spec.constants.size())}};
    }
    add_requests(tensors, metadata);
    add_multicast(spec.num_nsps, metadata);
    add_context(!spec.emu_section.empty(), metadata);
    return metadata;
}

NetworkDescription make_description(const ProgramSpec& spec, std::vector<Tensor> tensors) {
    NetworkDescription desc;
    desc.name = spec.name.empty() ? "unnamed" : spec.name;
    desc.num_cores = spec.num_nsps;
    desc.num_threads = kThreads;
    desc.batch_size = spec.batch_size;
    for (auto& tensor : tensors) {
        desc.dma_buffers.push_back({tensor.bytes, tensor.direction});
        auto& list = tensor.direction == Direction::kToDevice ? desc.inputs : desc.outputs;
        list.push_back(std::move(tensor.binding));
    }
    return desc;
}

Status check_spec(const ProgramSpec& spec) {
    if (spec.num_nsps < 1 || spec.num_nsps > 16) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("{} NSPs were asked for; a card has 1 to 16", spec.num_nsps)};
    }
    if (spec.constants.size() > std::numeric_limits<std::uint32_t>::max()) {
        return Error{Errc::kUnsupported,
                     "the program has 4 GiB of constants or more; a card maps less"};
    }
    if (spec.emu_section.size() > kMaxSegment) {
        return Error{Errc::kUnsupported,
                     "the program's graph is larger than 2 GiB; keep its weights in constants"};
    }
    return {};
}

}  // namespace

Result<std::vector<std::byte>> build_program(const ProgramSpec& spec) try {
    QAICRT_CHECK(check_spec(spec));
    QAICRT_TRY(auto tensors, lay_out(spec));
    const auto metadata = write_metadata(make_metadata(spec, tensors));
    std::vector<ElfSection> sections = {{kMetadataSection, metadata}};
    if (!spec.emu_section.empty()) {
        sections.push_back({kEmuSection, spec.emu_section});
    }
    const auto elf = write_elf(sections);
    const auto description = write_network_desc(make_description(spec, std::move(tensors)));
    std::vector<std::byte> constants_desc(24);
    store_le<std::uint64_t>(constants_desc, 0, spec.constants.size());

    std::vector<Segment> segments;
    if (!spec.constants.empty()) {
        segments.push_back({kConstants, spec.constants, spec.constants.size()});
    }
    segments.push_back({kConstantsDesc, constants_desc});
    segments.push_back({kNetworkElf, elf});
    segments.push_back({kNetworkDesc, description});
    return write_container(segments);
} catch (const std::bad_alloc&) {
    return Error{Errc::kNoMemory,
                 "not enough memory to build the program; free some and try again"};
}

}  // namespace qaicrt::qpc
