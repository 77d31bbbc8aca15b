// The data API as its callers have it: the program, a loaded database, HTTP. What it answers is
// held against what psql finds in the tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "server/api_harness.h"

namespace lyceum::server {
namespace {

using learning::integer;

struct Reading {
  AppDatabase& database = learning::reading();
  Subject subject = subject_of(database, 0);
  std::string token = staff(subject.tenant);
  Served served{database};
};
Reading& reading() {
  static Reading one;
  return one;
}

struct Writing {
  AppDatabase database;
  Subject subject = subject_of(database, 0);
  std::string token = staff(subject.tenant);
  Served served{database};

  HttpReply post(const std::string& target, const std::string& body,
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    return served({"POST", target, body, token, std::move(headers)});
  }
  [[nodiscard]] std::string value(const std::string& sql) const { return database.value(sql); }
};
Writing& writing() {
  static Writing one;
  return one;
}

HttpReply get(const std::string& target) {
  return reading().served({.target = target, .token = reading().token});
}

// ---- what is read --------------------------------------------------------------------------

struct Listing {
  std::string query;  // of the URL
  std::string where = "true";
  std::string learner = {};
};

json::value stories_by_sql(const Listing& listing) {
  const auto progress =
      listing.learner.empty() ? std::string("false") : "p.user_id = '" + listing.learner + "'";
  return query_json(reading().database.url(),
                    fmt::format(
                        R"(select coalesce(jsonb_agg(to_jsonb(x) - 'n' order by n), '[]') from (
               select row_number() over (order by s.featured desc, p.last_accessed desc nulls last,
                                         s.created_at desc, s.id desc) as n,
                      s.id, s.title, s.level, s.difficulty_score, s.estimated_duration,
                      s.thumbnail_url, s.view_count, s.featured, s.created_at,
                      p.completion_percentage, p.time_spent, p.last_accessed,
                      s.author, s.illustrator, s.translator, s.licence, s.source
               from stories s
               left join progress p on p.tenant_id = s.tenant_id and p.story_id = s.id and {}
               where s.tenant_id = '{}' and s.published and {}) x)",
                        progress, reading().subject.tenant, listing.where));
}

// All pages, by their cursors.
json::array walk(const std::string& query, int limit, std::int64_t* total = nullptr) {
  json::array out;
  std::string cursor;
  for (int pages = 0; pages < 1000; ++pages) {
    const auto reply = get(fmt::format("/v1/stories?limit={}{}{}", limit, query,
                                       cursor.empty() ? "" : "&cursor=" + encoded(cursor)));
    EXPECT_EQ(reply.status, 200) << reply.body;
    if (reply.status != 200) return out;
    const auto body = json_of(reply);
    const auto& page = body.at("stories").as_array();
    const bool more = body.at("has_more").as_bool();
    EXPECT_EQ(more, body.at("next_cursor").is_string());
    EXPECT_TRUE(more ? page.size() == static_cast<std::size_t>(limit)
                     : page.size() <= static_cast<std::size_t>(limit));
    EXPECT_EQ(body.as_object().contains("total_count"), total != nullptr);
    if (total != nullptr) *total = body.at("total_count").as_int64();
    for (const auto& story : page) out.push_back(story);
    if (!more) return out;
    cursor = std::string(body.at("next_cursor").as_string());
  }
  ADD_FAILURE() << "the pages do not end";
  return out;
}

TEST(Api, pages_of_stories_are_all_stories_in_order) {
  const auto& who = reading().subject.learner;
  const auto matching = [](const std::string& text) {
    return fmt::format(
        "to_tsvector('english', s.title || E'\\n' || s.content) @@ "
        "plainto_tsquery('english', '{}')",
        text);
  };
  const std::vector<Listing> listings{
      {""},
      {"&level=A2", "s.level = 'A2'"},
      {"&difficulty_min=1.25&difficulty_max=3", "s.difficulty_score between 1.25 and 3"},
      {"&level=B1&difficulty_min=2", "s.level = 'B1' and s.difficulty_score >= 2"},
      {"&q=boot", matching("boot")},
      {"&q=" + encoded("the little house"), matching("the little house")},
      {"&q=house&level=A1&difficulty_max=1",
       matching("house") + " and s.level = 'A1' and s.difficulty_score <= 1"},
      {"&q=thisiswritteninnone", "false"},
      {"&include=progress&learner=" + who, "true", who},
      {"&include=progress&level=A2&learner=" + who, "s.level = 'A2'", who},
      {"&include=progress&q=house&learner=" + who, matching("house"), who},
  };
  for (const auto& listing : listings) {
    SCOPED_TRACE(listing.query);
    const auto ought = stories_by_sql(listing);
    EXPECT_EQ(difference(walk(listing.query, 37), ought), "");
    std::int64_t total = 0;
    auto with_total = listing.query;
    if (const auto at = with_total.find("include=progress"); at != std::string::npos) {
      with_total.replace(at, 16, "include=progress,total");
    } else {
      with_total += "&include=total";
    }
    EXPECT_EQ(difference(walk(with_total, 100, &total), ought), "");
    EXPECT_EQ(total, static_cast<std::int64_t>(ought.as_array().size()));
  }
  // The default is a page of 20.
  EXPECT_EQ(json_of(get("/v1/stories")).at("stories").as_array().size(), 20U);
  EXPECT_EQ(walk("", 1).size(), stories_by_sql({""}).as_array().size());
}

TEST(Api, a_learner_gets_its_own_progress_without_naming_itself) {
  auto& r = reading();
  const auto own = learner(r.subject.tenant, r.subject.learner);
  const auto reply = r.served({.target = "/v1/stories?include=progress&limit=100", .token = own});
  auto ought = stories_by_sql({"", "true", r.subject.learner});
  ought.as_array().resize(100);
  EXPECT_EQ(difference(json_of(reply).at("stories"), ought), "");
}

