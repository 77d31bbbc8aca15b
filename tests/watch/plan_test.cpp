#include "watch/plan.h"

#include <gtest/gtest.h>

namespace lyceum::watch {
namespace {

TEST(Plan, ParametersAreCountedOutsideOfQuotesAndComments) {
  EXPECT_EQ(parameters_of("select 1"), 0);
  EXPECT_EQ(parameters_of("select $1, $12 + $3"), 12);
  EXPECT_EQ(parameters_of("select '$9', \"$8\", $1 -- $7\n, $2 /* $6 */"), 2);
  EXPECT_EQ(parameters_of("select $a$ $5 $a$, $$ $4 $$, $1"), 1);
  EXPECT_EQ(parameters_of("select '$9"), 0);
  EXPECT_EQ(parameters_of("$"), 0);
}

TEST(Plan, OnlyStatementsThatReadOrWriteRowsHaveOne) {
  EXPECT_TRUE(has_plan("/* learning.stories_page */ SELECT 1"));
  EXPECT_TRUE(has_plan("-- why\n  with x as (select 1) select * from x"));
  EXPECT_TRUE(has_plan("(select 1) union (select 2)"));
  EXPECT_FALSE(has_plan("vacuum t"));
  EXPECT_FALSE(has_plan("selection"));
  EXPECT_FALSE(has_plan(""));
  EXPECT_FALSE(has_plan("/* never ends"));
}

}  // namespace
}  // namespace lyceum::watch
