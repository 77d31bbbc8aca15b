#pragma once

#include <chrono>
#include <cstddef>

#include "base/clock.h"

namespace lyceum::pool {

// Limits of one pool. Defaults are the guide's where it names one.
struct Limits {
  std::size_t connection_limit = 20;  // 1..10000 connections, lanes and leases together
  std::size_t lanes = 4;              // connections that carry single statements, at most
  std::size_t lane_depth = 32;        // statements in flight on one lane, at most
  std::size_t min_idle = 1;         // connections kept open, beside the leased ones, though nobody
                                    // needs them
  std::size_t queue_limit = 10000;  // requests that wait for a connection, at most
  std::size_t concurrent_connects = 2;
  Duration pool_timeout = std::chrono::seconds(10);       // wait for a connection, at most
  Duration connect_timeout = std::chrono::seconds(10);    // one attempt
  Duration statement_timeout = std::chrono::seconds(30);  // a statement without its own deadline
  Duration idle_timeout = std::chrono::minutes(10);
  Duration max_lifetime = std::chrono::minutes(30);
  double max_lifetime_jitter = 0.1;  // 0..1: lifetimes end up to this share earlier, at random,
                                     // so that connections do not all reconnect together
  bool impatient = false;  // while the server cannot be reached requests fail at once, where they
                           // would wait for pool_timeout: for who knows of other servers
  Duration backoff_initial = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
  Duration slow_statement_lease = std::chrono::milliseconds(20);  // mean from which a statement
                                                                  // gets a connection of its own
};

}  // namespace lyceum::pool
