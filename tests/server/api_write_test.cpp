// What is written over the data API stands in the tables, once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api_programs.h"

namespace lyceum::server {
namespace {

json::value row_of(const AppDatabase& database, const std::string& table,
                   const std::string& where) {
  return query_json(
      database.url(),
      fmt::format("select coalesce(jsonb_agg(to_jsonb(t) order by t), '[]') from {} t "
                  "where {}",
                  table, where));
}

TEST(Api, a_batch_is_stored_once_and_merged) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto stories = w.database.query(
      fmt::format("select id from stories where tenant_id = '{}' order by id limit 2", who.tenant));
  const auto update = [&](int story, int completion, int seconds) {
    return fmt::format(R"({{"user_id":"{}","story_id":"{}","completion_percentage":{},)"
                       R"("time_spent":{}}})",
                       who.learner, stories[static_cast<std::size_t>(story)][0], completion,
                       seconds);
  };
  const auto body = fmt::format(R"({{"updates":[{},{},{}]}})", update(0, 40, 100),
                                update(1, 100, 2147483647), update(0, 30, 11));
  const auto stored = [&] {
    return w.database.query(
        fmt::format("select story_id, completion_percentage, time_spent from progress where "
                    "tenant_id = '{}' and user_id = '{}' order by story_id",
                    who.tenant, who.learner));
  };
  const auto key = "batch \xC3\xA9 " + a_uuid();
  const auto first = w.post("/v1/progress/batch", body, {{"Idempotency-Key", key}});
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, R"({"received":3,"written":2,"replayed":false})");
  const testing::Rows once{{stories[0][0], "40", "111"}, {stories[1][0], "100", "2147483647"}};
  EXPECT_EQ(stored(), once);
  // The same again changes nothing, however it is spaced; another one under the key is refused.
  for (const auto& again : {body, "  " + body}) {
    const auto reply = w.post("/v1/progress/batch", again, {{"Idempotency-Key", key}});
    EXPECT_EQ(reply.body, R"({"received":3,"written":2,"replayed":true})");
  }
  const auto other = w.post("/v1/progress/batch", R"({"updates":[)" + update(0, 41, 100) + "]}",
                            {{"Idempotency-Key", key}});
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(code_of(other), "conflict");
  EXPECT_EQ(stored(), once);
  // Without a key it is another report.
  EXPECT_EQ(w.post("/v1/progress/batch", body).body,
            R"({"received":3,"written":2,"replayed":false})");
  EXPECT_EQ(stored(),
            (testing::Rows{{stories[0][0], "40", "222"}, {stories[1][0], "100", "4294967294"}}));
  EXPECT_EQ(w.post("/v1/progress/batch", R"({"updates":[]})").body,
            R"({"received":0,"written":0,"replayed":false})");
}

TEST(Api, of_a_batch_with_one_bad_row_nothing_is_stored) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto good =
      fmt::format(R"({{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":1}})",
                  who.learner, who.story);
  for (const auto& [bad, status] : std::vector<std::pair<std::string, int>>{
           {fmt::format(
                R"({{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":1}})",
                a_uuid(), who.story),
            404},
           {fmt::format(
                R"({{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":1}})",
                who.learner, a_uuid()),
            404},
           {fmt::format(
                R"({{"user_id":"{}","story_id":"{}","completion_percentage":101,"time_spent":1}})",
                who.learner, who.story),
            400},
           {fmt::format(
                R"({{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":-1}})",
                who.learner, who.story),
            400}}) {
    const auto reply = w.post("/v1/progress/batch", R"({"updates":[)" + good + "," + bad + "]}");
    EXPECT_EQ(reply.status, status) << reply.body;
  }
  EXPECT_EQ(w.value("select count(*) from progress where user_id = '" + who.learner + "'"), "0");
}

