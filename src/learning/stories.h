#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learning/scope.h"

namespace lyceum::learning {

// A story as a listing shows it. Author to source are its attribution, to be shown with it.
struct Story {
  Uuid id{};
  std::string title;
  std::string level;                    // CEFR: A1, A2, B1, B2, C1, C2
  double difficulty_score = 0;          // 0 to 10
  std::int32_t estimated_duration = 0;  // minutes
  std::optional<std::string> thumbnail_url;
  std::int64_t view_count = 0;
  bool featured = false;
  Timestamp created_at{};
  std::optional<std::int32_t> completion_percentage;  // the learner's, where there is one
  std::optional<std::int64_t> time_spent;             // seconds
  std::optional<Timestamp> last_accessed;
  std::string author;
  std::string illustrator;
  std::string translator;
  std::string licence;
  std::string source;
};
BOOST_DESCRIBE_STRUCT(Story, (),
                      (id, title, level, difficulty_score, estimated_duration, thumbnail_url,
                       view_count, featured, created_at, completion_percentage, time_spent,
                       last_accessed, author, illustrator, translator, licence, source))

struct StoriesRequest {
  std::optional<std::string> level = {};
  std::optional<double> difficulty_min = {};
  std::optional<double> difficulty_max = {};  // inclusive
  std::optional<std::string> search = {};  // all these words, in title or text; at most 200 bytes
  std::optional<Uuid> learner = {};        // adds progress, and what was opened last comes first
  int limit = 20;                          // 1 to 100
  std::optional<std::string> cursor = {};  // a page's next_cursor; same filters and learner
  std::int64_t offset = 0;                 // rows to skip instead of a cursor, 0 to 100,000
  bool include_total = false;
};

struct StoriesPage {
  std::vector<Story> stories;
  bool has_more = false;
  std::optional<std::string> next_cursor;   // where has_more
  std::optional<std::int64_t> total_count;  // where asked for; exact
};

// The same page as the server sent it: for who passes it on without looking at each story.
struct StoriesRows {
  pg::Rows rows;  // columns as Story's members, perhaps one more row or column
  int size = 0;
  int columns = 0;
  bool has_more = false;
  std::optional<std::string> next_cursor;
  std::optional<std::int64_t> total_count;
};

// A page of the tenant's published stories: featured ones first, then (with a learner) those opened
// last, then the newest, then by id, so that pages neither repeat nor skip.
// Errors: kBadInput, kNotFound (tenant), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<StoriesPage>> stories_page(Scope scope,
                                                                       StoriesRequest request);
[[nodiscard]] boost::asio::awaitable<Result<StoriesRows>> stories_rows(Scope scope,
                                                                       StoriesRequest request);

}  // namespace lyceum::learning
