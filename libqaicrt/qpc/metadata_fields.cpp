// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/metadata.hpp"

#include <algorithm>
#include <array>

namespace qaicrt::qpc {
namespace {

#define QAIC_FIELD(path) "AicMetadataFlat_Metadata->" path
constexpr std::array kKnownFields = std::to_array<std::string_view>({
    QAIC_FIELD("L2TCMInitSize"),
    QAIC_FIELD("L2TCMInitState"),
    QAIC_FIELD("L2TCMInitStateNonZeroRegions"),
    QAIC_FIELD("L2TCMInitStateNonZeroRegions->end"),
    QAIC_FIELD("L2TCMInitStateNonZeroRegions->size"),
    QAIC_FIELD("L2TCMInitStateNonZeroRegions->start"),
    QAIC_FIELD("L2TCMSize"),
    QAIC_FIELD("QNNConfig"),
    QAIC_FIELD("QNNConfig->Constants"),
    QAIC_FIELD("VTCMSize"),
    QAIC_FIELD("constantMappings"),
    QAIC_FIELD("constantMappings->constantDataBaseOffset"),
    QAIC_FIELD("constantMappings->coreMask"),
    QAIC_FIELD("constantMappings->size"),
    QAIC_FIELD("dmaRequests"),
    QAIC_FIELD("dmaRequests->devAddrSpace"),
    QAIC_FIELD("dmaRequests->devOffset"),
    QAIC_FIELD("dmaRequests->doorbellOps"),
    QAIC_FIELD("dmaRequests->doorbellOps->data"),
    QAIC_FIELD("dmaRequests->doorbellOps->mcId"),
    QAIC_FIELD("dmaRequests->doorbellOps->offset"),
    QAIC_FIELD("dmaRequests->doorbellOps->size"),
    QAIC_FIELD("dmaRequests->hostOffset"),
    QAIC_FIELD("dmaRequests->inOut"),
    QAIC_FIELD("dmaRequests->mcId"),
    QAIC_FIELD("dmaRequests->num"),
    QAIC_FIELD("dmaRequests->portId"),
    QAIC_FIELD("dmaRequests->semaphoreOps"),
    QAIC_FIELD("dmaRequests->semaphoreOps->inSyncFence"),
    QAIC_FIELD("dmaRequests->semaphoreOps->outSyncFence"),
    QAIC_FIELD("dmaRequests->semaphoreOps->preOrPost"),
    QAIC_FIELD("dmaRequests->semaphoreOps->semNum"),
    QAIC_FIELD("dmaRequests->semaphoreOps->semOp"),
    QAIC_FIELD("dmaRequests->semaphoreOps->semValue"),
    QAIC_FIELD("dmaRequests->size"),
    QAIC_FIELD("dmaRequests->transactionId"),
    QAIC_FIELD("dynamicConstantsECCEnabled"),
    QAIC_FIELD("dynamicConstantsSize"),
    QAIC_FIELD("dynamicSharedDDRECCEnabled"),
    QAIC_FIELD("dynamicSharedDDRSize"),
    QAIC_FIELD("dynamicSharedDDRSupported"),
    QAIC_FIELD("execContext"),
    QAIC_FIELD("execContextMajorVersion"),
    QAIC_FIELD("exitDoorbellOffset"),
    QAIC_FIELD("hasHmxFP"),
    QAIC_FIELD("hasHvxFP"),
    QAIC_FIELD("hostMulticastTable"),
    QAIC_FIELD("hostMulticastTable->multicastEntries"),
    QAIC_FIELD("hostMulticastTable->multicastEntries->mask"),
    QAIC_FIELD("hostMulticastTable->multicastEntries->size"),
    QAIC_FIELD("hwVersionMajor"),
    QAIC_FIELD("hwVersionMinor"),
    QAIC_FIELD("l2CachedDDRSize"),
    QAIC_FIELD("networkHeapBehavior"),
    QAIC_FIELD("networkHeapBehavior->onNetworkDeactivate"),
    QAIC_FIELD("networkHeapSize"),
    QAIC_FIELD("networkName"),
    QAIC_FIELD("nspMulticastTables"),
    QAIC_FIELD("nspMulticastTables->multicastEntries"),
    QAIC_FIELD("nspMulticastTables->multicastEntries->addrSpace"),
    QAIC_FIELD("nspMulticastTables->multicastEntries->baseAddrOffset"),
    QAIC_FIELD("nspMulticastTables->multicastEntries->dynamic"),
    QAIC_FIELD("nspMulticastTables->multicastEntries->mask"),
    QAIC_FIELD("nspMulticastTables->multicastEntries->size"),
    QAIC_FIELD("numNSPs"),
    QAIC_FIELD("numSemaphores"),
    QAIC_FIELD("portTable"),
    QAIC_FIELD("portTable->portId"),
    QAIC_FIELD("portTable->portType"),
    QAIC_FIELD("raw_struct_version_length"),
    QAIC_FIELD("requiredFields"),
    QAIC_FIELD("semaphoreInitState"),
    QAIC_FIELD("singleVTCMPage"),
    QAIC_FIELD("staticConstantsECCEnabled"),
    QAIC_FIELD("staticConstantsSize"),
    QAIC_FIELD("staticSharedDDRECCEnabled"),
    QAIC_FIELD("staticSharedDDRSize"),
    QAIC_FIELD("threadDescriptors"),
    QAIC_FIELD("threadDescriptors->entryPoint"),
    QAIC_FIELD("threadDescriptors->typeMask"),
    QAIC_FIELD("versionMajor"),
    QAIC_FIELD("versionMinor"),
});
#undef QAIC_FIELD
static_assert(kKnownFields.size() == 82);
static_assert(std::is_sorted(kKnownFields.begin(), kKnownFields.end()));

}  // namespace

std::span<const std::string_view> known_metadata_fields() noexcept {
    return kKnownFields;
}

}  // namespace qaicrt::qpc
