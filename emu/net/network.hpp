// SPDX-License-Identifier: Apache-2.0
/// The network runner: an ONNX graph, its shapes fixed at load, run on byte buffers without
/// allocating.
///
/// Data path: load() parses, infers every shape, folds what is constant, plans one arena; run()
/// walks the planned steps. Precision is in the types of the graph: a FLOAT16 tensor is computed in
/// FP32 and rounded once per node result. Sums have one documented order, so thread count never
/// changes a result.
#pragma once

#include <qaicrt/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace qaicnet {

/// ONNX TensorProto.DataType numbers, the ones that the runner computes with.
enum class ElemType : std::int32_t {
    kUndefined = 0,
    kFloat = 1,
    kUInt8 = 2,
    kInt8 = 3,
    kUInt16 = 4,
    kInt16 = 5,
    kInt32 = 6,
    kInt64 = 7,
    kBool = 9,
    kFloat16 = 10,
    kDouble = 11,
    kUInt32 = 12,
    kUInt64 = 13,
};
std::size_t elem_bytes(ElemType type) noexcept;      ///< 0 for kUndefined or unknown numbers
const char* elem_type_name(ElemType type) noexcept;  ///< ONNX's own word: "FLOAT16"
const char* onnx_type_name(
    std::int32_t number) noexcept;  ///< also for types that are not supported

struct ValueInfo {
    std::string name;
    ElemType type = ElemType::kUndefined;
    std::vector<std::int64_t> dims;
    std::size_t bytes() const noexcept;
};

/// Binds a symbolic dimension: {"batch", 4}.
using SymbolBinding = std::pair<std::string, std::int64_t>;

struct LoadOptions {
    std::vector<SymbolBinding> symbols;
    std::uint64_t max_bytes = std::uint64_t{64}
                              << 30;  ///< refuse graphs whose tensors need more than this
    bool passes = true;  ///< lower the graph (docs/design/net-lowering.md); off for comparisons
    /// Gets the graph that the kernels are made for, as ONNX (passes/export_model.hpp).
    onnx::ModelProto* lowered = nullptr;
};

/// Splits [0, n) over threads; implementations must not change what is computed, only where.
class Workers {
  public:
    virtual ~Workers() = default;
    /// Calls body(begin, end) on disjoint ranges covering [0, n); returns when all are done.
    virtual void parallel_for(std::size_t n, std::size_t grain,
                              const std::function<void(std::size_t, std::size_t)>& body) = 0;
};

/// A set of threads owned by whoever runs networks; 1 means the caller's thread alone.
std::unique_ptr<Workers> make_workers(unsigned threads);

/// Every operator type of the model that the runner cannot execute, with how often it occurs and
/// node names.
struct UnsupportedNode {
    std::string domain, op_type;
    std::size_t count = 0;
    std::vector<std::string> names;  ///< every node, "#index" for one without a name
    std::string reason;              ///< of the first of them
    bool exists = false;  ///< the operator does: in another opset, or without an attribute
};
std::vector<UnsupportedNode> find_unsupported(const onnx::ModelProto& model);

/// Names of all supported operators with the opset range, sorted: "Add 7-21".
std::vector<std::string> supported_operators();

/// A loaded network. Immutable after load apart from its arena: one run at a time per Network
/// object.
class Network {
  public:
    /// `constants`: bytes that initializers with external location "constants.bin" refer to; must
    /// outlive the network. Errors: kFormat, kUnsupported (naming nodes), kInvalidArgument (open
    /// dimension), kNoMemory.
    static qaicrt::Result<std::unique_ptr<Network>> load(const onnx::ModelProto& model,
                                                         std::span<const std::byte> constants,
                                                         const LoadOptions& options = {});
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    std::span<const ValueInfo> inputs()
        const noexcept;  ///< graph inputs without initializers, in order
    std::span<const ValueInfo> outputs() const noexcept;
    std::size_t arena_bytes() const noexcept;

    /// inputs[i] has inputs()[i].bytes() bytes, outputs likewise; no alignment needed. Does not
    /// allocate. Errors: kInvalidArgument for wrong sizes or data that a node cannot take (e.g. a
    /// Gather index out of range).
    qaicrt::Status run(std::span<const std::span<const std::byte>> inputs,
                       std::span<const std::span<std::byte>> outputs, Workers& workers);

    /// For tests and tools: step names in execution order, "Gemm:/linear/Gemm".
    std::vector<std::string> steps() const;

    struct Impl;

  private:
    explicit Network(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The domain of our own operators inside `.qaic.emu`.
/// MxDequantize: inputs payload UINT8[rows * stride] (qaicmx::row_stride_bytes), scales UINT8[rows,
/// blocks]; attributes: format (string), block_size (int), axis (int: the reduction axis in
/// `shape`), shape (ints), to (int: FLOAT16 or FLOAT), fp16_overflow (string "inf" | "saturate").
/// Output: tensor of `shape`. Rows are the remaining axes of `shape` in row-major order, elements
/// along `axis` contiguous.
inline constexpr const char* kEmuDomain = "ai.qaic.emu";
/// external_data "location" of weights kept in the QPC's constants.bin ("offset", "length" in
/// bytes).
inline constexpr const char* kConstantsLocation = "constants.bin";

}  // namespace qaicnet
