// SPDX-License-Identifier: Apache-2.0
/// Softmax and LogSoftmax: one axis from opset 13 on, all axes from `axis` on before.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/vector_math.hpp"

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

/// exp(x - max) / sum: a row belongs to one thread. The sum is kept in 16 parts, term i in part i
/// modulo 16, which are then added pairwise. FLOAT and FLOAT16 rows go through pieces of FP32 in
/// vector_math.hpp's exp.
template <class T, bool logarithm>
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
    using Wide = WideOf<T>;

    void softmax_row(const T* in, T* out) const {
        Wide top = -std::numeric_limits<Wide>::infinity();
        for (std::size_t i = 0; i < e_.length; ++i) {
            const Wide x = load_wide(in[i * e_.inner]);
            top = x > top ? x : top;
        }
        Wide parts[kParts] = {};
        for_each_piece(in, top, [&](const Wide* terms, std::size_t, std::size_t count) {
            add_to_parts(terms, count, parts);
        });
        for (std::size_t half = kParts / 2; half != 0; half /= 2) {
            for (std::size_t k = 0; k < half; ++k) {
                parts[k] += parts[k + half];
            }
        }
        const Wide sum = parts[0];
        if constexpr (logarithm) {
            const Wide shift = top + std::log(sum);
            for (std::size_t i = 0; i < e_.length; ++i) {
                const std::size_t at = i * e_.inner;
                out[at] = store_narrow<T>(load_wide(in[at]) - shift);
            }
        } else {
            for_each_piece(in, top, [&](const Wide* terms, std::size_t begin, std::size_t count) {
                for (std::size_t k = 0; k < count; ++k) {
                    out[(begin + k) * e_.inner] = store_narrow<T>(terms[k] / sum);
                }
            });
        }
    }

    static constexpr std::size_t kParts = 16;
    static_assert(kPiece % kParts == 0);

    static void add_to_parts(const Wide* terms, std::size_t count, Wide* parts) {
        std::size_t k = 0;
        for (; k + kParts <= count; k += kParts) {
            for (std::size_t j = 0; j < kParts; ++j) {
                parts[j] += terms[k + j];
            }
        }
        for (; k < count; ++k) {
            parts[k % kParts] += terms[k];
        }
    }

    /// Calls body(exp(x - top) of a piece, where it begins, its length).
    template <class Body>
    void for_each_piece(const T* in, Wide top, Body&& body) const {
        Wide piece[kPiece];
        for (std::size_t begin = 0; begin < e_.length; begin += kPiece) {
            const std::size_t count = std::min(kPiece, e_.length - begin);
            for (std::size_t k = 0; k < count; ++k) {
                piece[k] = load_wide(in[(begin + k) * e_.inner]);
            }
            if constexpr (std::is_same_v<Wide, float>) {
                exp_shifted(piece, top, piece, count);
            } else {
                for (std::size_t k = 0; k < count; ++k) {
                    piece[k] = std::exp(piece[k] - top);
                }
            }
            body(piece, begin, count);
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

template <bool logarithm>
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
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<SoftmaxKernel<decltype(tag), logarithm>>(extents);
    });
}

constexpr OpDef kOps[] = {
    {"", "Softmax", kMinOpset, kMaxOpset, 1, 1, 1, "axis", infer_softmax, prepare_softmax<false>},
    {"", "LogSoftmax", kMinOpset, kMaxOpset, 1, 1, 1, "axis", infer_softmax, prepare_softmax<true>},
};

}  // namespace

std::span<const OpDef> softmax_ops() {
    return kOps;
}

}  // namespace qaicnet
