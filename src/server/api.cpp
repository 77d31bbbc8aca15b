#include "server/api.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <fmt/format.h>

#include "pg/waiter.h"
#include "server/problem.h"
#include "server/trace_context.h"

namespace lyceum::server {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

constexpr std::string_view kIdSegment = "{id}";

struct Match {
  const Route* route = nullptr;
  Uuid id{};
  bool path_known = false;  // some route has this path
  std::string allowed;      // the methods that it has
};

// The id where the path is that of the template; a path without one gives nil.
std::optional<Uuid> match_path(std::string_view path, std::string_view wanted) {
  const auto at = wanted.find(kIdSegment);
  if (at == std::string_view::npos) return path == wanted ? std::optional(Uuid{}) : std::nullopt;
  constexpr std::size_t kUuidLength = 36;
  const auto before = wanted.substr(0, at);
  const auto after = wanted.substr(at + kIdSegment.size());
  if (path.size() != before.size() + kUuidLength + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return std::nullopt;
  }
  return parse_uuid(path.substr(at, kUuidLength));
}

Match find_route(Method method, std::string_view path) {
  // Whatever answers GET answers HEAD, without the body.
  const auto wanted = method == Method::head ? Method::get : method;
  Match match;
  for (const auto& route : routes()) {
    const auto id = match_path(path, route.path);
    if (!id) continue;
    match.path_known = true;
    match.allowed += fmt::format("{}{}", match.allowed.empty() ? "" : ", ", name_of(route.method));
    if (route.method == Method::get) match.allowed += ", HEAD";
    if (route.method != wanted) continue;
    match.route = &route;
    match.id = *id;
    return match;
  }
  return match;
}

bool sees_all_learners(const Roles& roles) {
  return roles.has(Role::teacher) || roles.has(Role::admin) || roles.has(Role::service);
}

Error forbidden(std::string message) {
  return {.code = ErrorCode::kForbidden, .message = std::move(message)};
}

// A refusal is held back a little: a tenant that asks again at once would otherwise use up the
// processors with being refused.
awaitable<void> hold_back() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(50));
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

int whole_seconds(Duration duration) {
  return static_cast<int>(std::ceil(std::chrono::duration<double>(duration).count()));
}

}  // namespace

std::optional<Error> check_audience(Audience audience, const Principal& principal,
                                    const Uuid& learner) {
  const auto& roles = principal.roles;
  const bool is_own = roles.has(Role::learner) && principal.learner == learner;
  switch (audience) {
    case Audience::everyone:
      return std::nullopt;
    case Audience::members:
      if (!roles.empty()) return std::nullopt;
      return forbidden("this needs a role");
    case Audience::own_learner:
      if (is_own || sees_all_learners(roles)) return std::nullopt;
      return forbidden("a learner may ask for its own data alone");
    case Audience::learner_data:
      if (is_own || roles.has(Role::admin) || roles.has(Role::service)) return std::nullopt;
      return forbidden("this is for the learner itself, an admin or a service");
    case Audience::staff:
      if (sees_all_learners(roles)) return std::nullopt;
      return forbidden("this is for a teacher, an admin or a service");
  }
  return forbidden("nobody may call this");
}

// What is found out of a request on its way, for the log and the figures.
struct Api::Outcome {
  std::size_t route = 0;
  std::string request_id;
  std::optional<Principal> principal;
  std::optional<Error> error;
  std::string_view code;  // of the problem, where there is one
};

Api::Api(Options options)
    : options_(std::move(options)), admission_(options_.admission), figures_(routes().size()) {}

std::size_t Api::most_body(Method method, std::string_view path) {
  constexpr std::size_t kWithoutRoute = 64 * 1024;  // read, to answer with what is wrong
  const auto match = find_route(method, path);
  return match.route != nullptr ? match.route->most_body : kWithoutRoute;
}

awaitable<Response> Api::serve(const Request& request) {
  const auto begun = std::chrono::steady_clock::now();
  Outcome outcome{.route = routes().size(), .request_id = request_id_from(request.request_id)};
  Response response;
  std::exception_ptr thrown;
  try {
    response = co_await answer(request, outcome);
  } catch (const Exception& exception) {
    response = refuse(exception.error(), outcome);
  } catch (const std::exception& exception) {
    response = refuse({.code = ErrorCode::kInternal, .message = exception.what()}, outcome);
  }
  response.headers.emplace_back("X-Request-Id", outcome.request_id);
  const auto took = std::chrono::steady_clock::now() - begun;
  figures_.record(outcome.route, response.status, took);
  if (options_.access_log) write_access_log(request, outcome, response, took);
  co_return response;
}

