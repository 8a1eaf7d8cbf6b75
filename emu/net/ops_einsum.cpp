// SPDX-License-Identifier: Apache-2.0
/// Einsum: any number of operands, repeated labels (diagonals), an ellipsis, implicit results.
///
/// A result is the sum over the labels that it does not have, in the order in which they first
/// appear in the equation; products are taken from the first operand to the last. FLOAT16 is summed
/// in FP32 and rounded once, in blocks of 32 as in matmul_kernel.hpp.
#include "emu/net/axes.hpp"
#include "emu/net/elementwise.hpp"
#include "emu/net/matmul_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace qaicnet {

using qaicrt::Result;
using qaicrt::Status;

namespace {

/// Labels are small numbers: letters as they are, axes of the ellipsis from kEllipsis on.
constexpr int kEllipsis = 256;
using Labels = std::vector<int>;

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Equation {
    std::vector<Labels> operands;
    Labels result;
};

/// One term of the equation; an ellipsis stands for the `extra` last axes that no letter names.
Result<Labels> read_term(NodeContext& c, const std::string& text, std::size_t axes,
                         std::size_t most_extra, bool is_result) {
    std::size_t letters = 0;
    const auto dots = text.find("...");
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (dots != std::string::npos && i >= dots && i < dots + 3) {
            continue;
        }
        if (!is_letter(text[i])) {
            return c.malformed("the equation has a term " + quoted(text) +
                               ", which is not made of letters and one ellipsis");
        }
        ++letters;
    }
    const std::size_t extra =
        dots == std::string::npos ? 0 : (is_result ? most_extra : axes - std::min(axes, letters));
    if (!is_result && letters + extra != axes) {
        return c.malformed(
            fmt::format("the term {} of the equation does not fit {} axes", quoted(text), axes));
    }
    Labels out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == dots) {
            for (std::size_t k = 0; k < extra; ++k) {
                out.push_back(kEllipsis + static_cast<int>(most_extra - extra + k));
            }
            i += 2;
        } else {
            out.push_back(static_cast<unsigned char>(text[i]));
        }
    }
    return out;
}

std::vector<std::string> split_terms(const std::string& text) {
    std::vector<std::string> out(1);
    for (const char c : text) {
        if (c == ',') {
            out.emplace_back();
        } else {
            out.back() += c;
        }
    }
    return out;
}

/// Without "->": labels that appear once, in the order of the alphabet, behind the ellipsis.
Labels implicit_result(const std::vector<Labels>& operands) {
    Labels once;
    Labels all;
    for (const Labels& labels : operands) {
        all.insert(all.end(), labels.begin(), labels.end());
    }
    std::sort(all.begin(), all.end());
    for (const int label : all) {
        const bool single = std::count(all.begin(), all.end(), label) == 1;
        if (label >= kEllipsis ? std::find(once.begin(), once.end(), label) == once.end()
                               : single) {
            once.push_back(label);
        }
    }
    std::stable_partition(once.begin(), once.end(), [](int label) { return label >= kEllipsis; });
    return once;
}

Result<Equation> read_equation(NodeContext& c) {
    auto attribute = c.attr_string("equation", "");
    if (!attribute) {
        return attribute.error();
    }
    std::string text = std::move(*attribute);
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    const auto arrow = text.find("->");
    const auto terms = split_terms(text.substr(0, arrow));
    if (terms.size() != c.num_inputs() || text.size() > 4096) {
        return c.malformed(
            fmt::format("the equation has {} terms for {} inputs", terms.size(), c.num_inputs()));
    }
    std::size_t most_extra = 0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        const auto dots = terms[i].find("...");
        const std::size_t letters = terms[i].size() - (dots == std::string::npos ? 0 : 3);
        const std::size_t axes = c.input(i).dims.size();
        if (dots != std::string::npos && axes > letters) {
            most_extra = std::max(most_extra, axes - letters);
        }
    }
    Equation equation;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        QAICRT_TRY(Labels labels,
                   read_term(c, terms[i], c.input(i).dims.size(), most_extra, false));
        equation.operands.push_back(std::move(labels));
    }
    if (arrow == std::string::npos) {
        equation.result = implicit_result(equation.operands);
    } else {
        QAICRT_TRY(equation.result, read_term(c, text.substr(arrow + 2), 0, most_extra, true));
    }
    return equation;
}

/// Every label with its size, those of the result first.
struct Loops {
    Labels labels;
    std::vector<std::size_t> sizes;
    std::size_t kept = 0;                           ///< how many belong to the result
    std::vector<std::vector<std::size_t>> strides;  ///< by operand, by label
    std::size_t results = 1, terms = 1;
};

std::size_t index_of(const Labels& labels, int label) {
    return static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) -
                                    labels.begin());
}