TEST(Api, a_story_is_its_row) {
  auto& r = reading();
  const auto read = r.database.query(
      fmt::format("select story_id from progress p join stories s on s.tenant_id = p.tenant_id and "
                  "s.id = p.story_id where p.tenant_id = '{}' and p.user_id = '{}' and s.published "
                  "limit 3",
                  r.subject.tenant, r.subject.learner));
  ASSERT_FALSE(read.empty());
  for (const auto& row : read) {
    for (const bool with_progress : {false, true}) {
      auto ought = stories_by_sql({"", "s.id = '" + row[0] + "'",
                                   with_progress ? r.subject.learner : std::string()})
                       .as_array()
                       .at(0);
      ought.as_object()["content"] =
          query_json(r.database.url(),
                     fmt::format("select to_jsonb(content) from stories where tenant_id = '{}' and "
                                 "id = '{}'",
                                 r.subject.tenant, row[0]));
      const auto reply =
          get("/v1/stories/" + row[0] +
              (with_progress ? "?include=progress&learner=" + r.subject.learner : ""));
      EXPECT_EQ(difference(json_of(reply), ought), "");
    }
  }
  const auto hidden = r.database.value(fmt::format(
      "select id from stories where tenant_id = '{}' and not published limit 1", r.subject.tenant));
  EXPECT_EQ(get("/v1/stories/" + hidden).status, 404);
}

json::value summary_by_sql(const std::string& url, const Subject& subject) {
  return query_json(
      url,
      fmt::format(
          R"(with day as (
               select distinct (ls.started_at at time zone u.time_zone)::date as d,
                      (now() at time zone u.time_zone)::date as today
               from learning_sessions ls
               join users u on u.tenant_id = ls.tenant_id and u.id = ls.user_id
               where ls.tenant_id = '{0}' and ls.user_id = '{1}'
             ), latest as (
               select max(d) as d from day where d between today - 1 and today
             ), run as (
               select count(*) as n from day, latest l
               where day.d <= l.d and not exists (
                 select from generate_series(day.d, l.d, interval '1 day') g
                 where g::date not in (select d from day))
             )
             select jsonb_build_object(
               'stories_started', (select count(*) from p),
               'stories_completed', (select count(*) from p where completion_percentage = 100),
               'avg_completion', (select coalesce(avg(completion_percentage)::float8, 0) from p),
               'total_time_spent', (select coalesce(sum(time_spent), 0) from p),
               'last_activity', (select max(updated_at) from p),
               'vocabulary_learned', (select count(*) from v),
               'avg_vocabulary_mastery', (select coalesce(avg(mastery_level), 0) from v),
               'vocabulary_mastered', (select count(*) from v where mastery_level >= 0.8),
               'active_days_last_30', (select count(*) from day where d between today - 30 and today),
               'current_streak', (select n from run))
             from (select 1) one,
             lateral (select 1) two)",
          subject.tenant, subject.learner)
          // Two names for what is asked often.
          .replace(0, 4,
                   fmt::format("with p as (select * from progress where tenant_id = '{0}' and "
                               "user_id = '{1}'), v as (select * from user_vocabulary_progress "
                               "where tenant_id = '{0}' and user_id = '{1}'), ",
                               subject.tenant, subject.learner)));
}

TEST(Api, a_summary_is_what_the_tables_say) {
  auto& r = reading();
  EXPECT_EQ(difference(json_of(get("/v1/learners/" + r.subject.learner + "/summary")),
                       summary_by_sql(r.database.url(), r.subject)),
            "");
  // Active today, and on each of the days that are looked at.
  auto& w = writing();
  for (const int days : {1, 3, 29, 30, 31, 40}) {
    SCOPED_TRACE(days);
    const auto busy = add_learner(w.database, w.subject);
    w.database.change(fmt::format(
        "insert into learning_sessions (tenant_id, id, user_id, started_at, duration_minutes) "
        "select '{}', gen_random_uuid(), '{}', now() - n * interval '1 day', 5 "
        "from generate_series(0, {}) n",
        busy.tenant, busy.learner, days - 1));
    const auto reply =
        w.served({.target = "/v1/learners/" + busy.learner + "/summary", .token = w.token});
    EXPECT_EQ(difference(json_of(reply), summary_by_sql(w.database.url(), busy)), "");
    EXPECT_EQ(json_of(reply).at("current_streak").as_int64(), days);
  }
}

TEST(Api, recommendations_are_the_best_of_all_words) {
  auto& r = reading();
  for (const std::string zone : {"", "Pacific/Kiritimati"}) {
    const auto ought = query_json(
        r.database.url(),
        fmt::format(
            R"(select jsonb_agg(to_jsonb(x) - 'urgency' order by x.recommendation_score desc,
                                x.urgency desc, x.frequency desc, x.id) from (
                 select v.id, v.word, v.definition, v.difficulty_level, v.frequency,
                        v.part_of_speech, coalesce(k.mastery_level, 0) as current_mastery,
                        coalesce(k.review_count, 0) as review_count, k.last_reviewed,
                        k.next_review_date, u.urgency,
                        u.urgency * 0.4 + (1.0 - abs(v.difficulty_level - l.level) / 2.0) * 0.3
                          + least(v.frequency / 1000.0, 1.0) * 0.3 as recommendation_score
                 from vocabulary v
                 left join user_vocabulary_progress k
                   on k.tenant_id = '{0}' and k.user_id = '{1}' and k.vocabulary_id = v.id
                 cross join (select coalesce(avg(s.difficulty_score), 1.0) as level
                             from progress p join stories s using (tenant_id)
                             where p.tenant_id = '{0}' and p.user_id = '{1}'
                               and s.id = p.story_id and p.completion_percentage > 80) l
                 cross join (select (now() at time zone '{2}')::date as today) d
                 cross join lateral (select case
                   when k.vocabulary_id is null or k.next_review_date is null
                        or k.next_review_date <= d.today then 1.0
                   when k.last_reviewed < (d.today - 7)::timestamp at time zone '{2}' then 0.9
                   when k.last_reviewed < (d.today - 3)::timestamp at time zone '{2}' then 0.7
                   else 0.3 end as urgency) u
                 where v.difficulty_level <= l.level + 0.5
                   and coalesce(k.mastery_level, 0) < 0.9
                 order by recommendation_score desc, u.urgency desc, v.frequency desc, v.id
                 limit 200) x)",
            r.subject.tenant, r.subject.learner, zone.empty() ? "UTC" : zone));
    const auto base = "/v1/learners/" + r.subject.learner + "/vocabulary/recommendations";
    const auto of_zone = zone.empty() ? std::string() : "&time_zone=" + encoded(zone);
    EXPECT_EQ(difference(json_of(get(base + "?limit=200" + of_zone)).at("recommendations"), ought),
              "");
    auto ten = ought;
    ten.as_array().resize(10);
    EXPECT_EQ(difference(json_of(get(base + (zone.empty() ? "" : "?time_zone=" + encoded(zone))))
                             .at("recommendations"),
                         ten),
              "");
  }
}

