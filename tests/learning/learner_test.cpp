#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <set>

#include "learning/batch_progress.h"
#include "learning/idempotency.h"
#include "learning/learner_deletion.h"
#include "learning/learner_export.h"
#include "learning/reviews.h"
#include "learning/story.h"
#include "side_by_side.h"

namespace lyceum::learning {
namespace {

// Events, attempts and answers for both learners, more than one batch of an export each, several at
// one moment; and an event of the second's in a session of the first's.
void fill(const AppDatabase& database, const Somebody& who, int each) {
  for (const auto& learner : {who.learner, who.second}) {
    database.change(fmt::format(
        R"(insert into exercises (tenant_id, id, story_id, exercise_type, difficulty_level)
             select tenant_id, md5('x' || id)::uuid, id, 'choice', 1 from stories
             where tenant_id = '{0}' order by id limit 1 on conflict do nothing;
           insert into exercise_attempts (tenant_id, id, user_id, exercise_id, is_correct, created_at)
             select '{0}', md5('{1}' || n)::uuid, '{1}', (select id from exercises where
               tenant_id = '{0}' limit 1), true, now() - n / 10 * interval '1 minute'
             from generate_series(1, {2}) n;
           insert into user_events (tenant_id, id, user_id, event_type, payload, created_at)
             select '{0}', md5('{1}' || n)::uuid, '{1}', 'e', jsonb_build_object('text', 'a"b', 'n', n),
               now() - n / 300 * interval '1 minute'
             from generate_series(1, {2}) n;
           insert into idempotency_keys (tenant_id, key, request_hash, response, user_id)
             select '{0}', '{1}' || n, '', '[]', '{1}' from generate_series(1, {2}) n;
           insert into user_events (tenant_id, id, user_id, session_id, event_type)
             select '{0}', gen_random_uuid(), '{1}', (select id from learning_sessions where
               user_id = '{3}' limit 1), 'e')",
        to_string(who.tenant), to_string(learner), each, to_string(who.learner)));
  }
}

const std::vector<std::pair<std::string, std::string>> kTables{
    {"progress", "progress"},
    {"vocabulary_progress", "user_vocabulary_progress"},
    {"sessions", "learning_sessions"},
    {"events", "user_events"},
    {"exercise_attempts", "exercise_attempts"},
    {"idempotency_keys", "idempotency_keys"}};

// The same rows as the server writes them, in any order.
std::multiset<std::string> texts_of(const boost::json::value& rows) {
  std::multiset<std::string> out;
  for (const auto& row : rows.as_array()) out.insert(boost::json::serialize(row));
  return out;
}
std::multiset<std::string> rows_of(const AppDatabase& database, const std::string& table,
                                   const Uuid& learner) {
  const std::string drop = table == "idempotency_keys" ? " - 'request_hash'" : "";
  return texts_of(boost::json::parse(database.value(
      fmt::format("select coalesce(jsonb_agg(to_jsonb(t) - 'tenant_id'{}), '[]') from {} t where "
                  "user_id = '{}'",
                  drop, table, to_string(learner)))));
}

TEST(LearnerExport, holds_everything_and_nothing_else) {
  const AppDatabase database;
  const Somebody who(database);
  fill(database, who, 1000);
  std::string document;
  std::size_t longest = 0;
  int pieces = 0;
  const ExportSink sink = [&](std::string_view piece) -> awaitable<Result<void>> {
    document += piece;
    longest = std::max(longest, piece.size());
    // What comes after the first piece is not of its moment.
    if (++pieces == 1) {
      database.change(
          fmt::format("insert into user_events (tenant_id, id, user_id, event_type) values ('{}', "
                      "gen_random_uuid(), '{}', 'too late')",
                      to_string(who.tenant), to_string(who.learner)));
    }
    co_return Result<void>{};
  };
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto done =
        co_await export_learner({.database = pool, .tenant = who.tenant}, who.learner, sink);
    EXPECT_TRUE(done) << done.error().to_string();
    if (done) EXPECT_EQ(done->bytes, static_cast<std::int64_t>(document.size()));
    if (done) EXPECT_GT(done->rows, 3000);
  });
  database.change("delete from user_events where event_type = 'too late'");
  EXPECT_GT(pieces, 15);
  EXPECT_LT(longest, document.size() / 5);
  const auto parsed = boost::json::parse(document);
  EXPECT_EQ(parsed.as_object().size(), 7U);
  EXPECT_EQ(parsed.at("learner").at("id").as_string(), to_string(who.learner));
  for (const auto& [name, table] : kTables) {
    EXPECT_GT(parsed.at(name).as_array().size(), 0U) << name;
    EXPECT_TRUE(texts_of(parsed.at(name)) == rows_of(database, table, who.learner)) << name;
  }
}

