// SPDX-License-Identifier: Apache-2.0
/// The host's side of one DBC in a test: request elements in, responses out.
#pragma once

#include "emu/test/client.hpp"

#include <hw/aic100_dbc.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace qaicemu::test {

/// A semaphore command word.
std::uint32_t sem(std::uint32_t op, std::uint32_t index, std::uint32_t value = 0,
                  bool presync = false);
inline std::uint32_t presync(std::uint32_t op, std::uint32_t index, std::uint32_t value = 0) {
    return sem(op, index, value, true);
}

/// Requests with a response; change the fields that a test is about.
aic100_request to_device(std::uint16_t id, std::uint64_t host, std::uint64_t card,
                         std::uint32_t bytes);
aic100_request from_device(std::uint16_t id, std::uint64_t card, std::uint64_t host,
                           std::uint32_t bytes);
aic100_request no_transfer(std::uint16_t id);

struct Response {
    std::uint16_t id = 0, code = 0;
    friend bool operator==(const Response&, const Response&) = default;
};

class Ring {
  public:
    Ring(Client& client, const Active& active) : client_(client), active_(active) {}

    /// Writes the elements at the tail and moves REQTP once.
    void submit(const std::vector<aic100_request>& requests);
    void submit(const aic100_request& request) { submit(std::vector{request}); }
    /// Takes every response there is and moves RSPHP once.
    std::vector<Response> drain();
    /// Takes one response if there is one; RSPHP moves by one.
    std::optional<Response> take();
    /// Drains until `count` responses have come in all; fails the test after ten seconds.
    std::vector<Response> wait(std::size_t count);

    std::uint32_t reg(std::uint32_t which) { return client_.card().dbc_read(active_.dbc, which); }
    void set_reg(std::uint32_t which, std::uint32_t value) {
        client_.card().dbc_write(active_.dbc, which, value);
    }
    std::size_t interrupts() { return client_.host().interrupts(active_.dbc + 1); }

  private:
    Client& client_;
    Active active_;
};

}  // namespace qaicemu::test
