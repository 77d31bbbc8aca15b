#include "pg/stream.h"

#include <algorithm>
#include <cerrno>
#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <system_error>

namespace lyceum::pg {

Stream::Stream(pg_conn* connection)
    : socket_(PQsocket(connection)), tls_(static_cast<SSL*>(PQsslStruct(connection, "OpenSSL"))) {
  // What is to be sent may have moved and grown when a write is tried again; parts may go.
  if (tls_ != nullptr) {
    SSL_set_mode(tls_, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  }
}

Stream::Outcome Stream::read(char* into, std::size_t most, std::size_t& moved) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    const int done = SSL_read_ex(tls_, into, most, &moved);
    return done == 1 ? Outcome::moved : tls_outcome(done);
  }
  const auto got = ::recv(socket_, into, most, 0);
  if (got < 0) return socket_outcome();
  moved = static_cast<std::size_t>(got);
  return got == 0 ? Outcome::ended : Outcome::moved;
}

Stream::Outcome Stream::write(std::string_view bytes, std::size_t& moved) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    const int done = SSL_write_ex(tls_, bytes.data(), bytes.size(), &moved);
    return done == 1 ? Outcome::moved : tls_outcome(done);
  }
  const auto put = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (put < 0) return socket_outcome();
  moved = static_cast<std::size_t>(put);
  return Outcome::moved;
}

bool Stream::pending() const {
  return tls_ != nullptr && SSL_pending(tls_) > 0;
}

Stream::Outcome Stream::socket_outcome() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Outcome::blocked;
  problem_ = std::system_category().message(errno);
  return Outcome::failed;
}

Stream::Outcome Stream::tls_outcome(int returned) {
  const int number = errno;
  switch (SSL_get_error(tls_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Outcome::blocked;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::ended;
    case SSL_ERROR_SYSCALL:
      if (number == 0) return Outcome::ended;
      problem_ = std::system_category().message(number);
      return Outcome::failed;
    default: {
      const auto code = ERR_get_error();
      // OpenSSL 3's word for a peer that closes without saying so.
      if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return Outcome::ended;
      const char* reason = ERR_reason_error_string(code);
      problem_ = std::string("TLS: ") + (reason != nullptr ? reason : "unknown error");
      return Outcome::failed;
    }
  }
}

}  // namespace lyceum::pg
