// SPDX-License-Identifier: Apache-2.0
/// Internal to libqaicrt/qpc: checks that collect every sentence, so that one set of rules serves
/// both the parser (first problem is its error) and check_open_runtime_rules (all of them).
#pragma once

#include "libqaicrt/qpc/metadata.hpp"
#include "libqaicrt/qpc/network_desc.hpp"
#include "libqaicrt/qpc/program_image.hpp"

#include <qaicrt/result.hpp>

#include <string>
#include <utility>
#include <vector>

namespace qaicrt::qpc {

struct Problem {
    Errc code = Errc::kFormat;
    std::string text;
};

/// Keeps at most kMax problems: a hostile file must not make a million sentences.
class Problems {
  public:
    static constexpr std::size_t kMax = 64;

    void format(std::string text) { add(Errc::kFormat, std::move(text)); }
    void unsupported(std::string text) { add(Errc::kUnsupported, std::move(text)); }
    bool full() const noexcept { return list_.size() >= kMax; }
    const std::vector<Problem>& list() const noexcept { return list_; }
    Status first() const {
        return list_.empty() ? Status{} : Status{Error{list_.front().code, list_.front().text}};
    }

  private:
    void add(Errc code, std::string text) {
        if (!full()) {
            list_.push_back({code, std::move(text)});
        }
    }
    std::vector<Problem> list_;
};

/// Structure only (bounds, verifier, enum ranges): what is needed to hold the data in plain
/// structs.
Result<Metadata> decode_metadata(std::span<const std::byte> section);
Result<NetworkDescription> decode_network_desc(std::span<const std::byte> bytes);

/// The meaning of one part on its own.
void check_metadata(const Metadata& metadata, Problems& problems);
void check_network_desc(const NetworkDescription& desc, Problems& problems);
/// Parts against each other.
void check_program(const ProgramImage& image, Problems& problems);

/// Everything decoded, nothing of the above checked.
Result<ProgramImage> decode_program(std::span<const std::byte> qpc);

}  // namespace qaicrt::qpc
