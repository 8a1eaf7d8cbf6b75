// SPDX-License-Identifier: Apache-2.0
/// One comparison per kind of golden file. Each returns how many rows it compared and fails the
/// running test on any difference.
#pragma once

#include "emu/mx/quantize.hpp"
#include "emu/mx/test/csv.hpp"

#include <cstddef>
#include <string>

namespace golden {

std::size_t compare_inputs(const Table& table);
std::size_t compare_edge_rows(const Table& table);
std::size_t compare_blocks(const Table& table);  ///< mx_*.csv
std::size_t compare_elementwise(const Table& table);
std::size_t compare_matmul(const Table& table);
std::size_t compare_decode_tables(const Table& table);
std::size_t compare_quant(const Table& table);   ///< aic100_quant.csv
std::size_t compare_probes(const Table& table);  ///< aic100_probes.csv
std::size_t compare_search(const Table& table);  ///< aic100_search.csv

/// Values and shape of a row of inputs.csv.
struct Input {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};
Input input_by_id(const std::string& id);

/// "nearest", "floor", "even" as microxcaling names them.
qaicmx::Rounding rounding_from_name(const std::string& name);

/// A profile that exists; ends the program otherwise.
qaicmx::Profile profile(std::string_view name);

}  // namespace golden
