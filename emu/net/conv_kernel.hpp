// SPDX-License-Identifier: Apache-2.0
/// Convolution and its transpose in one documented order of summation.
///
/// Every result is the sum over k = channel * positions + position, in the order of
/// matmul_kernel.hpp (blocks of 32); what lies in the padding counts as +0. Then the bias is added.
#pragma once

#include "emu/net/op.hpp"
#include "emu/net/window.hpp"

#include <cstddef>
#include <cstdint>

namespace qaicnet {

/// What is done to a sum and its bias before it is stored; names and factors as in ONNX.
enum class Activation : std::uint8_t {
    kNone,
    kRelu,
    kClip,         ///< alpha, beta: the limits
    kLeakyRelu,    ///< alpha
    kElu,          ///< alpha
    kHardSigmoid,  ///< alpha, beta
    kHardSwish,
    kSigmoid,
    kSilu,  ///< x * sigmoid(x)
    kTanh,
    kGelu,  ///< the exact one
};

struct ConvProblem {
    Window window;
    ElemType type = ElemType::kFloat;
    bool transposed = false;
    std::size_t images = 0, groups = 1;
    std::size_t in_channels = 0, out_channels = 0;  ///< of one group
    bool has_bias = false;
    bool has_addend = false;  ///< input 3, of the result's shape, is added after the bias
    bool channels_last = false;
    Activation activation = Activation::kNone;
    float alpha = 0, beta = 0;
};

/// For FLOAT, FLOAT16 and DOUBLE, as ONNX has them: no addend, no activation, channels first.
/// Weights: input 1, packed at load when constant.
qaicrt::Result<KernelPtr> make_conv_kernel(NodeContext& c, const ConvProblem& problem);
/// FLOAT and FLOAT16, channels last, with everything of ConvProblem (conv_channels_last.hpp).
qaicrt::Result<KernelPtr> make_fused_conv_kernel(NodeContext& c, const ConvProblem& problem);

}  // namespace qaicnet
