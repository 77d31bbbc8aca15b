#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lyceum::learning::load {

// What one line of an input file may have at most; a longer one is refused before it is in memory.
inline constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20;

// "stories.jsonl:12: reason", as compilers say it. Lines count from 1.
[[nodiscard]] Error error_at(std::string_view file, std::uint64_t line, std::string_view reason);

// Where the first byte stands that is not part of well-formed UTF-8 (RFC 3629: no overlong forms,
// no surrogates, nothing past U+10FFFF), or nothing.
[[nodiscard]] std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// The lines of a text file, one at a time, in memory bounded by the longest line allowed. Every
// line given out is well-formed UTF-8 without NUL bytes. A byte order mark at the start is skipped.
// Not for use by several threads at once.
class LineReader {
 public:
  // kIo where the file cannot be opened or is a directory.
  [[nodiscard]] static Result<LineReader> open(const std::string& file,
                                               std::size_t max_line_bytes = kMaxLineBytes);

  // The next line without its '\n' (a '\r' before it stays), or nothing at the end. Valid until the
  // next call. kBadInput names file, line and reason; kIo where reading fails.
  [[nodiscard]] Result<std::optional<std::string_view>> next();

  // Of the line given out last: its number from 1, and the offset of its first byte.
  [[nodiscard]] std::uint64_t line() const { return line_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  // error_at() this line.
  [[nodiscard]] Error error(std::string_view reason) const {
    return error_at(file_, line_, reason);
  }

 private:
  struct Close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };

  LineReader(std::string file, std::FILE* stream, std::size_t max_line_bytes);
  [[nodiscard]] Result<bool> fill();

  std::string file_;
  std::unique_ptr<std::FILE, Close> stream_;
  std::size_t max_line_bytes_;
  std::string buffer_;
  std::size_t at_ = 0;      // where the next line begins in buffer_
  std::uint64_t base_ = 0;  // the file's offset of buffer_[0]
  std::uint64_t line_ = 0;
  std::uint64_t offset_ = 0;
  bool end_ = false;
};

}  // namespace lyceum::learning::load
