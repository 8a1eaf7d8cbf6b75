// SPDX-License-Identifier: Apache-2.0
/// Products of 8-bit integers: MatMulInteger and ConvInteger give the sums, QLinearMatMul and
/// QLinearConv the sums on an 8-bit scale.
///
/// Sums are exact and wrap around on 32 bits. A sum becomes FLOAT and is multiplied by
/// left scale * right scale / result scale, computed in FLOAT, and rounded, ties to even.
#include "emu/net/axes.hpp"
#include "emu/net/integer_product.hpp"
#include "emu/net/matmul_problem.hpp"
#include "emu/net/reach.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr TypeSet kBytes = types_of({ElemType::kInt8, ElemType::kUInt8});

/// Which inputs of a node hold what; 0 for none (input 0 is always the left operand).
struct Roles {
    std::size_t left_scale, left_zero, right, right_scale, right_zero, scale, zero, bias;
    bool requantises() const { return scale != 0; }
};
constexpr Roles kInteger{0, 2, 1, 0, 3, 0, 0, 0};
constexpr Roles kLinear{1, 2, 3, 4, 5, 6, 7, 8};

bool is_signed(const NodeContext& c, std::size_t i) {
    return c.input(i).type == ElemType::kInt8;
}

/// Where the kernel finds the sums' scales; a count of 1 serves all.
struct Scales {
    Roles roles{};
    std::size_t left = 1, right = 1;
    ElemType left_type{}, right_type{}, type{};
    bool signed_zero = false;

    static float at(const std::byte* data, ElemType type, std::size_t i) {
        return type == ElemType::kFloat16 ? half_to_float(as<Half>(data)[i]) : as<float>(data)[i];
    }
    /// What a sum is multiplied by.
    float factor(const std::byte* const* in, std::size_t row, std::size_t column) const {
        return at(in[roles.left_scale], left_type, row % left) *
               at(in[roles.right_scale], right_type, column % right) / at(in[roles.scale], type, 0);
    }
};

/// Puts sums into the result, as they are or on an 8-bit scale.
class SumWriter {
  public:
    SumWriter(const Scales& scales, const RunArgs& args)
        : scales_(scales), args_(args), zero_(0), low_(0), high_(0) {
        if (scales.roles.requantises()) {
            zero_ = byte_at(args.in[scales.roles.zero], scales.signed_zero, 0);
            low_ = static_cast<float>((scales.signed_zero ? -128 : 0) - zero_);
            high_ = static_cast<float>((scales.signed_zero ? 127 : 255) - zero_);
        }
    }
    /// `row`, `column`: which scales count.
    void put(std::size_t at, std::size_t row, std::size_t column, std::int32_t sum) const {
        if (!scales_.roles.requantises()) {
            as<std::int32_t>(args_.out[0])[at] = sum;
            return;
        }
        const float exact = static_cast<float>(sum) * scales_.factor(args_.in, row, column);
        // A NaN, from a scale that is none, becomes the lowest.
        const float inside = exact > low_ ? std::min(exact, high_) : low_;
        const auto whole = static_cast<std::int32_t>(std::nearbyint(inside)) + zero_;
        as<std::uint8_t>(args_.out[0])[at] = static_cast<std::uint8_t>(whole);
    }

  private:
    const Scales& scales_;
    const RunArgs& args_;
    std::int32_t zero_;
    float low_, high_;
};

/// A zero point or scale: one for all, or one for each of `lines`.
Status check_lines(NodeContext& c, std::size_t i, std::size_t lines, const char* what) {
    const std::size_t count = c.input(i).count();
    if (count != 1 && count != lines) {
        return c.malformed(fmt::format("its {} {} is neither one number nor one for each of {}",
                                       what, dims_text(c.input(i).dims), lines));
    }
    return {};
}

Status check_operand(NodeContext& c, std::size_t data, std::size_t scale, std::size_t zero,
                     std::size_t lines) {
    QAICRT_CHECK(c.require_type(data, kBytes));
    if (zero != 0 && c.has_input(zero)) {
        QAICRT_CHECK(c.require_same_type(data, zero));
        QAICRT_CHECK(check_lines(c, zero, lines, "zero point"));
    }
    if (scale != 0) {
        QAICRT_CHECK(c.require_type(scale, types_of({ElemType::kFloat, ElemType::kFloat16})));
        QAICRT_CHECK(check_lines(c, scale, lines, "scale"));
    }
    return {};
}

