#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/listener.h"
#include "server/message.h"

namespace lyceum::server {

// Why a request is not taken. Texts are of static storage.
struct Refusal {
  int status;
  std::string_view code;
  std::string_view detail;
};

// One HTTP/1.1 request on its way in. Bytes go in, a request or a refusal comes out; no I/O.
//
// Strict (RFC 9112, and no more of its leniency than it demands): what two readers could understand
// differently is refused, see Listener. After a refusal nothing that follows on the connection
// means anything. Trailers are read and passed over: none of them becomes a field of the request.
class Incoming {
 public:
  // Called once, when the header is there: bytes that the body may have.
  using MostBody = std::function<std::size_t(Method, std::string_view path)>;

  enum class State : std::uint8_t { header, body, done, refused };

  // Both outlive it.
  Incoming(const HttpLimits& limits, const MostBody& most_body);
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming();

  // Takes what it can from the front of the bytes that are there, and says how much. Call it again
  // with the rest and what came since; never more than header_bytes are left over where more is
  // wanted. Stops at the end of the header, and at the end of the request: what is behind belongs
  // to the next one.
  [[nodiscard]] std::size_t take(std::string_view bytes);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool wants_more() const { return state_ == State::header || state_ == State::body; }
  // Of State::refused.
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

  // From the end of the header on.
  [[nodiscard]] Method method() const { return request_.method; }
  [[nodiscard]] bool speaks_1_1() const { return speaks_1_1_; }
  [[nodiscard]] bool keeps_alive() const { return keeps_alive_; }
  [[nodiscard]] bool is_chunked() const { return chunked_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }

  // Of State::done; borrows this object's memory. Without a peer.
  [[nodiscard]] const Request& request() const { return request_; }

 private:
  struct Parser;
  std::size_t take_header(std::string_view bytes);
  std::size_t take_body(std::string_view bytes);
  std::size_t take_data(std::string_view bytes);
  std::size_t take_line(std::string_view bytes);
  void take_size(std::string_view line);
  void take_trailer(std::string_view line);
  void look_at_header();
  void finish();
  void refuse(const Refusal& refusal);

  // What comes next of a body. One of known length is one long chunk.
  enum class Part : std::uint8_t { size, data, data_end, trailers };

  const HttpLimits& limits_;
  const MostBody& most_body_;
  std::unique_ptr<Parser> parser_;
  Request request_;
  Refusal refusal_{};
  std::string body_;
  std::size_t looked_at_ = 0;  // of a header that is not complete
  std::size_t most_ = 0;       // bytes of the body
  std::size_t left_ = 0;       // of the chunk
  std::size_t beside_ = 0;     // bytes of extensions and trailers until now
  Part part_ = Part::data;
  State state_ = State::header;
  bool speaks_1_1_ = false;
  bool keeps_alive_ = false;
  bool chunked_ = false;
  bool expects_continue_ = false;
};

}  // namespace lyceum::server