TEST(Api, analytics_are_what_the_tables_say) {
  auto& r = reading();
  struct Span {
    std::string query, from, to, zone;
  };
  const auto own_zone =
      r.database.value("select time_zone from tenants where id = '" + r.subject.tenant + "'");
  for (const auto& [query, from, to, zone] :
       {Span{"from=2025-03-01&to=2025-04-01", "2025-03-01 00:00Z", "2025-04-01 00:00Z", own_zone},
        Span{"from=2025-03-20&to=2025-03-31T12:30:00Z&time_zone=Europe/Berlin", "2025-03-20 00:00Z",
             "2025-03-31 12:30Z", "Europe/Berlin"},
        Span{"from=2025-03-20T01:00:00%2B05:45&to=2025-03-25&time_zone=Asia%2FKathmandu",
             "2025-03-20 01:00+05:45", "2025-03-25 00:00Z", "Asia/Kathmandu"},
        Span{"from=1999-01-01&to=1999-01-02", "1999-01-01 00:00Z", "1999-01-02 00:00Z", "UTC"},
        Span{"from=2025-03-01&to=2025-03-01", "2025-03-01 00:00Z", "2025-03-01 00:00Z", "UTC"}}) {
    SCOPED_TRACE(query);
    const auto ought = query_json(r.database.url(), fmt::format(
                                                        R"(select jsonb_build_object(
                 'daily_stats', (
                   select coalesce(jsonb_agg(to_jsonb(d) order by date), '[]') from (
                     select (started_at at time zone '{3}')::date as date,
                            count(distinct user_id) as active_users, count(*) as total_sessions,
                            avg(duration_minutes)::float8 as avg_session_duration,
                            sum(duration_minutes) as total_learning_time
                     from learning_sessions
                     where tenant_id = '{0}' and started_at >= '{1}' and started_at < '{2}'
                     group by 1) d),
                 'users_completed_stories', (
                   select count(distinct user_id) from progress
                   where tenant_id = '{0}' and updated_at >= '{1}' and updated_at < '{2}'
                     and completion_percentage = 100),
                 'avg_completion_rate', (
                   select coalesce(avg(completion_percentage)::float8, 0) from progress
                   where tenant_id = '{0}' and updated_at >= '{1}' and updated_at < '{2}'),
                 'users_learning_vocabulary', (
                   select count(distinct user_id) from user_vocabulary_progress
                   where tenant_id = '{0}' and updated_at >= '{1}' and updated_at < '{2}'),
                 'avg_vocabulary_mastery', (
                   select coalesce(avg(mastery_level), 0) from user_vocabulary_progress
                   where tenant_id = '{0}' and updated_at >= '{1}' and updated_at < '{2}')))",
                                                        r.subject.tenant, from, to, zone));
    EXPECT_EQ(difference(json_of(get("/v1/analytics/learning?" + query)), ought), "");
  }
}

TEST(Api, head_is_get_without_a_body) {
  auto& r = reading();
  for (const auto& route : routes()) {
    if (route.method != Method::get) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, r.subject);
    request.token = r.token;
    const auto whole = r.served(request);
    EXPECT_EQ(whole.status, 200);
    request.method = "HEAD";
    const auto head = r.served(request);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("content-type"), whole.header("content-type"));
    EXPECT_EQ(head.header("content-length"), whole.header("content-length"));
    // The connection is in step: what follows is answered as ever.
    request.method = "GET";
    EXPECT_EQ(r.served(request).body, whole.body);
  }
}

// ---- what is written -----------------------------------------------------------------------

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

// ---- what is refused -----------------------------------------------------------------------

TEST(Api, refuses_parameters_that_are_wrong) {
  auto& r = reading();
  const auto story = "/v1/stories/" + r.subject.story;
  const auto words = "/v1/learners/" + r.subject.learner + "/vocabulary/recommendations";
  const std::string span = "/v1/analytics/learning?from=2025-01-01&to=2025-02-01";
  std::vector<std::string> targets;
  for (const auto* bad : {"limit=0",
                          "limit=101",
                          "limit=-1",
                          "limit=",
                          "limit=ten",
                          "limit=1.5",
                          "limit=1e1",
                          "limit=+1",
                          "limit=99999999999999999999",
                          "limit=0x10",
                          "difficulty_min=x",
                          "difficulty_min=nan",
                          "difficulty_max=inf",
                          "difficulty_max=1e999",
                          "difficulty_min=3&difficulty_max=2",
                          "level=Z9",
                          "level=a1",
                          "level=",
                          "level=A1%00",
                          "q=%00",
                          "q=%FF",
                          "q=%ED%A0%80",
                          "include=everything",
                          "include=progress,views",
                          "include=progress",
                          "learner=%s",
                          "include=progress&learner=1",
                          "cursor=x",
                          "cursor=",
                          "cursor=%00",
                          "limit=1&limit=1",
                          "limit=1&limit=2",
                          "unknown=1",
                          "=1",
                          "Limit=1",
                          "offset=1",
                          "tenant=x",
                          "q=%",
                          "q=%4",
                          "q=%GG",
                          "limit=%31%"}) {
    targets.push_back(std::string("/v1/stories?") + bad);
  }
  targets.push_back("/v1/stories?q=" + std::string(201, 'x'));
  targets.push_back("/v1/stories?learner=" + r.subject.learner);
  targets.push_back(story + "?include=content");
  targets.push_back(story + "?limit=1");
  targets.push_back(story + "?include=progress");
  targets.push_back(story + "?include=progress&learner=x");
  for (const auto* bad : {"limit=0", "limit=201", "limit=x", "time_zone=Nowhere/Here", "time_zone=",
                          "time_zone=%00", "time_zone=%FF", "cursor=1", "limit=1&limit=1"}) {
    targets.push_back(words + "?" + bad);
  }
  for (const auto* bad :
       {"", "?from=2025-01-01", "?to=2025-01-01", "?from=&to=", "?from=yesterday&to=today",
        "?from=2025-02-30&to=2025-03-01", "?from=2025-01-02&to=2025-01-01",
        "?from=2000-01-01&to=2025-01-01", "?from=2025-01-01T00:00:00&to=2025-01-02",
        "?from=2025-01-01T24:00:00Z&to=2025-01-03", "?from=0000-01-01&to=0000-01-02",
        "?from=2025-01-01T00:00:00+01:00&to=2025-01-02", "?from=infinity&to=infinity"}) {
    targets.push_back(std::string("/v1/analytics/learning") + bad);
  }
  targets.push_back(span + "&time_zone=Mars/Base");
  targets.push_back(span + "&time_zone=%00");
  targets.push_back(span + "&from=2025-01-01");
  targets.push_back("/v1/learners/" + r.subject.learner + "/summary?x=1");
  targets.push_back("/v1/learners/" + r.subject.learner + "/export?format=csv");
  targets.push_back("/openapi.json?x=1");
  for (const auto& target : targets) {
    const auto reply = get(target);
    EXPECT_EQ(reply.status, 400) << target << ": " << reply.body.substr(0, 300);
    EXPECT_EQ(code_of(reply), "bad_input") << target;
  }
}

