// SPDX-License-Identifier: Apache-2.0
/// What the fusing passes share: collecting the nodes that spell one operator and putting that
/// operator in their place.
#pragma once

#include "emu/net/passes/graph_edit.hpp"

#include <qaicrt/result.hpp>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace qaicnet {

/// The nodes of one pattern, collected from its last node upwards. An alternative that may fail
/// works on a copy. Only nodes with FLOAT results are ever taken.
class Match {
  public:
    Match(GraphEdit& edit, const Node& last) : edit_(&edit), last_(edit.index_of(last)) {}

    GraphEdit& edit() const noexcept { return *edit_; }
    Node& last() const { return edit_->node(last_); }
    /// The pattern goes on below: the former last node is an inner one.
    void extend_to(const Node& reader);

    /// The node that makes `value`, if it is such an operator; it belongs to the pattern then.
    Node* take(int value, std::string_view op_type);
    void add(const Node& node) { nodes_.push_back(edit_->index_of(node)); }
    /// Number of nodes, the last one included.
    std::size_t size() const noexcept { return nodes_.size() + 1; }
    /// Indices of the inner nodes, in the graph's order. Their places are free once they are gone.
    std::vector<int> inner() const;
    /// Nobody outside reads what the inner nodes make.
    bool is_closed() const;
    /// `made` gives the last node's result in its place; the inner nodes go.
    void replace_by(Node made);

  private:
    bool has(int node) const;

    GraphEdit* edit_;
    int last_;
    std::vector<int> nodes_;  ///< inner nodes; one may be there twice
};

/// Equal but for the rounding of constants to FLOAT; 0 only equals 0.
bool is_near(double a, double b);
/// A FLOAT, INT32 or INT64 constant of one element.
std::optional<double> number(GraphEdit& edit, int value);

/// An operand of a FLOAT node whose other operand is a constant of one element that adds no axis.
struct ScalarOperand {
    int other = -1;
    double scalar = 0;
    bool scalar_first = false;
};
std::optional<ScalarOperand> scalar_operand(GraphEdit& edit, const Node& node);

/// scale * base + offset.
struct Affine {
    int base = -1;
    double scale = 1, offset = 0;
};
/// One Add, Sub, Mul or Div with a constant of one element, which becomes part of the match.
std::optional<Affine> take_affine_step(Match& match, int value);
/// As many of these as there are, while nobody else reads what they make.
Affine take_affine(Match& match, int value);

/// Coefficients of 1, x, x^2 and x^3.
using Polynomial = std::array<double, 4>;
/// `value` as a polynomial of x made of Add, Sub, Mul, Div and Pow; nullopt if it is none.
std::optional<Polynomial> take_polynomial(Match& match, int value, int x);

/// `value` as a product, however its Mul (and Div by constants) are nested.
struct Product {
    double factor = 1;
    std::vector<int> terms;
};
Product take_product(Match& match, int value);

/// Through Reshape and its like to the value that has the same elements.
int take_views(Match& match, int value);
/// A node that is a view by its nature (no Cast, whose type decides).
bool is_view(const Node* node);

/// Which axes of its input a reduction works on.
std::optional<std::vector<bool>> reduced_axes(GraphEdit& edit, const Node& node);
/// `dims` with 1 in place of the reduced axes.
Shape kept_shape(const Shape& dims, const std::vector<bool>& reduced);

qaicrt::Error pass_out_of_memory();

}  // namespace qaicnet
