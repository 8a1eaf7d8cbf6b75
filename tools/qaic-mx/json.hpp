// SPDX-License-Identifier: Apache-2.0
/// A small JSON writer: enough for tables of numbers and names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qaicmxtool {

class JsonWriter {
  public:
    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }
    void key(std::string_view name);
    void text(std::string_view value);
    /// NaN and infinities, which JSON lacks, become the strings "nan", "inf" and "-inf".
    void number(double value);
    void number(float value);
    void integer(long long value);
    void null();

    /// The document, with a final newline.
    std::string take();

  private:
    void open(char bracket);
    void close(char bracket);
    void separate();
    void raw(std::string_view value);

    std::string out_;
    bool first_ = true;
    bool after_key_ = false;
};

}  // namespace qaicmxtool
