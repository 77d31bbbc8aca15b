#include "base/config.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <unistd.h>
#include <variant>

#include "base/config_file.h"
#include "base/duration.h"

namespace lyceum {
namespace {

using namespace std::chrono_literals;

// Which member of a Configuration a setting is, and by that its type.
template <class T>
using Member = T& (*)(Configuration&);

using Field =
    std::variant<Member<int>, Member<bool>, Member<double>, Member<Duration>, Member<std::string>,
                 Member<std::optional<int>>, Member<std::optional<Duration>>,
                 Member<std::optional<ConnectionString>>, Member<std::vector<ConnectionString>>,
                 Member<LogLevel>, Member<LogFormat>, Member<ListenAddress>>;

template <auto Section, auto Key>
auto& member(Configuration& configuration) {
  return configuration.*Section.*Key;
}

// From least to most, both allowed: numbers as they are, durations in nanoseconds, parts of one.
struct Range {
  double least = 0;
  double most = 0;
};

constexpr Range between(Duration least, Duration most) {
  return {static_cast<double>(least.count()), static_cast<double>(most.count())};
}

struct Setting {
  std::string_view section;
  std::string_view key;
  std::string_view variable;  // with "_n_" for lists: any number stands there
  Field field;
  Range range;
  std::string_view unset;  // what stands for "not set", where it can be
  std::string_view meaning;
  bool zero_is_off = false;  // zero is allowed besides the range
};

template <auto Key>
constexpr Field kDatabase = &member<&Configuration::database, Key>;
template <auto Key>
constexpr Field kPool = &member<&Configuration::pool, Key>;
template <auto Key>
constexpr Field kStatistics = &member<&Configuration::statistics, Key>;
template <auto Key>
constexpr Field kLog = &member<&Configuration::log, Key>;
template <auto Key>
constexpr Field kLocal = &member<&Configuration::local, Key>;
template <auto Key>
constexpr Field kAuth = &member<&Configuration::auth, Key>;
template <auto Key>
constexpr Field kServer = &member<&Configuration::server, Key>;

const std::vector<Setting>& settings() {
  using D = DatabaseSettings;
  using P = PoolSettings;
  using S = StatisticsSettings;
  static const std::vector<Setting> all = {
      {"database",
       "url",
       "DATABASE_URL",
       kDatabase<&D::url>,
       {},
       "not set",
       "The database, as a URI or as libpq's keywords and values. connection_limit, pool_timeout, "
       "connect_timeout and socket_timeout may stand in it as parameters."},
      {"database",
       "connection_limit",
       "DB_CONNECTION_LIMIT",
       kDatabase<&D::connection_limit>,
       {1, 10'000},
       "",
       "Most connections to one server, lanes and leases together."},
      {"database", "pool_timeout", "DB_POOL_TIMEOUT", kDatabase<&D::pool_timeout>, between(1ms, 1h),
       "", "Longest wait for a lane or a lease."},
      {"database", "connect_timeout", "DB_CONNECT_TIMEOUT", kDatabase<&D::connect_timeout>,
       between(1ms, 1h), "", "Longest time to make one connection."},
      {"database", "socket_timeout", "DB_SOCKET_TIMEOUT", kDatabase<&D::socket_timeout>,
       between(1ms, 24h), "", "Longest wait for an answer of the server."},
      {"database",
       "max_connections",
       "DB_MAX_CONNECTIONS",
       kDatabase<&D::max_connections>,
       {1, 262'143},
       "ask the server",
       "What the server allows, for the share of it that is in use. The guide says 100."},
      {"database",
       "primary_url",
       "DATABASE_PRIMARY_URL",
       kDatabase<&D::primary_url>,
       {},
       "database.url",
       "The primary of a cluster."},
      {"database",
       "replica_urls",
       "DATABASE_REPLICA_n_URL",
       kDatabase<&D::replica_urls>,
       {},
       "none",
       "Its replicas: a list in the file, one variable for each, any number of them."},
      {"database",
       "shard_count",
       "DATABASE_SHARD_COUNT",
       kDatabase<&D::shard_count>,
       {1, 10'000},
       "",
       "How many shards there are, where there are any."},
      {"database",
       "shard_urls",
       "DATABASE_SHARD_n_URL",
       kDatabase<&D::shard_urls>,
       {},
       "none",
       "The shards, counted from 0: all of them or none."},

      {"pool",
       "lanes",
       "LYCEUM_POOL_LANES",
       kPool<&P::lanes>,
       {1, 1'000},
       "",
       "Pipelined connections that many requests share. By default not more than "
       "database.connection_limit."},
      {"pool",
       "lane_depth",
       "LYCEUM_POOL_LANE_DEPTH",
       kPool<&P::lane_depth>,
       {1, 10'000},
       "",
       "Most statements in flight on one lane."},
      {"pool",
       "min_idle",
       "LYCEUM_POOL_MIN_IDLE",
       kPool<&P::min_idle>,
       {0, 10'000},
       "",
       "Connections kept open when there is nothing to do."},
      {"pool", "idle_timeout", "LYCEUM_POOL_IDLE_TIMEOUT", kPool<&P::idle_timeout>,
       between(1s, 168h), "", "An idle connection beyond min_idle is closed after this time."},
      {"pool", "max_lifetime", "LYCEUM_POOL_MAX_LIFETIME", kPool<&P::max_lifetime>,
       between(1s, 168h), "", "A connection is replaced after this time."},
      {"pool",
       "max_lifetime_jitter",
       "LYCEUM_POOL_MAX_LIFETIME_JITTER",
       kPool<&P::max_lifetime_jitter>,
       {0, 0.5},
       "",
       "Random part by which a lifetime is shortened, so that not all end together."},
      {"pool",
       "concurrent_connects",
       "LYCEUM_POOL_CONCURRENT_CONNECTS",
       kPool<&P::concurrent_connects>,
       {1, 100},
       "",
       "Most connections being made at a time."},
      {"pool", "backoff_initial", "LYCEUM_POOL_BACKOFF_INITIAL", kPool<&P::backoff_initial>,
       between(1ms, 1min), "",
       "First wait after a failed connection, doubled by each further one."},
      {"pool", "backoff_max", "LYCEUM_POOL_BACKOFF_MAX", kPool<&P::backoff_max>, between(1ms, 1h),
       "", "Longest wait between attempts to connect."},
      {"pool",
       "queue_limit",
       "LYCEUM_POOL_QUEUE_LIMIT",
       kPool<&P::queue_limit>,
       {1, 10'000'000},
       "",
       "Most requests waiting before the pool; one more is refused at once."},
      {"pool", "slow_statement_lease", "LYCEUM_POOL_SLOW_STATEMENT_LEASE",
       kPool<&P::slow_statement_lease>, between(1ms, 1h), "",
       "A statement whose own mean is above this takes a lease, not a lane."},
      {"pool", "drain_timeout", "LYCEUM_POOL_DRAIN_TIMEOUT", kPool<&P::drain_timeout>,
       between(1ms, 1h), "", "How long a shutdown waits for statements that are running."},
      {"pool", "statement_timeout", "LYCEUM_POOL_STATEMENT_TIMEOUT", kPool<&P::statement_timeout>,
       between(1ms, 24h), "database.socket_timeout",
       "Deadline of a statement whose caller gives none."},

      {"statistics", "slow_threshold", "LYCEUM_STATISTICS_SLOW_THRESHOLD",
       kStatistics<&S::slow_threshold>, between(1ms, 24h), "",
       "A statement that takes longer is logged.", true},
      {"statistics",
       "log_parameters",
       "LYCEUM_STATISTICS_LOG_PARAMETERS",
       kStatistics<&S::log_parameters>,
       {},
       "",
       "Whether the values of parameters are logged with a slow statement. They are the users' "
       "data; without this, types and lengths are logged."},
      {"statistics",
       "max_tenants",
       "LYCEUM_STATISTICS_MAX_TENANTS",
       kStatistics<&S::max_tenants>,
       {1, 1'000'000},
       "",
       "Tenants with figures of their own, per worker; the others share one."},

      {"log",
       "level",
       "LYCEUM_LOG_LEVEL",
       kLog<&LogSettings::level>,
       {},
       "",
       "The least level that is written."},
      {"log",
       "format",
       "LYCEUM_LOG_FORMAT",
       kLog<&LogSettings::format>,
       {},
       "",
       "Lines of text, or of JSON for machines."},

      {"local",
       "directory",
       "LYCEUM_LOCAL_DIRECTORY",
       kLocal<&LocalSettings::directory>,
       {},
       "chosen by itself",
       "Where private clusters keep their files."},
      {"local",
       "binaries",
       "LYCEUM_LOCAL_BINARIES",
       kLocal<&LocalSettings::binaries>,
       {},
       "found by itself",
       "The directory of initdb, postgres and pg_ctl."},

      {"auth",
       "keys_file",
       "LYCEUM_AUTH_KEYS_FILE",
       kAuth<&AuthSettings::keys_file>,
       {},
       "none",
       "The keys that bearer tokens are checked with: a JSON Web Key Set, or one public key in "
       "PEM. "
       "Read again when it changes: upon SIGHUP, and once for a key id that is not in it. Without "
       "it API keys alone are taken."},
      {"auth",
       "issuer",
       "LYCEUM_AUTH_ISSUER",
       kAuth<&AuthSettings::issuer>,
       {},
       "any",
       "What a token must name as its issuer (`iss`)."},
      {"auth",
       "audience",
       "LYCEUM_AUTH_AUDIENCE",
       kAuth<&AuthSettings::audience>,
       {},
       "any",
       "Whom a token must be meant for (`aud`)."},
      {"auth", "leeway", "LYCEUM_AUTH_LEEWAY", kAuth<&AuthSettings::leeway>, between(1ms, 10min),
       "", "By how much the clocks of issuer and server may differ.", true},
      {"auth", "key_cache", "LYCEUM_AUTH_KEY_CACHE", kAuth<&AuthSettings::key_cache>,
       between(1ms, 10min), "",
       "How long an API key that was found good is not looked up again: the longest that a revoked "
       "one is still taken.",
       true},

      {"server",
       "data_address",
       "LYCEUM_SERVER_DATA_ADDRESS",
       kServer<&ServerSettings::data_address>,
       {},
       "",
       "Where the data API listens."},
      {"server",
       "admin_address",
       "LYCEUM_SERVER_ADMIN_ADDRESS",
       kServer<&ServerSettings::admin_address>,
       {},
       "",
       "Where dashboard, metrics, health and operations listen."},
      {"server",
       "workers",
       "LYCEUM_SERVER_WORKERS",
       kServer<&ServerSettings::workers>,
       {1, 256},
       "as many as processors",
       "Threads that serve the data API, each with its own connections."},
      {"server", "drain_timeout", "LYCEUM_SERVER_DRAIN_TIMEOUT",
       kServer<&ServerSettings::drain_timeout>, between(1ms, 1h), "",
       "How long a shutdown waits for requests that are being answered."},
      {"server", "request_timeout", "LYCEUM_SERVER_REQUEST_TIMEOUT",
       kServer<&ServerSettings::request_timeout>, between(1ms, 1h), "",
       "Longest time for one request, from its last byte to its answer."},
      {"server", "idle_timeout", "LYCEUM_SERVER_IDLE_TIMEOUT",
       kServer<&ServerSettings::idle_timeout>, between(100ms, 24h), "",
       "A connection without a request is closed after this time."},
      {"server", "header_timeout", "LYCEUM_SERVER_HEADER_TIMEOUT",
       kServer<&ServerSettings::header_timeout>, between(100ms, 1h), "",
       "Longest time for a request line and its header to arrive."},
      {"server", "body_timeout", "LYCEUM_SERVER_BODY_TIMEOUT",
       kServer<&ServerSettings::body_timeout>, between(100ms, 1h), "",
       "Longest time for a body to arrive."},
      {"server", "write_timeout", "LYCEUM_SERVER_WRITE_TIMEOUT",
       kServer<&ServerSettings::write_timeout>, between(100ms, 1h), "",
       "Longest time for a response, or a piece of a long one, to be taken."},
      {"server",
       "max_connections",
       "LYCEUM_SERVER_MAX_CONNECTIONS",
       kServer<&ServerSettings::max_connections>,
       {1, 1'000'000},
       "",
       "Most connections to the data API, per worker; more are turned away with 503."},
      {"server",
       "max_header_bytes",
       "LYCEUM_SERVER_MAX_HEADER_BYTES",
       kServer<&ServerSettings::max_header_bytes>,
       {1'024, 1'048'576},
       "",
       "Longest request line and header together; longer ones are refused with 431."},
      {"server",
       "max_target_bytes",
       "LYCEUM_SERVER_MAX_TARGET_BYTES",
       kServer<&ServerSettings::max_target_bytes>,
       {256, 65'536},
       "",
       "Longest URL; longer ones are refused with 414."},
      {"server",
       "max_in_flight",
       "LYCEUM_SERVER_MAX_IN_FLIGHT",
       kServer<&ServerSettings::max_in_flight>,
       {1, 1'000'000},
       "",
       "Most requests at work, per worker; more are refused with 503."},
      {"server",
       "tenant_in_flight",
       "LYCEUM_SERVER_TENANT_IN_FLIGHT",
       kServer<&ServerSettings::tenant_in_flight>,
       {1, 1'000'000},
       "",
       "Most requests of one tenant at work, per worker, while no other asks; more wait for their "
       "turn. While others ask the tenants share the lanes."},
      {"server",
       "tenant_waiting",
       "LYCEUM_SERVER_TENANT_WAITING",
       kServer<&ServerSettings::tenant_waiting>,
       {0, 1'000'000},
       "",
       "Most requests of one tenant that wait for their turn, per worker; more are refused with "
       "429."},
      {"server",
       "tenant_rate",
       "LYCEUM_SERVER_TENANT_RATE",
       kServer<&ServerSettings::tenant_rate>,
       {0, 10'000'000},
       "",
       "Requests per second of one tenant; more are refused with 429. 0: no limit."},
      {"server",
       "tenant_burst",
       "LYCEUM_SERVER_TENANT_BURST",
       kServer<&ServerSettings::tenant_burst>,
       {1, 10'000'000},
       "",
       "Requests that a tenant may make at once after a pause."},
      {"server",
       "access_log",
       "LYCEUM_SERVER_ACCESS_LOG",
       kServer<&ServerSettings::access_log>,
       {},
       "",
       "Whether each request is logged."},
      {"server",
       "bookmark_key_file",
       "LYCEUM_SERVER_BOOKMARK_KEY_FILE",
       kServer<&ServerSettings::bookmark_key_file>,
       {},
       "a key of its own per process",
       "A file with the key that signs bookmarks; all instances of one database need the same."},
  };
  return all;
}

std::string path_of(const Setting& setting) {
  return fmt::format("{}.{}", setting.section, setting.key);
}

template <class T>
bool holds(const Setting& setting) {
  return std::holds_alternative<Member<T>>(setting.field);
}

bool is_secret(const Setting& setting) {
  return holds<std::optional<ConnectionString>>(setting) ||
         holds<std::vector<ConnectionString>>(setting);
}

bool is_duration(const Setting& setting) {
  return holds<Duration>(setting) || holds<std::optional<Duration>>(setting);
}

std::string percent(double part) {
  return fmt::format("{:g}%", part * 100);
}

// ---- Values as text ----------------------------------------------------------------------------

struct Show {
  std::string_view unset;

  std::string operator()(int value) const { return std::to_string(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(double value) const { return percent(value); }
  std::string operator()(Duration value) const { return format_duration(value); }
  std::string operator()(const std::string& value) const {
    return value.empty() ? std::string(unset) : value;
  }
  std::string operator()(LogLevel value) const { return std::string(name_of(value)); }
  std::string operator()(LogFormat value) const {
    return value == LogFormat::json ? "json" : "text";
  }
  std::string operator()(const ListenAddress& value) const {
    const bool is_v6 = value.host.find(':') != std::string::npos;
    return fmt::format("{}:{}", is_v6 ? '[' + value.host + ']' : value.host, value.port);
  }
  std::string operator()(const ConnectionString& value) const { return value.redacted(); }
  template <class T>
  std::string operator()(const std::optional<T>& value) const {
    return value ? (*this)(*value) : std::string(unset);
  }
  std::string operator()(const std::vector<ConnectionString>& values) const {
    if (values.empty()) return std::string(unset);
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "" : " ") + value.redacted();
    return out;
  }
};

std::string shown_value(const Setting& setting, Configuration& configuration) {
  return std::visit([&](auto at) { return Show{setting.unset}(at(configuration)); }, setting.field);
}

std::string shown_range(const Setting& setting) {
  const auto& [least, most] = setting.range;
  std::string out;
  if (is_duration(setting)) {
    out = fmt::format("{} to {}", format_duration(Duration(static_cast<Duration::rep>(least))),
                      format_duration(Duration(static_cast<Duration::rep>(most))));
  } else if (holds<double>(setting)) {
    out = fmt::format("{} to {}", percent(least), percent(most));
  } else if (holds<int>(setting) || holds<std::optional<int>>(setting)) {
    out =
        fmt::format("{} to {}", static_cast<std::int64_t>(least), static_cast<std::int64_t>(most));
  }
  if (setting.zero_is_off) out += ", or 0 for off";
  return out;
}

// What a value must be, for errors and documentation.
std::string expectation(const Setting& setting) {
  struct Expect {
    const Setting& setting;
    std::string operator()(Member<int>) const { return "a whole number, " + shown_range(setting); }
    std::string operator()(Member<std::optional<int>>) const {
      return "a whole number, " + shown_range(setting);
    }
    std::string operator()(Member<bool>) const { return "true or false"; }
    std::string operator()(Member<double>) const {
      return "a percentage (\"10%\"), " + shown_range(setting);
    }
    std::string operator()(Member<Duration>) const {
      return "a duration with its unit (\"250ms\", \"10s\", \"5m\"), " + shown_range(setting);
    }
    std::string operator()(Member<std::optional<Duration>>) const {
      return (*this)(Member<Duration>{});
    }
    std::string operator()(Member<std::string>) const { return "a text"; }
    std::string operator()(Member<std::optional<ConnectionString>>) const {
      return "a connection string";
    }
    std::string operator()(Member<std::vector<ConnectionString>>) const {
      return "a list of connection strings";
    }
    std::string operator()(Member<LogLevel>) const {
      return "one of debug, info, warning, error, off";
    }
    std::string operator()(Member<LogFormat>) const { return "text or json"; }
    std::string operator()(Member<ListenAddress>) const {
      return "an address and a port (\"127.0.0.1:8080\", \"[::1]:8080\")";
    }
  };
  return std::visit(Expect{setting}, setting.field);
}

// ---- Text as values ----------------------------------------------------------------------------

bool in_range(const Setting& setting, double value) {
  return (value >= setting.range.least && value <= setting.range.most) ||
         (setting.zero_is_off && value == 0);
}

// Each returns whether the text was such a value. Connection strings say why not, without quoting.
struct Assign {
  const Setting& setting;
  const std::string& text;
  std::optional<Duration> bare_unit;
  Configuration& to;
  std::string& reason;

  bool number(int& value) const {
    std::int64_t read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error != std::errc{} || end != text.data() + text.size()) return false;
    if (!in_range(setting, static_cast<double>(read))) return false;
    value = static_cast<int>(read);
    return true;
  }
  bool duration(Duration& value) const {
    const auto read = parse_duration(text, bare_unit);
    if (!read || !in_range(setting, static_cast<double>(read->count()))) return false;
    value = *read;
    return true;
  }
  bool url(ConnectionString& value) const {
    auto read = parse_connection_string(text);
    if (!read) {
      reason = read.error().message;
      if (!read.error().hint.empty()) reason += "; " + read.error().hint;
      return false;
    }
    value = *std::move(read);
    return true;
  }

  bool operator()(Member<int> at) const { return number(at(to)); }
  bool operator()(Member<std::optional<int>> at) const { return number(at(to).emplace()); }
  bool operator()(Member<Duration> at) const { return duration(at(to)); }
  bool operator()(Member<std::optional<Duration>> at) const { return duration(at(to).emplace()); }
  bool operator()(Member<bool> at) const {
    if (text != "true" && text != "false") return false;
    at(to) = text == "true";
    return true;
  }
  bool operator()(Member<double> at) const {
    double read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error != std::errc{} || std::string_view(end, text.data() + text.size()) != "%") {
      return false;
    }
    if (!in_range(setting, read / 100)) return false;
    at(to) = read / 100;
    return true;
  }
  bool operator()(Member<std::string> at) const {
    if (text.find('\0') != std::string::npos) return false;
    at(to) = text;
    return true;
  }
  bool operator()(Member<std::optional<ConnectionString>> at) const {
    return url(at(to).emplace());
  }
  // Lists are put together elsewhere, element by element.
  bool operator()(Member<std::vector<ConnectionString>> at) const {
    return url(at(to).emplace_back());
  }
  bool operator()(Member<LogLevel> at) const {
    const auto read = parse_log_level(text);
    if (read) at(to) = *read;
    return read.has_value();
  }
  bool operator()(Member<LogFormat> at) const {
    if (text != "json" && text != "text") return false;
    at(to) = text == "json" ? LogFormat::json : LogFormat::text;
    return true;
  }
  bool operator()(Member<ListenAddress> at) const {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return false;
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.empty() || (!bracketed && host.find(':') != std::string::npos)) return false;
    unsigned port = 0;
    const char* const first = text.data() + colon + 1;
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port > 65535) return false;
    at(to) = {std::move(host), static_cast<std::uint16_t>(port)};
    return true;
  }
};

bool fits(const Setting& setting, ConfigFileValue::Kind kind) {
  using Kind = ConfigFileValue::Kind;
  if (holds<int>(setting) || holds<std::optional<int>>(setting)) return kind == Kind::integer;
  if (holds<bool>(setting)) return kind == Kind::boolean;
  if (holds<std::vector<ConnectionString>>(setting)) return kind == Kind::list_of_text;
  return kind == Kind::text;
}

// ---- Loading -----------------------------------------------------------------------------------

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view what, const std::vector<std::string>& among) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, what.size() / 3) + 1;
  for (const auto& candidate : among) {
    const auto distance = edit_distance(what, candidate);
    if (distance < least) least = distance, best = candidate;
  }
  return best.empty() ? "" : fmt::format("did you mean {}?", best);
}

// The n of "DATABASE_REPLICA_n_URL", where the name has this form. Nothing for "01": it would be a
// second name of 1.
std::optional<int> number_in(std::string_view name, std::string_view pattern) {
  const auto at = pattern.find("_n_");
  if (at == std::string_view::npos) return std::nullopt;
  const auto before = pattern.substr(0, at + 1);
  const auto after = pattern.substr(at + 2);
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
      !name.ends_with(after)) {
    return std::nullopt;
  }
  const auto digits = name.substr(before.size(), name.size() - before.size() - after.size());
  int number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number < 0 ||
      std::to_string(number) != digits) {
    return std::nullopt;
  }
  return number;
}

class Loader {
 public:
  explicit Loader(const ConfigurationSources& sources) {
    if (sources.file) read_file(*sources.file);
    read_environment(sources.environment);
    for (const auto& flag : sources.flags) read_flag(flag);
    adopt_url_parameters();
    check_shards();
    settle();
  }

