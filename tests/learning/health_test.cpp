#include "learning/health.h"

#include <gtest/gtest.h>

#include "school.h"

namespace lyceum::learning {
namespace {

TEST(Health, of_a_primary_is_what_the_server_says) {
  const auto& database = reading();
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto position = "select (pg_current_wal_lsn() - '0/0')::bigint";
    const auto before = integer(database.value(position));
    const auto is = co_await health(pool);
    const auto after = integer(database.value(position));
    EXPECT_TRUE(is.healthy);
    EXPECT_FALSE(is.error.has_value());
    EXPECT_GT(is.response_time, 0ns);
    EXPECT_EQ(is.pool.open, pool.figures().open);
    if (!is.server) {
      ADD_FAILURE() << "nothing of the server";
      co_return;
    }
    EXPECT_FALSE(is.server->in_recovery);
    EXPECT_FALSE(is.server->read_only);
    EXPECT_FALSE(is.server->lag_seconds().has_value());
    EXPECT_FALSE(is.server->received_lsn.has_value());
    EXPECT_FALSE(is.server->receiving);
    EXPECT_EQ(is.server->timeline, 1);
    EXPECT_GE(is.server->lsn, before);
    EXPECT_LE(is.server->lsn, after);
    EXPECT_EQ(std::to_string(is.server->server_version_num),
              database.value("show server_version_num"));
    EXPECT_EQ(micros(is.server->started_at),
              integer(database.value("select (extract(epoch from pg_postmaster_start_time()) * "
                                     "1000000)::bigint")));
  });
}

TEST(Health, is_bad_where_writes_are_refused) {
  const AppDatabase database;
  database.change(
      fmt::format("alter role {} set default_transaction_read_only = on", database.role()));
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto is = co_await health(pool);
    EXPECT_FALSE(is.healthy);
    EXPECT_TRUE(is.server && is.server->read_only);
    EXPECT_FALSE(is.error.has_value());
  });
}

TEST(Health, says_why_where_nobody_answers) {
  const auto& database = reading();
  auto target = database.target();
  target.set("dbname", "not_there");
  with_pool(target, [&](pool::Pool& pool) -> awaitable<void> {
    const auto is = co_await health(pool, std::chrono::steady_clock::now() + 5s);
    EXPECT_FALSE(is.healthy);
    EXPECT_FALSE(is.server.has_value());
    if (is.error) {
      EXPECT_NE(is.error->message.find("not_there"), std::string::npos) << is.error->to_string();
    } else {
      ADD_FAILURE() << "no reason";
    }
  });
}

}  // namespace
}  // namespace lyceum::learning