TEST(Api, sessions_are_stored_once_and_completed) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto id = a_uuid();
  const auto other = a_uuid();
  const auto post = [&](const std::string& rest, const std::string& user) {
    return w.post("/v1/sessions", fmt::format(R"({{"sessions":[{{"id":"{}","user_id":"{}",{}}},)"
                                              R"({{"id":"{}","user_id":"{}",)"
                                              R"("started_at":"2025-05-01T00:00:00.123456+02:00",)"
                                              R"("completed_at":null,"duration_minutes":0}}]}})",
                                              id, user, rest, other, who.learner));
  };
  const auto stored = [&] {
    return w.database.query(fmt::format(
        "select id, started_at at time zone 'UTC', completed_at at time zone 'UTC', "
        "duration_minutes from learning_sessions where user_id = '{}' and id in ('{}', '{}') "
        "order by id = '{}'",
        who.learner, id, other, other));
  };
  const testing::Row second{other, "2025-04-30 22:00:00.123456", std::string(testing::kNull), "0"};
  EXPECT_EQ(post(R"("started_at":"2025-05-01T10:00:00Z","duration_minutes":0)", who.learner).body,
            R"({"received":2,"written":2})");
  const auto completed = [&](const std::string& at, int minutes) {
    return fmt::format(
        R"("started_at":"2025-05-01T10:00:00Z","completed_at":"{}","duration_minutes":{})", at,
        minutes);
  };
  EXPECT_EQ(post(completed("2025-05-01T10:30:00Z", 30), who.learner).body,
            R"({"received":2,"written":1})");
  const testing::Rows ended{{id, "2025-05-01 10:00:00", "2025-05-01 10:30:00", "30"}, second};
  EXPECT_EQ(stored(), ended);
  // Again, and late: nothing is taken back.
  EXPECT_EQ(post(completed("2025-05-01T10:30:00Z", 30), who.learner).body,
            R"({"received":2,"written":0})");
  EXPECT_EQ(post(completed("2025-05-01T10:10:00Z", 10), who.learner).body,
            R"({"received":2,"written":0})");
  EXPECT_EQ(stored(), ended);
  // Another learner's, or another start.
  EXPECT_EQ(post(completed("2025-05-01T10:40:00Z", 40), w.subject.learner).status, 409);
  EXPECT_EQ(
      post(R"("started_at":"2025-05-01T10:00:01Z","duration_minutes":99)", who.learner).status,
      409);
  EXPECT_EQ(post(completed("2025-05-01T10:40:00Z", 40), a_uuid()).status, 404);
  EXPECT_EQ(post(completed("2025-05-01T09:00:00Z", 40), who.learner).status, 400);
  EXPECT_EQ(stored(), ended);
}

TEST(Api, events_are_stored_once_as_they_came) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto id = a_uuid();
  const auto plain = a_uuid();
  const std::string payload =
      R"({"text":"\u0001 \"quoted\" \ud83d\ude00 \u00e9","numbers":[1,-2.5,1e300,12345678901234567890],)"
      R"("nested":{"a":{"b":[null,true,false,{}]}},"":"empty name"})";
  const auto body = fmt::format(
      R"({{"events":[{{"id":"{}","user_id":"{}","session_id":"{}","event_type":"page é😀",)"
      R"("payload":{},"created_at":"2025-05-01T00:00:00Z"}},)"
      R"({{"id":"{}","user_id":"{}","event_type":"b"}},)"
      R"({{"id":"{}","user_id":"{}","event_type":"not the first"}}]}})",
      id, who.learner, who.session, payload, plain, who.learner, plain, who.learner);
  const auto before = w.value("select clock_timestamp()");
  for (const auto* written : {"2", "0", "0"}) {
    const auto reply = w.post("/v1/events", body);
    EXPECT_EQ(reply.body, fmt::format(R"({{"received":3,"written":{}}})", written));
  }
  const auto first = row_of(w.database, "user_events", "id = '" + id + "'").at(0);
  EXPECT_EQ(difference(first.at("payload"), json::parse(payload)), "");
  EXPECT_EQ(first.at("event_type").as_string(), "page é😀");
  EXPECT_EQ(first.at("session_id").as_string(), json::string_view(who.session));
  EXPECT_EQ(difference(first.at("created_at"), "2025-05-01T00:00:00Z"), "");
  EXPECT_EQ(w.database.query(fmt::format(
                "select event_type, payload, session_id, created_at between '{}' and now() "
                "from user_events where user_id = '{}' and id = '{}'",
                before, who.learner, plain)),
            (testing::Rows{{"b", "{}", std::string(testing::kNull), "t"}}));

  const auto one = [&](const std::string& event_id, const std::string& user,
                       const std::string& session) {
    return w.post("/v1/events", fmt::format(R"({{"events":[{{"id":"{}","user_id":"{}",)"
                                            R"("session_id":"{}","event_type":"c"}}]}})",
                                            event_id, user, session));
  };
  EXPECT_EQ(one(id, w.subject.learner, w.subject.session).status, 409);
  EXPECT_EQ(one(a_uuid(), who.learner, w.subject.session).status, 404);
  EXPECT_EQ(one(a_uuid(), who.learner, a_uuid()).status, 404);
  EXPECT_EQ(one(a_uuid(), a_uuid(), who.session).status, 404);
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner + "'"), "2");
}

