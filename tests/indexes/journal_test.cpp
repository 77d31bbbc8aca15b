#include "indexes/journal.h"

#include <gtest/gtest.h>

namespace lyceum::indexes {
namespace {

BuildRecord record(BuildState state, std::string build_name, Oid index_oid = 0) {
  BuildRecord out;
  out.id = 7;
  out.schema = "public";
  out.name = "i";
  out.build_name = std::move(build_name);
  out.table_oid = 100;
  out.declared = "CREATE INDEX CONCURRENTLY \"i\" ON \"public\".\"t\" (a) WHERE b > 1";
  out.state = state;
  out.index_oid = index_oid;
  return out;
}

ExistingIndex index(Oid oid, std::string name, bool valid) {
  ExistingIndex out;
  out.oid = oid;
  out.schema = "public";
  out.name = std::move(name);
  out.table_oid = 100;
  out.table_schema = "public";
  out.table = "t";
  out.method = "btree";
  out.definition = "CREATE INDEX " + out.name + " ON public.t USING btree (a) WHERE (b > 1)";
  out.valid = valid;
  return out;
}

std::vector<RecoveryStep> steps(const BuildRecord& journal, std::vector<ExistingIndex> indexes) {
  Inventory inventory;
  inventory.indexes = std::move(indexes);
  return recover(std::span(&journal, 1), inventory);
}

TEST(Journal, a_wreck_whose_number_was_recorded_is_dropped) {
  const auto found = steps(record(BuildState::building, "i", 5), {index(5, "i", false)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::drop_wreck);
  EXPECT_EQ(found[0].index_oid, 5U);
  EXPECT_EQ(found[0].index, "i");
  EXPECT_EQ(found[0].record, 7);
}

TEST(Journal, a_wreck_of_another_number_is_not_ours) {
  const auto found = steps(record(BuildState::building, "i", 5), {index(6, "i", false)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::note_abandoned);
}

TEST(Journal, without_a_number_name_table_and_definition_decide) {
  const auto building = record(BuildState::building, "i");
  EXPECT_TRUE(made_by(building, index(5, "i", false)));
  EXPECT_FALSE(made_by(building, index(5, "j", false)));
  auto elsewhere = index(5, "i", false);
  elsewhere.table_oid = 101;
  EXPECT_FALSE(made_by(building, elsewhere));
  auto other = index(5, "i", false);
  other.definition = "CREATE INDEX i ON public.t USING btree (a) WHERE (b > 2)";
  EXPECT_FALSE(made_by(building, other));
  auto other_schema = index(5, "i", false);
  other_schema.schema = "s";
  EXPECT_FALSE(made_by(building, other_schema));
}

TEST(Journal, a_build_seen_to_fail_without_a_number_owns_nothing) {
  // CREATE INDEX failed because the name was taken: what has the name is somebody else's.
  EXPECT_TRUE(steps(record(BuildState::failed, "i"), {index(5, "i", false)}).empty());
}

TEST(Journal, a_failed_build_whose_wreck_is_still_there_is_cleared) {
  const auto found = steps(record(BuildState::failed, "i", 5), {index(5, "i", false)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::drop_wreck);
  EXPECT_TRUE(steps(record(BuildState::failed, "i", 5), {}).empty());
}

TEST(Journal, a_build_that_finished_unseen_is_done) {
  const auto found = steps(record(BuildState::building, "i"), {index(5, "i", true)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::note_done);
  EXPECT_EQ(found[0].index_oid, 5U);
}

TEST(Journal, a_build_of_which_nothing_is_left_is_abandoned) {
  const auto found = steps(record(BuildState::building, "i"), {});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::note_abandoned);
}

TEST(Journal, an_index_that_is_being_built_just_now_is_left_alone) {
  auto wreck = index(5, "i", false);
  wreck.building_process = 4711;
  EXPECT_TRUE(steps(record(BuildState::building, "i", 5), {wreck}).empty());
}

TEST(Journal, a_replacement_complete_under_its_building_name_awaits_its_swap) {
  const auto name = building_name("i");
  const auto found =
      steps(record(BuildState::building, name), {index(4, "i", true), index(5, name, true)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::note_built);
  EXPECT_TRUE(steps(record(BuildState::built, name, 5), {index(4, "i", true), index(5, name, true)})
                  .empty());
}

TEST(Journal, after_a_swap_the_replaced_index_is_dropped_by_its_number) {
  auto swapped = record(BuildState::swapped, building_name("i"), 5);
  swapped.replaced_oid = 4;
  const auto found = steps(swapped, {index(5, "i", true), index(4, retired_name("i"), true)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, RecoveryKind::drop_replaced);
  EXPECT_EQ(found[0].index, retired_name("i"));
  const auto gone = steps(swapped, {index(5, "i", true)});
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].kind, RecoveryKind::note_done);
}

TEST(Journal, finished_builds_need_nothing) {
  EXPECT_TRUE(steps(record(BuildState::done, "i", 5), {index(5, "i", false)}).empty());
  EXPECT_TRUE(steps(record(BuildState::abandoned, "i", 5), {index(5, "i", false)}).empty());
  EXPECT_TRUE(steps(record(BuildState::done, "i", 5), {}).empty());
}

TEST(Journal, names_of_states_are_read_back) {
  for (const auto state : {BuildState::building, BuildState::built, BuildState::swapped,
                           BuildState::done, BuildState::failed, BuildState::abandoned}) {
    EXPECT_EQ(parse_build_state(name_of(state)), state);
  }
  EXPECT_EQ(parse_build_state("x"), std::nullopt);
}

TEST(Journal, names_for_building_fit_and_stay_different) {
  const std::string a(63, 'a');
  auto b = a;
  b.back() = 'b';
  std::string umlauts;
  for (int i = 0; i < 31; ++i) umlauts += "ä";
  for (const auto& name : {std::string("i"), a, b, umlauts}) {
    EXPECT_LE(building_name(name).size(), 63U);
    EXPECT_NE(building_name(name), name);
    EXPECT_NE(building_name(name), retired_name(name));
  }
  EXPECT_NE(building_name(a), building_name(b));
  EXPECT_EQ(building_name("i"), "i_lyceum_new");
  // No half character at the cut.
  const auto cut = building_name(umlauts);
  EXPECT_EQ(cut.substr(0, cut.find('_')).size() % 2, 0U);
}

}  // namespace
}  // namespace lyceum::indexes
