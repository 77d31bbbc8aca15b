#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "base/clock.h"
#include "indexes/plan.h"
#include "pg/connection.h"

namespace lyceum::indexes {

// The day, UTC, by this clock: what rolling dates count from.
[[nodiscard]] Date utc_day(const Clock& clock);

// Reads what a plan is made of. Changes nothing that lasts: to ask the server about declarations
// that are not settled otherwise it makes empty temporary tables in a transaction that it rolls
// back, and where it may not do that it says so in why_not_asked.
//
// Sets the session's TimeZone, DateStyle and timeouts, so the connection should be the caller's
// own. Errors: what the connection gives; permission is needed for nothing but connecting.
[[nodiscard]] boost::asio::awaitable<Result<Observation>> observe(
    std::shared_ptr<pg::Connection> connection, const Catalogue& catalogue, Date today);

// Reads and plans. Every role that may connect may call it; on a replica too.
[[nodiscard]] boost::asio::awaitable<Result<Plan>> plan(std::shared_ptr<pg::Connection> connection,
                                                        const Catalogue& catalogue, Date today);

}  // namespace lyceum::indexes
