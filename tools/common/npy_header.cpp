// SPDX-License-Identifier: Apache-2.0
#include "tools/common/npy_header.hpp"

#include <charconv>
#include <optional>

namespace qaictools::detail {
namespace {

using qaicrt::Errc;
using qaicrt::Error;

constexpr std::size_t kMaxRank =
    32;  // NumPy's own limit before version 2, 64 after; nothing here needs more

Error damaged(const std::string& what) {
    return Error(Errc::kFormat, "its header " + what);
}

/// A cursor over the literal; every step checks the end.
class Literal {
  public:
    explicit Literal(std::string_view text) : rest_(text) {}

    bool take(char expected) {
        skip_space();
        if (rest_.empty() || rest_.front() != expected) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    bool take_word(std::string_view word) {
        skip_space();
        if (!rest_.starts_with(word)) {
            return false;
        }
        rest_.remove_prefix(word.size());
        return true;
    }

    std::optional<std::string> take_string() {
        skip_space();
        if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) {
            return std::nullopt;
        }
        const std::size_t end = rest_.find(rest_.front(), 1);
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        std::string value(rest_.substr(1, end - 1));
        rest_.remove_prefix(end + 1);
        return value;
    }

    std::optional<std::int64_t> take_integer() {
        skip_space();
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (error != std::errc{}) {
            return std::nullopt;
        }
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        if (!rest_.empty() && rest_.front() == 'L') {  // Python 2 wrote long integers so
            rest_.remove_prefix(1);
        }
        return value;
    }

    bool at_list() {
        skip_space();
        return !rest_.empty() && rest_.front() == '[';
    }

    bool at_end() {
        skip_space();
        return rest_.empty();
    }

  private:
    void skip_space() {
        const std::size_t first = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
    }

    std::string_view rest_;
};

qaicrt::Status parse_shape(Literal& literal, NpyHeader& header) {
    if (!literal.take('(')) {
        return damaged("has a shape that is not a tuple");
    }
    while (!literal.take(')')) {
        const std::optional<std::int64_t> extent = literal.take_integer();
        if (!extent || *extent < 0) {
            return damaged("has a shape with something that is not a size");
        }
        if (header.shape.size() == kMaxRank) {
            return damaged("has a shape of more than 32 dimensions");
        }
        header.shape.push_back(*extent);
        if (!literal.take(',')) {
            if (!literal.take(')')) {
                return damaged("has a shape that does not end");
            }
            break;
        }
    }
    return {};
}

qaicrt::Status parse_value(const std::string& key, Literal& literal, NpyHeader& header) {
    if (key == "shape") {
        return parse_shape(literal, header);
    }
    if (key == "fortran_order") {
        header.fortran_order = literal.take_word("True");
        if (!header.fortran_order && !literal.take_word("False")) {
            return damaged("has a fortran_order that is neither True nor False");
        }
        return {};
    }
    if (literal.at_list()) {
        return Error(Errc::kUnsupported, "it holds records, not plain numbers");
    }
    std::optional<std::string> descr = literal.take_string();
    if (!descr) {
        return damaged("has a descr that is not a string");
    }
    header.descr = std::move(*descr);
    return {};
}

}  // namespace

qaicrt::Result<NpyHeader> parse_npy_header(std::string_view text) {
    Literal literal(text);
    NpyHeader header;
    bool seen[3] = {};
    if (!literal.take('{')) {
        return damaged("is not a dictionary");
    }
    while (!literal.take('}')) {
        const std::optional<std::string> key = literal.take_string();
        const int which = !key                      ? -1
                          : *key == "descr"         ? 0
                          : *key == "fortran_order" ? 1
                          : *key == "shape"         ? 2
                                                    : -1;
        if (which < 0 || seen[which] || !literal.take(':')) {
            return damaged("has an unknown, repeated or broken entry");
        }
        seen[which] = true;
        QAICRT_CHECK(parse_value(*key, literal, header));
        if (!literal.take(',')) {
            if (!literal.take('}')) {
                return damaged("does not end");
            }
            break;
        }
    }
    if (!seen[0] || !seen[1] || !seen[2] || !literal.at_end()) {
        return damaged("lacks descr, fortran_order or shape, or has more after them");
    }
    return header;
}

}  // namespace qaictools::detail