  [[nodiscard]] const std::vector<Error>& problems() const { return problems_; }

  [[nodiscard]] LoadedConfiguration finish() {
    LoadedConfiguration loaded;
    for (const auto& setting : settings()) {
      const auto key = path_of(setting);
      const auto origin = origins_.find(key);
      loaded.rows.push_back({key, shown_value(setting, values_),
                             origin == origins_.end() ? "default" : origin->second.place});
    }
    loaded.values = values_;
    auto& statement_timeout = loaded.values.pool.statement_timeout;
    if (!statement_timeout) statement_timeout = loaded.values.database.socket_timeout;
    return loaded;
  }

 private:
  enum class Rank { file = 1, environment, flag };
  struct Origin {
    Rank rank = Rank::file;
    std::string place;
  };

  void problem(std::string message, std::string hint = {}) {
    Error error;
    error.code = ErrorCode::kConfiguration;
    error.message = std::move(message);
    error.hint = std::move(hint);
    problems_.push_back(std::move(error));
  }

  // Not even the value of a harmless setting is shown where it looks like a connection string that
  // went to the wrong place.
  static std::string quoted(const Setting& setting, const std::string& text) {
    const bool hide = is_secret(setting) || text.find("://") != std::string::npos ||
                      text.find("password") != std::string::npos;
    return hide ? std::string(Secret::kShown) : '"' + text.substr(0, 100) + '"';
  }

