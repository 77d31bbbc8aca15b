#include "cli/bench_search_words.h"

#include <algorithm>

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;

// Words as they are written, not stems: what somebody would type. Which are in how many stories
// goes by the stem, as the search does.
constexpr Statement kWords{"", R"(
WITH written AS (
  SELECT word, tsvector_to_array(to_tsvector('english', word)) AS stems
  FROM ts_stat($$SELECT to_tsvector('simple', title || ' ' || content) FROM public.stories
                 WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0$$)
  WHERE word ~ '^[a-z]{3,}$'
), stems AS (
  SELECT word AS stem, ndoc::float8 / (SELECT count(*) FROM public.stories
                                      WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0) AS share
  FROM ts_stat($$SELECT to_tsvector('english', title || ' ' || content) FROM public.stories
                 WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0$$)
), kinds AS (
  SELECT min(w.word) AS word,
         CASE WHEN s.share < 0.01 THEN 0 WHEN s.share <= 0.1 THEN 1 ELSE 2 END AS kind
  FROM written w
  JOIN stems s ON w.stems = ARRAY[s.stem]
  GROUP BY s.stem, s.share
), ranked AS (
  SELECT word, kind, row_number() OVER (PARTITION BY kind ORDER BY md5(word)) AS place FROM kinds
)
SELECT word, kind FROM ranked WHERE place <= $1::integer ORDER BY kind, place)",
                           Access::read};

}  // namespace

std::vector<std::string> SearchWords::mixed() const {
  std::vector<std::string> out;
  const auto most = std::max({rare.size(), medium.size(), common.size()});
  for (std::size_t i = 0; i < most; ++i) {
    for (const auto* kind : {&rare, &medium, &common}) {
      if (!kind->empty()) out.push_back((*kind)[i % kind->size()]);
    }
  }
  return out;
}

awaitable<Result<SearchWords>> search_words(pg::Connection& connection, int count) {
  const auto rows = co_await connection.execute(kWords, pg::Params(std::int32_t{count}));
  if (rows.has_error()) co_return rows.error();
  SearchWords out;
  for (const auto row : *rows) {
    const auto kind = row.get<std::int32_t>(1);
    auto& words = kind == 0 ? out.rare : kind == 1 ? out.medium : out.common;
    words.push_back(row.get<std::string>(0));
  }
  if (out.mixed().empty()) {
    co_return Error{.code = ErrorCode::kInternal,
                    .message = "the stories have no words to search for"};
  }
  co_return out;
}

}  // namespace lyceum::cli