TEST(Api, takes_parameters_in_every_spelling) {
  for (const auto* good :
       {"/v1/stories?limit=100", "/v1/stories?limit=%31", "/v1/stories?%6Cimit=1", "/v1/stories?",
        "/v1/stories?&&limit=1&", "/v1/stories?include=", "/v1/stories?include=total",
        "/v1/stories?difficulty_min=-1&difficulty_max=1e3",
        "/v1/stories?q=", "/v1/stories?q=%F0%9F%98%80", "/v1/stories?q=the",
        "/v1/stories?q=a+b%20c", "/v1/stories?q=%27%20%26%20%21%20%28",
        "/v1/analytics/learning?from=2025-01-01t00:00:00z&to=2025-01-02T00:00:00.5-11:00"}) {
    EXPECT_EQ(get(good).status, 200) << good;
  }
  EXPECT_EQ(get("/v1/stories?q=" + std::string(200, 'x')).status, 200);
}

TEST(Api, refuses_paths_that_are_none) {
  auto& r = reading();
  for (const auto& target :
       std::vector<std::string>{"/",
                                "/v1",
                                "/v1/",
                                "/v1/stories/",
                                "/v1/stories/1",
                                "/v2/stories",
                                "/V1/stories",
                                "//v1/stories",
                                "/v1/../v1/stories",
                                "/v1/storie%73",
                                "/v1/stories/" + r.subject.story + "/",
                                "/v1/stories/" + r.subject.story.substr(1),
                                "/v1/stories/%00" + r.subject.story.substr(3),
                                "/v1/stories/{id}",
                                "/v1/stories/" + std::string(36, '-'),
                                "/v1/stories/{" + r.subject.story + "}",
                                "/v1/learners/" + std::string(36, 'x') + "/summary",
                                "/metrics",
                                "/live",
                                "/v1/learners//summary",
                                "/v1/learners/" + r.subject.learner + "/summary/"}) {
    const auto reply = get(target);
    EXPECT_EQ(reply.status, 404) << target;
    EXPECT_EQ(code_of(reply), "no_such_path") << target;
  }
  for (const auto& [method, target, allowed] : std::vector<std::array<std::string, 3>>{
           {"POST", "/v1/stories", "GET, HEAD"},
           {"DELETE", "/v1/stories/" + r.subject.story, "GET, HEAD"},
           {"GET", "/v1/learners/" + r.subject.learner, "DELETE"},
           {"HEAD", "/v1/learners/" + r.subject.learner, "DELETE"},
           {"GET", "/v1/progress/batch", "POST"},
           {"PUT", "/v1/sessions", "POST"},
           {"PATCH", "/openapi.json", "GET, HEAD"},
           {"OPTIONS", "/v1/events", "POST"}}) {
    const auto reply = r.served({method, target, "", r.token});
    EXPECT_EQ(reply.status, 405) << method << ' ' << target;
    EXPECT_EQ(reply.header("allow"), allowed);
  }
}

