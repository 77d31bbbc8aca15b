#include "learning/stories.h"

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/mp11/list.hpp>
#include <cmath>
#include <fmt/format.h>
#include <tuple>

#include "learning/cursor.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr int kMostRows = 100;
constexpr int kColumns = boost::mp11::mp_size<
    boost::describe::describe_members<Story, boost::describe::mod_public>>::value;
constexpr std::int64_t kMostSkipped = 100'000;
constexpr std::size_t kLongestSearch = 200;
constexpr std::array<std::string_view, 6> kLevels{"A1", "A2", "B1", "B2", "C1", "C2"};

std::optional<Error> check(const StoriesRequest& request) {
  if (request.limit < 1 || request.limit > kMostRows) {
    return bad_input(fmt::format("limit {} is not within 1 to {}", request.limit, kMostRows));
  }
  if (request.offset < 0 || request.offset > kMostSkipped) {
    return bad_input(fmt::format("offset {} is not within 0 to {}", request.offset, kMostSkipped),
                     "page through with next_cursor");
  }
  if (request.cursor && request.offset != 0) {
    return bad_input("cursor and offset exclude each other");
  }
  if (request.level && std::ranges::find(kLevels, *request.level) == kLevels.end()) {
    return bad_input(
        fmt::format("level '{}' is none of A1, A2, B1, B2, C1, C2", request.level->substr(0, 20)));
  }
  for (const auto& bound : {request.difficulty_min, request.difficulty_max}) {
    if (bound && !std::isfinite(*bound)) return bad_input("a difficulty is not a number");
  }
  if (request.difficulty_min && request.difficulty_max &&
      *request.difficulty_min > *request.difficulty_max) {
    return bad_input("difficulty_min is above difficulty_max");
  }
  if (request.search) {
    if (request.search->size() > kLongestSearch) {
      return bad_input(fmt::format("search is longer than {} bytes", kLongestSearch));
    }
    if (auto error = check_text("search", *request.search)) return error;
  }
  return std::nullopt;
}

// What a cursor is good for: everything that decides which rows a listing has and in what order.
std::string listing_of(const Scope& scope, const StoriesRequest& request) {
  return fmt::format("{}|{}|{}|{}|{}|{}", to_string(scope.tenant), request.level.value_or(""),
                     request.difficulty_min.value_or(-1), request.difficulty_max.value_or(-1),
                     request.learner ? to_string(*request.learner) : "",
                     request.search.value_or(""));
}

struct Listing {
  const Statement* statement;
  pg::Params params;
};

Listing choose(const StoriesRequest& request, const std::optional<StoryPosition>& after) {
  namespace statements = sql::learning;
  pg::Params params;
  params.add(request.difficulty_min).add(request.difficulty_max);
  params.add(after ? std::optional(after->featured) : std::nullopt);
  params.add(after ? std::optional(after->created_at) : std::nullopt);
  params.add(after ? std::optional(after->id) : std::nullopt);
  params.add(std::int32_t{request.limit + 1}).add(static_cast<std::int32_t>(request.offset));
  const auto last_accessed = after ? after->last_accessed : std::nullopt;
  if (request.search) {
    params.add(request.learner).add(last_accessed).add(request.level).add(*request.search);
    params.add(request.include_total);
    return {&statements::stories_search, std::move(params)};
  }
  if (request.learner) {
    params.add(*request.learner).add(last_accessed);
    if (!request.level) return {&statements::stories_page_progress, std::move(params)};
    params.add(*request.level);
    return {&statements::stories_page_progress_level, std::move(params)};
  }
  if (!request.level) return {&statements::stories_page, std::move(params)};
  params.add(*request.level);
  return {&statements::stories_page_level, std::move(params)};
}

awaitable<Result<std::int64_t>> count(const Scope& scope, const StoriesRequest& request) {
  namespace statements = sql::learning;
  const bool by_difficulty = request.difficulty_min || request.difficulty_max;
  const bool is_kept = !request.search && !by_difficulty;
  pg::Params params;
  if (!is_kept) params.add(request.difficulty_min).add(request.difficulty_max);
  params.add(request.level);
  if (request.search) params.add(*request.search);
  const auto& statement = request.search ? statements::stories_search_count
                          : is_kept      ? statements::stories_total
                                         : statements::stories_count;
  const auto rows = co_await scope.database.execute(statement, params, scope.call());
  if (rows.has_error()) co_return rows.error();
  co_return rows->value<std::int64_t>();
}

