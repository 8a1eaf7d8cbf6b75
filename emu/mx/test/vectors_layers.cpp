// SPDX-License-Identifier: Apache-2.0
#include "emu/mx/elementwise.hpp"
#include "emu/mx/test/exact_sum.hpp"
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>

namespace golden {
namespace {

qaicrt::Status quantize_kind(const std::string& kind, int total_bits,
                             const qaicmx::ElementwiseOptions& options, std::span<const float> in,
                             std::span<float> out) {
    if (kind == "bfloat") {
        return qaicmx::quantize_bfloat(in, total_bits, options, out);
    }
    if (kind == "fp") {
        return qaicmx::quantize_fp(in, total_bits, options, out);
    }
    return qaicmx::quantize_elementwise(in, *qaicmx::format_from_name(kind), options, out);
}

/// One row of matmul.csv.
struct Layer {
    std::string id;
    bool weights_are_second_rows;  ///< linear: b is (out, in); otherwise b is (…, K, N)
    int bfloat, fp;
    qaicmx::ElementwiseOptions elementwise;
    std::vector<std::int64_t> shape_a, shape_b;
    std::vector<float> a, b, bias;
};

Layer layer_of(const Table& table, std::size_t row) {
    Layer layer;
    layer.id = table.at(row, "case_id");
    layer.weights_are_second_rows = table.at(row, "op") == "linear";
    layer.bfloat = std::stoi(table.at(row, "bfloat"));
    layer.fp = std::stoi(table.at(row, "fp"));
    layer.elementwise.rounding = rounding_from_name(table.at(row, "round"));
    layer.shape_a = shape_from_text(table.at(row, "shape_a"));
    layer.shape_b = shape_from_text(table.at(row, "shape_b"));
    layer.a = floats_from_hex(table.at(row, "a_hex"));
    layer.b = floats_from_hex(table.at(row, "b_hex"));
    layer.bias = floats_from_hex(table.at(row, "bias_hex"));
    return layer;
}

/// The layer's element-wise format (bfloat, fp or none).
std::vector<float> elementwise(const Layer& layer, std::span<const float> values) {
    std::vector<float> out(values.size());
    const auto status = layer.bfloat != 0
                            ? qaicmx::quantize_bfloat(values, layer.bfloat, layer.elementwise, out)
                            : qaicmx::quantize_fp(values, layer.fp, layer.elementwise, out);
    EXPECT_TRUE(status) << layer.id;
    return out;
}

std::vector<float> operand(const Table& table, std::size_t row, const Layer& layer,
                           const std::string& format, int axis, std::span<const float> values,
                           const std::vector<std::int64_t>& shape) {
    std::vector<float> out = elementwise(layer, values);
    if (format == "None") {
        return out;
    }
    qaicmx::Profile rules = profile("microxcaling");
    rules.format = *qaicmx::format_from_name(format);
    rules.scale_bits = std::stoi(table.at(row, "scale_bits"));
    rules.block_size = std::stoi(table.at(row, "block_size"));
    rules.rounding = layer.elementwise.rounding;
    rules.flush_subnormal_blocks = table.at(row, "flush_fp32_subnorms") == "1";
    const int axes[] = {axis};
    const auto status = qaicmx::fake_quantize(rules, out, shape, axes, out);
    EXPECT_TRUE(status) << layer.id;
    return out;
}

/// Which of the two operands use the layer's weight format: linear has (input, weight), mode_config
/// says it for matmul, and bmm has none.
std::pair<std::string, std::string> operand_formats(const Table& table, std::size_t row) {
    const std::string mode = table.at(row, "op") == "linear" ? "aw" : table.at(row, "mode_config");
    const std::string& weight = table.at(row, "w_elem_format");
    const std::string& activation = table.at(row, "a_elem_format");
    return {mode[0] == 'w' ? weight : activation, mode[1] == 'w' ? weight : activation};
}

struct Products {
    std::vector<double> exact, absolute;
    std::vector<float> sequential;  ///< FP32 running sum in order of k
    std::size_t k = 0;
};

Products multiply(const Layer& layer, std::span<const float> qa, std::span<const float> qb) {
    const auto extent = [](const std::vector<std::int64_t>& shape, std::size_t from_end) {
        return static_cast<std::size_t>(shape[shape.size() - from_end]);
    };
    Products products;
    const std::size_t k = products.k = extent(layer.shape_a, 1);
    const std::size_t n = extent(layer.shape_b, layer.weights_are_second_rows ? 2 : 1);
    const std::size_t rows = qa.size() / k;
    const std::size_t rows_per_matrix = extent(layer.shape_a, 2);
    const bool batched = !layer.weights_are_second_rows && layer.shape_b.size() > 2;
    for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t base = batched ? row / rows_per_matrix * k * n : 0;
        for (std::size_t column = 0; column < n; ++column) {
            ExactSum exact;
            ExactSum absolute;
            float sequential = 0;
            for (std::size_t i = 0; i < k; ++i) {
                const float b =
                    layer.weights_are_second_rows ? qb[column * k + i] : qb[base + i * n + column];
                const double product = static_cast<double>(qa[row * k + i]) * b;  // exact: 48 bits
                exact.add(product);
                absolute.add(std::fabs(product));
                sequential += qa[row * k + i] * b;
            }
            products.exact.push_back(exact.rounded());
            products.absolute.push_back(absolute.rounded());
            products.sequential.push_back(sequential);
        }
    }
    return products;
}

/// Round to FP32, element-wise format, bias in FP32, element-wise format.
std::vector<float> finish(const Layer& layer, const std::vector<double>& exact) {
    std::vector<float> out(exact.begin(), exact.end());
    out = elementwise(layer, out);
    if (layer.bias.empty()) {
        return out;
    }
    const std::vector<float> bias = elementwise(layer, layer.bias);
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] += bias[i % bias.size()];
    }
    return elementwise(layer, out);
}