// Every route with a body is given bodies that are wrong, made from one that is right.
TEST(Api, refuses_bodies_that_are_wrong) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  for (const auto& route : routes()) {
    if (route.most_body == 0) continue;
    auto request = sample_request(route, who);
    request.token = w.token;
    const auto good = json::parse(request.body);
    const auto list = std::string(good.as_object().begin()->key());
    const auto refused = [&](const std::string& body, const std::string& why) {
      auto bad = request;
      bad.body = body;
      const auto reply = w.served(bad);
      EXPECT_EQ(reply.status, 400)
          << name_of(route) << ' ' << why << ": " << body.substr(0, 200) << ": " << reply.body;
      EXPECT_EQ(code_of(reply), "bad_input") << why;
    };
    for (const auto* text :
         {"", " ", "{", "[]", "null", "1", "\"x\"", "{}", "{\"\":[]}", "[{}]", "{}{}", "nul",
          "{\"a\":1,}", "\xFF", "\xEF\xBB\xBF{}", "{'a':1}", "// a comment\n{}"}) {
      refused(text, "is no such object");
    }
    refused(std::string("\0", 1), "is a NUL byte");
    refused(request.body + std::string("\0", 1), "ends in a NUL byte");
    refused(std::string(50'000, '['), "is deep");
    refused("{\"" + list + "\":" + std::string(40, '[') + std::string(40, ']') + "}", "is nested");

    const auto with = [&](const auto& change) {
      auto body = good;
      change(body.as_object());
      return json::serialize(body);
    };
    const json::string_view name(list);
    refused(with([&](json::object& body) { body["more"] = 1; }), "has an unknown member");
    for (const json::value& value : {json::value(nullptr), json::value(1), json::value("x"),
                                     json::value(json::object{}), json::value(true)}) {
      refused(with([&](json::object& body) { body[name] = value; }), "the list is none");
    }
    for (const json::value& row : {json::value(nullptr), json::value(1), json::value("x"),
                                   json::value(json::array{}), json::value(json::object{})}) {
      refused(with([&](json::object& body) { body[name] = json::array{row}; }), "a row is none");
    }
    const auto with_row = [&](const auto& change) {
      return with([&](json::object& body) { change(body[name].as_array()[0].as_object()); });
    };
    refused(with_row([](json::object& row) { row["more"] = 1; }), "a row has an unknown member");
    refused(with_row([](json::object& row) { row["tenant_id"] = a_uuid(); }), "names a tenant");
    // Each member by what the document says of it.
    const auto& document = ApiDocument::project();
    const auto& schema = document.operation(request.method, route.path)
                             ->at("requestBody")
                             .at("content")
                             .at("application/json")
                             .at("schema");
    const auto resolved = [&](const json::value& value) -> const json::object& {
      const auto* reference = value.as_object().if_contains("$ref");
      return (reference == nullptr ? value
                                   : *testing::resolve_reference(
                                         document.root(), std::string(reference->as_string())))
          .as_object();
    };
    const auto& item = resolved(resolved(schema).at("properties").at(name).at("items"));
    std::set<std::string> required;
    for (const auto& member : item.at("required").as_array()) {
      required.emplace(member.as_string());
    }
    for (const auto& member : item.at("properties").as_object()) {
      const auto key = member.key();
      const auto& rules = member.value().as_object();
      const std::string text(key);
      if (required.contains(text)) {
        refused(with_row([&](json::object& row) { row.erase(key); }), text + " is missing");
        refused(with_row([&](json::object& row) { row[key] = nullptr; }), text + " is null");
      }
      if (!rules.contains("type")) continue;  // any
      std::vector<json::value> wrong{json::value(true), json::value(json::array{}),
                                     json::value(json::object{}), json::value(1.5)};
      const auto type = rules.at("type").is_array() ? rules.at("type").at(0) : rules.at("type");
      if (type == "integer") {
        wrong.emplace_back("1");
        wrong.emplace_back(1e300);
        wrong.emplace_back(std::int64_t{2147483648});
        wrong.emplace_back(std::numeric_limits<std::uint64_t>::max());
        wrong.emplace_back(std::int64_t{-2147483649});
        wrong.emplace_back(rules.at("minimum").as_int64() - 1);
        if (rules.contains("maximum")) wrong.emplace_back(rules.at("maximum").as_int64() + 1);
      } else {
        wrong.emplace_back(1);
        // A NUL, and half a pair of surrogates, are no text that can be kept.
        wrong.emplace_back(json::string("a\0b", 3));
      }
      if (const auto* format = rules.if_contains("format")) {
        for (const auto* bad :
             {"", "x", "2025-01-01T00:00:00", "00000000-0000-0000-0000-00000000000",
              "{00000000-0000-0000-0000-000000000000}", "00000000-0000-0000-0000-0000000000000",
              "0000000000000000000000000", "9999-99-99T00:00:00Z", "infinity", "now"}) {
          wrong.emplace_back(bad);
        }
        if (*format == "date-time") wrong.emplace_back("0000-01-01T00:00:00Z");
      }
      if (const auto* most = rules.if_contains("maxLength")) {
        wrong.emplace_back(std::string(most->to_number<std::size_t>() + 1, 'x'));
        wrong.emplace_back("");
      }
      for (const auto& value : wrong) {
        refused(with_row([&](json::object& row) { row[key] = value; }),
                text + " is " + json::serialize(value));
      }
    }
    // What the body says it is.
    auto other = request;
    for (const auto* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonp",
                             "multipart/form-data", "application"}) {
      other.headers = {{"Content-Type", type}};
      EXPECT_EQ(w.served(other).status, 400) << type;
    }
    // Keys.
    for (const auto& key : {std::string(256, 'k'), std::string("\xFF\xFE")}) {
      if (route.path != "/v1/progress/batch" &&
          route.path != "/v1/learners/{id}/vocabulary/reviews") {
        continue;
      }
      other.headers = {{"Idempotency-Key", key}};
      EXPECT_EQ(w.served(other).status, 400) << key;
    }
    // And the right one is right.
    other.headers = {{"Content-Type", "Application/JSON ; charset=utf-8"}};
    EXPECT_EQ(w.served(other).status, 200);
  }
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner + "'"), "1");
}

TEST(Api, refuses_text_that_the_database_cannot_hold) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto event = [&](const std::string& rest) {
    return w.post("/v1/events", fmt::format(R"({{"events":[{{"id":"{}","user_id":"{}",{}}}]}})",
                                            a_uuid(), who.learner, rest));
  };
  for (const auto* bad :
       {R"("event_type":"a\u0000b")", R"("event_type":"\ud800")", R"("event_type":"\udc00x")",
        R"("event_type":"x","payload":{"a":"\u0000"})",
        R"("event_type":"x","payload":{"\u0000":1})", R"("event_type":"x","payload":"\u0000")",
        "\"event_type\":\"\xFF\"", "\"event_type\":\"\xED\xA0\x80\"",
        "\"event_type\":\"x\",\"payload\":\"\xC0\x80\""}) {
    const auto reply = event(bad);
    EXPECT_EQ(reply.status, 400) << bad << reply.body;
  }
  for (const auto* good :
       {R"("event_type":"😀")", R"("event_type":"\ud83d\ude00")",
        R"("event_type":"x","payload":null)", R"("event_type":"x","payload":"\ud83d\ude00")",
        R"("event_type":"x","payload":[])", R"("event_type":"x","payload":1e-400)",
        R"("event_type":"x","session_id":null)"}) {
    const auto reply = event(good);
    EXPECT_EQ(reply.status, 200) << good << reply.body;
  }
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner +
                    "' and event_type = '😀'"),
            "2");
}

// ---- who asks ------------------------------------------------------------------------------

enum class Who { self, other, teacher, admin, service, nobody, expired, foreign };

