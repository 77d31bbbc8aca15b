#include "cluster/failure.h"

#include <gtest/gtest.h>

namespace lyceum::cluster {
namespace {

constexpr ErrorCode kCodes[] = {ErrorCode::kSql,
                                ErrorCode::kConnect,
                                ErrorCode::kConnectionLost,
                                ErrorCode::kTimeout,
                                ErrorCode::kQueueFull,
                                ErrorCode::kShuttingDown,
                                ErrorCode::kInDoubt,
                                ErrorCode::kBadInput,
                                ErrorCode::kNotFound,
                                ErrorCode::kConflict,
                                ErrorCode::kUnauthenticated,
                                ErrorCode::kForbidden,
                                ErrorCode::kConfiguration,
                                ErrorCode::kIo,
                                ErrorCode::kInternal};
// PostgreSQL's, of appendix A: what moves, what does not, and none.
constexpr std::string_view kStates[] = {"",      "25006", "40001", "40P01", "57014", "57P01",
                                        "57P02", "57P03", "23505", "42P01", "53300", "22012"};
constexpr std::string_view kConflict = "canceling statement due to conflict with recovery";
constexpr std::string_view kCancelled = "canceling statement due to statement timeout";

Error sql(std::string_view state, std::string_view message = "it failed") {
  return {.code = ErrorCode::kSql, .message = std::string(message), .sqlstate = std::string(state)};
}

// Nothing that may have taken effect is done twice, whatever else there is to say of it.
TEST(Failure, AWriteThatMayHaveTakenEffectStaysItsOwn) {
  for (const auto code : kCodes) {
    for (const auto state : kStates) {
      for (const bool on_replica : {false, true}) {
        for (const auto message : {kConflict, kCancelled}) {
          auto error = sql(state, message);
          error.code = code;
          error.may_have_taken_effect = true;
          EXPECT_EQ(judge(error, Access::write, on_replica), Failure::own);
        }
      }
    }
  }
}

TEST(Failure, OnlyTheNodesFailuresMove) {
  for (const auto access : {Access::read, Access::write}) {
    for (const bool on_replica : {false, true}) {
      for (const auto code : kCodes) {
        auto error = sql("");
        error.code = code;
        const auto expected = code == ErrorCode::kConnect          ? Failure::unreachable
                              : code == ErrorCode::kConnectionLost ? Failure::broken
                                                                   : Failure::own;
        EXPECT_EQ(judge(error, access, on_replica), expected) << name_of(code);
      }
    }
  }
}

TEST(Failure, AReadMayBeRepeatedWhateverBecameOfIt) {
  Error error{.code = ErrorCode::kConnectionLost, .may_have_taken_effect = true};
  EXPECT_EQ(judge(error, Access::read, false), Failure::broken);
}

TEST(Failure, WhatTheServerSaysTellsWhoseItIs) {
  struct Case {
    std::string_view state;
    Failure read_on_primary, read_on_replica, write_on_primary, write_on_replica;
  };
  using enum Failure;
  const Case cases[] = {
      {"25006", own, own, not_primary, not_primary},  // read_only_sql_transaction
      {"40001", own, conflict, own, conflict},        // serialization_failure
      {"40P01", own, conflict, own, conflict},        // deadlock_detected
      {"57P01", broken, broken, broken, broken},      // admin_shutdown
      {"57P02", broken, broken, broken, broken},      // crash_shutdown
      {"57P03", broken, broken, broken, broken},      // cannot_connect_now
      {"23505", own, own, own, own},                  // unique_violation
      {"42P01", own, own, own, own},                  // undefined_table
      {"53300", own, own, own, own},                  // too_many_connections
      {"22012", own, own, own, own},                  // division_by_zero
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.state);
    EXPECT_EQ(judge(sql(one.state), Access::read, false), one.read_on_primary);
    EXPECT_EQ(judge(sql(one.state), Access::read, true), one.read_on_replica);
    EXPECT_EQ(judge(sql(one.state), Access::write, false), one.write_on_primary);
    EXPECT_EQ(judge(sql(one.state), Access::write, true), one.write_on_replica);
  }
}

TEST(Failure, ACancelIsARecoverysOnlyWhereItSaysSo) {
  EXPECT_EQ(judge(sql("57014", kConflict), Access::read, true), Failure::conflict);
  EXPECT_EQ(judge(sql("57014", kConflict), Access::read, false), Failure::own);
  EXPECT_EQ(judge(sql("57014", kCancelled), Access::read, true), Failure::own);
}

}  // namespace
}  // namespace lyceum::cluster
