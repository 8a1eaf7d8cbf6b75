// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/metadata.hpp"
#include "libqaicrt/qpc/problems.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/text.hpp"
#include "metadata_generated.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace qaicrt::qpc {
namespace {

constexpr std::size_t kTerminatorBytes = 8;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr flatbuffers::uoffset_t kMaxDepth = 8;
/// Tables may be shared by many references: this bounds the work and the memory of one section.
constexpr flatbuffers::uoffset_t kMaxTables = 1'000'000;
constexpr std::size_t kMaxRequiredFields = 256;

Error broken(std::string_view what) {
    return {Errc::kFormat,
            fmt::format("network.elf metadata: {}; compile the program again", what)};
}

/// The bytes at an address that suits every FlatBuffers type: segments of a container may start
/// anywhere.
class AlignedCopy {
  public:
    explicit AlignedCopy(std::span<const std::byte> bytes)
        : words_((bytes.size() + 7) / 8), size_(bytes.size()) {
        if (!bytes.empty()) {
            std::memcpy(words_.data(), bytes.data(), bytes.size());
        }
    }
    const std::uint8_t* data() const {
        return reinterpret_cast<const std::uint8_t*>(words_.data());
    }
    std::size_t size() const { return size_; }

  private:
    std::vector<std::uint64_t> words_;
    std::size_t size_;
};

template <class Root>
const Root* verified(const std::uint8_t* data, std::size_t size) {
    flatbuffers::Verifier verifier(data, size, kMaxDepth, kMaxTables);
    return verifier.VerifyBuffer<Root>(nullptr) ? flatbuffers::GetRoot<Root>(data) : nullptr;
}

/// The acceptance order of the vendor's runtime: bare first, then behind the 8-byte terminator.
const fb::Metadata* find_root(const AlignedCopy& copy) {
    if (copy.size() < sizeof(flatbuffers::uoffset_t)) {
        return nullptr;
    }
    if (const auto* root = verified<fb::Metadata>(copy.data(), copy.size())) {
        return root;
    }
    const auto bytes = std::as_bytes(std::span(copy.data(), copy.size()));
    if (copy.size() <= kTerminatorBytes || load_le<std::uint16_t>(bytes, 0) != 1 ||
        load_le<std::uint16_t>(bytes, 2) != 0) {
        return nullptr;
    }
    return verified<fb::Metadata>(copy.data() + kTerminatorBytes, copy.size() - kTerminatorBytes);
}

std::string to_text(const flatbuffers::String* text) {
    return text == nullptr ? std::string() : text->str();
}

Result<SemaphoreOp> make_semaphore(const fb::SemaphoreOp& from, std::size_t request) {
    if (from.semOp() > static_cast<std::uint8_t>(SemOp::kP) || from.preOrPost() > 1) {
        return broken(fmt::format(
            "request {} has semaphore operation {} at sync point {}, which do not exist", request,
            from.semOp(), from.preOrPost()));
    }
    SemaphoreOp out;
    out.sem = from.semNum();
    out.value = from.semValue();
    out.op = static_cast<SemOp>(from.semOp());
    out.presync = from.preOrPost() == 1;
    out.in_fence = from.inSyncFence() != 0;
    out.out_fence = from.outSyncFence() != 0;
    return out;
}

Result<DoorbellOp> make_doorbell(const fb::DoorbellOp& from, std::size_t request) {
    if (from.size() > 2) {
        return broken(fmt::format("request {} has doorbell size {}, which does not exist", request,
                                  from.size()));
    }
    DoorbellOp out;
    out.offset = from.offset();
    out.data = from.data();
    out.mcid = from.mcId();
    out.width_bits = static_cast<std::uint8_t>(8 << from.size());
    return out;
}

Result<DmaRequest> make_request(const fb::DmaRequest& from, std::size_t index) {
    if (from.devAddrSpace() > static_cast<std::uint8_t>(AddrSpace::kDdrDynamic) ||
        from.inOut() > 1) {
        return broken(
            fmt::format("request {} has address space {} or direction {}, which do not exist",
                        index, from.devAddrSpace(), from.inOut()));
    }
    DmaRequest out;
    if (from.semaphoreOps() != nullptr) {
        for (const auto* op : *from.semaphoreOps()) {
            QAICRT_TRY(const auto semaphore, make_semaphore(*op, index));
            out.semaphores.push_back(semaphore);
        }
    }
    if (from.doorbellOps() != nullptr) {
        for (const auto* op : *from.doorbellOps()) {
            QAICRT_TRY(const auto doorbell, make_doorbell(*op, index));
            out.doorbells.push_back(doorbell);
        }
    }
    out.host_offset = from.hostOffset();
    out.dev_offset = from.devOffset();
    out.size = from.size();
    out.num = from.num();
    out.mcid = from.mcId();
    out.space = static_cast<AddrSpace>(from.devAddrSpace());
    out.from_device = from.inOut() == 1;
    out.port = from.portId();
    return out;
}

Status read_requests(const fb::Metadata& from, Metadata& to) {
    if (from.dmaRequests() == nullptr) {
        return {};
    }
    if (from.dmaRequests()->size() > 0xffff) {
        return broken("more than 65535 DMA requests");
    }
    std::size_t index = 0;
    for (const auto* request : *from.dmaRequests()) {
        QAICRT_TRY(auto made, make_request(*request, index++));
        to.requests.push_back(std::move(made));
    }
    return {};
}

Status read_multicast(const fb::Metadata& from, Metadata& to) {
    if (from.nspMulticastTables() != nullptr) {
        for (const auto* table : *from.nspMulticastTables()) {
            if (table->multicastEntries() == nullptr) {
                return broken(fmt::format("NSP multicast table {} has no entries vector",
                                          to.nsp_multicast.size()));
            }
            auto& entries = to.nsp_multicast.emplace_back();
            for (const auto* entry : *table->multicastEntries()) {
                if (entry->addrSpace() > static_cast<std::uint8_t>(TcmSpace::kVtcm)) {
                    return broken(
                        fmt::format("an NSP multicast entry has memory {}, which does not exist",
                                    entry->addrSpace()));
                }
                entries.push_back({entry->baseAddrOffset(), entry->mask(), entry->size(),
                                   static_cast<TcmSpace>(entry->addrSpace()),
                                   entry->dynamic() != 0});
            }
        }
    }
    const auto* host = from.hostMulticastTable();
    if (host != nullptr && host->multicastEntries() != nullptr) {
        for (const auto* entry : *host->multicastEntries()) {
            to.host_multicast.push_back({entry->mask(), entry->size()});
        }
    }
    return {};
}

Status read_required_fields(const fb::Metadata& from, Metadata& to) {
    if (from.requiredFields() == nullptr) {
        return {};
    }
    if (from.requiredFields()->size() > kMaxRequiredFields) {
        return broken("too many requiredFields");
    }
    const auto known = known_metadata_fields();
    for (const auto* field : *from.requiredFields()) {
        // Looked up before it is copied: many entries may share one huge string.
        if (!std::binary_search(known.begin(), known.end(), field->string_view())) {
            return Error{Errc::kUnsupported, fmt::format("network.elf metadata: required field {} "
                                                         "is not known here; use a newer runtime",
                                                         quoted(field->string_view()))};
        }
        to.required_fields.push_back(field->str());
    }
    return {};
}

Status read_context(const fb::Metadata& from, Metadata& to) {
    const auto* nested = from.execContext();
    if (nested == nullptr) {
        return {};
    }
    const AlignedCopy copy(std::as_bytes(std::span(nested->data(), nested->size())));
    const auto* root = copy.size() < sizeof(flatbuffers::uoffset_t)
                           ? nullptr
                           : verified<fb::ExecContext>(copy.data(), copy.size());
    if (root == nullptr) {
        return broken("the execution context is damaged");
    }
    to.context_size = root->execContextSize();
    if (root->execContextFields() != nullptr) {
        for (const auto* field : *root->execContextFields()) {
            to.context_fields.push_back({field->variableNeeded(), field->variableSize(),
                                         field->execContextOffset(), field->isRequired() == 0});
        }
    }
    return {};
}

void read_scalars(const fb::Metadata& from, Metadata& to) {
    to.version_major = from.versionMajor();
    to.version_minor = from.versionMinor();
    to.network_name = to_text(from.networkName());
    to.static_shared_ddr = from.staticSharedDDRSize();
    to.dynamic_shared_ddr = from.dynamicSharedDDRSize();
    to.static_constants = from.staticConstantsSize();
    to.dynamic_constants = from.dynamicConstantsSize();
    to.exit_doorbell_offset = from.exitDoorbellOffset();
    to.l2tcm_size = from.L2TCMSize();
    to.vtcm_size = from.VTCMSize();
    to.network_heap = from.networkHeapSize();
    to.exec_context_major = from.execContextMajorVersion();
    to.num_nsps = from.numNSPs();
    to.num_semaphores = from.numSemaphores();
    to.hw_version_major = from.hwVersionMajor();
    to.hw_version_minor = from.hwVersionMinor();
}

Status read_init_state(const fb::Metadata& from, Metadata& to) {
    if (from.semaphoreInitState() != nullptr) {
        to.semaphore_init.assign(from.semaphoreInitState()->begin(),
                                 from.semaphoreInitState()->end());
    }
    if (from.L2TCMInitState() != nullptr) {
        to.l2tcm_init.assign(from.L2TCMInitState()->begin(), from.L2TCMInitState()->end());
    }
    if (from.L2TCMInitSize() != to.l2tcm_init.size()) {
        return broken(fmt::format("L2TCMInitSize is {}, but L2TCMInitState has {} bytes",
                                  from.L2TCMInitSize(), to.l2tcm_init.size()));
    }
    if (from.threadDescriptors() != nullptr) {
        for (const auto* thread : *from.threadDescriptors()) {
            to.threads.push_back({thread->entryPoint(), thread->typeMask()});
        }
    }
    if (from.constantMappings() != nullptr) {
        for (const auto* mapping : *from.constantMappings()) {
            to.constant_mappings.push_back(
                {mapping->constantDataBaseOffset(), mapping->coreMask(), mapping->size()});
        }
    }
    return {};
}

}  // namespace

