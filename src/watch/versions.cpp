#include "watch/versions.h"

#include <array>
#include <charconv>
#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::watch {
namespace {

namespace ask = lyceum::sql::watch;

constexpr int kOldestServer = 13;
constexpr int kOldestExtension = 108;

// A statement holds from its version on, up to the next one of that collector.
struct Since {
  std::string_view collector;
  int version;  // of the server, or of the extension (110 for 1.10)
  const Statement* statement;
};

constexpr std::array kByServer = {
    Since{"server", 13, &ask::server},
    Since{"connections", 13, &ask::connections},
    Since{"sessions", 13, &ask::sessions},
    Since{"blocking", 13, &ask::blocking},
    Since{"blocking", 14, &ask::blocking_14},  // pg_locks.waitstart
    Since{"transactions", 13, &ask::transactions},
    Since{"databases", 13, &ask::databases},
    Since{"wraparound", 13, &ask::wraparound},
    Since{"wal", 13, &ask::wal},
    Since{"wal", 14, &ask::wal_14},  // pg_stat_wal
    Since{"checkpoints", 13, &ask::checkpoints},
    Since{"checkpoints", 17, &ask::checkpoints_17},  // pg_stat_checkpointer
    Since{"io", 16, &ask::io_16},                    // pg_stat_io
    Since{"io", 18, &ask::io_18},                    // its bytes in place of op_bytes
    Since{"replication", 13, &ask::replication},
    Since{"replica", 13, &ask::replica},
    Since{"slots", 13, &ask::slots},
    Since{"slots", 16, &ask::slots_16},  // conflicting
    Since{"slots", 17, &ask::slots_17},  // inactive_since, invalidation_reason
    Since{"archiver", 13, &ask::archiver},
    Since{"vacuum_progress", 13, &ask::vacuum_progress},
    Since{"index_progress", 13, &ask::index_progress},
    Since{"settings", 13, &ask::settings},
    Since{"tables", 13, &ask::tables},
    Since{"tables", 18, &ask::tables_18},  // autovacuum_vacuum_max_threshold, relallfrozen
    Since{"indexes", 13, &ask::indexes},
    Since{"indexes", 16, &ask::indexes_16},  // when an index was used last
    Since{"sequences", 13, &ask::sequences},
    Since{"overview", 13, &ask::overview},
    Since{"activity", 13, &ask::activity},
};

constexpr std::array kByExtension = {
    Since{"statements", 108, &ask::statements},       // total_exec_time, plans, wal_bytes
    Since{"statements", 109, &ask::statements_1_9},   // toplevel, pg_stat_statements_info
    Since{"statements", 111, &ask::statements_1_11},  // shared_blk_read_time
};

template <class Table>
const Statement* newest(const Table& table, std::string_view collector, int version) {
  const Statement* found = nullptr;
  for (const auto& one : table) {
    if (one.collector == collector && one.version <= version) found = one.statement;
  }
  return found;
}

template <class Table>
int oldest(const Table& table, std::string_view collector) {
  for (const auto& one : table) {
    if (one.collector == collector) return one.version;
  }
  return 0;
}

Question question_for_statements(std::string_view extension_version) {
  Question out;
  if (extension_version.empty()) {
    out.gap = {.why = "pg_stat_statements is not installed in this database",
               .mend = "CREATE EXTENSION pg_stat_statements;"};
    return out;
  }
  const int version = extension_number(extension_version);
  if (version < kOldestExtension) {
    out.gap = {
        .why = fmt::format("pg_stat_statements is of version {} here, 1.8 or later is needed",
                           extension_version),
        .mend = "ALTER EXTENSION pg_stat_statements UPDATE;"};
    return out;
  }
  out.statement = newest(kByExtension, "statements", version);
  out.texts = &ask::statement_texts;
  out.text_column = "query";
  return out;
}

}  // namespace

int extension_number(std::string_view version) {
  int major = 0, minor = 0;
  const auto* end = version.data() + version.size();
  const auto dot = std::from_chars(version.data(), end, major);
  if (dot.ec != std::errc{} || dot.ptr == end || *dot.ptr != '.') return 0;
  const auto rest = std::from_chars(dot.ptr + 1, end, minor);
  if (rest.ec != std::errc{} || rest.ptr != end || major < 0 || minor < 0 || minor > 99) return 0;
  return major * 100 + minor;
}

Question question_for(std::string_view collector, int server_version,
                      std::string_view extension_version) {
  const int major = server_version / 10'000;
  if (major < kOldestServer) {
    return {.gap = {.why = fmt::format("the server is PostgreSQL {}, {} or later is needed", major,
                                       kOldestServer),
                    .mend = ""}};
  }
  if (collector == "statements") return question_for_statements(extension_version);
  Question out;
  out.statement = newest(kByServer, collector, major);
  if (out.statement == nullptr) {
    const int from = oldest(kByServer, collector);
    out.gap.why = from == 0 ? fmt::format("there is no collector of the name {}", collector)
                            : fmt::format("PostgreSQL {} or later is needed", from);
  }
  if (collector == "indexes") {
    out.texts = &ask::index_definitions;
    out.text_column = "definition";
  }
  return out;
}

std::string quoted(std::string_view identifier) {
  std::string out = "\"";
  for (const char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string in_schema(std::string_view text, std::string_view schema) {
  constexpr std::string_view kPlace = "extension_schema";
  const auto name = quoted(schema);
  std::string out;
  for (std::size_t at = 0;;) {
    const auto found = text.find(kPlace, at);
    out += text.substr(at, found - at);
    if (found == text.npos) return out;
    out += name;
    at = found + kPlace.size();
  }
}

Hides hidden_of(std::string_view collector) {
  for (const std::string_view one :
       {"connections", "sessions", "blocking", "transactions", "replication", "replica",
        "vacuum_progress", "index_progress", "statements", "overview", "activity"}) {
    if (one == collector) return Hides::statistics;
  }
  return collector == "settings" ? Hides::settings : Hides::nothing;
}

}  // namespace lyceum::watch
