// What the data API answers, over HTTP, is held against what psql finds in the tables.

#include <gtest/gtest.h>

#include "server/api_programs.h"

namespace lyceum::server {
namespace {

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

}  // namespace
}  // namespace lyceum::server
