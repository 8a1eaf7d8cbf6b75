// SPDX-License-Identifier: Apache-2.0
/// Activations as the last step of another kernel. Elu and Swish take exp from vector_math.hpp and
/// may differ from the operators in the last bit; the others are the same.
#pragma once

#include "emu/net/conv_kernel.hpp"

#include <cstddef>

namespace qaicnet {

/// x[i] = activation(x[i])
void apply_activation(Activation activation, float alpha, float beta, float* x,
                      std::size_t count) noexcept;

}  // namespace qaicnet
