// What callers measured of a statement, joined to what servers count of it.

#include "watch/statement_names.h"

#include <gtest/gtest.h>

#include "watch/row_of.h"
#include "watch/value.h"

namespace lyceum::watch {
namespace {

TEST(StatementNames, ANameIsTheFirstCommentAndNothingElse) {
  EXPECT_EQ(statement_name("/* learning.stories_page */ SELECT 1"), "learning.stories_page");
  for (const auto* other : {"", "SELECT 1", "/* two words */ SELECT 1", "/* learning.stories_page",
                            "/*learning.stories_page*/ SELECT 1", "/*  */ SELECT 1",
                            "SELECT /* learning.stories_page */ 1"}) {
    EXPECT_EQ(statement_name(other), "") << other;
  }
}

TEST(StatementNames, TheQueryidWithTheMostCallsStandsForAStatement) {
  StatementNames names;
  names.add("/* a.one */ SELECT 1", "11", 5);
  names.add("/* a.one */ SELECT 1", "12", 4);
  names.add("/* a.one */ SELECT 1", "12", 3);  // on another server
  names.add("/* a.two */ SELECT 2", "21", 1);
  names.add("SELECT 3", "31", 100);
  const auto& collector = *find_collector("client_statements");
  Sample sample{.source = {.collector = "client_statements"}};
  for (const auto* name : {"a.one", "a.two", "a.three", "*"}) {
    sample.rows.push_back(RowOf(collector).set("name", std::string(name)).take());
  }
  names.put_into(sample);
  const auto of = [&](std::size_t row) {
    return text_of(sample.rows[row][static_cast<std::size_t>(collector.position("queryid"))]);
  };
  EXPECT_EQ(of(0), "12");
  EXPECT_EQ(of(1), "21");
  EXPECT_EQ(of(2), "");
  EXPECT_EQ(of(3), "");
}

}  // namespace
}  // namespace lyceum::watch