/// Checks the result's own scale and gives its type.
Result<ElemType> result_type(NodeContext& c, const Roles& roles) {
    if (!roles.requantises()) {
        return ElemType::kInt32;
    }
    QAICRT_CHECK(c.require_type(roles.scale, types_of({ElemType::kFloat, ElemType::kFloat16})));
    QAICRT_CHECK(c.require_type(roles.zero, kBytes));
    if (c.input(roles.scale).count() != 1 || c.input(roles.zero).count() != 1) {
        return c.fail(Errc::kUnsupported,
                      "the scale and zero point of its result must be one number each");
    }
    return c.input(roles.zero).type;
}

Scales read_scales(NodeContext& c, const Roles& roles) {
    Scales s;
    s.roles = roles;
    if (roles.requantises()) {
        s.left = c.input(roles.left_scale).count();
        s.right = c.input(roles.right_scale).count();
        s.left_type = c.input(roles.left_scale).type;
        s.right_type = c.input(roles.right_scale).type;
        s.type = c.input(roles.scale).type;
        s.signed_zero = is_signed(c, roles.zero);
    }
    return s;
}

/// One operand of a kernel: lines to be packed, or packed at load.
struct Operand {
    std::size_t input = 0, zero_input = 0;
    bool has_zero = false;
    std::size_t zeros = 1;
    std::size_t lines = 0, depth = 0, matrices = 1;
    LineSource source;
    std::shared_ptr<Buffer> packed;

    std::size_t size() const { return packed_bytes(lines, depth) / sizeof(std::int16_t); }
    LineSource lines_of(std::size_t matrix, const std::byte* data, const std::byte* zero) const {
        LineSource s = source;
        s.data = data + matrix * lines * depth;
        s.zero = has_zero ? zero : nullptr;
        s.zero_period = zeros;
        s.first_zero = matrix * lines;
        return s;
    }
    std::size_t scratch() const { return packed ? 0 : size(); }
    /// Packed lines of a matrix, made in `room` unless they exist.
    const std::int16_t* get(const RunArgs& args, std::size_t matrix, std::int16_t* room) const {
        if (packed) {
            return as<std::int16_t>(packed->data()) + matrix * size();
        }
        pack_lines(args.workers,
                   lines_of(matrix, args.in[input], has_zero ? args.in[zero_input] : nullptr),
                   lines, depth, room);
        return room;
    }
};

Operand make_operand(NodeContext& c, std::size_t input, std::size_t zero_input) {
    Operand o;
    o.input = input;
    o.zero_input = zero_input;
    o.has_zero = c.has_input(zero_input);
    o.zeros = o.has_zero ? c.input(zero_input).count() : 1;
    o.source.is_signed = is_signed(c, input);
    return o;
}

/// Constant weights are packed once. Only where their zero point is known, too.
Status pack_constant(NodeContext& c, Operand& o) {
    const std::byte* data = c.constant(o.input);
    const std::byte* zero = o.has_zero ? c.constant(o.zero_input) : nullptr;
    if (data == nullptr || (o.has_zero && zero == nullptr)) {
        return {};
    }
    std::size_t bytes = 0;
    std::shared_ptr<Buffer> buffer;
    if (!__builtin_mul_overflow(o.matrices, packed_bytes(o.lines, o.depth), &bytes)) {
        buffer = Buffer::allocate(bytes, c.budget());
    }
    if (!buffer) {
        return c.fail(Errc::kNoMemory, "there is no memory for its packed weights");
    }
    const auto workers = make_workers(1);
    for (std::size_t m = 0; m < o.matrices; ++m) {
        pack_lines(*workers, o.lines_of(m, data, zero), o.lines, o.depth,
                   as<std::int16_t>(buffer->owned()) + m * o.size());
    }
    o.packed = std::move(buffer);
    c.drop_input(o.input);
    return {};
}

// --- MatMulInteger, QLinearMatMul