TEST(LearnerExport, ends_with_its_sink_and_tells_nothing_of_strangers) {
  const AppDatabase database;
  const Somebody who(database);
  int pieces = 0;
  const ExportSink sink = [&](std::string_view) -> awaitable<Result<void>> {
    if (++pieces == 2) co_return Error{.code = ErrorCode::kIo, .message = "went away"};
    co_return Result<void>{};
  };
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    expect_code(co_await export_learner(scope, who.learner, sink), ErrorCode::kIo, "went away");
    EXPECT_EQ(pieces, 2);
    expect_code(co_await export_learner(scope, who.other_learner, sink), ErrorCode::kNotFound);
    EXPECT_EQ(pieces, 2);
    const ExportSink throwing = [](std::string_view) -> awaitable<Result<void>> {
      throw std::runtime_error("thrown");
      co_return Result<void>{};
    };
    bool thrown = false;
    try {
      (void)co_await export_learner(scope, who.learner, throwing);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    EXPECT_TRUE(co_await check_learner(scope, who.learner));
  });
}

TEST(LearnerDeletion, removes_all_of_one_and_nothing_of_others) {
  const AppDatabase database;
  const Somebody who(database);
  fill(database, who, 300);
  const auto others = [&] {
    std::string out;
    for (const auto& [name, table] : kTables) {
      const auto row = table == "user_events" ? "(to_jsonb(t) - 'session_id')::text" : "t::text";
      out += database.value(fmt::format(
          "select count(*) || md5(string_agg({0}, ',' order by {0})) from {1} t where user_id is "
          "distinct from '{2}'",
          row, table, to_string(who.learner)));
    }
    return out + database.value("select count(*) from users");
  };
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    expect_code(co_await delete_learner(scope, who.other_learner), ErrorCode::kNotFound);
    const auto word = uuid(database.value("select id from vocabulary limit 1"));
    EXPECT_TRUE(co_await review_vocabulary(scope, who.learner, {{word, 3, {}}}, "mine"));
    EXPECT_EQ(database.value("select user_id from idempotency_keys where key = 'mine'"),
              to_string(who.learner));
    database.change("delete from users where false");
    const auto kept = others();
    std::map<std::string, std::int64_t> ought;
    for (const auto& [name, table] : kTables) {
      ought[name] = integer(database.value(fmt::format(
          "select count(*) from {} where user_id = '{}'", table, to_string(who.learner))));
      EXPECT_GT(ought[name], 0) << name;
    }
    const auto gone = co_await delete_learner(scope, who.learner);
    EXPECT_TRUE(gone) << gone.error().to_string();
    if (!gone) co_return;
    EXPECT_EQ(gone->learners, 1);
    EXPECT_EQ(gone->progress, ought["progress"]);
    EXPECT_EQ(gone->vocabulary_progress, ought["vocabulary_progress"]);
    EXPECT_EQ(gone->sessions, ought["sessions"]);
    EXPECT_EQ(gone->events, ought["events"]);
    EXPECT_EQ(gone->exercise_attempts, ought["exercise_attempts"]);
    EXPECT_EQ(gone->idempotency_keys, ought["idempotency_keys"]);
    for (const auto& [name, table] : kTables) {
      EXPECT_EQ(database.value(fmt::format("select count(*) from {} where user_id = '{}'", table,
                                           to_string(who.learner))),
                "0");
    }
    database.change(fmt::format(
        "insert into users (tenant_id, id, email) values ('{}', gen_random_uuid(), 'x@y.z')",
        to_string(who.tenant)));
    EXPECT_EQ(others(), kept);  // one came for the one who went
    expect_code(co_await delete_learner(scope, who.learner), ErrorCode::kNotFound);
  });
}

// Batches for the learner at the same time are stored before and removed, or refused; nothing is
// left, and nobody waits for ever.
TEST(LearnerDeletion, leaves_nothing_while_others_write) {
  const AppDatabase database;
  const Somebody who(database);
  std::vector<Uuid> stories;
  for (const auto& row :
       database.query(fmt::format("select id from stories where tenant_id = '{}' order by id limit "
                                  "40",
                                  to_string(who.tenant)))) {
    stories.push_back(uuid(row[0]));
  }
  const auto word = uuid(database.value("select id from vocabulary limit 1"));
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    std::atomic<bool> deleted = false;
    const std::function<awaitable<void>(std::size_t)> work =
        [&](std::size_t worker) -> awaitable<void> {
      if (worker == 0) {
        for (int i = 0; i < 3; ++i) (void)co_await check_learner(scope, who.second);
        const auto gone = co_await delete_learner(scope, who.learner);
        EXPECT_TRUE(gone) << gone.error().to_string();
        deleted = true;
        co_return;
      }
      while (!deleted) {
        if (worker % 2 == 0) {
          const auto outcome = co_await review_vocabulary(scope, who.learner, {{word, 3, {}}});
          if (outcome.has_error()) expect_code(outcome, ErrorCode::kNotFound);
          continue;
        }
        std::vector<ProgressUpdate> batch;
        for (const auto& story : stories) {
          batch.push_back({.user_id = who.learner, .story_id = story, .time_spent = 1});
        }
        const auto outcome = co_await batch_progress(scope, batch);
        if (outcome.has_error()) expect_code(outcome, ErrorCode::kNotFound);
      }
    };
    co_await all_together(5, work);
  });
  for (const auto& [name, table] : kTables) {
    EXPECT_EQ(database.value(fmt::format("select count(*) from {} where user_id = '{}'", table,
                                         to_string(who.learner))),
              "0")
        << table;
  }
}

