// SPDX-License-Identifier: Apache-2.0
#include "emu/net/passes/export_refusal.hpp"

#include "emu/net/passes/graph_edit.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace qaicnet {

using qaicrt::Errc;
using qaicrt::Error;
using qaicrt::Result;
using qaicrt::Status;

namespace {

class Refusal {
  public:
    Refusal(const Graph& around, const Node& node, std::int64_t opset, Budget& budget)
        : around_(around), node_(node), opset_(opset), budget_(budget), edit_(graph(), budget) {}

    Result<Subgraph> write(bool is_then) {
        label_ = fmt::format("{}/{}", node_.label, is_then ? "then_branch" : "else_branch");
        const TensorType condition = outer(node_.inputs[0]);
        int taken = edit_.add_value(label_ + "/condition", condition.type, condition.dims);
        branch_.captures.push_back({taken, node_.inputs[0], 0});
        if (!is_then) {
            taken = add("Not", {taken}, condition);
        }
        // 1 whenever the branch runs.
        const int number = add("Cast", {taken}, {ElemType::kInt64, condition.dims});
        set_attribute(graph().nodes.back(), "to", static_cast<std::int64_t>(ElemType::kInt64));
        QAICRT_TRY(const int scalar, add_shape("/no_axes", {}));
        const int place = add("Reshape", {number, scalar}, {ElemType::kInt64, {}});
        for (const int output : node_.outputs) {
            // A result that nobody reads has no type.
            QAICRT_CHECK(
                add_result(output >= 0 ? outer(output) : TensorType{ElemType::kFloat, {}}, place));
        }
        return std::move(branch_);
    }

  private:
    Graph& graph() { return branch_.graph; }
    const TensorType& outer(int index) const {
        return around_.values[static_cast<std::size_t>(index)].tensor;
    }

    int add(const char* op_type, std::vector<int> inputs, TensorType tensor) {
        const std::string name = fmt::format("{}/{}", label_, op_type);
        const int result = edit_.add_value(name, tensor.type, std::move(tensor.dims));
        graph().nodes.push_back(make_node("", op_type, opset_, name, std::move(inputs), {result}));
        return result;
    }

    static Error no_memory() {
        return {Errc::kNoMemory,
                "writing the lowered graph needs more than the memory limit; raise the limit"};
    }

    Result<int> add_shape(const char* name, const Shape& dims) {
        const std::optional<int> added = edit_.add_constant(label_ + name, dims);
        return added ? Result<int>(*added) : Result<int>(no_memory());
    }

    Status add_result(const TensorType& tensor, int place) {
        Shape one = tensor.dims;
        one.insert(one.begin(), 1);
        QAICRT_TRY(const int shape, add_shape("/shape", one));
        const int only = add("ConstantOfShape", {shape}, {tensor.type, one});
        Attribute value;
        value.name = "value";
        value.kind = Attribute::Kind::kTensor;
        value.tensor.tensor = {tensor.type, {1}};
        const auto zero = Buffer::allocate(value.tensor.tensor.bytes(), budget_);
        if (!zero) {
            return no_memory();
        }
        std::memset(zero->owned(), 0, zero->size());
        value.tensor.bytes = zero;
        graph().nodes.back().attributes.push_back(std::move(value));
        graph().outputs.push_back(add("Gather", {only, place}, tensor));
        graph().nodes.back().label = label_ + ": the sizes of this network do not fit";
        return {};
    }

    const Graph& around_;
    const Node& node_;
    std::int64_t opset_;
    Budget& budget_;
    std::string label_;
    Subgraph branch_;
    GraphEdit edit_;
};

}  // namespace

Result<Subgraph> refused_branch(const Graph& graph, const Node& node, bool is_then,
                                std::int64_t opset, Budget& budget) {
    return Refusal(graph, node, opset, budget).write(is_then);
}

}  // namespace qaicnet