Result<Metadata> decode_metadata(std::span<const std::byte> section) {
    if (section.size() > kMaxBytes) {
        return broken(fmt::format("{} bytes are more than {}", section.size(), kMaxBytes));
    }
    const AlignedCopy copy(section);
    const fb::Metadata* root = find_root(copy);
    if (root == nullptr) {
        return broken(
            "neither a FlatBuffer nor the 8-byte terminator and a FlatBuffer (the older "
            "C-structure form is "
            "not supported)");
    }
    Metadata out;
    read_scalars(*root, out);
    QAICRT_CHECK(read_required_fields(*root, out));
    QAICRT_CHECK(read_init_state(*root, out));
    QAICRT_CHECK(read_requests(*root, out));
    QAICRT_CHECK(read_multicast(*root, out));
    QAICRT_CHECK(read_context(*root, out));
    return out;
}

Result<Metadata> parse_metadata(std::span<const std::byte> section) try {
    QAICRT_TRY(auto metadata, decode_metadata(section));
    Problems problems;
    check_metadata(metadata, problems);
    QAICRT_CHECK(problems.first());
    return metadata;
} catch (const std::bad_alloc&) {
    return Error{Errc::kNoMemory,
                 "network.elf metadata: not enough memory to parse it; free some and try again"};
}

}  // namespace qaicrt::qpc
