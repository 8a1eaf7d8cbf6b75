// SPDX-License-Identifier: Apache-2.0
/// Resize and Upsample, axis by axis: what the node asks for, and the kernels that follow the
/// tables.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/resize_table.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

/// [outer, in, inner] -> [outer, out, inner], in the precision W.
template <class W>
void resize_axis(const ResizeTable& t, std::size_t outer, std::size_t inner, const W* in, W* out,
                 W extrapolation, Workers& workers) {
    parallel_for(workers, outer * t.out, grain_for(inner * 4),
                 [&](std::size_t begin, std::size_t end) {
                     for (std::size_t row = begin; row < end; ++row) {
                         const ResizeTaps taps = t.taps[row % t.out];
                         const W* from = in + row / t.out * t.in * inner;
                         W* to = out + row * inner;
                         if (taps.count == 0) {
                             std::fill_n(to, inner, extrapolation);
                             continue;
                         }
                         for (std::size_t k = 0; k < taps.count; ++k) {
                             const W w = static_cast<W>(t.weight[taps.begin + k]);
                             const W* source = from + t.index[taps.begin + k] * inner;
                             for (std::size_t i = 0; i < inner; ++i) {
                                 to[i] = k == 0 ? w * source[i] : to[i] + w * source[i];
                             }
                         }
                     }
                 });
}

/// Interpolation, in FP32, or in FP64 for types that FP32 cannot hold. Two images in the scratch
/// memory take turns.
template <class T>
class InterpolateKernel final : public Kernel {
  public:
    InterpolateKernel(std::vector<ResizeTable> tables, float extrapolation)
        : tables_(std::move(tables)), extrapolation_(extrapolation) {
        std::size_t size = 1;
        for (const ResizeTable& t : tables_) {
            size *= t.in;
        }
        largest_ = size;
        for (std::size_t i = tables_.size(); i-- > 0;) {
            size = tables_[i].in == 0 ? 0 : size / tables_[i].in * tables_[i].out;
            largest_ = std::max(largest_, size);
        }
    }
    std::size_t scratch_bytes() const noexcept override { return 2 * largest_ * sizeof(W); }

    Status run(const RunArgs& args) const override {
        W* now = as<W>(args.scratch);
        W* next = now + largest_;
        std::size_t count = 1;
        for (const ResizeTable& t : tables_) {
            count *= t.in;
        }
        load(args.in[0], now, count, args.workers);
        std::size_t inner = 1;
        for (std::size_t i = tables_.size(); i-- > 0;) {
            const ResizeTable& t = tables_[i];
            if (!t.identity && count != 0) {
                const std::size_t outer = count / t.in / inner;
                resize_axis(t, outer, inner, now, next, static_cast<W>(extrapolation_),
                            args.workers);
                std::swap(now, next);
                count = outer * t.out * inner;
            }
            inner *= t.out;
        }
        store(now, args.out[0], count, args.workers);
        return {};
    }

  private:
    static constexpr bool kWide =
        std::is_same_v<T, double> || (std::is_integral_v<T> && sizeof(T) > 2);
    using W = std::conditional_t<kWide, double, float>;

    static void load(const std::byte* bytes, W* out, std::size_t count, Workers& workers) {
        const T* in = as<T>(bytes);
        parallel_for(workers, count, kElementGrain, [&](std::size_t begin, std::size_t end) {
            if constexpr (std::is_same_v<T, Half>) {
                widen(in + begin, out + begin, end - begin);
            } else {
                std::transform(in + begin, in + end, out + begin,
                               [](T x) { return static_cast<W>(x); });
            }
        });
    }
    static void store(const W* in, std::byte* bytes, std::size_t count, Workers& workers) {
        T* out = as<T>(bytes);
        parallel_for(workers, count, kElementGrain, [&](std::size_t begin, std::size_t end) {
            if constexpr (std::is_same_v<T, Half>) {
                narrow(in + begin, out + begin, end - begin);
            } else if constexpr (std::is_integral_v<T>) {
                using L = std::numeric_limits<T>;
                for (std::size_t i = begin; i < end; ++i) {
                    const double x =
                        std::clamp(static_cast<double>(in[i]), static_cast<double>(L::lowest()),
                                   static_cast<double>(L::max()));
                    out[i] = x >= 9.2e18 ? L::max() : static_cast<T>(x == x ? x : 0);
                }
            } else {
                std::copy(in + begin, in + end, out + begin);
            }
        });
    }

