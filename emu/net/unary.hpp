// SPDX-License-Identifier: Apache-2.0
/// How the families make kernels of functions of one argument.
#pragma once

#include "emu/net/elementwise.hpp"

namespace qaicnet {

inline qaicrt::Status infer_same(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(c.require_type(0, allowed));
    return c.set_output(0, c.input(0).type, c.input(0).dims);
}
inline qaicrt::Status infer_same_float(NodeContext& c) {
    return infer_same(c, kFloatTypes);
}
inline qaicrt::Status infer_same_numeric(NodeContext& c) {
    return infer_same(c, kNumericTypes);
}

/// F over every numeric type.
template <class F>
qaicrt::Result<KernelPtr> prepare_numeric(NodeContext& c) {
    const std::size_t count = c.input(0).count();
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<UnaryKernel<decltype(tag), F>>(count, F{});
    });
}

/// F over float and double, with what it remembers.
template <class F>
KernelPtr float_kernel(NodeContext& c, const F& f) {
    const std::size_t count = c.input(0).count();
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return std::make_unique<UnaryKernel<Half, F>>(count, f);
        case ElemType::kDouble:
            return std::make_unique<UnaryKernel<double, F>>(count, f);
        default:
            return std::make_unique<UnaryKernel<float, F>>(count, f);
    }
}
template <class F>
qaicrt::Result<KernelPtr> prepare_float(NodeContext& c) {
    return float_kernel(c, F{});
}

using BulkFunction = void (*)(const float* in, float* out, std::size_t count) noexcept;

/// A function of vector_math.hpp for FLOAT and FLOAT16.
template <class T>
class BulkKernel final : public Kernel {
  public:
    BulkKernel(std::size_t count, BulkFunction f) : count_(count), f_(f) {}
    qaicrt::Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, count_, kElementGrain / 4,
                     [&](std::size_t begin, std::size_t end) {
                         if constexpr (std::is_same_v<T, float>) {
                             f_(in + begin, out + begin, end - begin);
                         } else {
                             float piece[kPiece];
                             for (std::size_t i = begin; i < end; i += kPiece) {
                                 const std::size_t n = std::min(kPiece, end - i);
                                 widen(in + i, piece, n);
                                 f_(piece, piece, n);
                                 narrow(piece, out + i, n);
                             }
                         }
                     });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    std::size_t count_;
    BulkFunction f_;
};

/// `bulk` for FLOAT and FLOAT16, F for DOUBLE.
template <BulkFunction bulk, class F>
qaicrt::Result<KernelPtr> prepare_bulk(NodeContext& c) {
    const std::size_t count = c.input(0).count();
    switch (c.input(0).type) {
        case ElemType::kFloat16:
            return KernelPtr(std::make_unique<BulkKernel<Half>>(count, bulk));
        case ElemType::kDouble:
            return KernelPtr(std::make_unique<UnaryKernel<double, F>>(count, F{}));
        default:
            return KernelPtr(std::make_unique<BulkKernel<float>>(count, bulk));
    }
}

}  // namespace qaicnet
