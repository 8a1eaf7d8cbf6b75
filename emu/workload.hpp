// SPDX-License-Identifier: Apache-2.0
/// A `.qaic.emu` program on its NSPs: the loop of virtual NSP 0 around one network.
#pragma once

#include "emu/dma_channel.hpp"
#include "emu/net/network.hpp"
#include "libqaicrt/qpc/metadata.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace qaicemu {

struct WorkloadSpec {
    std::span<const std::byte> model;      ///< `.qaic.emu`: an ONNX ModelProto
    std::span<const std::byte> constants;  ///< outlive the workload
    std::span<std::byte>
        shared_ddr;        ///< static shared DDR of the activation; outlives the workload
    unsigned threads = 1;  ///< the NSP's own thread included
};

/// Semaphores that the NSP's loop operates (docs/design/card.md).
inline constexpr std::uint8_t kInputSemaphore = 0, kOutputSemaphore = 1;

class Workload {
  public:
    /// Loads the network and checks that the metadata's requests fit it: one request and one
    /// doorbell per tensor, inputs first, sizes equal, inside shared DDR. Runs nothing yet. Errors:
    /// kFormat, kUnsupported, kInvalidArgument, kNoMemory; the sentence is for people.
    static qaicrt::Result<std::unique_ptr<Workload>> create(const qaicrt::qpc::Metadata& metadata,
                                                            const WorkloadSpec& spec);
    /// The thread has been joined, or was never started.
    ~Workload();
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;

    /// Starts the NSP's thread; `channel` outlives it. Errors: kNoMemory when there is no thread to
    /// be had.
    qaicrt::Status start(DmaChannel& channel);
    /// Waits for the thread, which ends after DmaChannel::request_exit(). A network that is running
    /// is not interrupted: this waits until it is through.
    void join();

  private:
    Workload() = default;
    qaicrt::Status plan(const qaicrt::qpc::Metadata& metadata, std::span<std::byte> shared_ddr);
    void loop(DmaChannel& channel);
    bool run_once(DmaChannel& channel);

    std::unique_ptr<qaicnet::Network> network_;
    std::unique_ptr<qaicnet::Workers> workers_;
    std::vector<std::span<const std::byte>> inputs_;
    std::vector<std::span<std::byte>> outputs_;
    std::vector<Doorbell> input_doorbells_, output_doorbells_;
    std::thread thread_;
};

}  // namespace qaicemu
