// SPDX-License-Identifier: Apache-2.0
/// One FLOAT operator with its sizes, as a model for our runner and as a primitive of oneDNN
/// (peer.hpp): for the comparison of results here and of times in bench/kernels.cpp.
#pragma once

#include "emu/net/test/model_builder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace qaicnet::test {

enum class WorkKind : std::uint8_t { kConv, kConvTranspose, kMaxPool, kAveragePool, kProduct };

struct Work {
    WorkKind kind = WorkKind::kConv;

    // Convolutions and pools. Lists have one number for each spatial axis.
    std::int64_t images = 1, groups = 1;
    std::int64_t in_channels = 1, out_channels = 1;  ///< of all groups
    Dims in{}, kernel{}, strides{}, dilations{}, before{}, after{};
    bool counts_padding = false;  ///< AveragePool

    // Products: [batch, m, k] times [k, n], or [batch, k, n] with `batch_b`. Transposed operands
    // are for Gemm, which has one batch.
    std::int64_t batch = 1, m = 1, k = 1, n = 1;
    bool batch_b = false, gemm = false, transposed_a = false, transposed_b = false;

    bool has_bias = true;  ///< of a convolution or (one row) of Gemm

    bool is_convolution() const {
        return kind == WorkKind::kConv || kind == WorkKind::kConvTranspose;
    }
    bool is_pool() const { return kind == WorkKind::kMaxPool || kind == WorkKind::kAveragePool; }
    Dims out() const;            ///< spatial axes of the result
    Dims input_dims() const;     ///< in ONNX's order, like the three below
    Dims weight_dims() const;    ///< none for pools
    Dims bias_dims() const;      ///< none without a bias
    Dims result_dims() const;    ///< channels first
    std::int64_t terms() const;  ///< that a result is the sum of, the bias included
    double operations() const;   ///< multiplications and additions; comparisons of MaxPool
    std::string text() const;    ///< for messages
};

std::size_t count_of(const Dims& dims);
/// Channels first → last.
Dims channels_last(const Dims& dims);

/// A model of one ONNX node; the weights and the bias are constants or inputs.
ModelBuilder onnx_model(const Work& work, const std::vector<float>& weights,
                        const std::vector<float>& bias, bool constant);
/// A model whose only step is the kernel that the passes choose: FusedConv and pools on channels
/// last, from and to tensors that already are.
ModelBuilder kernel_model(const Work& work, const std::vector<float>& weights,
                          const std::vector<float>& bias);

}  // namespace qaicnet::test
