// SPDX-License-Identifier: Apache-2.0
/// Values between the pixels of an image: GridSample and RoiAlign.
///
/// Places and weights are computed in FP32 (FP64 for DOUBLE and, in GridSample, for integers) and
/// the weighted sum likewise; FLOAT16 is rounded once.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

// --- GridSample

enum class Sampling : std::uint8_t { kNearest, kLinear, kCubic };
enum class Outside : std::uint8_t { kZeros, kBorder, kReflection };
constexpr std::size_t kMaxAxes = 3;
constexpr std::size_t kMaxTaps = 4;  // of one axis

struct GridSetup {
    std::size_t images = 0, channels = 0, rank = 0;
    std::size_t pixels = 1, places = 1;  ///< of one channel: in the input, in the result
    std::array<std::int64_t, kMaxAxes> size{};
    Sampling sampling = Sampling::kLinear;
    Outside outside = Outside::kZeros;
    bool align_corners = false;
};

/// Pixels along one axis and their weights; -1 for a pixel that is zero.
template <class W>
struct Taps {
    std::array<std::int64_t, kMaxTaps> at{};
    std::array<W, kMaxTaps> weight{};
    std::size_t count = 0;
};

template <class W>
W reflected(W x, W low, W high) {
    const W range = high - low;
    if (!(range > W{0})) {
        return low;
    }
    const bool below = x < low;
    if (!below && !(x > high)) {
        return x;
    }
    const W distance = below ? low - x : x - high;
    const W turns = std::floor(distance / range);
    const W rest = distance - turns * range;
    const bool even = std::fmod(turns, W{2}) == W{0};
    return below == even ? low + rest : high - rest;
}

