// SPDX-License-Identifier: Apache-2.0
/// LSTM, GRU, RNN: shapes and attributes.
#include "emu/net/op.hpp"
#include "emu/net/recurrent.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <initializer_list>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Result;
using qaicrt::Status;

namespace {

constexpr std::size_t kGatesOf[] = {1, 3, 4};

Result<std::vector<float>> attr_floats(const NodeContext& n, std::string_view name) {
    const Attribute* attribute = n.find_attr(name);
    if (attribute == nullptr) {
        return std::vector<float>();
    }
    // An empty list reads as one of whole numbers in files that do not say the type.
    if (attribute->kind != Attribute::Kind::kFloats && !attribute->floats.empty()) {
        return n.malformed(fmt::format("attribute '{}' must be a list of floats", name));
    }
    return attribute->floats;
}

Result<std::vector<std::string>> activation_names(const NodeContext& n, const RecurrentProblem& p) {
    const Attribute* attribute = n.find_attr("activations");
    if (attribute != nullptr && !attribute->strings.empty()) {
        if (attribute->strings.size() != p.directions * p.activations_each()) {
            return n.malformed(fmt::format("it names {} activations, and {} directions need {}",
                                           attribute->strings.size(), p.directions,
                                           p.directions * p.activations_each()));
        }
        return attribute->strings;
    }
    std::vector<std::string> names;
    for (std::size_t d = 0; d < p.directions; ++d) {
        if (p.cell != Cell::kRnn) {
            names.emplace_back("Sigmoid");
        }
        names.emplace_back("Tanh");
        if (p.cell == Cell::kLstm) {
            names.emplace_back("Tanh");
        }
    }
    return names;
}

/// The lists of factors hold one for each function that has such a factor, in order.
Status read_activations(const NodeContext& n, RecurrentProblem& p) {
    QAICRT_TRY(const auto names, activation_names(n, p));
    QAICRT_TRY(const auto alphas, attr_floats(n, "activation_alpha"));
    QAICRT_TRY(const auto betas, attr_floats(n, "activation_beta"));
    std::size_t alpha = 0;
    std::size_t beta = 0;
    for (const std::string& name : names) {
        CellActivation activation;
        bool has_alpha = false;
        bool has_beta = false;
        if (!find_activation(name, activation, has_alpha, has_beta)) {
            return n.fail(
                Errc::kUnsupported,
                fmt::format("the activation {} is not one that ONNX lists", quoted(name)));
        }
        if (has_alpha && alpha < alphas.size()) {
            activation.alpha = alphas[alpha++];
        }
        if (has_beta && beta < betas.size()) {
            activation.beta = betas[beta++];
        }
        p.activations.push_back(activation);
    }
    return {};
}

Status read_attributes(const NodeContext& n, RecurrentProblem& p) {
    QAICRT_TRY(const std::string direction, n.attr_string("direction", "forward"));
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
        return n.malformed(fmt::format("the direction {} is not forward, reverse or bidirectional",
                                       quoted(direction)));
    }
    p.directions = direction == "bidirectional" ? 2 : 1;
    p.first_reversed = direction == "reverse";
    QAICRT_TRY(const std::int64_t layout, n.attr_int("layout", 0));
    QAICRT_TRY(const std::int64_t coupled, n.attr_int("input_forget", 0));
    QAICRT_TRY(const std::int64_t before_reset, n.attr_int("linear_before_reset", 0));
    if (layout != 0 && layout != 1) {
        return n.malformed(fmt::format("the layout {} is not 0 or 1", layout));
    }
    p.batch_first = layout == 1;
    p.input_forget = coupled != 0;
    p.linear_before_reset = before_reset != 0;
    p.clipped = n.find_attr("clip") != nullptr;
    QAICRT_TRY(p.clip, n.attr_float("clip", 0));
    if (p.clipped && !(p.clip > 0)) {
        return n.malformed("'clip' must be above 0");
    }
    return read_activations(n, p);
}

Status require_shape(const NodeContext& n, std::size_t i, const char* name,
                     std::initializer_list<std::size_t> wanted) {
    if (!n.has_input(i)) {
        return {};
    }
    Shape dims;
    for (const std::size_t size : wanted) {
        dims.push_back(static_cast<std::int64_t>(size));
    }
    if (n.input(i).dims != dims) {
        return n.malformed(fmt::format("input '{}' has the shape {}, the other inputs ask for {}",
                                       name, dims_text(n.input(i).dims), dims_text(dims)));
    }
    return {};
}

Status check_types(const NodeContext& n) {
    QAICRT_CHECK(n.require_type(kInX, kFloatTypes));
    for (std::size_t i = kInW; i < n.num_inputs(); ++i) {
        if (!n.has_input(i)) {
            continue;
        }
        if (i == kInLengths) {
            QAICRT_CHECK(n.require_type(i, types_of({ElemType::kInt32})));
        } else {
            QAICRT_CHECK(n.require_same_type(kInX, i));
        }
    }
    return {};
}