TEST(Idempotency, prunes_what_is_older_and_nothing_else) {
  const AppDatabase database;
  const Somebody who(database);
  for (const auto& tenant : {who.tenant, who.other_tenant}) {
    database.change(fmt::format(
        "insert into idempotency_keys (tenant_id, key, request_hash, response, created_at) select "
        "'{}', n::text, '', '[]', now() - n * interval '1 hour' from generate_series(0, 99) n",
        to_string(tenant)));
  }
  const auto left = [&](const Uuid& tenant) {
    return database.value(fmt::format(
        "select count(*) || ' ' || max(key::int) from idempotency_keys where tenant_id = '{}'",
        to_string(tenant)));
  };
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    for (const auto& bad :
         {Pruning{.older_than = 59s}, Pruning{.older_than = std::chrono::seconds::max()},
          Pruning{.older_than = -1h}, Pruning{.rows_each = 0}, Pruning{.rows_each = 10'001},
          Pruning{.most_statements = 0}}) {
      expect_code(co_await prune_idempotency_keys(scope, bad), ErrorCode::kBadInput);
    }
    auto some = co_await prune_idempotency_keys(
        scope, {.older_than = 48h, .rows_each = 7, .most_statements = 3});
    EXPECT_TRUE(some && some->removed == 21 && !some->finished);
    EXPECT_EQ(left(who.tenant), "79 78");  // the oldest first
    some = co_await prune_idempotency_keys(scope, {.older_than = 48h, .rows_each = 7});
    EXPECT_TRUE(some && some->removed == 31 && some->finished);
    some = co_await prune_idempotency_keys(scope);
    EXPECT_TRUE(some && some->removed == 24);
    EXPECT_EQ(left(who.tenant), "24 23");
    EXPECT_EQ(left(who.other_tenant), "100 99");
  });
}

TEST(StoryDetail, is_what_the_table_has) {
  const AppDatabase database;
  const Somebody who(database);
  const auto rows = database.query(fmt::format(
      "select s.id, s.title, s.content, s.licence, s.published, s.view_count, "
      "p.completion_percentage, p.time_spent, s.level, s.difficulty_score from stories s left join "
      "progress p on p.story_id = s.id and p.user_id = '{}' where s.tenant_id = '{}' order by "
      "p.user_id is null, s.id limit 60",
      to_string(who.learner), to_string(who.tenant)));
  const auto foreign = uuid(database.value(
      fmt::format("select id from stories where tenant_id = '{}' and published limit 1",
                  to_string(who.other_tenant))));
  int opened = 0, hidden = 0;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    for (const auto& row : rows) {
      const auto plain = co_await story(scope, uuid(row[0]));
      const auto got = co_await story(scope, uuid(row[0]), who.learner);
      if (row[4] == "f") {
        expect_code(plain, ErrorCode::kNotFound, row[0]);
        expect_code(got, ErrorCode::kNotFound, row[0]);
        ++hidden;
        continue;
      }
      EXPECT_TRUE(plain && got);
      if (!plain || !got) co_return;
      EXPECT_FALSE(plain->story.completion_percentage);
      EXPECT_EQ(got->story.title, row[1]);
      EXPECT_EQ(got->content, row[2]);
      EXPECT_EQ(got->story.licence, row[3]);
      EXPECT_EQ(got->story.view_count, integer(row[5]));
      EXPECT_EQ(got->story.level, row[8]);
      EXPECT_EQ(got->story.difficulty_score, real(row[9]));
      EXPECT_EQ(got->story.completion_percentage.has_value(), row[6] != lyceum::testing::kNull);
      if (got->story.completion_percentage) {
        EXPECT_EQ(*got->story.completion_percentage, integer(row[6]));
        EXPECT_EQ(*got->story.time_spent, integer(row[7]));
        ++opened;
      }
    }
    expect_code(co_await story(scope, foreign), ErrorCode::kNotFound);
    const auto published = database.value(
        fmt::format("select id from stories where tenant_id = '{}' and published limit 1",
                    to_string(who.tenant)));
    expect_code(co_await story(scope, uuid(published), who.other_learner), ErrorCode::kNotFound,
                to_string(who.other_learner));
  });
  EXPECT_GT(opened, 3);
  EXPECT_GT(hidden, 0);
}

}  // namespace
}  // namespace lyceum::learning
