#include "base/escape.h"
#include "learning/stories.h"
#include "learning/story.h"
#include "server/handlers.h"
#include "server/json_rows.h"
#include "server/json_struct.h"

namespace lyceum::server {
namespace {

using boost::asio::awaitable;

constexpr std::int64_t kMostRows = 100;

// What may stand in include=a,b.
struct Include {
  bool progress = false;
  bool total = false;
};

Result<Include> parse_include(const std::optional<std::string>& text) {
  Include include;
  if (!text) return include;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const auto word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (word == "progress") {
      include.progress = true;
    } else if (word == "total") {
      include.total = true;
    } else {
      return learning::bad_input("'include' takes progress and total");
    }
  }
  return include;
}

// Whose progress is asked for: a learner's own, or that of the learner who is named.
Result<std::optional<Uuid>> learner_of(const Call& call, bool wants_progress) {
  const auto named = call.query.uuid("learner");
  if (named.has_error()) return named.error();
  if (!wants_progress) {
    if (*named) return learning::bad_input("'learner' goes with include=progress");
    return std::optional<Uuid>();
  }
  const auto learner = *named ? *named : call.principal.learner;
  if (!learner) return learning::bad_input("'learner' is needed with include=progress");
  if (auto error = check_audience(Audience::own_learner, call.principal, *learner)) return *error;
  return learner;
}

}  // namespace

awaitable<Result<Response>> get_stories(Call& call) {
  const auto& query = call.query;
  const auto include = parse_include(query.text("include"));
  if (include.has_error()) co_return include.error();
  const auto learner = learner_of(call, include->progress);
  if (learner.has_error()) co_return learner.error();
  const auto difficulty_min = query.number("difficulty_min");
  if (difficulty_min.has_error()) co_return difficulty_min.error();
  const auto difficulty_max = query.number("difficulty_max");
  if (difficulty_max.has_error()) co_return difficulty_max.error();
  const auto limit = query.integer("limit");
  if (limit.has_error()) co_return limit.error();
  if (*limit && (**limit < 1 || **limit > kMostRows)) {
    co_return learning::bad_input("'limit' is not within 1 to 100");
  }

  const learning::StoriesRequest request{.level = query.text("level"),
                                         .difficulty_min = *difficulty_min,
                                         .difficulty_max = *difficulty_max,
                                         .search = query.text("q"),
                                         .learner = *learner,
                                         .limit = static_cast<int>(limit->value_or(20)),
                                         .cursor = query.text("cursor"),
                                         .include_total = include->total};
  const auto page = co_await learning::stories_rows(call.scope(), request);
  if (page.has_error()) co_return page.error();

  Response response;
  auto& body = response.body;
  body.reserve(static_cast<std::size_t>(page->size) * 600 + 200);
  body += "{\"stories\":";
  RowWriter(page->rows, page->columns).append_array(body, page->size);
  body += page->has_more ? ",\"has_more\":true" : ",\"has_more\":false";
  body += ",\"next_cursor\":";
  if (page->next_cursor) {
    append_json_string(body, *page->next_cursor);
  } else {
    body += "null";
  }
  if (page->total_count) body += ",\"total_count\":" + std::to_string(*page->total_count);
  body += '}';
  co_return response;
}

awaitable<Result<Response>> get_story(Call& call) {
  const auto include = parse_include(call.query.text("include"));
  if (include.has_error()) co_return include.error();
  const auto learner = learner_of(call, include->progress);
  if (learner.has_error()) co_return learner.error();
  const auto found = co_await learning::story(call.scope(), call.id, *learner);
  if (found.has_error()) co_return found.error();
  Response response;
  response.body = "{";
  append_json_members(response.body, found->story);
  response.body += ",\"content\":";
  append_json_string(response.body, found->content);
  response.body += '}';
  co_return response;
}

}  // namespace lyceum::server