TEST(Api, each_role_may_what_the_table_says) {
  auto& w = writing();
  // 200 for a learner's own, for another learner, for teacher, admin and service, then without
  // credentials, with an expired token, and for another tenant's admin.
  const std::map<std::string, std::array<int, 8>> table{
      {"GET /openapi.json", {200, 200, 200, 200, 200, 200, 200, 200}},
      {"GET /v1/stories", {200, 200, 200, 200, 200, 401, 401, 200}},
      {"GET /v1/stories/{id}", {200, 200, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/summary", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/vocabulary/recommendations",
       {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/learners/{id}/vocabulary/reviews", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/export", {200, 403, 403, 200, 200, 401, 401, 404}},
      {"DELETE /v1/learners/{id}", {200, 403, 403, 200, 200, 401, 401, 404}},
      {"POST /v1/progress/batch", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/sessions", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/events", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/analytics/learning", {403, 403, 200, 200, 200, 401, 401, 200}}};
  const auto another = subject_of(w.database, 1);
  EXPECT_EQ(table.size(), routes().size());
  for (const auto& route : routes()) {
    const auto expected = table.find(name_of(route));
    ASSERT_NE(expected, table.end()) << name_of(route);
    for (std::size_t i = 0; i < 8; ++i) {
      SCOPED_TRACE(fmt::format("{} as {}", name_of(route), i));
      const auto who = add_learner(w.database, w.subject);
      auto request = sample_request(route, who);
      switch (static_cast<Who>(i)) {
        case Who::self:
          request.token = learner(who.tenant, who.learner);
          break;
        case Who::other:
          request.token = learner(who.tenant, w.subject.learner);
          break;
        case Who::teacher:
          request.token = staff(who.tenant, "teacher");
          break;
        case Who::admin:
          request.token = staff(who.tenant, "admin");
          break;
        case Who::service:
          request.token = staff(who.tenant, "service");
          break;
        case Who::nobody:
          break;
        case Who::expired:
          request.token =
              issuer().token({.tenant = who.tenant, .roles = {"admin"}, .lifetime = -1h});
          break;
        case Who::foreign:
          request.token = staff(another.tenant, "admin");
          break;
      }
      const auto reply = w.served(request);
      EXPECT_EQ(reply.status, expected->second[i]) << reply.body.substr(0, 300);
      if (reply.status == 401) EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    }
  }
}

TEST(Api, a_learner_sees_no_other_learners_progress) {
  auto& r = reading();
  const auto people = r.database.query(
      fmt::format("select id from users where tenant_id = '{}' and id <> '{}' limit 1",
                  r.subject.tenant, r.subject.learner));
  const auto own = learner(r.subject.tenant, r.subject.learner);
  for (const auto& base : {std::string("/v1/stories"), "/v1/stories/" + r.subject.story}) {
    const auto target = base + "?include=progress&learner=";
    EXPECT_EQ(r.served({.target = target + people[0][0], .token = own}).status, 403);
    EXPECT_EQ(r.served({.target = target + a_uuid(), .token = own}).status, 403);
    EXPECT_EQ(r.served({.target = target + r.subject.learner, .token = own}).status, 200);
    EXPECT_EQ(get(target + people[0][0]).status, 200);
    EXPECT_EQ(get(target + a_uuid()).status, 404);
  }
  // A batch with one row of somebody else's is refused as a whole.
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto reply = w.served(
      {"POST", "/v1/sessions",
       fmt::format(
           R"({{"sessions":[{{"id":"{}","user_id":"{}","started_at":"2025-01-01T00:00:00Z",)"
           R"("duration_minutes":1}},{{"id":"{}","user_id":"{}",)"
           R"("started_at":"2025-01-01T00:00:00Z","duration_minutes":1}}]}})",
           a_uuid(), who.learner, a_uuid(), w.subject.learner),
       learner(who.tenant, who.learner)});
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(w.value("select count(*) from learning_sessions where user_id = '" + who.learner + "'"),
            "1");
}

TEST(Api, api_keys_are_taken_like_tokens) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto summary = "/v1/learners/" + who.learner + "/summary";
  const auto status = [&](const std::string& token) {
    return w.served({.target = summary, .token = token}).status;
  };
  const auto service = make_api_key(w.database, who.tenant, {"service"});
  const auto self = make_api_key(w.database, who.tenant, {"learner"}, who.learner);
  const auto other = make_api_key(w.database, who.tenant, {"learner"}, w.subject.learner);
  const auto foreign = make_api_key(w.database, subject_of(w.database, 1).tenant, {"admin"});
  EXPECT_EQ(status(service), 200);
  EXPECT_EQ(status(self), 200);
  EXPECT_EQ(status(other), 403);
  EXPECT_EQ(status(foreign), 404);
  auto wrong = service;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(status(wrong), 401);
  EXPECT_EQ(status("lyk_"), 401);
  EXPECT_EQ(status("lyk_000000000000_0"), 401);
  w.database.change("update api_keys set revoked_at = now() where tenant_id = '" + who.tenant +
                    "'");
  EXPECT_EQ(status(service), 401);
  EXPECT_EQ(status(self), 401);
  w.database.change(
      "update api_keys set revoked_at = null, expires_at = now() where tenant_id = '" + who.tenant +
      "'");
  EXPECT_EQ(status(service), 401);
  w.database.change("delete from api_keys where tenant_id = '" + who.tenant + "'");
}

// ---- headers -------------------------------------------------------------------------------

TEST(Api, a_request_id_is_given_back_or_made_up) {
  auto& r = reading();
  const auto id_of = [&](const std::string& given, const std::string& target) {
    ApiRequest request{.target = target, .token = r.token};
    if (!given.empty()) request.headers.emplace_back("X-Request-Id", given);
    const auto reply = r.served(request);
    if (reply.status >= 400) {
      EXPECT_EQ(std::string(json_of(reply).at("request_id").as_string()),
                reply.header("x-request-id"));
    }
    return reply.header("x-request-id");
  };
  for (const auto* target : {"/v1/stories?limit=1", "/v1/stories?limit=0", "/nowhere"}) {
    EXPECT_EQ(id_of("a.B-9_", target), "a.B-9_");
    EXPECT_EQ(id_of(std::string(128, 'x'), target), std::string(128, 'x'));
    std::set<std::string> made;
    for (const auto& bad : {std::string(), std::string(129, 'x'), std::string("a b"),
                            std::string("é"), std::string("a,b"), std::string("<script>")}) {
      const auto id = id_of(bad, target);
      EXPECT_NE(id, bad);
      EXPECT_GE(id.size(), 16U);
      EXPECT_TRUE(made.insert(id).second);
    }
  }
}

TEST(Api, a_bookmark_is_given_for_writes_and_taken_with_reads) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  std::string bookmark;
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, add_learner(w.database, w.subject));
    request.token = w.token;
    const auto reply = w.served(request);
    EXPECT_EQ(reply.status, 200);
    const auto given = reply.header("lyceum-bookmark");
    EXPECT_EQ(!given.empty(), route.method != Method::get);
    if (!given.empty()) {
      EXPECT_NE(given, bookmark);
      bookmark = given;
    }
  }
  auto forged = bookmark;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  for (const auto& carried : {bookmark, forged, std::string("x"), std::string(4000, 'A'),
                              std::string("%00"), bookmark + bookmark}) {
    const auto reply = w.served({.target = "/v1/learners/" + who.learner + "/summary",
                                 .token = w.token,
                                 .headers = {{"Lyceum-Bookmark", carried}}});
    EXPECT_EQ(reply.status, 200) << carried;
  }
}

