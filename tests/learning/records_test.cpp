#include <gtest/gtest.h>

#include "learning/events.h"
#include "learning/sessions.h"
#include "side_by_side.h"

namespace lyceum::learning {
namespace {

using std::chrono::minutes;

Uuid made(Dice& dice) {
  Uuid out;
  for (auto& byte : out.data) byte = static_cast<std::uint8_t>(dice.roll(256));
  return out;
}

std::string state(const AppDatabase& database) {
  return database.value(
      "select (select md5(string_agg(s::text, ',' order by s::text)) from learning_sessions s) || "
      "coalesce((select md5(string_agg(e::text, ',' order by e::text)) from user_events e), '')");
}

TEST(Sessions, are_stored_once_and_never_go_back) {
  const AppDatabase database;
  const Somebody who(database);
  struct Stored {
    Uuid user;
    Timestamp start;
    std::optional<Timestamp> end;
    std::int32_t minutes = 0;
  };
  std::map<Uuid, Stored> model;
  std::vector<Uuid> ids(80);
  Dice dice(111);
  for (auto& id : ids) {
    id = made(dice);
    model[id] = {
        dice.chance(50) ? who.learner : who.second, kPresent - minutes(dice.roll(100'000)), {}, -1};
  }
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) {
      std::vector<SessionRecord> batch(1 + dice.roll(30));
      std::map<Uuid, Stored> touched;
      for (auto& row : batch) {
        row.id = dice.pick(ids);
        auto& stored = model[row.id];
        if (!touched.contains(row.id)) touched[row.id] = stored;
        row.user_id = stored.user;
        row.started_at = stored.start;
        if (dice.chance(50)) row.completed_at = stored.start + minutes(dice.roll(90));
        row.duration_minutes = static_cast<std::int32_t>(dice.roll(90));
        if (row.completed_at) stored.end = std::max(stored.end, row.completed_at);
        stored.minutes = std::max(stored.minutes, row.duration_minutes);
      }
      std::int64_t changed = 0;
      for (const auto& [id, was] : touched) {
        changed += was.end != model[id].end || was.minutes != model[id].minutes ? 1 : 0;
      }
      const auto got = co_await record_sessions(scope, batch);
      EXPECT_TRUE(got) << got.error().to_string();
      if (!got) co_return;
      EXPECT_EQ(got->received, static_cast<std::int64_t>(batch.size()));
      EXPECT_EQ(got->written, changed);
      const auto again = co_await record_sessions(scope, batch);
      EXPECT_TRUE(again && again->written == 0);
    }
  });
  for (const auto& [id, ought] : model) {
    const auto rows = database.query(fmt::format(
        "select user_id, extract(epoch from started_at) * 1000000, extract(epoch from "
        "completed_at) * 1000000, duration_minutes from learning_sessions where id = '{}'",
        to_string(id)));
    if (ought.minutes < 0) {
      EXPECT_TRUE(rows.empty());
      continue;
    }
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(uuid(rows[0][0]), ought.user);
    EXPECT_EQ(integer(rows[0][1]), micros(ought.start));
    EXPECT_EQ(rows[0][2] == lyceum::testing::kNull, !ought.end);
    if (ought.end) EXPECT_EQ(integer(rows[0][2]), micros(*ought.end));
    EXPECT_EQ(integer(rows[0][3]), ought.minutes);
  }
}

TEST(Sessions, refuse_what_cannot_be_and_write_nothing) {
  const AppDatabase database;
  const Somebody who(database);
  Dice dice(112);
  const auto taken = uuid(database.value(fmt::format(
      "select id from learning_sessions where user_id = '{}' limit 1", to_string(who.second))));
  const auto before = state(database);
  const SessionRecord good{.id = made(dice), .user_id = who.learner, .started_at = kPresent};
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    const auto send = [&](SessionRecord bad) {
      return record_sessions(scope, std::vector{good, bad});
    };
    auto bad = good;
    bad.duration_minutes = -1;
    expect_code(co_await send(bad), ErrorCode::kBadInput, "session 2");
    bad = good;
    bad.completed_at = kPresent - 1us;
    expect_code(co_await send(bad), ErrorCode::kBadInput, "session 2");
    for (const auto time : {Timestamp::min(), Timestamp::max()}) {
      bad = good;
      bad.started_at = time;
      expect_code(co_await send(bad), ErrorCode::kBadInput, "session 2");
      bad = good;
      bad.completed_at = time;
      expect_code(co_await send(bad), ErrorCode::kBadInput, "session 2");
    }
    bad = good;
    bad.user_id = who.other_learner;
    bad.id = made(dice);
    expect_code(co_await send(bad), ErrorCode::kNotFound, to_string(who.other_learner));
    bad = good;
    bad.id = taken;
    expect_code(co_await send(bad), ErrorCode::kConflict, to_string(taken));
    bad = good;
    bad.started_at += 1us;
    expect_code(co_await send(bad), ErrorCode::kConflict, to_string(good.id));
    expect_code(co_await record_sessions(scope, std::vector(10'001, good)), ErrorCode::kBadInput);
    expect_code(co_await record_sessions({.database = pool, .tenant = made(dice)}, {good}),
                ErrorCode::kNotFound);
    expect_code(co_await record_sessions({.database = pool, .tenant = made(dice)}, {}),
                ErrorCode::kNotFound);
    const auto none = co_await record_sessions(scope, {});
    EXPECT_TRUE(none && none->received == 0 && none->written == 0);
    EXPECT_EQ(state(database), before);

    std::vector<SessionRecord> most(kMostSessions, good);
    for (auto& session : most) session.id = made(dice);
    const auto all = co_await record_sessions(scope, most);
    EXPECT_TRUE(all && all->written == 10'000);
  });
}

// One id and two learners at the same moment: one of them has it, and the other is told.
TEST(Sessions, of_one_id_at_once_have_one_learner) {
  const AppDatabase database;
  const Somebody who(database);
  Dice dice(113);
  with_pool(database,
            [&](pool::Pool& pool) -> awaitable<void> {
              const Scope scope{.database = pool, .tenant = who.tenant};
              for (int round = 0; round < 20; ++round) {
                const auto shared = made(dice);
                const Uuid own[2] = {made(dice), made(dice)};
                int stored = 0;
                const std::function<awaitable<void>(std::size_t)> send =
                    [&](std::size_t worker) -> awaitable<void> {
                  const auto user = worker == 0 ? who.learner : who.second;
                  const auto got = co_await record_sessions(
                      scope, {{.id = own[worker], .user_id = user, .started_at = kPresent},
                              {.id = shared, .user_id = user, .started_at = kPresent}});
                  if (got) {
                    ++stored;
                  } else {
                    expect_code(got, ErrorCode::kConflict, to_string(shared));
                  }
                };
                co_await all_together(2, send);
                EXPECT_EQ(stored, 1);
                EXPECT_EQ(database.value(fmt::format(
                              "select count(*) from learning_sessions where id in ('{}', '{}', "
                              "'{}')",
                              to_string(shared), to_string(own[0]), to_string(own[1]))),
                          "2");
              }
            },
            {.lanes = 2, .lane_depth = 1});
}

TEST(Events, are_stored_once) {
  const AppDatabase database;
  const Somebody who(database);
  Dice dice(114);
  const auto session = uuid(database.value(fmt::format(
      "select id from learning_sessions where user_id = '{}' limit 1", to_string(who.learner))));
  const std::vector<std::string> payloads{"{}",
                                          "[1, 2.5, null]",
                                          "\"\\u00e9\"",
                                          "{\"a\": {\"b\": [true]}}",
                                          "-0.5e-3",
                                          "1e300",
                                          "\"" + std::string(kLongestPayload - 2, 'x') + "\""};
  std::vector<EventRecord> all;
  for (int i = 0; i < 300; ++i) {
    EventRecord event{.id = made(dice),
                      .user_id = who.learner,
                      .event_type = std::string(1 + dice.roll(100), 'e'),
                      .payload = dice.pick(payloads)};
    if (dice.chance(50)) event.session_id = session;
    if (dice.chance(50)) event.created_at = kPresent - minutes(dice.roll(100'000));
    all.push_back(event);
  }
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    // The first 200, with some twice; then all: 100 are new.
    std::vector<EventRecord> first(all.begin(), all.begin() + 200);
    for (std::size_t i = 0; i < 20; ++i) first.push_back(all[i]);
    auto got = co_await record_events(scope, first);
    EXPECT_TRUE(got) << got.error().to_string();
    EXPECT_TRUE(got && got->received == 220 && got->written == 200);
    const auto stands = state(database);
    auto changed = first;
    for (auto& event : changed) event.event_type = "other";
    got = co_await record_events(scope, changed);
    EXPECT_TRUE(got && got->written == 0);
    EXPECT_EQ(state(database), stands);
    got = co_await record_events(scope, all);
    EXPECT_TRUE(got && got->received == 300 && got->written == 100);
  });
  for (std::size_t i = 0; i < all.size(); i += 7) {
    const auto& event = all[i];
    const auto rows = database.query(fmt::format(
        "select user_id, coalesce(session_id::text, ''), event_type, payload = {}::jsonb, "
        "extract(epoch from created_at) * 1000000 from user_events where id = '{}'",
        learning::quoted(event.payload), to_string(event.id)));
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(uuid(rows[0][0]), event.user_id);
    EXPECT_EQ(rows[0][1], event.session_id ? to_string(*event.session_id) : "");
    EXPECT_EQ(rows[0][2], event.event_type);
    EXPECT_EQ(rows[0][3], "t");
    if (event.created_at) EXPECT_EQ(integer(rows[0][4]), micros(*event.created_at));
  }
}

TEST(Events, refuse_what_cannot_be_and_write_nothing) {
  const AppDatabase database;
  const Somebody who(database);
  Dice dice(115);
  const auto session_of = [&](const Uuid& user) {
    return uuid(database.value(fmt::format(
        "select id from learning_sessions where user_id = '{}' limit 1", to_string(user))));
  };
  const auto others_session = session_of(who.second);
  const auto foreign_session = session_of(who.other_learner);
  const auto taken = made(dice);
  database.change(fmt::format(
      "insert into user_events (tenant_id, id, user_id, event_type) values ('{}', '{}', '{}', 'x')",
      to_string(who.tenant), to_string(taken), to_string(who.second)));
  const auto before = state(database);
  const EventRecord good{.id = made(dice), .user_id = who.learner, .event_type = "opened"};
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    const auto send = [&](EventRecord bad) { return record_events(scope, std::vector{good, bad}); };
    auto bad = good;
    for (const auto& type :
         {std::string(), std::string(101, 'e'), std::string("a\0b", 3), std::string("\xFF")}) {
      bad.event_type = type;
      expect_code(co_await send(bad), ErrorCode::kBadInput, "event 2");
    }
    for (const auto& payload :
         {std::string(), std::string("{"), std::string("{}x"), std::string("nan"),
          std::string("\"a\0b\"", 5), std::string("\"\xFF\""), std::string(R"("\u0000")"),
          std::string(R"({"\u0000": 1})"), std::string(R"("\ud800")"),
          std::string(33, '[') + std::string(33, ']'),
          std::string("\"") + std::string(kLongestPayload, 'x') + "\""}) {
      bad = good;
      bad.payload = payload;
      expect_code(co_await send(bad), ErrorCode::kBadInput, "event 2");
    }
    bad = good;
    bad.payload = "1e999999";
    expect_code(co_await send(bad), ErrorCode::kBadInput);
    for (const auto time : {Timestamp::min(), Timestamp::max()}) {
      bad = good;
      bad.created_at = time;
      expect_code(co_await send(bad), ErrorCode::kBadInput, "event 2");
    }
    bad = good;
    bad.user_id = who.other_learner;
    expect_code(co_await send(bad), ErrorCode::kNotFound, to_string(who.other_learner));
    for (const auto& session : {others_session, foreign_session, made(dice)}) {
      bad = good;
      bad.session_id = session;
      expect_code(co_await send(bad), ErrorCode::kNotFound, to_string(session));
    }
    bad = good;
    bad.id = taken;
    expect_code(co_await send(bad), ErrorCode::kConflict, to_string(taken));
    expect_code(co_await record_events(scope, std::vector(10'001, good)), ErrorCode::kBadInput);
    expect_code(co_await record_events({.database = pool, .tenant = made(dice)}, {}),
                ErrorCode::kNotFound);
    EXPECT_EQ(state(database), before);
  });
}

}  // namespace
}  // namespace lyceum::learning
