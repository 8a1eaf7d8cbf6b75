// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/qpc/container.hpp"

#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace qaicrt::qpc {
namespace {

constexpr std::uint32_t kMagic = 0x00A1CD7C;
constexpr std::uint8_t kMajor = 0;
constexpr std::uint8_t kMinor = 1;
constexpr std::uint16_t kSelfContained = 1;
constexpr std::size_t kPrologueBytes = 40;
constexpr std::size_t kEntryBytes = 32;
constexpr std::uint64_t kMaxSegments = 64;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kConstantsDescBytes = 24;

Error broken(int rule, std::uint64_t offset, std::string_view what) {
    return {
        Errc::kFormat,
        fmt::format("QPC rule R{} broken at offset {}: {}; compile the program again or copy the "
                    "file again",
                    rule, offset, what)};
}

struct Range {
    std::uint64_t begin = 0, end = 0;
};

struct Prologue {
    std::uint64_t base = 0, count = 0, table = 0;
    bool minor_differs = false;
};

Result<Prologue> read_prologue(std::span<const std::byte> image) {
    if (image.size() < kPrologueBytes) {
        return broken(
            1, 0,
            fmt::format("{} bytes are too few for the header of {}", image.size(), kPrologueBytes));
    }
    if (const auto magic = load_le<std::uint32_t>(image, 0); magic != kMagic) {
        return broken(
            1, 0,
            fmt::format("magic number {:#010x} is not {:#010x}, so this is no QPC", magic, kMagic));
    }
    if (const auto major = load_le<std::uint8_t>(image, 4); major != kMajor) {
        return broken(2, 4, fmt::format("container version {} is not {}", major, kMajor));
    }
    if (const auto kind = load_le<std::uint16_t>(image, 6); kind != kSelfContained) {
        return broken(
            3, 6,
            fmt::format("compression type {} is not {} (self-contained)", kind, kSelfContained));
    }
    if (const auto size = load_le<std::uint64_t>(image, 8); size != image.size()) {
        return broken(4, 8,
                      fmt::format("the header says {} bytes, the file has {}", size, image.size()));
    }
    Prologue out;
    out.minor_differs = load_le<std::uint8_t>(image, 5) != kMinor;
    out.base = load_le<std::uint64_t>(image, 16);
    out.count = load_le<std::uint64_t>(image, 24);
    if (out.count == 0 || out.count > kMaxSegments ||
        out.count > (image.size() - kPrologueBytes) / kEntryBytes) {
        return broken(5, 24,
                      fmt::format("{} segments, but 1 to {} that fit the file are allowed",
                                  out.count, kMaxSegments));
    }
    const auto pointer = load_le<std::uint64_t>(image, 32);
    if (pointer < out.base) {
        return broken(14, 32, "the table's pointer lies before the base address");
    }
    out.table = pointer - out.base;
    if (out.table < kPrologueBytes || out.table % 8 != 0 ||
        !range_fits(out.table, out.count * kEntryBytes, image.size())) {
        return broken(
            6, 32,
            fmt::format(
                "the segment table at {:#x} overlaps the header, is not 8-aligned or leaves "
                "the file",
                out.table));
    }
    return out;
}

Result<std::string_view> read_name(std::span<const std::byte> image, std::uint64_t offset,
                                   std::uint64_t field) {
    const std::size_t limit = std::min<std::size_t>(image.size() - offset, kMaxName + 1);
    const auto window = image.subspan(offset, limit);
    const auto nul = std::find(window.begin(), window.end(), std::byte{0});
    const auto length = static_cast<std::size_t>(nul - window.begin());
    if (nul == window.end()) {
        return broken(
            8, field,
            fmt::format("the segment name at {:#x} has no end within {} bytes", offset, limit));
    }
    const bool printable = std::all_of(window.begin(), nul, [](std::byte b) {
        return b >= std::byte{0x20} && b <= std::byte{0x7e};
    });
    if (length == 0 || !printable) {
        return broken(8, field,
                      fmt::format("the segment name at {:#x} is empty or not printable", offset));
    }
    // Viewing bytes as char is the one cast that needs no copy: char may alias anything.
    return std::string_view(reinterpret_cast<const char*>(window.data()), length);
}

Result<Segment> read_entry(std::span<const std::byte> image, const Prologue& prologue,
                           std::uint64_t at, std::vector<Range>& ranges) {
    const auto size = load_le<std::uint64_t>(image, at);
    const auto split = load_le<std::uint64_t>(image, at + 8);
    const auto name_pointer = load_le<std::uint64_t>(image, at + 16);
    const auto data_pointer = load_le<std::uint64_t>(image, at + 24);
    if (name_pointer < prologue.base || data_pointer < prologue.base) {
        return broken(14, at + 16, "a pointer of the segment lies before the base address");
    }
    const std::uint64_t name_offset = name_pointer - prologue.base;
    const std::uint64_t data_offset = data_pointer - prologue.base;
    if (name_offset >= image.size() || !range_fits(data_offset, size, image.size())) {
        return broken(7, at,
                      fmt::format("name {:#x} or data {:#x} + {} bytes leave the file", name_offset,
                                  data_offset, size));
    }
    QAICRT_TRY(const auto name, read_name(image, name_offset, at + 16));
    if (split > size || (split != 0 && name != kConstants)) {
        return broken(
            11, at + 8,
            fmt::format("split {} of segment {} is beyond its {} bytes or not allowed for it",
                        split, quoted(name), size));
    }
    ranges.push_back({name_offset, name_offset + name.size() + 1});
    if (size != 0) {
        ranges.push_back({data_offset, data_offset + size});
    }
    return Segment{name, image.subspan(data_offset, size), split};
}

Status check_names(std::span<const Segment> segments, std::uint64_t table) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (segments[i].name == segments[j].name) {
                return broken(
                    9, table + i * kEntryBytes + 16,
                    fmt::format("the segment name {} occurs twice", quoted(segments[i].name)));
            }
        }
    }
    return {};
}

