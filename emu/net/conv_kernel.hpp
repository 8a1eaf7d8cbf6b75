// SPDX-License-Identifier: Apache-2.0
/// Convolution and its transpose in one documented order of summation.
///
/// Every result is the sum over k = channel * positions + position, in the order of
/// matmul_kernel.hpp (blocks of 32); what lies in the padding counts as +0. Then the bias is added.
#pragma once

#include "emu/net/op.hpp"
#include "emu/net/window.hpp"

namespace qaicnet {

struct ConvProblem {
    Window window;
    bool transposed = false;
    std::size_t images = 0, groups = 1;
    std::size_t in_channels = 0, out_channels = 0;  ///< of one group
    bool has_bias = false;
};

/// For FLOAT, FLOAT16 and DOUBLE. Weights: input 1, packed at load when constant.
qaicrt::Result<KernelPtr> make_conv_kernel(NodeContext& c, const ConvProblem& problem);

}  // namespace qaicnet
