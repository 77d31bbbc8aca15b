#pragma once

#include <string>

#include "cli/progress_line.h"
#include "local/ephemeral.h"

namespace lyceum::cli {

// A server of its own with a database as the monitor's budgets name it: many tables, each with
// three indexes, a sequence and some rows, and many statements in pg_stat_statements. It ends with
// this object.
class LargeDatabase {
 public:
  // Error: the server does not start, or refuses the tables.
  [[nodiscard]] static Result<LargeDatabase> make(int tables, int statements,
                                                  ProgressLine& progress);

  [[nodiscard]] local::Server& server() { return cluster_.primary(); }
  [[nodiscard]] std::string url() { return server().url(); }
  [[nodiscard]] int tables() const { return tables_; }
  [[nodiscard]] int statements() const { return statements_; }

 private:
  LargeDatabase(local::Ephemeral place, local::Cluster cluster, int tables, int statements)
      : place_(std::move(place)),
        cluster_(std::move(cluster)),
        tables_(tables),
        statements_(statements) {}

  local::Ephemeral place_;
  local::Cluster cluster_;
  int tables_;
  int statements_;
};

}  // namespace lyceum::cli
