// SPDX-License-Identifier: Apache-2.0
// mx_vectors FILE ROWS: every row of one golden file, and exactly as many as CMake counted.
#include "emu/mx/test/vectors.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string file_name;
std::size_t expected_rows = 0;

std::size_t compare(const golden::Table& table) {
    if (file_name.starts_with("mx_")) {
        return golden::compare_blocks(table);
    }
    using Comparison = std::size_t (*)(const golden::Table&);
    static constexpr std::pair<const char*, Comparison> kComparisons[] = {
        {"inputs.csv", golden::compare_inputs},
        {"edge_rows.csv", golden::compare_edge_rows},
        {"elemwise.csv", golden::compare_elementwise},
        {"matmul.csv", golden::compare_matmul},
        {"decode_tables.csv", golden::compare_decode_tables},
        {"aic100_quant.csv", golden::compare_quant},
        {"aic100_probes.csv", golden::compare_probes},
        {"aic100_search.csv", golden::compare_search},
    };
    for (const auto& [name, comparison] : kComparisons) {
        if (file_name == name) {
            return comparison(table);
        }
    }
    ADD_FAILURE() << "there is no comparison for " << file_name;
    return 0;
}

TEST(GoldenVectors, EveryRowAgrees) {
    const golden::Table table = golden::read_table(file_name);
    const std::size_t compared = compare(table);
    std::printf("%s: %zu rows compared\n", file_name.c_str(), compared);
    EXPECT_GT(compared, 0U);
    EXPECT_EQ(compared, expected_rows);
    EXPECT_EQ(compared, table.rows.size());
}

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 3) {
        std::fprintf(stderr, "usage: mx_vectors FILE ROWS\n");
        return 2;
    }
    file_name = argv[1];
    expected_rows = std::strtoull(argv[2], nullptr, 10);
    return RUN_ALL_TESTS();
}
