#include "server/incoming.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

namespace lyceum::server {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::string_view kHeaderEnd = "\r\n\r\n";

constexpr Refusal kHeaderTooLarge{431, "header_too_large", "the request's header is too large"};
constexpr Refusal kTargetTooLong{414, "target_too_long", "the URL is too long"};
constexpr Refusal kBadLine{400, "bad_request", "a line of the header is folded or ends badly"};
constexpr Refusal kBadBody{400, "bad_request", "the body is badly framed"};
constexpr Refusal kBadLength{400, "bad_request", "the length of the body is no single number"};
constexpr Refusal kBodyTooLarge{413, "too_large", "the body is larger than this path takes"};
constexpr Refusal kUnknownCoding{501, "transfer_encoding",
                                 "no transfer coding but chunked is known here"};

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::get;
    case http::verb::head:
      return Method::head;
    case http::verb::post:
      return Method::post;
    case http::verb::put:
      return Method::put;
    case http::verb::patch:
      return Method::patch;
    case http::verb::delete_:
      return Method::delete_;
    case http::verb::options:
      return Method::options;
    default:
      return Method::other;
  }
}

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

Refusal refusal_of(const error_code& failure) {
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
    return kHeaderTooLarge;
  }
  if (failure == http::error::bad_version) {
    return {505, "http_version", "HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  if (failure == http::error::bad_transfer_encoding) return kUnknownCoding;
  return {400, "bad_request", "the request is no HTTP"};
}

// What Beast would make the best of, and another reader something else: lines that end in a line
// feed alone, and lines that go on the one before. Looks from `from` on.
bool is_ambiguous(std::string_view lines, std::size_t from = 0) {
  for (auto at = lines.find('\n', from); at != std::string_view::npos;
       at = lines.find('\n', at + 1)) {
    if (at == 0 || lines[at - 1] != '\r') return true;
    const bool folded = at + 1 < lines.size() && (lines[at + 1] == ' ' || lines[at + 1] == '\t');
    if (folded) return true;
  }
  return false;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char digit) { return digit >= '0' && digit <= '9'; });
}

// Visible characters, spaces and tabs; bytes past ASCII are somebody's own.
bool is_text(std::string_view text) {
  return std::ranges::none_of(text, [](char character) {
    return (character >= '\0' && character < ' ' && character != '\t') || character == '\x7f';
  });
}

// The name of a field (RFC 9110, 5.6.2).
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// Whether a field says where a message ends or whose it is, which no trailer may.
bool frames(std::string_view name) {
  return boost::beast::iequals(name, "Content-Length") ||
         boost::beast::iequals(name, "Transfer-Encoding") || boost::beast::iequals(name, "Host");
}

// A path as it may come over the wire: visible ASCII.
bool is_path(std::string_view target) {
  return target.starts_with('/') &&
         std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

// Of the header alone: of a body's framing Beast 1.81 takes more than it should, and asserts what a
// caller can break.
struct Incoming::Parser : http::request_parser<http::empty_body> {
  [[nodiscard]] std::string_view field(http::field name) const {
    const auto at = get().find(name);
    return at == get().end() ? std::string_view() : view(at->value());
  }
  [[nodiscard]] std::string_view field(std::string_view name) const {
    const auto at = get().find({name.data(), name.size()});
    return at == get().end() ? std::string_view() : view(at->value());
  }
};

Incoming::Incoming(const HttpLimits& limits, const MostBody& most_body)
    : limits_(limits), most_body_(most_body), parser_(std::make_unique<Parser>()) {
  // What is too large is seen here before Beast gets it.
  parser_->header_limit(static_cast<std::uint32_t>(limits.header_bytes + 1024));
  parser_->skip(true);
}

Incoming::~Incoming() = default;

std::size_t Incoming::take(std::string_view bytes) {
  if (state_ == State::header) return take_header(bytes);
  return state_ == State::body ? take_body(bytes) : 0;
}

void Incoming::refuse(const Refusal& refusal) {
  refusal_ = refusal;
  state_ = State::refused;
}

std::size_t Incoming::take_header(std::string_view bytes) {
  const auto end = bytes.find(kHeaderEnd, looked_at_);
  const bool complete = end != std::string_view::npos;
  const auto from = looked_at_ > 0 ? looked_at_ - 1 : 0;
  if (is_ambiguous(bytes.substr(0, end), from)) {
    refuse(kBadLine);
    return 0;
  }
  if ((complete ? end + kHeaderEnd.size() : bytes.size()) > limits_.header_bytes) {
    refuse(bytes.substr(0, limits_.header_bytes).find('\n') == std::string_view::npos
               ? kTargetTooLong
               : kHeaderTooLarge);
    return 0;
  }
  if (!complete) {
    looked_at_ = bytes.size() - std::min(bytes.size(), kHeaderEnd.size() - 1);
    return 0;
  }
  const auto size = end + kHeaderEnd.size();
  error_code failure;
  const auto taken = parser_->put({bytes.data(), size}, failure);
  if (failure || taken != size || !parser_->is_header_done()) {
    refuse(refusal_of(failure));
    return 0;
  }
  look_at_header();
  return size;
}

void Incoming::look_at_header() {
  const auto& message = parser_->get();
  const auto target = view(message.target());
  speaks_1_1_ = message.version() == 11;
  if (target.size() > limits_.target_bytes) return refuse(kTargetTooLong);
  if (!is_path(target)) {
    return refuse({400, "bad_request", "the target of the request is no path"});
  }
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && speaks_1_1_)) {
    return refuse({400, "bad_request", "the request needs one Host"});
  }
  const auto lengths = message.count(http::field::content_length);
  const auto codings = message.count(http::field::transfer_encoding);
  if (lengths > 1 || (lengths == 1 && !is_number(parser_->field(http::field::content_length)))) {
    return refuse(kBadLength);
  }
  if (codings > 0) {
    if (lengths > 0 || !speaks_1_1_) {
      return refuse({400, "bad_request", "the length of the body is given twice"});
    }
    chunked_ = codings == 1 &&
               boost::beast::iequals(parser_->field(http::field::transfer_encoding), "chunked");
    if (!chunked_) return refuse(kUnknownCoding);
  }
  for (const std::string_view name :
       {"Authorization", "Content-Type", "Idempotency-Key", "Lyceum-Bookmark", "Expect"}) {
    if (message.count({name.data(), name.size()}) > 1) {
      return refuse(
          {400, "bad_request", "a field of the header that can be there once is there twice"});
    }
  }
  const auto expect = parser_->field(http::field::expect);
  if (speaks_1_1_ && !expect.empty()) {
    if (!boost::beast::iequals(expect, "100-continue")) {
      return refuse({417, "expectation", "nothing but 100-continue can be expected here"});
    }
    expects_continue_ = true;
  }
  keeps_alive_ = speaks_1_1_ && message.keep_alive();

  // Now, while there are no trailers among the fields. They stay where they are.
  const auto mark = target.find('?');
  request_ = {
      .method = method_of(message.method()),
      .path = target.substr(0, mark),
      .query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1),
      .accept = parser_->field(http::field::accept),
      .accept_encoding = parser_->field(http::field::accept_encoding),
      .authorization = parser_->field(http::field::authorization),
      .bookmark = parser_->field("Lyceum-Bookmark"),
      .content_type = parser_->field(http::field::content_type),
      .idempotency_key = parser_->field("Idempotency-Key"),
      .if_none_match = parser_->field(http::field::if_none_match),
      .request_id = parser_->field("X-Request-Id"),
      .traceparent = parser_->field("traceparent")};

  most_ = most_body_(request_.method, request_.path);
  state_ = State::body;
  if (chunked_) {
    part_ = Part::size;
    return;
  }
  if (lengths == 1) {
    const auto text = parser_->field(http::field::content_length);
    const auto failed = std::from_chars(text.data(), text.data() + text.size(), left_).ec;
    if (failed != std::errc()) return refuse(kBadLength);
    if (left_ > most_) return refuse(kBodyTooLarge);
  }
  if (left_ == 0) finish();
}

