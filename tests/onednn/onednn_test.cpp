// SPDX-License-Identifier: Apache-2.0
/// Our FLOAT results against oneDNN's, on random shapes.
///
/// Two sums of the same n terms in any two orders, fused or not, differ by at most twice
/// n * 2^-24 / (1 - n * 2^-24) times the sum of the terms' magnitudes. oneDNN gives the latter,
/// from operands without their signs.
#include "tests/onednn/peer.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace qaicnet::test {
namespace {

class Shapes {
  public:
    explicit Shapes(unsigned seed) : random_(seed) {}

    std::int64_t between(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
    }
    bool chance(int percent) { return between(1, 100) <= percent; }

    std::vector<float> numbers(const Dims& dims) {
        std::vector<float> out(dims.empty() ? 0 : count_of(dims));
        std::normal_distribution<float> normal;
        std::generate(out.begin(), out.end(), [&] { return normal(random_); });
        return out;
    }

    Work convolution(bool transposed) {
        Work work = window(transposed ? 3 : 5);
        work.kind = transposed ? WorkKind::kConvTranspose : WorkKind::kConv;
        work.has_bias = chance(70);
        if (chance(25)) {  // depthwise
            work.groups = work.in_channels = work.out_channels = between(2, 50);
        } else {
            work.groups = chance(70) ? 1 : between(2, 4);
            work.in_channels = work.groups * between(1, 40);
            work.out_channels = work.groups * between(1, 40);
        }
        if (transposed && chance(40)) {  // without overlap
            work.strides = work.kernel;
            std::fill(work.dilations.begin(), work.dilations.end(), 1);
            std::fill(work.before.begin(), work.before.end(), 0);
            work.after = work.before;
        }
        return work;
    }

    Work pool(WorkKind kind) {
        Work work = window(4);
        work.kind = kind;
        work.in_channels = work.out_channels = between(1, 80);
        work.counts_padding = chance(50);
        for (std::size_t i = 0; i < work.in.size(); ++i) {
            // Padding alone has no largest element and no mean.
            work.before[i] = std::min(work.before[i], work.kernel[i] - 1);
            work.after[i] = std::min(work.after[i], work.kernel[i] - 1);
            work.dilations[i] = kind == WorkKind::kMaxPool ? work.dilations[i] : 1;
            if (work.dilations[i] > 1) {
                work.before[i] = work.after[i] = 0;
            }
        }
        return work;
    }

    Work product() {
        Work work;
        work.kind = WorkKind::kProduct;
        work.gemm = chance(50);
        work.has_bias = work.gemm && chance(70);
        work.m = chance(25) ? 1 : between(1, 70);
        work.k = between(1, 400);
        work.n = between(1, 150);
        if (work.gemm) {
            work.transposed_a = chance(40);
            work.transposed_b = chance(40);
        } else {
            work.batch = between(1, 3);
            work.batch_b = chance(50);
        }
        return work;
    }

  private:
    /// Everything of a window; the input is at least as large as what the kernel reaches.
    Work window(std::int64_t most) {
        Work work;
        work.images = between(1, 2);
        const std::int64_t axes = between(1, 3);
        for (std::int64_t i = 0; i < axes; ++i) {
            work.kernel.push_back(between(1, most));
            work.strides.push_back(chance(60) ? 1 : between(2, 3));
            work.dilations.push_back(chance(75) ? 1 : 2);
            work.before.push_back(between(0, work.kernel.back() / 2));
            work.after.push_back(between(0, work.kernel.back() / 2));
            const std::int64_t reach = (work.kernel.back() - 1) * work.dilations.back() + 1;
            work.in.push_back(reach + between(0, axes == 3 ? 6 : 20));
        }
        return work;
    }

    std::mt19937 random_;
};

std::vector<float> magnitudes(std::vector<float> values) {
    for (float& v : values) {
        v = std::fabs(v);
    }
    return values;
}

struct Operands {
    std::vector<float> x, w, b;
};

std::vector<float> peers_result(const Work& work, const Operands& o) {
    Peer peer(work, PeerLayout::kBest);
    peer.set(o.x, o.w, o.b);
    peer.run();
    return peer.result();
}

std::vector<float> our_result(const Work& work, const Operands& o, bool constant,
                              unsigned threads) {
    auto network = load(onnx_model(work, o.w, o.b, constant));
    if (!network) {
        ADD_FAILURE() << network.error().message;
        return {};
    }
    std::vector<std::span<const std::byte>> inputs{bytes_of(o.x)};
    for (const auto* operand : {&o.w, &o.b}) {
        if (!constant && !operand->empty()) {
            inputs.push_back(bytes_of(*operand));
        }
    }
    const auto outputs = run_bytes(**network, inputs, threads);
    if (!outputs) {
        ADD_FAILURE() << outputs.error().message;
        return {};
    }
    return as_vector<float>((*outputs)[0]);
}

void compare(const Work& work, Shapes& shapes) {
    SCOPED_TRACE(work.text());
    const Operands o{shapes.numbers(work.input_dims()), shapes.numbers(work.weight_dims()),
                     shapes.numbers(work.bias_dims())};
    const auto expected = peers_result(work, o);
    const auto sizes = peers_result(work, {magnitudes(o.x), magnitudes(o.w), magnitudes(o.b)});
    const auto got = our_result(work, o, true, 1);
    ASSERT_EQ(got.size(), expected.size());
    // A mean has one more rounding, the division; the largest element has none.
    const bool exact = work.kind == WorkKind::kMaxPool;
    const double terms = static_cast<double>(work.terms() + (work.is_pool() ? 1 : 0));
    const double unit = terms * std::ldexp(1.0, -24);
    const double bound = exact ? 0 : 2 * unit / (1 - unit);
    for (std::size_t i = 0; i < got.size(); ++i) {
        // The sum of magnitudes was rounded too.
        ASSERT_LE(std::fabs(double{got[i]} - double{expected[i]}),
                  bound * double{sizes[i]} * (1 + bound))
            << "result " << i;
    }
    for (const bool constant : {true, false}) {
        for (const unsigned threads : {1u, 2u, 3u}) {
            const auto other = our_result(work, o, constant, threads);
            ASSERT_EQ(other.size(), got.size());
            ASSERT_EQ(std::memcmp(other.data(), got.data(), got.size() * sizeof(float)), 0)
                << threads << " threads, constant operands: " << constant;
        }
    }
}

TEST(OneDnn, ConvolutionsAgree) {
    Shapes shapes(1);
    for (int i = 0; i < 80 && !HasFatalFailure(); ++i) {
        compare(shapes.convolution(false), shapes);
    }
}

TEST(OneDnn, TransposedConvolutionsAgree) {
    Shapes shapes(2);
    for (int i = 0; i < 50 && !HasFatalFailure(); ++i) {
        compare(shapes.convolution(true), shapes);
    }
}

TEST(OneDnn, PoolsAgree) {
    Shapes shapes(3);
    for (int i = 0; i < 60 && !HasFatalFailure(); ++i) {
        compare(shapes.pool(i % 2 == 0 ? WorkKind::kMaxPool : WorkKind::kAveragePool), shapes);
    }
}

TEST(OneDnn, ProductsAgree) {
    Shapes shapes(4);
    for (int i = 0; i < 80 && !HasFatalFailure(); ++i) {
        compare(shapes.product(), shapes);
    }
}

}  // namespace
}  // namespace qaicnet::test
