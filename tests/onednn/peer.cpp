// SPDX-License-Identifier: Apache-2.0
#include "tests/onednn/peer.hpp"

#include <dnnl.hpp>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace qaicnet::test {

namespace {

using dnnl::memory;
using Desc = memory::desc;

constexpr auto kFloat = memory::data_type::f32;

Dims row_major(const Dims& dims) {
    Dims strides(dims.size(), 1);
    for (std::size_t i = dims.size(); i-- > 1;) {
        strides[i - 1] = strides[i] * dims[i];
    }
    return strides;
}

Desc plain(const Dims& dims) {
    return {dims, kFloat, row_major(dims)};
}

Desc any(const Dims& dims) {
    return {dims, kFloat, memory::format_tag::any};
}

/// Dimensions as in ONNX, channels behind the others in memory.
Desc with_channels_last(const Dims& dims) {
    const Dims order = row_major(channels_last(dims));
    Dims strides{order[0], order.back()};
    strides.insert(strides.end(), order.begin() + 1, order.end() - 1);
    return {dims, kFloat, strides};
}

/// oneDNN wants [groups,] out, in, kernel…
Desc given_weights(const Work& work) {
    const std::int64_t in = work.in_channels / work.groups;
    const std::int64_t out = work.out_channels / work.groups;
    const bool transposed = work.kind == WorkKind::kConvTranspose;
    Dims dims{work.groups, transposed ? in : out, transposed ? out : in};
    dims.insert(dims.end(), work.kernel.begin(), work.kernel.end());
    Dims strides = row_major(dims);
    if (transposed) {
        std::swap(dims[1], dims[2]);
        std::swap(strides[1], strides[2]);
    }
    if (work.groups == 1) {
        dims.erase(dims.begin());
        strides.erase(strides.begin());
    }
    return {dims, kFloat, strides};
}

/// oneDNN counts dilation from 0.
Dims gaps(const Dims& dilations) {
    Dims out = dilations;
    for (std::int64_t& d : out) {
        --d;
    }
    return out;
}

bool all_ones(const Dims& dims) {
    return std::all_of(dims.begin(), dims.end(), [](std::int64_t d) { return d == 1; });
}

}  // namespace

struct Peer::Impl {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
    Desc given_x, given_w, given_b, given_y;  ///< ONNX's layouts
    Desc x, w, b, y;                          ///< the primitive's
    dnnl::primitive primitive;
    std::string name;
    std::unordered_map<int, memory> arguments;

    template <class Primitive>
    void take(const typename Primitive::primitive_desc& chosen) {
        x = chosen.src_desc();
        y = chosen.dst_desc();
        name = chosen.impl_info_str();
        primitive = Primitive(chosen);
    }
    template <class Primitive>
    void take_weighted(const typename Primitive::primitive_desc& chosen) {
        take<Primitive>(chosen);
        w = chosen.weights_desc();
        b = chosen.bias_desc();
    }

    template <class Primitive>
    void make_convolution(const Work& work, const Desc& in, const Desc& out,
                          dnnl::algorithm algorithm) {
        const auto inference = dnnl::prop_kind::forward_inference;
        const Desc weights = any(given_w.dims());
        const Dims dilates = gaps(work.dilations);
        using Description = typename Primitive::desc;
        const Description description =
            work.has_bias ? Description(inference, algorithm, in, weights, given_b, out,
                                        work.strides, dilates, work.before, work.after)
                          : Description(inference, algorithm, in, weights, out, work.strides,
                                        dilates, work.before, work.after);
        take_weighted<Primitive>({description, engine});
    }

    void make_pool(const Work& work, const Desc& in, const Desc& out) {
        const auto inference = dnnl::prop_kind::forward_inference;
        const auto algorithm = work.kind == WorkKind::kMaxPool ? dnnl::algorithm::pooling_max
                               : work.counts_padding ? dnnl::algorithm::pooling_avg_include_padding
                                                     : dnnl::algorithm::pooling_avg_exclude_padding;
        if (all_ones(work.dilations)) {
            take<dnnl::pooling_forward>({{inference, algorithm, in, out, work.strides, work.kernel,
                                          work.before, work.after},
                                         engine});
            return;
        }
        take<dnnl::pooling_v2_forward>({{inference, algorithm, in, out, work.strides, work.kernel,
                                         gaps(work.dilations), work.before, work.after},
                                        engine});
    }

