// SPDX-License-Identifier: Apache-2.0
/// A user of the card in a test: builds NNC messages as a driver sends them and reads the replies.
#pragma once

#include "emu/bytes.hpp"
#include "emu/card.hpp"
#include "emu/test/fake_host.hpp"

#include <hw/aic100_nnc.h>
#include <hw/aic100_nnc_cmd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace qaicemu::test {

using Bytes = std::vector<std::byte>;

/// Collects transactions and wraps them into a message.
class MessageBuilder {
  public:
    MessageBuilder& add_raw(std::span<const std::byte> transaction);
    template <class T>
    MessageBuilder& add(std::uint32_t type, T transaction) {
        transaction.hdr = {type, static_cast<std::uint32_t>(sizeof(T))};
        return add_raw(std::as_bytes(std::span(&transaction, 1)));
    }
    /// The command with `surplus` zero bytes behind it, as published runtimes send it.
    template <class T>
    MessageBuilder& command(const T& command, std::size_t surplus = 8) {
        return passthrough(std::as_bytes(std::span(&command, 1)), surplus);
    }
    MessageBuilder& passthrough(std::span<const std::byte> command, std::size_t surplus = 8);
    MessageBuilder& dma(std::uint32_t tag, std::uint32_t chunk,
                        std::span<const std::pair<std::uint64_t, std::uint64_t>> pairs);
    Bytes build(std::uint32_t sequence, std::uint32_t handle, bool with_crc = false) const;

  private:
    Bytes body_;
    std::uint32_t count_ = 0;
};

struct ReplyTransaction {
    std::uint32_t type = 0;
    Bytes bytes;  ///< header included
    /// The structure behind the transaction header; fails the test when it is too short.
    template <class T>
    T command() const {
        return load<T>(bytes, sizeof(aic100_trans_hdr)).value_or(T{});
    }
    template <class T>
    T whole() const {
        return load<T>(bytes).value_or(T{});
    }
};

/// An answered activation.
struct Active {
    std::int32_t status = 0;
    std::uint32_t id = 0;
    unsigned dbc = 0;
    std::uint64_t ddr_base = 0, mcid_base = 0;
    std::uint32_t nsp_mask = 0;
    std::uint64_t requests = 0, responses = 0;  ///< FIFO bus addresses
    std::uint32_t elements = 0;
    std::size_t transactions = 0;  ///< in the reply
};

class Client {
  public:
    Client(Card& card, FakeHost& host, std::uint32_t handle)
        : card_(card), host_(host), handle_(handle) {}

    /// Sends and decodes; adds test failures when the reply's header is wrong.
    std::vector<ReplyTransaction> send(const MessageBuilder& message);
    /// One command, one reply of type T.
    template <class T, class Request>
    T ask(const Request& request, std::size_t surplus = 8) {
        const auto reply = send(MessageBuilder().command(request, surplus));
        return reply.size() == 1 ? reply[0].template command<T>() : T{};
    }

    /// {status, id}
    std::pair<std::int32_t, std::uint32_t> load_elf(std::span<const std::byte> elf);
    std::pair<std::int32_t, std::uint32_t> load_constants(std::span<const std::byte> bytes);
    Active activate(std::uint32_t elf, std::uint32_t constants = 0, std::uint32_t elements = 64,
                    std::uint32_t group = 0xFFFFFFFFu);
    std::int32_t deactivate(const Active& active);
    std::int32_t unload_elf(std::uint32_t id) { return unload(AIC100_CMD_UNLOAD_ELF, id); }
    std::int32_t unload_constants(std::uint32_t id) {
        return unload(AIC100_CMD_UNLOAD_CONSTANTS, id);
    }
    void terminate();
    aic100_resource_info resources();

    Card& card() { return card_; }
    FakeHost& host() { return host_; }
    std::uint32_t handle() const { return handle_; }

  private:
    std::int32_t unload(std::uint32_t type, std::uint32_t id);
    Card& card_;
    FakeHost& host_;
    std::uint32_t handle_;
    std::uint32_t sequence_ = 100;
};

/// The transactions of a reply message, or nothing when it is not well formed.
std::optional<std::vector<ReplyTransaction>> split_reply(std::span<const std::byte> reply);

}  // namespace qaicemu::test
