#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct pg_conn;
struct ssl_st;

namespace lyceum::pg {

// The bytes of a connection that libpq has made and authenticated: its socket, or the TLS session
// that it negotiated on it. Never blocks. libpq must not use the connection meanwhile, but to end
// it.
class Stream {
 public:
  enum class Outcome : std::uint8_t {
    moved,    // some bytes, at least one
    blocked,  // none now; wait for the socket (with TLS: to be readable or writable)
    ended,    // the other side has closed it
    failed,   // problem() says why
  };

  Stream() = default;
  explicit Stream(pg_conn* connection);

  // `moved` is how many bytes went.
  [[nodiscard]] Outcome read(char* into, std::size_t most, std::size_t& moved);
  [[nodiscard]] Outcome write(std::string_view bytes, std::size_t& moved);

  // TLS may hold decrypted bytes that the socket will not announce again.
  [[nodiscard]] bool pending() const;
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  Outcome tls_outcome(int returned);
  Outcome socket_outcome();

  int socket_ = -1;
  ssl_st* tls_ = nullptr;
  std::string problem_;
};

}  // namespace lyceum::pg