/// One unit in the last place of the layer's output format at `value`.
double last_place(const Layer& layer, float value) {
    const int mantissa_bits =
        layer.bfloat != 0 ? layer.bfloat - 9 : (layer.fp != 0 ? layer.fp - 6 : 23);
    return std::ldexp(1.0, std::ilogb(value) - mantissa_bits);
}

void expect_same(const std::string& what, std::span<const float> got, std::span<const float> want) {
    const std::size_t at = first_difference(got, want);
    EXPECT_EQ(at, kNone) << what << ": element " << at << " is " << got[at] << " and should be "
                         << want[at];
}

/// Checks one row; returns how many outputs equal the exact path.
std::size_t check_layer(const Table& table, std::size_t row, std::size_t& outputs) {
    const Layer layer = layer_of(table, row);
    const auto [format_a, format_b] = operand_formats(table, row);
    const auto qa = operand(table, row, layer, format_a, -1, layer.a, layer.shape_a);
    const auto qb = operand(table, row, layer, format_b, layer.weights_are_second_rows ? -1 : -2,
                            layer.b, layer.shape_b);
    expect_same(layer.id + " qa", qa, floats_from_hex(table.at(row, "qa_hex")));
    expect_same(layer.id + " qb", qb, floats_from_hex(table.at(row, "qb_hex")));

    const Products products = multiply(layer, qa, qb);
    EXPECT_EQ(products.exact, doubles_from_hex(table.at(row, "exact_product_f64_hex"))) << layer.id;
    EXPECT_EQ(products.absolute, doubles_from_hex(table.at(row, "abs_product_f64_hex")))
        << layer.id;

    const std::vector<float> library = floats_from_hex(table.at(row, "out_hex"));
    const std::vector<float> path = finish(layer, products.exact);
    EXPECT_EQ(library.size(), path.size()) << layer.id;
    const bool plain = layer.bfloat == 0 && layer.fp == 0 && layer.bias.empty();
    std::size_t equal = 0;
    for (std::size_t i = 0; i < path.size(); ++i) {
        equal += same_bits(path[i], library[i]) ? 1 : 0;
        const double bound = static_cast<double>(products.k) * 0x1p-24 * products.absolute[i];
        EXPECT_LE(std::fabs(products.sequential[i] - products.exact[i]), bound)
            << layer.id << " output " << i;
        if (plain) {
            EXPECT_LE(std::fabs(library[i] - products.exact[i]), 0.04 * bound)
                << layer.id << " output " << i;
        } else if (!same_bits(path[i], library[i])) {
            EXPECT_LE(std::fabs(path[i] - library[i]), last_place(layer, library[i]))
                << layer.id << " output " << i;
        }
    }
    outputs += path.size();
    return equal;
}

}  // namespace

std::size_t compare_elementwise(const Table& table) {
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        const Input input = input_by_id(table.at(row, "input_id"));
        qaicmx::ElementwiseOptions options;
        options.rounding = rounding_from_name(table.at(row, "round"));
        options.allow_subnormals = table.at(row, "allow_denorm") == "1";
        options.saturate_normals = table.at(row, "saturate_normals") == "1";
        std::vector<float> got(input.values.size());
        const auto status =
            quantize_kind(table.at(row, "kind"), std::stoi(table.at(row, "total_bits")), options,
                          input.values, got);
        EXPECT_TRUE(status) << status.error().message;
        expect_same(table.at(row, "case_id"), got, floats_from_hex(table.at(row, "out_hex")));
    }
    return table.rows.size();
}

std::size_t compare_matmul(const Table& table) {
    std::size_t equal = 0;
    std::size_t outputs = 0;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        equal += check_layer(table, row, outputs);
    }
    std::printf(
        "matmul.csv: %zu of %zu outputs equal the exact path, the rest differ by one last place\n",
        equal, outputs);
    EXPECT_EQ(outputs, 797U);
    EXPECT_EQ(equal, 785U);
    return table.rows.size();
}

}  // namespace golden
