#include "cluster/observation.h"

#include <gtest/gtest.h>

namespace lyceum::cluster {
namespace {

TEST(Observation, ALagIsKnownOnlyOfAReplicaThatReceives) {
  ServerAnswer answer{.lsn = 10, .received_lsn = 20, .replayed_seconds_ago = 3.5};
  EXPECT_FALSE(answer.lag_seconds());
  answer.in_recovery = true;
  EXPECT_FALSE(answer.lag_seconds());
  answer.receiving = true;
  EXPECT_EQ(answer.lag_seconds(), 3.5);
  // Nothing to replay: the age of the last transaction says only that the primary is idle.
  answer.lsn = 20;
  EXPECT_EQ(answer.lag_seconds(), 0);
}

}  // namespace
}  // namespace lyceum::cluster