// The total that a search's rows bring with them; one without rows is asked for it, unless it began
// at the first.
awaitable<Result<std::int64_t>> found_in_all(const Scope& scope, const StoriesRequest& request,
                                             const pg::Rows& rows) {
  if (!rows.empty()) co_return rows[0].get<std::int64_t>(rows.column("total_count"));
  if (!request.cursor && request.offset == 0) co_return 0;
  co_return co_await count(scope, request);
}

StoryPosition position_of(const pg::Rows& rows, const pg::Row& row) {
  return {.featured = row.get<bool>(rows.column("featured")),
          .last_accessed = row.get<std::optional<Timestamp>>(rows.column("last_accessed")),
          .created_at = row.get<Timestamp>(rows.column("created_at")),
          .id = row.get<Uuid>(rows.column("id"))};
}

bool any_opened(const StoriesRows& page) {
  const int column = page.rows.column("last_accessed");
  for (int i = 0; i < page.size; ++i) {
    if (!page.rows[i].is_null(column)) return true;
  }
  return false;
}

}  // namespace

awaitable<Result<StoriesRows>> stories_rows(Scope scope, StoriesRequest request) {
  if (auto error = check(request)) co_return *error;
  const auto listing = listing_of(scope, request);
  std::optional<StoryPosition> after;
  if (request.cursor) {
    after = decode_cursor(*request.cursor, listing);
    if (!after) {
      co_return bad_input("the cursor is none of this listing",
                          "take next_cursor from a page with the same filters");
    }
  }

  const auto wanted = choose(request, after);
  const auto call = scope.call();  // lives until the answer is there
  const auto fetch = [&] { return scope.database.execute(*wanted.statement, wanted.params, call); };
  Result<pg::Rows> rows = pg::Rows();
  Result<std::int64_t> total = 0;
  if (request.include_total && request.search) {
    rows = co_await fetch();
    if (rows.has_error()) co_return rows.error();
    total = co_await found_in_all(scope, request, *rows);
    if (total.has_error()) co_return total.error();
  } else if (request.include_total) {
    // Two questions, on two lanes at once.
    using namespace boost::asio::experimental::awaitable_operators;
    std::tie(rows, total) = co_await (fetch() && count(scope, request));
    if (total.has_error()) co_return total.error();
  } else {
    rows = co_await fetch();
  }
  if (rows.has_error()) co_return rows.error();

  StoriesRows page{.rows = std::move(*rows), .columns = kColumns};
  page.has_more = page.rows.size() > request.limit;
  page.size = std::min(page.rows.size(), request.limit);
  if (page.has_more) {
    auto last = position_of(page.rows, page.rows[page.size - 1]);
    if (!request.learner) last.last_accessed.reset();
    page.next_cursor = encode_cursor(last, listing);
  }
  if (request.include_total) page.total_count = *total;
  if (page.size == 0 && !request.cursor) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
  }
  if (request.learner && !any_opened(page)) {
    // Nothing opened: or nobody who could have.
    auto known = co_await check_learner(scope, *request.learner);
    if (known.has_error()) co_return known.error();
  }
  co_return page;
}

awaitable<Result<StoriesPage>> stories_page(Scope scope, StoriesRequest request) {
  auto page = co_await stories_rows(scope, std::move(request));
  if (page.has_error()) co_return page.error();
  StoriesPage out{.stories = {},
                  .has_more = page->has_more,
                  .next_cursor = std::move(page->next_cursor),
                  .total_count = page->total_count};
  out.stories.reserve(static_cast<std::size_t>(page->size));
  for (int i = 0; i < page->size; ++i) {
    out.stories.push_back(pg::read_row<Story>(page->rows[i]));
  }
  co_return out;
}

}  // namespace lyceum::learning