TEST(Api, reviews_are_stored_as_they_are_answered) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto words = w.database.query("select id from vocabulary order by id limit 3");
  const auto target = "/v1/learners/" + who.learner + "/vocabulary/reviews";
  const auto stored = [&] {
    return query_json(
        w.database.url(),
        fmt::format("select coalesce(jsonb_agg(jsonb_build_object('vocabulary_id', vocabulary_id, "
                    "'stability', stability, 'difficulty', difficulty, 'state', learning_state, "
                    "'due', due, 'next_review_date', next_review_date, 'mastery_level', "
                    "mastery_level, 'review_count', review_count) order by vocabulary_id), '[]') "
                    "from user_vocabulary_progress where tenant_id = '{}' and user_id = '{}'",
                    who.tenant, who.learner));
  };
  const auto body = fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3,"reviewed_at":)"
                                R"("2025-01-01T00:00:00Z"}},{{"vocabulary_id":"{}","rating":1}},)"
                                R"({{"vocabulary_id":"{}","rating":4}}]}})",
                                words[0][0], words[1][0], words[2][0]);
  const auto first = w.post(target, body, {{"Idempotency-Key", "review 1"}});
  ASSERT_EQ(first.status, 200) << first.body;
  const auto answered = json_of(first);
  EXPECT_FALSE(answered.at("replayed").as_bool());
  EXPECT_EQ(difference(answered.at("reviews"), stored()), "");
  // A first review has the stability that FSRS-6 begins with: w[2], w[0], w[3].
  EXPECT_NEAR(answered.at("reviews").at(0).at("stability").to_number<double>(), 2.3065, 1e-9);
  EXPECT_NEAR(answered.at("reviews").at(1).at("stability").to_number<double>(), 0.212, 1e-9);
  EXPECT_NEAR(answered.at("reviews").at(2).at("stability").to_number<double>(), 8.2956, 1e-9);
  EXPECT_EQ(answered.at("reviews").at(2).at("state").as_string(), "review");

  const auto replayed = json_of(w.post(target, body, {{"Idempotency-Key", "review 1"}}));
  EXPECT_TRUE(replayed.at("replayed").as_bool());
  EXPECT_EQ(difference(replayed.at("reviews"), answered.at("reviews")), "");
  EXPECT_EQ(difference(stored(), answered.at("reviews")), "");
  const auto other = w.post(
      target, fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":4}}]}})", words[0][0]),
      {{"Idempotency-Key", "review 1"}});
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(code_of(other), "conflict");

  // What is due again ends on what was stored last; several of one word count each.
  const auto later = json_of(
      w.post(target, fmt::format(R"({{"reviews":[{{"vocabulary_id":"{0}","rating":3,"reviewed_at":)"
                                 R"("2025-01-04T00:00:00Z"}},{{"vocabulary_id":"{0}","rating":4,)"
                                 R"("reviewed_at":"2025-01-20T00:00:00Z"}}]}})",
                                 words[0][0])));
  EXPECT_EQ(later.at("reviews").at(0).at("review_count").as_int64(), 2);
  EXPECT_EQ(difference(later.at("reviews").at(1), stored().at(0)), "");
  EXPECT_EQ(json_of(w.post(target, R"({"reviews":[]})")).at("reviews").as_array().size(), 0U);
  EXPECT_EQ(w.post(target,
                   fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", a_uuid()))
                .status,
            404);
}

