// SPDX-License-Identifier: Apache-2.0
/// Small programs for tests, made from ONNX graphs in memory.
#pragma once

#include <qaicrt/program.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qaicrt::test {

/// y = x * w + b element by element on `elements` floats; w and b are in constants.bin.
std::vector<std::byte> scale_qpc(std::size_t elements, float w, float b, unsigned nsps = 1);
/// y[i] = table[index[i]]: fails on the card for an index outside the table of `rows` rows.
std::vector<std::byte> gather_qpc(std::size_t rows, std::size_t count);
/// z = x + y and d = x - y: two inputs, two outputs.
std::vector<std::byte> two_by_two_qpc(std::size_t elements);
/// y = x W with W `size` x `size` in constants.bin (all ones): takes the host some time.
std::vector<std::byte> matmul_qpc(std::size_t size, unsigned nsps = 1);
/// A program without `.qaic.emu`, as if compiled for the card's NSPs: scale_qpc with the section
/// taken out.
std::vector<std::byte> silicon_qpc();

Program must_load(std::vector<std::byte> qpc);

}  // namespace qaicrt::test
