#include "learning/load_lines.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/stat.h>

namespace lyceum::learning::load {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error io_error(std::string_view doing, const std::string& file, int number) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("cannot {} {}: {}", doing, file, std::strerror(number)),
          .hint = "check the path and its permissions"};
}

}  // namespace

Error error_at(std::string_view file, std::uint64_t line, std::string_view reason) {
  return {.code = ErrorCode::kBadInput,
          .message = fmt::format("{}:{}: {}", file, line, reason),
          .hint = "nothing of this file was loaded; mend the row and load again"};
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  const auto byte = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  std::size_t at = 0;
  while (at < text.size()) {
    const unsigned lead = byte(at);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    // The second byte's range is what excludes overlong forms, surrogates and too large values.
    std::size_t length = 0;
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      length = 3;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      length = 4;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return at;
    }
    if (at + length > text.size()) return at;
    if (byte(at + 1) < low || byte(at + 1) > high) return at;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xC0U) != 0x80U) return at;
    }
    at += length;
  }
  return std::nullopt;
}

LineReader::LineReader(std::string file, std::FILE* stream, std::size_t max_line_bytes)
    : file_(std::move(file)), stream_(stream), max_line_bytes_(max_line_bytes) {}

Result<LineReader> LineReader::open(const std::string& file, std::size_t max_line_bytes) {
  std::FILE* stream = std::fopen(file.c_str(), "rbe");
  if (stream == nullptr) return io_error("open", file, errno);
  LineReader reader(file, stream, max_line_bytes);
  struct stat status{};
  if (fstat(fileno(stream), &status) != 0) return io_error("open", file, errno);
  if (S_ISDIR(status.st_mode)) return io_error("read", file, EISDIR);
  return reader;
}

Result<bool> LineReader::fill() {
  base_ += at_;
  buffer_.erase(0, at_);
  at_ = 0;
  const auto before = buffer_.size();
  buffer_.resize(before + kBlockBytes);
  const auto got = std::fread(buffer_.data() + before, 1, kBlockBytes, stream_.get());
  buffer_.resize(before + got);
  if (got == 0 && std::ferror(stream_.get()) != 0) return io_error("read", file_, errno);
  return got > 0;
}

Result<std::optional<std::string_view>> LineReader::next() {
  if (end_) return std::optional<std::string_view>{};
  std::size_t scanned = 0;  // bytes after at_ known to hold no newline
  std::size_t newline = std::string::npos;
  while ((newline = buffer_.find('\n', at_ + scanned)) == std::string::npos) {
    scanned = buffer_.size() - at_;
    if (scanned > max_line_bytes_) break;
    auto more = fill();
    if (!more) return more.error();
    if (!*more) {
      end_ = true;
      break;
    }
  }
  if (end_ && buffer_.empty()) return std::optional<std::string_view>{};
  ++line_;
  offset_ = base_ + at_;
  const bool whole = newline != std::string::npos;
  std::string_view text(buffer_);
  text = text.substr(at_, whole ? newline - at_ : std::string::npos);
  if (text.size() > max_line_bytes_) {
    end_ = true;
    return error(fmt::format("the line is longer than {} bytes", max_line_bytes_));
  }
  at_ += text.size() + (whole ? 1 : 0);
  if (line_ == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return error(fmt::format("a NUL byte stands at column {}", nul + 1));
  }
  if (const auto bad = find_invalid_utf8(text)) {
    return error(fmt::format("invalid UTF-8 at byte {} of the line (0x{:02X})", *bad + 1,
                             static_cast<unsigned char>(text[*bad])));
  }
  return std::optional(text);
}

}  // namespace lyceum::learning::load
