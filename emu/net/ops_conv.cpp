// SPDX-License-Identifier: Apache-2.0
/// Conv and ConvTranspose.
#include "emu/net/conv_kernel.hpp"
#include "emu/net/op.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

Result<ConvProblem> read_problem(NodeContext& c, bool transposed) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    const Shape& dims = c.input(0).dims;
    const Shape& weights = c.input(1).dims;
    if (weights.size() != dims.size() || dims.size() < 3) {
        return c.malformed(fmt::format("its weights {} do not fit its input {}", dims_text(weights),
                                       dims_text(dims)));
    }
    const Shape kernel(weights.begin() + 2, weights.end());
    ConvProblem p;
    p.transposed = transposed;
    if (transposed) {
        QAICRT_TRY(p.window, read_transposed_window(c, kernel));
    } else {
        QAICRT_TRY(p.window, read_window(c, kernel));
    }
    QAICRT_TRY(const std::int64_t groups, c.attr_int("group", 1));
    // Conv: [M, C / groups, …]; ConvTranspose: [C, M / groups, …].
    const std::int64_t channels = dims[1];
    const bool fits = groups > 0 && groups <= std::max<std::int64_t>(channels, 1) &&
                      channels % groups == 0 &&
                      (transposed ? weights[0] == channels
                                  : weights[1] == channels / groups && weights[0] % groups == 0);
    if (!fits) {
        return c.malformed(fmt::format("its weights {} do not fit {} channels in {} groups",
                                       dims_text(weights), channels, groups));
    }
    p.images = static_cast<std::size_t>(dims[0]);
    p.groups = static_cast<std::size_t>(groups);
    p.in_channels = static_cast<std::size_t>(channels / groups);
    p.out_channels = static_cast<std::size_t>(transposed ? weights[1] : weights[0] / groups);
    p.has_bias = c.has_input(2);
    if (p.has_bias) {
        QAICRT_CHECK(c.require_same_type(0, 2));
        if (c.input(2).count() != p.groups * p.out_channels || c.input(2).dims.size() != 1) {
            return c.malformed(fmt::format("its bias {} does not fit {} output channels",
                                           dims_text(c.input(2).dims), p.groups * p.out_channels));
        }
    }
    return p;
}

template <bool transposed>
Status infer_conv(NodeContext& c) {
    QAICRT_TRY(const ConvProblem p, read_problem(c, transposed));
    Shape out{c.input(0).dims[0], static_cast<std::int64_t>(p.groups * p.out_channels)};
    for (std::size_t i = 0; i < p.window.rank; ++i) {
        out.push_back(p.window.axes[kMaxSpatial - p.window.rank + i].out);
    }
    QAICRT_CHECK(c.set_output(0, c.input(0).type, std::move(out)));
    // Each result of Conv, each input of ConvTranspose meets the weights of one channel.
    const std::size_t channels = transposed ? p.groups * p.in_channels : p.groups * p.out_channels;
    return c.set_work({transposed ? c.input(0).count() : c.output().count(),
                       c.input(1).count() / std::max<std::size_t>(channels, 1)});
}

template <bool transposed>
Result<KernelPtr> prepare_conv(NodeContext& c) {
    QAICRT_TRY(ConvProblem p, read_problem(c, transposed));
    if (c.output().count() == 0) {
        p.images = 0;
    }
    return make_conv_kernel(c, p);
}

constexpr const char* kConvAttributes = "auto_pad dilations group kernel_shape pads strides";
constexpr const char* kTransposeAttributes =
    "auto_pad dilations group kernel_shape output_padding output_shape pads strides";

constexpr OpDef kOps[] = {
    {"", "Conv", 1, kMaxOpset, 2, 3, 1, kConvAttributes, infer_conv<false>, prepare_conv<false>},
    {"", "ConvTranspose", 1, kMaxOpset, 2, 3, 1, kTransposeAttributes, infer_conv<true>,
     prepare_conv<true>},
};

}  // namespace

std::span<const OpDef> conv_ops() {
    return kOps;
}

}  // namespace qaicnet