class IntegerMatMulKernel final : public Kernel {
  public:
    IntegerMatMulKernel(MatMulProblem problem, Operand left, Operand right, const Scales& scales)
        : p_(std::move(problem)),
          left_(std::move(left)),
          right_(std::move(right)),
          scales_(scales) {}
    std::size_t scratch_bytes() const noexcept override {
        return (left_.scratch() + right_.scratch()) * sizeof(std::int16_t);
    }
    Status run(const RunArgs& args) const override {
        auto* room = as<std::int16_t>(args.scratch);
        const SumWriter writer(scales_, args);
        const std::int16_t* left = nullptr;
        const std::int16_t* right = nullptr;
        std::optional<std::array<std::size_t, BroadcastPlan::kMaxInputs>> last;
        for (std::size_t i = 0; i < p_.batches.count; ++i) {
            const auto at = p_.batches.locate(i);
            if (!last || at[0] != (*last)[0]) {
                left = left_.get(args, at[0], room);
            }
            if (!last || at[1] != (*last)[1]) {
                right = right_.get(args, at[1], room + left_.scratch());
            }
            last = at;
            integer_product(args.workers, left, p_.m, right, p_.n, line_length(p_.k),
                            [&](std::size_t row, std::size_t column, std::int32_t sum) {
                                writer.put((i * p_.m + row) * p_.n + column, at[0] * p_.m + row,
                                           at[1] * p_.n + column, sum);
                            });
        }
        return {};
    }

  private:
    MatMulProblem p_;
    Operand left_, right_;
    Scales scales_;
};

/// One number, one for each row or column ([M]; [1, …, M, 1]), or one for each of every matrix.
std::size_t allowed_lines(NodeContext& c, std::size_t i, std::size_t lines, std::size_t all) {
    return i != 0 && c.has_input(i) && c.input(i).count() == all ? all : lines;
}

template <const Roles& roles>
Status infer_integer_matmul(NodeContext& c) {
    QAICRT_TRY(Shape out, matmul_shape(c, roles.right));
    const Shape& a = c.input(0).dims;
    const Shape& b = c.input(roles.right).dims;
    const auto rows = static_cast<std::size_t>(a.size() < 2 ? 1 : a[a.size() - 2]);
    const auto columns = static_cast<std::size_t>(b.size() < 2 ? 1 : b.back());
    const std::size_t all_rows = count_between(a, 0, a.size() - 1);
    const std::size_t all_columns =
        b.size() < 2 ? 1 : count_between(b, 0, b.size() - 2) * static_cast<std::size_t>(b.back());
    QAICRT_CHECK(
        check_operand(c, 0, 0, roles.left_zero, allowed_lines(c, roles.left_zero, rows, all_rows)));
    QAICRT_CHECK(check_operand(c, roles.right, 0, roles.right_zero,
                               allowed_lines(c, roles.right_zero, columns, all_columns)));
    if (roles.requantises()) {
        QAICRT_CHECK(check_operand(c, 0, roles.left_scale, 0,
                                   allowed_lines(c, roles.left_scale, rows, all_rows)));
        QAICRT_CHECK(check_operand(c, roles.right, roles.right_scale, 0,
                                   allowed_lines(c, roles.right_scale, columns, all_columns)));
    }
    QAICRT_TRY(const ElemType type, result_type(c, roles));
    QAICRT_CHECK(c.set_output(0, type, std::move(out)));
    return c.set_work({c.output().count(), static_cast<std::uint64_t>(a.back())});
}

template <const Roles& roles>
Result<KernelPtr> prepare_integer_matmul(NodeContext& c) {
    MatMulProblem p = matmul_problem(c, roles.right);
    Operand left = make_operand(c, 0, roles.left_zero);
    left.lines = p.m;
    left.depth = p.k;
    left.matrices = p.a_count;
    left.source.line_stride = p.k;
    Operand right = make_operand(c, roles.right, roles.right_zero);
    right.lines = p.n;
    right.depth = p.k;
    right.matrices = p.b_count;
    right.source.line_stride = 1;
    right.source.step = p.n;
    QAICRT_CHECK(pack_constant(c, right));
    return KernelPtr(std::make_unique<IntegerMatMulKernel>(
        std::move(p), std::move(left), std::move(right), read_scales(c, roles)));
}

// --- ConvInteger, QLinearConv

struct IntegerConv {
    Window window;
    std::size_t images = 0, groups = 1, in_channels = 0, out_channels = 0;  ///< channels of a group
    bool has_bias = false;
    std::size_t depth() const {
        return in_channels * static_cast<std::size_t>(window.kernel_count());
    }
    std::size_t positions() const { return static_cast<std::size_t>(window.out_count()); }
};