  // The guide writes its own variables as plain seconds.
  static std::optional<Duration> bare_unit_of(const Setting& setting) {
    if (setting.variable.starts_with("LYCEUM_")) return std::nullopt;
    return Duration(1s);
  }

  void bad_value(const Setting& setting, const std::string& text, const std::string& place,
                 const std::string& reason, const std::string& element = {}) {
    problem(fmt::format("{}{} = {} in {} is not valid: {}", path_of(setting), element,
                        quoted(setting, text), place,
                        reason.empty() ? "it must be " + expectation(setting) : reason));
  }

  void assign(const Setting& setting, const std::string& text, Origin origin,
              std::optional<Duration> bare_unit = std::nullopt) {
    std::string reason;
    Configuration tried = values_;
    if (!std::visit(Assign{setting, text, bare_unit, tried, reason}, setting.field)) {
      bad_value(setting, text, origin.place, reason);
      return;
    }
    values_ = std::move(tried);
    origins_[path_of(setting)] = std::move(origin);
  }

  // A list replaces the list of a weaker place as a whole.
  void assign_list(const Setting& setting, const std::map<int, std::string>& texts,
                   const std::map<int, std::string>& places, Origin origin) {
    const auto* at = std::get_if<Member<std::vector<ConnectionString>>>(&setting.field);
    if (at == nullptr) return;
    Configuration tried = values_;
    (*at)(tried).clear();
    for (const auto& [number, text] : texts) {
      std::string reason;
      if (!std::visit(Assign{setting, text, std::nullopt, tried, reason}, setting.field)) {
        bad_value(setting, text, places.at(number), reason, fmt::format("[{}]", number));
        return;
      }
    }
    values_ = std::move(tried);
    origins_[path_of(setting)] = std::move(origin);
    if (setting.key == "shard_urls") {
      shard_numbers_.clear();
      for (const auto& [number, text] : texts) shard_numbers_.push_back(number);
    }
  }