Result<Loops> make_loops(NodeContext& c, const Equation& e) {
    Loops loops;
    loops.labels = e.result;
    loops.kept = e.result.size();
    for (const Labels& labels : e.operands) {
        for (const int label : labels) {
            if (index_of(loops.labels, label) == loops.labels.size()) {
                loops.labels.push_back(label);
            }
        }
    }
    loops.sizes.assign(loops.labels.size(), 0);
    std::vector<bool> known(loops.labels.size(), false);
    for (std::size_t i = 0; i < e.operands.size(); ++i) {
        std::vector<std::size_t> strides(loops.labels.size(), 0);
        std::size_t step = 1;
        for (std::size_t axis = e.operands[i].size(); axis-- > 0;) {
            const auto size = static_cast<std::size_t>(c.input(i).dims[axis]);
            const std::size_t at = index_of(loops.labels, e.operands[i][axis]);
            std::size_t& known_size = loops.sizes[at];
            if (known[at] && known_size != size && known_size != 1 && size != 1) {
                return c.malformed(fmt::format("a label of the equation has the sizes {} and {}",
                                               known_size, size));
            }
            known_size = !known[at] || known_size == 1 ? size : known_size;
            known[at] = true;
            strides[at] += size == 1 ? 0 : step;
            step *= size;
        }
        loops.strides.push_back(std::move(strides));
    }
    for (std::size_t i = 0; i < loops.labels.size(); ++i) {
        const bool twice =
            i < loops.kept && std::count(e.result.begin(), e.result.end(), loops.labels[i]) != 1;
        if (!known[i] || twice) {
            return c.malformed("its result has a label twice, or one that no operand has");
        }
        std::size_t& count = i < loops.kept ? loops.results : loops.terms;
        if (__builtin_mul_overflow(count, loops.sizes[i], &count)) {
            return c.malformed("its sums have too many terms");
        }
    }
    return loops;
}

template <class T>
class EinsumKernel final : public Kernel {
  public:
    explicit EinsumKernel(Loops loops) : l_(std::move(loops)) {}
    Status run(const RunArgs& args) const override {
        T* out = as<T>(args.out[0]);
        parallel_for(args.workers, l_.results, grain_for(l_.terms * l_.strides.size() * 4),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             out[i] = store_narrow<T>(one(args, i));
                         }
                     });
        return {};
    }

  private:
    using W = WideOf<T>;

    std::size_t offset(std::size_t operand, std::size_t index, std::size_t first,
                       std::size_t last) const {
        std::size_t at = 0;
        for (std::size_t i = last; i-- > first;) {
            at += index % l_.sizes[i] * l_.strides[operand][i];
            index /= l_.sizes[i];
        }
        return at;
    }

    W one(const RunArgs& args, std::size_t result) const {
        W sum{0};
        W part{0};
        for (std::size_t term = 0; term < l_.terms; ++term) {
            W product{1};
            for (std::size_t k = 0; k < l_.strides.size(); ++k) {
                const std::size_t at =
                    offset(k, result, 0, l_.kept) + offset(k, term, l_.kept, l_.labels.size());
                const W x = load_wide(as<T>(args.in[k])[at]);
                product = k == 0 ? x : multiply(product, x);
            }
            part = add(part, product);
            if ((term + 1) % kSumBlock == 0 || term + 1 == l_.terms) {
                sum = add(sum, part);
                part = W{0};
            }
        }
        return sum;
    }
    static W add(W a, W b) {
        if constexpr (std::is_integral_v<W>) {
            return static_cast<W>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
        } else {
            return a + b;
        }
    }
    static W multiply(W a, W b) {
        if constexpr (std::is_integral_v<W>) {
            return static_cast<W>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
        } else {
            return a * b;
        }
    }
    Loops l_;
};

Status infer_einsum(NodeContext& c) {
    QAICRT_CHECK(c.require_type(0, kNumericTypes));
    for (std::size_t i = 1; i < c.num_inputs(); ++i) {
        QAICRT_CHECK(c.require_same_type(0, i));
    }
    QAICRT_TRY(const Equation equation, read_equation(c));
    QAICRT_TRY(const Loops loops, make_loops(c, equation));
    Shape out;
    for (std::size_t i = 0; i < loops.kept; ++i) {
        out.push_back(static_cast<std::int64_t>(loops.sizes[i]));
    }
    QAICRT_CHECK(c.set_output(0, c.input(0).type, std::move(out)));
    // Finding the place of a factor takes longer than multiplying it.
    return c.set_work({loops.results, loops.terms, loops.strides.size(), loops.labels.size() + 1});
}

Result<KernelPtr> prepare_einsum(NodeContext& c) {
    QAICRT_TRY(const Equation equation, read_equation(c));
    QAICRT_TRY(Loops loops, make_loops(c, equation));
    return with_type(c.input(0).type, [&](auto tag) -> KernelPtr {
        return std::make_unique<EinsumKernel<decltype(tag)>>(std::move(loops));
    });
}

constexpr OpDef kOps[] = {
    {"", "Einsum", 12, kMaxOpset, 1, kAnyCount, 1, "equation", infer_einsum, prepare_einsum},
};

}  // namespace

std::span<const OpDef> einsum_ops() {
    return kOps;
}

}  // namespace qaicnet
