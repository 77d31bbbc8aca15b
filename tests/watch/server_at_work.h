#pragma once

#include <fmt/format.h>
#include <random>

#include "watch/history_run.h"

namespace lyceum::watch {

inline constexpr std::int64_t kTables = 500;
inline constexpr std::int64_t kIndexes = 1500;
inline constexpr std::int64_t kStatements = 500;

// A server at work, as its collectors see it: a tenth of the tables, some more of the indexes and a
// third of the statements are in use, the rest is idle.
class ServerAtWork {
 public:
  ServerAtWork() {
    for (std::int64_t i = 0; i < 60; ++i) {
      queries_.push_back(fmt::format(
          "SELECT s.id, s.title, p.progress FROM stories s LEFT JOIN progress p ON p.story_id = "
          "s.id AND p.learner_id = $1 WHERE s.tenant_id = $2 AND s.level = $3 AND s.kind = {} "
          "ORDER BY s.created_at DESC, s.id LIMIT $4",
          i));
    }
  }

  // What is read of it at that second, every few seconds and every few minutes.
  std::vector<Sample> fast(double now) {
    std::vector<Sample> out;
    const auto some = [&](std::int64_t most) { return below(most); };
    append(out, now, "server",
           {{{"version", i(150'004)},
             {"started_at", 1767000000.123456},
             {"in_recovery", i(0)},
             {"timeline", i(1)},
             {"statements_version", s("1.10")},
             {"autovacuum", i(1)}}});
    append(out, now, "connections",
           {{{"used", 40 + some(5)},
             {"usable", i(97)},
             {"max", i(100)},
             {"active", some(8)},
             {"idle", 30 + some(8)},
             {"idle_in_transaction", some(3)},
             {"waiting_for_lock", some(2)}}});
    Rows sessions;
    for (const auto* state : {"active", "idle", "idle in transaction"}) {
      for (const auto* event : {"ClientRead", "DataFileRead", "WALSync", "transactionid"}) {
        if (below(3) == 0) continue;
        sessions.push_back({{"database", s("lyceum")},
                            {"state", s(state)},
                            {"wait_event_type", s("Client")},
                            {"wait_event", s(event)},
                            {"connection_count", 1 + some(20)},
                            {"max_duration_seconds", micros(below(300'000'000))}});
      }
    }
    append(out, now, "sessions", sessions);
    Rows blocking;
    if (below(10) == 0) {
      for (int k = 0; k < 3; ++k) {
        blocking.push_back({{"pid", 1000 + some(90)},
                            {"blocked_by", s("1017")},
                            {"depth", i(1)},
                            {"waiting_seconds", micros(below(5'000'000))},
                            {"database", s("lyceum")},
                            {"user", s("lyceum_app")},
                            {"application", s("lyceum")},
                            {"state", s("active")},
                            {"lock_type", s("transactionid")},
                            {"mode", s("ShareLock")},
                            {"query", query()}});
      }
    }
    append(out, now, "blocking", blocking);
    Rows transactions;
    for (int k = 0; k < 8; ++k) {
      transactions.push_back({{"holder", s(std::to_string(1000 + below(90)))},
                              {"kind", s("session")},
                              {"database", s("lyceum")},
                              {"user", s("lyceum_app")},
                              {"application", s("lyceum")},
                              {"state", s("active")},
                              {"transaction_seconds", micros(below(2'000'000))},
                              {"state_seconds", micros(below(2'000'000))},
                              {"snapshot_age", some(300)},
                              {"holds_oldest", i(k == 0 ? 1 : 0)},
                              {"query", query()}});
    }
    append(out, now, "transactions", transactions);
    position_ += below(50'000'000);
    append(out, now, "wal",
           {{{"position_bytes", position_},
             {"records", position_ / 80},
             {"full_page_images", position_ / 9000},
             {"bytes", position_ - 12'345},
             {"buffers_full", position_ / 1'000'000}}});
    append(out, now, "checkpoints",
           {{{"timed", static_cast<std::int64_t>(now / 300)},
             {"requested", i(3)},
             {"write_ms", 1000.0 * std::floor(now / 300)},
             {"sync_ms", 12.0},
             {"buffers_checkpoint", static_cast<std::int64_t>(now / 300) * 812},
             {"buffers_clean", position_ / 40'000},
             {"maxwritten_clean", i(0)},
             {"buffers_backend", position_ / 20'000},
             {"buffers_alloc", position_ / 10'000}}});
    Rows io;
    for (int k = 0; k < 30; ++k) {
      auto& reads = io_[static_cast<std::size_t>(k)];
      if (k % 4 == 0) reads += below(2000);
      io.push_back({{"backend_type", s("type " + std::to_string(k / 6))},
                    {"object", s("relation")},
                    {"context", s("context " + std::to_string(k % 6))},
                    {"reads", reads},
                    {"read_bytes", reads * 8192},
                    {"read_ms", static_cast<double>(reads) * 0.013},
                    {"writes", reads / 3},
                    {"write_bytes", reads / 3 * 8192},
                    {"write_ms", static_cast<double>(reads) * 0.007},
                    {"extends", reads / 50},
                    {"hits", reads * 90},
                    {"evictions", reads / 4},
                    {"fsyncs", i(0)}});
    }
    append(out, now, "io", io);
    Rows replication;
    for (std::int64_t k = 0; k < 2; ++k) {
      replication.push_back({{"application", s("replica " + std::to_string(k))},
                             {"pid", 500 + k},
                             {"state", s("streaming")},
                             {"sync_state", s("async")},
                             {"sent_lag_bytes", below(9000)},
                             {"flush_lag_bytes", below(90'000)},
                             {"replay_lag_bytes", below(90'000)},
                             {"replay_lag_seconds", micros(below(20'000))}});
    }
    append(out, now, "replication", replication);
    append(out, now, "replica", {});
    append(out, now, "slots",
           {{{"slot", s("one")},
             {"type", s("physical")},
             {"active", i(1)},
             {"wal_status", s("reserved")},
             {"retained_bytes", below(90'000)}}});
    append(out, now, "vacuum_progress", {});
    append(out, now, "index_progress", {});
    return out;
  }

  std::vector<Sample> slow(double now) {
    std::vector<Sample> out;
    Rows tables, indexes, statements;
    for (std::int64_t k = 0; k < kTables; ++k) {
      auto& work = tables_[static_cast<std::size_t>(k)];
      if (k % 10 == 0) work += below(3000);
      if (k % 10 == 0 && below(12) == 0) vacuumed_[static_cast<std::size_t>(k)] = now;
      const double vacuumed = vacuumed_[static_cast<std::size_t>(k)];
      tables.push_back({{"schemaname", s("public")},
                        {"relname", s(fmt::format("table_of_things_{}", k))},
                        {"inserts", work},
                        {"updates", work * 3},
                        {"hot_updates", work * 2},
                        {"deletes", work / 9},
                        {"live_tuples", 1000 * k + work},
                        {"dead_tuples", work % 977},
                        {"modified_since_analyze", work % 1801},
                        {"inserted_since_vacuum", work % 631},
                        {"vacuum_threshold", 50.0 + 0.2 * static_cast<double>(1000 * k)},
                        {"insert_threshold", 1000.0 + 0.2 * static_cast<double>(1000 * k)},
                        {"analyze_threshold", 50.0 + 0.1 * static_cast<double>(1000 * k)},
                        {"autovacuum_enabled", i(1)},
                        {"last_autovacuum", 1767000000.5 + vacuumed},
                        {"last_autoanalyze", 1767000000.7 + vacuumed},
                        {"seconds_since_autovacuum",
                         micros(static_cast<std::int64_t>((now - vacuumed) * 1e6) + 77)},
                        {"vacuums", i(0)},
                        {"autovacuums", k},
                        {"seq_scans", work / 700},
                        {"seq_rows_read", work / 700 * 1000},
                        {"idx_scans", work * 5},
                        {"idx_rows_fetched", work * 6},
                        {"size_bytes", 8192 * (k + work / 100)},
                        {"indexes_bytes", 8192 * k},
                        {"toast_bytes", i(8192)},
                        {"xid_age", static_cast<std::int64_t>(now * 10) + k * 31},
                        {"multixact_age", i(12)}});
    }
    for (std::int64_t k = 0; k < kIndexes; ++k) {
      const auto table = k / 3;
      auto& work = indexes_[static_cast<std::size_t>(k)];
      if (table % 10 == 0) work += below(900);
      indexes.push_back(
          {{"schemaname", s("public")},
           {"relname", s(fmt::format("table_of_things_{}", table))},
           {"indexrelname", s(fmt::format("table_of_things_{}_by_{}", table, k % 3))},
           {"idx_scan", work},
           {"idx_tup_read", work * 12},
           {"idx_tup_fetch", work * 11},
           {"size_bytes", 8192 * (k + work / 1000)},
           {"valid", i(1)},
           {"constrains", i(k % 3 == 0)},
           {"definition",
            s(fmt::format("CREATE INDEX table_of_things_{0}_by_{1} ON public.table_of_things_{0} "
                          "USING btree (tenant_id, column_{1}, created_at DESC, id)",
                          table, k % 3))}});
    }
    for (std::int64_t k = 0; k < kStatements; ++k) {
      auto& calls = calls_[static_cast<std::size_t>(k)];
      auto& time = time_[static_cast<std::size_t>(k)];
      if (k % 3 == 0) {
        const auto more = 1 + below(5000);
        calls += more;
        // Not a number of few digits, as a sum of many is not.
        time += static_cast<double>(more) * 0.1234567 / 3;
      }
      const auto mean = calls == 0 ? 0 : time / static_cast<double>(calls);
      statements.push_back(
          {{"queryid",
            static_cast<std::int64_t>(static_cast<std::uint64_t>(k) * 0x0123'4567'89ab'cdef)},
           {"user", s("lyceum_app")},
           {"toplevel", i(1)},
           {"query", s(fmt::format("{} /* {} */", queries_[static_cast<std::size_t>(k) % 60], k))},
           {"calls", calls},
           {"total_exec_time", time},
           {"min_exec_time", 0.0123},
           {"max_exec_time", 12.345},
           {"mean_exec_time", mean},
           {"stddev_exec_time", mean / 7},
           {"rows", calls * 20},
           {"hit_percent", 99.0 + mean / 1000},
           {"shared_blks_hit", calls * 40},
           {"shared_blks_read", calls / 10},
           {"shared_blks_dirtied", calls / 20},
           {"shared_blks_written", i(0)},
           {"temp_blks_read", i(0)},
           {"temp_blks_written", i(0)},
           {"block_read_ms", time / 5},
           {"block_write_ms", 0.0},
           {"plans", i(0)},
           {"total_plan_time", 0.0},
           {"wal_bytes", calls * 130}});
    }
    append(out, now, "tables", tables, "lyceum");
    append(out, now, "indexes", indexes, "lyceum");
    append(out, now, "statements", statements, "lyceum");
    return out;
  }

 private:
  using Named = std::vector<std::pair<std::string_view, Value>>;
  using Rows = std::vector<Named>;

  static Value i(std::int64_t value) { return value; }
  static Value s(std::string value) { return value; }
  static Value micros(std::int64_t value) { return static_cast<double>(value) / 1e6; }
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(end));
  }
  Value query() { return queries_[static_cast<std::size_t>(below(60))]; }

  static void append(std::vector<Sample>& samples, double now, const std::string& collector,
                     const Rows& rows, const std::string& database = "") {
    auto& sample = samples.emplace_back();
    sample = {.source = {collector, "one:5432", database}, .at = at_second(now), .epoch = 1};
    for (const auto& row : rows) sample.rows.push_back(row_of(collector, row));
  }

  std::mt19937_64 random_{1};
  std::vector<std::string> queries_;
  std::int64_t position_ = 1'000'000'000'000;
  std::vector<std::int64_t> io_ = std::vector<std::int64_t>(30, 1'000'000);
  std::vector<std::int64_t> tables_ = std::vector<std::int64_t>(kTables, 100'000);
  std::vector<double> vacuumed_ = std::vector<double>(kTables, -100'000);
  std::vector<std::int64_t> indexes_ = std::vector<std::int64_t>(kIndexes, 100'000);
  std::vector<std::int64_t> calls_ = std::vector<std::int64_t>(kStatements, 100'000);
  std::vector<double> time_ = std::vector<double>(kStatements, 12'345.6);
};

}  // namespace lyceum::watch