/// The weights meet the windows of some positions, which become lines, group by group.
class IntegerConvKernel final : public Kernel {
  public:
    IntegerConvKernel(const IntegerConv& conv, Operand weights, Operand data, const Scales& scales)
        : c_(conv), weights_(std::move(weights)), data_(std::move(data)), scales_(scales) {
        constexpr std::size_t kRoom = std::size_t{1} << 20;
        const std::size_t length = std::max<std::size_t>(line_length(c_.depth()), 1);
        at_once_ = padded_lines(std::max<std::size_t>(std::min(kRoom / length, c_.positions()), 1));
    }
    std::size_t scratch_bytes() const noexcept override {
        return weights_.scratch() * sizeof(std::int16_t) + packed_bytes(at_once_, c_.depth());
    }
    Status run(const RunArgs& args) const override {
        auto* room = as<std::int16_t>(args.scratch);
        const std::int16_t* weights = weights_.get(args, 0, room);
        std::int16_t* lines = room + weights_.scratch();
        for (std::size_t i = 0; i < c_.images * c_.groups; ++i) {
            for (std::size_t from = 0; from < c_.positions(); from += at_once_) {
                const std::size_t count = std::min(at_once_, c_.positions() - from);
                pack_windows(args, i, from, count, lines);
                multiply(args, weights, i, from, count, lines);
            }
        }
        return {};
    }

  private:
    /// `i`: image times groups plus group.
    void multiply(const RunArgs& args, const std::int16_t* weights, std::size_t i, std::size_t from,
                  std::size_t count, const std::int16_t* lines) const {
        const std::size_t length = line_length(c_.depth());
        const std::size_t first = i % c_.groups * c_.out_channels;
        const SumWriter writer(scales_, args);
        const auto* bias = c_.has_bias ? as<std::int32_t>(args.in[scales_.roles.bias]) : nullptr;
        integer_product(
            args.workers, weights + first * length, c_.out_channels, lines, count, length,
            [&](std::size_t row, std::size_t column, std::int32_t sum) {
                const std::size_t channel = first + row;
                if (bias != nullptr) {
                    sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) +
                                                    static_cast<std::uint32_t>(bias[channel]));
                }
                writer.put((i * c_.out_channels + row) * c_.positions() + from + column, 0, channel,
                           sum);
            });
    }

    void pack_windows(const RunArgs& args, std::size_t i, std::size_t from, std::size_t count,
                      std::int16_t* lines) const {
        const std::size_t size = static_cast<std::size_t>(c_.window.in_count());
        const std::byte* image = args.in[0] + i * c_.in_channels * size;
        const std::int32_t zero =
            data_.has_zero ? byte_at(args.in[data_.zero_input], data_.source.is_signed, 0) : 0;
        const std::size_t length = line_length(c_.depth());
        parallel_for(
            args.workers, count, grain_for(length), [&](std::size_t begin, std::size_t end) {
                for (std::size_t k = begin; k < end; ++k) {
                    std::fill_n(lines + k * length, length, std::int16_t{0});
                    if (data_.source.is_signed) {
                        pack_window(as<std::int8_t>(image), zero, from + k, lines + k * length);
                    } else {
                        pack_window(as<std::uint8_t>(image), zero, from + k, lines + k * length);
                    }
                }
            });
        std::fill(lines + count * length, lines + padded_lines(count) * length, std::int16_t{0});
    }

    /// Padding is what the zero point stands for: 0.
    template <class Q>
    void pack_window(const Q* image, std::int32_t zero, std::size_t position,
                     std::int16_t* line) const {
        const auto& a = c_.window.axes;
        const auto at = static_cast<std::int64_t>(position);
        const Reaches r{Reach::of(a[0], at / a[2].out / a[1].out),
                        Reach::of(a[1], at / a[2].out % a[1].out), Reach::of(a[2], at % a[2].out)};
        for (std::size_t channel = 0; channel < c_.in_channels; ++channel) {
            const Q* plane = image + channel * static_cast<std::size_t>(c_.window.in_count());
            std::int16_t* to = line + channel * static_cast<std::size_t>(c_.window.kernel_count());
            for (std::int64_t d = r[0].low; d < r[0].high; ++d) {
                for (std::int64_t h = r[1].low; h < r[1].high; ++h) {
                    const Q* row =
                        plane + (r[0].at(a[0], d) * a[1].in + r[1].at(a[1], h)) * a[2].in;
                    std::int16_t* kernel_row = to + (d * a[1].kernel + h) * a[2].kernel;
                    for (std::int64_t x = r[2].low; x < r[2].high; ++x) {
                        kernel_row[x] =
                            static_cast<std::int16_t>(std::int32_t{row[r[2].at(a[2], x)]} - zero);
                    }
                }
            }
        }
    }

    IntegerConv c_;
    Operand weights_, data_;
    Scales scales_;
    std::size_t at_once_ = 1;
};

