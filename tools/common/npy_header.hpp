// SPDX-License-Identifier: Apache-2.0
/// The text header of a .npy file: a Python dictionary literal. Private to tools/common.
#pragma once

#include <qaicrt/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qaictools::detail {

struct NpyHeader {
    std::string descr;
    bool fortran_order = false;
    std::vector<std::int64_t> shape;
};

/// Errors: kFormat with what is wrong ("its header …"), kUnsupported for a structured dtype.
qaicrt::Result<NpyHeader> parse_npy_header(std::string_view text);

}  // namespace qaictools::detail