Status check_disjoint(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < ranges.size(); ++i) {
        if (ranges[i].begin < ranges[i - 1].end) {
            return broken(10, ranges[i].begin, "header, table, names and data overlap each other");
        }
    }
    return {};
}

Status check_required(const Container& container, std::uint64_t table) {
    for (const auto name : {kNetworkElf, kNetworkDesc, kConstantsDesc}) {
        const Segment* segment = container.find(name);
        if (segment == nullptr || segment->data.empty()) {
            return broken(12, table, fmt::format("segment {} is missing or empty", quoted(name)));
        }
    }
    const auto descriptor = container.find(kConstantsDesc)->data;
    if (descriptor.size() < kConstantsDescBytes) {
        return broken(12, table,
                      fmt::format("segment {} has {} bytes, not {}", quoted(kConstantsDesc),
                                  descriptor.size(), kConstantsDescBytes));
    }
    const auto static_size = load_le<std::uint64_t>(descriptor, 0);
    const auto dynamic_size = load_le<std::uint64_t>(descriptor, 8);
    std::uint64_t total = 0;
    const bool wraps = add_overflows(static_size, dynamic_size, &total);
    const Segment* constants = container.find(kConstants);
    if (wraps || (total != 0 && constants == nullptr) ||
        (constants != nullptr && constants->data.size() > total)) {
        return broken(13, table,
                      fmt::format("{} declares {} static and {} dynamic bytes, {} has {}",
                                  kConstantsDesc, static_size, dynamic_size, kConstants,
                                  constants == nullptr ? 0 : constants->data.size()));
    }
    return {};
}