    std::vector<ResizeTable> tables_;
    float extrapolation_;
    std::size_t largest_ = 0;
};

/// Nearest neighbours: elements are moved, whatever their type.
template <class T>
class NearestKernel final : public Kernel {
  public:
    NearestKernel(std::vector<ResizeTable> tables, T extrapolation, std::size_t count)
        : tables_(std::move(tables)), extrapolation_(extrapolation), count_(count) {}
    Status run(const RunArgs& args) const override {
        const T* in = as<T>(args.in[0]);
        T* out = as<T>(args.out[0]);
        const std::size_t inner = tables_.back().out;
        parallel_for(args.workers, count_ / inner, grain_for(inner * 2),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t row = begin; row < end; ++row) {
                             one_row(in, out + row * inner, row);
                         }
                     });
        return {};
    }

  private:
    void one_row(const T* in, T* out, std::size_t row) const {
        std::size_t at = 0;
        std::size_t stride = tables_.back().in;
        bool outside = false;
        for (std::size_t axis = tables_.size() - 1; axis-- > 0;) {
            const ResizeTable& t = tables_[axis];
            const std::size_t i = row % t.out;
            row /= t.out;
            outside = outside || (!t.identity && t.taps[i].count == 0);
            at += (t.identity || outside ? i : t.index[t.taps[i].begin]) * stride;
            stride *= t.in;
        }
        const ResizeTable& t = tables_.back();
        if (outside) {
            std::fill_n(out, t.out, extrapolation_);
        } else if (t.identity) {
            std::memcpy(out, in + at, t.out * sizeof(T));
        } else {
            for (std::size_t i = 0; i < t.out; ++i) {
                out[i] = t.taps[i].count == 0 ? extrapolation_ : in[at + t.index[t.taps[i].begin]];
            }
        }
    }
    std::vector<ResizeTable> tables_;
    T extrapolation_;
    std::size_t count_;
};

// --- reading the node

Result<std::vector<double>> constant_reals(NodeContext& c, std::size_t i, const char* what) {
    if (c.constant(i) == nullptr) {
        return c.fail(Errc::kUnsupported,
                      fmt::format("input '{}' is computed at run time, and the runner fixes shapes "
                                  "at load; make it a constant",
                                  what));
    }
    if (!contains(kFloatTypes, c.input(i).type) || c.input(i).count() > 4 * kMaxRank) {
        return c.malformed(fmt::format("input '{}' is not a short list of numbers", what));
    }
    std::vector<double> out;
    for (std::size_t k = 0; k < c.input(i).count(); ++k) {
        out.push_back(with_float_type(c.input(i).type, [&](auto tag) {
            return static_cast<double>(load_wide(as<decltype(tag)>(c.constant(i))[k]));
        }));
    }
    return out;
}

struct Words {
    const char* name;
    const char* fallback;
    const char* allowed;
};

Status read_word(NodeContext& c, const Words& words, std::string& out) {
    auto value = c.attr_string(words.name, words.fallback);
    if (!value) {
        return value.error();
    }
    if ((std::string(" ") + words.allowed + " ").find(" " + *value + " ") == std::string::npos) {
        return c.malformed(fmt::format("the attribute '{}' is {}, it must be one of: {}",
                                       words.name, quoted(*value), words.allowed));
    }
    out = std::move(*value);
    return {};
}

