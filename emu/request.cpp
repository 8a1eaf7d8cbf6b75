// SPDX-License-Identifier: Apache-2.0
#include "emu/request.hpp"

#include "emu/bytes.hpp"

namespace qaicemu {
namespace {

/// False for what the bridge cannot do: transfer type 3 and linked lists, whose format is not
/// public.
bool decode_command(const aic100_request& raw, Request& out) {
    out.wants_response = (raw.cmd & AIC100_REQ_CMD_COMPLETION) != 0;
    out.force_msi = (raw.cmd & AIC100_REQ_CMD_FORCE_MSI) != 0;
    switch (raw.cmd & AIC100_REQ_CMD_XFER_MASK) {
        case AIC100_REQ_CMD_XFER_NONE:
            out.transfer = Transfer::kNone;
            return true;
        case AIC100_REQ_CMD_XFER_TO_DEV:
            out.transfer = Transfer::kToDevice;
            out.is_input = true;
            break;
        case AIC100_REQ_CMD_XFER_FROM_DEV:
            out.transfer = Transfer::kFromDevice;
            break;
        default:
            out.is_input = true;
            return false;
    }
    return (raw.cmd & AIC100_REQ_CMD_BULK) != 0;
}

bool decode_doorbell(const aic100_request& raw, Request& out) {
    if ((raw.db_attr & AIC100_DB_ENABLE) == 0) {
        return true;
    }
    switch (raw.db_attr & AIC100_DB_LEN_MASK) {
        case AIC100_DB_LEN_32:
            out.doorbell_bytes = 4;
            break;
        case AIC100_DB_LEN_16:
            out.doorbell_bytes = 2;
            break;
        case AIC100_DB_LEN_8:
            out.doorbell_bytes = 1;
            break;
        default:
            return false;
    }
    out.doorbell_address = raw.db_addr;
    out.doorbell_data = raw.db_data;
    return raw.db_addr % out.doorbell_bytes == 0;
}

/// Fences count whether or not their word is enabled: drivers put them into otherwise unused words.
bool decode_semaphores(const aic100_request& raw, unsigned semaphores, Request& out) {
    for (std::size_t i = 0; i < out.postsyncs.size(); ++i) {
        const std::uint32_t word = raw.sem_cmd[i];
        out.fence_to_device |= (word & AIC100_SEM_CMD_FENCE_TO_DEV) != 0;
        out.fence_from_device |= (word & AIC100_SEM_CMD_FENCE_FROM_DEV) != 0;
        const SemCommand command = SemCommand::decode(word);
        if (!command.enabled) {
            continue;
        }
        if (command.op > AIC100_SEM_WAIT_GT_0 || command.index >= semaphores) {
            return false;
        }
        if (!command.presync) {
            out.postsyncs[i] = command;
            continue;
        }
        if (out.has_presync) {
            return false;  // the bridge has room for one presync per request
        }
        out.has_presync = true;
        out.presync = command;
        out.presync_word = word;
    }
    return true;
}

}  // namespace

Request decode_request(std::span<const std::byte, sizeof(aic100_request)> bytes,
                       unsigned semaphores) {
    const aic100_request raw = *load<aic100_request>(bytes);
    Request out;
    out.id = raw.req_id;
    out.source = raw.src_addr;
    out.destination = raw.dst_addr;
    out.length = raw.len;
    const bool command = decode_command(raw, out);
    const bool doorbell = decode_doorbell(raw, out);
    out.synchronises = decode_semaphores(raw, semaphores, out);
    if (!command || !doorbell || !out.synchronises) {
        out.verdict = AIC100_RSP_BAD_REQUEST;
        out.transfer = Transfer::kNone;
    }
    if (!doorbell) {
        out.doorbell_bytes = 0;
    }
    if (!out.synchronises) {
        out.has_presync = false;
        out.presync_word = 0;
    }
    return out;
}

}  // namespace qaicemu