std::size_t Incoming::take_body(std::string_view bytes) {
  std::size_t taken = 0;
  while (state_ == State::body) {
    const auto rest = bytes.substr(taken);
    const auto count = part_ == Part::data ? take_data(rest) : take_line(rest);
    if (count == 0) break;
    taken += count;
  }
  return taken;
}

std::size_t Incoming::take_data(std::string_view bytes) {
  const auto count = std::min(left_, bytes.size());
  if (body_.empty() && !chunked_) body_.reserve(left_);
  body_ += bytes.substr(0, count);
  left_ -= count;
  if (left_ > 0) return count;
  part_ = Part::data_end;
  if (!chunked_) finish();
  return count;
}

// The lines between the chunks and behind them.
std::size_t Incoming::take_line(std::string_view bytes) {
  const auto end = bytes.find('\n');
  const bool complete = end != std::string_view::npos;
  // What cannot be right any more is refused before its end is there.
  const auto text = bytes.substr(0, complete ? end : bytes.size());
  const bool ends_well = complete ? text.ends_with('\r') : true;
  const auto line = text.substr(0, text.size() - (text.ends_with('\r') ? 1 : 0));
  if (!ends_well || !is_text(line) || (part_ == Part::data_end && !line.empty())) {
    refuse(kBadBody);
    return 0;
  }
  if (beside_ + text.size() > limits_.header_bytes) {
    refuse(kHeaderTooLarge);
    return 0;
  }
  if (!complete) return 0;
  if (part_ == Part::data_end) {
    part_ = Part::size;
  } else if (part_ == Part::size) {
    take_size(line);
  } else {
    take_trailer(line);
  }
  return end + 1;
}

// chunk-size [ chunk-ext ] (RFC 9112, 7.1). Extensions mean nothing here.
void Incoming::take_size(std::string_view line) {
  constexpr std::size_t kMostDigits = 15;  // far beyond any body, and within 64 bits
  std::uint64_t size = 0;
  const auto [at, failed] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  const auto digits = static_cast<std::size_t>(at - line.data());
  if (failed != std::errc() || digits > kMostDigits) return refuse(kBadBody);
  const auto extension = line.substr(digits);
  const auto begin = extension.find_first_not_of(" \t");
  if (!extension.empty() && (begin == std::string_view::npos || extension[begin] != ';')) {
    return refuse(kBadBody);
  }
  beside_ += extension.size();
  if (size > most_ - body_.size()) return refuse(kBodyTooLarge);
  left_ = size;
  part_ = size > 0 ? Part::data : Part::trailers;
}

void Incoming::take_trailer(std::string_view line) {
  if (line.empty()) return finish();
  const auto name = line.substr(0, line.find(':'));
  if (name.size() == line.size() || !is_token(name) || frames(name)) return refuse(kBadBody);
  beside_ += line.size();
}

void Incoming::finish() {
  request_.body = body_;
  state_ = State::done;
}

}  // namespace lyceum::server