/// The cubic of Keys with -0.75, at distances 1 + t, t, 1 - t and 2 - t.
template <class W>
void cubic_weights(W t, std::array<W, kMaxTaps>& out) {
    constexpr W a = W{-0.75};
    const auto near = [&](W x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    const auto far = [&](W x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    out = {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

template <class W>
class AxisSampler {
  public:
    AxisSampler(const GridSetup& setup, std::size_t axis)
        : setup_(setup),
          size_(setup.size[axis]),
          low_(setup.align_corners ? W{0} : W{-0.5}),
          high_(static_cast<W>(size_) - (setup.align_corners ? W{1} : W{0.5})) {}

    Taps<W> taps(W normal) const {
        W x = setup_.align_corners ? (normal + 1) / 2 * (static_cast<W>(size_) - 1)
                                   : ((normal + 1) * static_cast<W>(size_) - 1) / 2;
        if (setup_.sampling == Sampling::kNearest) {
            x = std::nearbyint(x);
        }
        if (x < low_ || x > high_) {
            x = outside(x);
        }
        constexpr W kFar = W{1 << 30};  // there is no pixel; nor for a NaN
        x = x > -kFar ? std::min(x, kFar) : -kFar;
        Taps<W> out;
        const W below = std::floor(x);
        const auto first = static_cast<std::int64_t>(below);
        switch (setup_.sampling) {
            case Sampling::kNearest:
                out.count = 1;
                out.weight[0] = 1;
                break;
            case Sampling::kLinear:
                out.count = 2;
                out.weight = {1 - (x - below), x - below, 0, 0};
                break;
            case Sampling::kCubic:
                out.count = 4;
                cubic_weights(x - below, out.weight);
                break;
        }
        for (std::size_t k = 0; k < out.count; ++k) {
            out.at[k] = pixel(first + static_cast<std::int64_t>(k) -
                              (setup_.sampling == Sampling::kCubic ? 1 : 0));
        }
        return out;
    }

  private:
    /// A cubic at the border still bends with the place; only its pixels are clamped.
    W outside(W x) const {
        switch (setup_.outside) {
            case Outside::kBorder:
                return setup_.sampling == Sampling::kCubic
                           ? x
                           : std::clamp<W>(x, 0, static_cast<W>(size_ - 1));
            case Outside::kReflection:
                return reflected(x, low_, high_);
            case Outside::kZeros:
                break;
        }
        return x;
    }

    std::int64_t pixel(std::int64_t i) const {
        if (i >= 0 && i < size_) {
            return i;
        }
        if (setup_.outside == Outside::kZeros) {
            return -1;
        }
        if (setup_.outside == Outside::kReflection) {
            i = static_cast<std::int64_t>(reflected(static_cast<W>(i), low_, high_));
        }
        return std::clamp<std::int64_t>(i, 0, size_ - 1);
    }
    const GridSetup& setup_;
    std::int64_t size_;
    W low_, high_;
};

/// T: of the data; G: of the grid; `boolean`: data are true or false.
template <class T, class G>
class GridKernel final : public Kernel {
  public:
    GridKernel(const GridSetup& setup, bool boolean) : s_(setup), boolean_(boolean) {}
    Status run(const RunArgs& args) const override {
        parallel_for(args.workers, s_.images * s_.places, grain_for((s_.channels + 8) * 16),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             one_place(as<T>(args.in[0]), as<G>(args.in[1]), as<T>(args.out[0]), i);
                         }
                     });
        return {};
    }

  private:
    using W =
        std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, float>, float, double>;
    static constexpr std::size_t kAll = kMaxTaps * kMaxTaps * kMaxTaps;

    struct Mix {
        std::array<std::size_t, kAll> at;
        std::array<W, kAll> weight;
        std::size_t count = 0;
    };

    /// `i`: image times places plus place. The grid names the last axis first.
    void one_place(const T* in, const G* grid, T* out, std::size_t i) const {
        std::array<Taps<W>, kMaxAxes> taps;
        for (std::size_t axis = 0; axis < s_.rank; ++axis) {
            const G normal = grid[i * s_.rank + s_.rank - 1 - axis];
            taps[axis] = AxisSampler<W>(s_, axis).taps(static_cast<W>(load_wide(normal)));
        }
        Mix mix;
        collect(taps, 0, 0, W{1}, mix);
        const std::size_t image = i / s_.places;
        for (std::size_t c = 0; c < s_.channels; ++c) {
            const T* pixels = in + (image * s_.channels + c) * s_.pixels;
            W sum{0};
            for (std::size_t k = 0; k < mix.count; ++k) {
                sum += mix.weight[k] * static_cast<W>(load_wide(pixels[mix.at[k]]));
            }
            out[(image * s_.channels + c) * s_.places + i % s_.places] = narrow_sum(sum);
        }
    }
    void collect(const std::array<Taps<W>, kMaxAxes>& taps, std::size_t axis, std::size_t from,
                 W weight, Mix& mix) const {
        if (axis == s_.rank) {
            mix.at[mix.count] = from;
            mix.weight[mix.count++] = weight;
            return;
        }
        for (std::size_t k = 0; k < taps[axis].count; ++k) {
            if (taps[axis].at[k] >= 0) {
                collect(taps, axis + 1,
                        from * static_cast<std::size_t>(s_.size[axis]) +
                            static_cast<std::size_t>(taps[axis].at[k]),
                        weight * taps[axis].weight[k], mix);
            }
        }
    }
    T narrow_sum(W sum) const {
        if constexpr (std::is_integral_v<T>) {
            return boolean_ ? static_cast<T>(sum != 0) : saturated<T>(static_cast<double>(sum));
        } else {
            return store_narrow<T>(static_cast<WideOf<T>>(sum));
        }
    }
    GridSetup s_;
    bool boolean_;
};

/// The value of a word attribute as its place in `words`.
Result<std::size_t> read_word(NodeContext& c, const char* name, const char* fallback,
                              std::initializer_list<const char*> words) {
    QAICRT_TRY(const std::string word, c.attr_string(name, fallback));
    std::size_t at = 0;
    std::string all;
    for (const char* known : words) {
        if (word == known) {
            return at;
        }
        all += (at++ == 0 ? "" : ", ") + std::string(known);
    }
    return c.malformed(
        fmt::format("the attribute '{}' is {}, it must be one of {}", name, quoted(word), all));
}

Result<GridSetup> read_grid(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    const Shape& grid = c.input(1).dims;
    GridSetup s;
    s.rank = dims.size() < 2 ? 0 : dims.size() - 2;
    const std::size_t most = c.opset() < 20 ? 2 : kMaxAxes;
    if (s.rank < 1 || s.rank > most || (c.opset() < 20 && s.rank != 2)) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("its input {} must have {} spatial axes", dims_text(dims),
                                  c.opset() < 20 ? "2" : "1 to 3"));
    }
    if (grid.size() != dims.size() || grid[0] != dims[0] ||
        grid.back() != static_cast<std::int64_t>(s.rank)) {
        return c.malformed(
            fmt::format("its grid {} does not fit its input {}", dims_text(grid), dims_text(dims)));
    }
    const bool old = c.opset() < 20;
    QAICRT_TRY(const std::size_t mode,
               old ? read_word(c, "mode", "bilinear", {"nearest", "bilinear", "bicubic"})
                   : read_word(c, "mode", "linear", {"nearest", "linear", "cubic"}));
    QAICRT_TRY(const std::size_t outside,
               read_word(c, "padding_mode", "zeros", {"zeros", "border", "reflection"}));
    QAICRT_TRY(const std::int64_t align, c.attr_int("align_corners", 0));
    s.images = static_cast<std::size_t>(dims[0]);
    s.channels = static_cast<std::size_t>(dims[1]);
    for (std::size_t i = 0; i < s.rank; ++i) {
        s.size[i] = dims[2 + i];
        if (s.size[i] < 1 || s.size[i] >= std::int64_t{1} << 31) {
            return c.malformed("its input " + dims_text(dims) + " has no pixels");
        }
    }
    s.pixels = count_between(dims, 2, dims.size());
    s.places = count_between(grid, 1, grid.size() - 1);
    s.sampling = static_cast<Sampling>(mode);
    s.outside = static_cast<Outside>(outside);
    s.align_corners = align != 0;
    return s;
}