TEST(Api, an_empty_list_writes_not_even_its_key) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  struct Case {
    std::string target, empty, full, nothing;
  };
  const std::vector<Case> cases{
      {"/v1/progress/batch", R"({"updates":[]})",
       fmt::format(R"({{"updates":[{{"user_id":"{}","story_id":"{}","completion_percentage":1,)"
                   R"("time_spent":1}}]}})",
                   who.learner, who.story),
       R"({"received":0,"written":0,"replayed":false})"},
      {"/v1/learners/" + who.learner + "/vocabulary/reviews", R"({"reviews":[]})",
       fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", who.word),
       R"({"reviews":[],"replayed":false})"}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.target);
    const auto key = "empty " + each.target;
    const auto send = [&](const std::string& body) {
      const auto reply = w.post(each.target, body, {{"Idempotency-Key", key}});
      EXPECT_EQ(reply.status, 200) << reply.body;
      return reply.body;
    };
    const auto replayed = [&] {
      return json_of({.body = send(each.full)}).at("replayed").as_bool();
    };
    EXPECT_EQ(send(each.empty), each.nothing);
    EXPECT_EQ(w.value("select count(*) from idempotency_keys where key = '" + key + "'"), "0");
    EXPECT_FALSE(replayed());
    EXPECT_EQ(send(each.empty), each.nothing);
    EXPECT_TRUE(replayed());
  }
}

TEST(Api, an_export_is_all_rows_and_a_deletion_removes_them) {
  auto& w = writing();
  auto who = add_learner(w.database, w.subject);
  w.database.change(fmt::format(
      R"(insert into progress (tenant_id, user_id, story_id, completion_percentage)
           select tenant_id, '{1}', id, 50 from stories where tenant_id = '{0}' order by id limit 450;
         insert into user_vocabulary_progress (tenant_id, user_id, vocabulary_id, mastery_level)
           select '{0}', '{1}', id, 0.5 from vocabulary order by id limit 201;
         insert into learning_sessions (tenant_id, id, user_id, started_at)
           select '{0}', gen_random_uuid(), '{1}', '2025-01-01' from generate_series(1, 400);
         insert into user_events (tenant_id, id, user_id, session_id, event_type, payload, created_at)
           select '{0}', gen_random_uuid(), '{1}', '{2}', 'é😀"\', jsonb_build_object('n', n),
                  '2025-01-01'::timestamptz + n / 3 * interval '1 day'
           from generate_series(1, 600) n;
         insert into exercises (tenant_id, id, story_id, exercise_type, difficulty_level)
           values ('{0}', '{1}', '{3}', 'cloze', 1);
         insert into exercise_attempts (tenant_id, id, user_id, exercise_id, is_correct)
           select '{0}', gen_random_uuid(), '{1}', '{1}', n % 2 = 0 from generate_series(1, 5) n;)",
      who.tenant, who.learner, who.session, who.story));
  const auto path = "/v1/learners/" + who.learner;
  EXPECT_EQ(w.post(path + "/vocabulary/reviews",
                   fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", who.word),
                   {{"Idempotency-Key", "of the exported"}})
                .status,
            200);

  struct Part {
    std::string name, table, order;
  };
  const std::vector<Part> parts{
      {"progress", "progress", "story_id"},
      {"vocabulary_progress", "user_vocabulary_progress", "vocabulary_id"},
      {"sessions", "learning_sessions", "started_at, id"},
      {"events", "user_events", "created_at, id"},
      {"exercise_attempts", "exercise_attempts", "created_at, id"},
      {"idempotency_keys", "idempotency_keys", "key"}};
  const auto reply = w.served({.target = path + "/export", .token = w.token});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-disposition"),
            "attachment; filename=\"learner-" + who.learner + ".json\"");
  const auto document = json_of(reply);
  EXPECT_EQ(difference(document.at("learner"),
                       query_json(w.database.url(),
                                  "select to_jsonb(u) - 'tenant_id' from users u where id = '" +
                                      who.learner + "'")),
            "");
  for (const auto& [name, table, order] : parts) {
    SCOPED_TRACE(name);
    // Of stored answers the hash is not the learner's: whether it stands there is the export's.
    const auto ought = query_json(
        w.database.url(), fmt::format("select coalesce(jsonb_agg(to_jsonb(t) - 'tenant_id' - "
                                      "'request_hash' order by {}), '[]') from {} t where "
                                      "tenant_id = '{}' and user_id = '{}'",
                                      order, table, who.tenant, who.learner));
    auto is = document.at(json::string_view(name));
    for (auto& row : is.as_array()) row.as_object().erase("request_hash");
    if (name == "idempotency_keys") {
      EXPECT_EQ(is.as_array().size(), ought.as_array().size());
      EXPECT_EQ(is.at(0).at("key"), ought.at(0).at("key"));
      EXPECT_EQ(difference(is.at(0).at("response"), ought.at(0).at("response")), "");
    } else {
      EXPECT_EQ(difference(is, ought), "");
    }
  }

  const auto others =
      "select md5(string_agg(t::text, '' order by t::text)) from "
      "(select u.id, p from users u left join progress p on p.user_id = u.id "
      "where u.id <> '" +
      who.learner + "') t";
  const auto before = w.value(others);
  const auto gone = w.served({"DELETE", path, "", w.token});
  EXPECT_EQ(gone.body,
            R"({"deleted":{"learners":1,"progress":450,"vocabulary_progress":201,"sessions":401,)"
            R"("events":600,"exercise_attempts":5,"idempotency_keys":1}})");
  for (const auto& part : parts) {
    EXPECT_EQ(
        w.value("select count(*) from " + part.table + " where user_id = '" + who.learner + "'"),
        "0");
  }
  EXPECT_EQ(w.value("select count(*) from users where id = '" + who.learner + "'"), "0");
  EXPECT_EQ(w.value(others), before);
  EXPECT_EQ(w.served({"DELETE", path, "", w.token}).status, 404);
  for (const auto* rest : {"/summary", "/export", "/vocabulary/recommendations"}) {
    EXPECT_EQ(w.served({.target = path + rest, .token = w.token}).status, 404) << rest;
  }
}

