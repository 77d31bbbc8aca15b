#include "cli/bench_search_words.h"

#include <algorithm>

#include "sql/statements.h"

namespace lyceum::cli {

using boost::asio::awaitable;

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
  const auto rows =
      co_await connection.execute(sql::bench::search_words, pg::Params(std::int32_t{count}));
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