Status infer_grid(NodeContext& c) {
    QAICRT_CHECK(c.require_type(1, kFloatTypes));
    QAICRT_TRY(const GridSetup s, read_grid(c));
    Shape out{c.input(0).dims[0], c.input(0).dims[1]};
    out.insert(out.end(), c.input(1).dims.begin() + 1, c.input(1).dims.end() - 1);
    QAICRT_CHECK(c.set_output(0, c.input(0).type, std::move(out)));
    const std::uint64_t taps = s.sampling == Sampling::kCubic ? 64 : 8;
    return c.set_work({s.images, s.places, s.channels + 8, taps});
}
Result<KernelPtr> prepare_grid(NodeContext& c) {
    QAICRT_TRY(const GridSetup s, read_grid(c));
    const bool boolean = c.input(0).type == ElemType::kBool;
    return with_type(c.input(0).type, [&](auto tag) {
        return with_float_type(c.input(1).type, [&](auto grid) -> KernelPtr {
            return std::make_unique<GridKernel<decltype(tag), decltype(grid)>>(s, boolean);
        });
    });
}

// --- RoiAlign

struct RoiSetup {
    std::int64_t images = 0, height = 0, width = 0, out_height = 1, out_width = 1, ratio = 0;
    std::size_t regions = 0, channels = 0;
    float scale = 1;
    bool half_pixel = false, greatest = false;

    /// Samples along one axis of a result, at most: a region may be four times as large as the
    /// image.
    static std::int64_t most(std::int64_t size, std::int64_t out) { return 4 * size / out + 4; }
};

