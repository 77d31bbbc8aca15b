#pragma once

#include <algorithm>
#include <set>
#include <tuple>

#include "learning/stories.h"
#include "school.h"

namespace lyceum::learning {

// The page of stories, done plainly: fetch all, sift, sort. Only the question whether a text
// matches words is the server's, asked of every row without an index.
class PlainStories {
 public:
  struct Progress {
    std::int64_t completion = 0, time_spent = 0, last_accessed = 0;
  };
  struct Row {
    std::string id, tenant, title, level;
    double difficulty = 0;
    std::int64_t duration = 0, views = 0, created_at = 0;
    bool featured = false, published = false;
    std::string thumbnail, author, illustrator, translator, licence, source;
  };
  struct Shown {
    const Row* story = nullptr;
    const Progress* progress = nullptr;
  };

  explicit PlainStories(const AppDatabase& database) : database_(database) {
    for (const auto& r : database.query(
             "select id, tenant_id, title, level, difficulty_score, estimated_duration, "
             "view_count, "
             "(extract(epoch from created_at) * 1000000)::bigint, featured, published, "
             "thumbnail_url, author, illustrator, translator, licence, source from stories")) {
      rows_.push_back({.id = r[0],
                       .tenant = r[1],
                       .title = r[2],
                       .level = r[3],
                       .difficulty = real(r[4]),
                       .duration = integer(r[5]),
                       .views = integer(r[6]),
                       .created_at = integer(r[7]),
                       .featured = r[8] == "t",
                       .published = r[9] == "t",
                       .thumbnail = r[10],
                       .author = r[11],
                       .illustrator = r[12],
                       .translator = r[13],
                       .licence = r[14],
                       .source = r[15]});
    }
    for (const auto& r :
         database.query("select user_id, story_id, completion_percentage, time_spent, "
                        "(extract(epoch from last_accessed) * 1000000)::bigint from progress")) {
      progress_[r[0]][r[1]] = {integer(r[2]), integer(r[3]), integer(r[4])};
    }
  }

  [[nodiscard]] std::vector<Shown> all(const std::string& tenant, const StoriesRequest& request) {
    const auto* matching = request.search ? &matches(tenant, *request.search) : nullptr;
    const std::map<std::string, Progress>* own = nullptr;
    if (request.learner) own = &progress_[to_string(*request.learner)];
    std::vector<Shown> out;
    for (const auto& row : rows_) {
      if (row.tenant != tenant || !row.published) continue;
      if (request.level && row.level != *request.level) continue;
      if (request.difficulty_min && row.difficulty < *request.difficulty_min) continue;
      if (request.difficulty_max && row.difficulty > *request.difficulty_max) continue;
      if (matching != nullptr && !matching->contains(row.id)) continue;
      Shown shown{.story = &row};
      if (own != nullptr) {
        if (const auto found = own->find(row.id); found != own->end()) {
          shown.progress = &found->second;
        }
      }
      out.push_back(shown);
    }
    const auto key = [](const Shown& s) {
      return std::tuple(s.story->featured, s.progress != nullptr,
                        s.progress != nullptr ? s.progress->last_accessed : 0, s.story->created_at,
                        s.story->id);
    };
    std::ranges::sort(out, [&](const Shown& a, const Shown& b) { return key(a) > key(b); });
    return out;
  }

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  const std::set<std::string>& matches(const std::string& tenant, const std::string& words) {
    const auto [at, is_new] = matches_.try_emplace({tenant, words});
    if (is_new) {
      // Texts are taken apart once; every one is then looked at for each search.
      (void)database_.query(
          "create table if not exists plain_search as select id, tenant_id, to_tsvector('english', "
          "title || E'\\n' || content) as words from stories");
      for (const auto& row : database_.query(
               fmt::format("select id from plain_search where tenant_id = '{}' and words @@ "
                           "plainto_tsquery('english', {})",
                           tenant, learning::quoted(words)))) {
        at->second.insert(row[0]);
      }
    }
    return at->second;
  }

  const AppDatabase& database_;
  std::vector<Row> rows_;
  std::map<std::string, std::map<std::string, Progress>> progress_;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> matches_;
};

// Whether a story is shown as it stands; what differs, or nothing.
inline std::string difference(const Story& story, const PlainStories::Shown& shown) {
  const auto& row = *shown.story;
  std::string out;
  const auto compare = [&](std::string_view what, const auto& is, const auto& ought) {
    if (!(is == ought)) out += fmt::format("{}: {} is {}, not {}; ", row.id, what, is, ought);
  };
  const auto number = [](const auto& value) -> std::int64_t { return value ? *value : -1; };
  compare("id", to_string(story.id), row.id);
  compare("title", story.title, row.title);
  compare("level", story.level, row.level);
  compare("difficulty_score", story.difficulty_score, row.difficulty);
  compare("estimated_duration", std::int64_t{story.estimated_duration}, row.duration);
  compare("thumbnail_url", story.thumbnail_url.value_or(std::string(testing::kNull)),
          row.thumbnail);
  compare("view_count", story.view_count, row.views);
  compare("featured", story.featured, row.featured);
  compare("created_at", micros(story.created_at), row.created_at);
  compare("author", story.author, row.author);
  compare("illustrator", story.illustrator, row.illustrator);
  compare("translator", story.translator, row.translator);
  compare("licence", story.licence, row.licence);
  compare("source", story.source, row.source);
  const auto* progress = shown.progress;
  compare("completion_percentage", number(story.completion_percentage),
          progress != nullptr ? progress->completion : -1);
  compare("time_spent", number(story.time_spent), progress != nullptr ? progress->time_spent : -1);
  compare("last_accessed", story.last_accessed ? micros(*story.last_accessed) : -1,
          progress != nullptr ? progress->last_accessed : -1);
  return out;
}

inline std::string difference(const std::vector<Story>& stories,
                              std::span<const PlainStories::Shown> ought) {
  if (stories.size() != ought.size()) {
    return fmt::format("{} stories in place of {}", stories.size(), ought.size());
  }
  for (std::size_t i = 0; i < stories.size(); ++i) {
    if (auto found = difference(stories[i], ought[i]); !found.empty()) {
      return fmt::format("place {}: {}", i, found);
    }
  }
  return {};
}

// All pages from the first to the last, by cursor.
inline awaitable<Result<std::vector<Story>>> walk(Scope scope, StoriesRequest request) {
  std::vector<Story> out;
  for (;;) {
    auto page = co_await stories_page(scope, request);
    if (page.has_error()) co_return page.error();
    const auto limit = static_cast<std::size_t>(request.limit);
    EXPECT_EQ(page->has_more, page->next_cursor.has_value());
    if (page->has_more) EXPECT_EQ(page->stories.size(), limit);
    EXPECT_LE(page->stories.size(), limit);
    std::ranges::move(page->stories, std::back_inserter(out));
    if (!page->has_more) co_return out;
    if (out.size() > 100'000) co_return Error{.message = "the pages do not end"};
    request.cursor = page->next_cursor;
  }
}

}  // namespace lyceum::learning