Result<ResizeSettings> read_settings(NodeContext& c) {
    ResizeSettings s;
    QAICRT_CHECK(read_word(c, {"mode", "nearest", "nearest linear cubic"}, s.mode));
    if (c.opset() < 11) {
        s.coordinates = "asymmetric";
        s.nearest = "by_scale";
        return s;
    }
    QAICRT_CHECK(read_word(c,
                           {"coordinate_transformation_mode", "half_pixel",
                            "half_pixel pytorch_half_pixel align_corners asymmetric "
                            "tf_half_pixel_for_nn tf_crop_and_resize half_pixel_symmetric"},
                           s.coordinates));
    QAICRT_CHECK(read_word(
        c,
        {"nearest_mode", "round_prefer_floor", "round_prefer_floor round_prefer_ceil floor ceil"},
        s.nearest));
    QAICRT_TRY(const float a, c.attr_float("cubic_coeff_a", -0.75F));
    QAICRT_TRY(const std::int64_t exclude, c.attr_int("exclude_outside", 0));
    QAICRT_TRY(const std::int64_t antialias, c.attr_int("antialias", 0));
    QAICRT_TRY(s.extrapolation, c.attr_float("extrapolation_value", 0));
    s.cubic_a = a;
    s.exclude_outside = exclude != 0 && s.mode == "cubic";
    s.antialias = antialias != 0 && s.mode != "nearest";
    return s;
}

/// Inputs by opset: Upsample 7 has an attribute, 9 and Resize 10 one input, later ones four.
struct Sources {
    std::vector<double> scales, roi;
    std::vector<std::int64_t> sizes;
};

Result<Sources> read_sources(NodeContext& c) {
    Sources s;
    if (c.num_inputs() == 1) {
        const Attribute* scales = c.find_attr("scales");
        if (scales != nullptr && scales->kind == Attribute::Kind::kFloats) {
            s.scales.assign(scales->floats.begin(), scales->floats.end());
        }
    } else if (c.opset() < 11) {
        QAICRT_TRY(s.scales, constant_reals(c, 1, "scales"));
    } else {
        if (c.has_input(1)) {
            QAICRT_TRY(s.roi, constant_reals(c, 1, "roi"));
        }
        if (c.has_input(2)) {
            QAICRT_TRY(s.scales, constant_reals(c, 2, "scales"));
        }
        if (c.has_input(3)) {
            QAICRT_TRY(s.sizes, c.constant_ints(3, "sizes"));
        }
    }
    if (s.scales.empty() == s.sizes.empty()) {
        return c.malformed("it needs either scales or sizes");
    }
    return s;
}

/// Sizes that keep the picture's shape.
Status apply_aspect_policy(NodeContext& c, const Shape& dims, const std::vector<std::size_t>& axes,
                           Sources& s) {
    std::string policy;
    QAICRT_CHECK(read_word(
        c, {"keep_aspect_ratio_policy", "stretch", "stretch not_larger not_smaller"}, policy));
    if (policy == "stretch" || s.sizes.empty()) {
        return {};
    }
    double scale = policy == "not_larger" ? std::numeric_limits<double>::infinity() : 0;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const double one = static_cast<double>(s.sizes[i]) /
                           static_cast<double>(std::max<std::int64_t>(dims[axes[i]], 1));
        scale = policy == "not_larger" ? std::min(scale, one) : std::max(scale, one);
    }
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const double size = std::floor(scale * static_cast<double>(dims[axes[i]]) + 0.5);
        if (!(size >= 0 && size <= kMaxResizedAxis)) {
            return c.malformed(
                fmt::format("axis {} of {} cannot become {}", axes[i], dims[axes[i]], size));
        }
        s.sizes[i] = static_cast<std::int64_t>(size);
        s.scales.push_back(scale);
    }
    return {};
}

/// Multiplied in FP32, as ONNX's shape inference does: 6 * 5/6 is 5, though the FLOAT next to 5/6
/// is less than that.
double scaled_size(double in, double scale) {
    return std::floor(static_cast<float>(in) * static_cast<float>(scale));
}

