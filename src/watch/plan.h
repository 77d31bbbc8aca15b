#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "pg/target.h"

namespace lyceum::watch {

struct Plan {
  std::optional<std::string> text;
  std::string why_not;  // where there is none
};

// How many parameters a statement's text has: the highest n of its $n, outside of quotes and
// comments.
[[nodiscard]] int parameters_of(std::string_view statement);

// Whether a plan is made of such a statement at all: no utility command has one.
[[nodiscard]] bool has_plan(std::string_view statement);

// The generic plan of a text of pg_stat_statements, on any version: it is prepared with its
// parameters' types left to the server, and explained with NULLs for them. Nothing is executed, but
// for what the planner computes in advance; in a transaction that only reads, over a connection of
// its own.
[[nodiscard]] boost::asio::awaitable<Plan> plan_of(boost::asio::any_io_executor executor,
                                                   pg::Target target, std::string statement,
                                                   SteadyTime deadline);

}  // namespace lyceum::watch
