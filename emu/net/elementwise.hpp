// SPDX-License-Identifier: Apache-2.0
/// Kernels that compute each element of the result from one element of each input.
///
/// FLOAT16 is widened to FP32 in pieces that stay in the first-level cache, computed, and rounded
/// once.
#pragma once

#include "emu/net/broadcast.hpp"
#include "emu/net/half.hpp"
#include "emu/net/op.hpp"
#include "emu/net/parallel.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace qaicnet {

inline constexpr std::size_t kPiece = 512;

/// Calls visit(T{}) with the C++ type of `type`: Half for FLOAT16, uint8_t also for BOOL. False if
/// not in Types.
template <class Visit>
auto with_type(ElemType type, Visit&& visit) {
    switch (type) {
        case ElemType::kFloat16:
            return visit(Half{});
        case ElemType::kDouble:
            return visit(double{});
        case ElemType::kInt8:
            return visit(std::int8_t{});
        case ElemType::kInt16:
            return visit(std::int16_t{});
        case ElemType::kInt32:
            return visit(std::int32_t{});
        case ElemType::kInt64:
            return visit(std::int64_t{});
        case ElemType::kUInt8:
        case ElemType::kBool:
            return visit(std::uint8_t{});
        case ElemType::kUInt16:
            return visit(std::uint16_t{});
        case ElemType::kUInt32:
            return visit(std::uint32_t{});
        case ElemType::kUInt64:
            return visit(std::uint64_t{});
        case ElemType::kFloat:
        case ElemType::kUndefined:
            break;
    }
    return visit(float{});
}

/// `value` without its fraction; what x86 gives for a number that an integer cannot hold (net.md).
template <class T>
T truncated_to(double value) noexcept {
    const bool fits = value > -9.2233720368547758e18 && value < 9.2233720368547758e18;
    return static_cast<T>(fits ? static_cast<std::int64_t>(value)
                               : std::numeric_limits<std::int64_t>::min());
}

/// out[i] = f(in[i]). F: a copyable function object over float, double or integers.
template <class T, class F>
class UnaryKernel final : public Kernel {
  public:
    UnaryKernel(std::size_t count, F f) : count_(count), f_(f) {}

    qaicrt::Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, count_, kElementGrain, [&](std::size_t begin, std::size_t end) {
            if constexpr (std::is_same_v<T, Half>) {
                run_half(in, out, begin, end);
            } else {
                apply(in + begin, out + begin, end - begin);
            }
        });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override { return input == 0; }

  private:
    template <class U>
    void apply(const U* in, U* out, std::size_t count) const {
        const F f = f_;
        QAICNET_INDEPENDENT_LOOP
        for (std::size_t i = 0; i < count; ++i) {
            out[i] = f(in[i]);
        }
    }

    void run_half(const Half* in, Half* out, std::size_t begin, std::size_t end) const {
        float piece[kPiece];
        for (std::size_t i = begin; i < end; i += kPiece) {
            const std::size_t count = std::min(kPiece, end - i);
            widen(in + i, piece, count);
            apply(piece, piece, count);
            narrow(piece, out + i, count);
        }
    }

    std::size_t count_;
    F f_;
};

/// out[i] = F()(a[…], b[…]) with broadcasting. F: a stateless function object.
template <class T, class F>
class BinaryKernel final : public Kernel {
  public:
    BinaryKernel(BroadcastPlan plan, bool a_whole, bool b_whole)
        : plan_(std::move(plan)), whole_{a_whole, b_whole} {}

    qaicrt::Status run(const RunArgs& args) const override {
        const T* a = as<T>(args.in[0]);
        const T* b = as<T>(args.in[1]);
        T* out = as<T>(args.out[0]);
        const std::size_t sa = plan_.strides[0].back();
        const std::size_t sb = plan_.strides[1].back();
        parallel_for(args.workers, plan_.count, kElementGrain,
                     [&](std::size_t begin, std::size_t end) {
                         plan_.for_each_run(
                             begin, end, [&](std::size_t at, const auto& in, std::size_t count) {
                                 if constexpr (std::is_same_v<T, Half>) {
                                     run_half(a + in[0], sa, b + in[1], sb, out + at, count);
                                 } else {
                                     apply(a + in[0], sa, b + in[1], sb, out + at, count);
                                 }
                             });
                     });
        return {};
    }
    bool can_overwrite(std::size_t input) const noexcept override {
        return input < 2 && whole_[input];
    }

  private:
    template <class U>
    static void apply(const U* a, std::size_t sa, const U* b, std::size_t sb, U* out,
                      std::size_t count) {
        const F f{};
        if (sa != 0 && sb != 0) {
            QAICNET_INDEPENDENT_LOOP
            for (std::size_t i = 0; i < count; ++i) {
                out[i] = f(a[i], b[i]);
            }
        } else if (sa != 0) {
            const U right = *b;
            QAICNET_INDEPENDENT_LOOP
            for (std::size_t i = 0; i < count; ++i) {
                out[i] = f(a[i], right);
            }
        } else if (sb != 0) {
            const U left = *a;
            QAICNET_INDEPENDENT_LOOP
            for (std::size_t i = 0; i < count; ++i) {
                out[i] = f(left, b[i]);
            }
        } else {
            std::fill_n(out, count, static_cast<U>(f(*a, *b)));
        }
    }

    static void run_half(const Half* a, std::size_t sa, const Half* b, std::size_t sb, Half* out,
                         std::size_t count) {
        float left[kPiece];
        float right[kPiece];
        for (std::size_t i = 0; i < count; i += kPiece) {
            const std::size_t piece = std::min(kPiece, count - i);
            widen(a + i * sa, left, sa != 0 ? piece : 1);
            widen(b + i * sb, right, sb != 0 ? piece : 1);
            float* result = sa != 0 ? left : right;
            float both[kPiece];
            apply(left, sa, right, sb, sa == 0 && sb == 0 ? both : result, piece);
            narrow(sa == 0 && sb == 0 ? both : result, out + i, piece);
        }
    }

    BroadcastPlan plan_;
    bool whole_[2];  ///< the input has the result's shape
};

/// Shapes and types of an operator with two broadcast inputs of one type.
inline qaicrt::Status infer_binary(NodeContext& c, TypeSet allowed) {
    QAICRT_CHECK(c.require_type(0, allowed));
    QAICRT_CHECK(c.require_same_type(0, 1));
    auto shape = broadcast_shape(c.input(0).dims, c.input(1).dims);
    if (!shape) {
        return c.malformed("the shapes " + dims_text(c.input(0).dims) + " and " +
                           dims_text(c.input(1).dims) + " cannot be broadcast to each other");
    }
    return c.set_output(0, c.input(0).type, std::move(*shape));
}

/// A BinaryKernel for the node's type. F must take two values of float, double and each integer
/// type.
template <class F>
qaicrt::Result<KernelPtr> prepare_binary(NodeContext& c) {
    const Shape* inputs[] = {&c.input(0).dims, &c.input(1).dims};
    const Shape& out = c.output().dims;
    BroadcastPlan plan = BroadcastPlan::make(out, inputs);
    const bool a_whole = c.input(0).dims == out;
    const bool b_whole = c.input(1).dims == out;
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<BinaryKernel<decltype(tag), F>>(std::move(plan), a_whole, b_whole);
    });
}

}  // namespace qaicnet