awaitable<Response> Api::answer(const Request& request, Outcome& outcome) {
  const auto match = find_route(request.method, request.path);
  if (!match.path_known) {
    outcome.code = "no_such_path";
    co_return to_response({404, outcome.code, "there is no such path; see /openapi.json"},
                          outcome.request_id);
  }
  if (match.route == nullptr) {
    outcome.code = "method_not_allowed";
    auto response =
        to_response({405, outcome.code, "this path takes " + match.allowed}, outcome.request_id);
    response.headers.emplace_back("Allow", match.allowed);
    co_return response;
  }
  const auto& route = *match.route;
  outcome.route = static_cast<std::size_t>(&route - routes().data());
  const auto deadline = std::chrono::steady_clock::now() + options_.request_timeout;

  if (route.audience != Audience::everyone) {
    auto principal = co_await options_.authenticate(request.authorization, deadline);
    if (principal.has_error()) co_return refuse(principal.error(), outcome);
    outcome.principal = std::move(*principal);
  } else {
    outcome.principal.emplace();
  }
  const auto& principal = *outcome.principal;
  const auto query = Query::parse(request.query, route.parameters);
  if (query.has_error()) co_return refuse(query.error(), outcome);
  Call call{.request = request,
            .principal = principal,
            .query = *query,
            .id = match.id,
            .database = options_.database,
            .deadline = deadline,
            .number = ++requests_};
  if (route.audience == Audience::everyone) {
    auto response = co_await route.handler(call);
    co_return response.has_value() ? std::move(*response) : refuse(response.error(), outcome);
  }

  if (auto wait = options_.rates.take(principal.tenant, std::chrono::steady_clock::now())) {
    outcome.code = "rate_limited";
    co_await hold_back();
    co_return to_response(
        {429, outcome.code, "this tenant has made too many requests", whole_seconds(*wait)},
        outcome.request_id);
  }
  if (auto error = check_audience(route.audience, principal, match.id)) {
    co_return refuse(*error, outcome);
  }
  if (auto refused = co_await admit(principal.tenant, deadline, outcome.request_id)) {
    outcome.code = refused->status == 429 ? "rate_limited" : "overloaded";
    co_return std::move(*refused);
  }
  // Its place is given up when the answer is there, however that comes about.
  const auto give_up = [this](const Uuid* tenant) { leave(*tenant); };
  const std::unique_ptr<const Uuid, decltype(give_up)> place(&principal.tenant, give_up);
  read_bookmark(call);
  auto response = co_await route.handler(call);
  if (response.has_error()) co_return refuse(response.error(), outcome);
  if (call.seen && !call.seen->empty()) {
    response->headers.emplace_back("Lyceum-Bookmark",
                                   options_.bookmarks.encode(*call.seen, principal.tenant));
  }
  co_return std::move(*response);
}

void Api::read_bookmark(Call& call) const {
  const auto& request = call.request;
  const bool writes = request.method != Method::get && request.method != Method::head;
  if (request.bookmark.empty()) {
    if (writes) call.seen.emplace();
    return;
  }
  constexpr std::string_view kNothingSeen = "new";
  if (request.bookmark == kNothingSeen) {
    call.seen.emplace();
    return;
  }
  const auto position = options_.bookmarks.decode(request.bookmark, call.principal.tenant);
  call.seen = position.value_or(pg::Position{});
  call.primary = !position;
}

awaitable<std::optional<Response>> Api::admit(const Uuid& tenant, SteadyTime deadline,
                                              std::string_view request_id) {
  // Shared with the timer, whose last word may come after the turn.
  struct Waiting {
    pg::Waiter turn;
    Admission::Ticket ticket{.owner = &turn};
    bool late = false;
  };
  auto waiting = std::make_shared<Waiting>();
  switch (admission_.arrive(tenant, waiting->ticket, std::chrono::steady_clock::now())) {
    case Admission::Verdict::enter:
      co_return std::nullopt;
    case Admission::Verdict::worker_full:
      co_return to_response({503, "overloaded", "too many requests are at work", 1}, request_id);
    case Admission::Verdict::tenant_full:
      co_return to_response({429, "rate_limited", "too many requests of this tenant wait", 1},
                            request_id);
    case Admission::Verdict::wait:
      break;
  }
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  timer.async_wait([this, waiting, tenant](boost::system::error_code cancelled) {
    if (cancelled || !admission_.withdraw(tenant, waiting->ticket)) return;
    waiting->late = true;
    waiting->turn.notify();
  });
  let_in(tenant);
  co_await waiting->turn.wait();
  if (!waiting->late) co_return std::nullopt;
  co_return to_response({503, "overloaded", "the request waited for its turn for too long", 1},
                        request_id);
}

void Api::leave(const Uuid& tenant) {
  if (auto* next = admission_.leave(tenant)) static_cast<pg::Waiter*>(next->owner)->notify();
  let_in(tenant);
}

void Api::let_in(const Uuid& tenant) {
  while (auto* next = admission_.next(tenant)) static_cast<pg::Waiter*>(next->owner)->notify();
}

Response Api::refuse(const Error& error, Outcome& outcome) {
  const auto problem = problem_of(error);
  outcome.error = error;
  outcome.code = problem.code;
  if (problem.status >= 500) {
    options_.log.warning("request failed", error, {{"request_id", outcome.request_id}});
  }
  return to_response(problem, outcome.request_id);
}

void Api::write_access_log(const Request& request, const Outcome& outcome, const Response& response,
                           Duration took) {
  const bool known = outcome.route < routes().size();
  const auto& principal = outcome.principal;
  const auto tenant =
      principal && !principal->tenant.is_nil() ? to_string(principal->tenant) : std::string();
  options_.log.info("request",
                    {{"method", name_of(request.method)},
                     {"route", known ? routes()[outcome.route].path : std::string_view("none")},
                     {"status", response.status},
                     {"duration", took},
                     {"bytes", response.body.size()},
                     {"tenant", tenant},
                     {"principal", principal ? std::string_view(principal->name) : ""},
                     {"code", outcome.code},
                     {"request_id", outcome.request_id},
                     {"trace_id", trace_id_of(request.traceparent)},
                     {"peer", request.peer}});
}

}  // namespace lyceum::server