TEST(Api, the_largest_batches_are_taken_and_one_row_more_is_not) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto batch = [](const std::string& name, int rows, const auto& row) {
    std::string out = "{\"" + name + "\":[";
    for (int i = 0; i < rows; ++i) {
      if (i > 0) out += ',';
      out += row();
    }
    return out + "]}";
  };
  const auto update = [&] {
    return fmt::format(
        R"({{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":1}})",
        who.learner, who.story);
  };
  const auto session = [&] {
    return fmt::format(
        R"({{"id":"{}","user_id":"{}","started_at":"2025-01-01T00:00:00Z","duration_minutes":1}})",
        a_uuid(), who.learner);
  };
  const auto event = [&] {
    return fmt::format(R"({{"id":"{}","user_id":"{}","event_type":"e"}})", a_uuid(), who.learner);
  };
  const auto review = [&] {
    return fmt::format(R"({{"vocabulary_id":"{}","rating":3}})", who.word);
  };
  EXPECT_EQ(w.post("/v1/progress/batch", batch("updates", 10'000, update)).body,
            R"({"received":10000,"written":1,"replayed":false})");
  EXPECT_EQ(w.post("/v1/sessions", batch("sessions", 10'000, session)).body,
            R"({"received":10000,"written":10000})");
  EXPECT_EQ(w.post("/v1/events", batch("events", 10'000, event)).body,
            R"({"received":10000,"written":10000})");
  const auto reviews = "/v1/learners/" + who.learner + "/vocabulary/reviews";
  EXPECT_EQ(w.post(reviews, batch("reviews", 500, review)).status, 200);
  const auto too_many = [&](const std::string& target, const std::string& body) {
    const auto reply = w.post(target, body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_NE(reply.body.find("more than"), std::string::npos) << reply.body;
  };
  too_many("/v1/progress/batch", batch("updates", 10'001, update));
  too_many("/v1/sessions", batch("sessions", 10'001, session));
  too_many("/v1/events", batch("events", 10'001, event));
  too_many(reviews, batch("reviews", 501, review));
  EXPECT_EQ(w.value("select time_spent from progress where user_id = '" + who.learner + "'"),
            "10000");
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner + "'"),
            "10000");
  // An event's payload has a limit of its own.
  const auto long_event = [&](std::size_t size) {
    return fmt::format(
        R"({{"events":[{{"id":"{}","user_id":"{}","event_type":"e","payload":"{}"}}]}})", a_uuid(),
        who.learner, std::string(size, 'x'));
  };
  EXPECT_EQ(w.post("/v1/events", long_event(16'382)).status, 200);
  EXPECT_EQ(w.post("/v1/events", long_event(16'383)).status, 400);
}

}  // namespace
}  // namespace lyceum::server
