#include "base/url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <set>

#include "base/duration.h"
#include "base/percent.h"

namespace lyceum {
namespace {

// libpq's keywords ("Parameter Key Words", 34.1.2, PostgreSQL 15) that are kept as they are. The
// rest of them have fields of their own.
constexpr std::array<std::string_view, 29> kOptions = {"application_name",
                                                       "channel_binding",
                                                       "client_encoding",
                                                       "fallback_application_name",
                                                       "gssencmode",
                                                       "gsslib",
                                                       "hostaddr",
                                                       "keepalives",
                                                       "keepalives_count",
                                                       "keepalives_idle",
                                                       "keepalives_interval",
                                                       "krbsrvname",
                                                       "options",
                                                       "passfile",
                                                       "replication",
                                                       "requirepeer",
                                                       "service",
                                                       "ssl_max_protocol_version",
                                                       "ssl_min_protocol_version",
                                                       "sslcert",
                                                       "sslcompression",
                                                       "sslcrl",
                                                       "sslcrldir",
                                                       "sslkey",
                                                       "sslmode",
                                                       "sslrootcert",
                                                       "sslsni",
                                                       "target_session_attrs",
                                                       "tcp_user_timeout"};

constexpr std::array<std::string_view, 6> kSslModes = {"disable", "allow",     "prefer",
                                                       "require", "verify-ca", "verify-full"};
constexpr std::array<std::string_view, 6> kSessionAttributes = {
    "any", "read-write", "read-only", "primary", "standby", "prefer-standby"};

template <class List>
bool contains(const List& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

Error refusal(std::string why, std::string hint = {}) {
  Error error;
  error.code = ErrorCode::kConfiguration;
  error.message = "the connection string is not valid: " + std::move(why);
  error.hint = std::move(hint);
  return error;
}

constexpr std::string_view kEncode =
    "percent-encode '@', ':', '/', '?', '#' and '%' in the user and password";

// Zero for an empty text; nothing for what is no port.
std::optional<std::uint16_t> read_port(std::string_view text) {
  if (text.empty()) return 0;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535 ||
      text.front() == '0') {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

Error bad_port(std::size_t number) {
  return refusal(fmt::format("port {} is not a number from 1 to 65535", number),
                 std::string(kEncode));
}

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Nothing where an escape is not two hexadecimal digits, or is a NUL, which no keyword can hold.
std::optional<std::string> decode(std::string_view text) {
  if (text.find("%00") != std::string_view::npos) return std::nullopt;
  return percent_decode(text);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// Takes keywords and values one by one, in the order they stand in the string.
class Builder {
 public:
  Builder() = default;
  explicit Builder(ConnectionString start) : made_(std::move(start)) {
    for (const auto& host : made_.hosts) {
      hosts_.push_back(host.name);
      ports_.push_back(host.port == 0 ? "" : std::to_string(host.port));
    }
  }

  void add_host(std::string name, std::string port) {
    hosts_.push_back(std::move(name));
    ports_.push_back(std::move(port));
  }

  [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }

  // Nothing where all is well.
  std::optional<Error> set(const std::string& key, std::string value) {
    // After a password with a raw separator in it, what looks like a name may be a part of it.
    const bool may_name = !secret_seen_;
    if (value.find('\0') != std::string::npos) return refusal("it holds a NUL byte");
    if (key == "password" || key == "sslpassword") secret_seen_ = true;
    if (const auto error = store(key, std::move(value), may_name)) return error;
    if (!given_.insert(key).second) return refusal(fmt::format("\"{}\" is given twice", key));
    return std::nullopt;
  }

  Result<ConnectionString> finish() {
    if (ports_.size() == 1 && hosts_.size() > 1) ports_.resize(hosts_.size(), ports_[0]);
    if (hosts_.empty() && ports_.size() == 1) hosts_.emplace_back();
    if (!ports_.empty() && ports_.size() != hosts_.size()) {
      return refusal(fmt::format("it has {} hosts and {} ports", hosts_.size(), ports_.size()),
                     "give one port for all hosts or one for each");
    }
    made_.hosts.clear();
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      ConnectionString::Host host{std::move(hosts_[i]), 0};
      const auto valid = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_' || c == ':' ||
               static_cast<unsigned char>(c) >= 0x80;
      };
      if (!host.is_socket() && !std::all_of(host.name.begin(), host.name.end(), valid)) {
        return refusal(fmt::format("host {} has a character that no host name has", i + 1),
                       std::string(kEncode));
      }
      if (i < ports_.size() && !ports_[i].empty()) {
        const auto& text = ports_[i];
        const auto port = read_port(text);
        if (!port) return bad_port(i + 1);
        host.port = *port;
      }
      made_.hosts.push_back(std::move(host));
    }
    return std::move(made_);
  }

 private:
  std::optional<Error> store(const std::string& key, std::string value, bool may_name) {
    if (key == "host") {
      replace(hosts_, value);
      // A list of ports that came with the old hosts does not fit the new ones.
      if (!given_.contains("port")) ports_.clear();
    } else if (key == "port") {
      replace(ports_, value);
    } else if (key == "user") {
      made_.user = std::move(value);
    } else if (key == "password") {
      made_.password = Secret(std::move(value));
    } else if (key == "dbname") {
      made_.database = std::move(value);
    } else if (key == "sslpassword") {
      made_.ssl_password = Secret(std::move(value));
    } else if (key == "connection_limit") {
      int limit = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
      if (error != std::errc{} || end != value.data() + value.size() || limit < 1) {
        return refusal("connection_limit is not a number of connections, at least 1");
      }
      made_.pool.connection_limit = limit;
    } else if (key == "pool_timeout") {
      return store_duration(key, value, made_.pool.pool_timeout);
    } else if (key == "connect_timeout") {
      return store_duration(key, value, made_.pool.connect_timeout);
    } else if (key == "socket_timeout") {
      return store_duration(key, value, made_.pool.socket_timeout);
    } else if (key == "ssl") {
      // The JDBC driver's word, which libpq reads in this one value.
      if (value != "true") return refusal("ssl is not \"true\"", "use sslmode");
      made_.options["sslmode"] = "require";
    } else if (key == "schema") {
      // Prisma writes it; ours live where the search path says.
      if (value != "public") {
        return refusal("the parameter schema (Prisma's) is not \"public\"",
                       "set search_path for the role or the database");
      }
    } else if (contains(kOptions, key)) {
      if (key == "sslmode" && !contains(kSslModes, value)) {
        return refusal(
            "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full");
      }
      if (key == "target_session_attrs" && !contains(kSessionAttributes, value)) {
        return refusal(
            "target_session_attrs is none of any, read-write, read-only, primary, "
            "standby, prefer-standby");
      }
      made_.options[key] = std::move(value);
    } else {
      const bool is_name = !key.empty() && key.size() <= 40 &&
                           std::all_of(key.begin(), key.end(),
                                       [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
      return refusal(may_name && is_name ? fmt::format("it has an unknown parameter \"{}\"", key)
                                         : "it has an unknown parameter",
                     "libpq 15's parameters are known, and connection_limit, pool_timeout, "
                     "connect_timeout, socket_timeout");
    }
    return std::nullopt;
  }

  static std::optional<Error> store_duration(const std::string& key, const std::string& value,
                                             std::optional<Duration>& to) {
    to = parse_duration(value, std::chrono::seconds(1));
    if (!to) return refusal(key + " is not a number of seconds");
    return std::nullopt;
  }

  static void replace(std::vector<std::string>& list, std::string_view value) {
    list.clear();
    if (value.empty()) return;
    for (const auto part : split(value, ',')) list.emplace_back(part);
  }

  ConnectionString made_;
  std::vector<std::string> hosts_;
  std::vector<std::string> ports_;
  std::set<std::string, std::less<>> given_;
  bool secret_seen_ = false;
};

// user:password@, before the hosts.
std::optional<Error> read_credentials(std::string_view text, Builder& builder) {
  const auto colon = text.find(':');
  // Most likely the colon is missing, and the name holds the password.
  if (text.substr(0, colon).find('@') != std::string_view::npos) {
    return refusal("the user's name has a raw '@'", "write '@' as %40");
  }
  const auto user = decode(text.substr(0, colon));
  if (!user) {
    return refusal("the user's name has a '%' that is not followed by two hexadecimal digits",
                   "write '%' itself as %25");
  }
  if (!user->empty()) {
    if (auto error = builder.set("user", *user)) return error;
  }
  if (colon == std::string_view::npos) return std::nullopt;
  const auto password = decode(text.substr(colon + 1));
  if (!password) {
    return refusal("the password has a '%' that is not followed by two hexadecimal digits",
                   "write '%' itself as %25");
  }
  return builder.set("password", *password);
}

std::optional<Error> read_host(std::string_view text, Builder& builder) {
  std::string_view name = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return refusal("an IPv6 address has no closing bracket");
    name = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    const auto of_address = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
             c == ':' || c == '.';
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), of_address)) {
      return refusal("what stands in brackets is not an IPv6 address");
    }
    if (!rest.empty() && !rest.starts_with(':')) {
      return refusal("an IPv6 address is followed by something else than a port");
    }
    if (!rest.empty()) port = rest.substr(1);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    name = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  // Here too, for the query may replace it.
  if (!read_port(port)) return bad_port(builder.hosts() + 1);
  auto decoded = decode(name);
  if (!decoded || decoded->find(',') != std::string::npos) {
    return refusal("a host has a '%' that is not followed by two hexadecimal digits");
  }
  builder.add_host(*std::move(decoded), std::string(port));
  return std::nullopt;
}

std::optional<Error> read_query(std::string_view query, Builder& builder) {
  for (const auto parameter : split(query, '&')) {
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos) return refusal("a parameter has no '='");
    const auto key = decode(parameter.substr(0, equals));
    const auto value = decode(parameter.substr(equals + 1));
    if (!key || !value || value->find('\0') != std::string::npos) {
      return refusal("a parameter has a '%' that is not followed by two hexadecimal digits",
                     "write '%' itself as %25");
    }
    if (parameter.find('=', equals + 1) != std::string_view::npos) {
      return refusal("a parameter has two '='", "write '=' in a value as %3D");
    }
    if (auto error = builder.set(*key, *value)) return error;
  }
  return std::nullopt;
}

Result<ConnectionString> parse_uri(std::string_view rest) {
  Builder builder;
  const auto authority_end = rest.find_first_of("/?#");
  const auto authority = rest.substr(0, authority_end);
  const auto after =
      authority_end == std::string_view::npos ? std::string_view{} : rest.substr(authority_end);
  // The '@' before the hosts comes after every other one of the password. One behind the authority
  // means that the password held the '/', '?' or '#' that seemed to end it.
  if (after.find('@') != std::string_view::npos) {
    return refusal("it has a raw '@' behind the hosts",
                   "write '@' as %40, and in the password '/' as %2F, '?' as %3F, '#' as %23");
  }
  if (after.find('#') != std::string_view::npos) {
    return refusal("it has a raw '#'", "write '#' as %23");
  }
  const auto at = authority.rfind('@');
  if (at != std::string_view::npos) {
    if (auto error = read_credentials(authority.substr(0, at), builder)) return *error;
  }
  const auto hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (!hosts.empty()) {
    for (const auto host : split(hosts, ',')) {
      if (auto error = read_host(host, builder)) return *error;
    }
  }
  const auto question = after.find('?');
  const auto path = after.substr(0, question);
  if (path.size() > 1) {
    const auto name = path.substr(1);
    const auto database = decode(name);
    if (!database || name.find('/') != std::string_view::npos) {
      return refusal("the database's name has a raw '/' or a '%' that is no escape",
                     "write '/' as %2F and '%' as %25");
    }
    if (auto error = builder.set("dbname", *database)) return *error;
  }
  if (question != std::string_view::npos && question + 1 < after.size()) {
    if (auto error = read_query(after.substr(question + 1), builder)) return *error;
  }
  return builder.finish();
}

Result<ConnectionString> parse_keywords(std::string_view text) {
  Builder builder;
  std::size_t i = 0;
  const auto skip_spaces = [&] {
    while (i < text.size() && is_space(text[i])) ++i;
  };
  for (skip_spaces(); i < text.size(); skip_spaces()) {
    const auto start = i;
    while (i < text.size() && text[i] != '=' && !is_space(text[i])) ++i;
    const std::string key(text.substr(start, i - start));
    skip_spaces();
    if (i == text.size() || text[i] != '=') {
      return refusal("a keyword is not followed by '='",
                     "quote a value with spaces in it: password='two words'");
    }
    ++i;
    skip_spaces();
    std::string value;
    if (i < text.size() && text[i] == '\'') {
      for (++i;; ++i) {
        if (i == text.size()) return refusal("a quoted value has no closing quote");
        if (text[i] == '\'') {
          if (i + 1 == text.size() || text[i + 1] != '\'') break;
          ++i;
        } else if (text[i] == '\\' && i + 1 < text.size()) {
          ++i;
        }
        value += text[i];
      }
      ++i;
      if (i < text.size() && !is_space(text[i])) {
        return refusal("a closing quote is followed by something else than a space",
                       "write a quote inside quotes as \\'");
      }
    } else {
      for (; i < text.size() && !is_space(text[i]); ++i) {
        if (text[i] == '\'') {
          return refusal("an unquoted value has a quote in it", "write it as \\'");
        }
        if (text[i] == '\\' && ++i == text.size()) {
          return refusal("it ends in a backslash", "write a backslash as \\\\");
        }
        value += text[i];
      }
    }
    // An empty value is the same as none, as it is for libpq.
    if (value.empty()) continue;
    if (auto error = builder.set(key, std::move(value))) return *error;
  }
  return builder.finish();
}

std::string shown_host(const ConnectionString::Host& host) {
  if (host.name.find(':') != std::string::npos) return '[' + host.name + ']';
  return percent_encode(host.name);
}

std::string as_uri(const ConnectionString& from, bool with_secrets) {
  const auto secret = [&](const Secret& value) {
    return with_secrets ? percent_encode(value.reveal()) : std::string(Secret::kShown);
  };
  std::string out = "postgresql://";
  if (!from.user.empty() || from.password) {
    out += percent_encode(from.user);
    if (from.password) out += ':' + secret(*from.password);
    out += '@';
  }
  for (std::size_t i = 0; i < from.hosts.size(); ++i) {
    if (i > 0) out += ',';
    out += shown_host(from.hosts[i]);
    if (from.hosts[i].port != 0) out += fmt::format(":{}", from.hosts[i].port);
  }
  if (!from.database.empty()) out += '/' + percent_encode(from.database);
  char separator = '?';
  const auto add = [&](std::string_view key, std::string_view value) {
    out += separator;
    separator = '&';
    out += key;
    out += '=';
    out += value;
  };
  if (from.ssl_password) add("sslpassword", secret(*from.ssl_password));
  for (const auto& [key, value] : from.options) {
    add(key,
        !with_secrets && key == "options" ? std::string(Secret::kShown) : percent_encode(value));
  }
  const auto add_duration = [&](std::string_view key, const std::optional<Duration>& value) {
    constexpr Duration kSecond = std::chrono::seconds(1);
    if (!value) return;
    add(key, *value % kSecond == Duration::zero() ? std::to_string(*value / kSecond)
                                                  : format_duration(*value));
  };
  if (from.pool.connection_limit) {
    add("connection_limit", std::to_string(*from.pool.connection_limit));
  }
  add_duration("pool_timeout", from.pool.pool_timeout);
  add_duration("connect_timeout", from.pool.connect_timeout);
  add_duration("socket_timeout", from.pool.socket_timeout);
  return out;
}

}  // namespace