Result<RecurrentProblem> read_problem(const NodeContext& n, Cell cell) {
    RecurrentProblem p;
    p.cell = cell;
    p.gates = kGatesOf[static_cast<std::size_t>(cell)];
    QAICRT_CHECK(check_types(n));
    QAICRT_CHECK(read_attributes(n, p));
    const Shape& x = n.input(kInX).dims;
    const Shape& r = n.input(kInR).dims;
    if (x.size() != 3 || r.size() != 3) {
        return n.malformed(fmt::format("X and R have the shapes {} and {}, both need 3 axes",
                                       dims_text(x), dims_text(r)));
    }
    p.steps = static_cast<std::size_t>(x[p.batch_first ? 1 : 0]);
    p.batch = static_cast<std::size_t>(x[p.batch_first ? 0 : 1]);
    p.input = static_cast<std::size_t>(x[2]);
    p.hidden = static_cast<std::size_t>(r[2]);
    QAICRT_TRY(const std::int64_t hidden, n.attr_int("hidden_size", r[2]));
    // R holds gates * hidden rows, so their product cannot overflow once its shape agrees.
    if (hidden != r[2] || r[1] % static_cast<std::int64_t>(p.gates) != 0 ||
        r[1] / static_cast<std::int64_t>(p.gates) != r[2]) {
        return n.malformed(
            fmt::format("hidden_size is {} and R has the shape {}", hidden, dims_text(r)));
    }
    const std::size_t d = p.directions;
    const std::size_t rows = p.gates * p.hidden;
    QAICRT_CHECK(require_shape(n, kInR, "R", {d, rows, p.hidden}));
    QAICRT_CHECK(require_shape(n, kInW, "W", {d, rows, p.input}));
    QAICRT_CHECK(require_shape(n, kInB, "B", {d, 2 * rows}));
    QAICRT_CHECK(require_shape(n, kInLengths, "sequence_lens", {p.batch}));
    for (const std::size_t state : {kInH, kInC}) {
        const char* name = state == kInH ? "initial_h" : "initial_c";
        QAICRT_CHECK(p.batch_first ? require_shape(n, state, name, {p.batch, d, p.hidden})
                                   : require_shape(n, state, name, {d, p.batch, p.hidden}));
    }
    QAICRT_CHECK(require_shape(n, kInP, "P", {d, 3 * p.hidden}));
    return p;
}

template <Cell kCell>
Status infer(NodeContext& n) {
    QAICRT_TRY(const RecurrentProblem p, read_problem(n, kCell));
    const auto steps = static_cast<std::int64_t>(p.steps);
    const auto batch = static_cast<std::int64_t>(p.batch);
    const auto hidden = static_cast<std::int64_t>(p.hidden);
    const auto d = static_cast<std::int64_t>(p.directions);
    const ElemType type = n.input(kInX).type;
    QAICRT_CHECK(n.set_output(
        0, type, p.batch_first ? Shape{batch, steps, d, hidden} : Shape{steps, d, batch, hidden}));
    for (std::size_t state = 1; state < n.num_outputs(); ++state) {
        QAICRT_CHECK(n.set_output(
            state, type, p.batch_first ? Shape{batch, d, hidden} : Shape{d, batch, hidden}));
    }
    return n.set_work({p.rows(), n.input(kInW).count() + n.input(kInR).count()});
}

template <Cell kCell>
Result<KernelPtr> prepare(NodeContext& n) {
    QAICRT_TRY(RecurrentProblem p, read_problem(n, kCell));
    return make_recurrent_kernel(n, std::move(p));
}

#define QAICNET_COMMON "activation_alpha activation_beta activations clip direction hidden_size"

constexpr std::array<OpDef, 6> kOps = {{
    {"", "RNN", kMinOpset, 13, 3, 6, 2, QAICNET_COMMON, infer<Cell::kRnn>, prepare<Cell::kRnn>},
    {"", "RNN", 14, kMaxOpset, 3, 6, 2, QAICNET_COMMON " layout", infer<Cell::kRnn>,
     prepare<Cell::kRnn>},
    {"", "GRU", kMinOpset, 13, 3, 6, 2, QAICNET_COMMON " linear_before_reset", infer<Cell::kGru>,
     prepare<Cell::kGru>},
    {"", "GRU", 14, kMaxOpset, 3, 6, 2, QAICNET_COMMON " linear_before_reset layout",
     infer<Cell::kGru>, prepare<Cell::kGru>},
    {"", "LSTM", kMinOpset, 13, 3, 8, 3, QAICNET_COMMON " input_forget", infer<Cell::kLstm>,
     prepare<Cell::kLstm>},
    {"", "LSTM", 14, kMaxOpset, 3, 8, 3, QAICNET_COMMON " input_forget layout", infer<Cell::kLstm>,
     prepare<Cell::kLstm>},
}};

#undef QAICNET_COMMON

}  // namespace

std::span<const OpDef> recurrent_ops() {
    return kOps;
}

}  // namespace qaicnet