/// The average, or the greatest, of samples in each part of a region.
template <class T>
class RoiKernel final : public Kernel {
  public:
    explicit RoiKernel(const RoiSetup& setup) : s_(setup) {}
    Status run(const RunArgs& args) const override {
        for (std::size_t r = 0; r < s_.regions; ++r) {
            QAICRT_CHECK(check(args, r));
        }
        const auto lines = s_.channels * static_cast<std::size_t>(s_.out_height);
        parallel_for(args.workers, s_.regions * lines,
                     grain_for(static_cast<std::size_t>(s_.out_width) * 32),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             one_line(args, i / lines,
                                      i / static_cast<std::size_t>(s_.out_height) % s_.channels,
                                      static_cast<std::int64_t>(i) % s_.out_height, i);
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;
    struct Span {
        W start, part;         ///< of the region; of one result
        std::int64_t samples;  ///< in one result; may be 0
    };
    /// `axis`: 0 for x, 1 for y.
    Span span_of(const RunArgs& args, std::size_t region, std::size_t axis) const {
        const T* corners = as<T>(args.in[1]) + region * 4;
        const W offset = s_.half_pixel ? W{0.5} : W{0};
        const W scale = static_cast<W>(s_.scale);
        const W start = load_wide(corners[axis]) * scale - offset;
        W length = load_wide(corners[axis + 2]) * scale - offset - start;
        length = s_.half_pixel ? length : std::max(length, W{1});
        const std::int64_t out = axis == 0 ? s_.out_width : s_.out_height;
        const W part = length / static_cast<W>(out);
        const W most = static_cast<W>(RoiSetup::most(axis == 0 ? s_.width : s_.height, out));
        const W wanted = std::ceil(part);
        // -1: more than makes sense, or a NaN.
        const std::int64_t samples = s_.ratio > 0 ? s_.ratio
                                     : !(wanted <= most)
                                         ? -1
                                         : static_cast<std::int64_t>(std::max(wanted, W{0}));
        return {start, part, samples};
    }
    Status check(const RunArgs& args, std::size_t region) const {
        const std::int64_t image = as<std::int64_t>(args.in[2])[region];
        if (image < 0 || image >= s_.images) {
            return Error(Errc::kInvalidArgument,
                         fmt::format("RoiAlign: region {} lies in image {}, and there are {}",
                                     region, image, s_.images));
        }
        if (span_of(args, region, 0).samples < 0 || span_of(args, region, 1).samples < 0) {
            return Error(
                Errc::kInvalidArgument,
                fmt::format("RoiAlign: region {} is more than four times as large as the image",
                            region));
        }
        return {};
    }

    void one_line(const RunArgs& args, std::size_t region, std::size_t channel, std::int64_t line,
                  std::size_t i) const {
        const auto image = static_cast<std::size_t>(as<std::int64_t>(args.in[2])[region]);
        const T* pixels = as<T>(args.in[0]) + (image * s_.channels + channel) *
                                                  static_cast<std::size_t>(s_.height * s_.width);
        T* out = as<T>(args.out[0]) + i * static_cast<std::size_t>(s_.out_width);
        const Span x = span_of(args, region, 0);
        const Span y = span_of(args, region, 1);
        for (std::int64_t column = 0; column < s_.out_width; ++column) {
            W sum{0};
            W best{0};
            for (std::int64_t k = 0; k < y.samples * x.samples; ++k) {
                const auto down = static_cast<W>(k / x.samples);
                const auto across = static_cast<W>(k % x.samples);
                const auto corners =
                    sample(pixels,
                           y.start + static_cast<W>(line) * y.part +
                               (down + W{0.5}) * y.part / static_cast<W>(y.samples),
                           x.start + static_cast<W>(column) * x.part +
                               (across + W{0.5}) * x.part / static_cast<W>(x.samples));
                sum += corners[0] + corners[1] + corners[2] + corners[3];
                const W here = *std::max_element(corners.begin(), corners.end());
                best = k == 0 ? here : std::max(best, here);
            }
            const auto count = static_cast<W>(std::max<std::int64_t>(y.samples * x.samples, 1));
            out[column] = store_narrow<T>(s_.greatest ? best : sum / count);
        }
    }

    /// The four pixels around a place, each times its weight. Zeros outside the image.
    std::array<W, 4> sample(const T* pixels, W y, W x) const {
        if (!(y >= W{-1} && y <= static_cast<W>(s_.height) && x >= W{-1} &&
              x <= static_cast<W>(s_.width))) {
            return {};
        }
        const auto [top, bottom, fy] = around(y, s_.height);
        const auto [left, right, fx] = around(x, s_.width);
        const auto at = [&](std::int64_t row, std::int64_t column) {
            return load_wide(pixels[row * s_.width + column]);
        };
        return {(1 - fy) * (1 - fx) * at(top, left), (1 - fy) * fx * at(top, right),
                fy * (1 - fx) * at(bottom, left), fy * fx * at(bottom, right)};
    }
    struct Around {
        std::int64_t low, high;
        W fraction;
    };
    static Around around(W x, std::int64_t size) {
        x = std::max(x, W{0});
        const auto low = static_cast<std::int64_t>(x);
        if (low >= size - 1) {
            return {size - 1, size - 1, W{0}};
        }
        return {low, low + 1, x - static_cast<W>(low)};
    }
    RoiSetup s_;
};

Result<RoiSetup> read_roi(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    const Shape& regions = c.input(1).dims;
    constexpr std::int64_t kMost = std::int64_t{1} << 20;
    RoiSetup s;
    QAICRT_TRY(s.out_height, c.attr_int("output_height", 1));
    QAICRT_TRY(s.out_width, c.attr_int("output_width", 1));
    QAICRT_TRY(s.ratio, c.attr_int("sampling_ratio", 0));
    QAICRT_TRY(s.scale, c.attr_float("spatial_scale", 1));
    QAICRT_TRY(const std::size_t mode, read_word(c, "mode", "avg", {"avg", "max"}));
    QAICRT_TRY(const std::size_t corner,
               read_word(c, "coordinate_transformation_mode", "half_pixel",
                         {"output_half_pixel", "half_pixel"}));
    if (dims.size() != 4 || regions.size() != 2 || regions[1] != 4 ||
        c.input(2).dims != Shape{regions[0]} || dims[2] < 1 || dims[3] < 1) {
        return c.malformed(fmt::format("its regions {} and their images {} do not fit its input {}",
                                       dims_text(regions), dims_text(c.input(2).dims),
                                       dims_text(dims)));
    }
    if (s.out_height < 1 || s.out_width < 1 || s.ratio < 0 || s.out_height > kMost ||
        s.out_width > kMost || s.ratio > kMost) {
        return c.malformed(fmt::format("{} samples in each of {} x {} parts make no sense", s.ratio,
                                       s.out_height, s.out_width));
    }
    s.images = dims[0];
    s.height = dims[2];
    s.width = dims[3];
    s.regions = static_cast<std::size_t>(regions[0]);
    s.channels = static_cast<std::size_t>(dims[1]);
    s.half_pixel = c.opset() >= 16 && corner == 1;
    s.greatest = mode == 1;
    return s;
}
Status infer_roi(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kFloatTypes));
    QAICRT_CHECK(c.require_same_type(0, 1));
    QAICRT_CHECK(c.require_type(2, types_of({ElemType::kInt64})));
    QAICRT_TRY(const RoiSetup s, read_roi(c));
    QAICRT_CHECK(c.set_output(0, c.input(0).type,
                              {c.input(1).dims[0], c.input(0).dims[1], s.out_height, s.out_width}));
    const auto samples = [&](std::int64_t size, std::int64_t out) {
        return static_cast<std::uint64_t>(s.ratio > 0 ? s.ratio : RoiSetup::most(size, out));
    };
    return c.set_work(
        {c.output().count(), samples(s.height, s.out_height), samples(s.width, s.out_width)});
}
Result<KernelPtr> prepare_roi(NodeContext& c) {
    QAICRT_TRY(const RoiSetup s, read_roi(c));
    return with_float_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<RoiKernel<decltype(tag)>>(s);
    });
}

constexpr const char* kRoi10 = "mode output_height output_width sampling_ratio spatial_scale";
constexpr const char* kRoi16 =
    "coordinate_transformation_mode mode output_height output_width sampling_ratio spatial_scale";

constexpr OpDef kOps[] = {
    {"", "GridSample", 16, kMaxOpset, 2, 2, 1, "align_corners mode padding_mode", infer_grid,
     prepare_grid},
    {"", "RoiAlign", 10, 15, 3, 3, 1, kRoi10, infer_roi, prepare_roi},
    {"", "RoiAlign", 16, kMaxOpset, 3, 3, 1, kRoi16, infer_roi, prepare_roi},
};

}  // namespace

std::span<const OpDef> sample_ops() {
    return kOps;
}

}  // namespace qaicnet
