// SPDX-License-Identifier: Apache-2.0
#include "emu/test/ring.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace qaicemu::test {

std::uint32_t sem(std::uint32_t op, std::uint32_t index, std::uint32_t value, bool before) {
    return AIC100_SEM_CMD_ENABLE | op << AIC100_SEM_CMD_OP_SHIFT |
           (before ? AIC100_SEM_CMD_PRESYNC : 0u) | index << AIC100_SEM_CMD_INDEX_SHIFT | value;
}

aic100_request no_transfer(std::uint16_t id) {
    aic100_request out{};
    out.req_id = id;
    out.cmd = AIC100_REQ_CMD_BULK | AIC100_REQ_CMD_COMPLETION;
    return out;
}

aic100_request to_device(std::uint16_t id, std::uint64_t host, std::uint64_t card,
                         std::uint32_t bytes) {
    aic100_request out = no_transfer(id);
    out.cmd |= AIC100_REQ_CMD_XFER_TO_DEV;
    out.src_addr = host;
    out.dst_addr = card;
    out.len = bytes;
    return out;
}

aic100_request from_device(std::uint16_t id, std::uint64_t card, std::uint64_t host,
                           std::uint32_t bytes) {
    aic100_request out = no_transfer(id);
    out.cmd |= AIC100_REQ_CMD_XFER_FROM_DEV;
    out.src_addr = card;
    out.dst_addr = host;
    out.len = bytes;
    return out;
}

void Ring::submit(const std::vector<aic100_request>& requests) {
    std::uint32_t tail = reg(AIC100_DBC_REQTP);
    for (const auto& request : requests) {
        client_.host().put(active_.requests + std::uint64_t{tail} * sizeof(request),
                           std::as_bytes(std::span(&request, 1)));
        tail = (tail + 1) % active_.elements;
    }
    set_reg(AIC100_DBC_REQTP, tail);
}

std::optional<Response> Ring::take() {
    const std::uint32_t head = reg(AIC100_DBC_RSPHP);
    if (head == reg(AIC100_DBC_RSPTP)) {
        return std::nullopt;
    }
    const std::uint32_t word = client_.host().load_u32(active_.responses + std::uint64_t{head} * 4);
    set_reg(AIC100_DBC_RSPHP, (head + 1) % active_.elements);
    return Response{static_cast<std::uint16_t>(word), static_cast<std::uint16_t>(word >> 16)};
}

std::vector<Response> Ring::drain() {
    std::vector<Response> out;
    while (const auto response = take()) {
        out.push_back(*response);
    }
    return out;
}

std::vector<Response> Ring::wait(std::size_t count) {
    std::vector<Response> out;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (out.size() < count) {
        const auto more = drain();
        out.insert(out.end(), more.begin(), more.end());
        if (std::chrono::steady_clock::now() > deadline) {
            ADD_FAILURE() << "only " << out.size() << " of " << count << " responses came";
            break;
        }
        std::this_thread::yield();
    }
    return out;
}

}  // namespace qaicemu::test