Result<std::vector<ResizeAxis>> read_requests(NodeContext& c, const ResizeSettings& settings) {
    const Shape& dims = c.input(0).dims;
    QAICRT_TRY(Sources s, read_sources(c));
    QAICRT_TRY(const auto list, c.attr_ints("axes"));
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : list) {
        QAICRT_TRY(const std::size_t at, c.normal_axis(axis, dims.size()));
        if (std::find(axes.begin(), axes.end(), at) != axes.end()) {
            return c.malformed(fmt::format("axis {} is resized twice", at));
        }
        axes.push_back(at);
    }
    for (std::size_t i = 0; list.empty() && i < dims.size(); ++i) {
        axes.push_back(i);
    }
    const std::size_t wanted = axes.size();
    if ((s.scales.empty() ? s.sizes.size() : s.scales.size()) != wanted ||
        (settings.coordinates == "tf_crop_and_resize" && s.roi.size() != 2 * wanted)) {
        return c.malformed(fmt::format("its lists do not fit {} axes", wanted));
    }
    if (!std::all_of(s.roi.begin(), s.roi.end(), [](double x) { return std::fabs(x) < 1e9; })) {
        return c.malformed("its region of interest has no finite size");
    }
    QAICRT_CHECK(apply_aspect_policy(c, dims, axes, s));
    std::vector<ResizeAxis> requests(dims.size());
    for (std::size_t i = 0; i < dims.size(); ++i) {
        requests[i].in = requests[i].out = static_cast<std::size_t>(dims[i]);
    }
    for (std::size_t i = 0; i < wanted; ++i) {
        ResizeAxis& a = requests[axes[i]];
        const auto in = static_cast<double>(a.in);
        if (settings.coordinates == "tf_crop_and_resize") {
            a.roi_start = s.roi[i];
            a.roi_end = s.roi[wanted + i];
        }
        const double part = a.roi_end - a.roi_start;
        const double out =
            s.sizes.empty() ? scaled_size(in * part, s.scales[i]) : static_cast<double>(s.sizes[i]);
        if (!(out >= 0) || out > kMaxResizedAxis || in > kMaxResizedAxis ||
            (a.in == 0 && out != 0)) {
            return c.malformed(fmt::format("axis {} of {} cannot become {}", axes[i], a.in, out));
        }
        a.out = static_cast<std::size_t>(out);
        a.scale = !s.scales.empty() ? s.scales[i] : (a.in == 0 ? 1 : out / in);
        if (!(a.scale > 1e-6) || a.scale > 1e9) {
            return c.malformed(fmt::format("the scale of axis {} is {}", axes[i], a.scale));
        }
    }
    return requests;
}

Status infer_resize(NodeContext& c) {
    QAICRT_TRY(const ResizeSettings settings, read_settings(c));
    QAICRT_TRY(const auto requests, read_requests(c, settings));
    if (settings.mode != "nearest") {
        QAICRT_CHECK(c.require_type(0, kNumericTypes));
    }
    Shape out;
    for (const ResizeAxis& a : requests) {
        out.push_back(static_cast<std::int64_t>(a.out));
    }
    return c.set_output(0, c.input(0).type, std::move(out));
}

template <class T>
T extrapolation_bits(float value, ElemType type) {
    T out{};
    with_type(type, [&](auto tag) {
        using E = decltype(tag);
        if constexpr (sizeof(E) == sizeof(T)) {
            E element{};
            if constexpr (std::is_same_v<E, Half>) {
                element = float_to_half(value);
            } else if constexpr (std::is_integral_v<E>) {
                element = saturated<E>(value);
            } else {
                element = static_cast<E>(value);
            }
            std::memcpy(&out, &element, sizeof(out));
        }
        return 0;
    });
    return out;
}

