// SPDX-License-Identifier: Apache-2.0
/// Conv and ConvTranspose.
#include "emu/net/conv_kernel.hpp"
#include "emu/net/op.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

Status read_bias(NodeContext& c, ConvProblem& p) {
    p.has_bias = c.has_input(2);
    if (!p.has_bias) {
        return {};
    }
    QAICRT_CHECK(c.require_same_type(0, 2));
    if (c.input(2).count() != p.groups * p.out_channels || c.input(2).dims.size() != 1) {
        return c.malformed(fmt::format("its bias {} does not fit {} output channels",
                                       dims_text(c.input(2).dims), p.groups * p.out_channels));
    }
    return {};
}

Result<ConvProblem> read_problem(NodeContext& c, bool transposed, bool channels_last = false) {
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
    p.type = c.input(0).type;
    p.transposed = transposed;
    p.channels_last = channels_last;
    if (transposed) {
        QAICRT_TRY(p.window, read_transposed_window(c, kernel, channels_last));
    } else {
        QAICRT_TRY(p.window, read_window(c, kernel, channels_last));
    }
    QAICRT_TRY(const std::int64_t groups, c.attr_int("group", 1));
    // Conv: [M, C / groups, …]; ConvTranspose: [C, M / groups, …].
    const std::int64_t channels = channels_last ? dims.back() : dims[1];
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
    QAICRT_CHECK(read_bias(c, p));
    return p;
}

Shape result_shape(const NodeContext& c, const ConvProblem& p) {
    Shape out{c.input(0).dims[0]};
    const auto channels = static_cast<std::int64_t>(p.groups * p.out_channels);
    if (!p.channels_last) {
        out.push_back(channels);
    }
    for (std::size_t i = 0; i < p.window.rank; ++i) {
        out.push_back(p.window.axes[kMaxSpatial - p.window.rank + i].out);
    }
    if (p.channels_last) {
        out.push_back(channels);
    }
    return out;
}

Status set_result(NodeContext& c, const ConvProblem& p) {
    QAICRT_CHECK(c.set_output(0, c.input(0).type, result_shape(c, p)));
    // Each result of Conv, each input of ConvTranspose meets the weights of one channel.
    const std::size_t channels = p.groups * (p.transposed ? p.in_channels : p.out_channels);
    return c.set_work({p.transposed ? c.input(0).count() : c.output().count(),
                       c.input(1).count() / std::max<std::size_t>(channels, 1)});
}

template <bool transposed>
Status infer_conv(NodeContext& c) {
    QAICRT_TRY(const ConvProblem p, read_problem(c, transposed));
    return set_result(c, p);
}

template <bool transposed>
Result<KernelPtr> prepare_conv(NodeContext& c) {
    QAICRT_TRY(ConvProblem p, read_problem(c, transposed));
    if (c.output().count() == 0) {
        p.images = 0;
    }
    return make_conv_kernel(c, p);
}

// --- FusedConv

struct ActivationName {
    const char* name;
    Activation activation;
    float alpha, beta;  ///< when the attributes are left out
};
constexpr float kMost = std::numeric_limits<float>::max();
constexpr ActivationName kActivations[] = {
    {"", Activation::kNone, 0, 0},
    {"Relu", Activation::kRelu, 0, 0},
    {"Clip", Activation::kClip, -kMost, kMost},
    {"LeakyRelu", Activation::kLeakyRelu, 0.01F, 0},
    {"Elu", Activation::kElu, 1, 0},
    {"HardSigmoid", Activation::kHardSigmoid, 0.2F, 0.5F},
    {"HardSwish", Activation::kHardSwish, 0, 0},
    {"Sigmoid", Activation::kSigmoid, 0, 0},
    {"Swish", Activation::kSilu, 0, 0},
    {"Tanh", Activation::kTanh, 0, 0},
    {"Gelu", Activation::kGelu, 0, 0},
};

Status read_activation(NodeContext& c, ConvProblem& p) {
    QAICRT_TRY(const std::string name, c.attr_string("activation", ""));
    for (const ActivationName& known : kActivations) {
        if (name == known.name) {
            p.activation = known.activation;
            QAICRT_TRY(p.alpha, c.attr_float("alpha", known.alpha));
            QAICRT_TRY(p.beta, c.attr_float("beta", known.beta));
            return {};
        }
    }
    return c.malformed("the activation " + quoted(name) + " is not known");
}

Result<ConvProblem> read_fused(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, types_of({ElemType::kFloat, ElemType::kFloat16})));
    QAICRT_TRY(const std::int64_t transposed, c.attr_int("transposed", 0));
    QAICRT_TRY(const std::int64_t channels_last, c.attr_int("channels_last", 0));
    QAICRT_TRY(ConvProblem p, read_problem(c, transposed != 0, channels_last != 0));
    QAICRT_CHECK(read_activation(c, p));
    p.has_addend = c.has_input(3);
    if (p.has_addend) {
        QAICRT_CHECK(c.require_same_type(0, 3));
        if (c.input(3).dims != result_shape(c, p)) {
            return c.malformed(fmt::format("its addend {} does not have the shape of its result {}",
                                           dims_text(c.input(3).dims),
                                           dims_text(result_shape(c, p))));
        }
    }
    return p;
}

Status infer_fused(NodeContext& c) {
    QAICRT_TRY(const ConvProblem p, read_fused(c));
    return set_result(c, p);
}

Result<KernelPtr> prepare_fused(NodeContext& c) {
    QAICRT_TRY(ConvProblem p, read_fused(c));
    if (c.output().count() == 0) {
        p.images = 0;
    }
    return make_fused_conv_kernel(c, p);
}

constexpr const char* kConvAttributes = "auto_pad dilations group kernel_shape pads strides";
constexpr const char* kTransposeAttributes =
    "auto_pad dilations group kernel_shape output_padding output_shape pads strides";

constexpr const char* kFusedAttributes =
    "activation alpha auto_pad beta channels_last dilations group kernel_shape output_padding "
    "output_shape pads strides transposed";

constexpr OpDef kOps[] = {
    {"", "Conv", 1, kMaxOpset, 2, 3, 1, kConvAttributes, infer_conv<false>, prepare_conv<false>},
    {"", "ConvTranspose", 1, kMaxOpset, 2, 3, 1, kTransposeAttributes, infer_conv<true>,
     prepare_conv<true>},
    {kEmuDomain, "FusedConv", 1, 1, 2, 4, 1, kFusedAttributes, infer_fused, prepare_fused},
};

}  // namespace

std::span<const OpDef> conv_ops() {
    return kOps;
}

}  // namespace qaicnet
