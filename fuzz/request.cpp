// Bytes as a connection brings them: the parsing of requests, and the routing of what it takes.
// What is taken is held against a second reader that knows no leniency: both must see the same
// body and the same end.
#include <charconv>
#include <optional>
#include <string>

#include "fuzz/check.h"
#include "server/api.h"
#include "server/incoming.h"
#include "server/trace_context.h"

namespace {

using namespace lyceum;
using namespace lyceum::server;

constexpr HttpLimits kLimits{.header_bytes = 2048, .target_bytes = 512};
const Incoming::MostBody kMostBody = [](Method method, std::string_view path) {
  return Api::most_body(method, path);
};

struct Reading {
  Incoming incoming{kLimits, kMostBody};
  std::size_t taken = 0;

  // In pieces of this many bytes.
  Reading(std::string_view bytes, std::size_t piece) {
    std::size_t there = 0;
    while (incoming.wants_more()) {
      const auto count = incoming.take(bytes.substr(taken, there - taken));
      fuzz::check(count <= there - taken, "took more than there is");
      taken += count;
      if (count > 0 || !incoming.wants_more()) continue;
      fuzz::check(there - taken <= kLimits.header_bytes, "keeps more than it may");
      if (there == bytes.size()) break;
      there = std::min(bytes.size(), there + piece);
    }
  }
};

struct Plain {
  std::string body;
  std::size_t end = 0;
};

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  fuzz::check(error == std::errc() && end == text.data() + text.size(), "a length that is none");
  return value;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Reads a request that was taken once more, line by line.
Plain read_again(std::string_view bytes) {
  std::size_t at = 0;
  const auto line = [&] {
    const auto end = bytes.find('\n', at);
    fuzz::check(end != std::string_view::npos && end > at && bytes[end - 1] == '\r',
                "a line's end");
    const auto out = bytes.substr(at, end - 1 - at);
    fuzz::check(out.find('\r') == std::string_view::npos, "a bare CR");
    at = end + 1;
    return out;
  };
  const auto first = line();
  const auto space = first.find(' '), last = first.rfind(' ');
  fuzz::check(space != last && first.find(' ', space + 1) == last, "the request's line");
  std::optional<std::size_t> length;
  bool chunked = false;
  for (auto text = line(); !text.empty(); text = line()) {
    const auto colon = text.find(':');
    fuzz::check(colon != std::string_view::npos && colon > 0, "a field");
    const auto name = lower(text.substr(0, colon));
    auto value = text.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    if (name == "content-length") {
      fuzz::check(!length, "two lengths");
      length = number(value, 10);
    } else if (name == "transfer-encoding") {
      fuzz::check(!chunked && lower(value) == "chunked", "a coding");
      chunked = true;
    }
  }
  fuzz::check(!(length && chunked), "a length and a coding");
  Plain out;
  if (!chunked) {
    out.body = bytes.substr(at, length.value_or(0));
    out.end = at + length.value_or(0);
    return out;
  }
  for (;;) {
    auto text = line();
    text = text.substr(0, text.find_first_of("; \t"));
    const auto size = number(text, 16);
    if (size == 0) break;
    fuzz::check(bytes.size() - at >= size, "a chunk");
    out.body += bytes.substr(at, size);
    at += size;
    fuzz::check(line().empty(), "the end of a chunk");
  }
  while (!line().empty()) {
  }
  out.end = at;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  for (int requests = 0; requests < 20 && !rest.empty(); ++requests) {
    const Reading whole(rest, rest.size());
    const auto state = whole.incoming.state();
    // Refusals may differ: a piece may be refused before its end is there.
    const Reading pieces(rest, 1 + size % 7);
    fuzz::check(
        (pieces.incoming.state() == Incoming::State::done) == (state == Incoming::State::done),
        "pieces make a difference");
    if (state != Incoming::State::done) return 0;
    const auto& request = whole.incoming.request();
    fuzz::check(pieces.taken == whole.taken && pieces.incoming.request().body == request.body,
                "pieces make a difference");
    const auto again = read_again(rest.substr(0, whole.taken));
    fuzz::check(again.end == whole.taken && again.body == request.body,
                "two readers, two requests");
    fuzz::check(request.path.starts_with('/'), "no path");
    (void)trace_id_of(request.traceparent);
    (void)request_id_from(request.request_id);
    rest.remove_prefix(whole.taken);
  }
  return 0;
}
