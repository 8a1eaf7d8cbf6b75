// SPDX-License-Identifier: Apache-2.0
/// Programs for tests: plain memory behind a channel, and networks for the emulated NSPs.
#pragma once

#include "emu/test/client.hpp"
#include "emu/test/ring.hpp"
#include "libqaicrt/qpc/metadata.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace qaicemu::test {

/// Metadata of a program without `.qaic.emu`: its NSPs stay idle. 64 KiB of shared DDR, eight
/// semaphores, one doorbell window to all NSPs.
qaicrt::qpc::Metadata plain_metadata(std::uint16_t nsps = 1);
Bytes elf_of(const qaicrt::qpc::Metadata& metadata, std::span<const std::byte> model = {});

/// y = Relu(x), FLOAT[elements].
onnx::ModelProto relu_model(std::int64_t elements);
/// y = x @ w with w[k, n] as an initializer in the model, x FLOAT[m, k].
onnx::ModelProto matmul_model(std::int64_t m, std::int64_t k, std::int64_t n,
                              std::span<const float> weights);
/// y = Gather(table FLOAT[rows], index INT64[1]): an index outside fails at run time.
onnx::ModelProto gather_model(std::int64_t rows);
std::string serialized(const onnx::ModelProto& model);

struct TensorShape {
    std::string name;
    std::vector<std::int32_t> dims;
    bool is_int64 = false;
};
/// The ELF of a whole program as the compiler writes it: requests, semaphores and doorbells for the
/// tensors.
Bytes network_elf(const onnx::ModelProto& model, const std::vector<TensorShape>& inputs,
                  const std::vector<TensorShape>& outputs, std::uint16_t nsps = 1);

CardConfig small_card();

/// A card with one user; most tests need nothing else.
struct Bench {
    explicit Bench(const CardConfig& config = small_card(),
                   std::size_t host_bytes = std::size_t{8} << 20);
    FakeHost host;
    std::unique_ptr<Card> card;
    Client user;
    /// Loads and activates; fails the test when the card refuses.
    Active start(std::span<const std::byte> elf, std::uint32_t elements = 64);
    Active start_plain(std::uint32_t elements = 64) {
        return start(elf_of(plain_metadata()), elements);
    }
};

/// Requests for one inference with the semaphores and doorbells of a program's metadata.
std::vector<aic100_request> inference(const qaicrt::qpc::Metadata& metadata, const Active& active,
                                      std::uint16_t first_id,
                                      std::span<const std::uint64_t> buffers);
qaicrt::qpc::Metadata metadata_of(std::span<const std::byte> elf);

}  // namespace qaicemu::test