Status check_writable(std::span<const Segment> segments) {
    const auto bad = [](const std::string& text) {
        return Error{Errc::kInvalidArgument, "QPC writer: " + text};
    };
    if (segments.size() > kMaxSegments) {
        return bad(fmt::format("{} segments are more than {}", segments.size(), kMaxSegments));
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const auto& segment = segments[i];
        const bool printable = std::all_of(segment.name.begin(), segment.name.end(),
                                           [](char c) { return c >= 0x20 && c <= 0x7e; });
        if (segment.name.empty() || segment.name.size() > kMaxName || !printable) {
            return bad(fmt::format("segment name {} is empty, too long or not printable",
                                   quoted(segment.name)));
        }
        if (segment.split > segment.data.size() ||
            (segment.split != 0 && segment.name != kConstants)) {
            return bad(fmt::format("split {} of segment {} is not allowed", segment.split,
                                   quoted(segment.name)));
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (segments[j].name == segment.name) {
                return bad(fmt::format("segment name {} is used twice", quoted(segment.name)));
            }
        }
    }
    const bool has_elf = std::any_of(segments.begin(), segments.end(),
                                     [](const Segment& s) { return s.name == kNetworkElf; });
    return has_elf ? Status{}
                   : Status{bad(fmt::format("segment {} is missing", quoted(kNetworkElf)))};
}

}  // namespace

Result<Container> Container::parse(std::span<const std::byte> image) {
    QAICRT_TRY(const auto prologue, read_prologue(image));
    Container out;
    out.minor_version_differs_ = prologue.minor_differs;
    std::vector<Range> ranges = {{0, kPrologueBytes},
                                 {prologue.table, prologue.table + prologue.count * kEntryBytes}};
    for (std::uint64_t i = 0; i < prologue.count; ++i) {
        QAICRT_TRY(auto segment,
                   read_entry(image, prologue, prologue.table + i * kEntryBytes, ranges));
        out.segments_.push_back(segment);
    }
    QAICRT_CHECK(check_names(out.segments_, prologue.table));
    QAICRT_CHECK(check_disjoint(std::move(ranges)));
    QAICRT_CHECK(check_required(out, prologue.table));
    return out;
}

const Segment* Container::find(std::string_view name) const noexcept {
    const auto it = std::find_if(segments_.begin(), segments_.end(),
                                 [name](const Segment& s) { return s.name == name; });
    return it == segments_.end() ? nullptr : &*it;
}

Result<std::vector<std::byte>> write_container(std::span<const Segment> segments) {
    QAICRT_CHECK(check_writable(segments));
    std::uint64_t end = kPrologueBytes + segments.size() * kEntryBytes;
    const auto place = [&end](std::uint64_t bytes) {
        const std::uint64_t at = end;
        end = align_up(end + bytes, 8);
        return at;
    };
    std::vector<std::uint64_t> names, data;
    for (const auto& segment : segments) {
        names.push_back(place(segment.name.size() + 1));
    }
    for (const auto& segment : segments) {
        data.push_back(place(segment.data.size()));
    }
    std::vector<std::byte> out(end);
    store_le<std::uint32_t>(out, 0, kMagic);
    store_le<std::uint8_t>(out, 4, kMajor);
    store_le<std::uint8_t>(out, 5, kMinor);
    store_le<std::uint16_t>(out, 6, kSelfContained);
    store_le<std::uint64_t>(out, 8, end);
    store_le<std::uint64_t>(out, 24, segments.size());
    store_le<std::uint64_t>(out, 32, kPrologueBytes);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const auto& segment = segments[i];
        const std::size_t at = kPrologueBytes + i * kEntryBytes;
        store_le<std::uint64_t>(out, at, segment.data.size());
        store_le<std::uint64_t>(out, at + 8, segment.split);
        store_le<std::uint64_t>(out, at + 16, names[i]);
        store_le<std::uint64_t>(out, at + 24, data[i]);
        std::transform(segment.name.begin(), segment.name.end(),
                       out.begin() + static_cast<std::ptrdiff_t>(names[i]),
                       [](char c) { return static_cast<std::byte>(c); });
        std::copy(segment.data.begin(), segment.data.end(),
                  out.begin() + static_cast<std::ptrdiff_t>(data[i]));
    }
    return out;
}

}  // namespace qaicrt::qpc
