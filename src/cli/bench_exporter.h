#pragma once

#include <memory>
#include <optional>
#include <string>

#include "local/descriptor.h"
#include "local/process.h"

namespace lyceum::cli {

// Debian's prometheus-postgres-exporter, running against one database until this object ends or
// this process does.
//
// What it reads: all that it reads by default (its default metrics with pg_settings, its collectors
// "database" and "bgwriter"), and by queries of its own form what we read beside it and what
// brings most of the figures: tables, indexes and statements. The columns of tables and statements
// are those of Debian's examples/queries.yaml, with the names that pg_stat_statements has had since
// PostgreSQL 13; those of indexes are pg_stat_user_indexes'. The example's pg_statio_user_tables
// and pg_process_idle are left out, which we do not read.
class Exporter {
 public:
  // Nothing where there is no such program on this machine.
  [[nodiscard]] static std::optional<std::string> find();
  // Errors: kIo where it does not start, kTimeout where it does not answer within ten seconds.
  [[nodiscard]] static Result<std::unique_ptr<Exporter>> start(const std::string& program,
                                                               const std::string& database_url);
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // One scrape: its metrics as text. Errors: kIo.
  [[nodiscard]] Result<std::string> scrape() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  Exporter() = default;
  void end();
  std::string queries_file_;
  local::Descriptor lifeline_;
  pid_t keeper_ = 0;
  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace lyceum::cli