// ---- limits and failures -------------------------------------------------------------------

TEST(Api, a_tenant_that_asks_too_often_is_told_when_to_come_back) {
  auto& w = writing();
  Served served(w.database, {"LYCEUM_SERVER_TENANT_RATE=1", "LYCEUM_SERVER_TENANT_BURST=3"});
  const auto other = staff(subject_of(w.database, 1).tenant);
  const ApiRequest request{.target = "/v1/stories?limit=1", .token = w.token};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(served(request).status, 200);
  const auto refused = served(request);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code_of(refused), "rate_limited");
  EXPECT_EQ(refused.header("retry-after"), "1");
  // It is the tenant that is limited: not others, and not only that token.
  EXPECT_EQ(served({.target = request.target, .token = other}).status, 200);
  EXPECT_EQ(served({.target = request.target, .token = staff(w.subject.tenant, "teacher")}).status,
            429);
  EXPECT_EQ(served({.target = "/openapi.json"}).status, 200);
  EXPECT_TRUE(eventually([&] { return served(request).status == 200; }, 5s));
}

TEST(Api, of_one_tenant_only_so_many_are_at_work) {
  auto& w = writing();
  Served served(w.database, {"LYCEUM_SERVER_TENANT_IN_FLIGHT=2", "LYCEUM_SERVER_TENANT_WAITING=3"});
  const auto who = add_learner(w.database, w.subject);
  OpenTransaction lock(w.database.url(),
                       "select from users where id = '" + who.learner + "' for update");
  ApiRequest blocked{
      "POST", "/v1/learners/" + who.learner + "/vocabulary/reviews",
      fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", who.word), w.token};
  std::vector<HttpClient> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(served.connect());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(clients[static_cast<std::size_t>(i)].send(blocked));
  const auto waiting_in_database = [&] {
    return w.value("select count(*) from pg_stat_activity where usename = '" + w.database.role() +
                   "' and wait_event_type = 'Lock'");
  };
  ASSERT_TRUE(eventually([&] { return waiting_in_database() == "2"; }));
  ASSERT_TRUE(eventually([&] {
    return served.metrics().find("lyceum_http_requests_waiting 3\n") != std::string::npos;
  }));
  // Two are at work, three wait, the next are refused at once; another tenant is not concerned.
  for (int i = 5; i < 9; ++i) {
    const auto reply = clients[static_cast<std::size_t>(i)].exchange(blocked);
    ASSERT_TRUE(reply);
    Served::check(blocked, *reply);
    EXPECT_EQ(reply->status, 429);
    EXPECT_EQ(reply->header("retry-after"), "1");
  }
  EXPECT_EQ(
      served({.target = "/v1/stories", .token = staff(subject_of(w.database, 1).tenant)}).status,
      200);
  EXPECT_EQ(waiting_in_database(), "2");
  lock.end();
  for (int i = 0; i < 5; ++i) {
    const auto reply = clients[static_cast<std::size_t>(i)].receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 200) << reply->body;
  }
  EXPECT_EQ(w.value("select review_count from user_vocabulary_progress where user_id = '" +
                    who.learner + "'"),
            "5");
}

TEST(Api, what_takes_too_long_is_ended_and_said_so) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=300ms"});
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    OpenTransaction lock(database.url(),
                         "lock table users, stories, progress, user_vocabulary_progress, "
                         "learning_sessions, user_events, vocabulary, idempotency_keys "
                         "in access exclusive mode");
    const auto since = std::chrono::steady_clock::now();
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 504) << reply.body;
    EXPECT_EQ(code_of(reply), "timeout");
    EXPECT_LT(std::chrono::steady_clock::now() - since, 5s);
    // Nobody is left who waits in the server.
    EXPECT_TRUE(eventually([&] {
      return database.value("select count(*) from pg_stat_activity where usename = '" +
                            database.role() + "' and state <> 'idle'") == "0";
    }));
  }
  auto request = sample_request(routes()[1], subject);
  request.token = staff(subject.tenant);
  EXPECT_EQ(served(request).status, 200);
}

// The server's errors, each raised by a trigger with a text that nobody is to see.
TEST(Api, the_servers_errors_become_problems_of_ours) {
  const AppDatabase database;
  const auto subject = add_learner(database, subject_of(database, 0));
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=2s"});
  struct Case {
    std::string sqlstate;
    int status;
    std::string code;
  };
  for (const auto& [sqlstate, status, code] :
       {Case{"53100", 503, "database_full"}, Case{"53200", 503, "database_full"},
        Case{"25006", 503, "read_only"}, Case{"40P01", 503, "retry"}, Case{"40001", 503, "retry"},
        Case{"55P03", 503, "retry"}, Case{"57014", 504, "timeout"}, Case{"22003", 400, "bad_input"},
        Case{"23514", 400, "bad_input"}, Case{"23503", 404, "not_found"},
        Case{"23505", 409, "conflict"}, Case{"42501", 500, "internal"},
        Case{"XX000", 500, "internal"}, Case{"XX001", 500, "internal"},
        Case{"P0001", 500, "internal"}}) {
    database.change(fmt::format(
        R"(create or replace function refuse() returns trigger language plpgsql as $$
           begin raise exception 'relation secret of learning.x at 127.0.0.1' using errcode = '{}',
                 detail = 'column secret', hint = 'SELECT'; end $$;
           do $$ begin
             create trigger refuse before insert or update on user_events execute function refuse();
           exception when duplicate_object then null; end $$)",
        sqlstate));
    for (const auto& route : routes()) {
      if (route.path != "/v1/events") continue;
      auto request = sample_request(route, subject);
      request.token = staff(subject.tenant);
      const auto reply = served(request);
      EXPECT_EQ(reply.status, status) << sqlstate << reply.body;
      EXPECT_EQ(code_of(reply), code) << sqlstate;
      EXPECT_EQ(!reply.header("retry-after").empty(), status == 503) << sqlstate;
      EXPECT_EQ(reply.body.find("secret"), std::string::npos) << reply.body;
    }
  }
}

