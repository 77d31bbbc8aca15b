#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/error.h"

namespace lyceum::cluster {

// What a server said of itself: the row of sql/cluster/probe.sql.
struct ServerAnswer {
  bool in_recovery = false;
  bool read_only = false;  // takes no writes though it is no replica
  std::int32_t timeline = 0;
  std::int64_t lsn = 0;  // bytes of WAL: written on a primary, replayed on a replica
  std::optional<std::int64_t> received_lsn;
  bool receiving = false;                      // a replica that is connected to what it follows
  std::optional<double> replayed_seconds_ago;  // the newest transaction that a replica has replayed
  std::int64_t system_identifier = 0;
  Timestamp started_at{};
  std::int64_t connections = 0;
  std::int32_t max_connections = 0;
  std::int32_t server_version_num = 0;  // 150004 for 15.4

  // How far a replica is behind what it has received: 0 where it has replayed all of that, whether
  // its primary is idle or not. Nothing on a primary, and where nothing is received: then nothing
  // is known.
  [[nodiscard]] std::optional<double> lag_seconds() const {
    if (!in_recovery || !receiving) return std::nullopt;
    if (received_lsn && lsn >= *received_lsn) return 0;
    return replayed_seconds_ago;
  }
};
BOOST_DESCRIBE_STRUCT(ServerAnswer, (),
                      (in_recovery, read_only, timeline, lsn, received_lsn, receiving,
                       replayed_seconds_ago, system_identifier, started_at, connections,
                       max_connections, server_version_num))

// What came of asking one node once: an answer, or why there is none.
struct Observation {
  SteadyTime asked{};
  SteadyTime at{};  // answered, or given up
  // Over a new connection, the one before having broken: the server may have been started anew.
  bool connected_anew = false;
  std::optional<ServerAnswer> answer;
  std::optional<Error> error;  // kTimeout: accepted, perhaps, and never answered
};

}  // namespace lyceum::cluster