Result<ConnectionString> parse_connection_string(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  if (text.empty()) return refusal("it is empty");
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (text.starts_with(scheme)) return parse_uri(text.substr(scheme.size()));
  }
  const auto colon = text.find("://");
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (colon != std::string_view::npos &&
      std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), is_letter)) {
    return refusal("its scheme is not postgresql://");
  }
  if (text.find('=') == std::string_view::npos) {
    return refusal("it is neither a URI nor keywords with values",
                   "write postgresql://user:password@host:port/database");
  }
  return parse_keywords(text);
}

Result<ConnectionString> ConnectionString::with_parameters(
    const std::map<std::string, std::string>& parameters) const {
  Builder builder(*this);
  for (const auto& [key, value] : parameters) {
    if (auto error = builder.set(key, value)) return *error;
  }
  return builder.finish();
}

std::vector<std::pair<std::string, std::string>> ConnectionString::keywords() const {
  std::vector<std::pair<std::string, std::string>> out;
  std::string names;
  std::string ports;
  bool any_port = false;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i > 0) names += ',', ports += ',';
    names += hosts[i].name;
    if (hosts[i].port != 0) ports += std::to_string(hosts[i].port), any_port = true;
  }
  if (names.find_first_not_of(',') != std::string::npos) out.emplace_back("host", names);
  if (any_port) out.emplace_back("port", ports);
  if (!user.empty()) out.emplace_back("user", user);
  if (password) out.emplace_back("password", password->reveal());
  if (!database.empty()) out.emplace_back("dbname", database);
  if (ssl_password) out.emplace_back("sslpassword", ssl_password->reveal());
  for (const auto& [key, value] : options) out.emplace_back(key, value);
  return out;
}

Secret ConnectionString::to_uri() const {
  return Secret(as_uri(*this, true));
}

std::string ConnectionString::redacted() const {
  return as_uri(*this, false);
}

std::string ConnectionString::where() const {
  std::string out;
  for (const auto& host : hosts) {
    if (!out.empty()) out += ',';
    const bool is_v6 = host.name.find(':') != std::string::npos;
    out += host.name.empty() ? "localhost" : is_v6 ? '[' + host.name + ']' : host.name;
    out += fmt::format(":{}", host.port == 0 ? 5432 : host.port);
  }
  if (out.empty()) out = "localhost:5432";
  const auto& name = database.empty() ? user : database;
  return name.empty() ? out : out + '/' + name;
}

std::string redact_connection_string(std::string_view text) {
  const auto read = parse_connection_string(text);
  return read ? read->redacted() : std::string(Secret::kShown);
}

}  // namespace lyceum
