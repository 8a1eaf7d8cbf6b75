// SPDX-License-Identifier: Apache-2.0
/// What an operator is to the runner: a row of a table, two functions (shapes; preparation) and a
/// kernel.
///
/// To add an operator: write infer and prepare in the file of its family, add a row to that file's
/// table. find_unsupported, supported_operators and the loader all read the same rows.
#pragma once

#include "emu/net/graph.hpp"

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qaicnet {

/// Oldest and newest opset of the default domain that load; the newest is the one of PyPI's
/// onnx 1.23.
inline constexpr std::int64_t kMinOpset = 7;
inline constexpr std::int64_t kMaxOpset = 28;

/// A set of element types as a bit mask over ONNX's type numbers.
using TypeSet = std::uint32_t;
constexpr TypeSet types_of(std::initializer_list<ElemType> list) {
    TypeSet set = 0;
    for (const ElemType type : list) {
        set |= TypeSet{1} << static_cast<unsigned>(type);
    }
    return set;
}
constexpr bool contains(TypeSet set, ElemType type) {
    return (set >> static_cast<unsigned>(type) & 1u) != 0;
}
inline constexpr TypeSet kFloatTypes =
    types_of({ElemType::kFloat, ElemType::kFloat16, ElemType::kDouble});
inline constexpr TypeSet kSignedInts =
    types_of({ElemType::kInt8, ElemType::kInt16, ElemType::kInt32, ElemType::kInt64});
inline constexpr TypeSet kUnsignedInts =
    types_of({ElemType::kUInt8, ElemType::kUInt16, ElemType::kUInt32, ElemType::kUInt64});
inline constexpr TypeSet kNumericTypes = kFloatTypes | kSignedInts | kUnsignedInts;
inline constexpr TypeSet kAllTypes = kNumericTypes | types_of({ElemType::kBool});
inline constexpr TypeSet kIndexTypes = types_of({ElemType::kInt32, ElemType::kInt64});

/// What a kernel sees at run time. Pointers of absent inputs are null. `scratch` is 64-byte
/// aligned. Booleans are bytes that are 0 or 1.
struct RunArgs {
    const std::byte* const* in;
    std::byte* const* out;
    std::byte* scratch;
    Workers& workers;
};

/// The executable form of one node. run() must not allocate unless it fails.
class Kernel {
  public:
    virtual ~Kernel() = default;
    virtual qaicrt::Status run(const RunArgs& args) const = 0;
    /// Bytes of the arena that only this step uses, only while it runs.
    virtual std::size_t scratch_bytes() const noexcept { return 0; }
    /// True if out[0] may be the very bytes of in[input]: each element is read before it is
    /// written.
    virtual bool can_overwrite(std::size_t /*input*/) const noexcept { return false; }
};
using KernelPtr = std::unique_ptr<Kernel>;

/// A node while it is loaded: its attributes, the types and constants of its inputs, where results
/// go.
class NodeContext {
  public:
    NodeContext(Graph& graph, Node& node, Budget& budget)
        : graph_(graph), node_(node), budget_(budget), kept_(node.inputs.size(), true) {}

    const Node& node() const noexcept { return node_; }
    std::int64_t opset() const noexcept { return node_.opset; }
    Budget& budget() noexcept { return budget_; }

    std::size_t num_inputs() const noexcept { return node_.inputs.size(); }
    std::size_t num_outputs() const noexcept { return node_.outputs.size(); }
    bool has_input(std::size_t i) const noexcept {
        return i < node_.inputs.size() && node_.inputs[i] >= 0;
    }
    const Value& input_value(std::size_t i) const {
        return graph_.values[static_cast<std::size_t>(node_.inputs[i])];
    }
    const TensorType& input(std::size_t i) const { return input_value(i).tensor; }
    /// Null unless the input is known at load.
    const std::byte* constant(std::size_t i) const;
    /// Integers of a constant INT32 or INT64 input of rank 0 or 1; an error that names the input
    /// otherwise.
    qaicrt::Result<std::vector<std::int64_t>> constant_ints(std::size_t i,
                                                            std::string_view what) const;
    /// After prepare: run() does not read this input, so its constant may be dropped.
    void drop_input(std::size_t i) { kept_[i] = false; }
    bool keeps_input(std::size_t i) const { return kept_[i]; }

    qaicrt::Result<std::int64_t> attr_int(std::string_view name, std::int64_t fallback) const;
    qaicrt::Result<float> attr_float(std::string_view name, float fallback) const;
    qaicrt::Result<std::string> attr_string(std::string_view name, std::string_view fallback) const;
    qaicrt::Result<std::vector<std::int64_t>> attr_ints(std::string_view name) const;
    const Attribute* find_attr(std::string_view name) const noexcept;

    /// Results of infer. The shape is checked for size here.
    qaicrt::Status set_output(std::size_t i, ElemType type, Shape dims);
    /// Output 0 has the bytes of input 0 under another shape (or name): no step runs.
    qaicrt::Status set_output_view(Shape dims);
    qaicrt::Status set_output_constant(std::size_t i, const Constant& constant);
    const TensorType& output(std::size_t i = 0) const;

    /// In infer, for operators whose time does not follow from the sizes of inputs and results: the
    /// number of elementary steps (multiply-adds) as a product. Fails when nobody would wait for
    /// it: small files can ask for a lot.
    qaicrt::Status set_work(std::initializer_list<std::uint64_t> factors);

    qaicrt::Status require_type(std::size_t i, TypeSet allowed) const;
    qaicrt::Status require_same_type(std::size_t first, std::size_t other) const;
    /// Maps a negative axis; fails outside [-rank, rank) (rank + 1 axes when `end_allowed`).
    qaicrt::Result<std::size_t> normal_axis(std::int64_t axis, std::size_t rank,
                                            bool end_allowed = false) const;
    /// "node '/fc/Gemm' (Gemm): <text>"
    qaicrt::Error fail(qaicrt::Errc code, std::string_view text) const;
    qaicrt::Error malformed(std::string_view text) const {
        return fail(qaicrt::Errc::kFormat, text);
    }

  private:
    Graph& graph_;
    Node& node_;
    Budget& budget_;
    std::vector<bool> kept_;
};

/// One operator in one range of opsets.
struct OpDef {
    const char* domain;  ///< "" or kEmuDomain
    const char* op_type;
    std::int64_t since, until;  ///< opsets of `domain`, inclusive
    std::size_t min_inputs, max_inputs, max_outputs;
    const char* attributes;  ///< the names that are understood, separated by spaces
    qaicrt::Status (*infer)(NodeContext&);
    qaicrt::Result<KernelPtr> (*prepare)(
        NodeContext&);  ///< null: infer always gives a view or a constant
};
inline constexpr std::size_t kAnyCount = 1u << 16;

/// The tables of the families (ops_*.cpp).
std::span<const OpDef> elementwise_ops();
std::span<const OpDef> activation_ops();
std::span<const OpDef> softmax_ops();
std::span<const OpDef> cast_ops();
std::span<const OpDef> matmul_ops();
std::span<const OpDef> shape_ops();
std::span<const OpDef> movement_ops();
std::span<const OpDef> mx_ops();
std::span<const OpDef> math_ops();
std::span<const OpDef> variadic_ops();
std::span<const OpDef> parametric_activation_ops();
std::span<const OpDef> logic_ops();
std::span<const OpDef> reduce_ops();
std::span<const OpDef> order_ops();
std::span<const OpDef> norm_ops();
std::span<const OpDef> einsum_ops();
std::span<const OpDef> conv_ops();
std::span<const OpDef> pool_ops();
std::span<const OpDef> pool_last_ops();
std::span<const OpDef> gather_ops();
std::span<const OpDef> pad_ops();
std::span<const OpDef> resize_ops();
std::span<const OpDef> generate_ops();
std::span<const OpDef> quantize_ops();
std::span<const OpDef> recurrent_ops();
std::span<const OpDef> control_ops();
std::span<const OpDef> one_hot_ops();
std::span<const OpDef> response_norm_ops();
std::span<const OpDef> integer_ops();
std::span<const OpDef> sample_ops();
std::span<const OpDef> select_ops();

/// Null when there is no such operator, or not in this opset (then *other_opset is set).
const OpDef* find_op(const std::string& domain, const std::string& op_type, std::int64_t opset,
                     bool* other_opset = nullptr);

/// "node 'x' (Gemm)" as every message names a node.
std::string node_text(const Node& node);

/// Bytes as elements. Arena, constants and scratch are aligned for every element type.
template <class T>
const T* as(const std::byte* bytes) noexcept {
    return reinterpret_cast<const T*>(bytes);
}
template <class T>
T* as(std::byte* bytes) noexcept {
    return reinterpret_cast<T*>(bytes);
}

}  // namespace qaicnet
