#include "cluster/failure.h"

namespace lyceum::cluster {
namespace {

// ERRCODE_QUERY_CANCELED is also what a statement_timeout gives; the message tells, where it is in
// English, and where it is not the read fails as one that was cancelled.
bool is_conflict(const Error& error) {
  return error.sqlstate == "40001" || error.sqlstate == "40P01" ||
         (error.sqlstate == "57014" && error.message.find("recovery") != std::string::npos);
}

}  // namespace

Failure judge(const Error& error, Access access, bool on_replica) {
  if (error.may_have_taken_effect && access == Access::write) return Failure::own;
  switch (error.code) {
    case ErrorCode::kConnect:
      return Failure::unreachable;
    case ErrorCode::kConnectionLost:
      return Failure::broken;
    case ErrorCode::kSql:
      if (error.sqlstate == "25006" && access == Access::write) return Failure::not_primary;
      if (on_replica && is_conflict(error)) return Failure::conflict;
      if (error.sqlstate == "57P01" || error.sqlstate == "57P02" || error.sqlstate == "57P03") {
        return Failure::broken;
      }
      return Failure::own;
    default:
      return Failure::own;
  }
}

}  // namespace lyceum::cluster
