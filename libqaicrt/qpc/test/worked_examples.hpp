// SPDX-License-Identifier: Apache-2.0
/// Two containers and a network description byte for byte as other writers of the format make them.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace qaicrt::qpc::test {

/// "7C CD A1" -> bytes; anything that is not a hexadecimal digit separates.
inline std::vector<std::byte> from_hex(std::string_view text) {
    std::vector<std::byte> out;
    int high = -1;
    for (const char c : text) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            continue;
        }
        if (high < 0) {
            high = digit;
        } else {
            out.push_back(static_cast<std::byte>(high * 16 + digit));
            high = -1;
        }
    }
    return out;
}

/// Elements padded to 8, absolute pointers of the writing process (base 0x7F0012340000).
inline constexpr std::string_view kInMemoryWriter =
    "7C CD A1 00 00 01 01 00 20 01 00 00 00 00 00 00 "
    "00 00 34 12 00 7F 00 00 04 00 00 00 00 00 00 00 "
    "28 00 34 12 00 7F 00 00 05 00 00 00 00 00 00 00 "
    "03 00 00 00 00 00 00 00 A8 00 34 12 00 7F 00 00 "
    "F0 00 34 12 00 7F 00 00 18 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 B8 00 34 12 00 7F 00 00 "
    "F8 00 34 12 00 7F 00 00 04 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 D0 00 34 12 00 7F 00 00 "
    "10 01 34 12 00 7F 00 00 02 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 E0 00 34 12 00 7F 00 00 "
    "18 01 34 12 00 7F 00 00 63 6F 6E 73 74 61 6E 74 "
    "73 2E 62 69 6E 00 00 00 63 6F 6E 73 74 61 6E 74 "
    "73 64 65 73 63 2E 62 69 6E 00 00 00 00 00 00 00 "
    "6E 65 74 77 6F 72 6B 2E 65 6C 66 00 00 00 00 00 "
    "6E 65 74 77 6F 72 6B 64 65 73 63 2E 62 69 6E 00 "
    "AA BB CC DD EE 00 00 00 03 00 00 00 00 00 00 00 "
    "02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
    "7F 45 4C 46 00 00 00 00 08 09 00 00 00 00 00 00 "
    "";

/// The same content with base 0 and nothing padded: the ELF starts at an odd offset.
inline constexpr std::string_view kStreamingWriter =
    "7C CD A1 00 00 01 01 00 07 01 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 "
    "28 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 "
    "03 00 00 00 00 00 00 00 A8 00 00 00 00 00 00 00 "
    "E4 00 00 00 00 00 00 00 18 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 B6 00 00 00 00 00 00 00 "
    "E9 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 C8 00 00 00 00 00 00 00 "
    "01 01 00 00 00 00 00 00 02 00 00 00 00 00 00 00 "
    "00 00 00 00 00 00 00 00 D4 00 00 00 00 00 00 00 "
    "05 01 00 00 00 00 00 00 63 6F 6E 73 74 61 6E 74 "
    "73 2E 62 69 6E 00 63 6F 6E 73 74 61 6E 74 73 64 "
    "65 73 63 2E 62 69 6E 00 6E 65 74 77 6F 72 6B 2E "
    "65 6C 66 00 6E 65 74 77 6F 72 6B 64 65 73 63 2E "
    "62 69 6E 00 AA BB CC DD EE 03 00 00 00 00 00 00 "
    "00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
    "00 7F 45 4C 46 08 09 "
    "";

/// One Int8 input and one Int8 output of 64 bytes, one NSP, four threads.
inline constexpr std::string_view kNetworkDescription =
    "08 09 "
    "1A 01 74 "
    "22 2D "
    "0A 0B 69 6E 70 75 74 42 75 66 66 5F 30 "
    "12 05 08 08 22 01 40 "
    "1A 05 08 08 22 01 40 "
    "22 0E 08 06 10 08 1D 00 00 80 3F 2A 01 40 "
    "4A 00 "
    "30 01 "
    "2A 30 "
    "0A 0C 6F 75 74 70 75 74 42 75 66 66 5F 30 "
    "12 05 08 08 22 01 40 1A 05 08 08 22 01 40 "
    "22 12 08 06 10 08 1D 00 00 80 3F 2A 01 40 "
    "4A 04 08 01 18 01 "
    "32 02 08 40 "
    "32 04 08 40 10 01 "
    "38 01 40 04 48 04 "
    "52 04 00 00 00 00 "
    "58 02 6A 03 48 56 58 6A 03 48 4D 58 "
    "70 01 8A 01 01 00 "
    "";

}  // namespace qaicrt::qpc::test