  void read_file(const ConfigurationSources::File& file) {
    const auto read = parse_config_file(file.name, file.text);
    if (!read) {
      problems_.push_back(read.error());
      return;
    }
    std::vector<std::string> sections;
    std::vector<std::string> keys;
    for (const auto& setting : settings()) {
      sections.push_back('[' + std::string(setting.section) + ']');
      keys.push_back(path_of(setting));
    }
    for (const auto& value : *read) {
      const auto place = fmt::format("{}:{}", file.name, value.line);
      const auto header = '[' + value.section + ']';
      const bool known_section =
          std::find(sections.begin(), sections.end(), header) != sections.end();
      if (value.key.empty()) {
        if (!known_section) {
          problem(fmt::format("unknown section {} in {}", header, place),
                  nearest(header, sections));
        }
        continue;
      }
      const auto key = value.section.empty() ? value.key : value.section + '.' + value.key;
      const auto found = std::find_if(settings().begin(), settings().end(), [&](const auto& one) {
        return one.section == value.section && one.key == value.key;
      });
      if (found == settings().end()) {
        // Its value is not shown: nobody knows whether it is a secret.
        if (known_section || value.section.empty()) {
          problem(fmt::format("unknown key {} in {}", key, place), nearest(key, keys));
        }
        continue;
      }
      if (!fits(*found, value.kind)) {
        bad_value(*found, value.texts.empty() ? "" : value.texts.front(), place, "");
      } else if (value.kind == ConfigFileValue::Kind::list_of_text) {
        std::map<int, std::string> texts;
        std::map<int, std::string> places;
        for (const auto& text : value.texts) {
          const auto number = static_cast<int>(texts.size());
          texts[number] = text;
          places[number] = place;
        }
        assign_list(*found, texts, places, {Rank::file, place});
      } else {
        assign(*found, value.texts.front(), {Rank::file, place});
      }
    }
  }

