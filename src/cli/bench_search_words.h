#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "pg/connection.h"

namespace lyceum::cli {

// Words to search stories for, as the stories have them: by how many of them do.
struct SearchWords {
  std::vector<std::string> rare;    // in fewer than 1 of 100 stories
  std::vector<std::string> medium;  // in 1 to 10 of 100
  std::vector<std::string> common;  // in more

  // One of each kind that there is, in turn.
  [[nodiscard]] std::vector<std::string> mixed() const;
};

// Drawn from the published stories themselves, at most `count` of each kind, no stop words: some
// 400 stories are looked at, and among the words of a kind all are as likely. So nobody has picked
// them, the same rows give the same words, and both sides search for them. What learners really
// search for is not known; that is why the kinds are measured apart as well. Errors: no word at
// all, those of the connection.
[[nodiscard]] boost::asio::awaitable<Result<SearchWords>> search_words(pg::Connection& connection,
                                                                       int count);

}  // namespace lyceum::cli
