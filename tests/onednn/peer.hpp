// SPDX-License-Identifier: Apache-2.0
/// A piece of work (work.hpp) done by oneDNN. Its functions throw what oneDNN throws.
#pragma once

#include "tests/onednn/work.hpp"

#include <memory>
#include <vector>

namespace qaicnet::test {

enum class PeerLayout : std::uint8_t {
    kBest,          ///< what oneDNN chooses for input, weights and result
    kChannelsLast,  ///< input and result; the weights are oneDNN's choice
};

class Peer {
  public:
    /// Prepared for inference, on one thread.
    Peer(const Work& work, PeerLayout layout);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// Tensors in ONNX's layouts; weights and bias may be empty where there are none.
    void set(const std::vector<float>& x, const std::vector<float>& weights,
             const std::vector<float>& bias);
    /// The primitive alone: nothing is reordered.
    void run();
    /// In ONNX's layout, channels first.
    std::vector<float> result() const;
    /// oneDNN's name for what it chose: "jit:avx2".
    std::string implementation() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qaicnet::test
