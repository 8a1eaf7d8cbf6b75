// SPDX-License-Identifier: Apache-2.0
#include "emu/nnc_wire.hpp"

#include "emu/bytes.hpp"

#include <array>

namespace qaicemu {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0u);
        }
        table[i] = value;
    }
    return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t crc_step(std::uint32_t crc, std::byte value) {
    return kCrcTable[(crc ^ static_cast<std::uint32_t>(value)) & 0xFF] ^ (crc >> 8);
}

/// Cuts the bytes behind the header into transactions; false when they do not fit exactly.
bool split_transactions(std::span<const std::byte> body, std::uint32_t count,
                        std::vector<NncTransaction>& out) {
    if (count > body.size() / sizeof(aic100_trans_hdr)) {
        return false;
    }
    out.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto header = load<aic100_trans_hdr>(body);
        if (!header || header->len < sizeof(aic100_trans_hdr) || header->len > body.size()) {
            return false;
        }
        out.push_back({header->type, body.first(header->len)});
        body = body.subspan(header->len);
    }
    return body.empty();
}

}  // namespace

std::uint32_t nnc_crc(std::span<const std::byte> message) {
    std::uint32_t crc = 0xFFFFFFFFu;
    for (std::size_t i = 0; i < message.size(); ++i) {
        crc = crc_step(crc, i < sizeof(std::uint32_t) ? std::byte{0} : message[i]);
    }
    return ~crc;
}

NncMessage decode_message(std::span<const std::byte> message, bool check_crc) {
    NncMessage out;
    const auto header = load<aic100_nnc_msg_hdr>(message);
    if (!header || header->magic != AIC100_NNC_MAGIC) {
        return out;
    }
    out.header = *header;
    if (check_crc && header->crc32 != nnc_crc(message)) {
        return out;
    }
    out.verdict = NncVerdict::kMalformed;
    if (header->len != message.size() || message.size() > AIC100_NNC_MAX_TO_DEV) {
        return out;
    }
    if (!split_transactions(message.subspan(sizeof(*header)), header->count, out.transactions)) {
        out.transactions.clear();
        return out;
    }
    out.verdict = NncVerdict::kOk;
    return out;
}

bool NncReply::has_room(std::size_t bytes) const {
    const std::size_t used = sizeof(aic100_nnc_msg_hdr) + passthrough_.size() + driver_.size();
    return used + bytes <= AIC100_NNC_MAX_FROM_DEV;
}

void NncReply::add_passthrough(std::span<const std::byte> command) {
    append(passthrough_,
           aic100_trans_hdr{AIC100_TRANS_PASSTHROUGH_FROM_DEV,
                            static_cast<std::uint32_t>(sizeof(aic100_trans_hdr) + command.size())});
    passthrough_.insert(passthrough_.end(), command.begin(), command.end());
    ++count_;
}

std::vector<std::byte> NncReply::finish(const aic100_nnc_msg_hdr& request, bool with_crc) const {
    aic100_nnc_msg_hdr header{};
    header.magic = AIC100_NNC_MAGIC;
    header.sequence = request.sequence;
    header.len = static_cast<std::uint32_t>(sizeof(header) + passthrough_.size() + driver_.size());
    header.count = count_;
    header.handle = request.handle;
    header.partition_id = request.partition_id;
    std::vector<std::byte> out;
    out.reserve(header.len);
    append(out, header);
    out.insert(out.end(), passthrough_.begin(), passthrough_.end());
    out.insert(out.end(), driver_.begin(), driver_.end());
    if (with_crc) {
        store(std::span(out), 0, nnc_crc(out));
    }
    return out;
}

}  // namespace qaicemu
