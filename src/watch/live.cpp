#include "watch/live.h"

namespace lyceum::watch {

using enum Kind;

const Collector& overview() {
  static const Collector collector = {
      .name = "overview",
      .meaning = "connections, work and log of a server",
      .scope = Scope::node,
      .pace = Pace::fast,
      .columns = {{"in_recovery", gauge, "1 on a replica"},
                  {"used", gauge, "client backends"},
                  {"usable", gauge, "max_connections less what is reserved for superusers"},
                  {"active", gauge, "backends that run a statement"},
                  {"waiting_for_lock", gauge, "backends that wait for a heavyweight lock"},
                  {"commits", counter, "transactions committed"},
                  {"rollbacks", counter, "transactions rolled back"},
                  {"blocks_hit", counter, "blocks found in shared buffers"},
                  {"blocks_read", counter, "blocks asked of the system"},
                  {"wal_bytes", counter, "position in the log: written, or received"},
                  {"lag_seconds", gauge, "how old what it shows is; nothing on a primary"},
                  {"up_seconds", gauge, "since the server started"}}};
  return collector;
}

const Collector& activity() {
  static const Collector collector = {
      .name = "activity",
      .meaning = "sessions, one by one",
      .scope = Scope::node,
      .pace = Pace::fast,
      .columns = {{"pid", key, "the backend"},
                  {"database", text, "database"},
                  {"user", text, "role"},
                  {"application", text, "application_name"},
                  {"client", text, "its address, or local"},
                  {"backend_type", text, "as pg_stat_activity.backend_type"},
                  {"state", text, "as pg_stat_activity.state"},
                  {"wait", text, "type and name of what it waits for"},
                  {"seconds", gauge, "since its statement began, or its state changed"},
                  {"transaction_seconds", gauge, "since its transaction began"},
                  {"blocked_by", text, "pids that it waits for, separated by commas"},
                  {"query", text, "its statement, at most 1000 characters"}}};
  return collector;
}

}  // namespace lyceum::watch
