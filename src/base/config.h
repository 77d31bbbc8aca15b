#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/balance.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/url.h"

namespace lyceum {

// Where a server listens: "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80".
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// Every setting with its default. What each one means, its variable and its range stand in
// docs/configuration.md, which is made from the same table that reads them (settings()).

struct DatabaseSettings {
  std::optional<ConnectionString> url;
  int connection_limit = 20;
  Duration pool_timeout = std::chrono::seconds(10);
  Duration connect_timeout = std::chrono::seconds(10);
  Duration socket_timeout = std::chrono::seconds(30);
  std::optional<int> max_connections;  // nothing: ask the server
  std::optional<ConnectionString> primary_url;
  std::vector<ConnectionString> replica_urls;
  int shard_count = 4;
  std::vector<ConnectionString> shard_urls;  // empty, or as many as shard_count

  // The primary: primary_url, else url, else nothing.
  [[nodiscard]] const std::optional<ConnectionString>& primary() const {
    return primary_url ? primary_url : url;
  }
};

struct PoolSettings {
  int lanes = 4;
  int lane_depth = 32;
  int min_idle = 1;
  Duration idle_timeout = std::chrono::minutes(10);
  Duration max_lifetime = std::chrono::minutes(30);
  double max_lifetime_jitter = 0.1;  // part of max_lifetime
  int concurrent_connects = 2;
  Duration backoff_initial = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
  int queue_limit = 10'000;
  Duration slow_statement_lease = std::chrono::milliseconds(20);
  Duration drain_timeout = std::chrono::seconds(30);
  // Set once loaded: database.socket_timeout where nothing else is given.
  std::optional<Duration> statement_timeout;
};

struct StatisticsSettings {
  Duration slow_threshold = std::chrono::seconds(1);  // zero: off
  bool log_parameters = false;
  int max_tenants = 10'000;
};

struct LogSettings {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

struct LocalSettings {
  std::string directory;  // empty: chosen by local/
  std::string binaries;   // empty: found by local/
};

struct AuthSettings {
  std::string keys_file;  // empty: tokens are not taken, API keys are
  std::string issuer;     // empty: any
  std::string audience;   // empty: any
  Duration leeway = std::chrono::seconds(30);
  Duration key_cache = std::chrono::seconds(5);  // zero: API keys are not remembered
};

struct ServerSettings {
  ListenAddress data_address{"127.0.0.1", 8080};
  ListenAddress admin_address{"127.0.0.1", 9090};
  std::optional<int> workers;  // nothing: as many as processors
  Duration drain_timeout = std::chrono::seconds(25);
  Duration request_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(75);
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  Duration write_timeout = std::chrono::seconds(30);
  int max_connections = 10'000;
  int max_header_bytes = 16'384;
  int max_target_bytes = 4'096;
  int max_in_flight = 2'000;
  int tenant_in_flight = 8;
  int tenant_waiting = 1'000;
  int tenant_rate = 500;  // requests per second; 0: no limit
  int tenant_burst = 200;
  bool access_log = true;
  std::string bookmark_key_file;  // empty: a key of this process's own
};

struct ClusterSettings {
  Duration probe_interval = std::chrono::seconds(1);
  Duration probe_timeout = std::chrono::seconds(1);
  Duration max_lag = std::chrono::seconds(10);  // zero: off
  int max_lag_mib = 0;                          // of log not yet replayed; 0: off
  Duration bookmark_wait = std::chrono::milliseconds(100);
  Duration primary_wait = std::chrono::seconds(5);
  Balance balance = Balance::least_loaded;
  bool read_primary = false;
  double primary_read_share = 0.5;  // part of the primary's lanes
  double retry_budget = 0.2;        // part of the requests lately
};

struct WatchSettings {
  bool enabled = true;
  Duration fast_interval = std::chrono::seconds(10);
  Duration slow_interval = std::chrono::minutes(5);
  std::string history_file;  // empty: chosen by watch/
  Duration history_retention = std::chrono::hours(7 * 24);
  int history_max_mib = 500;
  std::string rules_file;    // empty: the shipped rules alone
  std::string alertmanager;  // empty: none is told; as are these
  std::string webhook_file;
  std::string slack_file;
};

struct Configuration {
  DatabaseSettings database;
  PoolSettings pool;
  ClusterSettings cluster;
  StatisticsSettings statistics;
  LogSettings log;
  LocalSettings local;
  AuthSettings auth;
  ServerSettings server;
  WatchSettings watch;
};

// What a configuration is read from. The environment is passed in; nothing here looks around.
struct ConfigurationSources {
  struct File {
    std::string name;  // as errors and `config show` name it
    std::string text;  // TOML
  };
  struct Flag {
    std::string name;   // "--database-url"
    std::string key;    // "database.url"
    std::string value;  // as in an environment variable
  };
  std::optional<File> file;
  std::map<std::string, std::string> environment;
  std::vector<Flag> flags;
};

// One line of `config show`.
struct SettingRow {
  std::string key;
  std::string value;   // redacted
  std::string source;  // "default", "lyceum.toml:12", "DATABASE_URL", "--database-url"
};

struct LoadedConfiguration {
  Configuration values;
  std::vector<SettingRow> rows;  // every setting, in the order of the documentation
};

// Reads the file, then the environment, then the flags: the later wins. A pool parameter in the
// database's URL (?connection_limit=5) wins over defaults and over what stands in weaker places
// than the URL itself. An empty variable counts as unset.
//
// Fails (kConfiguration) with the first problem, and how many more there are: an unknown key in the
// file or an unknown LYCEUM_ variable, a value of the wrong type, form or range, a shard without a
// URL. Each names key, value (never a secret one) and place. Variables that begin with
// LYCEUM_DEMO_, LYCEUM_TEST_ or LYCEUM_BENCH_ belong to scripts and are left alone, and
// LYCEUM_CONFIG names the file.
[[nodiscard]] Result<LoadedConfiguration> load_configuration(const ConfigurationSources& sources);

// Every problem that load_configuration() would meet; empty where it would succeed.
[[nodiscard]] std::vector<Error> check_configuration(const ConfigurationSources& sources);

// Reads a file for ConfigurationSources; kIo where it cannot be read.
[[nodiscard]] Result<ConfigurationSources::File> read_configuration_file(const std::string& path);

// This process's environment, for ConfigurationSources.
[[nodiscard]] std::map<std::string, std::string> process_environment();

// docs/configuration.md: every setting with its variable, default, range and meaning.
[[nodiscard]] std::string configuration_documentation();

}  // namespace lyceum
