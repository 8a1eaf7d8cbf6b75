// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/metadata.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "metadata_generated.h"

#include <algorithm>
#include <bit>

namespace qaicrt::qpc {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr std::size_t kTerminatorBytes = 8;
constexpr std::uint32_t kNoTransaction = 0xffffffff;
constexpr std::uint16_t kPortInput = 100;
constexpr std::uint16_t kPortOutput = 101;

/// Scalars that equal their default are written too: firmware reads them in place.
void prepare(FlatBufferBuilder& builder) {
    builder.ForceDefaults(true);
}

/// CreateVector of what `make` gives for each element.
template <class Out, class In, class Make>
Offset<flatbuffers::Vector<Offset<Out>>> make_vector(FlatBufferBuilder& builder,
                                                     const std::vector<In>& from, Make make) {
    std::vector<Offset<Out>> offsets;
    offsets.reserve(from.size());
    for (const auto& element : from) {
        offsets.push_back(make(element));
    }
    return builder.CreateVector(offsets);
}

std::uint8_t doorbell_size(std::uint8_t width_bits) {
    return static_cast<std::uint8_t>(std::countr_zero(static_cast<unsigned>(width_bits)) - 3);
}

Offset<fb::DmaRequest> write_request(FlatBufferBuilder& builder, const DmaRequest& request) {
    const auto semaphores =
        make_vector<fb::SemaphoreOp>(builder, request.semaphores, [&](const SemaphoreOp& op) {
            return fb::CreateSemaphoreOp(builder, op.sem, op.value,
                                         static_cast<std::uint8_t>(op.op), op.presync ? 1 : 0,
                                         op.in_fence ? 1 : 0, op.out_fence ? 1 : 0);
        });
    const auto doorbells =
        make_vector<fb::DoorbellOp>(builder, request.doorbells, [&](const DoorbellOp& op) {
            return fb::CreateDoorbellOp(builder, op.offset, op.data, op.mcid,
                                        doorbell_size(op.width_bits));
        });
    return fb::CreateDmaRequest(builder, semaphores, doorbells, request.host_offset,
                                request.dev_offset, request.size, request.num, request.mcid,
                                static_cast<std::uint8_t>(request.space),
                                request.from_device ? 1 : 0, request.port, kNoTransaction);
}

std::vector<std::uint8_t> write_context(const Metadata& metadata) {
    FlatBufferBuilder builder;
    prepare(builder);
    const auto fields = make_vector<fb::ExecContextField>(
        builder, metadata.context_fields, [&](const ContextField& field) {
            return fb::CreateExecContextField(builder, field.variable, field.size, field.offset,
                                              field.required ? 0 : 1);
        });
    builder.Finish(fb::CreateExecContext(builder, metadata.context_size, fields));
    return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

struct Parts {
    Offset<flatbuffers::String> name;
    Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> required;
    Offset<flatbuffers::Vector<std::uint32_t>> semaphores;
    Offset<flatbuffers::Vector<std::uint8_t>> l2tcm, context;
    Offset<flatbuffers::Vector<Offset<fb::DmaRequest>>> requests;
    Offset<flatbuffers::Vector<Offset<fb::NspMulticastEntryTable>>> nsp_tables;
    Offset<fb::HostMulticastEntryTable> host_table;
    Offset<flatbuffers::Vector<Offset<fb::ThreadDescriptor>>> threads;
    Offset<flatbuffers::Vector<Offset<fb::ConstantMapping>>> mappings;
    Offset<flatbuffers::Vector<const fb::PortEntry*>> ports;
};

Offset<fb::NspMulticastEntryTable> write_nsp_table(FlatBufferBuilder& builder,
                                                   const std::vector<NspMulticastEntry>& table) {
    return fb::CreateNspMulticastEntryTable(
        builder,
        make_vector<fb::NspMulticastEntry>(builder, table, [&](const NspMulticastEntry& entry) {
            return fb::CreateNspMulticastEntry(builder, entry.base_offset, entry.mask, entry.size,
                                               static_cast<std::uint8_t>(entry.space),
                                               entry.dynamic ? 1 : 0);
        }));
}

Parts write_parts(FlatBufferBuilder& builder, const Metadata& metadata) {
    Parts parts;
    parts.name = builder.CreateString(metadata.network_name);
    parts.required = builder.CreateVectorOfStrings(metadata.required_fields);
    parts.semaphores = builder.CreateVector(metadata.semaphore_init);
    parts.l2tcm = builder.CreateVector(metadata.l2tcm_init);
    parts.requests = make_vector<fb::DmaRequest>(
        builder, metadata.requests,
        [&](const DmaRequest& request) { return write_request(builder, request); });
    parts.nsp_tables = make_vector<fb::NspMulticastEntryTable>(
        builder, metadata.nsp_multicast,
        [&](const auto& table) { return write_nsp_table(builder, table); });
    parts.host_table = fb::CreateHostMulticastEntryTable(
        builder, make_vector<fb::HostMulticastEntry>(
                     builder, metadata.host_multicast, [&](const auto& entry) {
                         return fb::CreateHostMulticastEntry(builder, entry.mask, entry.size);
                     }));
    parts.threads =
        make_vector<fb::ThreadDescriptor>(builder, metadata.threads, [&](const auto& thread) {
            return fb::CreateThreadDescriptor(builder, thread.entry_point, thread.type_mask);
        });
    parts.mappings = make_vector<fb::ConstantMapping>(
        builder, metadata.constant_mappings, [&](const auto& mapping) {
            return fb::CreateConstantMapping(builder, mapping.offset, mapping.core_mask,
                                             mapping.size);
        });
    const std::vector<fb::PortEntry> ports = {{kPortInput, 0}, {kPortOutput, 0}};
    parts.ports = builder.CreateVectorOfStructs(ports);
    const auto context = write_context(metadata);
    // The nested buffer must keep its own 8-byte alignment inside this one.
    builder.ForceVectorAlignment(context.size(), 1, 8);
    parts.context = builder.CreateVector(context);
    return parts;
}

Offset<fb::Metadata> write_root(FlatBufferBuilder& builder, const Metadata& from,
                                std::uint64_t length_hint) {
    const auto parts = write_parts(builder, from);
    fb::MetadataBuilder to(builder);
    to.add_versionMajor(from.version_major);
    to.add_versionMinor(from.version_minor);
    to.add_networkName(parts.name);
    to.add_requiredFields(parts.required);
    to.add_semaphoreInitState(parts.semaphores);
    to.add_L2TCMInitState(parts.l2tcm);
    to.add_dmaRequests(parts.requests);
    to.add_nspMulticastTables(parts.nsp_tables);
    to.add_hostMulticastTable(parts.host_table);
    to.add_threadDescriptors(parts.threads);
    to.add_constantMappings(parts.mappings);
    to.add_staticSharedDDRSize(from.static_shared_ddr);
    to.add_dynamicSharedDDRSize(from.dynamic_shared_ddr);
    to.add_staticConstantsSize(from.static_constants);
    to.add_dynamicConstantsSize(from.dynamic_constants);
    to.add_exitDoorbellOffset(from.exit_doorbell_offset);
    to.add_l2CachedDDRSize(0);
    to.add_L2TCMInitSize(static_cast<std::uint32_t>(from.l2tcm_init.size()));
    to.add_execContextMajorVersion(from.exec_context_major);
    to.add_numNSPs(from.num_nsps);
    to.add_numSemaphores(from.num_semaphores);
    to.add_hwVersionMajor(from.hw_version_major);
    to.add_hwVersionMinor(from.hw_version_minor);
    to.add_staticSharedDDRECCEnabled(0);
    to.add_dynamicSharedDDRECCEnabled(0);
    to.add_staticConstantsECCEnabled(0);
    to.add_dynamicConstantsECCEnabled(0);
    to.add_singleVTCMPage(0);
    to.add_hasHvxFP(0);
    to.add_hasHmxFP(0);
    to.add_VTCMSize(from.vtcm_size);
    to.add_L2TCMSize(from.l2tcm_size);
    to.add_networkHeapSize(from.network_heap);
    to.add_raw_struct_version_length(length_hint);
    to.add_portTable(parts.ports);
    to.add_execContext(parts.context);
    to.add_dynamicSharedDDRSupported(0);
    return to.Finish();
}

std::vector<std::byte> write_section(const Metadata& metadata, std::uint64_t length_hint) {
    FlatBufferBuilder builder;
    prepare(builder);
    builder.Finish(write_root(builder, metadata, length_hint));
    std::vector<std::byte> out(kTerminatorBytes + builder.GetSize());
    store_le<std::uint16_t>(out, 0, 1);
    const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    std::copy(bytes.begin(), bytes.end(), out.begin() + kTerminatorBytes);
    return out;
}

}  // namespace

std::vector<std::byte> write_metadata(const Metadata& metadata) {
    // Firmware sizes its own structures by twice the length of the section without the hint.
    const std::size_t length = write_section(metadata, 0).size();
    return write_section(metadata, 2 * std::uint64_t{length});
}

}  // namespace qaicrt::qpc
