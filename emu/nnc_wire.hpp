// SPDX-License-Identifier: Apache-2.0
/// NNC messages as they travel: header, CRC and transactions. Pure functions over bytes, no card
/// behind them.
#pragma once

#include <hw/aic100_nnc.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace qaicemu {

/// CRC-32/ISO-HDLC of a whole message with its crc32 field taken as zero. Messages shorter than the
/// field are hashed as they are.
std::uint32_t nnc_crc(std::span<const std::byte> message);

struct NncTransaction {
    std::uint32_t type = 0;
    std::span<const std::byte> bytes;  ///< header included
    std::span<const std::byte> payload() const { return bytes.subspan(sizeof(aic100_trans_hdr)); }
};

enum class NncVerdict {
    kOk,
    kUnanswerable,  ///< no header, foreign magic or broken CRC: not even the sequence number can be
                    ///< trusted
    kMalformed,     ///< a good header, but lengths or counts contradict each other
};

struct NncMessage {
    NncVerdict verdict = NncVerdict::kUnanswerable;
    aic100_nnc_msg_hdr header{};
    std::vector<NncTransaction> transactions;  ///< views into the decoded bytes; empty unless kOk
};

/// Checks magic, length, optional CRC, and that `count` transactions fill the message exactly.
NncMessage decode_message(std::span<const std::byte> message, bool check_crc);

/// Collects the transactions of one reply. Passthrough replies come first whatever the order of
/// add(): runtimes read the command at a fixed place.
class NncReply {
  public:
    /// True while `bytes` more (transaction header included) fit into one reply message.
    bool has_room(std::size_t bytes) const;
    void add_passthrough(std::span<const std::byte> command);
    /// Makes room, so that a later add() of at most `bytes` cannot fail. Throws std::bad_alloc.
    void reserve(std::size_t bytes) { driver_.reserve(driver_.size() + bytes); }
    /// A driver-level transaction; its hdr is filled in here.
    template <class T>
    void add(std::uint32_t type, T transaction) {
        transaction.hdr = {type, static_cast<std::uint32_t>(sizeof(T))};
        append(driver_, transaction);
        ++count_;
    }
    /// The message: request's sequence number, handle and partition echoed, CRC when asked for.
    std::vector<std::byte> finish(const aic100_nnc_msg_hdr& request, bool with_crc) const;

  private:
    template <class T>
    static void append(std::vector<std::byte>& out, const T& value) {
        const std::size_t at = out.size();
        out.resize(at + sizeof(T));
        std::memcpy(out.data() + at, &value, sizeof(T));
    }
    std::vector<std::byte> passthrough_, driver_;
    std::uint32_t count_ = 0;
};

}  // namespace qaicemu
