// SPDX-License-Identifier: Apache-2.0
#include "emu/net/conv_kernel.hpp"

namespace qaicnet {

qaicrt::Result<KernelPtr> make_fused_conv_kernel(NodeContext& c, const ConvProblem& /*problem*/) {
    return c.malformed("no kernel yet");
}

}  // namespace qaicnet
