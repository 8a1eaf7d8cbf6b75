// SPDX-License-Identifier: Apache-2.0
/// What a loaded network consists of; filled by the loader, walked by run().
#pragma once

#include "emu/net/network.hpp"
#include "emu/net/op.hpp"

#include <memory>
#include <string>
#include <vector>

namespace qaicnet {

/// One kernel call; the pointers are fixed at load because inputs are copied into the arena.
struct Step {
    std::string name;
    KernelPtr kernel;
    std::vector<const std::byte*> in;
    std::vector<std::byte*> out;
    std::byte* scratch = nullptr;
};

struct Network::Impl {
    explicit Impl(std::uint64_t max_bytes) : budget(max_bytes) {}

    Budget budget;                        ///< first: buffers give back to it when they go
    Graph graph;                          ///< after load only the constants that steps read
    std::unique_ptr<Graph> lowered;       ///< of a branch: the graph after the passes, if asked for
    onnx::ModelProto* written = nullptr;  ///< where the graph goes after the passes; null: nowhere
    std::shared_ptr<Buffer> arena;
    std::vector<Step> steps;
    std::vector<ValueInfo> inputs, outputs;
    std::vector<std::byte*> input_data;
    std::vector<const std::byte*> output_data;
};

/// Shapes, constant folding, kernels and the memory plan for an imported graph.
qaicrt::Status build_network(Network::Impl& network);

}  // namespace qaicnet
