#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"

namespace lyceum {

// Where to connect, as who, and how: PostgreSQL's connection strings, in both of their forms, taken
// apart. A value: copy and change it at will.
//
//   postgresql://user:p%40ss@h1:5432,[::1]:5433/database?sslmode=require&pool_timeout=5
//   host=/run/postgresql port=5433 user=app password='it''s' dbname=school
//
// (PostgreSQL's documentation, "Connection Strings", 34.1.1; the second line's doubled quote is
// written there with a backslash, and both are read here.) What libpq accepts with doubt is
// refused: a password with a raw '@' is read up to the last '@' before the path, and where it holds
// a raw
// '/', '?' or '#' the string is refused, because a part of it would be taken for a host or database
// and be shown as one.
struct ConnectionString {
  struct Host {
    std::string name;        // name, address, or socket directory ("/..."); empty: libpq's default
    std::uint16_t port = 0;  // 0: libpq's default (5432)

    [[nodiscard]] bool is_socket() const { return name.starts_with('/'); }
    friend bool operator==(const Host&, const Host&) = default;
  };

  // What Prisma and the guide write into the URL for the pool. These are ours: libpq never sees
  // them (of connect_timeout it would only know whole seconds, and only when blocking).
  struct PoolParameters {
    std::optional<int> connection_limit;   // 1 and more
    std::optional<Duration> pool_timeout;  // plain seconds or with a unit, as are the next two
    std::optional<Duration> connect_timeout;
    std::optional<Duration> socket_timeout;
    friend bool operator==(const PoolParameters&, const PoolParameters&) = default;
  };

  std::vector<Host> hosts;  // empty: libpq's default; several: tried in this order
  std::string user;         // empty: libpq's default, as is the database
  std::optional<Secret> password;
  std::string database;
  std::optional<Secret> ssl_password;          // sslpassword
  std::map<std::string, std::string> options;  // every other libpq keyword: sslmode, ...
  PoolParameters pool;

  // Adds or replaces parameters by the names that a URL uses ("sslmode", "dbname", "pool_timeout",
  // ...), checked as those of a URL are.
  [[nodiscard]] Result<ConnectionString> with_parameters(
      const std::map<std::string, std::string>& parameters) const;

  // Keyword and value for PQconnectdbParams with expand_dbname = 0, without the pool's parameters.
  // Holds the password in the clear.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> keywords() const;

  // As a URI, with everything in it: what parse_connection_string() makes this value of again.
  [[nodiscard]] Secret to_uri() const;

  // The same for people: *** in place of password, sslpassword and options (which can hold any
  // setting, secret ones too).
  [[nodiscard]] std::string redacted() const;

  // "h1:5432,h2:5433/database": what Error::node and metrics call the server.
  [[nodiscard]] std::string where() const;

  friend bool operator==(const ConnectionString&, const ConnectionString&) = default;
};

// Reads either form. The error is kConfiguration and says what is wrong without quoting any value:
// in a string that is not well formed, every part may be part of the password.
[[nodiscard]] Result<ConnectionString> parse_connection_string(std::string_view text);

// For showing a string of which nothing is known: redacted() where it can be read, else "***".
[[nodiscard]] std::string redact_connection_string(std::string_view text);

}  // namespace lyceum