    void make_product(const Work& work, bool best) {
        const Dims x_dims = work.gemm ? Dims{work.m, work.k} : work.input_dims();
        const Dims w_dims = work.gemm      ? Dims{work.k, work.n}
                            : work.batch_b ? Dims{work.batch, work.k, work.n}
                                           : Dims{1, work.k, work.n};
        given_x = work.transposed_a ? Desc(x_dims, kFloat, {1, work.m}) : plain(x_dims);
        given_w = work.transposed_b ? Desc(w_dims, kFloat, {1, work.k}) : plain(w_dims);
        given_b = plain({1, work.n});
        given_y = plain(work.result_dims());
        const Desc weights = best ? any(w_dims) : given_w;
        const bool biased = !work.bias_dims().empty();
        const dnnl::matmul::desc description =
            biased ? dnnl::matmul::desc(given_x, weights, given_b, given_y)
                   : dnnl::matmul::desc(given_x, weights, given_y);
        take_weighted<dnnl::matmul>({description, engine});
    }

    void make_windowed(const Work& work, bool best) {
        given_x = plain(work.input_dims());
        given_y = plain(work.result_dims());
        const Desc in = best ? any(work.input_dims()) : with_channels_last(work.input_dims());
        const Desc out = best ? any(work.result_dims()) : with_channels_last(work.result_dims());
        if (work.is_pool()) {
            // A pool has no layout of its own choice; blocks of channels are its fastest.
            make_pool(work, best ? blocked(work.input_dims()) : in, out);
            return;
        }
        given_w = given_weights(work);
        given_b = plain({work.out_channels});
        if (work.kind == WorkKind::kConv) {
            make_convolution<dnnl::convolution_forward>(work, in, out,
                                                        dnnl::algorithm::convolution_direct);
        } else {
            make_convolution<dnnl::deconvolution_forward>(work, in, out,
                                                          dnnl::algorithm::deconvolution_direct);
        }
    }

    static Desc blocked(const Dims& dims) {
        using Tag = memory::format_tag;
        constexpr Tag kTags[] = {Tag::aBc8b, Tag::aBcd8b, Tag::aBcde8b};
        return {dims, kFloat, kTags[dims.size() - 3]};
    }

    void load(int argument, const Desc& from, const std::vector<float>& values) {
        memory given(from, engine);
        std::memcpy(given.get_data_handle(), values.data(), values.size() * sizeof(float));
        dnnl::reorder(given, arguments.at(argument)).execute(stream, given, arguments.at(argument));
        stream.wait();
    }
};

Peer::Peer(const Work& work, PeerLayout layout) : impl_(std::make_unique<Impl>()) {
    omp_set_num_threads(1);
    const bool best = layout == PeerLayout::kBest;
    if (work.kind == WorkKind::kProduct) {
        impl_->make_product(work, best);
    } else {
        impl_->make_windowed(work, best);
    }
    auto& arguments = impl_->arguments;
    arguments.emplace(DNNL_ARG_SRC, memory(impl_->x, impl_->engine));
    arguments.emplace(DNNL_ARG_DST, memory(impl_->y, impl_->engine));
    if (!work.is_pool()) {
        arguments.emplace(DNNL_ARG_WEIGHTS, memory(impl_->w, impl_->engine));
    }
    if (!work.bias_dims().empty()) {
        arguments.emplace(DNNL_ARG_BIAS, memory(impl_->b, impl_->engine));
    }
}

Peer::~Peer() = default;

void Peer::set(const std::vector<float>& x, const std::vector<float>& weights,
               const std::vector<float>& bias) {
    impl_->load(DNNL_ARG_SRC, impl_->given_x, x);
    if (!weights.empty()) {
        impl_->load(DNNL_ARG_WEIGHTS, impl_->given_w, weights);
    }
    if (!bias.empty()) {
        impl_->load(DNNL_ARG_BIAS, impl_->given_b, bias);
    }
}

void Peer::run() {
    impl_->primitive.execute(impl_->stream, impl_->arguments);
    impl_->stream.wait();
}

std::vector<float> Peer::result() const {
    memory from = impl_->arguments.at(DNNL_ARG_DST);
    memory to(impl_->given_y, impl_->engine);
    dnnl::reorder(from, to).execute(impl_->stream, from, to);
    impl_->stream.wait();
    std::vector<float> values(impl_->given_y.get_size() / sizeof(float));
    std::memcpy(values.data(), to.get_data_handle(), values.size() * sizeof(float));
    return values;
}

std::string Peer::implementation() const {
    return impl_->name;
}

}  // namespace qaicnet::test