TEST(Api, a_database_that_takes_no_writes_is_read_from) {
  const AppDatabase database;
  const auto subject = add_learner(database, subject_of(database, 0));
  database.change("alter role " + database.role() + " set default_transaction_read_only = on");
  Served served(database, {"LYCEUM_CLUSTER_PRIMARY_WAIT=50ms"});
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    // These say themselves that they write, against the default: see the tests of a replica.
    if (route.path == "/v1/learners/{id}" || route.path.ends_with("/reviews")) continue;
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    if (route.method == Method::get) {
      EXPECT_EQ(reply.status, 200) << reply.body;
    } else {
      EXPECT_EQ(reply.status, 503) << reply.body;
      EXPECT_EQ(code_of(reply), "read_only");
      EXPECT_EQ(reply.header("retry-after"), "5");
    }
  }
}

TEST(Api, a_failure_of_ours_is_a_problem_without_a_reason) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database);
  database.change(
      "revoke all on users, stories, progress, user_vocabulary_progress, tenants, "
      "learning_sessions, user_events, idempotency_keys from lyceum_app");
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 500) << reply.body;
    EXPECT_EQ(code_of(reply), "internal");
    // The reason is in the log, under the request's id.
    EXPECT_NE(served.program().log().find(reply.header("x-request-id")), std::string::npos);
  }
  EXPECT_NE(served.program().log().find("42501"), std::string::npos);
}

TEST(Api, a_database_that_is_away_is_waited_for_and_then_said_to_be) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=300ms", "DB_POOL_TIMEOUT=200ms"});
  const auto name = database.value("select current_database()");
  psql(lyceum::testing::shared_server().url("postgres"),
       fmt::format("alter database {0} allow_connections false; select pg_terminate_backend(pid) "
                   "from pg_stat_activity where datname = '{0}'",
                   name));
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 503) << reply.body;
    EXPECT_THAT(code_of(reply), ::testing::AnyOf("unavailable", "overloaded", "in_doubt"));
  }
  EXPECT_EQ(served({.target = "/openapi.json"}).status, 200);
  psql(lyceum::testing::shared_server().url("postgres"),
       "alter database " + name + " allow_connections true");
  EXPECT_TRUE(eventually([&] {
    return served({.target = "/v1/stories?limit=1", .token = staff(subject.tenant)}).status == 200;
  }));
}

// Every answer of 2xx and 4xx that the document promises can be had.
TEST(Api, every_documented_status_happens) {
  auto& w = writing();
  Served limited(w.database, {"LYCEUM_SERVER_TENANT_RATE=1", "LYCEUM_SERVER_TENANT_BURST=1"});
  const auto stranger = staff(a_uuid());  // of a tenant that there is not
  std::set<std::string> documented;
  std::set<std::string> seen;
  for (const auto& route : routes()) {
    const auto name = name_of(route);
    for (const auto& response : ApiDocument::project()
                                    .operation(name_of(route.method), route.path)
                                    ->at("responses")
                                    .as_object()) {
      const std::string status(response.key());
      if (status[0] == '2' || status[0] == '4') documented.insert(name + ' ' + status);
    }
    const auto note = [&](const HttpReply& reply) {
      seen.insert(fmt::format("{} {}", name, reply.status));
    };
    const auto who = add_learner(w.database, w.subject);
    const auto ask = [&](const auto& change) {
      auto request = sample_request(route, who);
      request.token = w.token;
      change(request);
      note(w.served(request));
    };
    ask([](ApiRequest& request) { request.target += "?unknown=1"; });
    if (route.audience == Audience::everyone) {
      ask([](ApiRequest&) {});
      continue;
    }
    ask([](ApiRequest& request) { request.token.clear(); });
    // Another learner's.
    ask([&](ApiRequest& request) {
      request.token = learner(who.tenant, w.subject.learner);
      if (route.path.starts_with("/v1/stories")) {
        request.target += "?include=progress&learner=" + who.learner;
      }
    });
    // What there is not: a learner, a story, a tenant.
    ask([&](ApiRequest& request) { request.token = stranger; });
    for (int i = 0; i < 2; ++i) {
      auto request = sample_request(route, who);
      request.token = w.token;
      request.target += "?unknown=1";
      note(limited(request));
      request = sample_request(route, add_learner(w.database, w.subject));
      request.token = w.token;
      note(limited(request));
    }
    if (route.most_body > 0) {
      ask([&](ApiRequest& request) { request.body.append(route.most_body, ' '); });
      // What stands there already contradicts it.
      const auto other = add_learner(w.database, w.subject);
      auto first = sample_request(route, who);
      first.token = w.token;
      first.headers = {{"Idempotency-Key", "of " + std::string(route.path)}};
      note(w.served(first));
      auto second = first;
      auto body = json::parse(second.body);
      auto& row = body.as_object().begin()->value().as_array()[0].as_object();
      if (row.contains("rating")) row["rating"] = 1;
      if (row.contains("time_spent")) row["time_spent"] = 2;
      if (row.contains("started_at")) row["started_at"] = "2025-01-02T00:00:00Z";
      if (row.contains("event_type")) {
        row["user_id"] = other.learner;
        row["session_id"] = other.session;
      }
      second.body = json::serialize(body);
      note(w.served(second));
    }
    ask([](ApiRequest&) {});  // last: it may be a deletion
  }
  for (const auto& status : documented) EXPECT_TRUE(seen.contains(status)) << status;
}

}  // namespace
}  // namespace lyceum::server
