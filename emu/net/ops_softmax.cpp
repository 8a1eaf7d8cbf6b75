// SPDX-License-Identifier: Apache-2.0
/// Softmax: one axis from opset 13 on, all axes from `axis` on before.
#include "emu/net/elementwise.hpp"

#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// The tensor seen as [outer, length, inner]; the sum runs over `length`.
struct Extents {
    std::size_t outer = 1, length = 1, inner = 1;
};

template <class T>
struct Element {
    using Wide = T;
    static T load(T x) { return x; }
    static T store(T x) { return x; }
};
template <>
struct Element<Half> {
    using Wide = float;
    static float load(Half x) { return half_to_float(x); }
    static Half store(float x) { return float_to_half(x); }
};

/// exp(x - max) / sum, the sum in the order of the axis: a row belongs to one thread. A row of
/// `length` values needs no other memory than the result, except for FLOAT16, where the FP32 terms
/// are computed twice instead of being rounded in between.
template <class T>
class SoftmaxKernel final : public Kernel {
  public:
    explicit SoftmaxKernel(Extents extents) : e_(extents) {}

    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, e_.outer * e_.inner, grain_for(e_.length * 16),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             const std::size_t at =
                                 row / e_.inner * e_.length * e_.inner + row % e_.inner;
                             softmax_row(in + at, out + at);
                         }
                     });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    using Wide = typename Element<T>::Wide;

    void softmax_row(const T* in, T* out) const {
        Wide top = -std::numeric_limits<Wide>::infinity();
        for (std::size_t i = 0; i < e_.length; ++i) {
            const Wide x = Element<T>::load(in[i * e_.inner]);
            top = x > top ? x : top;
        }
        Wide sum = 0;
        for (std::size_t i = 0; i < e_.length; ++i) {
            const Wide term = std::exp(Element<T>::load(in[i * e_.inner]) - top);
            sum += term;
            if constexpr (!std::is_same_v<T, Half>) {
                out[i * e_.inner] = term;
            }
        }
        for (std::size_t i = 0; i < e_.length; ++i) {
            const std::size_t at = i * e_.inner;
            if constexpr (std::is_same_v<T, Half>) {
                out[at] = Element<T>::store(std::exp(Element<T>::load(in[at]) - top) / sum);
            } else {
                out[at] = out[at] / sum;
            }
        }
    }

    Extents e_;
};

std::int64_t default_axis(const NodeContext& c) {
    return c.opset() < 13 ? 1 : -1;
}

Status infer_softmax(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_TRY(const std::int64_t axis, c.attr_int("axis", default_axis(c)));
    const std::size_t rank = c.input(0).dims.size();
    // A scalar has no axis but a well-defined softmax; onnxruntime takes it as one element.
    if (rank != 0) {
        QAICRT_CHECK(c.normal_axis(axis, rank, c.opset() < 13));
    }
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}

Result<KernelPtr> prepare_softmax(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(const std::int64_t attribute, c.attr_int("axis", default_axis(c)));
    Extents extents;
    if (!dims.empty()) {
        QAICRT_TRY(const std::size_t axis, c.normal_axis(attribute, dims.size(), c.opset() < 13));
        for (std::size_t i = 0; i < dims.size(); ++i) {
            std::size_t& extent = i < axis                      ? extents.outer
                                  : c.opset() < 13 || i == axis ? extents.length
                                                                : extents.inner;
            extent *= static_cast<std::size_t>(dims[i]);
        }
    }
    if (c.input(0).count() == 0) {
        extents.outer = 0;
        extents.inner = 1;
    }
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return KernelPtr(std::make_unique<SoftmaxKernel<Half>>(extents));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<SoftmaxKernel<double>>(extents));
        default:
            return KernelPtr(std::make_unique<SoftmaxKernel<float>>(extents));
    }
}

constexpr OpDef kOps[] = {
    {"", "Softmax", kMinOpset, kMaxOpset, 1, 1, 1, "axis", infer_softmax, prepare_softmax},
};

}  // namespace

std::span<const OpDef> softmax_ops() {
    return kOps;
}

}  // namespace qaicnet
