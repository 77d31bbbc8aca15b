#include "base/config_settings.h"

#include <fmt/format.h>

namespace lyceum::config {
namespace {

using namespace std::chrono_literals;

template <auto Section, auto Key>
auto& member(Configuration& configuration) {
  return configuration.*Section.*Key;
}

constexpr Range between(Duration least, Duration most) {
  return {static_cast<double>(least.count()), static_cast<double>(most.count())};
}

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

}  // namespace

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
       "Most requests of one tenant at work, per worker, while no other asks (below the "
       "connections that a worker has, so that one tenant cannot hold them all); more wait for "
       "their "
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

bool is_secret(const Setting& setting) {
  return holds<std::optional<ConnectionString>>(setting) ||
         holds<std::vector<ConnectionString>>(setting);
}

bool is_duration(const Setting& setting) {
  return holds<Duration>(setting) || holds<std::optional<Duration>>(setting);
}

}  // namespace lyceum::config
