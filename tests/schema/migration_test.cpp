#include "schema/migration.h"

#include <gtest/gtest.h>

namespace lyceum::schema {
namespace {

using State = MigrationStatus::State;

TEST(Migrations, AreOrderedByNumberAndKnowWhetherTheyWantATransaction) {
  const EmbeddedFile files[] = {
      {"indexes/guide.sql", "create index"},
      {"migrations/0002_two.sql", "-- why\n-- transaction: none\nvacuum"},
      {"migrations/0001_one.sql", "-- transaction is fine\nselect 1; -- transaction: none"},
  };
  const auto found = find_migrations(files).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "0001_one");
  EXPECT_TRUE(found[0].in_transaction);
  EXPECT_EQ(found[1].name, "0002_two");
  EXPECT_FALSE(found[1].in_transaction);
  // sha256sum's answer for the same bytes.
  const EmbeddedFile abc[] = {{"migrations/0001_abc.sql", "abc"}};
  EXPECT_EQ(find_migrations(abc).value()[0].checksum,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Migrations, WithBadNamesAreRefused) {
  for (const char* bad :
       {"migrations/1_one.sql", "migrations/0001.sql", "migrations/0001_.sql",
        "migrations/0000_zero.sql", "migrations/one.sql", "migrations/0001-one.sql"}) {
    const EmbeddedFile files[] = {{bad, ""}};
    const auto found = find_migrations(files);
    ASSERT_TRUE(found.has_error()) << bad;
    EXPECT_EQ(found.error().code, ErrorCode::kConfiguration);
    EXPECT_NE(found.error().message.find(bad), std::string::npos) << found.error().message;
  }
}

TEST(Migrations, GapsAndRepeatedNumbersAreRefused) {
  const EmbeddedFile gap[] = {{"migrations/0001_a.sql", ""}, {"migrations/0003_c.sql", ""}};
  EXPECT_EQ(find_migrations(gap).error().message, "migration 0002 is missing before 0003_c");
  const EmbeddedFile twice[] = {{"migrations/0001_a.sql", ""}, {"migrations/0001_b.sql", ""}};
  EXPECT_NE(find_migrations(twice).error().message.find("0001_a and 0001_b"), std::string::npos);
}

std::vector<Migration> three() {
  const EmbeddedFile files[] = {{"migrations/0001_a.sql", "a"},
                                {"migrations/0002_b.sql", "b"},
                                {"migrations/0003_c.sql", "c"}};
  return find_migrations(files).value();
}

TEST(Migrations, CompareSaysWhatEachSideHas) {
  const auto known = three();
  const AppliedMigration applied[] = {{1, "0001_a", known[0].checksum, Timestamp{}},
                                      {2, "0002_b", "other", Timestamp{}},
                                      {7, "0007_g", "seven", Timestamp{}}};
  const auto statuses = compare(known, applied);
  ASSERT_EQ(statuses.size(), 4u);
  EXPECT_EQ(statuses[0].state, State::applied);
  EXPECT_EQ(statuses[1].state, State::changed);
  EXPECT_EQ(statuses[2].state, State::pending);
  EXPECT_EQ(statuses[3].state, State::unknown);
  EXPECT_EQ(statuses[3].name, "0007_g");
}

TEST(Migrations, CheckRefusesWhatCannotBeRight) {
  const auto known = three();
  const auto verdict = [&](std::vector<AppliedMigration> applied) {
    return check(compare(known, applied));
  };
  EXPECT_TRUE(verdict({}).has_value());
  EXPECT_TRUE(verdict({{1, "0001_a", known[0].checksum, {}}}).has_value());
  EXPECT_EQ(verdict({{1, "0001_a", "other", {}}}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(verdict({{9, "0009_x", "x", {}}}).error().code, ErrorCode::kConflict);
  const auto hole = verdict({{2, "0002_b", known[1].checksum, {}}});
  EXPECT_NE(hole.error().message.find("0001_a is missing although 0002_b"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::schema