/// The tables are kept with the network: they count against its memory.
Status take_table_memory(NodeContext& c, const ResizeSettings& s,
                         const std::vector<ResizeAxis>& requests) {
    for (const ResizeAxis& a : requests) {
        const auto taps = static_cast<std::uint64_t>(resize_taps(s, a));
        std::uint64_t entries = 0;
        if (__builtin_mul_overflow(taps, a.out, &entries) || entries > UINT32_MAX ||
            !c.budget().take(entries * (sizeof(std::uint32_t) + sizeof(double)) +
                             a.out * sizeof(ResizeTaps))) {
            return c.fail(Errc::kNoMemory,
                          fmt::format("its tables for an axis that goes from {} to {} exceed the "
                                      "memory limit",
                                      a.in, a.out));
        }
    }
    return {};
}

/// What lies between input and result, axis by axis, must be countable.
Status check_intermediates(const NodeContext& c, const std::vector<ResizeAxis>& requests) {
    Shape between = c.input(0).dims;
    for (std::size_t i = requests.size(); i-- > 0;) {
        between[i] = static_cast<std::int64_t>(requests[i].out);
        if (!checked_count(between)) {
            return c.fail(Errc::kNoMemory, "what it computes between its axes is too large");
        }
    }
    return {};
}

Result<KernelPtr> prepare_resize(NodeContext& c) {
    QAICRT_TRY(const ResizeSettings s, read_settings(c));
    QAICRT_TRY(const auto requests, read_requests(c, s));
    QAICRT_CHECK(take_table_memory(c, s, requests));
    QAICRT_CHECK(check_intermediates(c, requests));
    std::vector<ResizeTable> tables;
    for (const ResizeAxis& a : requests) {
        tables.push_back(make_resize_table(s, a));
    }
    if (tables.empty() || c.output().count() == 0) {
        tables.assign(1, ResizeTable{1, 1, {}, {}, {}, true});
        if (c.output().count() == 0) {
            tables[0].in = tables[0].out = 0;
        }
    }
    for (std::size_t i = 1; i < c.num_inputs(); ++i) {
        c.drop_input(i);
    }
    const ElemType type = c.input(0).type;
    if (s.mode != "nearest") {
        return with_type(type, [&](auto tag) -> KernelPtr {
            return std::make_unique<InterpolateKernel<decltype(tag)>>(std::move(tables),
                                                                      s.extrapolation);
        });
    }
    const auto nearest = [&](auto tag) -> KernelPtr {
        using T = decltype(tag);
        tables.back().out = std::max<std::size_t>(tables.back().out, 1);
        return std::make_unique<NearestKernel<T>>(
            std::move(tables), extrapolation_bits<T>(s.extrapolation, type), c.output().count());
    };
    switch (elem_bytes(type)) {
        case 1:
            return nearest(std::uint8_t{});
        case 2:
            return nearest(std::uint16_t{});
        case 4:
            return nearest(std::uint32_t{});
        default:
            return nearest(std::uint64_t{});
    }
}

constexpr const char* kResize11 =
    "mode coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
    "nearest_mode";
constexpr const char* kResize18 =
    "mode coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
    "nearest_mode antialias axes keep_aspect_ratio_policy";

constexpr OpDef kOps[] = {
    {"", "Upsample", kMinOpset, 8, 1, 1, 1, "mode scales", infer_resize, prepare_resize},
    {"", "Upsample", 9, 9, 2, 2, 1, "mode", infer_resize, prepare_resize},
    {"", "Resize", 10, 10, 2, 2, 1, "mode", infer_resize, prepare_resize},
    {"", "Resize", 11, 17, 1, 4, 1, kResize11, infer_resize, prepare_resize},
    {"", "Resize", 18, kMaxOpset, 1, 4, 1, kResize18, infer_resize, prepare_resize},
};

}  // namespace

std::span<const OpDef> resize_ops() {
    return kOps;
}

}  // namespace qaicnet
