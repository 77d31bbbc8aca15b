#include "indexes/used_indexes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lyceum::indexes {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kPlan = R"([{"Plan": {"Node Type": "Nested Loop", "Plans": [
  {"Node Type": "Index Scan", "Index Name": "a_key", "Relation Name": "a"},
  {"Node Type": "Bitmap Heap Scan", "Relation Name": "b", "Plans": [
    {"Node Type": "BitmapAnd", "Plans": [
      {"Node Type": "Bitmap Index Scan", "Index Name": "b_one"},
      {"Node Type": "Bitmap Index Scan", "Index Name": "b_two"}]}]},
  {"Node Type": "Seq Scan", "Relation Name": "c", "Subplan Name": "SubPlan 1"}]},
  "Planning Time": 0.1}])";

TEST(UsedIndexes, are_found_at_every_depth) {
  const auto used = indexes_used(kPlan);
  ASSERT_TRUE(used) << used.error().to_string();
  EXPECT_THAT(*used, ElementsAre("a_key", "b_one", "b_two"));
  const auto scanned = tables_scanned(kPlan);
  ASSERT_TRUE(scanned);
  EXPECT_THAT(*scanned, ElementsAre("c"));
}

TEST(UsedIndexes, refuses_what_is_no_plan) {
  EXPECT_FALSE(indexes_used("Seq Scan on a"));
  EXPECT_FALSE(indexes_used("[]"));
  EXPECT_FALSE(indexes_used(""));
}

TEST(UsedIndexes, reads_the_names_of_a_header) {
  EXPECT_THAT(names_in(" a, b ,c_d"), ElementsAre("a", "b", "c_d"));
  EXPECT_THAT(names_in(""), IsEmpty());
  EXPECT_THAT(names_in(" , "), IsEmpty());
}

}  // namespace
}  // namespace lyceum::indexes
