// SPDX-License-Identifier: Apache-2.0
#include "tests/onednn/work.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

namespace qaicnet::test {

namespace {

std::int64_t product(const Dims& dims) {
    return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

Dims with_channels(std::int64_t images, std::int64_t channels, const Dims& spatial) {
    Dims dims{images, channels};
    dims.insert(dims.end(), spatial.begin(), spatial.end());
    return dims;
}

constexpr const char* kNames[] = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "MatMul"};

std::string name_of(const Work& work) {
    return work.gemm ? "Gemm" : kNames[static_cast<std::size_t>(work.kind)];
}

void add_window(NodeBuilder& node, const Work& work) {
    Dims pads = work.before;
    pads.insert(pads.end(), work.after.begin(), work.after.end());
    node.attr("kernel_shape", work.kernel).attr("strides", work.strides).attr("pads", pads);
    node.attr("dilations", work.dilations);
    if (work.is_convolution()) {
        node.attr("group", work.groups);
    } else if (work.kind == WorkKind::kAveragePool) {
        node.attr("count_include_pad", work.counts_padding ? 1 : 0);
    }
}

/// The names of the operands, which become constants or inputs of the model.
std::vector<std::string> add_operands(ModelBuilder& m, const Work& work,
                                      const std::vector<float>& weights,
                                      const std::vector<float>& bias, bool constant) {
    std::vector<std::string> names{"x"};
    const auto add = [&](const char* name, const Dims& dims, const std::vector<float>& values) {
        if (dims.empty()) {
            return;
        }
        if (constant) {
            m.constant<float>(name, dims, values);
        } else {
            m.input(name, ElemType::kFloat, dims);
        }
        names.emplace_back(name);
    };
    add("w", work.weight_dims(), weights);
    add("b", work.bias_dims(), bias);
    return names;
}

}  // namespace

std::size_t count_of(const Dims& dims) {
    return static_cast<std::size_t>(product(dims));
}

Dims channels_last(const Dims& dims) {
    Dims last{dims[0]};
    last.insert(last.end(), dims.begin() + 2, dims.end());
    last.push_back(dims[1]);
    return last;
}

Dims Work::out() const {
    Dims sizes;
    for (std::size_t i = 0; i < in.size(); ++i) {
        const std::int64_t reach = (kernel[i] - 1) * dilations[i] + 1;
        const std::int64_t padding = before[i] + after[i];
        sizes.push_back(kind == WorkKind::kConvTranspose
                            ? (in[i] - 1) * strides[i] + reach - padding
                            : (in[i] + padding - reach) / strides[i] + 1);
    }
    return sizes;
}

Dims Work::input_dims() const {
    if (kind != WorkKind::kProduct) {
        return with_channels(images, in_channels, in);
    }
    if (gemm) {
        return transposed_a ? Dims{k, m} : Dims{m, k};
    }
    return {batch, m, k};
}

Dims Work::weight_dims() const {
    if (is_pool()) {
        return {};
    }
    if (kind == WorkKind::kProduct) {
        return batch_b ? Dims{batch, k, n} : transposed_b ? Dims{n, k} : Dims{k, n};
    }
    return kind == WorkKind::kConv ? with_channels(out_channels, in_channels / groups, kernel)
                                   : with_channels(in_channels, out_channels / groups, kernel);
}

Dims Work::bias_dims() const {
    if (is_pool() || !has_bias || (kind == WorkKind::kProduct && !gemm)) {
        return {};
    }
    return {gemm ? n : out_channels};
}

Dims Work::result_dims() const {
    if (kind == WorkKind::kProduct) {
        return gemm ? Dims{m, n} : Dims{batch, m, n};
    }
    return with_channels(images, is_pool() ? in_channels : out_channels, out());
}

std::int64_t Work::terms() const {
    const std::int64_t sum = kind == WorkKind::kProduct ? k
                             : is_pool()                ? product(kernel)
                                                        : product(kernel) * in_channels / groups;
    return sum + (bias_dims().empty() ? 0 : 1);
}

double Work::operations() const {
    if (kind == WorkKind::kProduct) {
        return 2.0 * static_cast<double>(batch * m * k * n);
    }
    const auto positions = static_cast<double>(
        images * (kind == WorkKind::kConvTranspose ? product(in) : product(out())));
    const auto window = static_cast<double>(product(kernel));
    return is_pool()
               ? positions * window * static_cast<double>(in_channels)
               : 2 * positions * window * static_cast<double>(out_channels * in_channels / groups);
}

std::string Work::text() const {
    if (kind == WorkKind::kProduct) {
        return fmt::format("{} {}x{}x{}x{} transposed {} {} batches of B {}", name_of(*this), batch,
                           m, k, n, transposed_a, transposed_b, batch_b);
    }
    return fmt::format(
        "{} images {} channels {}->{} groups {} in {} kernel {} strides {} dilations {} pads {} {}",
        name_of(*this), images, in_channels, out_channels, groups, in, kernel, strides, dilations,
        before, after);
}

ModelBuilder onnx_model(const Work& work, const std::vector<float>& weights,
                        const std::vector<float>& bias, bool constant) {
    ModelBuilder m(22);
    m.input("x", ElemType::kFloat, work.input_dims());
    NodeBuilder node = m.node(name_of(work), add_operands(m, work, weights, bias, constant), {"y"});
    if (work.kind != WorkKind::kProduct) {
        add_window(node, work);
    } else if (work.gemm) {
        node.attr("transA", work.transposed_a ? 1 : 0).attr("transB", work.transposed_b ? 1 : 0);
    }
    m.output("y");
    return m;
}

ModelBuilder kernel_model(const Work& work, const std::vector<float>& weights,
                          const std::vector<float>& bias) {
    if (work.kind == WorkKind::kProduct) {
        return onnx_model(work, weights, bias, true);
    }
    ModelBuilder m(22);
    m.import_domain(kEmuDomain, 1);
    m.input("x", ElemType::kFloat, channels_last(work.input_dims()));
    NodeBuilder node = m.node(work.is_convolution() ? "FusedConv" : name_of(work),
                              add_operands(m, work, weights, bias, true), {"y"});
    node.proto()->set_domain(kEmuDomain);
    add_window(node, work);
    node.attr("channels_last", 1);
    if (work.is_convolution()) {
        node.attr("transposed", work.kind == WorkKind::kConvTranspose ? 1 : 0);
    }
    m.output("y");
    return m;
}

}  // namespace qaicnet::test
