#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "learning/scope.h"
#include "pool/database.h"
#include "server/admission.h"
#include "server/api_figures.h"
#include "server/bookmark.h"
#include "server/message.h"
#include "server/principal.h"
#include "server/query.h"
#include "server/rate_limiter.h"

namespace lyceum::server {

// A request whose sender is known and may go on: what a handler works with.
struct Call {
  const Request& request;
  const Principal& principal;
  const Query& query;
  Uuid id{};  // of the path's {id}, where it has one
  pool::Database& database;
  SteadyTime deadline;
  std::uint64_t number = 0;  // of the request, among those of its worker
  // How far the caller has come: from its bookmark, and on. Followed where it carries one, and by
  // every write.
  std::optional<pg::Position> seen = {};
  bool primary = false;  // its bookmark cannot be placed

  [[nodiscard]] learning::Scope scope() {
    return {.database = database,
            .tenant = principal.tenant,
            .deadline = deadline,
            .seen = seen ? &*seen : nullptr,
            .primary = primary};
  }
};

using Handler = boost::asio::awaitable<Result<Response>> (*)(Call& call);

// Who may call a route. What a learner may see of others within it is its handler's to decide.
enum class Audience : std::uint8_t {
  everyone,      // without credentials
  members,       // every role
  own_learner,   // the learner of the path, and whoever may read or write all of the tenant's
  learner_data,  // the same, but no teacher: a learner's rights over its own data
  staff,         // teacher, admin, service
};

struct Route {
  Method method;
  std::string_view path;  // "/v1/learners/{id}/summary"
  Audience audience;
  std::span<const std::string_view> parameters;  // of the query; others are refused
  std::size_t most_body;                         // bytes
  Handler handler;
};

// The data API, in the order of docs/http.md.
[[nodiscard]] std::span<const Route> routes();

// Who sends this Authorization header, or kUnauthenticated.
using Authenticate = std::function<boost::asio::awaitable<Result<Principal>>(
    std::string_view authorization, SteadyTime deadline)>;

// Says whether a principal may call a route, for the learner that its path names. Pure.
[[nodiscard]] std::optional<Error> check_audience(Audience audience, const Principal& principal,
                                                  const Uuid& learner);

// The data API of one worker: from a parsed request to its response. All on the worker's thread,
// but for figures().
class Api {
 public:
  struct Options {
    pool::Database& database;
    Authenticate authenticate;
    RateLimiter& rates;  // shared by all workers
    const Bookmarks& bookmarks;
    Log& log;
    AdmissionLimits admission;
    Duration request_timeout = std::chrono::seconds(10);
    bool access_log = true;
  };
  explicit Api(Options options);

  // Never throws; errors are responses.
  [[nodiscard]] boost::asio::awaitable<Response> serve(const Request& request);

  // Bytes that the body of such a request may have.
  [[nodiscard]] static std::size_t most_body(Method method, std::string_view path);

  [[nodiscard]] const ApiFigures& figures() const { return figures_; }
  [[nodiscard]] const Admission& admission() const { return admission_; }

 private:
  struct Outcome;
  void read_bookmark(Call& call) const;
  boost::asio::awaitable<Response> answer(const Request& request, Outcome& outcome);
  boost::asio::awaitable<std::optional<Response>> admit(const Uuid& tenant, SteadyTime deadline,
                                                        std::string_view request_id);
  void leave(const Uuid& tenant);
  void let_in(const Uuid& tenant);
  Response refuse(const Error& error, Outcome& outcome);
  void write_access_log(const Request& request, const Outcome& outcome, const Response& response,
                        Duration took);

  Options options_;
  Admission admission_;
  ApiFigures figures_;
  std::uint64_t requests_ = 0;
};

}  // namespace lyceum::server