template <const Roles& roles>
Result<IntegerConv> read_integer_conv(NodeContext& c) {
    const Shape& dims = c.input(0).dims;
    const Shape& weights = c.input(roles.right).dims;
    if (weights.size() != dims.size() || dims.size() < 3) {
        return c.malformed(fmt::format("its weights {} do not fit its input {}", dims_text(weights),
                                       dims_text(dims)));
    }
    IntegerConv conv;
    QAICRT_TRY(conv.window, read_window(c, Shape(weights.begin() + 2, weights.end())));
    QAICRT_TRY(const std::int64_t groups, c.attr_int("group", 1));
    if (groups < 1 || groups > std::max<std::int64_t>(dims[1], 1) || dims[1] % groups != 0 ||
        weights[1] != dims[1] / groups || weights[0] % groups != 0) {
        return c.malformed(fmt::format("its weights {} do not fit {} channels in {} groups",
                                       dims_text(weights), dims[1], groups));
    }
    conv.images = static_cast<std::size_t>(dims[0]);
    conv.groups = static_cast<std::size_t>(groups);
    conv.in_channels = static_cast<std::size_t>(weights[1]);
    conv.out_channels = static_cast<std::size_t>(weights[0] / groups);
    conv.has_bias = roles.bias != 0 && c.has_input(roles.bias);
    return conv;
}

template <const Roles& roles>
Status infer_integer_conv(NodeContext& c) {
    QAICRT_TRY(const IntegerConv conv, read_integer_conv<roles>(c));
    const std::size_t channels = conv.groups * conv.out_channels;
    QAICRT_CHECK(check_operand(c, 0, roles.left_scale, roles.left_zero, 1));
    QAICRT_CHECK(check_operand(c, roles.right, roles.right_scale, roles.right_zero, channels));
    if (conv.has_bias) {
        QAICRT_CHECK(c.require_type(roles.bias, types_of({ElemType::kInt32})));
        if (c.input(roles.bias).dims != Shape{static_cast<std::int64_t>(channels)}) {
            return c.malformed(fmt::format("its bias {} does not fit {} output channels",
                                           dims_text(c.input(roles.bias).dims), channels));
        }
    }
    QAICRT_TRY(const ElemType type, result_type(c, roles));
    Shape out{c.input(0).dims[0], static_cast<std::int64_t>(channels)};
    for (std::size_t i = 0; i < conv.window.rank; ++i) {
        out.push_back(conv.window.axes[kMaxSpatial - conv.window.rank + i].out);
    }
    QAICRT_CHECK(c.set_output(0, type, std::move(out)));
    // The windows are packed for each group, whatever its number of results.
    return c.set_work({c.output().count(), conv.depth() + 1, 2});
}

template <const Roles& roles>
Result<KernelPtr> prepare_integer_conv(NodeContext& c) {
    QAICRT_TRY(const IntegerConv conv, read_integer_conv<roles>(c));
    Operand weights = make_operand(c, roles.right, roles.right_zero);
    weights.lines = conv.groups * conv.out_channels;
    weights.depth = conv.depth();
    weights.source.line_stride = conv.depth();
    QAICRT_CHECK(pack_constant(c, weights));
    return KernelPtr(std::make_unique<IntegerConvKernel>(
        conv, std::move(weights), make_operand(c, 0, roles.left_zero), read_scales(c, roles)));
}

constexpr const char* kWindow = "auto_pad dilations group kernel_shape pads strides";

constexpr OpDef kOps[] = {
    {"", "MatMulInteger", 10, kMaxOpset, 2, 4, 1, "", infer_integer_matmul<kInteger>,
     prepare_integer_matmul<kInteger>},
    {"", "ConvInteger", 10, kMaxOpset, 2, 4, 1, kWindow, infer_integer_conv<kInteger>,
     prepare_integer_conv<kInteger>},
    {"", "QLinearMatMul", 10, kMaxOpset, 8, 8, 1, "", infer_integer_matmul<kLinear>,
     prepare_integer_matmul<kLinear>},
    {"", "QLinearConv", 10, kMaxOpset, 8, 9, 1, kWindow, infer_integer_conv<kLinear>,
     prepare_integer_conv<kLinear>},
};

}  // namespace

std::span<const OpDef> integer_ops() {
    return kOps;
}

}  // namespace qaicnet