  void read_environment(const std::map<std::string, std::string>& environment) {
    std::vector<std::string> names;
    for (const auto& setting : settings()) {
      names.emplace_back(setting.variable);
      if (holds<std::vector<ConnectionString>>(setting)) {
        read_numbered_variables(setting, environment);
        continue;
      }
      const auto found = environment.find(std::string(setting.variable));
      if (found == environment.end() || found->second.empty()) continue;
      assign(setting, found->second, {Rank::environment, found->first}, bare_unit_of(setting));
    }
    for (const auto& [name, value] : environment) {
      if (!name.starts_with("LYCEUM_") || name == "LYCEUM_CONFIG") continue;
      if (name.starts_with("LYCEUM_DEMO_") || name.starts_with("LYCEUM_TEST_") ||
          name.starts_with("LYCEUM_BENCH_")) {
        continue;
      }
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      std::string hint = nearest(name, names);
      for (const auto& setting : settings()) {
        std::string by_path = "LYCEUM_" + path_of(setting);
        std::transform(by_path.begin(), by_path.end(), by_path.begin(), [](char c) {
          return c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        if (by_path == name) hint = fmt::format("use {}", setting.variable);
      }
      problem(fmt::format("unknown environment variable {}", name), std::move(hint));
    }
  }

  void read_numbered_variables(const Setting& setting,
                               const std::map<std::string, std::string>& environment) {
    const auto prefix = setting.variable.substr(0, setting.variable.find("_n_") + 1);
    std::map<int, std::string> texts;
    std::map<int, std::string> places;
    for (const auto& [name, value] : environment) {
      if (value.empty() || !name.starts_with(prefix) || !name.ends_with("_URL")) continue;
      const auto number = number_in(name, setting.variable);
      if (!number) {
        problem(fmt::format("unknown environment variable {}", name),
                fmt::format("it is {} with a number for n", setting.variable));
        continue;
      }
      texts[*number] = value;
      places[*number] = name;
    }
    if (texts.empty()) return;
    std::string all;
    for (const auto& [number, name] : places) all += (all.empty() ? "" : ", ") + name;
    assign_list(setting, texts, places, {Rank::environment, all});
  }

  void read_flag(const ConfigurationSources::Flag& flag) {
    for (const auto& setting : settings()) {
      if (path_of(setting) != flag.key) continue;
      assign(setting, flag.value, {Rank::flag, flag.name}, bare_unit_of(setting));
      return;
    }
    problem(fmt::format("{} sets {}, which is no setting", flag.name, flag.key));
  }

  void adopt_url_parameters() {
    const auto url = origins_.find("database.url");
    if (url == origins_.end() || !values_.database.url) return;
    const auto parameters = values_.database.url->pool;
    const auto adopt = [&](std::string_view key, const auto& value) {
      if (!value) return;
      const auto path = fmt::format("database.{}", key);
      const auto own = origins_.find(path);
      if (own != origins_.end() && own->second.rank >= url->second.rank) return;
      std::string text;
      if constexpr (std::is_same_v<std::decay_t<decltype(*value)>, Duration>) {
        text = format_duration(*value);
      } else {
        text = std::to_string(*value);
      }
      for (const auto& setting : settings()) {
        if (path_of(setting) != path) continue;
        assign(setting, text, {url->second.rank, "the URL in " + url->second.place});
      }
    };
    adopt("connection_limit", parameters.connection_limit);
    adopt("pool_timeout", parameters.pool_timeout);
    adopt("connect_timeout", parameters.connect_timeout);
    adopt("socket_timeout", parameters.socket_timeout);
  }

  void check_shards() {
    if (shard_numbers_.empty()) return;
    const int count = values_.database.shard_count;
    const auto counted = origins_.find("database.shard_count");
    const auto why = fmt::format("database.shard_count is {} ({})", count,
                                 counted == origins_.end() ? "default" : counted->second.place);
    for (int number = 0; number < count; ++number) {
      if (std::find(shard_numbers_.begin(), shard_numbers_.end(), number) != shard_numbers_.end()) {
        continue;
      }
      problem(fmt::format("shard {} has no URL: {}, and {} of them are given", number, why,
                          shard_numbers_.size()),
              fmt::format("set DATABASE_SHARD_{}_URL or database.shard_count", number));
    }
    for (const int number : shard_numbers_) {
      if (number < count) continue;
      problem(fmt::format("shard {} has a URL, but {} and they are counted from 0", number, why),
              "set database.shard_count");
    }
  }

  // What one setting says of another.
  void settle() {
    auto& pool = values_.pool;
    const int limit = values_.database.connection_limit;
    const auto beyond = [&](std::string_view key, int& value) {
      const auto origin = origins_.find(std::string(key));
      if (value <= limit) return;
      if (origin == origins_.end()) {
        value = limit;
        return;
      }
      problem(fmt::format("{} = {} in {} is more than database.connection_limit, which is {}", key,
                          value, origin->second.place, limit));
    };
    beyond("pool.lanes", pool.lanes);
    beyond("pool.min_idle", pool.min_idle);
    if (pool.backoff_initial > pool.backoff_max) {
      problem(fmt::format("pool.backoff_initial = {} is more than pool.backoff_max = {}",
                          format_duration(pool.backoff_initial),
                          format_duration(pool.backoff_max)));
    }
  }

  Configuration values_;
  std::map<std::string, Origin, std::less<>> origins_;  // what was set, by key
  std::vector<int> shard_numbers_;
  std::vector<Error> problems_;
};

}  // namespace

Result<LoadedConfiguration> load_configuration(const ConfigurationSources& sources) {
  Loader loader(sources);
  if (loader.problems().empty()) return loader.finish();
  Error first = loader.problems().front();
  if (const auto more = loader.problems().size() - 1; more > 0) {
    first.hint += fmt::format("{}and {} more problem{}: lyceum config check lists them",
                              first.hint.empty() ? "" : "; ", more, more == 1 ? "" : "s");
  }
  return first;
}

std::vector<Error> check_configuration(const ConfigurationSources& sources) {
  return Loader(sources).problems();
}

Result<ConfigurationSources::File> read_configuration_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) {
    Error error;
    error.code = ErrorCode::kIo;
    error.message = fmt::format("cannot read the configuration file {}: {}", path,
                                errno == 0 ? "it is not a readable file" : std::strerror(errno));
    return error;
  }
  return ConfigurationSources::File{path, text.str()};
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

std::string configuration_documentation() {
  std::string out =
      "# Configuration\n\n"
      "<!-- Made from the table of settings in src/base/config.cpp; a test compares them. -->\n\n"
      "Lyceum reads one TOML file (`--config FILE`, or the variable `LYCEUM_CONFIG`). An "
      "environment variable wins over the file, and a flag wins over both. `lyceum config show` "
      "prints every setting with its value and where that came from; `lyceum config check` says "
      "what is wrong.\n\n"
      "Durations carry their unit: `ns`, `us`, `ms`, `s`, `m` (minutes), `h` or `d`. The "
      "variables that begin with `DB_`, and flags for the same settings, also take plain seconds. "
      "An empty variable counts as "
      "unset.\n\n"
      "An unknown key, an unknown variable that begins with `LYCEUM_`, a value of the wrong type "
      "or out of range, or a shard without a URL is an error at start. Variables that begin with "
      "`LYCEUM_DEMO_`, `LYCEUM_TEST_` or `LYCEUM_BENCH_` belong to scripts.\n\n"
      "`connection_limit`, `pool_timeout`, `connect_timeout` and `socket_timeout` may also stand "
      "in the database's URL as parameters (`?connection_limit=5`): they win over the defaults "
      "and over weaker places than the URL's own. In a URL write `@` `:` `/` `?` `#` `%` within "
      "user and password as `%40` `%3A` `%2F` `%3F` `%23` `%25`.\n";
  Configuration defaults;
  std::string_view section;
  for (const auto& setting : settings()) {
    if (setting.section != section) {
      section = setting.section;
      out += fmt::format(
          "\n## [{}]\n\n| key | variable | default | value | meaning |\n"
          "|---|---|---|---|---|\n",
          section);
    }
    out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", setting.key, setting.variable,
                       shown_value(setting, defaults), expectation(setting), setting.meaning);
  }
  return out;
}

}  // namespace lyceum
